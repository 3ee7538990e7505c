"""The parts of arrays whose work values are: what is real about them, and the range of their converters.

Every array has converters of one LSB; it follows from the range they have to cover: that of any weights in
the rows in use (`full`), of the weights the array holds (`weights`), of the sums of inputs that are given
(`calibrated`), or of none (`fixed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arch.analog_cells import Physics
from arch.converters import ADC, ADCConfig
from arch.crossbar import AnalogCrossbarConfig
from arch.device import devices
from arch.encoding import Encoding
from arch.parts import chosen
from arch.streaming import Streaming
from arch.transfer import Transfer, sum_range
from simcore import ConfigError

Ints = NDArray[Any]


class Placement(NamedTuple):
    """Weights in one array.

    weights : (rows, weight columns) of any integers
    wordlines : (rows,) element of the window on each wordline
    first_col : the layer's column of its first weight column
    """

    weights: Ints
    wordlines: Ints
    first_col: int


@dataclass(frozen=True)
class ArrayParts:
    """The parts whose work values are, as they are configured.

    seed : of all noise
    """

    encoding: Encoding
    crossbar: AnalogCrossbarConfig
    adc: ADCConfig
    seed: int = 0

    @cached_property
    def physics(self) -> Physics:
        """What is real about the arrays."""
        encoding, crossbar, adc = self.encoding, self.crossbar, self.adc
        # A signed cell keeps the sign in its pair of devices.
        bits = encoding.weight_bits - 1 if encoding.signs == "signed" else encoding.cell_bits
        device = devices[crossbar.device.kind](crossbar.device, bits)
        sense = chosen(adc, ADC).own_transfer()
        return Physics(
            device,
            crossbar.wires,
            adc.readout,
            None if sense is None else lambda sums: sense(sums, adc),
            adc.sharing,
            crossbar.drift_compensation and bool({"drift", "1/f noise"} & set(device.effects)),
        )


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


def code_range(transfers: Sequence[Transfer], encoding: Encoding) -> tuple[int, int]:
    """Return the smallest and largest code of a layer's converters.

    raises : ConfigError where arrays differ in it, or signed cells are read by unsigned converters
    """
    ends = {(transfer.low, transfer.high) for transfer in transfers}
    if len(ends) > 1:
        raise ConfigError(
            "adc bits and signed must be the same for all arrays of a layer; only LSBs may differ"
        )
    if encoding.signs == "signed" and not transfers[0].signed:
        raise ConfigError("adc signed must be true for signed cells, whose sums may be negative, got false")
    return ends.pop()


def largest_sums(
    placement: Placement,
    encoding: Encoding,
    streaming: Streaming,
    windows: Ints,
    *,
    zero: int = 0,
    active_rows: int | None = None,
) -> NDArray[np.int64]:
    """Return the largest size that each bitline's sums take on data, to calibrate its converter.

    windows : (n, elements), code - zero
    returns : (bitlines,) over all windows, phases and groups of rows; at least 1, so that a range can be made
    """
    levels = encoding.encode(placement.weights).levels.astype(np.float64)  # in which BLAS sums exactly
    rows = len(levels)
    inputs = windows[:, placement.wordlines].astype(np.int64)
    carried = streaming.stream(inputs + zero if streaming.sign == "unsigned" else inputs)
    largest = np.ones(levels.shape[1])
    for start in range(0, rows, active_rows or rows):
        part = slice(start, start + (active_rows or rows))
        for phase in carried:
            sums = phase[:, part].astype(np.float64) @ levels[part]
            largest = np.maximum(largest, np.abs(sums).max(axis=0))
    return largest.astype(np.int64)
