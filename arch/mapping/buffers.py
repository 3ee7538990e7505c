"""How deep each input buffer is: by the rule that the user chose, never less than keeps the pipeline moving.

The floor under every finite rule comes from schedules that are known to exist: every stage fires as soon as
it can, once a step, and image after image follows at the pipeline's interval. A buffer as deep as a schedule
fills it cannot block it, and in a dataflow graph whose parts only wait and never choose, one schedule that
fits the buffers proves that no run with these buffers can deadlock. That one has at most one pixel under way
in each core, which has registers for more; a second, with the machine's own latency, keeps short branches
from stalling long ones. For one convolution behind a producer of a pixel a step both give (K-1) x W + K
pixels.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from arch.mapping.stages import Operand, Stage, kernel_height
from simcore import MappingError
from simcore.registry import near_miss

#: Sums of fractions of steps are this close to what they are.
_ROUNDING = 1e-6

_LINES = re.compile(r"lines:(?:(\d+)|K(?:\+(\d+))?)")


@dataclass(frozen=True)
class BufferRule:
    """A rule as users write it: `minimum`, `lines:K`, `lines:K+1`, `lines:5`, `full` or `unbounded`."""

    text: str

    def __post_init__(self) -> None:
        if self.text not in ("minimum", "full", "unbounded") and not _LINES.fullmatch(self.text):
            raise ValueError(
                f"must be minimum, lines:K, lines:K+N, lines:N, full or unbounded, got {self.text!r}; "
                "K stands for the kernel's height"
            )

    def depth(self, stage: Stage, operand: Operand, least: int) -> int | None:
        """Return the slots [pixel] of one buffer, None if unbounded.

        least : slots below which the pipeline could stall or deadlock; no finite rule goes below it
        """
        if self.text == "unbounded":
            return None
        if self.text == "full":
            return max(least, operand.firing.pixels)
        match = _LINES.fullmatch(self.text)
        if match is None or operand is not stage.operands[0] or stage.accumulates:
            return least
        kernel = kernel_height(stage)
        if kernel == 1 or stage.steps == 1:
            return least
        lines = int(match[1]) if match[1] else kernel + int(match[2] or 0)
        if lines < kernel:
            raise MappingError(
                f"buffers.rule={self.text} gives {stage.name} {lines} lines, but its kernel is "
                f"{kernel} lines high; write lines:{kernel} or more, or lines:K"
            )
        return max(least, min(lines * operand.shape[2], operand.firing.pixels))


@dataclass(frozen=True)
class Pace:
    """How fast a pipeline runs, in steps of one product.

    together : input pixels that arrive in one step
    latency : steps from a firing until its pixel can be read, by the name of the stage
    replication : windows that may fire in one step, by the name of the stage; 1 if left out
    duration : steps from a firing to the next one of the same replica, by the name of the stage: one number,
        perhaps a fraction, or one a firing; 1 if left out
    """

    latency: Mapping[str, int]
    replication: Mapping[str, int] = field(default_factory=dict)
    together: int = 1
    duration: Mapping[str, float | NDArray[np.float64]] = field(default_factory=dict)


def least_depths(
    stages: Sequence[Stage], source: str, source_pixels: int, pace: Pace
) -> dict[tuple[str, int], int]:
    """Return how full the as-soon-as-possible schedules make each buffer [pixel], by (stage, place).

    source, source_pixels : the network's input and its pixels in one image
    """
    # The second schedule alone would prove nothing: cores may hold fewer pixels than a latency has steps.
    shortest = replace(pace, latency=dict.fromkeys(pace.latency, 1), duration={})
    schedules = [_Schedule(stages, source, source_pixels, steps) for steps in (shortest, pace)]
    return {
        (stage.name, place): max(operand.firing.least_depth, *(s.peak(stage, operand) for s in schedules))
        for stage in stages
        for place, operand in enumerate(stage.operands)
    }


def needed_depths(stages: Sequence[Stage]) -> dict[tuple[str, int], int]:
    """Return the fewest slots [pixel] with which each buffer alone stops nothing, by (stage, place).

    All other buffers are unbounded; with one slot less the pipeline deadlocks, however fast its parts are. A
    step waits for its own pixels in the buffer, and for those of its other operands, which may be made of
    later pixels of the same sender. That one gets a pixel further than a full buffer: the others of its
    readers take the pixel that this one has no room for.
    """
    return {
        (stage.name, place): _needed(stages[:number], stage, place)
        for number, stage in enumerate(stages)
        for place in range(len(stage.operands))
    }


def _needed(before: Sequence[Stage], reader: Stage, place: int) -> int:
    """Return the fewest slots of one operand of a stage behind others."""
    operand = reader.operands[place]
    others = [other for i, other in enumerate(reader.operands) if i != place]
    if not others:
        return operand.firing.least_depth
    # Pixels that the sender must send for the first n of each tensor that is made of them, for every n.
    demand = {operand.source: np.arange(operand.firing.pixels + 1)}
    for stage in before:
        if parts := [o for o in stage.operands if o.source in demand]:
            finishing = stage.finishing_steps
            latest = np.max([demand[o.source][o.firing.need[finishing]] for o in parts], axis=0)
            demand[stage.name] = np.append(0, latest)
    sent = [demand[o.source][o.firing.need] - 1 for o in others if o.source in demand]
    return max(1, int((np.max([operand.firing.need, *sent], axis=0) - operand.firing.live).max()))


class _Schedule:
    """When each stage fires for an image, if one follows the other at the interval of the slowest stage.

    A stage that is not done with an image when the next one's pixels are there begins it when it is. Only an
    image behind others shows that, so what is worked out is one of those.
    """

    def __init__(self, stages: Sequence[Stage], source: str, source_pixels: int, pace: Pace) -> None:
        self.readable: dict[str, NDArray[np.int64]] = {source: np.arange(source_pixels) // pace.together}
        self.fires: dict[str, NDArray[np.int64]] = {}
        # Pixels are held while the step that reads them last is at it.
        durations = {stage.name: pace.duration.get(stage.name, 1.0) for stage in stages}
        self.held = {name: np.ceil(np.maximum(each, 1) - _ROUNDING) for name, each in durations.items()}
        begins = {stage.name: self._begins(stage, pace) for stage in stages}
        busy = [int(own[-1]) for replicas in begins.values() for own in replicas]
        self.interval = max([-(-source_pixels // pace.together), *busy])
        for stage in stages:
            due = np.max([self._due(self.readable[o.source], o.firing.need) for o in stage.operands], axis=0)
            fires = self._fires(due, begins[stage.name])
            self.fires[stage.name] = fires
            self.readable[stage.name] = fires[stage.finishing_steps] + pace.latency[stage.name]

    @staticmethod
    def _begins(stage: Stage, pace: Pace) -> list[NDArray[np.int64]]:
        """Return the steps behind the first firing of each replica before which its others cannot begin.

        The last one is the next image's first.
        """
        duration = np.broadcast_to(pace.duration.get(stage.name, 1.0), stage.steps)
        replicas = min(pace.replication.get(stage.name, 1), stage.steps)
        sums = [np.append(0, np.cumsum(duration[replica::replicas])) for replica in range(replicas)]
        return [np.ceil(each - _ROUNDING).astype(np.int64) for each in sums]

    def _fires(self, due: NDArray[np.int64], begins: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """Return when each step fires: not before it is due, nor before its replica is done with others."""
        fires = np.empty_like(due)
        for replica, own in enumerate(begins):
            behind = own[:-1]
            first = np.maximum.accumulate(due[replica :: len(begins)] - behind)
            # The image before, an interval earlier, ends as this one does; no stage is busy for longer.
            end = first[-1] + own[-1] - self.interval
            fires[replica :: len(begins)] = np.maximum(first, end) + behind
        return np.asarray(np.maximum.accumulate(fires))

    @staticmethod
    def _due(readable: NDArray[np.int64], need: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return when the first `need` pixels can be read; needing none is never late."""
        return np.where(need > 0, readable[np.maximum(need, 1) - 1], 0)

    def peak(self, stage: Stage, operand: Operand) -> int:
        """Return the most pixels in a buffer at the end of any step, images following at the interval."""
        arrivals, fires, firing = self.readable[operand.source], self.fires[stage.name], operand.firing
        images = 2 + int(max(arrivals[-1], fires[-1]) // self.interval)
        shifts = np.arange(images)[:, None] * self.interval
        base = np.arange(images)[:, None] * firing.pixels
        times = (arrivals + shifts).ravel()
        frees = np.maximum.accumulate((fires + self.held[stage.name] + shifts).ravel())
        freed = np.append(firing.live[0], (firing.freed + base).ravel())
        gone = freed[np.searchsorted(frees, times, side="right")]
        return int((np.arange(1, len(times) + 1) - gone).max())


def buffer_depths(
    rule: BufferRule, stages: Sequence[Stage], least: Mapping[tuple[str, int], int]
) -> dict[tuple[str, int], int | None]:
    """Return the depth of every buffer [pixel] by (stage, operand's place); None is unbounded."""
    return {
        (stage.name, place): rule.depth(stage, operand, least[stage.name, place])
        for stage in stages
        for place, operand in enumerate(stage.operands)
    }


def edge_name(stage: Stage, operand: Operand) -> str:
    """Return what users call a buffer, by its sender and its reader; a tensor read twice has one name."""
    return f"{operand.source}:{stage.name}"


def chosen_depths(
    given: Mapping[str, int | None],
    depths: Mapping[tuple[str, int], int | None],
    stages: Sequence[Stage],
    least: Mapping[tuple[str, int], int],
    *,
    allow_undersized: bool,
) -> dict[tuple[str, int], int | None]:
    """Return `depths` with those that a user has `given` by the names of their edges.

    raises : MappingError for an unknown edge, or for less than `least` unless that is allowed
    """
    places = {
        (stage.name, place): edge_name(stage, operand)
        for stage in stages
        for place, operand in enumerate(stage.operands)
    }
    for name, depth in given.items():
        enough = max((least[place] for place, edge in places.items() if edge == name), default=None)
        if enough is None:
            raise MappingError(
                f"buffers.depths.{name}: no stage reads from a buffer of that name, written SENDER:READER; "
                f"{near_miss(name, list(places.values()))}"
            )
        if depth is not None and depth < enough and not allow_undersized:
            raise MappingError(
                f"buffers.depths.{name}={depth} is less than the {enough} pixels that are known to keep the "
                f"pipeline moving; set it to {enough} or more, or buffers.allow_undersized=true to see what "
                "happens"
            )
    return {place: given.get(edge, depths[place]) for place, edge in places.items()}
