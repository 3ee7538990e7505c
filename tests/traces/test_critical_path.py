"""The critical path of pipelines is known; of any network it is what a walk by hand finds. So is slack."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore import Activity, SimError, category
from simcore.activity import NOBODY
from tests.naive_machine import Link, Node, ProcessNetwork
from tests.process_networks import acyclic_networks, contended_networks, simulate_network
from traces import critical_path_of, image_chain, slack
from traces.critical_path import IDLE, CriticalPath

Segment = tuple[str, str, int, int]  # unit, state, start, end


def recorded(network: ProcessNetwork, **options: Any) -> Activity:
    activity = simulate_network(network, record=True, **options)[0].activity
    assert activity is not None
    return activity


def pipeline(services: list[int], items: int, latency: int = 0, depth: int = 8) -> ProcessNetwork:
    """Return stages one behind the other, of which the first makes the tokens."""
    names = [*(f"stage{i}" for i in range(len(services) - 1)), "sink"]
    nodes = [Node(name, (cycles,)) for name, cycles in zip(names, services, strict=True)]
    nodes[0], nodes[-1] = replace(nodes[0], firings=items), replace(nodes[-1], firings=items)
    links = [Link((one,), other, depth, latency) for one, other in pairwise(names)]
    return ProcessNetwork(tuple(nodes), tuple(links))


@given(st.lists(st.integers(1, 9), min_size=2, max_size=5), st.integers(1, 9), st.integers(0, 3), st.data())
@settings(deadline=None, max_examples=60)
def test_the_path_of_a_pipeline_is_its_slowest_stage_and_once_each_other_one(
    services: list[int], items: int, latency: int, data: st.DataObject
) -> None:
    """Fill, then the slowest stage for every token, then drain: the makespan is that, and so is the path."""
    slowest = data.draw(st.integers(0, len(services) - 1))
    services[slowest] = 10
    activity = recorded(pipeline(services, items, latency), relays=data.draw(st.booleans()))
    path = critical_path_of(activity)
    fill, under_way = sum(services) - 10, latency * (len(services) - 1)
    assert path.length == activity.makespan == fill + items * 10 + under_way
    of_stages = [*(f"stage{i}" for i in range(len(services) - 1)), "sink"]
    assert path.by_unit() == {
        name: cycles * (items if index == slowest else 1) + latency * (name != "sink")
        for index, (name, cycles) in enumerate(zip(of_stages, services, strict=True))
    }
    expected = {"busy:work": fill + items * 10, "transfer:token_in[0]": under_way}
    assert path.by_state() == {state: ticks for state, ticks in expected.items() if ticks}
    groups = {name: "slow" if index == slowest else "others" for index, name in enumerate(of_stages)}
    assert path.by(groups)["slow"] == path.by_unit()[of_stages[slowest]]


def test_of_two_branches_the_quick_one_may_take_as_long_as_the_slow_one() -> None:
    """Of 3 and 10 cycles, whose tokens are both needed for the 2 of the sink."""
    nodes = Node("a", (3,), 1, 1), Node("b", (10,), 1, 1), Node("sink", (2,), 1, 1)
    links = Link(("a",), "sink", 1, 4), Link(("b",), "sink")
    activity = recorded(ProcessNetwork(nodes, links))
    path = critical_path_of(activity)
    assert segments_of(path) == [("b", "busy:work", 0, 10), ("sink", "busy:work", 10, 12)]
    rooms = dict(zip(unit_starts(activity), slack(activity).tolist(), strict=True))
    assert rooms == {
        ("a", 0): 10 - 4 - 3,
        ("b", 0): 0,
        ("sink", 0): 10 - 7,  # it waits for `a` first
        ("sink", 7): 0,
        ("sink", 10): 0,
    }


def test_what_waits_for_room_hangs_on_the_reader() -> None:
    """The source blocks on a sink that is slow; all of the path is the sink but for the first token."""
    activity = recorded(pipeline([1, 5], 4, depth=1))
    assert segments_of(critical_path_of(activity)) == [
        ("stage0", "busy:work", 0, 1),
        *(("sink", "busy:work", start, start + 5) for start in (1, 6, 11, 16)),
    ]


def test_the_makespan_is_rounded_up_to_an_edge_of_the_reference_clock() -> None:
    activity = recorded(replace(pipeline([2, 3], 1), reference_period=4))
    assert segments_of(critical_path_of(activity))[-1] == ("sink", IDLE, 5, 8)


def test_of_nothing_there_is_no_path() -> None:
    activity = recorded(pipeline([1, 1], 1))
    columns: dict[str, Any] = {name: column[:0] for name, column in activity.columns().items()}
    empty = replace(activity, **columns)
    with pytest.raises(SimError, match="nothing was recorded of this run; record it"):
        critical_path_of(empty)


def test_the_way_of_an_image_is_the_chain_of_acts_that_completed_it() -> None:
    """A token every 5 cycles, served in 2 and then in 1: token n leaves the sink in 5 (n + 1) + 3."""
    activity = recorded(pipeline([5, 2, 1], 3))
    starts = unit_starts(activity)
    for token in range(3):
        made = 5 * token
        acted, went_on = image_chain(activity, made + 8, made, activity.units.index("sink"))
        assert [starts[row] for row in acted] == [("stage0", made), ("stage1", made + 5)]
        assert [starts[row] for row in went_on] == [("stage1", made + 5), ("sink", made + 7)]
        acted, went_on = image_chain(activity, made + 8, made + 5, activity.units.index("sink"))
        assert [starts[row] for row in (*acted, *went_on)] == [("stage1", made + 5), ("sink", made + 7)]


@dataclass
class Naive:
    """Finds everything by looking through all rows, one by one."""

    activity: Activity

    def __post_init__(self) -> None:
        self.unit: list[int] = self.activity.unit.tolist()
        self.state: list[int] = self.activity.state.tolist()
        self.start: list[int] = self.activity.start.tolist()
        self.duration: list[int] = self.activity.duration.tolist()
        self.cause: list[int] = self.activity.cause.tolist()
        self.lag: list[int] = self.activity.lag.tolist()
        self.end = [start + ticks for start, ticks in zip(self.start, self.duration, strict=True)]
        self.rows = range(len(self.end))

    def before(self, unit: int, tick: int) -> int | None:
        """Return the last interval of a unit that is over by a tick."""
        return max(
            (row for row in self.rows if self.unit[row] == unit and self.end[row] <= tick), default=None
        )

    def in_front(self, row: int) -> int | None:
        """Return the interval of the same unit in front of one."""
        return row - 1 if row and self.unit[row - 1] == self.unit[row] else None

    def began_before_act(self, row: int) -> bool:
        """Tell whether a wait was ended by a unit that had begun something by then."""
        act = self.end[row] - self.lag[row]
        return any(self.unit[r] == self.cause[row] and self.start[r] < act for r in self.rows)

    def last(self) -> int:
        """Return the last interval of the unit that ended the run."""
        mine = [row for row in self.rows if self.unit[row] == self.activity.finisher]
        return mine[-1]

    def path(self) -> list[Segment]:
        """Walk back from the end of the run."""
        names, states = self.activity.units, self.activity.states
        row: int | None = self.last()
        assert row is not None
        found = [(names[self.unit[row]], IDLE, self.end[row], self.activity.makespan)]
        while row is not None:
            unit, state = self.unit[row], states[self.state[row]]
            begin, following = self.start[row], self.in_front(row)
            if self.cause[row] != NOBODY:
                unit, state = self.cause[row], f"transfer:{state.partition(':')[2]}"
                begin = self.end[row] - self.lag[row]
                following = self.before(unit, begin)
            found.append((names[unit], state, begin, self.end[row]))
            since = 0 if following is None else self.end[following]
            doing = [r for r in self.rows if self.unit[r] == unit and self.start[r] <= since < self.end[r]]
            during = states[self.state[doing[0]]] if doing and self.cause[row] != NOBODY else IDLE
            found.append((names[unit], during, since, begin))
            row = following
        return [segment for segment in reversed(found) if segment[2] < segment[3]]

    def makespan(self, longer: int | None = None, by: int = 0) -> int:
        """Return the makespan if one interval were longer, by trying until no end moves any more."""
        ends = [0] * len(self.end)
        while True:
            moved = [self._end(row, ends, by * (row == longer)) for row in self.rows]
            if moved == ends:
                break
            ends = moved
        last = self.last()
        makespan: int = self.activity.makespan + ends[last] - self.end[last]
        return max(makespan, *ends)

    def _end(self, row: int, ends: list[int], by: int) -> int:
        front = self.in_front(row)
        if self.cause[row] == NOBODY:
            gap = self.start[row] - (0 if front is None else self.end[front])
            return (0 if front is None else ends[front]) + gap + self.duration[row] + by
        enabler = self.before(self.cause[row], self.end[row] - self.lag[row])
        since = self.end[row] - (0 if enabler is None else self.end[enabler])
        after: int = since + (0 if enabler is None else ends[enabler])
        return after if front is None else max(ends[front], after)


def segments_of(path: CriticalPath) -> list[Segment]:
    columns = (path.unit.tolist(), path.state.tolist(), path.start.tolist(), path.duration.tolist())
    return [(path.units[u], path.states[s], at, at + ticks) for u, s, at, ticks in zip(*columns, strict=True)]


def unit_starts(activity: Activity) -> list[tuple[str, int]]:
    rows = zip(activity.unit.tolist(), activity.start.tolist(), strict=True)
    return [(activity.units[unit], start) for unit, start in rows]


@given(acyclic_networks() | contended_networks())
@settings(deadline=None, max_examples=100)
def test_the_path_is_what_a_walk_by_hand_finds(network: ProcessNetwork) -> None:
    activity = recorded(network)
    if not activity.makespan:
        return
    path, naive = critical_path_of(activity), Naive(activity)
    assert segments_of(path) == naive.path()
    assert path.length == activity.makespan
    assert (path.start == np.cumsum(path.duration) - path.duration).all()
    acted, went_on = image_chain(activity, activity.makespan)
    waits = [row for row in path.rows.tolist() if naive.began_before_act(row)]
    assert activity.unit[acted].tolist() == activity.cause[waits].tolist()
    assert activity.unit[went_on].tolist() == activity.unit[waits].tolist()


@given(acyclic_networks() | contended_networks(), st.data())
@settings(deadline=None, max_examples=100)
def test_an_interval_may_be_longer_by_its_slack_and_no_tick_more(
    network: ProcessNetwork, data: st.DataObject
) -> None:
    activity = recorded(network)
    works = [category(state) == "busy" for state in activity.states]
    operations = np.flatnonzero(np.array(works, bool)[activity.state]).tolist()
    if not operations:
        return
    room, naive = slack(activity), Naive(activity)
    assert (room >= 0).all()
    assert naive.makespan() == activity.makespan
    on_path = critical_path_of(activity).rows
    assert (room[on_path][activity.cause[on_path] == NOBODY] == 0).all()
    for row in {data.draw(st.sampled_from(operations)), data.draw(st.sampled_from(operations))}:
        assert naive.makespan(row, room.item(row)) == activity.makespan
        assert naive.makespan(row, room.item(row) + 1) == activity.makespan + 1
