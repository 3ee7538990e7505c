"""`imcsim fabric`: what it prints and draws, and what it refuses before cycle 0."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import imcsim
from imcsim.offered_loads import read_loads
from tests.imcsim.command_bench import command, printed, refusal

SHORT = ("--set", "warmup_cycles=200", "--set", "sample_cycles=300")
FIGURES = {
    "mean_latency_cycles",
    "p99_latency_cycles",
    "zero_load_latency_cycles",
    "accepted_flits_per_node_cycle",
    "mean_routers_visited",
    "stable",
}
GRAPHS = ["all-to-all", "c-mesh", "chain", "h-tree", "hypercube", "mesh", "ring", "torus"]


@pytest.mark.parametrize("graph", GRAPHS)
@pytest.mark.parametrize("traffic", ["uniform", "transpose"])
def test_flits_that_hardly_meet_take_what_the_ideal_fabric_says(graph: str, traffic: str) -> None:
    words = ["fabric", graph, "--traffic", traffic, "--load", "0.02", "--set", "nodes=16", *SHORT]
    flit, link, ideal = (printed(*words, "--set", f"fidelity={f}") for f in ("flit", "link", "ideal"))
    assert flit.keys() >= FIGURES | {"schema", "graph", "traffic", "load", "seed", "cycles", "parameters"}
    assert flit["stable"] is ideal["stable"] is True
    assert flit["zero_load_latency_cycles"] == ideal["zero_load_latency_cycles"]
    assert flit["mean_routers_visited"] == ideal["mean_routers_visited"]
    assert ideal["mean_latency_cycles"] == pytest.approx(5 * ideal["mean_routers_visited"] + 2)
    assert ideal["mean_latency_cycles"] <= flit["mean_latency_cycles"] < ideal["mean_latency_cycles"] + 1
    for name in ("zero_load_latency_cycles", "mean_routers_visited", "stable", "packets"):
        assert link[name] == ideal[name]
    assert ideal["mean_latency_cycles"] <= link["mean_latency_cycles"] < ideal["mean_latency_cycles"] + 1


def test_the_same_seed_gives_the_same_run_and_another_one_does_not() -> None:
    words = ["fabric", "ring", "--load", "0.1", "--set", "nodes=6", *SHORT]
    timing = dict.fromkeys(("wall_s", "cycles_per_second", "points"))
    first, again, other = (printed(*words, "--seed", seed) | timing for seed in ("1", "1", "2"))
    assert first == again
    assert first["mean_latency_cycles"] != other["mean_latency_cycles"]


def test_several_loads_are_points_of_one_curve(tmp_path: Path) -> None:
    words = ["fabric", "mesh", "--set", "k=3", "--load", "0.1:0.9:0.4", *SHORT]
    found = printed(*words, "--out", tmp_path / "new" / "curve")
    assert [point["load"] for point in found["points"]] == [0.1, 0.5, 0.9]
    assert [found[name] for name in ("load", "stable", "mean_latency_cycles")] == [None] * 3
    assert [point["stable"] for point in found["points"]] == [True, True, False]
    assert found["points"][2]["mean_latency_cycles"] is None
    assert found["parameters"]["nodes"] == 9
    written = tmp_path / "new" / "curve"
    assert json.loads((written / "fabric.json").read_text()) == found
    assert (written / "load-latency.png").read_bytes().startswith(b"\x89PNG")
    assert command(*words, "--out", written).exit_code == 0  # an earlier result is replaced


def test_a_table_shows_each_load_and_the_picture_is_named(tmp_path: Path) -> None:
    picture = tmp_path / "ring.svg"
    shown = command("fabric", "ring", "--set", "nodes=5", "--load", "0.1,1", "--out", picture, *SHORT)
    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[0] == "ring: 5 nodes, uniform traffic, flit fidelity"
    assert lines[-2].split()[0] == "1"
    assert lines[-2].endswith("unstable")
    assert lines[-1] == str(picture)
    assert "unstable" not in lines[-3]
    assert "<svg" in picture.read_text()
    refused = command(
        "fabric", "ring", "--set", "nodes=5", "--load", "0.1", "--out", tmp_path / "x.pdf", *SHORT
    )
    assert refused.exit_code == 2
    assert "a figure's name ends in .png or .svg" in refused.stderr
    assert not (tmp_path / "x.pdf").exists()


def test_python_takes_the_same(tmp_path: Path) -> None:
    edges = tmp_path / "triangle.txt"
    edges.write_text("0 1\n1 2\n2 0\n")
    settings = ("topology.edges=" + str(edges), "sample_cycles=200", ("warmup_cycles", 0))
    run = imcsim.run_fabric("edge-list", [0.05, 0.1], settings=settings, seed=3)
    assert [report.load for report in run.reports] == [0.05, 0.1]
    assert run.summary["parameters"]["nodes"] == 3
    assert run.zero_load_latency == 2 + 5 * 2  # one, two and three routers, equally often


@pytest.mark.parametrize(
    ("text", "loads"),
    [("0.1", [0.1]), ("0.1,0.2", [0.1, 0.2]), ("0.1:0.2:0.05,0.5", [0.1, 0.15, 0.2, 0.5]), ("1:1:1", [1])],
)
def test_loads_are_read_exactly(text: str, loads: list[float]) -> None:
    assert read_loads(text) == loads


MESH = ("fabric", "mesh", "--load", "0.1")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["fabric", "msh", "--load", "0.1"], "no fabric is called 'msh'; did you mean 'mesh'?"),
        (
            ["fabric", "mesh", "--load", "0"],
            "load must be in (0, 1] flits a node and cycle, got 0; the link of a node takes one flit a cycle",
        ),
        (
            ["fabric", "mesh", "--load=-0.1"],
            "load must be in (0, 1] flits a node and cycle, got -0.1; "
            "the link of a node takes one flit a cycle",
        ),
        (
            ["fabric", "mesh", "--load", "0.1,1.5"],
            "load must be in (0, 1] flits a node and cycle, got 1.5; "
            "the link of a node takes one flit a cycle",
        ),
        (
            ["fabric", "mesh", "--load", "much"],
            "--load must be a number, several with commas, or first:last:step, got 'much'; "
            "as in 0.1 or 0.05:0.4:0.05",
        ),
        (
            ["fabric", "mesh", "--load", "0.1:0.5:0"],
            "--load must be a number, several with commas, or first:last:step, got '0.1:0.5:0'; "
            "as in 0.1 or 0.05:0.4:0.05",
        ),
        (
            ["fabric", "mesh", "--load", "0.1:1e999999:1e-999999"],
            "--load must be a number, several with commas, or first:last:step, got "
            "'0.1:1e999999:1e-999999'; as in 0.1 or 0.05:0.4:0.05",
        ),
        (["fabric", "mesh"], "Missing option '--load'; see 'imcsim fabric --help'"),
        ([*MESH, "--set", "vcs=0"], "--set vcs - must be in [1, 64] channel, got 0"),
        ([*MESH, "--set", "vc_buffer_flits=0"], "--set vc_buffer_flits - must be in [1, 4096] flit, got 0"),
        ([*MESH, "--set", "packet_flits=0"], "--set packet_flits - must be in [1, 4096] flit, got 0"),
        ([*MESH, "--set", "k=1"], "--set k - must be in [2, 16] core, got 1"),
        (
            [*MESH, "--set", "fidelity=exact"],
            "--set fidelity - must be one of 'ideal', 'link', 'flit', got 'exact'",
        ),
        ([*MESH, "--traffic", "tornado"], "traffic must be one of 'uniform', 'transpose', got 'tornado'"),
        ([*MESH, "--seed", "-1"], "seed must be in [0, 9223372036854775807], got -1"),
        (
            [*MESH, "--set", "k=4", "--set", "nodes=9"],
            "mesh is inconsistent: has k 4 and nodes 9, but k x k is not that; leave one out",
        ),
        (
            ["fabric", "ring", "--load", "0.1", "--set", "k=4"],
            "ring is inconsistent: has k, which is for mesh and torus, not for ring; set nodes",
        ),
        (
            [*MESH, "--set", "topology.kind=ring"],
            "--set topology.kind - is 'mesh', as the graph is named; name another instead",
        ),
        (
            ["fabric", "ring", "--load", "0.1", "--traffic", "transpose", "--set", "nodes=8"],
            "transpose needs a square of nodes, but ring has 8; take 4 or 9",
        ),
        (
            [*MESH, "--traffic", "transpose", "--set", "nodes=6"],
            "transpose needs as many rows as columns, but mesh has 2 x 3; take a square number of nodes, "
            "and columns=null",
        ),
        (
            ["fabric", "c-mesh", "--load", "0.1", "--traffic", "transpose", "--set", "nodes=4"],
            "transpose traffic crosses no link of c-mesh with 4 nodes; take more",
        ),
        (
            ["fabric", "ring", "--load", "0.1", "--set", "vcs=1"],
            "vcs must be >= 2 channel here, where links wait for one another in circles and packets change "
            "lanes to open them, got 1; take 2, or escape=false to see the deadlock",
        ),
        (
            ["fabric", "5pp", "--load", "0.1"],
            "fabric.topology.kind=5pp has no way from node 1 to node 0; add channels, or choose another "
            "topology: uniform traffic needs one between any two that talk, as chain, ring, mesh, torus, "
            "hypercube, c-mesh, h-tree and all-to-all have",
        ),
        (
            ["fabric", "edge-list", "--load", "0.1"],
            "edge-list.topology is inconsistent: has no edges; give a list such as [[0, 1], [1, 2]], or the "
            "name of a file",
        ),
        (
            ["fabric", "edge-list", "--load", "0.1", "--set", "topology.edges=[[0, 1], [2, 3]]"],
            "edge-list.topology is inconsistent: has edges that connect only some nodes with each other: "
            "{0-1}, {2-3}; add edges between these, and number nodes from 0 on without gaps",
        ),
    ],
)
def test_what_cannot_be_simulated_is_refused_with_what_can(args: list[str], message: str) -> None:
    assert refusal(*args) == message


def test_a_directory_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("done")
    told = refusal("fabric", "chain", "--set", "nodes=2", "--load", "0.1", *SHORT, "--out", tmp_path)
    assert told == f"cannot write to {tmp_path}: it holds other files; name a new or empty directory"


def test_a_ring_without_escape_ends_with_its_deadlock_explained() -> None:
    words = ["fabric", "ring", "--set", "nodes=8", "--set", "vcs=1", "--set", "escape=false", "--load", "0.8"]
    result = command(*words)
    assert (result.exit_code, result.stdout) == (3, "")
    first, *others = result.stderr.splitlines()
    assert first.startswith("error: deadlock at cycle ")
    assert others[0].startswith("  the circle of waits (")
    assert all(" waits for " in line for line in others[1:-1])
    assert others[-1].startswith("  next step: escape=true")
