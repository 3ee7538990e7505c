"""From a network to the numbers that a machine computes on, and back to real ones.

Most machines compute on integers of a quantised network; others decide otherwise (`Machine.numbers`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads import (
    Dataset,
    LoweredNetwork,
    Network,
    QuantizedNetwork,
    golden_outputs,
    quantize,
)
from workloads.prepared import PreparedNetwork

Images = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class KnownNetwork:
    """What is known of a network in a run with values.

    calibration : images whose ranges set scales
    training : brings the images to make more than scales with, should they be needed
    prepared : what the network was prepared to, if the machine `reads` that form; None for any other
    """

    network: Network
    lowered: LoweredNetwork
    calibration: Images
    training: Callable[[], Dataset]
    prepared: PreparedNetwork | None = None


class Numbers(ABC):
    """A network in a machine's numbers.

    network : what the machine is loaded with
    """

    network: Any

    @property
    def notes(self) -> tuple[str, ...]:
        """What to bear in mind of how they came about."""
        return ()

    def known_among(self, images: Images) -> int:
        """Return how many of some images the network was made with, beyond setting scales."""
        return 0

    @abstractmethod
    def encode(self, images: Images) -> NDArray[np.int32]:
        """Return what images are to the machine."""

    @abstractmethod
    def golden(self, images: Images) -> NDArray[np.int32]:
        """Return the outputs that the machine must give, bit for bit."""

    @abstractmethod
    def decode(self, outputs: NDArray[np.int32]) -> Images:
        """Return outputs in real numbers."""


class QuantizedNumbers(Numbers):
    """Integers of so many bits."""

    network: QuantizedNetwork

    def __init__(self, known: KnownNetwork, weight_bits: int, activation_bits: int) -> None:
        """Calibrate scales and round the weights."""
        parameters = known.network.load_parameters()
        self.network = quantize(known.lowered, parameters, known.calibration, weight_bits, activation_bits)

    def encode(self, images: Images) -> NDArray[np.int32]:
        """Return images as integers."""
        return self.network.input_quantization.quantize(images)

    def golden(self, images: Images) -> NDArray[np.int32]:
        """Return the outputs of the integer reference."""
        return golden_outputs(self.network, images)

    def decode(self, outputs: NDArray[np.int32]) -> Images:
        """Return outputs times their scale."""
        return self.network.output_quantization.dequantize(outputs)
