"""Analog arrays: weights stay in the cells, a window on the wordlines gives all column sums at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Self

from pydantic import model_validator

from arch.arrays.cell_charge import mean_charge, mean_read_charge
from arch.arrays.device import device_part
from arch.arrays.device_config import DeviceConfig
from arch.arrays.encoding import Encoding, Signs
from arch.arrays.ir_drop import IRDropConfig
from arch.arrays.streaming import Form, Sign, Streaming
from arch.cost import ARRAY_AREA, CELL_READ
from arch.mapping.tiling import Block
from arch.tokens import Sums, Window
from simcore import (
    MOST_CYCLES,
    Component,
    ConfigError,
    In,
    Operation,
    Out,
    PartConfig,
    Process,
    components,
    param,
    process,
)

#: What the time of a product is computed from.
PRODUCT_SET_BY = ("mvm_cycles", "active_rows", "rows", "dac_bits", "activation_bits")


class AnalogCrossbarConfig(PartConfig):
    """Size and cost of one array."""

    rows: int = param(256, ge=1, unit="wordline", doc="elements of an input vector")
    cols: int = param(256, ge=1, unit="bitline", doc="elements of an output vector")
    mvm_cycles: int = param(
        130,
        ge=1,
        le=MOST_CYCLES,
        unit="cycle",
        doc="one read: a phase of the inputs on the rows that are on at once; 130 ns with pulse widths of 8 "
        "bits, which take one, HERMES and its simulator",
    )
    active_rows: int | None = param(
        None,
        ge=1,
        unit="wordline",
        doc="most that are on at once, the others take turns; null: all, as in HERMES",
    )
    encoding: Signs | None = param(
        None,
        unit="one of",
        doc="how cells hold a signed weight; null: as columns_per_weight says, signed by itself: a unit cell "
        "of HERMES holds a whole weight with its sign",
    )
    cell_bits: int | None = param(
        None,
        ge=1,
        le=8,
        unit="bit",
        doc="of a weight in one cell, unless it is signed; null: 2, or as columns_per_weight says, assumed",
    )
    input_form: Form = param(
        "pulse-width", unit="one of", doc="how wordlines carry an input; pulses of 8 bits, HERMES"
    )
    dac_bits: int = param(
        1, ge=1, le=8, unit="bit", doc="driven at once by bit-serial inputs; one as in ISAAC"
    )
    input_sign: Sign = param(
        "unsigned",
        unit="one of",
        doc="codes as they are, or less their zero point: twos-complement, or split into two signs; assumed",
    )
    device: DeviceConfig = device_part(
        "generic", doc="its cells; generic: perfect ones, unless told otherwise"
    )
    wires: IRDropConfig = param(IRDropConfig(), unit="", doc="its wires, by themselves without resistance")
    drift_compensation: bool = param(
        False,
        unit="",
        doc="scale sums digitally by what an array's cells have lost: global drift compensation, Joshi",
    )
    cell_energy_fj: float = param(
        CELL_READ.value,
        ge=0,
        unit="fJ",
        doc="energy of one cell in one read at average activity, which the published figure is taken to be "
        f"at; {CELL_READ.source}",
    )
    area_mm2: float = param(ARRAY_AREA.value, ge=0, unit="mm2", doc=f"area of one array; {ARRAY_AREA.source}")

    @model_validator(mode="after")
    def _active_rows_exist(self) -> Self:
        if self.active_rows is not None and self.active_rows > self.rows:
            raise ValueError(
                f"has active_rows {self.active_rows}, but only {self.rows} rows; set active_rows in "
                f"[1, {self.rows}], or leave it out for all"
            )
        return self

    def turns(self, rows: int) -> int:
        """Return the turns that so many rows take where not all may be on at once."""
        return -(-rows // (self.active_rows or rows))

    def reads(self, streaming: Streaming) -> int:
        """Return the reads of one product: every phase, for every group of the array's rows, used or not."""
        return len(streaming.phases) * self.turns(self.rows)

    def product_cycles(self, streaming: Streaming) -> int:
        """Return the cycles of one product."""
        return self.mvm_cycles * self.reads(streaming)

    def streaming(self, code_bits: int) -> Streaming:
        """Return how codes of so many bits reach the wordlines; what is signed is code - zero point."""
        signed = self.input_sign == "twos-complement"
        if signed and code_bits > 15:
            raise ConfigError(
                "activation_bits must be in [2, 15] bit for core.crossbar.input_sign twos-complement, which "
                f"takes one more for the sign, got {code_bits}; set it to split or unsigned, or take fewer"
            )
        return Streaming(code_bits + signed, self.dac_bits, self.input_form, self.input_sign)


