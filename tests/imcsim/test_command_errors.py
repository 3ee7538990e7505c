"""Whatever a user gets wrong is one line that says where and what next, with the right exit code."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from imcsim import cli
from simcore import Deadlock, components
from tests.imcsim.command_bench import MLP, command, refusal

OFF = ("--values", "off")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["run", "digits-mpl", "--arch", "dataflow"],
            "no workload is called 'digits-mpl'; did you mean 'digits-mlp'?",
        ),
        (
            ["run", "digits-mlp", "--arch", "datafow"],
            "no machine is called 'datafow'; did you mean 'dataflow'?; a machine file ends in .yaml",
        ),
        (
            ["run", "digits-mlp"],
            "no machine is given; name one with --arch (arch= in Python), as in --arch dataflow",
        ),
        ([*MLP, "--images", "0"], "images must be >= 1 image, got 0"),
        ([*MLP, "--images", "-3"], "images must be >= 1 image, got -3"),
        ([*MLP, "--images", "361"], "digits holds 360 images, got --images 361; ask for fewer"),
        ([*MLP, "--seed", "-1"], "seed must be in [0, 9223372036854775807], got -1"),
        ([*MLP, "--warmup", "-1"], "warmup must be >= 0 image, got -1"),
        (
            [*MLP, "--images", "2", "--warmup", "2"],
            "warmup must leave at least one image, got warmup 2 of 2; run more images",
        ),
        ([*MLP, "--values", "idael"], "values must be one of 'ideal', 'device', 'off', got 'idael'"),
        (
            [*MLP, "--values", "device", "--set", "core.adc.bits=1"],
            "core.adc.bits must be in [2, 16] bit for signed cells, whose sums have signs, got 1; take 2",
        ),
        (
            [*MLP, "--set", "columns_per_weight=4", "--set", "core.crossbar.encoding=signed"],
            "dataflow is inconsistent: columns_per_weight must be 1, which 1 slice(s) of a signed weight",
        ),
        ([*MLP, "--engine", "turbo"], "engine must be one of 'lean', 'stock', got 'turbo'"),
        ([*MLP, "--set", "detail"], "--set must be path=value, as in core.adc.bits=6, got 'detail'"),
        ([*MLP, "--set", "core.adc.bits=99"], "--set core.adc.bits - must be in [1, 16] bit, got 99"),
        (
            [*MLP, "--set", "core.adc.bits=3 ns"],
            "--set core.adc.bits - must be in bit, got '3 ns'; 'ns' does not convert to bit",
        ),
        (
            [*MLP, "--set", "core.adc.bitz=3"],
            "--set core.adc.bitz - is unknown: core.adc has no 'bitz'; did you mean 'bits'?",
        ),
        (["list", "machine"], "there is no list of 'machine'; did you mean 'machines'?"),
        (
            ["describe", "digits-mpl"],
            "no machine, workload, component, fabric or device is called 'digits-mpl'; did you mean "
            "'digits-mlp'?",
        ),
        (["run"], "Missing argument 'WORKLOAD...'; see 'imcsim run --help'"),
        (
            [*MLP, "--images", "x"],
            "Invalid value for '--images': 'x' is not a valid integer; see 'imcsim run --help'",
        ),
        (["rum"], "No such command 'rum'"),
        (["--nope"], "No such option '--nope'"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_with_a_next_step(args: list[str], message: str) -> None:
    assert refusal(*args).startswith(message)


@pytest.mark.parametrize(
    ("workload", "reason"),
    [
        ("some/where.bin", "it is no kind of workload that is known"),
    ],
)
def test_kinds_of_workloads_to_come_say_so(workload: str, reason: str) -> None:
    assert refusal("run", workload, "--arch", "dataflow").startswith(
        f"cannot run {workload}: {reason}; choose "
    )


def test_several_wrong_settings_are_told_at_once() -> None:
    result = command(*MLP, "--set", "core.adc.bits=0", "--set", "detail=none")
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        "error: --set detail - must be one of 'array', 'group', got 'none'",
        "  --set core.adc.bits - must be in [1, 16] bit, got 0",
    ]


@pytest.mark.parametrize("words", [("map",), *(("run", "--values", v) for v in ("off", "ideal", "device"))])
def test_codes_too_wide_for_their_sign_are_refused_before_the_run(words: tuple[str, ...]) -> None:
    first, *options = words
    wide = ("--set", "activation_bits=16", "--set", "core.crossbar.input_sign=twos-complement")
    assert refusal(first, "digits-mlp", "--arch", "dataflow", *options, *wide) == (
        "dataflow is inconsistent: activation_bits must be in [2, 15] bit for core.crossbar.input_sign "
        "twos-complement, which takes one more for the sign, got 16; set it to split or unsigned, or "
        "take fewer"
    )


def test_problems_of_a_machine_file_have_their_places(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("extends: dataflow\ncore:\n  adc: {bits: 99}\n")
    assert (
        refusal("run", "digits-mlp", "--arch", file)
        == f"{file}:3:9 core.adc.bits - must be in [1, 16] bit, got 99"
    )
    file.write_text("extends: dataflow\ncore: [1\n")
    assert refusal("run", "digits-mlp", "--arch", file).startswith(f"{file}:3:1 - is no valid YAML: ")
    assert "No such file" in refusal("run", "digits-mlp", "--arch", tmp_path / "none.yaml")
    assert "No such file" in refusal("run", tmp_path / "none.yaml")


def test_a_machine_file_is_no_run_and_says_how_to_run_it(tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("extends: dataflow\n")
    assert "imcsim run WORKLOAD --arch FILE" in refusal("run", file)


def test_data_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "data.npz"
    np.savez(file, inputs=np.zeros((3, 1, 9, 9)))
    assert "takes images of shape (1, 8, 8)" in refusal(*MLP, "--data", file)
    np.savez(file, inputs=np.zeros((3, 1, 8, 8)))
    assert (
        refusal(*MLP, "--data", file, "--images", "4")
        == "data.npz holds 3 images, got --images 4; ask for fewer"
    )
    assert refusal(*MLP, "--data", tmp_path / "none.npz").startswith("cannot read")
    assert refusal(*MLP, "--data", tmp_path / "none.npz", *OFF).startswith("cannot read")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pipe.csv", ["run", "{}", "--arch", "dataflow"]),
        ("pipe.jsonl", ["run", "{}", "--arch", "dataflow"]),
        ("pipe.npz", [*MLP, "--data", "{}"]),
        ("pipe.yaml", ["run", "digits-mlp", "--arch", "{}"]),
        ("config.yaml", ["run", "{}"]),
        (
            "pipe.txt",
            [*MLP, "--set", "fabric.topology.kind=edge-list", "--set", "fabric.topology.edges={}"],
        ),
    ],
)
def test_a_pipe_that_nobody_writes_to_is_not_waited_for(tmp_path: Path, name: str, words: list[str]) -> None:
    pipe = tmp_path / name
    os.mkfifo(pipe)
    message = refusal(*(word.replace("{}", str(pipe)) for word in words))
    assert f"cannot read {pipe}: it is no regular file; name a" in message


@pytest.mark.parametrize("content", ["", '{"schema": "else"}', "[1]", "{"])
def test_a_directory_that_is_no_run_is_refused(tmp_path: Path, content: str) -> None:
    assert "is no directory" in refusal("export", tmp_path / "none", "--to", "png")
    (tmp_path / "summary.json").write_text(content)
    assert "is no run's directory" in refusal("export", tmp_path, "--to", "png")


def test_a_failing_model_exits_with_3_and_its_explanation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imcsim.simulate.run", raising(Deadlock("deadlock at tick 3: no event\nthe circle:")))
    result = command(*MLP)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr == "error: deadlock at tick 3: no event\n  the circle:\n"


def test_a_bug_is_one_line_unless_somebody_debugs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imcsim.simulate.run", raising(ZeroDivisionError("by\nzero")))
    assert refusal(*MLP, code=3) == (
        "internal ZeroDivisionError: by zero; run again with --debug to see where, and report it"
    )
    for args in ([*MLP, "--debug"], ["--debug", *MLP]):
        assert "Traceback (most recent call last)" in command(*args).stderr


def test_outputs_that_differ_from_the_reference_are_printed_and_then_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "arch.numbers.golden_outputs", lambda network, inputs: np.zeros((1, 10, 1, 1), np.int32)
    )
    result = command(*MLP, "--json")
    assert result.exit_code == 3
    assert '"outputs_match_golden": false' in result.stdout
    assert result.stderr.startswith("error: the machine's outputs differ from the golden reference")
    assert "differ from the golden reference" in command(*MLP).stdout


def test_without_arguments_the_help_is_shown() -> None:
    result = command()
    assert (result.exit_code, result.stderr) == (0, "")
    assert "Usage: imcsim" in result.stdout
    assert cli.main.name == "main"


def raising(error: Exception) -> Callable[..., None]:
    """Return a function that raises `error`, whatever it is given."""

    def fail(*args: object, **options: object) -> None:
        raise error

    return fail


CRASHING = """
from arch import ADC, ADCConfig, Sums
from simcore import In, Operation, Out, Process, components, process

