"""`imcsim compare --over`: each value is a comparison of its own; what has no such parameter runs once."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.image import imread

import imcsim
from arch.machines.isaac import Isaac, IsaacConfig
from imcsim.comparison_over import over_of, value_text
from imcsim.resolve import Setting
from imcsim.results import Run
from imcsim.run_request import RunRequest
from imcsim.simulate import simulate_request
from simcore import ConfigError, Progress
from tests.imcsim.command_bench import command, printed, refusal

SCHEMA = Path(__file__).parents[2] / "docs" / "imcsim.comparison-1.schema.json"
Observer = Callable[[Progress], None]
COMPARE = ("compare", "digits-mlp", "digits-cnn", "--arch", "dataflow,isaac")


@pytest.mark.parametrize("mode", ["per-network", "equal-area"])
def test_each_value_is_the_comparison_with_that_setting(mode: str) -> None:
    workloads, machines, values = ["digits-mlp", "digits-cnn"], ["dataflow", "isaac"], [3, 168]
    found = imcsim.compare(workloads, machines, mode=mode, over=("tiles", values))
    for value in values:
        alone = imcsim.compare(workloads, machines, mode=mode, settings={"isaac": [("tiles", value)]})
        for row in alone.rows:
            at = found.row(row.workload, row.machine, value)
            assert (at.over_value, at.figures, at.fingerprint) == (value, row.figures, row.fingerprint)
            assert found.ratios(at) == alone.ratios(row)
        assert found.geometric_mean("isaac", value) == alone.geometric_mean("isaac")
    assert [(r.workload, r.over_value, r.machine) for r in found.rows] == [
        (workload, value, machine) for workload in workloads for value in values for machine in machines
    ]


def test_a_parameter_is_set_on_every_machine_that_has_it_and_others_run_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs: list[str] = []

    def counted(request: RunRequest, observe: Observer | None) -> Run:
        runs.append(request.config.machine_name)
        return simulate_request(request, observe)

    monkeypatch.setattr("imcsim.comparison.simulate_request", counted)
    found = imcsim.compare(["digits-mlp"], ["isaac", "dataflow", "rapidnn"], over="detail=group,array")
    assert found.same == ()
    assert len({row.fingerprint for row in found.rows}) == 6  # the machine's configuration is in it
    assert runs == ["isaac", "dataflow", "rapidnn"] * 2
    runs.clear()
    found = imcsim.compare(["digits-mlp"], ["dataflow", "isaac"], over="tiles=84,168")
    assert (found.same, runs) == (("dataflow",), ["dataflow", "isaac", "isaac"])
    told = [text.get_text() for text in found.plot().texts]
    assert any(line.endswith("; tiles is no parameter of dataflow") for line in told)
    one, other = (found.row("digits-mlp", "dataflow", value) for value in (84, 168))
    assert one.figures == other.figures


@pytest.mark.parametrize(
    ("path", "values", "machine"),
    [
        ("crossbars", [2, 5], None),
        ("coefficients.drawn", ["random", "packed"], "basisn"),
        ("array.rows", [64, 96], None),
        ("batch", [1, 3], "reprogrammed"),
        ("overlap", [False, True], "reprogrammed"),
        ("coefficients.port_bits", [None], "basisn"),
    ],
)
def test_each_value_is_the_comparison_with_that_setting_on_crossbars_that_are_too_few(
    path: str, values: list[object], machine: str | None
) -> None:
    """What is drawn, written anew, or computed in batches is that of single comparisons, too."""
    machines = ["basisn", "reprogrammed"]
    few: dict[str, list[Setting]] = {
        name: [("crossbars", 2)] if path != "crossbars" else [] for name in machines
    }
    where = path if machine is None else f"{machine}:{path}"
    found = imcsim.compare(["digits-resnet"], machines, settings=few, over=(where, values))
    assert found.same == tuple(name for name in machines if machine not in (None, name))
    for value in values:
        changed: dict[str, list[Setting]] = {
            name: [*few[name], *([] if name in found.same else [(path, value)])] for name in machines
        }
        alone = imcsim.compare(["digits-resnet"], machines, settings=changed)
        for row in alone.rows:
            at = found.row(row.workload, row.machine, value)
            assert (at.figures, at.fingerprint, at.images) == (row.figures, row.fingerprint, row.images)
            assert found.ratios(at) == alone.ratios(row)


def test_one_of_several_machines_that_have_a_parameter_is_changed_alone(tmp_path: Path) -> None:
    words = (
        "compare",
        "digits-mlp",
        "--arch",
        "reprogrammed,basisn",
        "--over",
        "reprogrammed:overlap=true,false",
    )
    found = printed(*words, "--out", tmp_path / "out")
    jsonschema.validate(found, json.loads(SCHEMA.read_text()))
    assert found["over"] == {"path": "reprogrammed:overlap", "values": [True, False]}
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").read_text().splitlines()))
    assert [row["over_value"] for row in rows] == ["true", "true", "false", "false"]
    assert "over reprogrammed:overlap: true, false" in command(*words).stdout
    nothing = imcsim.compare(["digits-mlp"], ["basisn"], over="coefficients.port_bits=null")
    assert [row["over_value"] for row in csv.DictReader(nothing.csv.splitlines())] == ["null"]


def test_json_has_the_published_schema_with_and_without_a_parameter() -> None:
    schema = json.loads(SCHEMA.read_text())
    plain, over = printed(*COMPARE), printed(*COMPARE, "--over", "tiles=168,3")
    for found in (plain, over):
        jsonschema.validate(found, schema)
    assert plain["over"] is None
    assert {row["over_value"] for row in plain["rows"] + plain["geometric_means"]} == {None}
    assert over["over"] == {"path": "tiles", "values": [168, 3]}
    same = [{**row, "over_value": None} for row in over["rows"] if row["over_value"] == 168]
    assert same == plain["rows"]
    means = [{**row, "over_value": None} for row in over["geometric_means"] if row["over_value"] == 168]
    assert means == plain["geometric_means"]


def test_energy_delay_product_is_energy_times_time_in_every_mode() -> None:
    for mode in ("per-network", "equal-area"):
        found = imcsim.compare(["digits-cnn"], ["isaac", "dataflow"], mode=mode)
        for row in found.rows:
            assert row.figures is not None
            assert row.figures.edp_js == pytest.approx(row.figures.energy_j * row.figures.time_s)
        ratios = found.ratios(found.rows[1])
        assert ratios["edp_js"] == pytest.approx(ratios["energy_j"] * ratios["time_s"])  # type: ignore[operator]


def test_files_hold_a_row_for_each_value(tmp_path: Path) -> None:
    words = (*COMPARE, "--over", "tiles=3,168", "--out", tmp_path / "new")
    found = printed(*words)
    assert json.loads((tmp_path / "new" / "comparison.json").read_text()) == found
    rows = list(csv.DictReader((tmp_path / "new" / "comparison.csv").read_text().splitlines()))
    assert [row["over_value"] for row in rows] == ["3", "3", "168", "168"] * 2
    for row, full in zip(rows, found["rows"], strict=True):
        assert float(row["edp_js"]) == full["edp_js"]
        assert float(row["x_edp_js"]) == full["ratios"]["edp_js"]
    assert imread(tmp_path / "new" / "comparison.png").shape[2] == 4


def test_the_table_has_a_block_for_each_figure_and_a_row_for_each_workload_and_value() -> None:
    text = command(*COMPARE, "--over", "tiles=3,168", "--mode", "equal-chip").stdout
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert "over tiles: 3, 168; not a parameter of dataflow" in lines
    blocks = text.split("\n\n")[1:]
    assert [block.split("\n")[0] for block in blocks] == [
        "cycles an image",
        "time an image",
        "energy an image",
        "EDP",
    ]
    head, *rows = [line.split() for line in blocks[3].split("\n")[1:7]]
    assert head == ["tiles", "dataflow", "isaac"]
    assert [row[:2] for row in rows[:3:2]] == [["digits-mlp", "3"], ["digits-cnn", "3"]]
    assert rows[2][-3:] == ["does", "not", "fit"]
    assert rows[4] == ["geometric", "mean", "3"]  # which would be of other workloads than that of 168
    assert "digits-cnn on isaac, tiles=3: chips=1 has 3 tiles" in text
    found = imcsim.compare(["digits-mlp"], ["dataflow", "isaac"], over="tiles=168")
    assert rows[1][-1] == f"{found.ratios(found.rows[1])['edp_js']:.0f}x"


def test_machines_that_train_are_compared_over_a_parameter_too() -> None:
    words = ("compare", "digits-mlp", "--arch", "pipelayer", "--set", "pipelayer:mode=training")
    found = printed(*words, "--images", "8", "--over", "training.batch=2,8")
    assert found["training"] is True
    slow, fast = (row["throughput_per_s"] for row in found["rows"])
    assert slow < fast


json_values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@given(numbers=st.lists(json_values, min_size=1, max_size=5, unique_by=lambda v: v))
@settings(deadline=None)
def test_values_are_read_as_they_are_written(numbers: list[object]) -> None:
    text = ",".join(map(value_text, numbers))
    read = over_of(f"core.adc.bits={text}")
    assert read.path == "core.adc.bits"
    assert list(read.values) == numbers


@pytest.fixture
def no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every run fail as soon as it begins."""

    def begun(*request: object) -> None:
        raise AssertionError("a run was begun")

    monkeypatch.setattr("imcsim.comparison.simulate_request", begun)


