"""A lane: a crossbar, or several in lock-step, with what brings its inputs and takes its sums over.

All parts of a lane know its passes, layer by layer, and take them in that order. Each works on a pass while
the part behind it works on the one before, and waits where that is not done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arch.crossbar import PRODUCT_SET_BY
from arch.machines.basisn.configuration import BasisArrayConfig
from arch.parts import chosen
from arch.tokens import Token, images_of
from simcore import Component, In, Operation, Out, PartConfig, Process, Shared, components, process
from simcore.commands import DONE

#: Takes a pass's sums over, of an image and a pass of the layer.
TakeSums = Callable[[int, int], None]


class LayerStart(Token):
    """A stage of an image that may begin, by its place among the network's."""


class Pass(Token):
    """A slice of a window, numbered within a layer and image: all slices of a window, then of the next."""


class Slot(Token):
    """A slot of a pass."""


@dataclass(frozen=True, eq=False)
class LaneWork:
    """What one layer makes of a lane, for each image; nothing where it has no weights.

    passes : in order
    slices : of the layer that have slots; pass k is of the one that is k mod slices
    cycles, fetch_cycles : of the crossbar and of the shared port of inputs, by slice
    take_cycles, send_cycles : in which sums are taken over, and go to the unit of outputs
    slot_cycles : of each slot
    coefficient_cycles : of fetching what each slot needs, by slice and slot
    """

    passes: Sequence[int] = ()
    slices: int = 1
    cycles: Sequence[int] = ()
    fetch_cycles: Sequence[int] = ()
    take_cycles: int = 0
    send_cycles: int = 0
    slot_cycles: int = 0
    coefficient_cycles: Sequence[Sequence[int]] = ()


class LanePart(Component):
    """A part of a lane.

    images : of the run
    works : of all stages of the network
    shared : what it takes turns on with the same part of all other lanes; None without
    """

    images: int = 0
    works: Sequence[LaneWork] = ()
    shared: Any = None

    @property
    def slices(self) -> Iterator[tuple[LaneWork, int]]:
        """The passes of an image: work, and slice, of each."""
        return ((work, number % work.slices) for work in self.works for number in work.passes)

    def take_turns(self, name: str, doc: str) -> Any:
        """Return a new port to what lanes share."""
        self.shared = self.port(Shared(doc=doc), name)
        return self.shared

    def hold_shared(self, operation: Operation, cycles: int) -> Process:
        """Hold an operation, and what is shared meanwhile."""
        if self.shared is not None:
            yield self.shared.acquire()
        yield operation.hold(cycles)
        if self.shared is not None:
            self.shared.release()


