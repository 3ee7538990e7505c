"""Networks that share a machine: nothing is lost or mixed up, and they meet only in what they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import Dataflow, DataflowConfig, ImageStream, Isaac, IsaacConfig, Machine, MachineRun, RunOptions
from simcore import MappingError
from tests.arch.attention_networks import attention
from tests.arch.dataflow_bench import chain, quantized, residual
from tests.strategies import NetworkCase, networks
from workloads import LoweredNetwork, Network, Window, lower

SMALL = {
    "chain": chain(Window.square(3, padding=1), Window.square(3, padding=1), shape=(2, 6, 6)),
    "residual": residual(3, 3, shape=(2, 6, 6)),
}
#: A link from each core to one bus and back, a bit wide: packets of all layers wait for one another.
BUS = {"fidelity": "link", "width_bits": 1, "topology": {"kind": "bus"}}
#: Arrays and a host that are faster than that bus.
FAST = {"core": {"crossbar": {"mvm_cycles": 8}}, "source": {"pixel_cycles": 8}}
FLIT = {"fidelity": "flit", "width_bits": 4, "topology": {"kind": "mesh"}}
MACHINES: dict[str, Machine] = {
    "dataflow": Dataflow(DataflowConfig()),
    "bus": Dataflow(DataflowConfig.parse({"fabric": BUS, **FAST})),
    "flit": Dataflow(DataflowConfig.parse({"fabric": FLIT, "detail": "group"})),
    "isaac": Isaac(IsaacConfig()),
    "isaac-mesh": Isaac(IsaacConfig.parse({"mesh": {"fidelity": "link", "link_bits": 1}})),
}


def lowered(given: Mapping[str, Network]) -> dict[str, LoweredNetwork]:
    return {name: lower(network) for name, network in given.items()}


def together(
    machine: Machine, given: Mapping[str, Network], images: Mapping[str, int], **options: Any
) -> dict[str, MachineRun]:
    """Run networks with so many images each, and without values."""
    streams = {name: ImageStream(images[name]) for name in given}
    return machine.simulate_together(machine.map_together(lowered(given)), streams, RunOptions(**options))


def seen(runs: Mapping[str, MachineRun]) -> list[Any]:
    """Return all that a run was, but for names."""
    outcome = next(iter(runs.values())).outcome
    accounts = [(a.path, a.ticks) for a in outcome.accounts]
    return [accounts, outcome.energy.actions, {n: (r.accepted, r.completed, r.macs) for n, r in runs.items()}]


@pytest.mark.parametrize("name", MACHINES)
def test_each_network_does_its_own_work_whatever_the_engine_and_the_order(name: str) -> None:
    machine, images = MACHINES[name], {"chain": 3, "residual": 2}
    runs = together(machine, SMALL, images)
    for network, run in runs.items():
        assert run.macs == lower(SMALL[network]).macs * images[network]
        assert len(run.accepted) == len(run.completed) == images[network]
        assert run.completed == sorted(run.completed)
    assert seen(together(machine, SMALL, images, engine="stock", shuffle=5)) == seen(runs)
    assert seen(together(machine, SMALL, images, shuffle=7, record=True)) == seen(runs)
    backwards = dict(reversed(SMALL.items()))
    assert seen(together(machine, backwards, images)) == seen(runs)


@pytest.mark.parametrize("name", MACHINES)
def test_with_all_others_at_rest_a_network_is_as_fast_as_if_it_had_the_machine_to_itself(name: str) -> None:
    machine = MACHINES[name]
    first = sorted(SMALL)[0]  # which lies on the same cores, or tiles, with or without the other
    alone = machine.simulate(machine.map(lower(SMALL[first])), 3, None, RunOptions())
    beside = together(machine, SMALL, {first: 3, "residual": 0})[first]
    assert (beside.accepted, beside.completed) == (alone.accepted, alone.completed)


def test_networks_that_share_nothing_but_an_ideal_machine_are_exactly_as_fast_as_alone() -> None:
    # All pixels of an image come at once, so that a turn on the host's link is over before the next image.
    machine = Dataflow(DataflowConfig.parse({"input_pixels_per_cycle": 36, "buffers": {"rule": "full"}}))
    runs = together(machine, SMALL, {"chain": 4, "residual": 4})
    for name in SMALL:
        at_rest = {**dict.fromkeys(SMALL, 0), name: 4}
        assert together(machine, SMALL, at_rest)[name].completed == runs[name].completed


@pytest.mark.parametrize("cycles", [130, 200])
def test_a_host_that_is_the_bottleneck_halves_the_rate_of_each_of_two_networks(cycles: int) -> None:
    machine = Dataflow(DataflowConfig.parse({"source": {"pixel_cycles": cycles}}))
    runs = together(machine, SMALL, {"chain": 6, "residual": 6})
    for run in runs.values():
        gaps = np.diff(run.completed)[1:-1]  # the last image has the link to itself once the other is done
        assert gaps.tolist() == [2 * 36 * cycles] * len(gaps)
    accounts = {a.path: a.ticks for a in runs["chain"].outcome.accounts}
    for name in SMALL:
        assert accounts[f"{name}.source"]["busy:feed"] == 6 * 36 * cycles
    waits = sum(accounts[f"{name}.source"]["wait-resource:host"] for name in SMALL)
    # Each pixel waits for one of the other; but for the first of all, and the last, behind which nobody is.
    assert waits == (2 * 6 * 36 - 1) * cycles


def test_a_narrow_fabric_holds_both_up_and_its_links_carry_what_both_send() -> None:
    machine = MACHINES["bus"]
    runs = together(machine, SMALL, {"chain": 4, "residual": 4})
    alone = {name: together(machine, SMALL, {**dict.fromkeys(SMALL, 0), name: 4})[name] for name in SMALL}

    def flits(run: MachineRun) -> int:
        actions = run.outcome.energy.actions
        return sum(counts.get("flit", 0) for path, counts in actions.items() if "fabric.link" in path)

    assert flits(runs["chain"]) == sum(flits(run) for run in alone.values()) > 0
    assert all(runs[name].completed[-1] > alone[name].completed[-1] for name in SMALL)


@settings(deadline=None, max_examples=25)
@given(networks(max_steps=3), networks(max_steps=3), st.sampled_from(("dataflow", "bus", "isaac")))
def test_any_two_networks_compute_what_each_does_alone(
    first: NetworkCase, second: NetworkCase, name: str
) -> None:
    machine = MACHINES[name]
    cases = {"first": quantized(first, *machine.bits), "second": quantized(second, *machine.bits)}
    low = lowered({"first": first.network, "second": second.network})
    if not all(network.nodes for network in low.values()):
        return
    streams = {n: ImageStream(len(case.values.codes), case.values) for n, case in cases.items()}
    runs = machine.simulate_together(machine.map_together(low), streams, RunOptions())
    for n, case in cases.items():
        np.testing.assert_array_equal(runs[n].outputs, case.expected)
        assert runs[n].macs == low[n].macs * len(case.values.codes)


def test_cores_that_are_too_few_for_both_are_told_with_what_each_takes() -> None:
    cores = {"balance": {"cores": 4, "strategy": "budget"}}
    machine = Dataflow(DataflowConfig.parse(cores))
    taken = {n: machine.map(network).resources["core"] for n, network in lowered(SMALL).items()}
    assert all(count <= 4 for count in taken.values())
    with pytest.raises(MappingError, match=r"takes 2 for chain and 3 for residual, 5 together; set") as told:
        machine.map_together(lowered(SMALL))
    assert "balance.cores=4" in str(told.value)


def test_a_topology_that_is_too_small_for_both_is_told_with_what_each_takes() -> None:
    mesh = {"fabric": {"topology": {"kind": "mesh", "rows": 2, "columns": 2}}}
    machine = Dataflow(DataflowConfig.parse(mesh))
    with pytest.raises(MappingError, match=r"2 for chain and 3 for residual: "):
        machine.map_together(lowered(SMALL))


def test_chips_that_are_too_few_for_both_are_told_with_what_each_takes() -> None:
    machine = Isaac(IsaacConfig.parse({"chips": 1, "tiles": 4}))
    with pytest.raises(
        MappingError, match=r"has 4 tiles, but .* takes 2 for chain and 3 for residual, 5 together"
    ):
        machine.map_together(lowered(SMALL))


def test_all_networks_get_their_copies_from_one_budget() -> None:
    machine = Dataflow(DataflowConfig.parse({"balance": {"cores": 60, "strategy": "budget"}}))
    placed = machine.map_together(lowered(SMALL))
    assert placed.resources["core"] == sum(m.resources["core"] for m in placed.networks.values()) <= 60
    steps = {m.interval.steps for m in placed.networks.values() if m.interval is not None}
    assert len(steps) == 1  # no layer of either waits for the other's


def test_layers_and_buffers_of_either_network_may_be_named() -> None:
    named = {
        "layers": {"conv1": {"replication": 2}, "stem": {"replication": 3}},
        "buffers": {"depths": {"stem:conv0": 40}},
    }
    placed = Dataflow(DataflowConfig.parse(named)).map_together(lowered(SMALL))
    copies = {n: {row.stage: row.copies for row in m.rows} for n, m in placed.networks.items()}
    assert copies["chain"] == {"conv0": 1, "conv1": 2}
    assert copies["residual"] == {"stem": 3, "conv0": 1, "conv1": 2}
    wrong = Dataflow(DataflowConfig.parse({"layers": {"conv9": {"replication": 2}}}))
    with pytest.raises(MappingError, match=r"^layers.conv9: neither chain nor residual has a layer"):
        wrong.map_together(lowered(SMALL))
    wrong = Dataflow(DataflowConfig.parse({"buffers": {"depths": {"stem:conv9": 40}}}))
    with pytest.raises(MappingError, match=r"^buffers.depths.stem:conv9: no stage reads"):
        wrong.map_together(lowered(SMALL))


@pytest.mark.parametrize("kind", [Dataflow, Isaac])
def test_drawn_pulses_are_those_of_the_network_alone(kind: type[Machine]) -> None:
    """By the stage's name in its network, whatever that is called, and whoever else is there."""
    writing = {"spread": "geometric", "pulses": 3, "parallel": "crossbar"}
    machine = kind(kind.Config.parse({"attention": {"products": "arrays", "writing": writing}}))
    alone = machine.simulate(machine.map(lower(attention(4))), 2, None, RunOptions(seed=3)).programming
    runs = together(machine, {"a": attention(4), "b": SMALL["chain"]}, {"a": 2, "b": 2}, seed=3)
    written = runs["a"].programming
    assert alone is not None
    assert written is not None
    assert written.pulses == alone.pulses
    assert alone.pulses != 3 * alone.cells