@components.register("analog-crossbar")
class AnalogCrossbar(Component):
    """An array, or all arrays of a layer that fire in lock-step, multiplying one window at a time.

    Timing: a product occupies the array for `start_cycles` and `config.product_cycles`; nothing overlaps
    inside it.
    Values: exact integer products, or what cells, slices, streaming, wires and converters make of them; see
    `arch.arrays.array_values`.
    Energy: by the charge through the cells, that of the values where there are any, else at average activity.

    blocks : the weights that its arrays hold
    encoding, streaming : how they lie in cells, and how windows reach the wordlines
    start_cycles : ahead of each product, where its core takes some
    products : of one window, one behind the other
    multiply : computes the values of one window's products, on the first array of a replica for all of them;
        None on the others, and in a run without values
    dropped : tells the multiply-accumulates of its first products that belong to no pixel, as some at the end
        of a row do where a step gives several; None where all belong to one
    charge : tells what went through the cells so far, see `arch.arrays.cell_charge`; None in a run without
        values
    """

    Config = AnalogCrossbarConfig
    family = "crossbar"
    config: AnalogCrossbarConfig

    window_in = In(Window, doc="one window, as a vector for the wordlines")
    sums_out = Out(Sums, doc="the column sums of that window")
    mvm = Operation(doc="one matrix-vector product", set_by=PRODUCT_SET_BY)

    blocks: Sequence[Block] = ()
    encoding: Encoding = Encoding("signed", 8)
    streaming: Streaming = Streaming(8, form="pulse-width")
    start_cycles: int = 0
    products: int = 1
    multiply: Callable[[int], None] | None = None
    dropped: Callable[[int], int] | None = None
    charge: Callable[[], int] | None = None

    @property
    def arrays(self) -> int:
        """Physical arrays that this process drives."""
        return len(self.blocks)

    @property
    def widest(self) -> int:
        """Most bitlines in use in one array; a unit bitline is beside them."""
        return max((block.bitlines for block in self.blocks), default=0)

    @property
    def conversions(self) -> int:
        """Sums to convert in one product, over all arrays: each bitline's of each phase and group of rows."""
        turns, units = self.config.turns, self.encoding.unit_bitlines
        sums = sum((block.bitlines + units) * turns(block.rows) for block in self.blocks)
        return len(self.streaming.phases) * sums

    @property
    def product_cycles(self) -> int:
        """Cycles of its clock for one product."""
        return self.start_cycles + self.config.product_cycles(self.streaming)

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of a product, which is like any other."""
        return {"mvm": (self.product_cycles,)}

    @process
    def serve(self) -> Process:
        """Take a window, hold the array for one product, hand the sums on."""
        cycles = self.product_cycles
        multiply = self.multiply
        relay = self.relay(self.mvm, self.window_in, self.sums_out)
        window = yield relay.get()
        while True:
            if multiply is not None:
                multiply(window)
            window = yield relay.next(cycles, window)

    def phase(self, items: int) -> tuple[int, ...]:
        """Return nothing: a product is like any other."""
        return ()

    def macs(self) -> int:
        """Return the multiply-accumulates done: every cell that holds a weight of a pixel, each product."""
        done = self.mvm.count * sum(block.cells for block in self.blocks)
        return done if self.dropped is None else done - self.dropped(self.mvm.count)

    def actions(self) -> dict[str, int]:
        """Add cell reads, each phase of a product one for each cell in use, and the charge through them."""
        units = self.encoding.unit_bitlines
        cells = sum(block.rows * (block.bitlines + units) for block in self.blocks)
        reads = self.mvm.count * len(self.streaming.phases) * cells
        charge = self.charge() if self.charge is not None else self.mvm.count * self._mean_charge()
        return {**super().actions(), "cell read": reads, "cell charge": charge}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a unit of charge [J]: a read itself costs nothing."""
        read = self.config.cell_energy_fj * 1e-15
        return {"cell charge": read / mean_read_charge(self.encoding, self.streaming)}

    def _mean_charge(self) -> int:
        """Return the charge of one product at average activity, over all arrays."""
        return sum(mean_charge(self.encoding, self.streaming, b.rows, b.cols) for b in self.blocks)

    def area(self) -> float:
        """Return the area of its arrays [mm2]."""
        return self.arrays * self.config.area_mm2
