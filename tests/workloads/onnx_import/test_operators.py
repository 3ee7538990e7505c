"""Every listed operator alone: as ONNX Runtime computes it, in real numbers and on a machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

import imcsim
from tests.workloads.onnx_import.error_bound import error_bound
from tests.workloads.onnx_import.models import (
    by_network,
    channels_first,
    imported,
    model,
    node,
    random_images,
    runtime_outputs,
)
from tests.workloads.onnx_import.operator_cases import CASES
from workloads import lower, quantize

#: Widths at which the error of integers is far below the values.
BITS = 16


@pytest.mark.parametrize("name", CASES)
def test_an_operator_agrees_with_onnx_runtime_in_reals_and_on_the_machine(name: str, tmp_path: Path) -> None:
    made = CASES[name].model()
    network = imported(made, tmp_path)
    file_images = random_images(CASES[name].shape, images=3)
    images = channels_first(network, "input", file_images)
    expected = channels_first(network, "output", runtime_outputs(made, file_images))

    in_reals = by_network(network, images).reshape(expected.shape)
    np.testing.assert_allclose(in_reals, expected, rtol=1e-5, atol=1e-5)

    np.savez(tmp_path / "images.npz", inputs=images)
    run = imcsim.run(
        network,
        arch="dataflow",
        images=len(images),
        data=tmp_path / "images.npz",
        settings=(f"weight_bits={BITS}", f"activation_bits={BITS}"),
    )
    assert run.summary["outputs_match_golden"] is True
    lowered = lower(network)
    quantized = quantize(lowered, network.load_parameters(), images, BITS, BITS)
    bound = error_bound(network, quantized, images)
    assert run.outputs is not None
    assert (np.abs(run.outputs.reshape(expected.shape) - expected) <= bound + 1e-5).all()
    assert bound.max() < 0.005 * np.abs(expected).max() + 1e-9


@pytest.mark.parametrize(
    ("kind", "precision", "tolerance"),
    [(TensorProto.DOUBLE, np.float64, 1e-6), (TensorProto.FLOAT16, np.float16, 0.02)],
)
def test_numbers_of_other_widths_are_read_as_reals(
    kind: int, precision: type[np.floating[Any]], tolerance: float, tmp_path: Path
) -> None:
    drawn = np.random.default_rng(3)
    constants = {
        "w": drawn.normal(size=(4, 3, 2, 2)),
        "b": drawn.normal(size=4),
        "k": np.array(1.5),
        "g": drawn.normal(size=(80, 7)) / 9,
    }
    nodes = [
        node("Conv", "x w b", "c"),
        node("Mul", "c k", "m"),
        node("Flatten", "m", "f"),
        node("Gemm", "f g", "e"),
        node("Cast", "e", to=TensorProto.FLOAT),
    ]
    typed = {name: np.asarray(array, precision) for name, array in constants.items()}
    made = model(nodes, ("N", 3, 6, 5), typed, kind=kind)
    images = random_images((3, 6, 5)).astype(precision)
    # ONNX Runtime has no convolution in these widths
    results: Any = ReferenceEvaluator(made).run(None, {"x": images})
    in_reals = by_network(imported(made, tmp_path), images)
    np.testing.assert_allclose(in_reals, results[0], atol=tolerance)
