"""Arrays with their converters: one process for all that an IMA holds of a layer's copy, or two for each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arch.converters import ADC
from arch.crossbar import PRODUCT_SET_BY, AnalogCrossbar
from arch.machines.isaac.configuration import IsaacADCConfig, IsaacArrayConfig
from arch.tokens import Sums, Window
from arch.written_arrays import WrittenArrays
from simcore import Component, In, Operation, Out, Process, components, process

#: What the time of an operation is computed from: a cycle for each bit of the inputs.
_SET_BY = (*PRODUCT_SET_BY, "cycle_ns")


def cycle_energy(config: IsaacArrayConfig) -> float:
    """Return the energy of a cycle of an array [J]."""
    return config.rows * config.cols * config.cell_energy_fj * 1e-15


@components.register("isaac-array")
class IsaacArrays(AnalogCrossbar):
    """Arrays in lock-step; if they are several, with their converters, which follow one cycle behind.

    Timing: one operation takes a cycle for each bit of the inputs, and begins where a cycle does, as its
    inputs come then; the converter's lag is the way to the shift-and-add.
    Energy: of all cells of an array for each cycle, used or not. Its area is the chip's.

    digital_cycles : of its clock, in one cycle
    """

    Config = IsaacArrayConfig
    config: IsaacArrayConfig

    mvm = Operation(doc="one operation: all bits of a window", set_by=_SET_BY)

    digital_cycles: int = 1

    @property
    def product_cycles(self) -> int:
        """Cycles of its clock for one operation."""
        return super().product_cycles * self.digital_cycles

    @process
    def serve(self) -> Process:
        """Take a window, drive all bits of it, hand the sums on."""
        cycles = self.product_cycles
        relay = self.relay(self.mvm, self.window_in, self.sums_out)
        window = yield relay.get()
        while True:
            window = yield relay.next(cycles, window)

    def phase(self, items: int) -> tuple[int, ...]:
        """Return nothing: an operation is like any other."""
        return ()

    @property
    def array_cycles(self) -> int:
        """Cycles that its arrays were busy, each counted."""
        return self.mvm.count * self.config.product_cycles(self.streaming) * self.arrays

    def actions(self) -> dict[str, int]:
        """Add cycles of arrays."""
        return {"mvm": self.mvm.count, "array cycle": self.array_cycles}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a cycle of an array [J]."""
        return {"array cycle": cycle_energy(self.config)}

    def area(self) -> float:
        """Return nothing: arrays are there whether a layer lies on them or not."""
        return 0.0


class IsaacWrittenArrays(WrittenArrays):
    """Arrays of keys or values of a stage, with their converters, which one process drives.

    Timing: an operation takes as long as that of other arrays, and begins as soon as its bank is free.
    Energy: of all cells of a bank for each cycle, used or not. Their area is the chip's.

    digital_cycles : of its clock, in one cycle
    """

    Config = IsaacArrayConfig
    config: IsaacArrayConfig

    mvm = Operation(doc="one operation: all bits of a token", set_by=_SET_BY)

    digital_cycles: int = 1

    @property
    def product_cycles(self) -> int:
        """Cycles of its clock for one operation."""
        return super().product_cycles * self.digital_cycles

    @property
    def array_cycles(self) -> int:
        """Cycles that arrays were busy, each counted: those of one bank at a time."""
        return self.mvm.count * super().product_cycles * len(self.blocks)

    def phase(self, items: int) -> tuple[int, ...]:
        """Return what all arrays tell that are written token by token."""
        return super().phase(items)

    def actions(self) -> dict[str, int]:
        """Add cycles of arrays."""
        return {"mvm": self.mvm.count, "array cycle": self.array_cycles}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a cycle of an array [J]."""
        return {"array cycle": cycle_energy(self.config)}

    def area(self) -> float:
        """Return nothing: arrays are there whether keys lie on them or not."""
        return 0.0


class ArrayConverter(Component):
    """The converter of one array: all columns of each read, while the array does the next one.

    cycles : of one operation, of its clock
    """

    family = "adc"

    window_in = In(Window, doc="windows whose first bit the array has read")
    sums_out = Out(Sums, doc="conversions of all bits of a window")
    convert = Operation(
        doc="conversions of one operation, for as long as it lasts",
        set_by=("array.mvm_cycles", "array.active_rows", "array.rows", "array.dac_bits", *_SET_BY[-2:]),
    )

    cycles: int = 1

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of an operation's conversions."""
        return {"convert": (self.cycles,)}

    @process
    def serve(self) -> Process:
        """Take a window, convert what the array makes of it, hand it on."""
        cycles = self.cycles
        relay = self.relay(self.convert, self.window_in, self.sums_out)
        window = yield relay.get()
        while True:
            window = yield relay.next(cycles, window)


@components.register("isaac-adc")
class IsaacADC(ADC):
    """The converters of a layer's arrays, which count with them: each column in each cycle.

    arrays : that they convert for
    """

    Config = IsaacADCConfig
    config: IsaacADCConfig

    arrays: Sequence[IsaacArrays | IsaacWrittenArrays] = ()

    def actions(self) -> dict[str, int]:
        """Add conversions."""
        return {"conversion": sum(a.array_cycles * a.config.cols for a in self.arrays)}

    def area(self) -> float:
        """Return nothing: converters are there as arrays are."""
        return 0.0
