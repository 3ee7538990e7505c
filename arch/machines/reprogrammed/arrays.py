"""Crossbars that are written again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat

from arch.crossbar import PRODUCT_SET_BY
from arch.mapping.tiling import Block
from arch.resistive_parts import ResistiveArrayConfig
from arch.tokens import Sums, Token, Window
from simcore import Component, In, Operation, Out, Process, components, process
from simcore.commands import DONE


class Round(Token):
    """A turn of a set of tiles; see `arch.machines.reprogrammed.schedule.Turn`."""


@dataclass(eq=False)
class Job:
    """What crossbars do in a visit.

    layer, blocks : the tiles on them
    windows : of an image
    done : windows that they multiplied
    multiply : computes the values of one, on the first crossbars of a visit for all of them
    """

    layer: str
    blocks: tuple[Block, ...]
    windows: int
    done: int = 0
    multiply: Callable[[int], None] | None = None


@dataclass(frozen=True)
class Stay:
    """What crossbars do in a turn.

    jobs : one behind the other
    images : that each is done for
    write : writes their tiles and returns the cycles; None if they are there
    """

    jobs: Sequence[Job]
    images: int
    write: Callable[[], int] | None


@components.register("rewritable-array")
class RewritableArrays(Component):
    """Crossbars that are written, multiply windows for a while, and are written again.

    Timing: cells are written by incremental pulses, all crossbars at once, for as long as the slowest takes;
    a product takes a read for each bit of the inputs.

    product_cycles : of one window
    write_cycles : of every write; None where pulses are drawn for each
    stays : what they do in each turn; by itself one window between writes of a cycle, for ever
    writes : that were begun
    """

    Config = ResistiveArrayConfig
    family = "crossbar"
    config: ResistiveArrayConfig

    write_in = In(Round, doc="turns whose tiles are to be written")
    written_out = Out(Round, doc="turns whose tiles are there")
    window_in = In(Window, doc="windows, as vectors for the wordlines")
    sums_out = Out(Sums, doc="the column sums of each")
    write = Operation(
        doc="pulses and verifying reads, until all cells are there",
        programming=True,
        set_by=(
            "write.pulse_cycles",
            "write.verify_cycles",
            "write.pulses",
            "write.parallel",
            "rows",
            "cols",
        ),
    )
    mvm = Operation(doc="one product of each crossbar", set_by=PRODUCT_SET_BY)

    product_cycles: int = 1
    write_cycles: int | None = 1
    stays: Iterator[Stay]

    def build(self) -> None:
        """Begin with a stay that shows what a crossbar does."""
        self.stays = repeat(Stay((Job("", (), 1),), 1, lambda: 1))

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of a product, and of a write, unless pulses are drawn for each."""
        written = {} if self.write_cycles is None else {"write": (self.write_cycles,)}
        return {"mvm": (self.product_cycles,), **written}

    @process
    def serve(self) -> Process:
        """Write what a turn needs, then take its windows one by one."""
        cycles, get, put, hold = self.product_cycles, self.window_in.get, self.sums_out.put, self.mvm.hold
        for stay in self.stays:
            if stay.write is not None:
                turn = yield self.write_in.get()
                yield self.write.hold(stay.write())
                yield self.written_out.put(turn)
            for job in stay.jobs:
                multiply = job.multiply
                for _ in range(job.windows * stay.images):
                    window = yield get()
                    if multiply is not None:
                        multiply(window)
                    yield hold(cycles)
                    job.done += 1
                    wait = put(window)
                    if wait is not DONE:
                        yield wait

    def area(self) -> float:
        """Return nothing: a crossbar is there whether a tile lies on it or not."""
        return 0.0
