"""Which images a run takes, and on which its scales are calibrated."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from simcore.errors import WorkloadError
from simcore.noise import (
    NORMAL_FRACTION_BITS,
    derive,
    normal_fixed_reference,
    stream_key,
    uniform_below_reference,
)
from workloads import Dataset, Network, Shape, datasets, lower, read_data, vocabulary
from workloads.photograph import PHOTOGRAPH, is_picture, photo_crops

CALIBRATION_IMAGES = 16

#: Images that are made to compose a network with which has none.
COMPOSING_IMAGES = 20


@dataclass(frozen=True, eq=False)
class RunInputs:
    """Images of a run.

    inputs : (images, C, H, W) float32
    calibration : the inputs whose ranges set the scales, whatever the number of images
    labels : class of each image, None where nobody knows
    origin : one sentence on where the images come from
    """

    inputs: NDArray[np.float32]
    calibration: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    origin: str


def run_inputs(network: Network, images: int, seed: int, data: str | Dataset | None) -> RunInputs:
    """Return the first `images` of a file or other data, else of the network's own, else what fits its input.

    A network without data of its own gets crops of the shipped photograph, seeded noise if it takes no
    picture, or seeded token ids of its vocabulary.

    raises : FileError for a bad file, WorkloadError for images that are too few or do not fit
    """
    if data is None and network.dataset in (None, PHOTOGRAPH):
        return _made(network, images, seed)
    if data is None:
        dataset = datasets[str(network.dataset)]()
    else:
        dataset = data if isinstance(data, Dataset) else read_data(data)
    dataset.check_fits(network.name, network.input_shape)
    if images > len(dataset):
        raise WorkloadError(
            f"{dataset.name} holds {len(dataset)} images, got --images {images}; ask for fewer"
        )
    first = dataset.first(images)
    calibration = dataset.inputs[:CALIBRATION_IMAGES]
    return RunInputs(
        first.inputs, calibration, first.labels, f"first {images} of {dataset.name}: {dataset.origin}"
    )


def own_data(network: Network) -> Dataset | None:
    """Return the images that a network was made to be tested on, if there are any."""
    name = network.dataset or ""
    return datasets[name]() if name in datasets else None


def composing_data(
    network: Network, given: str | Path | Dataset | None = None, of_run: str | Path | Dataset | None = None
) -> Dataset:
    """Return the images to compose a network with: those given for it, else its training images.

    A network without training images gets those of the run, if it has some, else images that fit its input;
    never those that it was made to be tested on.

    raises : FileError for a bad file
    """
    training = f"{network.dataset}-train"
    if given is None and training in datasets:
        return datasets[training]()
    chosen = of_run if given is None else given
    if chosen is not None:
        return chosen if isinstance(chosen, Dataset) else read_data(chosen)
    made = _made(network, COMPOSING_IMAGES, 0)
    return Dataset("images", made.inputs, made.labels, made.origin)


def _made(network: Network, images: int, seed: int) -> RunInputs:
    """Return images that fit an input: token ids, crops of the photograph, or noise for no picture."""
    shape = network.input_shape
    if (entries := vocabulary(lower(network))) is not None:
        return _ids(shape, images, seed, entries)
    return _crops(shape, images, seed) if is_picture(shape) else _noise(shape, images, seed)


def _crops(shape: Shape, images: int, seed: int) -> RunInputs:
    """Return crops of the photograph; image n is the same however many there are, and whatever the seed."""
    crops = photo_crops(shape, max(images, CALIBRATION_IMAGES))
    origin = f"first {images} of {crops.name}: {crops.origin}"
    return RunInputs(crops.inputs[:images], crops.inputs[:CALIBRATION_IMAGES], None, origin)


def _noise(shape: Shape, images: int, seed: int) -> RunInputs:
    """Return normal noise; image n is the same however many there are."""
    key, pixels = stream_key(seed, "input noise"), np.arange(prod(shape))
    images_made = range(max(images, CALIBRATION_IMAGES))
    noise = np.stack([normal_fixed_reference(derive(key, image), pixels) for image in images_made])
    inputs = (noise / np.float32(2**NORMAL_FRACTION_BITS)).astype(np.float32).reshape(-1, *shape)
    return RunInputs(inputs[:images], inputs[:CALIBRATION_IMAGES], None, f"seeded noise, seed {seed}")


def _ids(shape: Shape, images: int, seed: int, entries: int) -> RunInputs:
    """Return token ids below `entries`, all as likely; sequence n is the same however many there are."""
    key, tokens = stream_key(seed, "input ids"), np.arange(prod(shape))
    made = range(max(images, CALIBRATION_IMAGES))
    ids = np.stack([uniform_below_reference(derive(key, image), tokens, entries) for image in made])
    inputs = ids.astype(np.float32).reshape(-1, *shape)
    origin = f"seeded token ids below {entries}, seed {seed}"
    return RunInputs(inputs[:images], inputs[:CALIBRATION_IMAGES], None, origin)
