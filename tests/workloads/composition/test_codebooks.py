from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simcore.errors import ConfigError
from workloads.composition import SIZES
from workloads.composition.codebooks import MOST_VALUES, cluster, nearest

VALUES = st.lists(st.integers(-40, 40).map(lambda step: step / 4), min_size=1, max_size=60) | st.lists(
    st.floats(-1e3, 1e3).map(lambda value: round(value, 4)), min_size=1, max_size=60
)
CLUSTERS = st.sampled_from(SIZES)


def least_squares(points: list[float], clusters: int) -> float:
    """Return the least sum of squared distances from so many means, by trying every run of sorted points."""
    points = sorted(points)
    sums = np.concatenate([[0.0], np.cumsum(points)])
    squares = np.concatenate([[0.0], np.cumsum(np.square(points))])

    def run(start: int, end: int) -> float:
        return float(squares[end] - squares[start] - (sums[end] - sums[start]) ** 2 / (end - start))

    best = [0.0] + [np.inf] * len(points)
    for _ in range(clusters):
        best = [best[0]] + [
            min(best[end], *(best[start] + run(start, end) for start in range(end)))
            for end in range(1, len(points) + 1)
        ]
    return best[-1]


@given(VALUES, CLUSTERS)
def test_every_level_holds_the_means_of_the_values_whose_codes_begin_alike(
    values: list[float], clusters: int
) -> None:
    array = np.array(values)
    tree, codes = cluster(array, clusters)
    assert tree.clusters == clusters
    for size in SIZES[: SIZES.index(clusters) + 1]:
        centres = tree.at(size)
        assert (np.diff(centres) >= 0).all()
        shorter = codes >> (clusters.bit_length() - size.bit_length())
        for code in np.unique(shorter):
            mean = array[shorter == code].mean()
            assert centres[code] == pytest.approx(mean, abs=1e-9 * max(1.0, np.abs(array).max()))
        distances = array - centres[shorter]
        assert tree.error_at(size) * (array.std() or 1.0) == pytest.approx(
            np.sqrt(np.mean(distances**2)), abs=1e-6 * max(1.0, np.abs(array).max())
        )


@given(VALUES)
def test_the_root_is_the_best_clustering_there_is(values: list[float]) -> None:
    tree, codes = cluster(np.array(values), 4)
    found = float(np.sum((np.array(values) - tree.at(4)[codes]) ** 2))
    scale = max(1.0, float(np.square(values).sum()))
    assert found == pytest.approx(least_squares(values, 4), abs=1e-9 * scale)


@given(VALUES)
def test_every_split_is_the_best_of_its_cluster(values: list[float]) -> None:
    array = np.array(values)
    tree, codes = cluster(array, 8)
    scale = max(1.0, float(np.square(values).sum()))
    for parent in range(4):
        members = array[codes >> 1 == parent]
        if len(members):
            found = float(np.sum((members - tree.at(8)[codes[codes >> 1 == parent]]) ** 2))
            assert found == pytest.approx(least_squares(members.tolist(), 2), abs=1e-9 * scale)


@given(VALUES, CLUSTERS)
def test_equal_values_have_equal_codes_and_larger_ones_no_smaller(values: list[float], clusters: int) -> None:
    _, codes = cluster(np.array(values), clusters)
    by_value = sorted(zip(values, codes.tolist(), strict=True))
    for (low, low_code), (high, high_code) in pairwise(by_value):
        assert low_code == high_code if low == high else low_code <= high_code


@given(VALUES, CLUSTERS)
def test_few_values_are_their_own_centres(values: list[float], clusters: int) -> None:
    distinct = np.unique(np.array(values))[:4]
    tree, codes = cluster(distinct, clusters)
    assert np.array_equal(tree.at(clusters)[codes], distinct)


def test_more_values_than_are_clustered_keep_their_means() -> None:
    values = np.random.default_rng(0).normal(size=3 * MOST_VALUES + 7)
    tree, codes = cluster(values, 64)
    means = np.bincount(codes, values) / np.bincount(codes)
    least, found = (np.square(values - centres[codes]).mean() for centres in (means, tree.at(64)))
    assert least <= found <= 1.001 * least


@given(VALUES, st.lists(st.floats(-50, 50), min_size=1, max_size=20))
def test_nearest_has_the_least_distance_and_is_the_lowest_of_equals(
    values: list[float], asked: list[float]
) -> None:
    centres = np.unique(np.round(np.array(values), 2))
    distances = np.abs(np.array(asked)[:, None] - centres)
    rows = nearest(centres, np.array(asked))
    assert np.take_along_axis(distances, rows[:, None], 1)[:, 0] == pytest.approx(
        distances.min(axis=1), abs=1e-9
    )
    middle = (centres[1:] + centres[:-1]) / 2
    assert np.array_equal(nearest(centres, middle), np.arange(len(middle)))


def test_a_level_that_is_not_there_is_refused() -> None:
    tree, _ = cluster(np.arange(10.0), 16)
    with pytest.raises(ConfigError, match="a codebook has 4, 8, 16 clusters, got 32; choose one of these"):
        tree.at(32)
