"""What if: predictions from the graph of a run, confirmed by runs of the changed machine."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

import imcsim
from imcsim.cli import main
from imcsim.parameter_changes import ParameterChange, changes_asked
from imcsim.predictions import WhatIf, _Trial, sensitivity, what_if
from imcsim.run_record import RunRecord
from imcsim.what_if_report import what_if_text
from simcore import ConfigError, SimError, Simulation
from simcore.dependencies import DependencyGraph
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


@pytest.mark.parametrize("question", ["rna.adder_cycles=26", "rna.adder_cycles=5", "rna.lanes=8"])
def test_what_data_decide_is_not_predicted_by_a_parameter_that_it_depends_on_too(question: str) -> None:
    run = run_of("digits-mlp", "rapidnn", values="ideal", images=1)
    (answer,) = what_if(run, [question])
    changed = run_of("digits-mlp", "rapidnn", question, values="ideal", images=1)
    assert (answer.predicted, answer.confirmed) == (None, changed.summary["cycles"])
    assert answer.confirmed != run.summary["cycles"]
    (reason,) = answer.reasons
    assert reason.startswith("data decide how long these last, whose parameters change: ")
    assert f"(by {question.partition('=')[0]})" in reason
    (told,) = what_if(run, [question], confirm=False)
    assert (told.predicted, told.reasons) == (None, (reason,))


def test_data_that_decide_otherwise_are_told_by_what_lasted_otherwise() -> None:
    first, second = (
        run_of("digits-mlp", "rapidnn", f"rna.adder_cycles={cycles}", values="ideal", images=1)
        for cycles in (13, 26)
    )
    a, b = (_Trial.of_run(run).repeated(run) for run in (first, second))
    assert a.differs(b) == ""
    assert any(what.endswith("rnas add") for what in a.lasted_otherwise(b))
    assert a.held_up_otherwise(b) == []
    assert a.lasted_otherwise(a) == []


def test_an_error_that_the_graph_does_not_explain_is_told_as_a_fault_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    makespan = DependencyGraph.makespan
    monkeypatch.setattr(
        DependencyGraph, "makespan", lambda graph, blueprint: 2 * (makespan(graph, blueprint) or 0)
    )
    answer = asked("digits-cnn", "dataflow", "core.crossbar.mvm_cycles=2x")
    assert (answer.error, answer.order_kept) == (1, True)
    (reason,) = answer.reasons
    assert "a fault of the graph" in reason


def test_only_one_changed_machine_is_there_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[weakref.ref[Simulation]] = []
    kept = []
    changed = _Trial.changed

    def counted(run: RunRecord, changes: Sequence[ParameterChange]) -> _Trial:
        gc.collect()
        kept.append(sum(simulation() is not None for simulation in built))
        trial = changed(run, changes)
        built.append(weakref.ref(trial.built.simulation))
        return trial

    monkeypatch.setattr(_Trial, "changed", counted)
    what_if(run_of("digits-mlp", "dataflow"), [f"source.pixel_cycles={n}" for n in (100, 200, 300)])
    assert len(kept) == 6
    assert kept == [0] * 6


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
        ("core.crossbar.mvm_cyles=2x", "--what-if core.crossbar.mvm_cyles - is unknown"),
        ("core.crossbar.mvm_cyles=2x", "did you mean 'mvm_cycles'"),
        ("core.crossbar.mvm_cycles=0.33x", "write core.crossbar.mvm_cycles=43"),
        ("core.memory.column_cycles=2x", "is null, of which there are no multiples"),
        ("detail=2x", "is array, of which there are no multiples"),
        ("core.crossbar.mvm_cycles=-3", "--what-if core.crossbar.mvm_cycles - must be"),
        ("core.crossbar.mvm_cycles=[", "--what-if core.crossbar.mvm_cycles"),
        ("core.crossbar.mvm_cycles=#", "--what-if core.crossbar.mvm_cycles - has no value"),
        *(
            (f"core.crossbar.mvm_cycles={factor}", "mvm_cycles - a factor must be a positive number")
            for factor in ("0x", "-1x", "nanx", "infx", "1/0x", "0/3x", "1e-3x", "+2x", "0.0x", "1.2.3x")
        ),
    ],
)
def test_questions_that_cannot_be_asked_say_what_to_write(question: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        what_if(run_of("digits-mlp", "dataflow", images=1), [question])
    assert message in str(error.value)
    assert "--set" not in str(error.value)


def test_one_question_may_come_as_a_text_and_nothing_else_is_one() -> None:
    run = run_of("digits-mlp", "dataflow", images=1)
    assert what_if(run, "source.pixel_cycles=2x") == what_if(run, ["source.pixel_cycles=2x"])
    wrong: Any = [3]
    with pytest.raises(ConfigError, match=r"must be a text such as 'source\.pixel_cycles=0\.5x', got 3"):
        what_if(run, wrong)


def test_the_table_says_exact_and_breaks_no_word() -> None:
    changes = (
        ParameterChange("layers.block1-query.replication", None, 2),
        ParameterChange("core.crossbar.device.programming.sigma", 0.125, [0.25, 0.5]),
    )
    answers = [
        WhatIf(changes, 33_498_632, 19_572_232, confirmed, True, ())
        for confirmed in (19_572_232, 19_572_233, 9_786_116)
    ]
    console = Console(width=80, file=StringIO(), color_system=None)
    with console.capture() as shown:
        console.print(what_if_text(answers))
    text = shown.get()
    assert max(map(len, text.splitlines())) <= 80
    words = set(text.split())
    assert {"layers.block1-query.", "replication:", "core.crossbar.device.", "programming.sigma:"} <= words
    assert {"33,498,632", "19,572,232", "exact", "-0.00%", "+100.00%"} <= words
    assert "+0.00%" not in words


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
