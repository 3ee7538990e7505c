"""What a layer's arrays are configured to return: from parts and mapping to the products of each copy.

Every array has converters of one LSB; it follows from the range they have to cover: that of any weights in
the rows in use (`full`), of the weights the array holds (`weights`), of the sums of inputs that are given
(`calibrated`), or of none (`fixed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.analog_cells import Physics
from arch.analog_product import AnalogProduct
from arch.array_product import ArrayProduct, Placement, largest_sums
from arch.converters import ADC, ADCConfig
from arch.crossbar import AnalogCrossbarConfig
from arch.device import devices
from arch.encoding import Encoding
from arch.mapping.tiling import Block
from arch.parts import chosen
from arch.streaming import Streaming
from arch.transfer import Transfer, sum_range
from simcore import ConfigError
from simcore.noise import stream_key
from workloads import MatrixNode, QuantizedMatrix, QuantizedNetwork

Product = ArrayProduct | AnalogProduct


@dataclass(frozen=True)
class ArrayParts:
    """The parts whose work values are, as they are configured.

    seed : of all noise
    """

    encoding: Encoding
    crossbar: AnalogCrossbarConfig
    adc: ADCConfig
    seed: int = 0

    @property
    def physics(self) -> Physics:
        """What is real about the arrays."""
        encoding, crossbar, adc = self.encoding, self.crossbar, self.adc
        # A signed cell keeps the sign in its pair of devices.
        bits = encoding.weight_bits - 1 if encoding.signs == "signed" else encoding.cell_bits
        device = devices[crossbar.device.kind](crossbar.device, bits)
        kind = chosen(adc, ADC)
        sense = kind.compiled or kind.transfer
        return Physics(
            device,
            crossbar.wires,
            adc.readout,
            None if kind.transfer is ADC.transfer else lambda sums: sense(sums, adc),
            adc.sharing,
            crossbar.drift_compensation and bool({"drift", "1/f noise"} & set(device.effects)),
        )


def layer_products(
    node: MatrixNode,
    network: QuantizedNetwork,
    blocks: Sequence[Block],
    parts: ArrayParts,
    copies: int,
    samples: NDArray[Any] | None = None,
) -> list[Product]:
    """Return the products of a layer's arrays: one for each copy, or one for all where they are ideal.

    blocks : what the arrays hold
    samples : (n, elements) windows, code - zero, on which `calibrated` converters are calibrated
    raises : ConfigError or MappingError for arrays that cannot hold, drive or convert it
    """
    quantised = network.nodes[node.name]
    assert isinstance(quantised, QuantizedMatrix)
    encoding, physics = parts.encoding, parts.physics
    streaming = parts.crossbar.streaming(network.activation_bits)
    zero = int(quantised.input_zero)
    held = [Placement(b.weights(quantised.weights), b.wordlines, b.first_col) for b in blocks]
    columns = int(node.groups * node.cols_per_group)
    transfers = [
        array_converters(placement, parts, streaming, physics.device.g_off, samples, zero)
        for placement in held
    ]
    common: dict[str, Any] = {"zero": zero, "active_rows": parts.crossbar.active_rows}
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
        for copy in range(copies)
    ]


def array_converters(
    placement: Placement,
    parts: ArrayParts,
    streaming: Streaming,
    g_off: float = 0.0,
    samples: NDArray[Any] | None = None,
    zero: int = 0,
) -> Transfer:
    """Return the converters of one array.

    g_off : conductance of level 0 [level], which adds to the sums of cells that are no pair
    samples, zero : windows, code - zero, for a `calibrated` range, and the zero point
    """
    encoding, crossbar, adc = parts.encoding, parts.crossbar, parts.adc
    signed = encoding.signs == "signed"
    if adc.bits < 1 + signed:
        raise ConfigError(
            f"core.adc.bits must be in [2, 16] bit for signed cells, whose sums have signs, got {adc.bits}; "
            "take 2 or more, or another core.crossbar.encoding"
        )
    if adc.range == "fixed":
        assert adc.lsb is not None
        return Transfer(adc.bits, signed, adc.lsb)
    rows = len(placement.weights)
    at_once = min(crossbar.active_rows or rows, rows)
    if adc.range == "full":
        largest = encoding.largest_sum(at_once, streaming.largest)
        if encoding.signs == "flip":  # all rows decide on a flip, so those on at once may all be full
            unflipped = replace(encoding, signs="offset").largest_sum(at_once, streaming.largest)
            largest = min(unflipped, encoding.largest_sum(rows, streaming.largest))
    elif adc.range == "calibrated":
        assert samples is not None
        sums = largest_sums(
            placement, encoding, streaming, samples, zero=zero, active_rows=crossbar.active_rows
        )
        largest = int(sums.max())
    else:
        levels = encoding.encode(placement.weights).levels
        ends = [
            sum_range(levels[first : first + at_once], streaming.largest) for first in range(0, rows, at_once)
        ]
        largest = max(int(np.maximum(above, -below).max(initial=1)) for below, above in ends)
    if not signed:
        largest += ceil(g_off * at_once * streaming.largest)
    return Transfer.of_range(adc.bits, largest, signed=signed)
