"""Small ONNX models made on the spot, and what ONNX Runtime makes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from workloads import Network, float_outputs, lower
from workloads.onnx_import import read_onnx

Array = NDArray[Any]

OPSET = 21


def model(
    nodes: Sequence[NodeProto],
    shape: Sequence[int | str | None],
    constants: Mapping[str, Array] | None = None,
    opset: int = OPSET,
    outputs: Sequence[str] | None = None,
    kind: int = TensorProto.FLOAT,
) -> ModelProto:
    """Return a model from input `x` to what its last node gives, or to `outputs`."""
    given = {name: np.asarray(array) for name, array in (constants or {}).items()}
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info("x", kind, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
            for name in outputs or [nodes[-1].output[0]]
        ],
        [numpy_helper.from_array(array, name) for name, array in given.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    return onnx.shape_inference.infer_shapes(made)  # which the outputs' shapes come from


def node(kind: str, inputs: str, output: str = "y", **attributes: Any) -> NodeProto:
    """Return a node; `inputs` are names with spaces between them, '-' for one left out."""
    names = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(kind, names, output.split(), name=f"{kind}_{output.split()[0]}", **attributes)


def imported(made: ModelProto, folder: Path, name: str = "model") -> Network:
    """Return the network that is read from a file of the model."""
    path = folder / f"{name}.onnx"
    onnx.save(made, path)
    return read_onnx(path)


def runtime_outputs(made: ModelProto, images: Array) -> Array:
    """Return the file's last output for each image (N, ...), one at a time, as ONNX Runtime computes it."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(made.SerializeToString(), options)
    name = session.get_inputs()[0].name
    results = [session.run(None, {name: image[None]})[-1] for image in images]
    if isinstance(results[0], list):  # a map from class to number for each image
        results = [np.array([[*each.values()] for each in maps]) for maps in results]
    return np.concatenate(results)


def by_runtime(made: ModelProto, images: Array) -> Array:
    """Return what ONNX Runtime gives for each image (N, ...), laid out flat."""
    return runtime_outputs(made, images).reshape(len(images), -1)


def channels_first(network: Network, which: str, tensors: Array) -> Array:
    """Return a file's tensors (N, ...) as the network has them (N, C, H, W), by what its notes say.

    which : "input" or "output"
    """
    for note in network.notes:
        if found := re.match(rf"the {which} .* transposed to \((.*)\)", note):
            tensors = tensors.transpose([int(axis) for axis in found[1].split(", ")])
    name = {"input": network.input, "output": network.output}[which]
    return tensors.reshape(len(tensors), *network.shapes[name])


def by_network(network: Network, images: Array) -> Array:
    """Return what the float reference gives for images (N, C, H, W)."""
    outputs = float_outputs(lower(network), network.load_parameters(), images)
    return outputs.reshape(len(images), -1)


def random_images(shape: Sequence[int], images: int = 2, seed: int = 0) -> NDArray[np.float32]:
    """Return images (N, ...) of a file's shape without its batch."""
    return np.random.default_rng(seed).normal(size=(images, *shape)).astype(np.float32)
