"""What if: predictions from the graph of a run, confirmed by runs of the changed machine."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import imcsim
from imcsim.cli import main
from imcsim.parameter_changes import changes_asked
from imcsim.predictions import WhatIf, sensitivity, what_if
from imcsim.run_record import RunRecord
from simcore import ConfigError, SimError
from simcore.errors import WorkloadError


def run_of(workload: str, machine: str, *settings: str, images: int = 3, values: str = "off") -> Any:
    return imcsim.run(workload, arch=machine, images=images, values=values, settings=settings, record=False)


def asked(workload: str, machine: str, question: str, *settings: str, **options: Any) -> WhatIf:
    (answer,) = what_if(run_of(workload, machine, *settings, **options), [question])
    return answer


EXACT = [
    ("digits-cnn", "dataflow", "core.crossbar.mvm_cycles=0.5x"),
    ("digits-cnn", "dataflow", "source.pixel_cycles=0.5x,core.crossbar.mvm_cycles=65"),
    ("digits-resnet", "dataflow", "core.memory.column_cycles=60"),
    ("digits-cnn", "dataflow", "clock_ghz=2x"),
    ("digits-resnet", "dataflow", "fabric.latency_cycles=20x", "fabric.fidelity=link"),
    ("digits-resnet", "dataflow", "fabric.latency_cycles=4x", "fabric.fidelity=flit"),
    ("digits-cnn", "dataflow", "buffers.rule=lines:K", "core.memory.kind=direct-memory"),
    ("digits-cnn", "isaac", "array.mvm_cycles=2"),
    ("digits-cnn", "pipelayer", "read_ns=0.5x"),
    ("digits-cnn", "pipelayer", "memory.subarrays=capacity"),
    ("digits-mlp", "pipelayer", "write_ns=2x", "mode=training", "training.batch=3"),
    ("digits-cnn", "rapidnn", "rna.encoding.stage_bits=4"),
    ("digits-cnn", "basisn", "array.mvm_cycles=3x"),
    ("digits-cnn", "basisn", "digital.channels_per_cycle=0.5x", "digital.channels_per_cycle=8"),
    ("digits-cnn", "reprogrammed", "write.pulse_cycles=0.5x", "crossbars=4"),
]


@pytest.mark.parametrize("case", EXACT, ids=lambda case: f"{case[1]} {case[2]}")
def test_a_change_that_keeps_the_order_of_events_is_predicted_exactly(case: tuple[str, ...]) -> None:
    workload, machine, question, *settings = case
    answer = asked(workload, machine, question, *settings)
    assert (answer.predicted, answer.error, answer.order_kept) == (answer.confirmed, 0, True)
    assert answer.reasons == ()
    changed = run_of(workload, machine, *settings, *(f"{c.path}={c.new}" for c in answer.changes))
    assert answer.confirmed == changed.summary["cycles"]
    assert sum(bound.share for bound in answer.bound_by) == pytest.approx(1)


def test_who_shares_what_in_another_order_is_told_as_the_reason() -> None:
    answer = asked("digits-cnn", "isaac", "tile.write_cycles=4x", images=1)
    assert answer.order_kept is False
    assert any("take their turns in another order" in reason for reason in answer.reasons)
    assert answer.predicted is not None


def test_contention_that_the_graph_did_not_see_is_told_as_the_reason() -> None:
    narrow = "fabric.width_bits=1"
    answer = asked("digits-resnet", "dataflow", narrow, "fabric.fidelity=link", "fabric.topology.kind=mesh")
    assert answer.error is not None
    assert answer.error < 0
    assert answer.order_kept
    assert any("contention" in reason for reason in answer.reasons)


@pytest.mark.parametrize(
    ("question", "settings", "reason"),
    [
        ("layers.conv1.replication=2", (), "the mapping is another one, of conv1"),
        ("core.kind=job-core", (), "other units"),
        ("detail=group", (), "other units"),
        ("fabric.fidelity=link", (), "other units"),
    ],
)
def test_of_another_machine_nothing_is_predicted_but_it_is_run(
    question: str, settings: tuple[str, ...], reason: str
) -> None:
    answer = asked("digits-cnn", "dataflow", question, *settings)
    assert answer.predicted is None
    assert answer.error is None
    assert answer.confirmed == run_of("digits-cnn", "dataflow", *settings, question).summary["cycles"]
    assert any(reason in told for told in answer.reasons)


def test_what_takes_no_time_yet_cannot_be_predicted() -> None:
    answer = asked("digits-cnn", "basisn", "digital.channels_per_cycle=4")
    assert answer.predicted is None
    assert "took no time before" in answer.reasons[0]


def test_requests_that_arrive_over_time_are_only_run() -> None:
    run = imcsim.run("digits-cnn", arch="dataflow", images=3, values="off", arrivals="closed:2", record=False)
    (answer,) = what_if(run, ["core.crossbar.mvm_cycles=0.5x"])
    assert answer.predicted is None
    assert answer.confirmed is not None
    assert answer.confirmed < answer.cycles


def test_values_stay_where_they_decide_how_long_something_takes() -> None:
    run = run_of("digits-mlp", "rapidnn", values="ideal")
    assert run.summary["cycles"] != run_of("digits-mlp", "rapidnn").summary["cycles"]
    (answer,) = what_if(run, ["rna.encoding.stage_bits=4"])
    assert answer.cycles == run.summary["cycles"]
    assert answer.predicted == answer.confirmed


def test_without_confirmation_the_changed_machine_does_not_run() -> None:
    run = run_of("digits-cnn", "dataflow")
    (told,) = what_if(run, ["core.crossbar.mvm_cycles=2x"], confirm=False)
    (sure,) = what_if(run, ["core.crossbar.mvm_cycles=2x"])
    assert (told.confirmed, told.order_kept, told.error) == (None, None, None)
    assert told.predicted == sure.confirmed


def test_the_makespan_of_the_pipeline_is_made_of_products_and_input() -> None:
    bounds = sensitivity(run_of("digits-cnn", "dataflow"))
    shares = {(bound.family, bound.state): bound.share for bound in bounds}
    assert shares["crossbar", "busy:mvm"] + shares["host", "busy:feed"] > 0.95
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("core.crossbar.mvm_cycles", "must be PATH=FACTORx or PATH=VALUE"),
        ("core.crossbar.mvm_cycles=", "must be PATH=FACTORx or PATH=VALUE"),
        ("core.crossbar.mvm_cyles=2x", "did you mean 'mvm_cycles'"),
        ("core.crossbar.mvm_cycles=0.33x", "write core.crossbar.mvm_cycles=43"),
        ("core.memory.column_cycles=2x", "is null, of which there are no multiples"),
        ("detail=2x", "is array, of which there are no multiples"),
        ("core.crossbar.mvm_cycles=0x", "mvm_cycles"),
        ("core.crossbar.mvm_cycles=-3", "mvm_cycles"),
    ],
)
def test_questions_that_cannot_be_asked_say_what_to_write(question: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        what_if(run_of("digits-mlp", "dataflow", images=1), [question])
    assert message in str(error.value)


def test_a_list_is_one_value_and_changes_that_go_together_are_several() -> None:
    machine = imcsim.run("digits-mlp", arch="dataflow", values="off", record=False).config.machine
    from arch.machine import machines

    schema = machines["dataflow"].machine.Config
    values = {key: value for key, value in machine.items() if key != "extends"}
    (single,) = changes_asked("core.crossbar.device.programming.sigma=[0.1,0.2]", values, schema)
    assert single.new == [0.1, 0.2]
    pair = changes_asked("source.pixel_cycles=2x,clock_ghz=1/2x", values, schema)
    assert [(change.old, change.new) for change in pair] == [(130, 260), (1.0, 0.5)]


def test_a_run_that_this_version_does_not_repeat_is_refused() -> None:
    run = run_of("digits-mlp", "dataflow")
    other: RunRecord = replace(run, summary={**run.summary, "cycles": run.summary["cycles"] + 1})
    with pytest.raises(WorkloadError, match="run it anew"):
        what_if(other, ["source.pixel_cycles=2x"])


def test_networks_that_share_a_machine_are_refused() -> None:
    run = imcsim.run(["digits-mlp", "digits-cnn"], arch="dataflow", values="off", record=False)
    with pytest.raises(SimError, match="one network"):
        what_if(run, ["source.pixel_cycles=2x"])


def test_the_command_prints_a_table_or_json(tmp_path: Path) -> None:
    imcsim.run("digits-cnn", arch="dataflow", values="off", out=tmp_path / "run")
    question = ["--what-if", "core.crossbar.mvm_cycles=0.5x", "--what-if", "source.pixel_cycles=0.5x"]
    shown = CliRunner().invoke(main, ["explain", str(tmp_path / "run"), *question])
    assert shown.exit_code == 0
    assert "predicted" in shown.output
    assert "confirmed" in shown.output
    printed = CliRunner().invoke(main, ["explain", str(tmp_path / "run"), *question, "--json"])
    answers = json.loads(printed.output)["what_if"]
    assert [a["changes"][0]["parameter"] for a in answers] == [
        "core.crossbar.mvm_cycles",
        "source.pixel_cycles",
    ]
    assert all(a["predicted"] == a["confirmed"] and a["error"] == 0 and a["order_kept"] for a in answers)
    plain = CliRunner().invoke(main, ["explain", str(tmp_path / "run"), "--json"])
    assert json.loads(plain.output)["what_if"] is None
    wrong = CliRunner().invoke(main, ["explain", str(tmp_path / "run"), "--what-if", "nothing=2x"])
    assert wrong.exit_code == 2
