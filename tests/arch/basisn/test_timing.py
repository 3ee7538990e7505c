"""Cycles of BasisN: its formula, what is above it and why, and what a run must not depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import MachineRun
from arch.machines.basisn.chip import BasisNChip
from arch.machines.basisn.closed_forms import basisn_cycles, packed_slots
from arch.machines.basisn.schedule import lanes_of_passes
from simcore import BrokenLawError
from tests.arch.basisn.basisn_bench import Bench, basisn_settings, bench, ports, rates
from tests.arch.isaac.isaac_bench import mlp
from tests.arch.test_dataflow import same
from tests.strategies import NetworkCase, networks
from workloads import lower
from workloads import networks as shipped

SHUFFLES = st.integers(0, 2**16)


def formula(subject: Bench) -> int:
    """Return the cycles of one image if kernels were packed, and nothing contended."""
    config, placed = subject.machine.config, subject.placed
    nonzeros = config.nonzeros
    layers = [
        (layer.counts, packed_slots(layer.counts.kernels, nonzeros, placed.vectors, config.capacity))
        for layer in placed.layers.values()
    ]
    reads = config.array.reads(config.streaming)
    return basisn_cycles(layers, config.lanes, config.coefficient_bits, reads, config.array.mvm_cycles)


def with_layers(case: NetworkCase, machine: dict[str, Any]) -> Bench | None:
    lowered = lower(case.network)
    return bench(lowered, machine) if lowered.nodes else None


def packed(machine: dict[str, Any]) -> dict[str, Any]:
    return {**machine, "coefficients": {**machine["coefficients"], "drawn": "packed"}}


# -- the formula ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crossbars", [1, 3, 64])
@pytest.mark.parametrize("name", ["digits-cnn", "digits-resnet"])
def test_a_network_takes_the_cycles_of_the_formula(name: str, crossbars: int) -> None:
    subject = bench(shipped[name](), {"crossbars": crossbars, "coefficients": {"drawn": "packed"}})
    assert subject.run().outcome.cycles == formula(subject)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "cycles"), [("resnet34", 949_984), ("densenet121-cifar100", 237_536)])
def test_large_networks_take_the_cycles_of_the_worked_examples(name: str, cycles: int) -> None:
    assert bench(shipped[name](), {"coefficients": {"drawn": "packed"}}).run().outcome.cycles == cycles


@settings(deadline=None, max_examples=40)
@given(networks(), basisn_settings(), st.integers(1, 3))
def test_packed_kernels_take_the_cycles_of_the_formula(
    case: NetworkCase, machine: dict[str, Any], images: int
) -> None:
    if (subject := with_layers(case, packed(machine))) is None:
        return
    run, each = subject.run(images), formula(subject)
    assert run.completed == [(image + 1) * each for image in range(images)]
    assert run.accepted == [image * each for image in range(images)]


@settings(deadline=None, max_examples=40)
@given(networks(), basisn_settings(), rates(), ports(), SHUFFLES)
def test_no_run_is_faster_than_the_formula(
    case: NetworkCase, machine: dict[str, Any], speeds: dict[str, Any], shared: dict[str, Any], seed: int
) -> None:
    digital = {"digital": {**speeds["digital"], **shared["digital"]}}
    if (subject := with_layers(case, {**machine, **shared, **digital})) is None:
        return
    assert subject.run(seed=seed).outcome.cycles >= formula(subject)


@settings(deadline=None, max_examples=40)
@given(networks(), basisn_settings(), SHUFFLES)
def test_any_kernels_take_what_the_list_schedule_of_each_layer_takes(
    case: NetworkCase, machine: dict[str, Any], seed: int
) -> None:
    if (subject := with_layers(case, machine)) is None:
        return
    total, lanes = 0, subject.machine.config.lanes
    busy = np.zeros(lanes, np.int64)
    for passes in subject.passes(seed).values():
        cycles = passes.cycles.tolist()
        taken = np.zeros(lanes, np.int64)
        for number, lane in enumerate(lanes_of_passes(cycles, passes.layer.counts.pixels, lanes)):
            taken[lane] += cycles[number % len(cycles)]
        total, busy = total + int(taken.max()), busy + taken
    run = subject.run(seed=seed)
    assert run.outcome.cycles == total
    accounts = {account.path: account.ticks for account in run.outcome.accounts}
    for lane in range(lanes):
        assert accounts[f"lane[{lane}].crossbar"].get("busy:combine", 0) == busy[lane]
        assert sum(accounts[f"lane[{lane}].crossbar"].values()) == total


def test_more_crossbars_than_passes_rest() -> None:
    """Two slices of 256 inputs are two passes: a third crossbar has none."""
    subject = bench(mlp(256, 32), {"crossbars": 3})
    run = subject.run()
    assert run.outcome.cycles == max(subject.passes()["fc0"].cycles)
    accounts = {account.path: account.ticks for account in run.outcome.accounts}
    assert accounts["lane[2].crossbar"] == {"finished": run.outcome.cycles}


def test_a_basis_on_all_crossbars_takes_all_of_them_for_each_pass() -> None:
    """4 crossbars of 128 columns: 16 kernels, as many as converters, of 8 of 512 vectors share a slot."""
    machine = {"crossbars": 4, "basis": "distinct", "coefficients": {"drawn": "packed"}}
    subject = bench(mlp(256, 64), machine)
    assert subject.placed.vectors == 512
    assert subject.run().outcome.cycles == 2 * 4 * 4 * 8


def test_a_pass_that_is_lost_breaks_the_laws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pass stands for elements x kernels of its slice: 128 x 32, and 72 x 32 for the last."""
    subject, whole = bench(mlp(200, 32), {"crossbars": 2}), BasisNChip.done
    for slice_, expected in ((0, 72 * 32), (1, 128 * 32)):

        def done(chip: BasisNChip, name: str, lost: int = slice_) -> np.ndarray[Any, Any]:
            counted = whole(chip, name).copy()
            counted[lost] -= 1
            return counted

        monkeypatch.setattr(BasisNChip, "done", done)
        with pytest.raises(BrokenLawError, match=f"MACs done .* expected 6400, got {expected}"):
            subject.run()


