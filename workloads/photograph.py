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
    photo = read_npz(ASSETS / "photograph.npz")["photo"].astype(np.float64).transpose(2, 0, 1) / 255.0
    normal = (photo - np.reshape(MEAN, (3, 1, 1))) / np.reshape(DEVIATION, (3, 1, 1))
    if shape[0] != 3:
        normal = np.tensordot(LUMINANCE, normal, axes=1)[None]
    inputs = np.empty((images, *shape), dtype=np.float32)
    for number in range(images):
        inputs[number] = _crop(normal, shape[1:], np.random.Generator(np.random.PCG64([SEED, number])))
    return Dataset(PHOTOGRAPH, inputs, None, "seeded crops of the shipped photograph china.jpg, CC BY 2.0")


def _crop(
    photo: NDArray[np.float64], size: tuple[int, int], random: np.random.Generator
) -> NDArray[np.float64]:
    """Return one crop of `photo` (C, H, W), scaled to `size`."""
    extent = np.array(photo.shape[1:])
    largest = min(extent / np.array(size))  # photograph's pixels for each of the crop's, at most
    used = largest * random.uniform(0.5, 1.0) * np.array(size)
    top, left = random.uniform(0.0, extent - used)
    rows = _overlaps(top, used[0], size[0], photo.shape[1])
    cols = _overlaps(left, used[1], size[1], photo.shape[2])
    if random.integers(2):
        cols = cols[::-1]
    return np.asarray(rows @ photo @ cols.T, dtype=np.float64)


def _overlaps(start: float, extent: float, out: int, pixels: int) -> NDArray[np.float64]:
    """Return what share of each of `out` pixels, which divide `extent` from `start`, every old pixel has."""
    edges = start + extent * np.arange(out + 1) / out
    old = np.arange(pixels)
    shared = np.minimum(edges[1:, None], old + 1) - np.maximum(edges[:-1, None], old)
    return np.asarray(np.clip(shared, 0.0, None) * (out / extent), dtype=np.float64)
