"""The parts of arrays whose work values are: what is real about them, and the range of their converters.

Every array has converters of one LSB; it follows from the range they have to cover: that of any weights in
the rows in use (`full`), of the weights the array holds (`weights`), of the sums of inputs that are given
(`calibrated`), or of none (`fixed`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arch.arrays.analog_cells import Physics
from arch.arrays.device import devices
from arch.arrays.encoding import Encoding
from arch.arrays.streaming import Streaming
from arch.arrays.transfer import Transfer, sum_range
from arch.converters import ADC, ADCConfig
from arch.crossbar import AnalogCrossbarConfig
from arch.parts import chosen
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
        """What is real about the arrays.

        raises : ConfigError for wires that no model is there for
        """
        self._check_gated()
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
            crossbar.drift_compensation,
        )

    def _check_gated(self) -> None:
        """Refuse rows that are cut off where what a bitline loses does not follow from its sum."""
        crossbar = self.crossbar
        if not crossbar.wires.gated:
            return
        if self.encoding.signs == "signed":
            raise ConfigError(
                "core.crossbar.wires.gated must be false for signed cells, of which only the difference of "
                "two bitlines is known; set core.crossbar.encoding to differential, offset or flip"
            )
        if crossbar.input_form != "bit-serial" or crossbar.dac_bits != 1:
            raise ConfigError(
                "core.crossbar.wires.gated must be false unless inputs come bit by bit, for bitlines lose by "
                "the rows that are on, not by their inputs; set core.crossbar.input_form to bit-serial and "
                "core.crossbar.dac_bits to 1"
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
    encoding, active_rows = parts.encoding, parts.crossbar.active_rows
    groups = row_groups(len(placement.weights), active_rows)
    has_off_state = encoding.signs != "signed"  # which cancels in a pair

    def of_any() -> int:
        return int(largest_of_any(encoding, len(placement.weights), active_rows, streaming.largest))

    def of_weights() -> int:
        levels = encoding.encode(placement.weights).levels
        ends = [sum_range(levels[on], streaming.largest) for on in groups]
        return max(int(np.maximum(above, -below).max(initial=1)) for below, above in ends)

    def of_samples() -> int:
        assert samples is not None
        seen = (placement, encoding, streaming, samples, g_off * has_off_state, zero, active_rows)
        return ceil(float(largest_sums(*seen).max()))

    excess = ceil(g_off * has_off_state * groups[0].stop * streaming.largest)
    return transfer_of(parts, of_any, of_weights, of_samples, excess)


def transfer_of(
    parts: ArrayParts,
    of_any: Callable[[], int],
    of_weights: Callable[[], int],
    of_samples: Callable[[], int],
    excess: int,
) -> Transfer:
    """Return converters whose LSB follows from the range that they have to cover.

    of_any, of_weights, of_samples : tell the largest size of a sum: of any weights, of those held, on data
    excess : what an off state adds to the first two
    """
    adc, signed = parts.adc, parts.encoding.signs == "signed"
    if adc.bits < 1 + signed:
        raise ConfigError(
            f"core.adc.bits must be in [2, 16] bit for signed cells, whose sums have signs, got {adc.bits}; "
            "take 2 or more, or another core.crossbar.encoding"
        )
    if adc.range == "fixed":
        assert adc.lsb is not None
        return Transfer(adc.bits, signed, adc.lsb)
    if adc.range == "calibrated":
        largest = of_samples()
    else:
        largest = (of_any() if adc.range == "full" else of_weights()) + excess
    return Transfer.of_range(adc.bits, largest, signed=signed)


def largest_of_any(encoding: Encoding, rows: int, active_rows: int | None, largest_input: int) -> int:
    """Return the largest size of a bitline's sum, whatever the weights in so many rows."""
    at_once = row_groups(rows, active_rows)[0].stop
    largest = encoding.largest_sum(at_once, largest_input)
    if encoding.signs == "flip":  # all rows decide on a flip, so those on at once may all be full
        unflipped = replace(encoding, signs="offset").largest_sum(at_once, largest_input)
        largest = min(unflipped, encoding.largest_sum(rows, largest_input))
    return largest


def row_groups(rows: int, active_rows: int | None) -> list[slice]:
    """Return the rows of each group that is on at once; the first is as large as any."""
    step = active_rows or rows
    return [slice(first, min(first + step, rows)) for first in range(0, rows, step)]


def within_64_bits(bound: float) -> int:
    """Return a bound on sums as a whole number; ConfigError if 64 bits might not hold them with a bias."""
    if bound >= 2**62:
        raise ConfigError(
            f"sums may become {bound:.3g}, which 64 bits do not hold; take a smaller core.adc.lsb, or fewer "
            "bits of weights or activations"
        )
    return int(bound)


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
    g_off: float = 0.0,
    zero: int = 0,
    active_rows: int | None = None,
) -> NDArray[np.float64]:
    """Return the largest size that each bitline's sums take on data, to calibrate its converter.

    windows : (n, elements), code - zero
    g_off : conductance of level 0 [level]
    returns : (bitlines,) over all windows, phases and groups of rows; at least 1, so that a range can be made
    """
    cells = encoding.encode(placement.weights).levels.astype(np.float64) + g_off  # BLAS sums exact levels
    inputs = windows[:, placement.wordlines].astype(np.int64)
    carried = streaming.stream(inputs + zero if streaming.sign == "unsigned" else inputs)
    largest = np.ones(cells.shape[1])
    for on in row_groups(len(cells), active_rows):
        for phase in carried:
            sums = phase[:, on].astype(np.float64) @ cells[on]
            largest = np.maximum(largest, np.abs(sums).max(axis=0))
    return largest
