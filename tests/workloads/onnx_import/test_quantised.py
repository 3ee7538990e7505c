"""Quantised files keep their scales: codes equal ONNX Runtime's, in products and in networks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

import imcsim
from simcore.errors import WorkloadError
from tests.workloads.onnx_import.models import (
    Array,
    by_network,
    by_runtime,
    imported,
    model,
    node,
    random_images,
)
from workloads import (
    Conv2d,
    Linear,
    Network,
    Quantization,
    QuantizedMatrix,
    QuantizedNetwork,
    golden_outputs,
    lower,
    quantize,
)

SCALES = st.integers(1, 50).map(lambda thousandths: thousandths / 997.0)


def quantised(network: Network, images: Array, bits: int = 8) -> QuantizedNetwork:
    """Return an imported network in integers of its own scales."""
    return quantize(lower(network), network.load_parameters(), images, bits, bits)


def dequantised(network: QuantizedNetwork, images: Array) -> Array:
    """Return the reference's outputs (N, elements) in real numbers."""
    return network.output_quantization.dequantize(golden_outputs(network, images)).reshape(len(images), -1)


#: Where a processor multiplies bytes pairwise into 16 bits, the runtime's sums of larger ones saturate.
EXACT_WEIGHTS = (-64, 64)


@st.composite
def integers(draw: st.DrawFn, low: int, high: int, *shape: int) -> Array:
    """Draw integers of a shape, from a seed."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return random.integers(low, high, shape, endpoint=True)


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_convolutions_of_integers_equal_the_runtimes_in_every_code(data: st.DataObject) -> None:
    draw = data.draw
    groups = draw(st.integers(1, 2))
    channels, outputs = groups * draw(st.integers(1, 3)), groups * draw(st.integers(1, 3))
    kernel = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    size = (draw(st.integers(kernel[0], 7)), draw(st.integers(kernel[1], 7)))
    kind, low, high = draw(st.sampled_from([(np.uint8, 0, 255), (np.int8, -128, 127)]))
    of_channels = draw(st.booleans())
    weight_scale = np.array([draw(SCALES) for _ in range(outputs if of_channels else 1)], np.float32)
    weight_scale = weight_scale if of_channels else weight_scale.reshape(())
    constants: dict[str, Any] = {
        "xs": np.float32(draw(SCALES)),
        "xz": kind(draw(st.integers(low, high))),
        "w": draw(integers(*EXACT_WEIGHTS, outputs, channels // groups, *kernel)).astype(np.int8),
        "ws": weight_scale,
        "wz": np.zeros(weight_scale.shape, np.int8),
        "ys": np.float32(draw(SCALES) * 4),
        "yz": kind(draw(st.integers(low, high))),
        "b": draw(integers(-(10**6), 10**6, outputs)).astype(np.int32),
    }
    made = model(
        [
            node("QuantizeLinear", "x xs xz", "q"),
            node("QLinearConv", "q xs xz w ws wz ys yz b", "c", pads=[1, 0, 0, 1], group=groups),
            node("DequantizeLinear", "c ys yz"),
        ],
        ("N", channels, *size),
        constants,
    )
    images = random_images((channels, *size), seed=draw(st.integers(0, 2**32 - 1))) * 4
    network = quantised(imported_in_memory(made), images)
    assert np.array_equal(dequantised(network, images), by_runtime(made, images))


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_products_of_integers_equal_the_runtimes_in_every_code(data: st.DataObject) -> None:
    draw = data.draw
    rows, cols = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    scales = [draw(SCALES) for _ in range(cols)]
    constants: dict[str, Any] = {
        "xs": np.float32(draw(SCALES)),
        "xz": np.uint8(draw(st.integers(0, 255))),
        "w": draw(integers(*EXACT_WEIGHTS, rows, cols)).astype(np.int8),
        "ws": np.array(scales, np.float32),
        "wz": np.zeros(cols, np.int8),
        "ys": np.float32(draw(SCALES) * 4),
        "yz": np.uint8(draw(st.integers(0, 255))),
    }
    made = model(
        [
            node("QuantizeLinear", "x xs xz", "q"),
            node("QLinearMatMul", "q xs xz w ws wz ys yz", "c"),
            node("DequantizeLinear", "c ys yz"),
        ],
        ("N", rows),
        constants,
    )
    images = random_images((rows,), 4, draw(st.integers(0, 2**32 - 1))) * 4
    network = quantised(imported_in_memory(made), images[..., None, None])
    assert np.array_equal(dequantised(network, images[..., None, None]), by_runtime(made, images))


def imported_in_memory(made: onnx.ModelProto) -> Network:
    """Return the network of a model, from a file that is gone once it is read."""
    with TemporaryDirectory() as folder:
        network = imported(made, Path(folder))
        parameters = {name: dict(own) for name, own in network.load_parameters().items()}
    return Network(
        network.name, network.layers.values(), lambda: parameters, scales=network.scales, notes=network.notes
    )


class Images(CalibrationDataReader):  # type: ignore[misc]
    """Images for the runtime's own calibration."""

    def __init__(self, images: Array) -> None:
        self._feeds: Iterator[dict[str, Array]] = iter([{"x": image[None]} for image in images])

    def get_next(self) -> dict[str, Array] | None:
        return next(self._feeds, None)


