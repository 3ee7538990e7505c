"""The benchmarks of RAPIDNN's neurons compare what is the same."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import benches
from benchmarks.rapidnn import _neurons, _operands, neurons
from workloads import lower


def test_both_sides_find_the_same_sums_addends_and_buckets() -> None:
    neurons()
    compiled, specified = _neurons()
    for ours, theirs in zip(compiled[-3:], specified[-3:], strict=True):
        assert np.array_equal(ours, theirs)
        assert ours.any()


def test_products_are_the_networks_multiply_accumulates() -> None:
    from benchmarks.rapidnn import IMAGES, _network

    assert sum(w.size * x.shape[1] for w, x, _ in _operands()) == IMAGES * lower(_network()).macs


@pytest.mark.parametrize(("name", "bound"), [("rapidnn-mlp", 600), ("rapidnn-vgg16", 5)])
def test_costs_are_bounded(name: str, bound: float) -> None:
    assert (benches[name].figure, benches[name].bound) == ("cost", bound)
