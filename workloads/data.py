"""Images and labels: the digits that are shipped, and files that users bring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import permutations
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import FileError, WorkloadError
from simcore.registry import Registry, near_miss
from workloads.layers import Shape
from workloads.npz import BUDGET_BYTES, read_npz

ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images in a fixed order.

    inputs : (N, C, H, W) float32, as the network takes them
    labels : (N,) int64 class of each image, or None
    origin : one sentence on where the images come from
    """

    name: str
    inputs: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    origin: str

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def digests(self) -> NDArray[np.uint64]:
        """A number for each image, (N,), that tells it from others."""
        return image_digests(self.inputs)

    def first(self, count: int) -> Dataset:
        """Return the first `count` images; WorkloadError if there are fewer."""
        if not 1 <= count <= len(self):
            raise WorkloadError(
                f"{self.name} holds {len(self)} images, got a request for {count}; ask for fewer"
            )
        labels = None if self.labels is None else self.labels[:count]
        return replace(self, inputs=self.inputs[:count], labels=labels)

    def check_fits(self, network: str, input_shape: Shape) -> None:
        """Raise WorkloadError unless the images have the shape that `network` takes."""
        if self.inputs.shape[1:] != input_shape:
            raise WorkloadError(
                f"{network} takes images of shape {input_shape} (channels, height, width), "
                f"got {self.inputs.shape[1:]} from {self.name}; {_remedy(self.inputs.shape[1:], input_shape)}"
            )


def _remedy(given: tuple[int, ...], wanted: tuple[int, ...]) -> str:
    """Return what to do with images of a shape, so that they have another one and keep their pixels."""
    if [size for size in given if size > 1] == [size for size in wanted if size > 1]:
        return f"reshape the data to (images, {', '.join(map(str, wanted))})"
    if given[1] == wanted[1] == 1:  # sequences, which may be given without a height
        given, wanted = given[::2], wanted[::2]
    for order in permutations(range(len(given))):
        if tuple(given[axis] for axis in order) == wanted:
            sizes, axes = ", ".join(map(str, given)), ", ".join(str(1 + axis) for axis in order)
            return f"transpose the data, (images, {sizes}), by (0, {axes})"
    if prod(given) == prod(wanted):
        return "bring the data into this shape, or choose another network"
    return "choose other data or another network"


#: Data that networks may name, read when called.
datasets: Registry[Callable[[], Dataset]] = Registry("dataset")


@datasets.register("digits")
def digits_test_split() -> Dataset:
    """Return the test split of the handwritten digits, 360 images of 8x8 pixels in [0, 1]."""
    return _digits("digits", "test")


@datasets.register("digits-train")
def digits_training_split() -> Dataset:
    """Return the other 1437 images of the handwritten digits, which networks may be trained on."""
    return _digits("digits-train", "train")


def _digits(name: str, split: str) -> Dataset:
    arrays = read_npz(ASSETS / f"digits-{split}.npz")
    return Dataset(
        name=name,
        inputs=digit_inputs(arrays["images"]),
        labels=arrays["labels"].astype(np.int64),
        origin=f"scikit-learn's copy of the UCI optical recognition of handwritten digits, {split} split",
    )


def digit_inputs(images: NDArray[Any]) -> NDArray[np.float32]:
    """Return what the digits networks take, (N, 1, 8, 8) in [0, 1], from images (N, 8, 8) of 0..16 ink."""
    return images[:, None].astype(np.float32) / np.float32(16.0)


def read_data(path: str | Path, budget: int = BUDGET_BYTES) -> Dataset:
    """Return a user's images.

    path : an .npz file with `inputs`, (images, channels, height, width), (images, channels, length) or
        (images, elements), any real numbers, and, optionally, integer `labels`, one an image
    budget : bytes that the file may expand to
    raises : FileError for whatever is wrong with the file
    """
    return dataset_of(read_npz(path, budget), path)


def dataset_of(arrays: Mapping[str, NDArray[Any]], path: str | Path) -> Dataset:
    """Return the images that a file at `path` holds as `read_data` has it; FileError for what is wrong."""
    for name in arrays:
        if name not in ("inputs", "labels"):
            hint = near_miss(name, ["inputs", "labels"])
            raise FileError(f"{path} holds an array {name!r}, which nothing reads; {hint}")
    if "inputs" not in arrays:
        raise FileError(f"{path} must hold an array 'inputs', got {', '.join(arrays) or 'none'}; name it so")
    inputs = _checked_inputs(arrays["inputs"], path)
    labels = _checked_labels(arrays["labels"], len(inputs), path) if "labels" in arrays else None
    return Dataset(Path(path).name, inputs, labels, f"read from {path}")


def image_digests(inputs: NDArray[Any]) -> NDArray[np.uint64]:
    """Return a number for each image of (N, C, H, W), equal for equal pixels in single precision."""
    pixels = np.ascontiguousarray(inputs, "<f4")
    digests = (blake2b(image.tobytes(), digest_size=8).digest() for image in pixels)
    return np.array([int.from_bytes(digest, "little") for digest in digests], np.uint64)


def accuracy(outputs: NDArray[Any], labels: NDArray[np.int64]) -> float:
    """Return the share of images whose largest output, code or real (N, classes, 1, 1), is at their label."""
    return float(np.mean(outputs.reshape(len(outputs), -1).argmax(axis=1) == labels))


def _checked_inputs(inputs: NDArray[Any], path: str | Path) -> NDArray[np.float32]:
    if inputs.dtype.kind not in "buif":
        raise FileError(f"{path}: inputs must be real numbers, got {inputs.dtype}; convert them")
    if inputs.ndim not in (2, 3, 4) or not inputs.size:
        raise FileError(
            f"{path}: inputs must be (images, channels, height, width), (images, channels, length) or "
            f"(images, elements), none empty, got {inputs.shape}; bring them into such a shape"
        )
    limit = np.finfo(np.float32).max
    if not (np.abs(inputs.astype(np.float64)) <= limit).all():
        raise FileError(f"{path}: inputs must be finite single-precision numbers; remove nan and infinity")
    images, channels, *pixels = inputs.shape
    height, width = [1, 1, *pixels][-2:]
    return inputs.reshape(images, channels, height, width).astype(np.float32)


def _checked_labels(labels: NDArray[Any], images: int, path: str | Path) -> NDArray[np.int64]:
    if labels.dtype.kind not in "ui" or labels.shape != (images,) or labels.astype(np.int64).min() < 0:
        raise FileError(
            f"{path}: labels must be {images} integers from 0, one an image, "
            f"got {labels.dtype} of shape {labels.shape}; write the class of each image"
        )
    return labels.astype(np.int64)