@components.register("crashing-adc")
class CrashingADC(ADC):
    "A converter that divides by zero at its fourth vector."
    Config = ADCConfig
    sums_in = In(Sums, doc="sums")
    sums_out = Out(Sums, doc="codes")
    convert = Operation(doc="a conversion")

    @process
    def serve(self) -> Process:
        for number in range(9):
            sums = yield self.sums_in.get()
            yield self.convert.hold(1 // (3 - number))  # here
            yield self.sums_out.put(sums)
"""


def test_a_crash_in_a_component_is_told_in_one_line_and_in_full_on_demand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(components, "_entries", dict(components.items()))
    plugin = tmp_path / "crashing.py"
    plugin.write_text(CRASHING)
    args = ["run", "digits-cnn", "--arch", "dataflow", "--plugin", str(plugin), *OFF]
    args += ["--set", "core.adc.kind=crashing-adc"]
    line = 1 + CRASHING[: CRASHING.index("# here")].count("\n")
    told = refusal(*args, code=3)
    where, what = told.split(": ", 1)
    assert re.fullmatch(r"core\[conv1\]\.adc\S* \(CrashingADC\.serve\) failed at cycle \d+", where)
    assert what == f"ZeroDivisionError: integer division or modulo by zero (crashing.py:{line})"
    debugged = command(*args, "--debug")
    assert debugged.exit_code == 3
    assert "Traceback" in debugged.stderr
    assert "# here" in debugged.stderr


@pytest.mark.parametrize(
    "path",
    [
        "core.memory.column_cycles",
        "core.crossbar.mvm_cycles",
        "core.digital.pass_cycles",
        "core.partial_sum_cycles",
        "fabric.latency_cycles",
        "source.pixel_cycles",
        "clock_ghz",
    ],
)
def test_a_number_that_no_hardware_has_is_a_users_error(path: str) -> None:
    assert path in refusal(
        "run", "digits-mlp", "--arch", "dataflow", *OFF, "--set", f"{path}=10000000000000000000"
    )
