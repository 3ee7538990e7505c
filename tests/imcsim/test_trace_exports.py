from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import pywellen

import imcsim
from imcsim.image_way import way_of_image
from imcsim.results import Run
from imcsim.run_tables import ImageRow
from simcore import SimError
from tests.imcsim.command_bench import command, refusal
from tests.traces.activities import make_activity
from tests.traces.perfetto_reader import read_perfetto
from traces.enabling import image_chain


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    imcsim.run("digits-cnn", "dataflow", images=2, values="off", record=True).save(folder)
    return folder


def exported(folder: Path, *arguments: str) -> Path:
    (path,) = command("export", folder, "--to", *arguments).stdout.splitlines()
    return Path(path)


def test_perfetto_has_the_accounts_the_layers_and_the_energy(folder: Path) -> None:
    run = imcsim.read_run(folder)
    trace = read_perfetto(exported(folder, "perfetto"))
    assert trace.title == "digits-cnn on dataflow"
    assert set(trace.slices) == {unit.path for unit in run.units}
    for unit in run.units:
        cycles: Counter[str] = Counter()
        for slice in trace.slices[unit.path]:
            done = slice.category in ("busy", "programming")
            cycles[f"{slice.category}:{slice.name if done else slice.annotations['detail']}"] += (
                slice.end - slice.start
            )
            assert slice.annotations.get("layer") == unit.layer
        accounts = {state: time for state, time in unit.cycles.items() if state != "finished"}
        assert cycles == accounts  # a cycle is a nanosecond
    joules = sum(
        watts * (until - since) * 1e-9
        for track, values in trace.counters.items()
        if trace.units[track] == "W"
        for (since, watts), (until, _) in pairwise(values)
    )
    assert joules == pytest.approx(run.summary["energy_j"]["total"])


def test_waveforms_have_the_accounts(folder: Path) -> None:
    run = imcsim.read_run(folder)
    signals = {
        v.full_name: list(v.signal) for v in pywellen.Waveform(str(exported(folder, "vcd"))).all_vars()
    }
    for unit in run.units:
        cycles: Counter[str] = Counter()
        changes = signals[f"{unit.path}.state"]
        for (since, state), (until, _) in pairwise([*changes, (run.summary["cycles"], "")]):
            cycles[state] += until - since
        assert +cycles == Counter(unit.cycles)
    held = {name.removesuffix(".held") for name in signals if name.endswith(".held")}
    assert held == {buffer.path for buffer in run.recorded.buffers}


def followed(run: Run) -> Run:
    """Return a run whose images 0 and 1 went through a, b and the sink, which waited for one another."""
    activity = make_activity(
        ["a", "b", "sink"],
        [
            (0, "busy:x", 0, 4), (0, "busy:x", 4, 8),
            (1, "wait-input:in", 0, 5), (1, "busy:y", 5, 7), (1, "wait-input:in", 7, 9), (1, "busy:y", 9, 11),
            (2, "wait-input:in", 0, 7), (2, "wait-input:in", 7, 12),
        ],
        12,
    )  # fmt: skip
    cause = np.array([-1, -1, 0, -1, 0, -1, 1, 1], np.int32)
    lag = np.array([0, 0, 1, 0, 1, 0, 0, 1], np.int64)
    host = replace(run.units[0], path="sink", family="host")
    images = (ImageRow("net", 0, 0, 7), ImageRow("net", 1, 4, 12))
    activity = replace(activity, cause=cause, lag=lag, finisher=2)
    return Run(**{**vars(run), "activity": activity, "units": (host,), "images": images})


def test_arrows_are_the_acts_that_an_image_waited_for(folder: Path) -> None:
    run = followed(imcsim.read_run(folder))
    first, second = [[0, 3], [3, 7]], [[1, 5], [5, 7]]
    assert way_of_image(run, 0).tolist() == first
    assert way_of_image(run, 1).tolist() == way_of_image(run).tolist() == second


def test_arrows_of_a_real_run_are_those_that_its_last_image_hung_on(tmp_path: Path) -> None:
    run = imcsim.run("digits-mlp", "dataflow", images=3, values="off", record=True)
    run.save(tmp_path / "run")
    activity, last = run.recorded, max(run.images, key=lambda row: row.completed)
    accepted, completed = (int(at * activity.ticks_per_cycle) for at in (last.accepted, last.completed))
    assert completed == activity.makespan  # so that it hung on what the end of the run did
    acts, _ = image_chain(activity, completed, accepted)
    slices = read_perfetto(exported(tmp_path / "run", "perfetto")).slices
    leave, end = (
        sorted(flow for told in slices.values() for slice in told for flow in getattr(slice, name))
        for name in ("leaving", "arriving")
    )
    assert leave == end
    assert len(set(leave)) == len(leave) == len(acts) > 0


def test_without_images_there_are_no_arrows(folder: Path) -> None:
    run = Run(**{**vars(followed(imcsim.read_run(folder))), "images": ()})
    assert way_of_image(run).shape == (0, 2)
    with pytest.raises(SimError, match="the run tells of none, got --image 0; choose one of these"):
        way_of_image(run, 0)


def test_an_image_that_is_not_there_or_cannot_be_followed_is_refused(folder: Path) -> None:
    assert (
        refusal("export", folder, "--to", "perfetto", "--image", "2")
        == "the run tells of images 0 to 1, got --image 2; choose one of these"
    )
    assert (
        refusal("export", folder, "--to", "vcd", "--image", "0")
        == "vcd follows no single image; leave --image out, or export --to perfetto"
    )
