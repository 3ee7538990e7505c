"""Codebooks in trees: few clusters, each split in two, and again, so that every depth is a codebook.

A cluster is a run of neighbouring values. The root has four, the best there are; each further level splits
every cluster at its best place. So the code of a value at some level is what its code at a deeper one begins
with, and one clustering gives several precisions.

Source: per-layer k-means in a tree is RAPIDNN's (Imani et al., 2018); the detail is recalled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import ConfigError

Float = NDArray[np.float64]
#: First place of each cluster among sorted values.
Starts = NDArray[np.intp]

#: How many clusters a codebook may have.
SIZES = (4, 8, 16, 32, 64, 128, 256)

#: Values that are clustered as they are; of more, the means of as many equal runs in order are.
MOST_VALUES = 2**16

#: Values that are looked at together, so that a large layer takes no memory besides its codes.
MOST_AT_ONCE = 2**22


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


def cluster(values: NDArray[np.floating[Any]], clusters: int) -> tuple[CodebookTree, NDArray[np.uint8]]:
    """Return the codebooks of `values`, finite and at least one, and each value's code at the deepest level.

    clusters : one of `SIZES`
    returns : the tree, and codes of the values' shape

    Where a cluster holds one value only, its upper half stays empty and repeats the centre of the lower one.
    """
    points = _thinned(np.sort(values, axis=None))
    starts = _best_starts(points, SIZES[0])
    while len(starts) < clusters:
        starts = np.stack([starts, _best_splits(points, starts)], axis=1).ravel()
    bounds = np.append(points, np.inf)[starts[1:]]
    codes = np.empty(values.size, np.uint8)
    flat = values.reshape(-1)
    for start in range(0, values.size, MOST_AT_ONCE):
        part = slice(start, start + MOST_AT_ONCE)
        codes[part] = np.searchsorted(bounds, flat[part], side="right")
    return _tree(points, starts), codes.reshape(values.shape)


def nearest(centres: Float, values: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    """Return which of the ascending `centres` is nearest to each value, the lower one of two."""
    return np.searchsorted((centres[1:] + centres[:-1]) / 2, values, side="left")


def _thinned(order: NDArray[np.floating[Any]]) -> Float:
    """Return sorted values, or the means of equal runs of them where they are too many."""
    if len(order) <= MOST_VALUES:
        return order.astype(np.float64)
    starts = np.arange(MOST_VALUES) * len(order) // MOST_VALUES
    means: Float = np.add.reduceat(order, starts, dtype=np.float64) / np.diff(starts, append=len(order))
    return means


def _best_starts(points: Float, clusters: int) -> Starts:
    """Return where each cluster of the best clustering of sorted points starts; an empty one at the end."""
    try:
        from kmeans1d import cluster as best_clusters  # an extra
    except ImportError as error:
        raise ConfigError(
            f"composing needs the kmeans1d package ({error}); install it with pip install 'imcsim[compose]'"
        ) from None
    distinct = np.flatnonzero(np.diff(points, prepend=-np.inf))
    if len(distinct) <= clusters:
        return np.concatenate([distinct, np.full(clusters - len(distinct), len(points))])
    labels = np.asarray(best_clusters(points.tolist(), clusters).clusters)
    return np.searchsorted(labels, np.arange(clusters), side="left")


def _best_splits(points: Float, starts: Starts) -> Starts:
    """Return where the upper half of each cluster starts; an empty one where the next cluster does.

    The best split leaves the least squared distance from two means, which is the largest sum of squares of
    the halves' sums, each over its count.
    """
    ends = np.append(starts[1:], len(points))
    own = np.repeat(np.arange(len(starts)), ends - starts)
    sums = np.concatenate([[0.0], np.cumsum(points - points.mean())])
    place = np.arange(len(points))
    below, above = place - starts[own], ends[own] - place
    lower, upper = sums[place] - sums[starts[own]], sums[ends[own]] - sums[place]
    gain = lower**2 / np.maximum(below, 1) + upper**2 / above
    gain[(below == 0) | (np.diff(points, prepend=-np.inf) == 0)] = -np.inf  # equal values stay together
    filled = np.flatnonzero(ends > starts)
    most = np.maximum.reduceat(gain, starts[filled])
    reached = np.flatnonzero(gain == np.repeat(most, (ends - starts)[filled]))
    best = reached[np.searchsorted(reached, starts[filled])]  # the first of several
    splits = ends.copy()
    splits[filled] = np.where(np.isfinite(most), best, ends[filled])
    return splits


def _tree(points: Float, starts: Starts) -> CodebookTree:
    """Return each level's means of clusters; an empty one takes that of the cluster below it."""
    deviation = float(points.std()) or 1.0
    levels, errors = [], []
    for size in SIZES[: SIZES.index(len(starts)) + 1]:
        bounds = np.append(starts[:: len(starts) // size], len(points))
        counts = np.diff(bounds)
        filled = np.flatnonzero(counts)
        means = np.add.reduceat(points, bounds[filled]) / counts[filled]
        # sums of many values round, which must not turn neighbours around
        centres = np.maximum.accumulate(means)[np.cumsum(counts > 0) - 1]
        levels.append(centres)
        errors.append(float(np.sqrt(np.mean((points - np.repeat(centres, counts)) ** 2))) / deviation)
    return CodebookTree(tuple(levels), np.array(errors))