def weights(*shape: int) -> Array:
    return np.random.default_rng(sum(shape)).normal(scale=0.4, size=shape).astype(np.float32)


#: Nodes, input shape and constants of float networks that the runtime's own tool quantises.
NETWORKS: dict[str, tuple[list[onnx.NodeProto], tuple[int, ...], dict[str, Any]]] = {
    "convolutions": (
        [
            node("Conv", "x w b", "c", pads=[1, 1, 1, 1]),
            node("Relu", "c", "r"),
            node("MaxPool", "r", "p", kernel_shape=[2, 2], strides=[2, 2]),
            node("Conv", "p v", "d"),
            node("Relu", "d", "e"),
            node("GlobalAveragePool", "e", "g"),
            node("Flatten", "g", "h"),
            node("Gemm", "h m n", transB=1),
        ],
        (3, 8, 8),
        {
            "w": weights(6, 3, 3, 3),
            "b": weights(6),
            "v": weights(8, 6, 3, 3),
            "m": weights(5, 8),
            "n": weights(5),
        },
    ),
    "residual": (
        [
            node("Conv", "x w b", "c", pads=[1, 1, 1, 1]),
            node("Relu", "c", "r"),
            node("Conv", "r v", "d", pads=[1, 1, 1, 1]),
            node("Add", "d r", "a"),
            node("Relu", "a", "e"),
            node("Concat", "e r", "k", axis=1),
            node("Conv", "k u"),
        ],
        (3, 6, 6),
        {"w": weights(6, 3, 3, 3), "b": weights(6), "v": weights(6, 6, 3, 3), "u": weights(4, 12, 1, 1)},
    ),
    "depthwise": (
        [
            node("Conv", "x w b", "c", pads=[1, 1, 1, 1]),
            node("Sigmoid", "c", "s"),
            node("Mul", "c s", "r"),
            node("Conv", "r v", "d", group=6),
            node("AveragePool", "d", "a", kernel_shape=[2, 2]),
            node("Clip", "a low high"),
        ],
        (3, 6, 6),
        {
            "w": weights(6, 3, 3, 3),
            "b": weights(6),
            "v": weights(6, 1, 3, 3),
            "low": np.float32(0.0),
            "high": np.float32(6.0),
        },
    ),
    "perceptron": (
        [
            node("MatMul", "x w", "c"),
            node("Add", "c b", "d"),
            node("Relu", "d", "e"),
            node("MatMul", "e v", "g"),
            node("Softmax", "g"),
        ],
        (10,),
        {"w": weights(10, 16), "b": weights(16), "v": weights(16, 5)},
    ),
}


def quantised_file(name: str, folder: Path, images: Array, **options: Any) -> onnx.ModelProto:
    """Return a network quantised by the runtime's own tool, with pairs of quantise and dequantise nodes."""
    nodes, shape, constants = NETWORKS[name]
    onnx.save(model(nodes, ("N", *shape), constants), folder / "float.onnx")
    quantize_static(str(folder / "float.onnx"), str(folder / "quantised.onnx"), Images(images), **options)
    return onnx.load(folder / "quantised.onnx")


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(
    ("activations", "per_channel"), [(QuantType.QUInt8, True), (QuantType.QInt8, False)], ids=str
)
def test_a_quantised_network_is_within_a_step_of_the_runtime_and_runs(
    name: str, activations: QuantType, per_channel: bool, tmp_path: Path
) -> None:
    images = random_images(NETWORKS[name][1], 8)
    made = quantised_file(
        name,
        tmp_path,
        images,
        quant_format=QuantFormat.QDQ,
        activation_type=activations,
        weight_type=QuantType.QInt8,
        per_channel=per_channel,
    )
    network = imported(made, tmp_path)
    fitting = images.reshape(len(images), *network.input_shape)
    own = quantised(network, fitting)
    given = network.scales.tensors
    assert {network.input, network.output} <= set(given)
    matrices = {key for key, layer in network.layers.items() if isinstance(layer, Conv2d | Linear)}
    assert set(network.scales.weights) == matrices
    assert all(own.tensors[node.name] == given[node.name] for node in own.lowered.nodes if node.name in given)
    steps = np.abs(dequantised(own, fitting) - by_runtime(made, images)) / own.output_quantization.scale
    assert steps.max() <= 1.0 + 1e-4
    run = imcsim.run(network, arch="dataflow", images=1)
    assert run.summary["outputs_match_golden"]


def test_scales_of_another_width_than_the_machines_are_refused(tmp_path: Path) -> None:
    images = random_images((10,), 8)
    made = quantised_file("perceptron", tmp_path, images, quant_format=QuantFormat.QDQ)
    network = imported(made, tmp_path)
    with pytest.raises(WorkloadError, match="codes of 8 bit, but activations have 4; let"):
        quantised(network, images.reshape(8, *network.input_shape), bits=4)


