"""Pipelines as scikit-learn's converter writes them, of operators that shape inference knows little of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, helper

from tests.workloads.onnx_import.models import by_network, by_runtime, imported, model, node, random_images
from tests.workloads.onnx_import.operator_cases import floats, whole


def classical(kind: str, inputs: str, output: str, **attributes: Any) -> NodeProto:
    """Return a node of scikit-learn's domain."""
    made = node(kind, inputs, output, **attributes)
    made.domain = "ai.onnx.ml"
    return made


def pipeline(nodes: list[NodeProto], constants: dict[str, Any]) -> ModelProto:
    """Return a model of 7 features."""
    made = model([node("Identity", "x")], ("N", 7), constants)
    del made.graph.node[:]
    made.graph.node.extend(nodes)
    made.graph.output[0].type.tensor_type.ClearField("shape")
    for size in ("N", "M"):
        made.graph.output[0].type.tensor_type.shape.dim.add(dim_param=size)
    made.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    return made


SCALER = classical("Scaler", "x", "s", offset=floats(7).tolist(), scale=np.abs(floats(7)).tolist())


def test_a_scaler_in_front_of_principal_components_and_a_classifier(tmp_path: Path) -> None:
    nodes = [
        SCALER,
        node("Sub", "s mean", "c"),
        node("MatMul", "c axes", "p"),
        classical(
            "LinearClassifier",
            "p",
            "label y",
            coefficients=floats(12).tolist(),
            intercepts=floats(3).tolist(),
            classlabels_ints=[0, 1, 2],
            post_transform="SOFTMAX",
        ),
    ]
    made = pipeline(nodes, {"mean": floats(7), "axes": floats(7, 4)})
    images = random_images((7,))
    expected = by_runtime(made, images)
    in_reals = by_network(imported(made, tmp_path), images.reshape(2, 7, 1, 1))
    np.testing.assert_allclose(in_reals, expected, rtol=1e-5, atol=1e-6)


def test_features_that_are_chosen_in_front_of_a_product(tmp_path: Path) -> None:
    nodes = [
        classical("ArrayFeatureExtractor", "x chosen", "f"),
        node("MatMul", "f w", "p"),
        node("Add", "p b"),
    ]
    made = pipeline(nodes, {"chosen": whole(5, 0, 2), "w": floats(3, 4), "b": floats(4)})
    images = random_images((7,))
    expected = by_runtime(made, images)
    in_reals = by_network(imported(made, tmp_path), images.reshape(2, 7, 1, 1))
    np.testing.assert_allclose(in_reals, expected, rtol=1e-5, atol=1e-6)