class InputFetch(LanePart):
    """Brings the inputs of a pass to the rows of a crossbar, which holds those of the pass before.

    timed : whether inputs take time to come; without, the buffer's port is as wide as they need
    """

    family = "buffer"

    layer_in = In(LayerStart, doc="stages that may begin")
    pass_out = Out(Pass, doc="passes whose inputs are there")
    fetch = Operation(doc="inputs of one pass", set_by=("buffer.port_bits", "activation_bits"))

    timed: bool = False

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of each pass of an image, if inputs take time."""
        cycles = [work.fetch_cycles[number] for work, number in self.slices] if self.timed else []
        return {"fetch": cycles} if cycles else {}

    @process
    def serve(self) -> Process:
        """Wait until a layer begins; then bring the inputs of all passes, one by one."""
        put, timed = self.pass_out.put, self.timed
        for _ in images_of(self):
            for work in self.works:
                yield self.layer_in.get()
                for number in work.passes:
                    if timed:
                        yield from self.hold_shared(self.fetch, work.fetch_cycles[number % work.slices])
                    wait = put(number)
                    if wait is not DONE:
                        yield wait


@components.register("basis-crossbar")
class BasisCrossbar(LanePart):
    """Cells that hold basis vectors, written once, whose columns join to kernels slot by slot.

    Timing: a pass takes all of its slots, one behind the other, with every bit of the inputs in each.

    done : passes of each stage so far, by slice
    slot_in, slot_out : slots whose coefficients are there, and that begin; None where a pass is one event
    """

    Config = BasisArrayConfig
    family = "crossbar"
    config: BasisArrayConfig

    pass_in = In(Pass, doc="passes whose inputs are there")
    sums_out = Out(Pass, doc="passes whose sums are converted")
    combine = Operation(
        doc="all slots of one pass, or one of them",
        set_by=(
            *PRODUCT_SET_BY,
            "coefficients.bits",
            "coefficients.nonzeros",
            "coefficients.drawn",
            "adc.columns_per_adc",
            "variant",
        ),
    )

    done: Sequence[list[int]] = ()
    slot_in: Any = None
    slot_out: Any = None

    def slot_by_slot(self) -> None:
        """Set up ports that make each slot an event, which waits until its coefficients are there."""
        self.slot_in = self.port(In(Slot, doc="slots whose coefficients are there"), "slot_in")
        self.slot_out = self.port(Out(Slot, doc="slots that begin"), "slot_out")

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of each pass of an image, or of each of its slots."""
        if self.slot_in is None:
            cycles = [work.cycles[number] for work, number in self.slices]
        else:
            cycles = [
                work.slot_cycles for work, number in self.slices for _ in work.coefficient_cycles[number]
            ]
        return {"combine": cycles} if cycles else {}

    @process
    def serve(self) -> Process:
        """Take a pass, hold the crossbar for all of its slots, hand the sums on."""
        get, hold, put = self.pass_in.get, self.combine.hold, self.sums_out.put
        one_by_one = self.slot_in is not None
        for _ in images_of(self):
            for work, done in zip(self.works, self.done, strict=True):
                cycles, slices = work.cycles, work.slices
                for _ in work.passes:
                    number = yield get()
                    done[number % slices] += 1
                    if one_by_one:
                        yield from self._slots(work, number % slices)
                    else:
                        yield hold(cycles[number % slices])
                    wait = put(number)
                    if wait is not DONE:
                        yield wait

    def _slots(self, work: LaneWork, number: int) -> Process:
        """For each slot of a slice wait for coefficients, and read."""
        for _ in work.coefficient_cycles[number]:
            slot = yield self.slot_in.get()
            yield self.slot_out.put(slot)
            yield self.combine.hold(work.slot_cycles)


class CoefficientFetch(LanePart):
    """Brings the coefficients of a slot while the crossbar is at work on the one before.

    They are known long before, so those of a layer's first slot come while the layer before it is computed.
    """

    family = "coefficients"

    slot_out = Out(Slot, doc="slots whose coefficients are there")
    fetch = Operation(
        doc="coefficients of one slot",
        set_by=("coefficients.port_bits", "coefficients.nonzeros", "coefficients.bits"),
    )

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of each slot of an image that takes some."""
        of_slices = (work.coefficient_cycles[number] for work, number in self.slices)
        cycles = [taken for of_slots in of_slices for taken in of_slots if taken]
        return {"fetch": cycles} if cycles else {}

    @process
    def serve(self) -> Process:
        """Bring the coefficients of all slots, one by one."""
        for _ in images_of(self):
            for work in self.works:
                for number in work.passes:
                    for slot, cycles in enumerate(work.coefficient_cycles[number % work.slices]):
                        if cycles:
                            yield from self.hold_shared(self.fetch, cycles)
                        yield self.slot_out.put(slot)


class SlotConverters(LanePart):
    """Converters of a lane, which take the sums of a slot's kernels for as long as the crossbar is read."""

    family = "adc"

    slot_in = In(Slot, doc="slots that begin")
    convert = Operation(
        doc="conversions of one slot",
        set_by=(
            "array.mvm_cycles",
            "array.active_rows",
            "array.rows",
            "array.dac_bits",
            "activation_bits",
            "coefficients.bits",
            "variant",
        ),
    )

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of each slot of an image."""
        cycles = [work.slot_cycles for work, number in self.slices for _ in work.coefficient_cycles[number]]
        return {"convert": cycles} if cycles else {}

    @process
    def serve(self) -> Process:
        """Take a slot, convert the sums of every read."""
        for _ in images_of(self):
            for work in self.works:
                for number in work.passes:
                    for _ in work.coefficient_cycles[number % work.slices]:
                        yield self.slot_in.get()
                        yield self.convert.hold(work.slot_cycles)


class Accumulators(LanePart):
    """Shift-and-add and accumulators of a lane, which take the sums of a pass over while the next one runs.

    compute : takes over what a pass adds to its window's sums, for each stage; None in a run without values
    """

    family = "digital"

    sums_in = In(Pass, doc="passes whose sums are converted")
    sums_out = Out(Pass, doc="passes whose sums are whole")
    take = Operation(doc="sums of one pass", set_by=("digital.sums_per_cycle",))

    compute: Sequence[TakeSums | None] = ()

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of each pass of an image that takes some."""
        cycles = [work.take_cycles for work, _ in self.slices if work.take_cycles]
        return {"take": cycles} if cycles else {}

    @process
    def serve(self) -> Process:
        """Take the sums of a pass over, hand them on."""
        get, put = self.sums_in.get, self.sums_out.put
        for image in images_of(self):
            for work, compute in zip(self.works, self.compute, strict=True):
                for _ in work.passes:
                    number = yield get()
                    if compute is not None:
                        compute(image, number)
                    if work.take_cycles:
                        yield self.take.hold(work.take_cycles)
                    wait = put(number)
                    if wait is not DONE:
                        yield wait


