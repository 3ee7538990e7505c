"""Stall stacks: each tick of each unit has one cause, and the sums are exact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imcsim
from imcsim.occupancy import link_uses
from imcsim.run_record import UnitTimes
from imcsim.stall_stacks import GroupStack, LayerStack, UnitStack, category_shares, causes, exact_times
from simcore import FileError
from simcore.activity import category
from tests.imcsim.command_bench import command


def unit(path: str, family: str, cycles: Mapping[str, float]) -> UnitTimes:
    return UnitTimes(path, family, family, None, cycles)


def link(name: str, busy: int, blocked: int) -> UnitTimes:
    rest = {"wait-input:packet": 100 - busy - blocked}
    return unit(
        f"fabric.link[{name}]", "link", {"busy:transfer": busy, "blocked-output:packet": blocked, **rest}
    )


ARRAY = unit("core[a].crossbar", "crossbar", {"busy:mvm": 60, "wait-input:window_in": 40})
MEMORY = unit("core[a].memory", "buffer", {"busy:read": 10, "wait-input:pixel_in": 90})
ROUTER = unit("fabric.router[0]", "router", {"busy:forward": 99, "finished": 1})


def test_links_and_routers_are_no_part_of_the_machines_time() -> None:
    found = causes([ARRAY, link("0,1", 10, 0), ROUTER])
    assert category_shares(found) == {"busy": 0.6, "wait-input": 0.4}


def test_causes_are_told_by_core_with_the_family_that_has_most_of_each() -> None:
    waiting, busy = causes([ARRAY, MEMORY])
    assert (waiting.where, waiting.category, waiting.family) == ("core[a]", "wait-input", "buffer")
    assert (waiting.cycles, waiting.share) == (130, 0.65)
    assert (busy.category, busy.family, busy.cycles) == ("busy", "crossbar", 70)


@cache
def plain_run() -> imcsim.Run:
    return imcsim.run("digits-mlp", arch="dataflow", values="off", record=False)


def run_with(units: tuple[UnitTimes, ...], cycles: int, ticks_per_cycle: int = 1) -> imcsim.Run:
    summary = plain_run().summary | {"cycles": cycles, "ticks_per_cycle": ticks_per_cycle}
    return imcsim.Run(**vars(replace(plain_run(), units=units, summary=summary)))


def test_the_busiest_link_is_the_one_that_is_least_often_free() -> None:
    first, second = link_uses(run_with((link("0,1", 50, 0), link("1,2", 40, 20), ROUTER), 100))
    assert (first.path, first.busy_share, first.blocked_share) == ("fabric.link[1,2]", 0.4, 0.2)
    assert (second.path, second.busy_share, second.blocked_share) == ("fabric.link[0,1]", 0.5, 0)


def test_a_run_on_a_fabric_tells_which_link_is_busiest() -> None:
    words = [
        "fabric.topology.kind=mesh",
        "fabric.fidelity=link",
        "fabric.width_bits=1",
        "source.pixel_cycles=10",
    ]
    chosen = [word for setting in words for word in ("--set", setting)]
    shown = command("run", "digits-resnet", "--arch", "dataflow", "--values", "off", *chosen)
    assert "busiest link  fabric.link[router[1],router[2]]: " in shown.stdout
    assert "busiest link" not in command("run", "digits-mlp", "--arch", "dataflow", "--values", "off").stdout


@settings(deadline=None)
@given(st.integers(1, 1000), st.lists(st.integers(0, 10**6), min_size=1, max_size=6), st.integers(0, 10**12))
def test_cycles_that_a_file_holds_are_taken_back_to_whole_ticks(
    per_cycle: int, parts: list[int], more: int
) -> None:
    ticks = [*parts, 1, more]
    ticks.append(-sum(ticks) % per_cycle)  # the makespan is a whole number of cycles
    times = {f"busy:{n}": time / per_cycle for n, time in enumerate(ticks)}
    exact = exact_times(run_with((unit("a", "x", times),), sum(ticks) // per_cycle, per_cycle))
    assert (exact.ticks_per_cycle, list(exact.spent[0].values())) == (per_cycle, ticks)


def test_times_of_two_clocks_are_whole_ticks_however_long_they_are() -> None:
    third = 4_000_001 / 3  # all of them beyond what tells how fine a tick is
    times = {"busy:a": third, "busy:b": third, "wait-input:c": third}
    exact = exact_times(run_with((unit("a", "x", times),), 4_000_001, 3))
    assert set(exact.spent[0].values()) == {4_000_001}


def test_a_run_tells_its_ticks_without_a_recording() -> None:
    recorded, bare = (
        imcsim.run("digits-mlp", arch="isaac", values="off", record=record) for record in (True, False)
    )
    assert recorded.activity is not None
    assert recorded.activity.ticks_per_cycle > 1
    assert bare.summary["ticks_per_cycle"] == recorded.activity.ticks_per_cycle
    assert vars(exact_times(bare)) == vars(exact_times(recorded))


def test_writing_cells_is_told_beside_busy_time_and_layers_come_as_data_go() -> None:
    run = imcsim.run("digits-cnn", arch="reprogrammed", images=2, values="off", settings=["crossbars=2"])
    found = run.explain()
    stacks: list[UnitStack | LayerStack | GroupStack] = [*found.units, *found.layers, *found.groups]
    for stack in stacks:
        kinds: dict[str, float] = {}
        for state, cycles in stack.cycles.items():
            kinds[category(state)] = kinds.get(category(state), 0) + cycles
        total = sum(kinds.values())
        for kind, share in (("busy", stack.busy_share), ("programming", stack.programming_share)):
            assert share == pytest.approx(kinds.get(kind, 0) / total if total else 0)
    assert any(unit.programming_share > 0.9 and unit.busy_share < 0.1 for unit in found.units)
    layers = ["shared", "conv1", "conv2", "pool1", "conv3", "pool2", "fc"]
    assert [stack.layer for stack in found.layers] == layers  # though only what is shared has units


def test_layers_come_in_one_order_whether_recorded_or_not() -> None:
    orders = {
        tuple(
            stack.layer
            for stack in imcsim.run("digits-resnet", arch="dataflow", values="off", record=record)
            .explain()
            .layers
        )
        for record in (True, False)
    }
    (order,) = orders
    assert order[:3] == ("shared", "stem", "block1-conv1")
    assert order[-2:] == ("pool", "fc")


def test_accounts_that_do_not_add_up_are_refused() -> None:
    run = run_with((ARRAY,), 101)
    with pytest.raises(
        FileError, match=r"core\[a\].crossbar sum to 100 cycles, but the run had 101; run anew"
    ):
        exact_times(run)
