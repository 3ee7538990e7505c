"""Crops of one shipped photograph, for networks that take pictures; image n is the same in every run."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcore.errors import WorkloadError
from workloads.data import ASSETS, Dataset
from workloads.layers import Shape
from workloads.npz import read_npz

#: What networks that take its crops name as their data.
PHOTOGRAPH = "photo"

#: Mean and deviation of each colour over ImageNet, by which torchvision's networks expect their input scaled.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

#: Weights of red, green and blue in grey (ITU-R BT.601).
LUMINANCE = (0.299, 0.587, 0.114)

SEED = 0


def is_picture(shape: Shape) -> bool:
    """Whether an input of `shape` has an extent both ways, so that a picture fits."""
    return min(shape[1:]) > 1


def photo_crops(shape: Shape, images: int) -> Dataset:
    """Return the first `images` crops, scaled to `shape`; with other than 3 channels each of them is grey.

    A crop has the shape's proportions and between half and all of the extent that then fits; its place and
    extent are seeded, and every second one, on average, is mirrored. Colours are normalised as torchvision's
    networks expect.
    """
    if not is_picture(shape):
        raise WorkloadError(f"a photograph needs a height and a width above 1 pixel, got shape {shape}")
    photo = read_npz(ASSETS / "photograph.npz")["photo"] / 255.0
    normal = (photo - MEAN) / DEVIATION
    if shape[0] != 3:
        normal = normal @ np.reshape(LUMINANCE, (3, 1))
    inputs = np.empty((images, *shape), dtype=np.float32)
    for number in range(images):
        crop = _crop(normal, shape[1:], np.random.Generator(np.random.PCG64([SEED, number])))
        inputs[number] = crop.transpose(2, 0, 1)
    return Dataset(PHOTOGRAPH, inputs, None, "seeded crops of the shipped photograph china.jpg, CC BY 2.0")


def _crop(
    photo: NDArray[np.float64], size: tuple[int, int], random: np.random.Generator
) -> NDArray[np.float64]:
    """Return one crop (height, width, C) of `photo`, scaled to `size`."""
    extent = np.array(photo.shape[:2])
    largest = min(extent / np.array(size))  # photograph's pixels for each of the crop's, at most
    used = largest * random.uniform(0.5, 1.0) * np.array(size)
    top, left = random.uniform(0.0, extent - used)
    low = _averages(photo, top, used[0], size[0])
    crop = _averages(low.swapaxes(0, 1), left, used[1], size[1]).swapaxes(0, 1)
    return crop[:, ::-1] if random.integers(2) else crop


def _averages(lines: NDArray[np.float64], start: float, extent: float, out: int) -> NDArray[np.float64]:
    """Return averages over `out` equal parts of the first axis, which divide `extent` lines from `start`."""
    edges = start + extent * np.arange(out + 1) / out
    first = int(start)
    lines = np.ascontiguousarray(lines[first : int(np.ceil(edges[-1]))])
    cut = np.minimum((edges - first).astype(np.int64), len(lines) - 1)  # line in which an edge is
    part = (edges - first - cut).reshape(-1, *[1] * (lines.ndim - 1))
    up_to = (np.cumsum(lines, axis=0) - lines)[cut] + part * lines[cut]
    return np.asarray(np.diff(up_to, axis=0) * (out / extent), dtype=np.float64)
