"""Traces and topologies from the command line: captured, looked into, and run as what they came from."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import imcsim
from arch import Dataflow, DataflowConfig
from simcore import ConfigError
from tests.imcsim.command_bench import command, printed, refusal
from tests.traces.trace_bench import CONV, END, HEADER, LINEAR, TINY, written
from traces import Bits, Trace, write_trace
from workloads import Network, networks

DOCS = Path(__file__).parents[2] / "docs" / "traces.md"
DATAFLOW = ("--arch", "dataflow")


NOTHING = "the file has nothing: values are picked, or amid zeros, to fit"


def captured(folder: Path, workload: str, *options: str | Path, name: str = "a.jsonl") -> Path:
    """Return the trace that the command writes."""
    result = command("trace", "capture", workload, "-o", folder / name, *options)
    assert (result.exit_code, result.output) == (0, "")
    return folder / name


def late(folder: Path, *cycles: int) -> Path:
    """Return a trace of a small network whose requests come at these cycles."""
    requests = [json.dumps({"request": {"cycle": cycle}}) for cycle in cycles]
    end = json.dumps({"end": {"operations": 2, "requests": len(cycles)}})
    return written(folder, HEADER, CONV, LINEAR, *requests, end)


# -- the same run --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["digits-mlp", "digits-cnn", "digits-resnet"])
@pytest.mark.parametrize("values", ["off", "ideal", "device"])
def test_a_run_of_a_trace_is_the_run_of_its_workload(name: str, values: str, tmp_path: Path) -> None:
    trace = captured(tmp_path, name, "--images", "3", *(["--tensors"] if values != "off" else []))
    direct = imcsim.run(name, "dataflow", images=3, values=values, record=True)
    replay = imcsim.run(trace, "dataflow", values=None if values == "off" else values, record=True)
    for key in ("workload", "images", "values", "fingerprint", "history", "cycles", "accuracy", "energy_j"):
        assert replay.summary[key] == direct.summary[key]
    if values != "off":
        assert np.array_equal(replay.quantised, direct.quantised)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["resnet20", "mobilenet-v2", "googlenet"])
def test_traces_of_larger_networks_have_their_fingerprint(name: str, tmp_path: Path) -> None:
    settings = ["detail=group", "columns_per_weight=8"]
    trace = captured(tmp_path, name, name="a.jsonl.gz")
    runs = [
        imcsim.run(each, "dataflow", values="off", settings=settings, record=False) for each in (name, trace)
    ]
    assert runs[0].summary["fingerprint"] == runs[1].summary["fingerprint"]


def test_images_of_the_user_s_are_replayed_with_their_labels_and_their_calibration(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    inputs = rng.normal(0, [[[[n + 1]]] for n in range(20)], (20, 1, 8, 8)).astype(np.float32)
    np.savez(tmp_path / "mine.npz", inputs=inputs, labels=np.arange(20) % 10)
    data = ("--data", tmp_path / "mine.npz")
    trace = captured(tmp_path, "digits-cnn", "--tensors", "--images", "2", *data)
    (direct, replay) = (
        printed("run", "digits-cnn", *DATAFLOW, "--images", "2", *data),
        printed("run", trace, *DATAFLOW),
    )
    for key in ("fingerprint", "accuracy", "golden_accuracy", "images"):
        assert replay[key] == direct[key]
    assert printed("trace", "info", trace)["tensors"]["images"] == 16  # those that calibrate, too
    own = printed("run", trace, *DATAFLOW, "--images", "1", "--data", tmp_path / "mine.npz")
    assert own["inputs"].startswith("first 1 of mine.npz")


def test_a_trace_is_captured_again_byte_by_byte(tmp_path: Path) -> None:
    trace = captured(tmp_path, "digits-cnn", "--tensors", "--images", "2")
    (tmp_path / "again").mkdir()
    again = captured(tmp_path / "again", str(trace), "--tensors")
    assert again.read_bytes() == trace.read_bytes()
    assert (tmp_path / "again" / "a.safetensors").read_bytes() == (tmp_path / "a.safetensors").read_bytes()


def test_a_run_s_configuration_repeats_a_trace_with_its_arrivals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = late(tmp_path, 0, 5, 70_000)
    monkeypatch.chdir(tmp_path)
    run = imcsim.run(trace.name, "dataflow", out="out")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = imcsim.run(tmp_path / "out" / "config.yaml")
    assert again.summary["fingerprint"] == run.summary["fingerprint"]
    assert again.summary["history"] == run.summary["history"]
    left_out = yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())
    del left_out["images"], left_out["values"]  # what nobody chose is as the trace has it
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(left_out))
    summary = imcsim.run(tmp_path / "config.yaml", record=False).summary
    assert summary["fingerprint"] == run.summary["fingerprint"]


# -- requests ------------------------------------------------------------------------------------------------


def test_arrivals_are_in_the_fingerprint_where_they_are_not_all_at_the_start(tmp_path: Path) -> None:
    def digest(*cycles: int, **options: Any) -> str:
        run = imcsim.run(late(tmp_path, *cycles), "dataflow", record=False, **options)
        return str(run.summary["fingerprint"])

    plain = digest(0, 0)
    assert digest(0, 90_000) != plain
    assert digest(0, 1) != plain  # though nobody waits for it
    assert digest(0, 90_000, images=1) == digest(0)
    assert digest(0, images=2) == plain


def test_late_requests_show_in_the_report(tmp_path: Path) -> None:
    run = imcsim.run(late(tmp_path, 0, 70_000), "dataflow")
    source = next(unit for unit in run.units if unit.path == "source")
    assert source.cycles["wait-resource:arrival"] == 70_000 - 64 * 130
    assert run.summary["initiation_interval_cycles"] == 70_000


def test_requests_and_options_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    trace = late(tmp_path, 0, 7)
    assert refusal("run", trace, *DATAFLOW, "--images", "3") == (
        "tiny tells when 2 images arrive, got --images 3; ask for fewer"
    )
    assert refusal("run", trace, *DATAFLOW, "--fast-forward") == (
        "fast_forward needs images that are all there from the start, but tiny has one that arrives in "
        "cycle 7; leave out --fast-forward"
    )
    assert command("run", late(tmp_path, 0, 0, 0), *DATAFLOW, "--fast-forward").exit_code == 0


def test_a_machine_that_does_not_wait_for_images_refuses_late_ones(tmp_path: Path) -> None:
    class Eager(Dataflow):
        awaits_arrivals = False

    eager = Eager(DataflowConfig(), "eager")
    with pytest.raises(ConfigError, match=r"^eager has all images from the start, but tiny tells when"):
        imcsim.run(late(tmp_path, 0, 7), eager)
    assert imcsim.run(late(tmp_path, 0, 0), eager).summary["images"] == 2


# -- structure only, widths ----------------------------------------------------------------------------------


def test_without_weights_values_are_off_and_the_report_says_so(tmp_path: Path) -> None:
    trace = written(tmp_path, *TINY)
    result = command("run", trace, *DATAFLOW)
    assert result.exit_code == 0
    assert "the workload brings no weights, so no values can be computed" in " ".join(result.stdout.split())
    summary = printed("run", trace, *DATAFLOW)
    assert (summary["values"], summary["workload"]) == ("off", "tiny")
    assert refusal("run", trace, *DATAFLOW, "--values", "ideal") == (
        "tiny is structure only; give it parameters, or run it without values"
    )
    structure = Network("bare", networks["digits-mlp"]().layers.values())
    assert imcsim.run(structure, "dataflow").summary["values"] == "off"


def test_widths_that_are_asked_for_must_be_the_machine_s(tmp_path: Path) -> None:
    network = networks["digits-mlp"]()
    write_trace(
        tmp_path / "a.jsonl", Trace(network, bits=Bits(activation_bits=8), operation_bits={"fc2": Bits(4)})
    )
    assert refusal("run", tmp_path / "a.jsonl", *DATAFLOW) == (
        "digits-mlp.fc2 has weight_bits 4, but dataflow computes with 8; add --set weight_bits=4"
    )
    assert command("map", tmp_path / "a.jsonl", *DATAFLOW, "--set", "weight_bits=4").exit_code == 0


# -- captured, and looked into -------------------------------------------------------------------------------


def test_info_tells_what_is_in_a_trace(tmp_path: Path) -> None:
    trace = captured(tmp_path, "digits-resnet", "--images", "2", "--tensors")
    info = printed("trace", "info", trace)
    network = networks["digits-resnet"]()
    assert (info["macs"], info["weights"]) == (network.macs, network.parameter_count)
    assert sum(info["operations_by_kind"].values()) == info["operations"] == len(network.layers) - 1
    assert (info["requests"], info["last_arrival_cycle"]) == (2, 0)
    assert info["tensors"] == {**info["tensors"], "file": "a.safetensors", "images": 0, "labels": False}
    table = " ".join(command("trace", "info", trace).stdout.split())
    assert "2 add, 6 batch-norm, 6 conv2d" in table
    assert "533,824 MACs an image" in table


def test_info_notices_tensors_that_are_not_the_trace_s(tmp_path: Path) -> None:
    trace = captured(tmp_path, "digits-mlp", "--tensors")
    tensors = tmp_path / "a.safetensors"
    assert printed("trace", "info", trace)["tensors"]["bytes"] == tensors.stat().st_size
    content = bytearray(tensors.read_bytes())
    content[-1] ^= 1
    tensors.write_bytes(content)
    assert refusal("trace", "info", trace).startswith(
        f"{tensors} is not the file that the trace was written with: its sha256 is "
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("digits-mlp", "-o", "a.json"), "a workload trace must be called FILE.jsonl or FILE.jsonl.gz, got"),
        (("digits-mlp", "-o", "no/a.jsonl"), "cannot write no/a.jsonl: No such file or directory; create"),
        (("digits-mpl", "-o", "a.jsonl"), "no workload is called 'digits-mpl'; did you mean 'digits-mlp'?"),
        (("digits-mlp", "-o", "a.jsonl", "--images", "0"), "images must be >= 1 image, got 0"),
        (("digits-mlp", "-o", "a.jsonl", "--data", "x.npz"), "images are written beside weights only; add"),
        (("digits-mlp",), "Missing option '-o' / '--out'; see 'imcsim trace capture --help'"),
    ],
)  # fmt: skip
def test_what_cannot_be_captured_is_refused(
    options: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert refusal("trace", "capture", *options).startswith(message)
    assert not list(tmp_path.iterdir())


def test_a_trace_that_is_wrong_is_one_line_for_every_command(tmp_path: Path) -> None:
    trace = written(tmp_path, HEADER, CONV, LINEAR, END)
    message = f"{trace}:4 - the end tells of 1 requests, but there are 0; is the file whole?"
    for words in (("run", *DATAFLOW), ("map", *DATAFLOW), ("describe",), ("trace", "info")):
        assert refusal(*words, trace) == message


def test_every_command_that_takes_a_workload_takes_a_trace(tmp_path: Path) -> None:
    trace = written(tmp_path, *TINY)
    assert "Read from" in command("describe", trace).stdout
    assert printed("map", trace, *DATAFLOW)["workload"] == "tiny"
    depths = imcsim.find_least_depths(trace, "dataflow", images=2)
    assert depths.edges


# -- SCALE-Sim -----------------------------------------------------------------------------------------------

TOPOLOGY = """Layer, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, Strides,
Conv1, 16, 16, 3, 3, 3, 8, 1,
Conv2, 7, 7, 3, 3, 8, 8, 2,
FC, 1, 1, 1, 1, 72, 10, 1,
"""


def test_a_topology_runs_and_its_notes_are_told(tmp_path: Path) -> None:
    (tmp_path / "small.csv").write_text(TOPOLOGY)
    summary = printed("run", tmp_path / "small.csv", *DATAFLOW)
    assert (summary["workload"], summary["values"]) == ("small", "off")
    assert summary["macs"] == 14 * 14 * 27 * 8 + 3 * 3 * 72 * 8 + 72 * 10
    assert summary["notes"] == [
        f"between Conv1 (14x14x8) and Conv2 (7x7x8) {NOTHING}",
        f"between Conv2 (3x3x8) and FC (1x1x72) {NOTHING}",
        "the workload brings no weights, so no values can be computed",
    ]
    report = " ".join(command("run", tmp_path / "small.csv", *DATAFLOW).stdout.split())
    assert all(note in report for note in summary["notes"])
    # A trace of it keeps the notes, and is the same work.
    trace = captured(tmp_path, str(tmp_path / "small.csv"))
    replay = printed("run", trace, *DATAFLOW)
    assert (replay["fingerprint"], replay["notes"]) == (summary["fingerprint"], summary["notes"])


def test_several_wrong_rows_of_a_topology_are_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "small.csv"
    path.write_text(TOPOLOGY.replace("3, 3, 3, 8", "3, 3, x, 8").replace("72", "-72"))
    result = command("run", path, *DATAFLOW)
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        f"error: {path}:2 - Channels must be a whole number from 1 to 1048576, got 'x'",
        f"  {path}:4 - Channels must be a whole number from 1 to 1048576, got '-72'",
    ]


# -- documentation -------------------------------------------------------------------------------------------


def blocks(language: str) -> list[str]:
    """Return the listings of the documentation in a language, "" for those that are in none."""
    listings = DOCS.read_text().split("```")[1::2]
    return [text.removeprefix(f"{language}\n") for text in listings if text.startswith(f"{language}\n")]


def test_the_commands_in_the_documentation_end_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = blocks("")[0].splitlines()
    assert len(commands) == 3
    for line in commands:
        result = command(*line.split()[1:])
        assert (result.exit_code, result.stderr) == (0, "")


def test_the_topologies_in_the_documentation_run_and_the_note_is_as_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, layers, products, note = blocks("")
    words = re.search("`(imcsim run alexnet.csv .*?)`", DOCS.read_text())
    assert words is not None
    for topology, macs in (
        (layers, 55 * 55 * 11 * 11 * 3 * 96 + 27 * 27 * 5 * 5 * 96 * 256),
        (products, 197 * 2304 * 768),
    ):
        Path("alexnet.csv").write_text(topology)
        assert printed(*words[1].split()[1:])["macs"] == macs
    Path("alexnet.csv").write_text(layers)
    assert note in command(*words[1].split()[1:]).stdout


def test_the_trace_in_the_documentation_runs(tmp_path: Path) -> None:
    path = written(tmp_path, *blocks("json")[0].splitlines())
    run = imcsim.run(path, "dataflow")
    assert (run.summary["images"], run.summary["initiation_interval_cycles"]) == (2, 20_000)
    source = next(unit for unit in run.units if unit.path == "source")
    assert source.cycles["wait-resource:arrival"] == 20_000 - 64 * 130 == 11_680


def test_the_script_in_the_documentation_writes_a_trace_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    exec(blocks("python")[0], {})
    assert (
        printed("run", "mine.jsonl", *DATAFLOW)["macs"]
        == 30 * 30 * 27 * 16 + 28 * 28 * 144 * 32 + 28 * 28 * 32**2
    )
