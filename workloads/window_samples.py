"""Windows that a network's matrices see on some inputs: what converters are calibrated on."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.integer_reference import node_codes
from workloads.nodes import MatrixNode, Node
from workloads.quantized_nodes import QuantizedMatrix, QuantizedNetwork
from workloads.window import Window

#: Windows of each matrix that one input gives, evenly over its map.
WINDOWS = 64


def sample_windows(
    network: QuantizedNetwork, codes: NDArray[np.int32], windows: Mapping[str, Window] | None = None
) -> dict[str, NDArray[np.int32]]:
    """Return for each matrix some of its windows in exact integers.

    codes : (n, C, H, W) of the input
    windows : to look through in place of its own, by node
    returns : by node, (n x windows, elements) code - zero; by kernel position first, by channel second
    """
    seen: dict[str, list[NDArray[np.int32]]] = {}

    def compute(node: Node, operands: list[NDArray[Any]]) -> NDArray[Any]:
        if isinstance(node, MatrixNode):
            quantised = network.nodes[node.name]
            assert isinstance(quantised, QuantizedMatrix)
            (image,) = operands[0] - quantised.input_zero
            window = (windows or {}).get(node.name, node.window)
            pixels = prod(window.output_size(node.in_shapes[0][1:]))
            chosen = np.linspace(0, pixels - 1, min(WINDOWS, pixels)).round().astype(np.int64)
            taps = [tap.reshape(len(image), -1)[:, chosen] for tap in window.taps(image, 0)]
            seen.setdefault(node.name, []).append(np.concatenate(taps).T.astype(np.int32))
        return node_codes(network, node, operands)

    for image in codes:
        for _ in network.lowered.evaluate(image[None], compute):
            pass
    return {name: np.concatenate(some) for name, some in seen.items()}
