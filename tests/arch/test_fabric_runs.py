"""The dataflow machine with its pixels on a fabric: right values, honest times, whatever the topology."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import MachineRun
from arch.fabric.configuration import FabricConfig
from arch.fabric.interconnect import Interconnect
from arch.machines.dataflow import DataflowMap
from arch.mapping.layer_graph import homes_of_stages
from imcsim.deadlock_fix import with_fix
from imcsim.metrics import fingerprint
from simcore import ConfigError, Deadlock, MappingError
from tests.arch.dataflow_bench import Bench, bench, machine_settings, quantized, residual
from tests.arch.test_dataflow import run_with_values
from tests.arch.test_fast_forward import insist_on_equal, skipped
from tests.benches import ENGINES
from tests.strategies import NetworkCase, networks
from workloads import Conv2d, Input, Layer, LoweredNetwork, Network, Window, datasets, lower
from workloads import networks as shipped

TOPOLOGIES = ("all-to-all", "5pp", "mesh", "torus", "ring", "chain", "hypercube", "h-tree", "c-mesh", "bus")

#: Quick parts, so that pixels come close behind one another.
BUSY: dict[str, Any] = {"core": {"crossbar": {"mvm_cycles": 3}}, "source": {"pixel_cycles": 1}}


#: Fidelities at which pixels can hold each other up.
TIMED = ("link", "flit")


@st.composite
def fabrics_drawn(draw: st.DrawFn, fidelity: str = "link") -> dict[str, Any]:
    """Draw a topology, routers and links, from wide to such that most pixels wait; they suit one fidelity."""
    kinds = [kind for kind in TOPOLOGIES if fidelity == "link" or kind != "bus"]
    flit = {
        "vcs": draw(st.integers(2, 4)),
        "vc_buffer_flits": draw(st.integers(1, 9)),
        "routing_delay": draw(st.integers(0, 1)),
        "vc_alloc_delay": 1,
        "switch_alloc_delay": draw(st.integers(1, 2)),
        "switch_traversal_delay": draw(st.integers(0, 1)),
        "credit_delay": draw(st.integers(0, 2)),
    }
    stages = sum(delay for name, delay in flit.items() if name.endswith("_delay")) - flit["credit_delay"]
    return {
        "topology": {"kind": draw(st.sampled_from(kinds))},
        "latency_cycles": draw(st.integers(1, 5)),
        "router_cycles": draw(st.integers(0, 3)) if fidelity == "link" else stages,
        "flit": flit,
        "width_bits": draw(st.none() | st.integers(1, 40)),
        "queue_packets": draw(st.integers(1, 4)),
        "fidelity": fidelity,
    }


timed = st.sampled_from(TIMED).flatmap(fabrics_drawn)


def with_fabric(machine: dict[str, Any], **fabric: Any) -> dict[str, Any]:
    return {**machine, "fabric": {**machine.get("fabric", {}), **fabric}}


def both(network: LoweredNetwork, machine: dict[str, Any], fabric: dict[str, Any]) -> tuple[Bench, Bench]:
    """Place a network on the same machine, with an ideal fabric and a timed one."""
    ideal, timed = (
        bench(network, with_fabric(machine, **f)) for f in (fabric | {"fidelity": "ideal"}, fabric)
    )
    return ideal, timed


def one_stream_a_link(placed: DataflowMap) -> bool:
    streams: dict[int, set[str]] = {}
    for (sender, _), way in placed.interconnect.ways.items():
        for hop in way:
            streams.setdefault(hop.link, set()).add(sender)
    return all(len(senders) == 1 for senders in streams.values())


def wound(escape: bool, vcs: int) -> Bench:
    """Place a chain of eight layers on a ring so that each sends to the third core on, all around."""
    layers: list[Layer] = [Input(name="image", shape=(8, 6, 6))]
    layers += [Conv2d(name=f"conv{n}", out_channels=8, window=Window.square(1)) for n in range(8)]
    fabric = {"fidelity": "flit", "topology": {"kind": "ring"}, "width_bits": 1, "escape": escape}
    fabric["flit"] = {"vcs": vcs, "vc_buffer_flits": 1}
    subject = bench(Network("wound", layers), with_fabric(BUSY, **fabric))
    ring = subject.machine.config.fabric.topology
    ways = {(f"conv{n}", f"conv{n + 1}"): ring.route(8, 3 * n % 8, 3 * (n + 1) % 8) for n in range(7)}
    interconnect = Interconnect.along(ring, ways, escape=escape)
    subject.machine.config.fabric.check(interconnect)
    return replace(subject, placed=replace(subject.placed, interconnect=interconnect))


def of_cores(run: MachineRun) -> list[Any]:
    return [a for a in run.outcome.accounts if not a.path.startswith("fabric.")]


@given(networks(), machine_settings(), timed, st.integers(1, 3))
@settings(deadline=None, max_examples=60)
def test_no_fabric_is_faster_than_an_ideal_one(
    case: NetworkCase, machine: dict[str, Any], fabric: dict[str, Any], images: int
) -> None:
    network = lower(case.network)
    if network.nodes:
        ideal, link = (subject.run(images) for subject in both(network, machine, fabric))
        assert all(late >= early for late, early in zip(link.completed, ideal.completed, strict=True))


@given(networks(), machine_settings(), fabrics_drawn(), st.integers(1, 2))
@settings(deadline=None, max_examples=60)
def test_where_nothing_contends_all_cores_do_what_they_do_on_an_ideal_fabric(
    case: NetworkCase, machine: dict[str, Any], fabric: dict[str, Any], images: int
) -> None:
    """One stream a link, a flit a pixel, and digital units that send a pixel a cycle at most."""
    network = lower(case.network)
    machine["core"]["digital"]["pass_cycles"] = max(1, machine["core"]["digital"]["pass_cycles"])
    fabric |= {"width_bits": None, "queue_packets": 50}
    if network.nodes:
        subjects = both(network, machine, fabric)
        if one_stream_a_link(subjects[0].placed):
            ideal, link = (subject.run(images) for subject in subjects)
            assert (link.completed, of_cores(link)) == (ideal.completed, of_cores(ideal))


def one_way_a_link(placed: DataflowMap) -> bool:
    hops = [hop.link for way in placed.interconnect.ways.values() for hop in way]
    return len(set(hops)) == len(hops)


@given(networks(), machine_settings(), fabrics_drawn("flit"), st.integers(1, 2))
@settings(deadline=None, max_examples=60)
def test_where_no_flits_meet_all_cores_do_what_they_do_on_an_ideal_fabric(
    case: NetworkCase, machine: dict[str, Any], fabric: dict[str, Any], images: int
) -> None:
    """One way a link, a flit a pixel, and digital units too slow for packets to wait in routers."""
    network = lower(case.network)
    machine["core"]["digital"]["pass_cycles"] = 5
    fabric |= {"width_bits": None, "queue_packets": 50}
    fabric["flit"]["vc_buffer_flits"] = 64
    if network.nodes:
        subjects = both(network, machine, fabric)
        if one_way_a_link(subjects[0].placed):
            ideal, flit = (subject.run(images) for subject in subjects)
            assert (flit.completed, of_cores(flit)) == (ideal.completed, of_cores(ideal))


@pytest.mark.parametrize(
    ("kind", "fidelity"),
    [pair for pair in product(TOPOLOGIES, TIMED) if pair != ("bus", "flit")],  # flits cross no joint
)
def test_a_light_load_takes_the_same_time_on_any_fidelity(kind: str, fidelity: str) -> None:
    fabric = {"topology": {"kind": kind}, "width_bits": 16, "queue_packets": 9, "router_cycles": 4}
    ideal, timed = both(lower(shipped["digits-resnet"]()), {}, fabric | {"fidelity": fidelity})
    assert timed.run(2).completed == ideal.run(2).completed


@pytest.mark.parametrize("fidelity", TIMED)
def test_what_is_still_in_a_pool_takes_no_place_in_front_of_the_fabric(fidelity: str) -> None:
    machine = {**BUSY, "core": {"crossbar": {"mvm_cycles": 5}, "digital": {"pool_latency_cycles": 1000}}}
    ideal, timed = both(lower(shipped["digits-cnn"]()), machine, {"fidelity": fidelity})
    assert timed.run(2).completed == ideal.run(2).completed


@settings(deadline=None, max_examples=60)
@given(networks(max_images=3), machine_settings(), timed)
def test_outputs_equal_the_golden_reference_over_any_fabric(
    case: NetworkCase, machine: dict[str, Any], fabric: dict[str, Any]
) -> None:
    expected = quantized(case)
    if expected.network.lowered.nodes:
        run_with_values(expected, with_fabric(machine, **fabric))


@pytest.mark.parametrize("fidelity", TIMED)
@pytest.mark.parametrize(
    "topology", [{"kind": k} for k in ("mesh", "torus", "ring")] + [{"kind": "5pp", "k": 2}]
)
def test_digits_are_those_of_the_golden_reference(topology: dict[str, Any], fidelity: str) -> None:
    case = quantized(NetworkCase(shipped["digits-resnet"](), datasets["digits"]().first(3).inputs))
    fabric = {"fidelity": fidelity, "topology": topology, "width_bits": 2, "queue_packets": 1}
    run = run_with_values(case, with_fabric(BUSY, **fabric))
    blocked = [a for a in run.outcome.accounts if a.ticks.get("blocked-output:packet")]
    assert blocked or topology["kind"] == "5pp"


@given(networks(), machine_settings(), timed, st.integers(0, 9))
@settings(deadline=None, max_examples=30)
def test_engines_and_orders_of_processes_give_one_fingerprint(
    case: NetworkCase, machine: dict[str, Any], fabric: dict[str, Any], shuffle: int
) -> None:
    network = lower(case.network)
    if network.nodes:
        subject = bench(network, with_fabric(machine, **fabric))
        runs = [subject.run(2, record=True)]
        runs += [subject.run(2, engine=engine, shuffle=shuffle) for engine in ENGINES]
        assert len({fingerprint(subject.machine, network, "off", 0, run) for run in runs}) == 1


@given(networks(), machine_settings(), timed, st.integers(8, 16), st.sampled_from(ENGINES))
@settings(deadline=None, max_examples=40)
def test_a_run_that_skips_reports_what_the_full_run_does(
    case: NetworkCase, machine: dict[str, Any], fabric: dict[str, Any], images: int, engine: Any
) -> None:
    network = lower(case.network)
    if network.nodes:
        insist_on_equal(bench(network, with_fabric(machine, **fabric)), images, engine=engine)


def test_periods_are_found_on_a_busy_fabric() -> None:
    fabric = {"fidelity": "link", "topology": {"kind": "torus"}, "width_bits": 4, "queue_packets": 2}
    subject = bench(lower(shipped["digits-resnet"]()), with_fabric(BUSY, **fabric))
    assert skipped(insist_on_equal(subject, 12)) > 0


def test_a_flit_network_says_why_nothing_is_left_out() -> None:
    fabric = {"fidelity": "flit", "topology": {"kind": "mesh"}}
    run = bench(lower(shipped["digits-resnet"]()), {"fabric": fabric}).run(12, fast_forward=True)
    assert run.outcome.fast_forward is not None
    assert run.outcome.fast_forward.items == 0
    assert "fabric.fidelity=link is, and skips" in run.outcome.fast_forward.told


@pytest.mark.parametrize("engine", ENGINES)
def test_a_ring_without_its_escape_deadlocks_under_a_network(engine: Any) -> None:
    subject = wound(escape=False, vcs=1)
    with pytest.raises(Deadlock, match=r"deadlock at cycle \d+: no flit can move") as caught:
        subject.run(2, engine=engine)
    assert "next step: fabric.escape=true" in str(caught.value)
    # Deeper buffers are no way out, so none are tried.
    assert with_fix(caught.value, subject.machine, subject.placed, 2) is caught.value
    wound(escape=True, vcs=2).run(2, engine=engine)


def test_what_a_core_sends_to_itself_takes_no_link() -> None:
    """As its pools are done by the convolutions that feed them."""
    subject = bench(lower(shipped["digits-resnet"]()), {"fabric": {"topology": {"kind": "mesh"}}})
    homes = homes_of_stages(subject.placed.stages)
    assert homes["pool"] == "block2-conv2"
    assert {("pool", "fc"), ("block2-project", "block2-conv2")} < subject.placed.interconnect.keys
    assert ("block2-conv2", "pool") not in subject.placed.interconnect.keys


def test_relays_are_routers_on_the_way() -> None:
    """Two branches of three cores and a skip past both, on channels to the next two cores only."""
    chosen = {"fabric": {"topology": {"kind": "5pp", "k": 2}, "fidelity": "link", "width_bits": 4}}
    subject = bench(residual(3, 3, 3, shape=(2, 6, 6)), chosen)
    placement, interconnect = subject.placed.placement, subject.placed.interconnect
    assert placement is not None
    assert placement.relays == len(interconnect.routers) == 1
    assert interconnect.length(("stem", "conv2")) == 2
    run = subject.run(2)
    router = next(a for a in run.outcome.accounts if a.family == "router")
    assert router.ticks["busy:forward"] == 2 * 36 * 4


@pytest.mark.parametrize("fidelity", TIMED)
def test_energy_is_that_of_links_and_routers_actually_crossed(fidelity: str) -> None:
    """Links inside a core have no length; those of its other ports are a core's own."""
    network = lower(residual(3, shape=(2, 4, 4)))
    costs = {"core": {"links": {"bit_energy_pj_per_mm": 1.0, "length_mm": 2.0}}}
    fabric = {"topology": {"kind": "chain"}, "fidelity": fidelity, "router_bit_energy_pj": 5.0}
    subject = bench(network, with_fabric(costs, **fabric))
    run = subject.run(1)
    pixels, bits = 16, 2 * 8
    # From the stem to conv0, which adds the skip, too, over two routers; what conv0 sends goes to the sink.
    assert [subject.placed.interconnect.length(k) for k in subject.placed.interconnect.keys] == [3]
    shared = [a.ticks["busy:transfer"] for a in run.outcome.accounts if a.family == "link"]
    crossed = max(shared)
    energy = run.outcome.energy
    assert crossed >= pixels
    assert energy.by_component["link"] == pytest.approx((crossed + pixels) * bits * 2e-12)
    assert energy.by_component["router"] == pytest.approx(2 * crossed * bits * 5e-12)
    assert sum(energy.by_component.values()) == pytest.approx(energy.total)


