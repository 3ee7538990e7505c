"""Random graphs: as ONNX Runtime computes them, and as the golden reference on a machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import ModelProto

import imcsim
from tests.workloads.onnx_import.models import (
    by_network,
    channels_first,
    imported,
    random_images,
    runtime_outputs,
)
from tests.workloads.onnx_import.random_graphs import graphs
from workloads import Network

SLOW_DRAWS = [HealthCheck.too_slow, HealthCheck.data_too_large]


def read(made: ModelProto) -> Network:
    with tempfile.TemporaryDirectory() as folder:
        return imported(made, Path(folder))


@settings(deadline=None, max_examples=150, suppress_health_check=SLOW_DRAWS)
@given(graphs(), st.integers(0, 2**16))
def test_a_random_graph_is_what_onnx_runtime_computes(
    drawn: tuple[ModelProto, tuple[int, ...]], seed: int
) -> None:
    made, shape = drawn
    network = read(made)
    file_images = random_images(shape, seed=seed)
    images = channels_first(network, "input", file_images)
    expected = channels_first(network, "output", runtime_outputs(made, file_images))
    in_reals = by_network(network, images).reshape(expected.shape)
    np.testing.assert_allclose(in_reals, expected, rtol=1e-3, atol=1e-4 * max(1.0, np.abs(expected).max()))


@settings(deadline=None, max_examples=20, suppress_health_check=SLOW_DRAWS)
@given(graphs(longest=6))
def test_a_random_graph_gives_the_golden_outputs_on_a_machine(
    drawn: tuple[ModelProto, tuple[int, ...]],
) -> None:
    run = imcsim.run(read(drawn[0]), arch="dataflow", images=2)
    assert run.summary["outputs_match_golden"] is True
