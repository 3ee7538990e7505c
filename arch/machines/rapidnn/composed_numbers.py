"""A network as tables: what RNAs compute on, and the reference that they are held to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.machines.rapidnn.configuration import RapidnnConfig
from arch.numbers import Images, KnownNetwork, Numbers
from workloads.composition.composed_network import ComposedNetwork
from workloads.composition.composed_reference import ComposedReference
from workloads.composition.composing import ComposeOptions, compose
from workloads.composition.composition import Composition


class ComposedNumbers(Numbers):
    """Codes and fixed-point numbers of a composed network.

    A network that is not composed yet is so now, without retraining, with its training images.
    """

    network: ComposedNetwork

    def __init__(self, known: KnownNetwork, config: RapidnnConfig) -> None:
        """Take the tables of a composition, or compose the network."""
        composition = known.prepared
        if not isinstance(composition, Composition):
            options = ComposeOptions(config.weight_codes, config.input_codes, config.width)
            composition = compose(known.network, known.training(), options)
        self._composition = composition
        self.network = composition.at(config.weight_codes, config.input_codes, config.width)
        self._reference = ComposedReference(self.network)

    def known_among(self, images: Images) -> int:
        """Return how many of some images the network was composed with."""
        return self._composition.known_among(images)

    def encode(self, images: Images) -> NDArray[np.int32]:
        """Return the codes of images."""
        return self._reference.encode_inputs(images).astype(np.int32)

    def golden(self, images: Images) -> NDArray[np.int32]:
        """Return the outputs of the composed network's reference."""
        return self._reference.outputs(images).astype(np.int32)

    def decode(self, outputs: NDArray[np.int32]) -> Images:
        """Return outputs times their step."""
        return (outputs * self.network.output_scale).astype(np.float32)