# -- slots ---------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(networks(), basisn_settings(), rates(), st.integers(1, 3))
def test_slots_as_events_take_the_same_cycles_where_nothing_is_shared(
    case: NetworkCase, machine: dict[str, Any], speeds: dict[str, Any], images: int
) -> None:
    machine = {**machine, **speeds}
    if (subject := with_layers(case, machine)) is None:
        return
    slots, passes = bench(case.network, {**machine, "detail": "slot"}).run(images), subject.run(images)
    assert slots.completed == passes.completed
    assert slots.outcome.energy.by_component == passes.outcome.energy.by_component
    assert busy(slots, "combine") == busy(passes, "combine")
    assert busy(slots, "convert") == busy(slots, "combine")


@settings(deadline=None, max_examples=40)
@given(networks(), basisn_settings(), ports())
def test_slots_as_events_take_the_same_cycles_on_one_crossbar(
    case: NetworkCase, machine: dict[str, Any], shared: dict[str, Any]
) -> None:
    machine = {**machine, **shared, "crossbars": 1}
    machine["coefficients"] = {**machine["coefficients"], "nonzeros": 1}
    if (subject := with_layers(case, machine)) is None:
        return
    slots = bench(case.network, {**machine, "detail": "slot"}).run(2)
    assert slots.completed == subject.run(2).completed


def busy(run: MachineRun, operation: str) -> list[int]:
    """Return the busy ticks of all units that have an operation, in order of their paths."""
    of_units = [account.ticks.get(f"busy:{operation}", 0) for account in run.outcome.accounts]
    return [ticks for ticks in of_units if ticks]


def fetching(port: str, bits: int, crossbars: int) -> tuple[Bench, MachineRun]:
    """Run 8 passes of 2 slots for each of 4 planes, each of 16 kernels with 8 x (7 + 1) bits: 1024 a slot."""
    coefficients = {"drawn": "packed", "port_bits": bits, "port": port}
    machine = {"crossbars": crossbars, "detail": "slot", "coefficients": coefficients}
    subject = bench(mlp(1024, 32), machine)
    return subject, subject.run()


