"""What a layer's arrays return: from their parts and the mapping to the products of each copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from arch.arrays.analog_product import AnalogProduct
from arch.arrays.array_parts import ArrayParts, Placement, array_converters
from arch.arrays.array_product import ArrayProduct
from arch.mapping.adjacent_pixels import step_weights
from arch.mapping.tiling import Block
from simcore.noise import stream_key
from workloads import MatrixNode, QuantizedMatrix, QuantizedNetwork

Product = ArrayProduct | AnalogProduct


def layer_products(
    node: MatrixNode,
    network: QuantizedNetwork,
    blocks: Sequence[Block],
    parts: ArrayParts,
    copies: range,
    samples: NDArray[Any] | None = None,
) -> list[Product]:
    """Return the products of a layer's arrays: one for each copy, or one for all where they are ideal.

    blocks : what the arrays hold
    copies : their numbers
    samples : (n, elements) windows, code - zero, on which `calibrated` converters are calibrated
    raises : ConfigError or MappingError for arrays that cannot hold, drive or convert it
    """
    quantised = network.nodes[node.name]
    assert isinstance(quantised, QuantizedMatrix)
    encoding, physics = parts.encoding, parts.physics
    streaming = parts.crossbar.streaming(network.activation_bits)
    zero = int(quantised.input_zero)
    weights = step_weights(node, quantised.weights)
    held = [Placement(b.weights(weights), b.wordlines, b.first_col) for b in blocks]
    columns = int(node.groups * node.cols_per_group)
    transfers = [
        array_converters(placement, parts, streaming, physics.device.g_off, samples, zero)
        for placement in held
    ]
    common: dict[str, Any] = {"zero": zero, "active_rows": parts.crossbar.active_rows}
    if not copies:
        return []
    if not physics.effects:
        return [ArrayProduct(held, columns, encoding, streaming, transfers, **common)]
    return [
        AnalogProduct(
            held,
            columns,
            encoding,
            streaming,
            transfers,
            physics,
            [stream_key(parts.seed, node.name, copy, block.row, block.col) for block in blocks],
            **common,
        )
        for copy in copies
    ]