class SumSender(LanePart):
    """The way of sums to the unit of outputs, which one lane has at a time."""

    family = "digital"

    sums_in = In(Pass, doc="passes whose sums are whole")
    sums_out = Out(Pass, doc="passes whose sums are there")
    send = Operation(doc="sums of one pass", set_by=("digital.port_sums",))

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of each pass of an image."""
        cycles = [work.send_cycles for work, _ in self.slices]
        return {"send": cycles} if cycles else {}

    @process
    def serve(self) -> Process:
        """Take sums, wait for the way, send them."""
        for _ in images_of(self):
            for work in self.works:
                for _ in work.passes:
                    number = yield self.sums_in.get()
                    yield from self.hold_shared(self.send, work.send_cycles)
                    yield self.sums_out.put(number)


class Lane(Component):
    """One lane, wired as its machine is configured; `layer_in` begins layers, `sums_out` hands sums over."""

    def lay_out(
        self,
        array: BasisArrayConfig,
        works: Sequence[LaneWork],
        *,
        fetches: bool,
        slots: bool,
        sends: bool,
    ) -> None:
        """Build the parts.

        works : of all stages
        fetches, sends : whether inputs and sums take time on a port that lanes share
        slots : whether each slot is an event
        """
        self.works = works
        self.fetch = self._add(InputFetch, "fetch", PartConfig())
        self.fetch.timed = fetches
        self.crossbar = self._add(chosen(array, BasisCrossbar), "crossbar", array)
        self.crossbar.done = [[0] * work.slices for work in works]
        self.accumulators = self._add(Accumulators, "accumulators", PartConfig())
        self.accumulators.compute = [None] * len(works)
        self.connect(self.fetch.pass_out, self.crossbar.pass_in)
        self.connect(self.crossbar.sums_out, self.accumulators.sums_in)
        self.layer_in, self.sums_out = self.fetch.layer_in, self.accumulators.sums_out
        if slots:
            self.crossbar.slot_by_slot()
            self.coefficients = self._add(CoefficientFetch, "coefficients", PartConfig())
            self.converters = self._add(SlotConverters, "adc", PartConfig())
            self.connect(self.coefficients.slot_out, self.crossbar.slot_in)
            self.connect(self.crossbar.slot_out, self.converters.slot_in)
        if sends:
            self.sender = self._add(SumSender, "sender", PartConfig())
            self.connect(self.accumulators.sums_out, self.sender.sums_in)
            self.sums_out = self.sender.sums_out

    def _add(self, kind: type[Any], name: str, config: PartConfig) -> Any:
        part = self.add(kind, name, config)
        part.works = self.works
        return part