@pytest.mark.parametrize(
    ("fabric", "expected"),
    [
        ({"queue_packets": 0}, "fabric.queue_packets must be .*got 0"),
        ({"width_bits": 0}, "fabric.width_bits must be .*got 0"),
        ({"fidelity": "link", "latency_cycles": 0}, "set latency_cycles to 1 or more, or fidelity to ideal"),
        ({"fidelity": "packet"}, "fabric.fidelity"),
        ({"fidelity": "flit", "latency_cycles": 0}, "set latency_cycles to 1 or more, or fidelity to ideal"),
        ({"fidelity": "flit", "latency_cycles": 1001}, "set latency_cycles to 1000 or less, or fidelity to"),
        ({"fidelity": "flit", "router_cycles": 1}, "take a header 4 cycles; set router_cycles to 4 or null"),
        ({"flit": {"vcs": 0}}, "fabric.flit.vcs must be .*got 0"),
        ({"flit": {"vc_buffer_flits": 0}}, "fabric.flit.vc_buffer_flits must be .*got 0"),
        ({"fidelity": "flit", "topology": {"kind": "bus"}}, r"at bus\[out\] of bus wires only meet; set it"),
    ],
)
def test_what_no_fabric_can_be_is_refused(fabric: dict[str, Any], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        bench(residual(3, shape=(2, 4, 4)), {"fabric": fabric})


def test_fewer_channels_than_lanes_are_refused_with_what_would_do() -> None:
    told = r"fabric.flit.vcs must be >= 2 channel here, .* got 1; take 2, or fabric.escape=false"
    with pytest.raises(ConfigError, match=told):
        wound(escape=True, vcs=1)


def test_routers_take_the_sum_of_their_stages() -> None:
    delays = {"routing_delay": 0, "vc_alloc_delay": 2, "switch_alloc_delay": 3, "switch_traversal_delay": 4}
    fabric = FabricConfig.parse({"fidelity": "flit", "flit": delays})
    assert fabric.header_cycles == 9
    assert [FabricConfig.parse({"fidelity": f}).header_cycles for f in ("ideal", "link")] == [1, 1]
    assert FabricConfig.parse({"router_cycles": 9}).zero_load_cycles(3, 2, 5) == fabric.zero_load_cycles(
        3, 2, 5
    )


@pytest.mark.parametrize("fidelity", ["ideal", *TIMED])
def test_a_topology_that_cannot_carry_a_network_is_refused_before_it_runs(fidelity: str) -> None:
    def place(*edges: list[int]) -> None:
        topology = {"kind": "edge-list", "edges": edges}
        bench(residual(3, 3, shape=(2, 4, 4)), {"fabric": {"fidelity": fidelity, "topology": topology}})

    with pytest.raises(MappingError, match=r"has no way from node \d to node \d; add channels"):
        place([0, 1], [2, 1])
    with pytest.raises(MappingError, match="connects 2 nodes, but 3 layers need one each"):
        place([0, 1])
