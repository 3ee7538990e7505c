"""Layer norms that a file writes in single operators: found by their shape, and put back together.

    (x - mean(x)) / sqrt(mean((x - mean(x)) ** 2) + eps)

Factors and offsets behind them are read as such, and join the norm when the network is lowered.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from onnx import NodeProto, helper

from workloads.onnx_import.constants import Constant
from workloads.onnx_import.model_file import OnnxGraph


def with_layer_norms(graph: OnnxGraph) -> OnnxGraph:
    """Return a graph with a `LayerNormalization` in place of each that is written out."""
    known = _Known(
        {name: node for node in graph.nodes for name in node.output if name},
        graph.constants,
        {graph.input.name: graph.input.shape, **graph.shapes},
    )
    nodes, constants = [], dict(graph.constants)
    for node in graph.nodes:
        found = known.layer_norm(node)
        if found is None:
            nodes.append(node)
            continue
        x, eps = found
        gain = f"{node.output[0]}/ones"
        constants[gain] = Constant.of(np.ones(known.shapes[x][-1], np.float32))
        nodes.append(
            helper.make_node(
                "LayerNormalization", [x, gain], node.output, name=node.name, axis=-1, epsilon=eps
            )
        )
    return replace(graph, nodes=tuple(nodes), constants=constants)


@dataclass(frozen=True, eq=False)
class _Known:
    """What is known of each tensor: the node that makes it, or its values; and its shape."""

    makers: Mapping[str, NodeProto]
    constants: Mapping[str, Constant]
    shapes: Mapping[str, tuple[int, ...]]

    def layer_norm(self, node: NodeProto) -> tuple[str, float] | None:
        """Return what a quotient normalises, and the eps of its norm; None if it is no layer norm."""
        if node.op_type != "Div":
            return None
        x, root = self._centred(node.input[0]), self._made(node.input[1], "Sqrt")
        total = self._made(root.input[0], "Add") if root is not None else None
        if x is None or total is None:
            return None
        for variance, eps in (total.input, reversed(total.input)):
            number, squares = self._number(eps), self._averaged(variance)
            if number is not None and squares is not None and self._squared(squares) == x:
                return x, number
        return None

    def _made(self, tensor: str, kind: str) -> NodeProto | None:
        node = self.makers.get(tensor)
        return node if node is not None and node.op_type == kind else None

    def _number(self, tensor: str) -> float | None:
        constant = self.constants.get(tensor)
        return None if constant is None else constant.scalar()

    def _averaged(self, tensor: str) -> str | None:
        """Return what a tensor is the mean of along its last axis, which is kept."""
        node = self._made(tensor, "ReduceMean")
        if node is None or node.input[0] not in self.shapes:
            return None
        attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
        axes = attributes.get("axes")
        if len(node.input) > 1 and node.input[1] in self.constants:
            axes = self.constants[node.input[1]].whole_numbers()
        last = len(self.shapes[node.input[0]]) - 1
        return str(node.input[0]) if attributes.get("keepdims", 1) and axes in ([-1], [last]) else None

    def _centred(self, tensor: str) -> str | None:
        """Return what a tensor is without its mean."""
        difference = self._made(tensor, "Sub")
        if difference is None or self._averaged(difference.input[1]) != difference.input[0]:
            return None
        return str(difference.input[0])

    def _squared(self, tensor: str) -> str | None:
        """Return what a tensor is the square of, once its mean is taken off."""
        power, product = self._made(tensor, "Pow"), self._made(tensor, "Mul")
        if power is not None and self._number(power.input[1]) == 2.0:
            return self._centred(power.input[0])
        if product is not None and product.input[0] == product.input[1]:
            return self._centred(product.input[0])
        return None
