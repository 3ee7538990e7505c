"""The mesh of ISAAC: closed forms of a packet and of links that set the pace, and an exact twin."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import MachineRun
from arch.machines.isaac import IsaacConfig
from arch.machines.isaac.mesh import Journey, Mesh
from simcore import PartConfig, Simulation, clock
from tests.arch.isaac.isaac_bench import bench, mlp
from workloads import Concat, Conv2d, Input, Layer, Network, Window


def mesh_of(used: int, **machine: Any) -> Mesh:
    """Return a mesh for so many tiles, alone in a simulation of the digital clock."""
    config = IsaacConfig.parse({**machine, "mesh": {"fidelity": "link", **machine.get("mesh", {})}})
    mesh = Simulation([clock("digital", config.digital_hz)]).build(Mesh, PartConfig())
    mesh.lay_out(config, used)
    return mesh


# -- one packet ----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 40),
    st.integers(0, 40),
    st.integers(1, 300),
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from((0.3, 1.0, 1.2, 5.0)),
)
def test_a_packet_alone_takes_its_routers_links_and_flits(
    source: int, target: int, size: int, router: int, link: int, ghz: float
) -> None:
    speeds = {"router_cycles": router, "link_cycles": link, "link_ghz": ghz}
    mesh = mesh_of(41, mesh=speeds)
    if source == target:
        return
    told: list[tuple[int, int]] = []
    mesh.ask(Journey(0, [[mesh.choice(source, target, 0, size)]], 7, lambda *ticks: told.append(ticks)))
    mesh._decide()
    routers = mesh.choice(source, target, 0, size).first.routers
    assert told == [(7, 7 + IsaacConfig.parse({"mesh": speeds}).mesh_cycles(routers, -(-size // 4)))]


@pytest.mark.parametrize("gb_per_s", [0.5, 2.0, 4.0, 8.0])
def test_a_link_between_chips_takes_a_packet_over_no_faster_than_its_bytes_come(gb_per_s: float) -> None:
    """32 bytes are 8 flits of 1 ns: a faster link has to begin later, a slower one holds the others up."""
    machine = {"tiles": 1, "digital_ghz": 1.0, "hypertransport": {"gb_per_s": gb_per_s}}
    mesh = mesh_of(2, **machine)
    route = mesh.choice(0, 1, 0, 32).first
    hops = 2 * 2 + 1  # three links, two routers, a cycle each; the last link's is that of the first flit
    byte = Fraction(1) / Fraction(str(gb_per_s))
    later, slowest = max(Fraction(0), 8 - 32 * byte), max(Fraction(8), 32 * byte)
    assert Fraction(route.arrival, mesh._tick) == hops - 1 + later + slowest
    (over,) = (step for step in route.steps if step[0] in mesh.between_chips)
    assert Fraction(over[3], mesh._tick) == 32 * byte


# -- many ----------------------------------------------------------------------------------------------------

PACKETS = st.lists(
    st.tuples(st.integers(0, 11), st.integers(0, 11), st.integers(1, 80), st.integers(0, 200)),
    min_size=1,
    max_size=40,
)


@settings(deadline=None, max_examples=40)
@given(PACKETS, st.integers(1, 6))
def test_packets_take_the_earliest_time_and_way_that_are_free_and_never_collide(
    packets: list[tuple[int, int, int, int]], ways: int
) -> None:
    """A twin that marks every link's taken nanoseconds and tries one after the other."""
    machine = {"digital_ghz": 1.0, "hypertransport": {"gb_per_s": 1.0}}
    mesh = mesh_of(12, tiles=12, mesh={"columns": 2, "concentration": 2, "ways": ways}, **machine)
    taken: dict[Any, set[int]] = {link: set() for link in mesh.links.values()}
    told: list[tuple[int, int]] = []
    expected = []
    for source, target, size, ready in packets:
        if source == target:
            continue
        choice = mesh.choice(source, target, 0, size)
        mesh.ask(Journey(0, [[choice]], ready, lambda *ticks: told.append(ticks)))
        best: tuple[int, int, Any] | None = None
        for route in (choice.first, *choice.others):
            start = ready
            while any(taken[link] & set(range(start + o, start + o + d)) for link, _, o, d in route.steps):
                start += 1
            if best is None or start + route.arrival < best[0]:
                best = start + route.arrival, start, route
        assert best is not None
        for link, _, offset, duration in best[2].steps:
            taken[link] |= set(range(best[1] + offset, best[1] + offset + duration))
        expected.append((best[1], best[0]))
    mesh._decide()
    assert told == expected
    assert mesh.flits_in_and_out() == (sum(-(-p[2] // 4) for p in packets if p[0] != p[1]),) * 2


@settings(deadline=None, max_examples=30)
@given(PACKETS)
def test_an_ideal_mesh_lets_every_packet_go_at_once(packets: list[tuple[int, int, int, int]]) -> None:
    mesh = mesh_of(12, tiles=12, mesh={"columns": 2, "concentration": 2, "fidelity": "ideal"})
    told: list[tuple[int, int]] = []
    for source, target, size, ready in packets:
        if source != target:
            journey = Journey(0, [[mesh.choice(source, target, 0, size)]], ready, lambda *t: told.append(t))
            mesh.ask(journey)
            assert told[-1][0] == ready


# -- links that set the pace ---------------------------------------------------------------------------------


def chain(layers: int, channels: int = 64, size: int = 8) -> Network:
    """Return layers of one array row each, 16 copies of which take an image in 64 cycles."""
    stack: list[Layer] = [Input(name="image", shape=(channels, size, size))]
    stack += [Conv2d(name=f"conv{i}", out_channels=channels, window=Window.square(1)) for i in range(layers)]
    return Network("chain", stack)


def placed_run(network: Network, layers: int, images: int = 3, **machine: Any) -> MachineRun:
    copies = {f"conv{i}": {"replication": 16} for i in range(layers)}
    machine["mesh"] = {"fidelity": "link", **machine.get("mesh", {})}
    return bench(network, {"layers": copies, **machine}).run(images)


def states(run: MachineRun, path: str) -> dict[str, int]:
    return next(account.ticks for account in run.outcome.accounts if account.path == path)


@pytest.mark.parametrize("bits", [1, 2])
def test_narrow_links_set_the_interval_and_are_named_as_the_cause(bits: int) -> None:
    """Each of 64 pixels of 128 bytes takes the one link of its tile for its flits, at 1 GHz."""
    run = placed_run(chain(2), 2, mesh={"link_bits": bits})
    assert np.diff(run.completed) == pytest.approx([64 * 1024 // bits * 1.2] * 2, rel=0.01)
    link = states(run, "mesh.link[0,router[0]]")
    assert link["busy:transfer"] > 0.95 * run.outcome.makespan
    assert states(run, "mesh.router[0]")["busy:forward"] > 0.95 * run.outcome.makespan
    assert states(run, "layer[conv0].send")["wait-resource:mesh"] > 0.5 * run.outcome.makespan
    assert states(run, "layer[conv0].digital")["blocked-output:pixel_out"] > 0.5 * run.outcome.makespan
    assert "wait-resource:mesh" not in states(run, "layer[conv1].digital")


@pytest.mark.parametrize("ways", [1, 4])
def test_streams_of_two_layers_share_the_link_that_both_must_take(ways: int) -> None:
    """What conv0 and conv1 make goes to conv2: 64 pixels of 1024 flits each, and both by the last link."""
    layers: list[Layer] = [Input(name="image", shape=(64, 8, 8))]
    layers += [Conv2d(name="conv0", out_channels=64, window=Window.square(1), inputs=("image",))]
    layers += [Conv2d(name="conv1", out_channels=64, window=Window.square(1), inputs=("image",))]
    layers += [Concat(name="both", inputs=("conv0", "conv1"))]
    layers += [Conv2d(name="conv2", out_channels=64, window=Window.square(1))]
    mesh = {"link_bits": 1, "concentration": 1, "columns": 3, "ways": ways}
    run = placed_run(Network("two streams", layers), 3, mesh=mesh)
    flits = {
        name: actions["flit"]
        for name, actions in run.outcome.energy.actions.items()
        if name.startswith("mesh.link")
    }
    busiest = max(flits.values()) // 3
    assert busiest >= 64 * 2 * 1024
    assert np.diff(run.completed) == pytest.approx([busiest * 1.2] * 2, rel=0.02)


@pytest.mark.parametrize("gb_per_s", [0.1, 0.2])
def test_links_between_chips_set_the_interval_by_their_bytes(gb_per_s: float) -> None:
    """64 pixels of 128 bytes by two links in turn: at 0.1 GB/s, 12 digital cycles a byte."""
    run = placed_run(chain(2), 2, tiles=1, hypertransport={"gb_per_s": gb_per_s})
    assert np.diff(run.completed) == pytest.approx([64 * 128 / 2 * 1.2 / gb_per_s] * 2, rel=0.02)
    busy = states(run, "mesh.hypertransport[router[0],router[1],0]")["busy:transfer"]
    assert busy > 0.9 * run.outcome.makespan
    assert run.outcome.energy.actions["chips.hypertransport"] == {"byte": 3 * 64 * 128}


def test_published_links_set_no_pace() -> None:
    for fidelity in ("ideal", "link"):
        run = placed_run(chain(3), 3, mesh={"fidelity": fidelity})
        assert np.diff(run.completed).tolist() == [64 // 16 * 16 * 120] * 2


def test_other_ways_relieve_the_row_that_all_first_ways_take() -> None:
    """Four tiles, a router each in two rows: by rows only, a packet takes what its row gives."""
    layers = chain(2)
    shape = {"concentration": 1, "columns": 4, "link_bits": 1}
    tile = {"imas": 8}  # 16 copies of 4 arrays: two tiles would do, with one IMA a copy two copies a tile
    slow, fast = (
        placed_run(layers, 2, mesh={**shape, "ways": ways}, tile={**tile, "imas": 2}) for ways in (1, 6)
    )
    assert np.diff(fast.completed)[-1] < np.diff(slow.completed)[-1]


# -- what passes ---------------------------------------------------------------------------------------------


def test_routers_count_flits_once_each_and_pay_for_them() -> None:
    """Two tiles at one router: 64 values of 2 bytes are 32 flits, for each pixel."""
    run = placed_run(chain(2), 2, images=1)
    assert run.outcome.energy.actions["mesh.router[0]"]["flit"] == 64 * 32
    assert run.outcome.energy.by_component["router"] == pytest.approx(64 * 32 * 4.375e-12)
    ideal = placed_run(chain(2), 2, images=1, mesh={"fidelity": "ideal"})
    assert ideal.outcome.energy.actions["chips.router"]["flit"] == 64 * 32
    assert ideal.outcome.energy.by_component["router"] == run.outcome.energy.by_component["router"]


def test_partial_sums_of_a_further_tile_pass_the_router_between() -> None:
    """97 row blocks of one column fill a tile of 96 arrays; 16 sums of 4 bytes go on to the next."""
    run = bench(mlp(97 * 128, 16), {"mesh": {"fidelity": "link"}}).run()
    assert run.outcome.energy.actions["mesh.link[0,router[0]]"]["flit"] == 16
    assert run.outcome.energy.actions["mesh.router[0]"]["flit"] == 16


def test_sums_that_links_hold_up_are_waited_for() -> None:
    slow = {"link_bits": 1, "link_ghz": 0.001}  # 512 flits of 1 us: 5 120 cycles
    late, usual = (bench(mlp(97 * 128, 16), {"mesh": mesh}).run() for mesh in (slow, {}))
    assert late.completed[0] - usual.completed[0] >= 5000 * 120
