"""Running a mapping again with other buffer depths, to see which of them stop or slow the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from arch.machine import Machine, MachineRun, RunOptions
from arch.machines.dataflow import DataflowMap
from simcore import BrokenLawError, Deadlock


@dataclass(eq=False)
class DepthTrials:
    """Runs of one mapping without values, whose cycles are those of a run with them.

    runs : how many were done so far
    """

    machine: Machine
    placed: DataflowMap
    images: int
    runs: int = field(default=0, init=False)

    def at(self, depths: Mapping[str, int | None]) -> MachineRun | Deadlock:
        """Return what comes of other depths of some edges; None is unbounded.

        What gets stuck behind the last image counts as a deadlock, too: another image would show it.
        """
        self.runs += 1
        try:
            return self.machine.simulate(self.placed.with_depths(depths), self.images, None, RunOptions())
        except Deadlock as deadlock:
            return deadlock
        except BrokenLawError as stuck:
            return Deadlock(str(stuck))

    def ends(self, depths: Mapping[str, int | None]) -> bool:
        """Whether a run with these depths comes to its end."""
        return not isinstance(self.at(depths), Deadlock)

    def depth_of(self, edge: str) -> int | None:
        """Return the depth of an edge as it is mapped."""
        return self.placed.depths[self.placed.edges[edge][0]]

    def peak(self, run: MachineRun, edge: str) -> int:
        """Return the most pixels that an edge held in a run."""
        return max(run.peaks[f"core[{s}].memory.pixel_in[{i}]"] for s, i in self.placed.edges[edge])

    def needed(self, edge: str) -> int:
        """Return the depth without which this edge alone stops the pipeline."""
        return max(self.placed.needed[place] for place in self.placed.edges[edge])

    def safe(self, edge: str) -> int:
        """Return the depth that never stops the pipeline if all edges have theirs."""
        return max(self.placed.safe[place] for place in self.placed.edges[edge])


def least_depth(passes: Callable[[int], bool], low: int, high: int | None = None) -> int:
    """Return the least depth that passes, by doubling steps up from `low`, then bisection.

    passes : never false above a depth for which it is true: room never slows a part that only waits
    high : known to pass; None if none is known, but some depth does
    """
    step, fails = 1, low - 1
    while (depth := fails + step) != high and not passes(depth):
        fails, step = depth, 2 * step
        if high is not None:
            step = min(step, high - fails)
    good = depth
    while good - fails > 1:
        middle = (fails + good) // 2
        if passes(middle):
            good = middle
        else:
            fails = middle
    return good