@pytest.mark.usefixtures("no_run")
@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["tiles"],
            "--over must be path=value,value,..., as in tiles=8,64 or isaac:tiles=8,64, got 'tiles'",
        ),
        (["=3"], "--over must be path=value,value,..., as in tiles=8,64 or isaac:tiles=8,64, got '=3'"),
        (
            [":tiles=3"],
            "--over must be path=value,value,..., as in tiles=8,64 or isaac:tiles=8,64, got",
        ),
        (["isac:tiles=3"], "--over isac: is for no machine of these; did you mean 'isaac'?"),
        (["isaac:tilles=3"], "--over isaac:tilles - is unknown: IsaacConfig has no 'tilles'; did you mean"),
        (["isaac:tiles=3,3"], "--over isaac:tiles - has 3 twice; leave one out"),
        (["tiles="], "--over tiles - has no value; name one or more, as in --over tiles=8,64"),
        (["tiles=3,84,3"], "--over tiles - has 3 twice; leave one out"),
        (["cycle_ns=100,100 ns"], "--over cycle_ns - 100 and 100 ns are the same value; leave one out"),
        (
            ["tiles=3,[4"],
            "--over tiles - is no valid YAML: expected ',' or ']', but got '<stream end>'; write",
        ),
        (["tiles=3,0"], "--over isaac:tiles - must be >= 1 tile, got 0"),
        (["detail=group,arra"], "--over dataflow:detail - must be one of 'array', 'group', got 'arra'"),
        (
            ["tiles=3,4", "--set", "isaac:tiles=5"],
            "--set isaac:tiles - is what --over sets; leave out one of the two",
        ),
        (
            ["chips=1,2", "--mode", "equal-chip"],
            "--over isaac:chips - is 1 in mode equal-chip; leave it out, or choose another mode",
        ),
        (
            ["tiles=3", "--over", "tiles=4"],
            "Invalid value for '--over': is given 2 times; give it once; see 'imcsim compare --help'",
        ),
    ],
)
def test_wrong_input_is_one_line_with_a_next_step(args: list[str], message: str) -> None:
    assert refusal(*COMPARE, "--over", *args).startswith(message)


@pytest.mark.usefixtures("no_run")
def test_a_parameter_that_no_machine_has_is_refused_with_what_each_has() -> None:
    result = command(*COMPARE, "--over", "tilles=3")
    first, second = result.stderr.splitlines()
    assert (result.exit_code, result.stdout) == (2, "")
    assert first.startswith(
        "error: --over dataflow:tilles - is unknown: DataflowConfig has no 'tilles'; known:"
    )
    assert second.startswith(
        "  --over isaac:tilles - is unknown: IsaacConfig has no 'tilles'; did you mean 'tiles'?"
    )


@pytest.mark.usefixtures("no_run")
def test_training_at_some_values_only_is_refused() -> None:
    assert refusal("compare", "digits-mlp", "--arch", "pipelayer", "--over", "mode=inference,training") == (
        "--over mode - lets machines train at some values and infer at others, and an image is other work in "
        "each; compare at values of one kind"
    )


@pytest.mark.usefixtures("no_run")
def test_machines_made_in_python_keep_what_they_are() -> None:
    with pytest.raises(ConfigError, match="settings go with a machine's name or file"):
        imcsim.compare(["digits-mlp"], [Isaac(IsaacConfig(), "mine")], over="tiles=3")
