"""Parameters that explanations advise are those of the run's machine, and help."""

from __future__ import annotations

import sys

import pytest

import imcsim
from arch.relief_trials import Relief, ReliefTrials
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


@pytest.mark.parametrize("name", ["isaac", "basisn", "pipelayer", "reprogrammed"])
def test_a_read_of_a_cycle_is_not_to_be_changed(name: str) -> None:
    run = imcsim.run("digits-cnn", arch=name, images=2, values="off", record=False)
    assert run.config.machine["array"]["mvm_cycles"] == 1
    assert "array.mvm_cycles" not in [bottleneck.parameter for bottleneck in run.explain().bottlenecks]


def test_a_layer_of_one_window_gains_nothing_by_copies() -> None:
    reliefs = Reliefs(
        imcsim.run("digits-cnn", arch="pipelayer", values="off", record=False, settings=("parallelism=0.0",))
    )
    assert reliefs.of_layer("fc") is None
    assert reliefs.of_layer("conv1") == "layers.conv1.replication"
    full = Reliefs(
        imcsim.run(
            "digits-cnn", arch="isaac", values="off", record=False, settings=("layers.conv1.replication=64",)
        )
    )
    assert full.of_layer("conv1") is None  # 8 x 8 windows


def test_a_large_machine_is_not_built_with_other_values(monkeypatch: pytest.MonkeyPatch) -> None:
    run = imcsim.run("digits-mlp", arch="dataflow", values="off", record=False)
    monkeypatch.setattr("imcsim.relief._MOST_PARTS", 0)
    monkeypatch.setattr(ReliefTrials, "of_parameter", None)
    first, *others = Reliefs(run).of_operation("core[fc1].crossbar[0,0]", "mvm")
    assert first.path == "core.crossbar.mvm_cycles"
    assert first.relief == Relief(first.path, 130, "smaller", 65, None)
    assert [other.relief for other in others] == [None] * len(others)


def test_where_wider_links_help_little_they_are_not_advised() -> None:
    setting = "mesh.link_bits=64"
    slow, wide = (
        imcsim.run("digits-cnn", arch="isaac", images=4, values="off", settings=settings)
        for settings in ((), (setting,))
    )
    assert wide.summary["cycles"] > 0.95 * slow.summary["cycles"]
    assert "mesh.link_bits" not in [bottleneck.parameter for bottleneck in slow.explain().bottlenecks]


def test_partial_sums_are_told_apart_from_ways_of_a_network() -> None:
    settings = ["core.partial_sum_cycles=60000", "core.crossbar.rows=64"]
    run = imcsim.run("digits-cnn", arch="dataflow", values="off", settings=settings)
    first = run.explain().bottlenecks[0]
    assert first.parameter == "core.partial_sum_cycles"
    assert "partial sums" in first.sentence
    assert "no way of a network" in first.sentence


def test_of_several_networks_there_are_words_alone() -> None:
    run = imcsim.run(["digits-mlp", "digits-cnn"], arch="dataflow", values="off", record=False)
    first = next(each for each in run.explain().bottlenecks if each.what == "mvm")
    assert first.parameter is None
    assert "let mvm take less time" in first.advice
