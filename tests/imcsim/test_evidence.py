"""What speaks for a unit as a bottleneck: when it worked, who is alike, and for whose work others wait."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import imcsim
from imcsim.evidence import Evidence, PathEvidence, evidence_of
from imcsim.run_record import UnitTimes
from imcsim.stall_stacks import exact_times
from simcore import Activity
from simcore.activity import NOBODY

#: Intervals of four units: unit, state, start, duration, and the unit whose act ended it.
ROWS = [
    ("a", "busy:work", 0, 20, None),
    ("b", "wait-input:token_in", 0, 10, "a"),
    ("b", "busy:work", 10, 10, None),
    ("c", "wait-input:token_in", 0, 20, "b"),
    ("d", "busy:work", 0, 4, None),
    ("d", "wait-resource:bus", 4, 2, None),
    ("d", "busy:work", 6, 4, None),
    ("d", "programming:write", 10, 10, None),
]
UNITS, STATES = (
    ("a", "b", "c", "d"),
    ("busy:work", "wait-input:token_in", "wait-resource:bus", "programming:write"),
)


@cache
def plain_run() -> imcsim.Run:
    return imcsim.run("digits-mlp", arch="dataflow", values="off", record=False)


def evidence(kinds: dict[str, str] | None = None) -> Evidence:
    """Return the evidence of a run of 20 cycles with the intervals of `ROWS`."""
    columns = list(zip(*ROWS, strict=True))
    numbers = {name: number for number, name in enumerate(UNITS)} | {None: NOBODY}
    activity = Activity(
        UNITS,
        STATES,
        np.array([UNITS.index(unit) for unit in columns[0]], np.int32),
        np.array([STATES.index(state) for state in columns[1]], np.int16),
        np.array(columns[2], np.int64),
        np.array(columns[3], np.int64),
        np.array([numbers[cause] for cause in columns[4]], np.int32),
        np.zeros(len(ROWS), np.int64),
        20,
        1,
        1e9,
        2,
    )
    cycles: dict[str, dict[str, float]] = {name: {} for name in UNITS}
    for unit, state, _, ticks, _ in ROWS:
        cycles[unit][state] = cycles[unit].get(state, 0) + ticks
    units = tuple(
        UnitTimes(name, (kinds or {}).get(name, name), "part", None, cycles[name]) for name in UNITS
    )
    summary = plain_run().summary | {"cycles": 20}
    run = replace(plain_run(), units=units, summary=summary, activity=activity)
    return evidence_of(run, exact_times(run), PathEvidence({}, ()))


def test_waits_are_for_the_work_of_those_who_ended_them_and_of_those_these_waited_for() -> None:
    # Of the 30 cycles of waiting that somebody ended, b waits 10 for a, which only works. c waits 20 for b,
    # which works half of its time, and waits for a in the other half.
    waited_for = evidence().waited_for
    assert waited_for == pytest.approx({"a": 20 / 30, "b": 10 / 30, "c": 0, "d": 0})


def test_a_unit_is_judged_between_its_first_operation_and_its_last() -> None:
    works = evidence().by_path
    assert {path: (work.worked, work.window) for path, work in works.items()} == {
        "a": (20, 20),
        "b": (10, 10),
        "d": (18, 20),
    }
    assert works["b"].saturation == 1
    assert works["d"].saturation == 0.9
    assert works["d"].operation == "programming:write"


def test_units_of_a_kind_that_work_equally_long_at_the_same_are_alike() -> None:
    assert [group.members for group in evidence().alike] == [("a",), ("d",), ("b",)]
    same = evidence({"a": "array", "b": "array", "d": "array"})
    assert [group.members for group in same.alike] == [
        ("a",),
        ("d",),
        ("b",),
    ]  # another operation, half as long


def test_routers_are_no_bottlenecks_but_their_links() -> None:
    found = evidence()
    routed = [replace(work, unit=replace(work.unit, family="router")) for work in found.works]
    assert not replace(found, works=routed).alike
