"""Memories that compare byte by byte: the machine equals the composed reference with such a search."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from simcore.kernels.cam_search import find_staged_reference, sensing_noise
from tests.arch.rapidnn.rapidnn_bench import bench, composed, outputs, rapidnn_settings, trained, values_of
from tests.arch.trained_networks import TRAINED
from tests.strategies import NetworkCase, networks
from workloads.composition import ComposedNetwork, ComposedReference


def staged_reference(network: ComposedNetwork) -> ComposedReference:
    """Return the reference whose memories find rows byte by byte, losers out."""

    def search(keys: NDArray[np.int64], numbers: NDArray[np.int64]) -> NDArray[np.intp]:
        each, places = np.unique(numbers, return_inverse=True)
        found = np.zeros(len(each), np.int32)
        stored, asked = ((some + network.offset).astype(np.uint32) for some in (keys, each))
        find_staged_reference(stored, asked, network.bits, 8, sensing_noise(), 0, found, 0, len(each))
        return found[places].astype(np.intp)

    return ComposedReference(network, search)


@pytest.mark.parametrize("name", TRAINED)
def test_trained_networks_equal_the_reference_that_searches_in_stages(name: str) -> None:
    case, network = trained(name, 6)
    staged = staged_reference(network).tensors(case.images)
    run = bench(case.network).run(len(case.images), values_of(case, network, device=True))
    assert np.array_equal(outputs(run), staged[network.form.lowered.output])
    ideal = ComposedReference(network).tensors(case.images)
    assert any(not np.array_equal(codes, ideal[name]) for name, codes in staged.items())


@settings(deadline=None, max_examples=25)
@given(networks(), rapidnn_settings())
def test_random_networks_equal_the_reference_that_searches_in_stages(
    case: NetworkCase, machine: dict[str, Any]
) -> None:
    clusters = machine["clusters"]
    network = composed(case, clusters["weights"], clusters["inputs"], machine["bits"])
    golden = staged_reference(network).outputs(case.images)
    run = bench(case.network, machine).run(len(case.images), values_of(case, network, device=True))
    assert np.array_equal(outputs(run), golden)
