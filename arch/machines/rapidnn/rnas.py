"""RNAs at work, what begins their windows, and the buffers by which their codes get to the next layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from arch.machines.rapidnn.neuron_times import Phases
from arch.tokens import Pixel, Window
from simcore import Component, Counter, In, Operation, Out, Process, Shared, process


class Work(NamedTuple):
    """What a position makes some RNAs do.

    turns : neurons of the slowest one, which takes them in turn
    loading : cycles of that one
    counting, adding : cycles of that one; shown is first what all its neurons count, then what they add
    counted, added : of all of them together
    """

    turns: int
    loading: int
    counting: int
    adding: int
    counted: int
    added: int


class Rnas(Component):
    """RNAs in lock-step: all that do a copy of a layer, or one of them.

    Timing: a neuron loads, counts, adds, looks its function up and searches for its code, one behind the
    other; the slowest one ends the position. Those that are done earlier wait: a tile's controller begins
    positions on all of them at once.

    neurons : they do for each position
    each : phases of one neuron, of which counting and adding may depend on values
    average : what a position takes on average
    alike : whether each of them does as many neurons of a position as any other
    compute : computes a position's values and says what that takes; None in a run without values
    positions : that were begun
    """

    family = "rna"

    window_in = In(Window, doc="positions whose codes are in the buffers of all RNAs")
    code_out = Out(Pixel, doc="the codes of a position")
    load = Operation(
        doc="writing candidates of a pool, or the products of the next neuron",
        set_by=("rna.encoding.write_cycles", "sharing", "clusters.weights"),
    )
    counts = Operation(
        "count", doc="counting pairs of codes", set_by=("rna.lanes", "clusters.weights", "sharing")
    )
    additions = Operation(
        "add",
        doc="adding shifted products",
        set_by=(
            "rna.adder_cycles",
            "bits",
            "rna.triples",
            "rna.copying",
            "rna.digits",
            "clusters.weights",
            "clusters.inputs",
            "sharing",
        ),
    )
    activate = Operation(
        doc="search for the function's value",
        set_by=("rna.activation.stage_cycles", "rna.activation.stage_bits", "bits", "sharing"),
    )
    encode = Operation(
        doc="search for the code",
        set_by=("rna.encoding.stage_cycles", "rna.encoding.stage_bits", "bits", "sharing"),
    )
    counted = Counter("counting", unit="cycle", doc="of counters, each RNA's")
    added = Counter("adding", unit="cycle", doc="of arrays, each RNA's")

    neurons: int = 1
    each: Phases = Phases()
    average: Work = Work(1, 0, 0, 0, 0, 0)
    alike: bool = True
    compute: Callable[[int], Work] | None = None
    done_out: Any = None
    positions: int = 0

    def tell_done(self) -> Any:
        """Return a port that tells which positions are done and handed on."""
        self.done_out = self.port(Out(Window, doc="positions that are done"), "done_out")
        return self.done_out

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of each phase of a position; with values, of those that are no matter of them.

        Then codes decide on counting and adding, and on which RNA is the slowest: where some do more neurons
        than others, on all phases.
        """
        if self.compute is not None and not self.alike:
            return {}
        average, (*_, activating, encoding) = self.average, self.each
        counted = (average.counting, average.adding) if self.compute is None else (0, 0)
        searched = average.turns * activating, average.turns * encoding
        phases = ("load", "counts", "additions", "activate", "encode")
        cycles = zip(phases, (average.loading, *counted, *searched), strict=True)
        return {phase: (taken,) for phase, taken in cycles if taken}

    @process
    def serve(self) -> Process:
        """Take a position, go through its phases, hand the codes on."""
        _, _, _, activating, encoding = self.each
        average, compute, done = self.average, self.compute, self.done_out
        while True:
            window = yield self.window_in.get()
            work = average if compute is None else compute(window)
            self.positions += 1
            self.counted.add(work.counted)
            self.added.add(work.added)
            if work.loading:
                yield self.load.hold(work.loading)
            if work.counting:
                yield self.counts.hold(work.counting)
            if work.adding:
                yield self.additions.hold(work.adding)
            if activating:
                yield self.activate.hold(work.turns * activating)
            if encoding:
                yield self.encode.hold(work.turns * encoding)
            yield self.code_out.put(window)
            if done is not None:
                yield done.put(window)


class Controller(Component):
    """Begins a copy's positions on all of its RNAs at once, where each is a process of its own."""

    family = "control"

    window_in = In(Window, doc="positions whose codes are there")
    start_out = Out(Window, doc="positions, to all RNAs")
    done_in = In(Window, doc="positions that all RNAs have handed on")

    @process
    def serve(self) -> Process:
        """Begin a position, wait until it is done."""
        while True:
            window = yield self.window_in.get()
            yield self.start_out.put(window)
            yield self.done_in.get()


class CodePicker(Component):
    """Picks codes, or puts them side by side: a pixel each cycle, no RNA takes part."""

    family = "control"

    window_in = In(Window, doc="pixels that are complete")
    code_out = Out(Pixel, doc="the codes that were picked")
    forward = Operation(doc="one pixel, in a cycle")

    compute: Callable[[int], Any] | None = None

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycle of a pixel."""
        return {"forward": (1,)}

    @process
    def serve(self) -> Process:
        """Take a pixel, hand it on."""
        (cycle,), compute = self.lasts()["forward"], self.compute
        while True:
            window = yield self.window_in.get()
            if compute is not None:
                compute(window)
            yield self.forward.hold(cycle)
            yield self.code_out.put(window)


class Broadcast(Component):
    """A layer's codes, one behind the other on the buses of all tiles whose RNAs read them.

    A bus that several layers' codes pass is granted to one after the other, pixel by pixel. The one that has
    it waits for none but buses of higher number, so that no two wait for each other.

    cycles, codes : of one pixel
    tiles : that listen
    """

    family = "buffer"

    pixel_in = In(Pixel, doc="codes of a pixel")
    pixel_out = Out(Pixel, doc="pixels in the memories of their readers")
    send = Operation(doc="codes of one pixel", set_by=("broadcast.codes_per_cycle",))

    cycles: int = 1
    codes: int = 1
    tiles: int = 1
    buses: Sequence[Any] = ()

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of a pixel."""
        return {"send": (self.cycles,)}

    def take_part(self, buses: Sequence[int]) -> list[Any]:
        """Return new ports for buses that others use, too, in ascending order."""
        self.buses = [self.port(Shared(doc="the bus of a tile"), f"bus[{bus}]") for bus in buses]
        return list(self.buses)

    @process
    def serve(self) -> Process:
        """Take a pixel, wait for all buses, send, hand it on."""
        cycles, buses = self.cycles, self.buses
        if not buses:
            relay = self.relay(self.send, self.pixel_in, self.pixel_out)
            pixel = yield relay.get()
            while True:
                pixel = yield relay.next(cycles, pixel)
        while True:
            pixel = yield self.pixel_in.get()
            for bus in buses:
                yield bus.acquire()
            yield self.send.hold(cycles)
            for bus in buses:
                bus.release()
            yield self.pixel_out.put(pixel)
