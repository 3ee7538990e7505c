"""Dependency graphs: they tell when everything happened, and when it will where something else is changed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from simcore.binding import longest_way
from simcore.dependencies import DependencyGraph
from simcore.kernels.max_plus import longest_times
from simcore.kernels.max_plus_reference import NEVER, longest_times_reference
from simcore.simulation import EngineName, Outcome
from tests.naive_machine import ProcessNetwork
from tests.process_networks import acyclic_networks, built, contended_networks, simulate
from traces.critical_path import critical_path_of

#: The kernel is compiled in some first example, and networks are drawn slowly on a busy machine.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def logged(network: ProcessNetwork, engine: EngineName = "lean", *, relays: bool = False) -> Outcome:
    return built(network, engine, relays=relays, log=True)[0].run()


def graph_of(network: ProcessNetwork, *, relays: bool = False) -> DependencyGraph:
    log = logged(network, relays=relays).log
    assert log is not None
    return DependencyGraph(log)


def changed(network: ProcessNetwork, draw: st.DrawFn) -> ProcessNetwork:
    """Draw other durations, latencies and depths for the same network."""
    nodes = [
        replace(node, service=tuple(draw(st.integers(0, 9)) for _ in node.service)) for node in network.nodes
    ]
    periods = {node.name: node.period for node in network.nodes}
    links = []
    for link in network.links:
        latency = draw(st.sampled_from((0, 0, 1, 2, 4)))
        alike = {periods[name] for name in (*link.writers, link.reader)}
        least = 0 if link.kind == "channel" and not latency and len(alike) == 1 else 1
        links.append(replace(link, depth=draw(st.integers(least, 5)), latency=latency))
    return replace(network, nodes=tuple(nodes), links=tuple(links))


@st.composite
def changes(draw: st.DrawFn) -> tuple[ProcessNetwork, ProcessNetwork]:
    """Draw a network without arbiters, and the same one with other numbers."""
    network = draw(acyclic_networks())
    return network, changed(network, draw)


@UNHURRIED
@given(acyclic_networks() | contended_networks(), st.booleans())
def test_the_graph_of_a_run_tells_when_each_call_was_made(network: ProcessNetwork, relays: bool) -> None:
    graph = graph_of(network, relays=relays)
    times = graph.times(graph.blueprint)
    seen = graph.known >= 0
    assert (times[seen] == graph.known[seen]).all()
    assert graph.makespan(graph.blueprint) == simulate(network).makespan
    assert graph.unexplained() == []


@UNHURRIED
@given(acyclic_networks() | contended_networks(), st.booleans(), st.sampled_from(["lean", "stock"]))
def test_a_run_that_is_logged_is_the_same_run(
    network: ProcessNetwork, relays: bool, engine: EngineName
) -> None:
    plain = built(network, engine, relays=relays)[0].run()
    noted = logged(network, engine, relays=relays)
    assert (noted.makespan, noted.accounts) == (plain.makespan, plain.accounts)
    assert plain.log is None


@UNHURRIED
@given(changes())
def test_without_arbiters_any_change_is_predicted_exactly(
    networks: tuple[ProcessNetwork, ProcessNetwork],
) -> None:
    network, other = networks
    predicted = graph_of(network).makespan(built(other)[0].blueprint())
    assert predicted == simulate(other).makespan


@UNHURRIED
@given(contended_networks(), st.data())
def test_with_arbiters_a_change_that_keeps_their_turns_is_predicted_exactly(
    network: ProcessNetwork, data: st.DataObject
) -> None:
    other = data.draw(st.composite(lambda draw: changed(network, draw))())
    graph, after = graph_of(network), graph_of(other)
    if not graph.differs(after):
        assert graph.makespan(after.blueprint) == simulate(other).makespan


@UNHURRIED
@given(acyclic_networks() | contended_networks())
def test_the_longest_way_goes_from_the_start_to_the_makespan(network: ProcessNetwork) -> None:
    graph = graph_of(network)
    way = longest_way(graph, graph.blueprint)
    ends = way.start + way.duration
    assert way.start[:1].tolist() in ([], [0])
    assert way.start[1:].tolist() == ends[:-1].tolist()
    assert way.duration.sum() == graph.makespan(graph.blueprint)
    assert sum(way.shares(graph).values()) == way.duration.sum()


@UNHURRIED
@given(acyclic_networks() | contended_networks())
def test_the_longest_way_is_the_critical_path_that_the_causes_of_waits_tell(network: ProcessNetwork) -> None:
    outcome = logged(network)
    assume(outcome.makespan > 0)  # of nothing there is no path
    assert outcome.log is not None
    assert outcome.activity is not None
    graph, path = DependencyGraph(outcome.log), critical_path_of(outcome.activity)
    way = longest_way(graph, graph.blueprint)
    assert path.length == way.duration.sum() == outcome.makespan
    if way.unique:
        worked = dict.fromkeys(graph.steps.units, 0)
        for unit, ticks in zip(way.unit.tolist(), way.duration.tolist(), strict=True):
            if unit >= 0:
                worked[graph.steps.units[unit]] += ticks
        busy = path.states.index("busy:work") if "busy:work" in path.states else -1
        told = {
            unit: int(path.duration[(path.unit == number) & (path.state == busy)].sum())
            for number, unit in enumerate(path.units)
        }
        assert {u: t for u, t in worked.items() if t} == {u: t for u, t in told.items() if t}


@st.composite
def graphs(draw: st.DrawFn) -> tuple[np.ndarray, ...]:
    """Draw nodes, some of them seen, and edges between them, some of which may form circles."""
    nodes = draw(st.integers(1, 12))
    count = draw(st.integers(0, 24))
    numbers = st.integers(0, nodes - 1)

    def column(values: st.SearchStrategy[int], size: int) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=size, max_size=size)), np.int64)

    source, target = column(numbers, count), column(numbers, count)
    if draw(st.booleans()):
        source, target = np.minimum(source, target), np.maximum(source, target)
    return (
        source,
        target,
        column(st.integers(0, 5), count),
        column(st.integers(1, 3), count),
        column(st.integers(-1, 50), nodes),
        column(st.sampled_from([0, 0, 3, NEVER]), nodes),
    )


@UNHURRIED
@given(graphs(), st.booleans())
def test_longest_times_are_those_of_the_specification(graph: tuple[np.ndarray, ...], settle: bool) -> None:
    source, target, lag, period, known, more = graph
    expected_more, found_more = more.copy(), more.copy()
    expected = longest_times_reference(source, target, lag, period, known, expected_more, settle)
    order = np.argsort(source, kind="stable")
    first = np.searchsorted(source[order], np.arange(len(known) + 1))
    target, lag, period = target[order], lag[order], period[order]
    found = longest_times(first, target, lag, period, known, found_more, settle)
    assert found.tolist() == expected.tolist()
    assert found_more.tolist() == expected_more.tolist()


@UNHURRIED
@given(contended_networks())
def test_a_run_does_not_differ_from_itself_and_shares_tell_who_takes_turns(network: ProcessNetwork) -> None:
    graph, again = graph_of(network), graph_of(network)
    assert graph.differs(again) == ""
    assert set(graph.blueprint.shared) == set(network.resources)
    assert all(len(graph.turns_of(name)) > 1 for name in graph.contested)


def test_times_of_a_chain_are_sums_and_a_circle_never_happens() -> None:
    source, target = np.array([0, 1, 3, 4]), np.array([1, 2, 4, 3])
    lag, period = np.array([5, 4, 0, 0]), np.array([1, 6, 1, 1])
    nothing = np.full(5, -1), np.zeros(5, np.int64)
    times = longest_times_reference(source, target, lag, period, *nothing, False)
    assert times.tolist() == [0, 5, 12, NEVER, NEVER]