def test_weights_with_zero_points_are_quantised_anew_and_that_is_said(tmp_path: Path) -> None:
    images = random_images((10,), 8)
    made = quantised_file(
        "perceptron",
        tmp_path,
        images,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QUInt8,
    )
    network = imported(made, tmp_path)
    assert network.scales.weights == {}
    (note,) = network.notes  # once for both matrices
    assert note.startswith("weights with zero points")
    assert note.endswith("are quantised anew, the first of MatMul_c (MatMul)")


def test_weights_that_are_transposed_keep_their_scale(tmp_path: Path) -> None:
    constants: dict[str, Any] = {
        "s": np.float32(0.5),
        "z": np.uint8(3),
        "w": np.arange(-6, 6).reshape(3, 4).astype(np.int8),
        "ws": np.array([0.5, 0.25, 2.0], np.float32),
    }
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node("DequantizeLinear", "w ws", "v", axis=0),
        node("Transpose", "v", "t"),
        node("MatMul", "d t"),
    ]
    network = imported(model(nodes, ("N", 4), constants), tmp_path)
    (scales,) = network.scales.weights.values()
    assert scales.tolist() == [0.5, 0.25, 2.0]
    own = quantised(network, random_images((4, 1, 1)))
    (matrix,) = (each for each in own.nodes.values() if isinstance(each, QuantizedMatrix))
    assert np.array_equal(matrix.weights[0].T, constants["w"])


@pytest.mark.parametrize(("kind", "zero"), [(TensorProto.INT8, 128), (TensorProto.UINT8, 0), (0, 0)])
def test_without_a_zero_point_the_type_of_the_codes_tells_it(kind: int, zero: int, tmp_path: Path) -> None:
    nodes = [
        node("QuantizeLinear", "x s", "q", **({"output_dtype": kind} if kind else {})),
        node("DequantizeLinear", "q s", "d"),
        node("Relu", "d"),
    ]
    network = imported(model(nodes, ("N", 4), {"s": np.array(0.5, np.float32)}), tmp_path)
    assert network.scales.tensors[network.input] == Quantization(0.5, zero, 8)


def test_operators_of_the_runtime_alone_are_refused_with_the_way_out(tmp_path: Path) -> None:
    images = random_images((10,), 8)
    made = quantised_file("perceptron", tmp_path, images, quant_format=QuantFormat.QOperator)
    with pytest.raises(WorkloadError, match=r"domain 'com.microsoft' is unknown; .* in the QDQ format"):
        imported(made, tmp_path)


def test_codes_that_are_read_with_another_scale_than_they_were_made_with_are_refused(tmp_path: Path) -> None:
    constants: dict[str, Any] = {"s": np.float32(0.5), "z": np.uint8(3), "other": np.float32(0.25)}
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q other z", "d"),
        node("Relu", "d"),
    ]
    with pytest.raises(
        WorkloadError, match=r"scale of 0.25 and zero point 3 for a tensor that has 0.5 and 3; use"
    ):
        imported(model(nodes, ("N", 4), constants), tmp_path)


def test_codes_at_the_ends_of_a_network_are_the_real_numbers_they_stand_for(tmp_path: Path) -> None:
    constants: dict[str, Any] = {
        "s": np.float32(0.02),
        "z": np.uint8(120),
        "w": np.full((2, 3, 1, 1), 0.5, np.float32),
    }
    nodes = [
        node("DequantizeLinear", "x s z", "d"),
        node("Conv", "d w", "c"),
        node("QuantizeLinear", "c s z"),
    ]
    made = model(nodes, ("N", 3, 2, 2), constants, kind=TensorProto.UINT8)
    made.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.UINT8, ["N", 2, 2, 2]))
    network = imported(made, tmp_path)
    assert network.notes == (
        "the input 'x' holds codes in the file: runs take the real numbers that they stand for, "
        "(code - zero point) * scale",
        "the output 'y' holds codes in the file: runs give the real numbers that they stand for, "
        "(code - zero point) * scale",
    )
    codes = np.random.default_rng(0).integers(100, 140, (2, 3, 2, 2)).astype(np.uint8)
    expected = (by_runtime(made, codes).astype(np.float64) - 120) * 0.02
    images = ((codes.astype(np.float64) - 120) * 0.02).astype(np.float32)
    np.testing.assert_allclose(dequantised(quantised(network, images), images), expected, atol=0.0201)


def test_an_input_of_integers_that_is_only_cast_is_the_numbers_themselves(tmp_path: Path) -> None:
    made = model([node("Cast", "x", "c", to=1), node("Relu", "c")], ("N", 3), kind=TensorProto.UINT8)
    network = imported(made, tmp_path)
    assert network.notes == (
        "the input 'x' holds integers in the file: runs have the same numbers as real ones",
    )
    assert by_network(network, np.full((1, 3, 1, 1), 200.0)).tolist() == [[200.0] * 3]
