"""What a layer's arrays are configured to return: from parts and mapping to the product of `ArrayProduct`.

Every array has converters of one LSB; it follows from the range they have to cover: that of any weights in
the rows in use (`full`), that of the weights the array holds (`weights`), or none (`fixed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.array_product import ArrayProduct, Placement
from arch.converters import ADCConfig
from arch.crossbar import AnalogCrossbarConfig
from arch.encoding import Encoding
from arch.mapping.tiling import Block
from arch.streaming import Streaming
from arch.transfer import Transfer, sum_range
from simcore import ConfigError
from workloads import MatrixNode, QuantizedMatrix, QuantizedNetwork


def layer_product(
    node: MatrixNode,
    network: QuantizedNetwork,
    blocks: Sequence[Block],
    encoding: Encoding,
    crossbar: AnalogCrossbarConfig,
    adc: ADCConfig,
) -> ArrayProduct:
    """Return the product of a layer's arrays, one replica's.

    blocks : what the arrays hold
    raises : ConfigError or MappingError for arrays that cannot hold, drive or convert it
    """
    quantised = network.nodes[node.name]
    assert isinstance(quantised, QuantizedMatrix)
    streaming = crossbar.streaming(network.activation_bits)
    held = [Placement(b.weights(quantised.weights), b.wordlines, b.first_col) for b in blocks]
    columns = int(node.groups * node.cols_per_group)
    transfers = [
        array_converters(placement.weights, encoding, streaming, crossbar, adc) for placement in held
    ]
    return ArrayProduct(
        held,
        columns,
        encoding,
        streaming,
        transfers,
        zero=int(quantised.input_zero),
        active_rows=crossbar.active_rows,
    )


def array_converters(
    weights: NDArray[Any],
    encoding: Encoding,
    streaming: Streaming,
    crossbar: AnalogCrossbarConfig,
    adc: ADCConfig,
) -> Transfer:
    """Return the converters of one array that holds `weights` (rows, columns)."""
    signed = encoding.signs == "signed"
    if adc.bits < 1 + signed:
        raise ConfigError(
            f"core.adc.bits must be in [2, 16] bit for signed cells, whose sums have signs, got {adc.bits}; "
            "take 2 or more, or another core.crossbar.encoding"
        )
    if adc.range == "fixed":
        assert adc.lsb is not None
        return Transfer(adc.bits, signed, adc.lsb)
    rows = len(weights)
    at_once = min(crossbar.active_rows or rows, rows)
    if adc.range == "full":
        largest = encoding.largest_sum(at_once, streaming.largest)
        if encoding.signs == "flip":  # all rows decide on a flip, so those on at once may all be full
            unflipped = replace(encoding, signs="offset").largest_sum(at_once, streaming.largest)
            largest = min(unflipped, encoding.largest_sum(rows, streaming.largest))
    else:
        levels = encoding.encode(weights).levels
        ends = [
            sum_range(levels[first : first + at_once], streaming.largest) for first in range(0, rows, at_once)
        ]
        largest = max(int(np.maximum(above, -below).max(initial=1)) for below, above in ends)
    return Transfer.of_range(adc.bits, largest, signed=signed)
