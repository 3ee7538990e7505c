"""What PyTorch's two exporters, Keras and scikit-learn write, kept as small files with their own results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

import imcsim
from tests.workloads.onnx_import.error_bound import error_bound
from tests.workloads.onnx_import.models import Array, by_network, channels_first, runtime_outputs
from workloads import Network, TokenNode, golden_outputs, lower, quantize
from workloads.onnx_import import read_onnx

FOLDER = Path(__file__).parent / "exported"
#: Widths at which the error of integers is far below the values.
BITS = 16
NAMES = sorted(path.stem for path in FOLDER.glob("*.onnx"))


@pytest.mark.parametrize("name", NAMES)
def test_an_exported_model_gives_what_its_own_library_gives(name: str, tmp_path: Path) -> None:
    network = read_onnx(FOLDER / f"{name}.onnx")
    with np.load(FOLDER / f"{name}.npz") as kept:
        inputs, outputs = kept["inputs"], kept["outputs"]
    by_runtime = runtime_outputs(onnx.load(FOLDER / f"{name}.onnx"), inputs)
    np.testing.assert_allclose(by_runtime, outputs, rtol=1e-4, atol=1e-5)

    images = channels_first(network, "input", inputs)
    expected = channels_first(network, "output", outputs)
    left_out = any("LogSoftmax" in note for note in network.notes)
    in_reals = by_network(network, images).reshape(expected.shape)
    if left_out:
        in_reals -= np.log(np.exp(in_reals).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(in_reals, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())

    quantized = quantize(lower(network), network.load_parameters(), images, BITS, BITS)
    if any(isinstance(node, TokenNode) for node in quantized.lowered.nodes):  # no machine takes them
        computed = quantized.output_quantization.dequantize(golden_outputs(quantized, images))
    else:
        computed = run_outputs(network, images, tmp_path / "images.npz").reshape(expected.shape)
    if left_out:
        computed = computed - np.log(np.exp(computed).sum(axis=1, keepdims=True))
    bound = error_bound(network, quantized, images) * (2 if left_out else 1)
    assert (np.abs(computed - expected) <= bound + 1e-4 * np.abs(expected).max()).all()


def run_outputs(network: Network, images: Array, path: Path) -> Array:
    """Return what a machine computes of images, which are golden."""
    np.savez(path, inputs=images)
    run = imcsim.run(
        network,
        arch="dataflow",
        images=len(images),
        data=path,
        settings=(f"weight_bits={BITS}", f"activation_bits={BITS}"),
    )
    assert run.summary["outputs_match_golden"] is True
    assert run.outputs is not None
    return run.outputs
