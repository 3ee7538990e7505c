"""The live bottleneck: the unit that worked most since somebody asked, and what asking may cost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore import PartConfig, Progress, Simulation
from simcore.accounting import Account
from simcore.live import LiveBottleneck
from simcore.simulation import EngineName
from tests.benches import CORE, ENGINES, Chain
from tests.naive_machine import ProcessNetwork
from tests.process_networks import acyclic_networks, built, contended_networks

both_engines = pytest.mark.parametrize("engine", ENGINES)


def looks_at(
    stage_cycles: list[list[int]], items: int, engine: EngineName, *, record: bool = False
) -> list[tuple[int, LiveBottleneck | None]]:
    """Run a chain of stages, and return the cycle of each look and what it told."""
    seen: list[tuple[int, LiveBottleneck | None]] = []

    def look(progress: Progress) -> None:
        seen.append((progress.cycle, progress.bottleneck))

    simulation = Simulation([CORE], engine=engine, record=record, observe=look)
    chain = simulation.build(Chain, PartConfig())
    chain.lay_out(stage_cycles, items, [1] * (len(stage_cycles) + 1), 0)
    simulation.run()
    return seen


@both_engines
@pytest.mark.parametrize("record", [False, True])
def test_the_slowest_stage_of_a_chain_is_told_with_the_share_of_the_stretch(
    engine: EngineName, record: bool
) -> None:
    (_, *steady), items = looks_at([[3], [5], [2]], 20_000, engine, record=record), 20_000
    assert len(steady) > 2
    for cycle, found in steady[:-1]:  # behind the fill, the second stage never rests
        assert found == LiveBottleneck("stage[1]", "work", 1.0), cycle
    cycle, found = steady[-1]
    assert cycle == 3 + 5 + 2 + (items - 1) * 5
    assert found is not None
    assert (found.unit, found.what) == ("stage[1]", "work")


@both_engines
def test_it_follows_the_bottleneck_when_that_moves(engine: EngineName) -> None:
    items = 20_000
    first = [9] * (items // 2) + [1] * (items // 2)
    units = [found.unit for _, found in looks_at([first, [5]], items, engine) if found is not None]
    assert units[:2] == ["stage[0]", "stage[0]"]
    assert units[-2:] == ["stage[1]", "stage[1]"]


@given(acyclic_networks() | contended_networks(), st.sampled_from(ENGINES), st.booleans())
@settings(deadline=None)
def test_over_a_whole_run_it_is_the_unit_that_accounts_say_worked_most(
    network: ProcessNetwork, engine: EngineName, record: bool
) -> None:
    last: list[Any] = []
    simulation, _ = built(
        network, engine, record=record, observe=lambda progress: last.append(progress.bottleneck)
    )
    outcome = simulation.run()

    def worked(account: Account) -> int:
        return sum(ticks for state, ticks in account.ticks.items() if state.startswith("busy"))

    most = max(map(worked, outcome.accounts))
    if not most:
        assert last == [None]
        return
    (found,) = last
    assert found.share == most / outcome.makespan
    assert worked(next(a for a in outcome.accounts if a.path == found.unit)) == most


def test_it_costs_nothing_unless_asked() -> None:
    asked: list[int] = []
    told = Progress(1, 0, 1, "images", 1, 1.0, lambda: asked.append(1))
    assert not asked
    assert (told.bottleneck, told.bottleneck) == (None, None)
    assert asked == [1]
