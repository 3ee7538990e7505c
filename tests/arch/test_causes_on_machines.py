"""On every machine each wait has a cause, and the path that is walked back along them is the whole run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import imcsim
from simcore import Activity, category
from simcore.activity import NOBODY
from tests.stretches import insist_on_equal
from traces import critical_path_of, slack

MESH = "fabric.topology.kind=mesh"

#: Workloads, machine, settings, and what else is asked for.
RUNS: dict[str, tuple[Any, str, tuple[str, ...], dict[str, Any]]] = {
    "dataflow": ("digits-resnet", "dataflow", (), {}),
    "dataflow, jobs": ("digits-cnn", "dataflow", ("core.kind=job-core",), {}),
    "dataflow, links": (
        "digits-resnet",
        "dataflow",
        (MESH, "fabric.fidelity=link", "fabric.width_bits=2"),
        {},
    ),
    "dataflow, flits": (
        "digits-resnet",
        "dataflow",
        (MESH, "fabric.fidelity=flit", "fabric.width_bits=8"),
        {},
    ),
    "dataflow, arrivals": ("digits-mlp", "dataflow", (), {"arrivals": "poisson:20000", "images": 4}),
    "dataflow, closed loop": ("digits-mlp", "dataflow", (), {"arrivals": "closed:2", "images": 4}),
    "dataflow, two networks": (["digits-mlp", "digits-cnn"], "dataflow", (), {}),
    "dataflow, decoding": ("gpt-tiny", "dataflow", (), {"prompt": 4, "images": 1}),
    "isaac": ("digits-cnn", "isaac", (), {}),
    "isaac, arrays": ("digits-mlp", "isaac", ("detail=array",), {}),
    "isaac, links": ("digits-cnn", "isaac", ("mesh.fidelity=link",), {}),
    "isaac, two networks": (["digits-mlp", "digits-cnn"], "isaac", (), {}),
    "pipelayer": ("digits-cnn", "pipelayer", (), {}),
    "pipelayer, training": ("digits-mlp", "pipelayer", ("mode=training", "training.batch=2"), {"images": 4}),
    "rapidnn": ("digits-cnn", "rapidnn", (), {}),
    "basisn": ("digits-cnn", "basisn", (), {}),
    "basisn, slots": ("digits-mlp", "basisn", ("detail=slot", "coefficients.port_bits=16"), {}),
    "reprogrammed": ("digits-cnn", "reprogrammed", ("crossbars=4",), {}),
}

#: States that end when time has passed, whoever acts: of requests that come when they come, of beats.
BY_TIME = {"wait-resource:schedule", "wait-resource:beat"}


def recorded(name: str, **options: Any) -> Activity:
    workload, machine, settings, asked = RUNS[name]
    chosen: dict[str, Any] = {"images": 2, "values": "off"} | asked | options
    return imcsim.run(workload, machine, settings=settings, **chosen).recorded


@pytest.mark.parametrize("name", RUNS)
def test_every_wait_was_ended_by_another_unit_or_by_time_alone(name: str) -> None:
    activity = recorded(name)
    end = activity.start + activity.duration
    caused = activity.cause != NOBODY
    waits = [
        category(state) in ("wait-input", "blocked-output", "wait-resource") for state in activity.states
    ]
    waited = np.array(waits, bool)[activity.state]
    assert not caused[~waited].any()
    assert (activity.lag[~caused] == 0).all()
    assert (activity.cause[caused] != activity.unit[caused]).all()
    assert ((activity.lag >= 0) & (activity.lag <= end)).all()
    by_nobody = np.unique(activity.state[waited & ~caused & (end < activity.makespan)])
    assert {activity.states[state] for state in by_nobody} <= BY_TIME
    check_path(activity)
    again = recorded(name, engine="stock", shuffle=5)
    insist_on_equal(again, activity)


def check_path(activity: Activity) -> None:
    """The path goes from 0 to the makespan without a gap, past operations that have no slack."""
    path = critical_path_of(activity)
    assert path.length == activity.makespan
    assert (path.duration > 0).all()
    assert (path.start == np.cumsum(path.duration) - path.duration).all()
    assert sum(path.by_unit().values()) == sum(path.by_state().values()) == activity.makespan
    room = slack(activity)
    assert (room >= 0).all()
    on_path = path.rows[activity.cause[path.rows] == NOBODY]
    assert (room[on_path] == 0).all()


@pytest.mark.parametrize("engine", ["lean", "stock"])
def test_a_run_that_skips_images_tells_the_causes_of_the_full_one(engine: str) -> None:
    full = recorded("dataflow", images=12, engine=engine)
    insist_on_equal(recorded("dataflow", images=12, engine=engine, fast_forward=True), full)
    check_path(full)