@pytest.mark.parametrize("crossbars", [1, 2, 8])
def test_coefficients_that_come_in_time_cost_the_first_fetch_alone(crossbars: int) -> None:
    """128 bits a cycle bring a slot's in the 8 cycles of the slot before."""
    subject, run = fetching("own", 128, crossbars)
    assert run.outcome.cycles == formula(subject) + 8


def test_layers_and_images_behind_the_first_wait_for_no_coefficients() -> None:
    coefficients = {"drawn": "packed", "port_bits": 128}
    subject = bench(mlp(1024, 32, 32), {"crossbars": 1, "detail": "slot", "coefficients": coefficients})
    assert subject.run(3).outcome.cycles == 3 * formula(subject) + 8


def test_coefficients_that_come_late_make_crossbars_wait_for_them() -> None:
    _, run = fetching("own", 64, 1)
    assert run.outcome.cycles == 8 * 8 * 16 + 8  # slots, of 16 cycles of fetching each, and the last read
    accounts = {account.path: account.ticks for account in run.outcome.accounts}
    assert accounts["lane[0].crossbar"]["wait-input:slot_in"] == 8 * 8 * (16 - 8) + 8


def test_a_narrow_port_that_crossbars_share_is_named_as_the_cause() -> None:
    _, run = fetching("shared", 128, 8)
    assert run.outcome.cycles == 8 * 8 * 8 + 8  # all slots of all passes come one behind the other
    accounts = {account.path: account.ticks for account in run.outcome.accounts}
    waits = [accounts[f"lane[{lane}].coefficients"]["wait-resource:coefficients"] for lane in range(8)]
    assert sum(waits) > 0
    assert run.outcome.cycles > fetching("own", 128, 8)[1].outcome.cycles


# -- what lanes share ----------------------------------------------------------------------------------------


def test_inputs_through_a_narrow_port_come_one_behind_the_other() -> None:
    """128 inputs of 8 bits through 16 bits a cycle: 64 cycles, as long as a pass of 2 slots."""
    machine = {"crossbars": 4, "coefficients": {"drawn": "packed"}, "buffer": {"port_bits": 16}}
    run = bench(mlp(1024, 32), machine).run()
    assert run.outcome.cycles == 8 * 64 + 64
    accounts = {account.path: account.ticks for account in run.outcome.accounts}
    assert accounts["lane[3].fetch"]["wait-resource:inputs"] > 0


def test_sums_through_a_narrow_port_push_back_until_crossbars_stand_still() -> None:
    """32 sums take 32 cycles: one crossbar hides them behind its passes of 64, four do not."""
    machine = {"coefficients": {"drawn": "packed"}, "digital": {"port_sums": 1}}
    alone = bench(mlp(1024, 32), {**machine, "crossbars": 1}).run()
    assert alone.outcome.cycles == 8 * 64 + 32
    run = bench(mlp(8192, 32), {**machine, "crossbars": 4}).run()
    assert run.outcome.cycles == 64 + 64 * 32
    accounts = {account.path: account.ticks for account in run.outcome.accounts}
    for lane in range(4):
        assert accounts[f"lane[{lane}].sender"]["wait-resource:sums"] > 0
        assert accounts[f"lane[{lane}].crossbar"]["blocked-output:sums_out"] > 0


# -- what changes nothing ------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(networks(), basisn_settings(), rates(), ports(), SHUFFLES, st.sampled_from(("pass", "slot")))
def test_engine_order_and_recording_change_nothing(
    case: NetworkCase,
    machine: dict[str, Any],
    speeds: dict[str, Any],
    shared: dict[str, Any],
    seed: int,
    detail: str,
) -> None:
    digital = {"digital": {**speeds["digital"], **shared["digital"]}}
    if (subject := with_layers(case, {**machine, **shared, **digital, "detail": detail})) is None:
        return
    reference = subject.run(2)
    for options in ({"engine": "stock"}, {"shuffle": seed}, {"record": True}):
        same(subject.run(2, **options), reference)


def test_supports_are_drawn_from_the_seed() -> None:
    subject = bench(mlp(512, 64), {"crossbars": 1})
    cycles = [subject.run(seed=seed).outcome.cycles for seed in (1, 1, 2, 3)]
    assert cycles[0] == cycles[1]
    assert len(set(cycles)) > 1
