"""Parameters that explanations advise are those of the run's machine, and help."""

from __future__ import annotations

import sys

import pytest

import imcsim
from imcsim.relief import Reliefs
from simcore import Component


@pytest.mark.parametrize("name", ["isaac", "basisn", "pipelayer", "rapidnn", "reprogrammed", "dataflow"])
def test_every_operation_that_took_time_is_set_by_parameters_of_its_own_machine(name: str) -> None:
    run = imcsim.run("digits-mlp", arch=name, values="off", record=False)
    reliefs = Reliefs(run)
    for unit in run.units:
        for state, cycles in unit.cycles.items():
            category, _, operation = state.partition(":")
            if category in ("busy", "programming") and cycles and unit.family != "host":
                assert reliefs.of_operation(unit.path, operation), (unit.path, operation)


def test_a_class_of_the_same_name_elsewhere_changes_nothing() -> None:
    run = imcsim.run("digits-mlp", arch="basisn", values="off", settings=("detail=slot",))
    before = run.explain().bottlenecks

    class InputFetch(Component):
        """Named as a part of the machine."""

    assert sys.getrefcount(InputFetch)
    assert run.explain().bottlenecks == before
    assert [s.path for s in Reliefs(run).of_operation("lane[0].fetch", "fetch")] == [
        "buffer.port_bits",
        "activation_bits",
    ]
