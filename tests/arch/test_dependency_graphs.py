"""The dependency graph of every machine tells exactly when everything happened in a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from arch.machine import MachineRun, RunOptions
from imcsim.run_material import material_of
from imcsim.run_request import resolve_request
from simcore.binding import longest_way
from simcore.call_log import HOLD
from simcore.carried import CarriedBuffer
from simcore.dependencies import DependencyGraph
from simcore.errors import BrokenLawError
from workloads import lower

#: Runs of which the graph explains every tick.
EXPLAINED = {
    "dataflow": ("digits-resnet", "dataflow", ()),
    "dataflow, group": ("digits-resnet", "dataflow", ("detail=group",)),
    "dataflow, copies": (
        "digits-cnn",
        "dataflow",
        ("layers.conv1.replication=3", "layers.conv2.replication=2"),
    ),
    "dataflow, several pixels a step": ("digits-cnn", "dataflow", ("mapping.pixels_per_step=2",)),
    "dataflow, direct memory": ("digits-cnn", "dataflow", ("core.memory.kind=direct-memory",)),
    "dataflow, jobs": ("digits-cnn", "dataflow", ("core.kind=job-core",)),
    "dataflow, jobs in sequence": (
        "digits-cnn",
        "dataflow",
        ("core.kind=job-core", "core.streamer.mode=sequential"),
    ),
    "dataflow, wide flits": ("digits-resnet", "dataflow", ("fabric.fidelity=flit",)),
    "dataflow, wide links": (
        "digits-resnet",
        "dataflow",
        ("fabric.fidelity=link", "fabric.topology.kind=mesh"),
    ),
    "isaac": ("digits-cnn", "isaac", ()),
    "isaac, arrays": ("digits-mlp", "isaac", ("detail=array",)),
    "pipelayer": ("digits-resnet", "pipelayer", ()),
    "pipelayer, arrays": ("digits-cnn", "pipelayer", ("detail=array", "pipeline=none")),
    "pipelayer, training": ("digits-mlp", "pipelayer", ("mode=training", "training.batch=2")),
    "rapidnn": ("digits-cnn", "rapidnn", ()),
    "rapidnn, each": ("digits-mlp", "rapidnn", ("detail=array",)),
    "basisn": ("digits-cnn", "basisn", ()),
    "basisn, slots and ports": (
        "digits-mlp",
        "basisn",
        ("detail=slot", "coefficients.port_bits=16", "buffer.port_bits=64", "digital.port_sums=4"),
    ),
    "reprogrammed": ("digits-cnn", "reprogrammed", ("crossbars=4", "digital.channels_per_cycle=8")),
    "reprogrammed, overlapped": ("digits-cnn", "reprogrammed", ("crossbars=8", "overlap=true")),
}
#: Runs in which packets hold each other up, which the graph takes as it was.
CONTENDED = {
    "narrow links": (
        "digits-resnet",
        "dataflow",
        ("fabric.fidelity=link", "fabric.topology.kind=mesh", "fabric.width_bits=2"),
    ),
    "flits": (
        "digits-resnet",
        "dataflow",
        ("fabric.fidelity=flit", "fabric.topology.kind=mesh", "fabric.width_bits=8"),
    ),
    "mesh of tiles": ("digits-cnn", "isaac", ("mesh.fidelity=link",)),
}


def simulated(workload: str, machine: str, settings: tuple[str, ...], **options: Any) -> MachineRun:
    request = resolve_request(workload, machine, settings, {"images": 3, "values": "off"})
    own, lowered = request.machine, lower(request.network)
    material = material_of(request, lowered)
    assert material is None
    drive = own.simulate if own.training is None else own.train
    return drive(own.map(lowered), 3, None, RunOptions(**options))


def graph_of(run: MachineRun) -> DependencyGraph:
    assert run.outcome.log is not None
    return DependencyGraph(run.outcome.log)


def check(case: tuple[str, str, tuple[str, ...]]) -> DependencyGraph:
    """Compare a logged run with a plain one, and its graph with what was seen and recorded."""
    plain, run = simulated(*case), simulated(*case, log=True)
    assert run.outcome.accounts == plain.outcome.accounts
    assert run.outcome.energy == plain.outcome.energy
    assert run.completed == plain.completed
    graph = graph_of(run)
    times, steps = graph.times(graph.blueprint), graph.steps
    seen = graph.known >= 0
    assert (times[seen] == graph.known[seen]).all()
    assert graph.makespan(graph.blueprint) == run.outcome.makespan
    activity = run.outcome.activity
    assert activity is not None
    works = [
        number for number, state in enumerate(activity.states) if state.startswith(("busy", "programming"))
    ]
    rows = np.isin(activity.state, works)
    found = {
        (activity.units[u], int(s)) for u, s in zip(activity.unit[rows], activity.start[rows], strict=True)
    }
    held = np.flatnonzero((steps.code == HOLD) & (times[steps.call] < run.outcome.makespan))
    begun = {(steps.units[steps.unit[s]], int(times[steps.call[s]])) for s in held.tolist()}
    assert found <= begun
    way = longest_way(graph, graph.blueprint)
    assert way.duration.sum() == run.outcome.makespan
    return graph


@pytest.mark.parametrize("name", EXPLAINED)
def test_the_graph_explains_every_tick_of_a_run(name: str) -> None:
    graph = check(EXPLAINED[name])
    assert graph.unexplained() == []
    assert "assumed" not in {state for _, state in longest_way(graph, graph.blueprint).shares(graph)}


@pytest.mark.parametrize("name", CONTENDED)
def test_the_graph_takes_contention_on_ways_as_it_was(name: str) -> None:
    unexplained = check(CONTENDED[name]).unexplained()
    assert unexplained
    assert all(what.startswith(("ways ", "waits for room", "waits of ")) for what in unexplained)


@pytest.mark.parametrize(
    ("what", "machine", "settings"),
    [("came", "isaac", ()), ("landings", "dataflow", ("fabric.fidelity=link",))],
)
def test_ticks_that_were_lost_are_refused(what: str, machine: str, settings: tuple[str, ...]) -> None:
    run = simulated("digits-cnn", machine, settings, log=True)
    assert run.outcome.log is not None
    channel = next(c for c in run.outcome.log.channels if isinstance(c, CarriedBuffer) and c.sent > 3)
    del getattr(channel, what)[:3]
    with pytest.raises(BrokenLawError, match=r"times at least, but .* were noted"):
        DependencyGraph(run.outcome.log)


def test_a_machine_that_is_built_tells_its_blueprint_without_running() -> None:
    request = resolve_request("digits-cnn", "dataflow", ("core.crossbar.mvm_cycles=65",), {"values": "off"})
    placed = request.machine.map(lower(request.network))
    built = request.machine.build(placed, 1, None, RunOptions())
    blueprint = built.simulation.blueprint()
    assert blueprint.lasts["core[conv1].crossbar[0,0]", "mvm"] == (65,)
    assert built.simulation.engine.events == 0
    assert built.run(RunOptions()).outcome.cycles > 0


def test_without_a_log_there_is_none() -> None:
    assert simulated("digits-mlp", "dataflow", (), record=True).outcome.log is None
