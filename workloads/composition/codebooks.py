"""Codebooks in trees: few clusters, each split in two, and again, so that every depth is a codebook.

A cluster is a run of neighbouring values. The root has four, the best there are; each further level splits
every cluster at its best place. So the code of a value at some level is what its code at a deeper one begins
with, and one clustering gives several precisions.

Source: per-layer k-means in a tree is RAPIDNN's (Imani et al., 2018); the detail is recalled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simcore.errors import ConfigError

Float = NDArray[np.float64]

#: How many clusters a codebook may have.
SIZES = (4, 8, 16, 32, 64, 128, 256)

#: Values that are clustered as they are; of more, the means of as many equal runs in order are.
MOST_VALUES = 2**16


@dataclass(frozen=True, eq=False)
class CodebookTree:
    """One codebook for each level, or several.

    levels : ascending centres, float64, (..., 4), (..., 8), ... up to the deepest level's
    errors : (..., levels) float64, root mean square distance of values from their centres, by level, in
        standard deviations of the values
    """

    levels: tuple[Float, ...]
    errors: Float

    @property
    def clusters(self) -> int:
        """Clusters of the deepest level."""
        return int(self.levels[-1].shape[-1])

    def at(self, clusters: int) -> Float:
        """Return the centres (..., clusters) of a level; ConfigError if the tree has no such level."""
        return self.levels[self._level(clusters)]

    def error_at(self, clusters: int) -> Float:
        """Return the errors (...) of a level."""
        return np.asarray(self.errors[..., self._level(clusters)])

    def _level(self, clusters: int) -> int:
        for level, centres in enumerate(self.levels):
            if centres.shape[-1] == clusters:
                return level
        known = ", ".join(str(centres.shape[-1]) for centres in self.levels)
        raise ConfigError(f"a codebook has {known} clusters, got {clusters}; choose one of these")

    @classmethod
    def stacked(cls, trees: Sequence[CodebookTree]) -> CodebookTree:
        """Return trees of one depth as one of several codebooks."""
        levels = zip(*(tree.levels for tree in trees), strict=True)
        return cls(tuple(np.stack(level) for level in levels), np.stack([tree.errors for tree in trees]))


def check_clusters(what: str, clusters: int, most: int = SIZES[-1]) -> None:
    """Raise ConfigError unless `clusters` is a size that codebooks of `most` clusters have."""
    known = [size for size in SIZES if size <= most]
    if clusters not in known:
        raise ConfigError(f"{what} must be one of {', '.join(map(str, known))} clusters, got {clusters}")


def cluster(values: NDArray[np.floating], clusters: int) -> tuple[CodebookTree, NDArray[np.uint8]]:
    """Return the codebooks of `values`, finite and at least one, and each value's code at the deepest level.

    clusters : one of `SIZES`
    returns : the tree, and codes of the values' shape

    Where a cluster holds one value only, its upper half stays empty and repeats the centre of the lower one.
    """
    order = np.sort(values, axis=None).astype(np.float64)
    points = _thinned(order)
    starts = _split_evenly_well(points, SIZES[0])
    while len(starts) < clusters:
        ends = [*starts[1:], len(points)]
        halves = [
            start + (_split_evenly_well(points[start:end], 2)[1] if start < end else 0)
            for start, end in zip(starts, ends, strict=True)
        ]
        starts = [place for pair in zip(starts, halves, strict=True) for place in pair]
    bounds = np.append(points, np.inf)[starts[1:]]
    codes = np.searchsorted(bounds, values.astype(np.float64), side="right").astype(np.uint8)
    return _tree(points, starts), codes


def nearest(centres: Float, values: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return which of the ascending `centres` is nearest to each value, the lower one of two."""
    return np.searchsorted((centres[1:] + centres[:-1]) / 2, values, side="left")


def _thinned(order: Float) -> Float:
    """Return sorted values, or the means of equal runs of them where they are too many."""
    if len(order) <= MOST_VALUES:
        return order
    starts = np.arange(MOST_VALUES) * len(order) // MOST_VALUES
    return np.add.reduceat(order, starts) / np.diff(starts, append=len(order))


def _split_evenly_well(points: Float, clusters: int) -> list[int]:
    """Return where each cluster of the best clustering of sorted points starts; empty ones: at the end."""
    try:
        from kmeans1d import cluster as best_clusters  # an extra
    except ImportError as error:
        raise ConfigError(
            f"composing needs the kmeans1d package ({error}); install it with pip install 'imcsim[compose]'"
        ) from None
    if points[0] == points[-1]:
        return [0] + [len(points)] * (clusters - 1)
    distinct = int(np.count_nonzero(np.diff(points))) + 1
    labels = np.asarray(best_clusters(points, min(clusters, distinct)).clusters)
    starts: list[int] = np.searchsorted(labels, np.arange(clusters), side="left").tolist()
    return starts


def _tree(points: Float, starts: Sequence[int]) -> CodebookTree:
    """Return each level's means of clusters; an empty one takes that of the cluster below it."""
    sums = np.concatenate([[0.0], np.cumsum(points)])
    deviation = float(points.std()) or 1.0
    levels, errors = [], []
    for size in SIZES[: SIZES.index(len(starts)) + 1]:
        bounds = np.array([*starts[:: len(starts) // size], len(points)])
        counts = np.diff(bounds)
        means = np.diff(sums[bounds]) / np.maximum(counts, 1)
        filled = np.maximum.accumulate(np.where(counts > 0, np.arange(size), 0))
        # sums of many values round, which must not turn neighbours around
        centres = np.maximum.accumulate(means[filled])
        levels.append(centres)
        errors.append(float(np.sqrt(np.mean((points - np.repeat(centres, counts)) ** 2))) / deviation)
    return CodebookTree(tuple(levels), np.array(errors))
