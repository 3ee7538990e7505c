"""Explanations: what they tell of a run is what its accounts, files and independent sums say."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from math import fsum, isclose
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import imcsim
from imcsim.explanation import Explanation
from imcsim.occupancy import buffer_uses
from imcsim.path_shares import PathStep
from imcsim.run_record import empty_summary
from simcore import SimError
from simcore.activity import BufferTrace

#: A workload for each machine that is quick there.
RUNS = {
    "dataflow": ("digits-cnn", 3, ()),
    "isaac": ("digits-cnn", 3, ()),
    "rapidnn": ("digits-mlp", 2, ()),
    "basisn": ("digits-mlp", 2, ()),
    "reprogrammed": ("digits-cnn", 2, ()),
    "pipelayer": ("digits-cnn", 3, ()),
    "dataflow on a mesh": ("digits-resnet", 2, ("fabric.topology.kind=mesh", "fabric.fidelity=link")),
}
machines = pytest.mark.parametrize("name", RUNS)


@cache
def run_of(name: str, record: bool = True) -> imcsim.Run:
    workload, images, settings = RUNS[name]
    arch, _, _ = name.partition(" ")
    return imcsim.run(workload, arch=arch, images=images, values="off", settings=settings, record=record)


@machines
def test_stall_stacks_of_units_layers_and_groups_sum_exactly(name: str) -> None:
    run = run_of(name)
    found = run.explain()
    ticks = run.recorded.ticks_per_cycle

    def whole_ticks(cycles: dict[str, float]) -> int:
        return sum(round(time * ticks) for time in cycles.values())

    makespan = run.recorded.makespan
    assert [unit.path for unit in found.units] == [unit.path for unit in run.units]
    assert {whole_ticks(dict(unit.cycles)) for unit in found.units} == {makespan}
    for stacks in (found.layers, found.groups):
        assert sum(stack.units for stack in stacks) == len(run.units)
        for stack in stacks:
            assert whole_ticks(dict(stack.cycles)) == makespan * stack.units
    fabric = sum(unit.family in ("link", "router") for unit in found.units)
    assert sum(round(cause.cycles * ticks) for cause in found.causes) == makespan * (len(run.units) - fabric)
    assert isclose(fsum(cause.share for cause in found.causes), 1)


@machines
def test_energy_by_layer_and_component_adds_up_to_what_the_summary_says(name: str) -> None:
    run = run_of(name)
    found, told = run.explain(), run.summary["energy_j"]
    assert found.energy is not None
    assert found.energy.total == told["total"]
    parts = found.energy.by_layer_and_component
    for side, split in (("layer", told["by_layer"]), ("component", told["by_component"])):
        for key, joules in split.items():
            assert isclose(fsum(p.energy_j for p in parts if getattr(p, side) == key), joules), key
    for stacks in (found.layers, found.groups):
        assert isclose(fsum(stack.energy_j or 0 for stack in stacks), told["total"])


@machines
def test_an_explanation_is_the_same_from_memory_and_from_a_directory(name: str, tmp_path: Path) -> None:
    run = run_of(name)
    run.save(tmp_path / "run")
    told = imcsim.read_run(tmp_path / "run").explain().summary
    assert told == run.explain().summary
    assert json.loads(json.dumps(told)) == json.loads(json.dumps(run.explain().summary))
    assert told["schema"] == "imcsim.explanation/1"


@machines
def test_without_a_recording_what_needs_none_is_the_same(name: str) -> None:
    full, bare = run_of(name).explain(), run_of(name, record=False).explain()
    assert bare.units == full.units
    assert bare.causes == full.causes
    assert {(s.layer, s.units, s.energy_j): s.cycles for s in bare.layers} == {
        (s.layer, s.units, s.energy_j): s.cycles for s in full.layers
    }
    assert [(b.path, b.slots) for b in bare.buffers] == [(b.path, b.slots) for b in full.buffers]
    assert all(b.mean is None and b.full_share is None for b in bare.buffers)
    assert all(link.tokens is None for link in bare.links)
    assert (bare.finisher, bare.critical_path) == (None, None)
    assert waiting(bare) == waiting(full)
    (note,) = bare.notes
    assert "record=True" in note
    assert not full.notes


def waiting(found: Explanation) -> dict[tuple[str, str], Any]:
    """Return the cycles of each unit in each state in which it waits, whoever ended that."""
    sums: dict[tuple[str, str], list[float]] = {}
    for wait in found.waits:
        sums.setdefault((wait.path, wait.state), []).append(wait.cycles)
    return {key: pytest.approx(fsum(cycles)) for key, cycles in sums.items()}


@machines
def test_waits_for_units_add_up_to_the_states_of_their_accounts(name: str) -> None:
    run = run_of(name)
    assert waiting(run.explain()) == {
        (unit.path, state): cycles
        for unit in run.units
        for state, cycles in unit.cycles.items()
        if state.startswith(("wait-", "blocked-"))
    }


@machines
def test_the_critical_path_is_as_long_as_the_run_however_it_is_split(name: str) -> None:
    run = run_of(name)
    path = run.explain().critical_path
    assert path is not None
    assert path.cycles == run.summary["cycles"]
    for by in ("unit", "layer", "family", "state"):
        shares = [share for share in path.shares if share.by == by]
        assert fsum(share.cycles for share in shares) == pytest.approx(path.cycles)
        assert fsum(share.share for share in shares) == pytest.approx(1)
        assert shares == sorted(shares, key=lambda share: -share.cycles)
    assert path.slack[0].cycles == 0
    assert [slack.cycles for slack in path.slack] == sorted(slack.cycles for slack in path.slack)


@machines
def test_unfolded_the_steps_of_the_critical_path_leave_no_gap(name: str) -> None:
    path = run_of(name).explain().critical_path
    assert path is not None
    steps, at, number = path.path, 0.0, 0
    while number < len(steps):
        # A stretch is folded whole: steps that repeat as often, as long as they follow one another.
        times = steps[number].times
        stretch: list[PathStep] = []
        while number < len(steps) and steps[number].times == times:
            here = at + fsum(step.cycles for step in stretch)
            if steps[number].start != pytest.approx(here):
                break
            stretch.append(steps[number])
            number += 1
        assert stretch
        at += times * fsum(step.cycles for step in stretch)
    assert at == pytest.approx(path.cycles)
    assert sum(step.times for step in steps) == path.steps


def test_memories_are_told_as_a_sum_over_all_ticks_has_them() -> None:
    run = run_of("dataflow")
    rng = np.random.default_rng(3)
    tick = np.unique(rng.integers(0, 50, 20)).astype(np.int64)
    held = rng.integers(0, 5, len(tick)).astype(np.int32)
    activity = replace(run.recorded, makespan=60, buffers=(BufferTrace("a.in", 4, tick, held),))
    (use,) = buffer_uses(imcsim.Run(**(vars(run) | {"activity": activity})))
    each = [int(held[tick <= now][-1]) if (tick <= now).any() else 0 for now in range(60)]
    assert (use.path, use.slots, use.peak) == ("a.in", 4, max(each))
    assert use.mean == sum(each) / 60
    assert use.full_share == sum(n == 4 for n in each) / 60


def test_peaks_of_memories_are_those_of_the_summary() -> None:
    run = run_of("dataflow")
    peaks = {use.path: use.peak for use in run.explain().buffers}
    told = run.summary["buffer_peaks"]
    assert told
    assert {path: peaks[path] for path in told} == told


def test_a_pipeline_that_its_input_paces_lies_on_the_roof_of_the_input() -> None:
    run = run_of("dataflow")
    roof = run.explain().roofline
    macs, pixels, cycles_a_pixel = run.summary["macs"], 64, 130
    assert roof.operations_per_byte == 2 * macs / pixels
    assert roof.peak_bandwidth == pytest.approx(1e9 / cycles_a_pixel)
    assert roof.input_roof_tops == pytest.approx(2 * macs / (pixels * cycles_a_pixel) / 1e3)
    assert roof.tops == run.summary["tops"]
    assert roof.bound == "input"
    assert roof.roof_share == pytest.approx(1)


def test_a_run_that_was_interrupted_is_not_explained() -> None:
    run = run_of("dataflow")
    broken = imcsim.Run(empty_summary(run.config) | {"interrupted": True}, run.config, ())
    with pytest.raises(
        SimError, match="was interrupted, so that its accounts are not there; run it to its end"
    ):
        broken.explain()
