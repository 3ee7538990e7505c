"""Every machine tells while it runs what it would have recorded, whenever it does so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from arch.machine import MachineRun, RunOptions
from imcsim.run_request import resolve_request
from simcore import Activity
from tests.stretches import insist_on_equal, joined, told_every
from workloads import lower

#: Machines, workloads and settings between which every kind of unit, wait and late account occurs.
CASES: dict[str, tuple[str, str, list[str]]] = {
    "dataflow": ("dataflow", "digits-resnet", []),
    "groups": ("dataflow", "digits-cnn", ["detail=group"]),
    "links": ("dataflow", "digits-cnn", ["fabric.fidelity=link", "fabric.topology.kind=mesh"]),
    "flits": ("dataflow", "digits-cnn", ["fabric.fidelity=flit", "fabric.topology.kind=ring"]),
    "unit": ("dataflow-unit", "digits-cnn", []),
    "four-phase": ("dataflow-64core-4phase", "digits-cnn", []),
    "isaac": ("isaac", "digits-cnn", []),
    "residual": ("isaac", "digits-resnet", []),
    "pipelayer": ("pipelayer", "digits-cnn", []),
    "training": ("pipelayer", "digits-mlp", ["mode=training"]),
    "rapidnn": ("rapidnn", "digits-mlp", []),
    "basisn": ("basisn", "digits-cnn", []),
    "reprogrammed": ("reprogrammed", "digits-cnn", []),
    "attention": ("dataflow", "gpt-tiny", []),
}
#: Events between two stretches of runs that have few.
EVENTS = {"pipelayer": 7, "training": 17}


def run(case: str, **options: Any) -> MachineRun:
    name, workload, settings = CASES[case]
    request = resolve_request(workload, name, settings)
    machine = request.machine
    drive = machine.simulate if machine.training is None else machine.train
    return drive(machine.map(lower(request.network)), 2, None, RunOptions(**options))


def insist_on_the_same(kept: MachineRun, told: MachineRun, stretches: Sequence[Activity]) -> None:
    one, other = kept.outcome, told.outcome
    assert (one.makespan, one.accounts, one.energy, one.channels) == (
        other.makespan,
        other.accounts,
        other.energy,
        other.channels,
    )
    assert kept.completed == told.completed
    assert other.activity is None
    assert one.activity is not None
    assert len(stretches) > 2
    insist_on_equal(joined(stretches), one.activity)


@pytest.mark.parametrize("case", CASES)
def test_what_a_machine_tells_is_what_it_records(case: str) -> None:
    stretches: list[Activity] = []
    with told_every(EVENTS.get(case, 97)):
        told = run(case, tell=stretches.append)
    insist_on_the_same(run(case, record=True), told, stretches)


@pytest.mark.parametrize("case", ["links", "isaac"])
def test_stock_simpy_tells_the_same_in_the_middle_of_a_tick(case: str) -> None:
    stretches: list[Activity] = []
    with told_every(501):
        told = run(case, tell=stretches.append, engine="stock")
    insist_on_the_same(run(case, record=True), told, stretches)
