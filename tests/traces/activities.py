"""Activities for tests: of a small pipeline that fills, stalls and drains, and any that hypothesis likes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from random import Random

import numpy as np
from hypothesis import strategies as st

from simcore.activity import CATEGORIES, NOBODY, Activity, BufferTrace, category

Interval = tuple[int, str, int, int]  # unit, state, start, end

STATES = (
    "busy:mvm",
    "busy:scale",
    "programming:write",
    "wait-input:x",
    "blocked-output:y",
    "wait-resource:adc",
)


def make_activity(
    units: Sequence[str],
    intervals: Sequence[Interval],
    makespan: int,
    ticks_per_cycle: int = 1,
    clock_hz: float = 1e8,
) -> Activity:
    """Put intervals, in any order, into columns."""
    states = tuple(sorted({state for _, state, _, _ in intervals}))
    rows = sorted((unit, start, end, states.index(state)) for unit, state, start, end in intervals)
    unit, start, end, state = np.array(rows, dtype=np.int64).reshape(-1, 4).T
    return Activity(
        units=tuple(units),
        states=states,
        unit=unit.astype(np.int32),
        state=state.astype(np.int16),
        start=start,
        duration=end - start,
        cause=np.full(len(start), NOBODY, np.int32),
        lag=np.zeros(len(start), np.int64),
        makespan=makespan,
        ticks_per_cycle=ticks_per_cycle,
        clock_hz=clock_hz,
    )


@dataclass
class _Stage:
    """Units in step that take tokens from those before, work, and block while the next queue is full."""

    units: list[int]
    state: str
    service: int
    inputs_per_output: int = 1
    ready: int = 0
    taken: list[int] = field(default_factory=list)


def pipeline_activity(
    cores: int = 4,
    images: int = 2,
    pixels: int = 24,
    crossbars: int = 1,
    seed: int = 1,
    depth: int = 2,
    stride_every: int = 4,
) -> Activity:
    """Simulate a chain of cores, each a buffer, crossbars in step that share an ADC, and a digital unit.

    Each `stride_every`-th core has a stride of two: the next ones work a quarter as often, 4 times as long.
    """
    random = Random(seed)
    units: list[str] = []
    stages: list[_Stage] = []
    intervals: list[Interval] = []
    for core in range(cores):
        path = f"core[conv{core + 1}]"
        work = random.randint(6, 14) * 4 ** ((core + 1) // stride_every)
        arrays = [f"{path}.crossbar[{i // 4},{i % 4}].serve" for i in range(crossbars)]
        stages.append(
            _Stage([len(units)], "busy:fill", 2, inputs_per_output=4 if (core + 1) % stride_every == 0 else 1)
        )
        stages.append(_Stage(list(range(len(units) + 1, len(units) + 1 + crossbars)), "busy:mvm", work))
        stages.append(_Stage([len(units) + 1 + crossbars], "busy:scale", work // 3))
        units += [f"{path}.buffer.serve", *arrays, f"{path}.digital.serve"]

    def record(stage: _Stage, state: str, start: int, end: int) -> None:
        if end > start:
            intervals.extend((unit, state, start, end) for unit in stage.units)

    def feed(position: int, arrival: int) -> None:
        stage = stages[position]
        analog = stage.state == "busy:mvm"
        take = max(stage.ready, arrival)
        record(stage, "wait-input:pixel_in", stage.ready, take)
        start = take + (random.choice([0, 0, 0, 0, stage.service // 2]) if analog else 0)
        record(stage, "wait-resource:adc", take, start)
        done = start + stage.service + (random.randint(0, stage.service // 4) if analog else 0)
        record(stage, stage.state, start, done)
        stage.taken.append(take)
        stage.ready = done
        if len(stage.taken) % stage.inputs_per_output == 0 and position + 1 < len(stages):
            queue = stages[position + 1].taken
            stage.ready = max(done, queue[-depth] if len(queue) >= depth else 0)
            record(stage, "blocked-output:pixel_out", done, stage.ready)
            feed(position + 1, stage.ready)

    for number, stage in enumerate(stages):
        if stage.state == "busy:mvm":
            stage.ready = 150 + 10 * (number % 7)
            record(stage, "programming:weights", 0, stage.ready)
    for token in range(images * pixels):
        feed(0, token * 4 + token // pixels * pixels * 5)
    return make_activity(units, intervals, max(stage.ready for stage in stages))


@st.composite
def activities(draw: st.DrawFn) -> Activity:
    """Any activity: gaps, touching neighbours, idle units, intervals of no length."""
    paths = [f"core[{name}].{part}" for name in ("conv1", "conv2.0", "fc") for part in ("a", "b[0,1].serve")]
    units = paths[: draw(st.integers(1, 6))]
    makespan = draw(st.integers(0, 60))
    intervals: list[Interval] = []
    for unit in range(len(units)):
        cuts = sorted(draw(st.lists(st.integers(0, makespan), max_size=12)))
        for start, end in pairwise(cuts):
            if draw(st.booleans()):
                intervals.append((unit, draw(st.sampled_from(STATES)), start, end))
    return make_activity(units, intervals, makespan, draw(st.integers(1, 4)))


@st.composite
def caused_activities(draw: st.DrawFn) -> Activity:
    """Activities in which units end each other's waits, and memories hold something."""
    activity = draw(activities())
    cause = draw(
        st.lists(st.integers(NOBODY, len(activity.units) - 1), min_size=len(activity), max_size=len(activity))
    )
    waits = np.array([category(state) not in ("busy", "programming") for state in activity.states], bool)
    buffers = []
    for unit in activity.units[: draw(st.integers(0, 2))]:
        ticks = sorted(draw(st.sets(st.integers(0, activity.makespan), max_size=5)))
        held = draw(st.lists(st.integers(0, 300), min_size=len(ticks), max_size=len(ticks)))
        slots = draw(st.one_of(st.none(), st.integers(1, 300)))
        buffers.append(
            BufferTrace(f"{unit}.pixel_in", slots, np.array(ticks, np.int64), np.array(held, np.int32))
        )
    return replace(
        activity,
        cause=np.where(waits[activity.state], np.array(cause, np.int32), NOBODY).astype(np.int32),
        buffers=tuple(buffers),
    )


def time_by_hand(activity: Activity, start: int, stop: int) -> list[dict[str, int]]:
    """Walk through a window tick by tick: what each unit did, by category."""
    spent = [dict.fromkeys(CATEGORIES, 0) for _ in activity.units]
    for unit, time in enumerate(spent):
        for tick in range(start, stop):
            covering = np.flatnonzero(
                (activity.unit == unit)
                & (activity.start <= tick)
                & (tick < activity.start + activity.duration)
            )
            state = activity.states[activity.state[covering[0]]] if len(covering) else "finished"
            time[state.partition(":")[0]] += 1
    return spent
