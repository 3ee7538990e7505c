"""`imcsim compare`: figures are those of runs, modes and ratios follow their formulas, files are whole."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from math import fsum, prod
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

import imcsim
from arch.machines.isaac import Budgets, Isaac, IsaacConfig
from imcsim.comparison import Comparison, Row
from imcsim.comparison_figures import COMPARED, Figures
from imcsim.comparison_modes import MODES, copies_that_fit
from simcore import ConfigError, Progress, SimError
from tests.imcsim.command_bench import command, printed, refusal
from workloads import Input, Linear, LocalResponseNorm, Network

SCHEMA = Path(__file__).parents[2] / "docs" / "imcsim.comparison-1.schema.json"
BOTH = ("--arch", "isaac,dataflow")


def run_of(workload: str, arch: str, images: int = 2, settings: Sequence[str] = ()) -> dict[str, Any]:
    return imcsim.run(workload, arch, images=images, values="off", settings=settings, record=False).summary


def figures(workload: str, arch: str, **options: Any) -> Figures:
    """Return the figures of one workload on one machine, which takes it."""
    found = imcsim.compare([workload], [arch], **options).rows[0].figures
    assert found is not None
    return found


@pytest.mark.parametrize("arch", ["dataflow", "isaac", "pipelayer", "rapidnn", "reprogrammed"])
@pytest.mark.parametrize("images", [1, 2, 3])
def test_one_machine_per_network_is_the_plain_run(arch: str, images: int) -> None:
    found, s = figures("digits-cnn", arch, images=images), run_of("digits-cnn", arch, images)
    same = (
        "chips",
        "clock_hz",
        "cycles",
        "throughput_per_s",
        "tops",
        "tops_per_mm2",
        "peak_tops",
        "utilisation",
    )
    assert {name: getattr(found, name) for name in same} == {name: s[name] for name in same}
    assert found.copies == 1
    assert found.area_mm2 == s["area_mm2"]["total"]
    assert found.latency_s == s["latency_s"]["first"]
    assert found.interval_cycles == (s["initiation_interval_cycles"] or s["cycles"])
    assert found.time_s == pytest.approx(found.interval_cycles / s["clock_hz"])


def test_energy_without_static_power_is_the_runs_over_its_images() -> None:
    found, s = figures("digits-cnn", "dataflow", images=3), run_of("digits-cnn", "dataflow", 3)
    assert s["power_w"]["static"] == 0
    assert found.energy_j == pytest.approx(s["energy_j"]["total"] / 3)
    assert found.tops_per_w == pytest.approx(s["tops_per_w"])


def test_energy_of_a_stream_is_what_one_image_more_costs() -> None:
    four, five = (run_of("digits-cnn", "isaac", images) for images in (4, 5))
    assert five["cycles"] - four["cycles"] == four["initiation_interval_cycles"]  # the pipeline is full
    more = five["energy_j"]["total"] - four["energy_j"]["total"]
    found = figures("digits-cnn", "isaac", images=2)
    assert found.energy_j == pytest.approx(more)
    assert found.power_w == pytest.approx(more * found.throughput_per_s)
    assert found.power_w > 10.4  # of HyperTransport


def test_a_lone_image_bears_all_of_its_runs_energy() -> None:
    found, s = figures("digits-mlp", "isaac", images=1), run_of("digits-mlp", "isaac", 1)
    assert found.energy_j == pytest.approx(s["energy_j"]["total"])
    assert found.tops_per_w == pytest.approx(s["tops_per_w"])


def test_ratios_are_quotients_and_their_means_geometric() -> None:
    c = imcsim.compare(["digits-mlp", "digits-cnn"], ["isaac", "dataflow"])
    for row in c.rows:
        first, ratios = c.row(row.workload, "isaac").figures, c.ratios(row)
        assert row.figures is not None
        for name in COMPARED:
            assert ratios[name] == pytest.approx(getattr(row.figures, name) / getattr(first, name))
        assert ratios["time_s"] * ratios["throughput_per_s"] == pytest.approx(1)  # type: ignore[operator]
        assert ratios["tops"] == pytest.approx(ratios["throughput_per_s"])
        assert ratios["energy_j"] * ratios["tops_per_w"] == pytest.approx(1)  # type: ignore[operator]
    each = [c.ratios(c.row(workload, "dataflow")) for workload in c.workloads]
    mean = c.geometric_mean("dataflow")
    for name in COMPARED:
        assert mean[name] == pytest.approx(prod(r[name] for r in each) ** 0.5)  # type: ignore[misc]
    assert set(c.geometric_mean("isaac").values()) == {1}


@given(amounts=st.dictionaries(st.sampled_from("abcdef"), st.floats(0.01, 1e5), min_size=1))
def test_copies_fill_the_largest_amount_and_no_more(amounts: dict[str, float]) -> None:
    copies, largest = copies_that_fit(amounts), max(amounts.values())
    for name, amount in amounts.items():
        assert copies[name] >= 1
        assert copies[name] * amount <= largest * (1 + 1e-8)
        assert (copies[name] + 1) * amount > largest * (1 - 1e-8)


@given(amount=st.floats(1e-6, 1e6), copies=st.integers(1, 10**6), terms=st.booleans())
def test_what_fits_exactly_fits(amount: float, copies: int, terms: bool) -> None:
    largest = amount * copies if terms else fsum([amount / 3] * 3) * copies
    assert copies_that_fit({"one": amount, "many": largest}) == {"one": copies, "many": 1}


def test_any_number_of_what_takes_nothing_would_fit_so_there_is_one() -> None:
    assert copies_that_fit({"free": 0.0, "other": 3.0}) == {"free": 1, "other": 1}
    assert copies_that_fit({}) == {}


def test_fifteen_chips_have_room_for_fifteen_copies_of_one(tmp_path: Path) -> None:
    for chips in (1, 15):
        (tmp_path / f"p{chips}.yaml").write_text(f"extends: pipelayer\nchips: {chips}\n")
    c = imcsim.compare(["digits-mlp"], [tmp_path / "p15.yaml", tmp_path / "p1.yaml"], mode="equal-area")
    one = c.row("digits-mlp", "p1").figures
    assert one is not None
    assert (one.copies, one.chips) == (15, 15)


@pytest.mark.parametrize(("mode", "equal"), [("equal-area", "area_mm2"), ("equal-power", "power_w")])
def test_copies_share_the_images_and_add_up_otherwise(mode: str, equal: str) -> None:
    machines = ["isaac", "dataflow", "pipelayer"]
    alone, c = (imcsim.compare(["digits-cnn"], machines, mode=m) for m in ("per-network", mode))
    each = {machine: alone.row("digits-cnn", machine).figures for machine in machines}
    largest = max(getattr(figures, equal) for figures in each.values())
    found = []
    for machine, one in each.items():
        many = c.row("digits-cnn", machine).figures
        assert one is not None
        assert many is not None
        n = many.copies
        found.append(n)
        assert n == int(largest // getattr(one, equal))
        for name in ("chips", "throughput_per_s", "power_w", "area_mm2", "tops", "peak_tops"):
            assert getattr(many, name) == pytest.approx(n * getattr(one, name))
        same = (
            "latency_s",
            "energy_j",
            "tops_per_w",
            "tops_per_mm2",
            "utilisation",
            "cycles",
            "interval_cycles",
        )
        for name in same:
            assert getattr(many, name) == getattr(one, name)
        assert many.time_s == pytest.approx(one.time_s / n)
    assert min(found) == 1 < max(found)


def test_at_equal_power_throughput_is_that_for_power_less_what_rounding_leaves() -> None:
    c = imcsim.compare(["digits-mlp"], ["isaac", "dataflow"], mode="equal-power")
    ratios = c.ratios(c.row("digits-mlp", "dataflow"))
    assert ratios["tops"] == pytest.approx(ratios["tops_per_w"] * ratios["power_w"])  # type: ignore[operator]
    copies = c.row("digits-mlp", "dataflow").figures.copies  # type: ignore[union-attr]
    assert 1 - 1 / copies < ratios["power_w"] <= 1 + 1e-9  # type: ignore[operator]


def test_whole_chips_are_as_many_as_a_network_needs() -> None:
    found = figures("digits-cnn", "isaac", settings={"isaac": ["tiles=3"]})
    assert found.chips == 2  # one copy of each layer takes 4 tiles
    assert found.area_mm2 == pytest.approx(2 * Budgets(IsaacConfig(tiles=3)).chip.mm2)


def test_what_one_chip_does_not_hold_is_a_row_that_says_so() -> None:
    words = ("compare", "digits-mlp", "digits-cnn", *BOTH, "--mode", "equal-chip", "--set", "isaac:tiles=3")
    found = printed(*words)
    fits = {(row["workload"], row["machine"]): row["fits"] for row in found["rows"]}
    assert [pair for pair, fit in fits.items() if not fit] == [("digits-cnn", "isaac")]
    row = found["rows"][2]
    assert row["reason"].startswith("chips=1 has 3 tiles, but one copy of each layer of digits-cnn takes 4")
    assert {row[name] for name in COMPARED} == {row["chips"], row["fingerprint"]} == {None}
    assert set(found["rows"][3]["ratios"].values()) == {None}  # there is nothing to compare with
    assert [mean["workloads"] for mean in found["geometric_means"]] == [["digits-mlp"]] * 2
    text = command(*words).stdout
    assert "does not fit" in text
    assert "isaac: chips=1 has 3 tiles" in text
    assert "1 of 2" in text


class Renamed(Isaac):
    """A user's own machine."""


@pytest.mark.parametrize("cls", [Isaac, Renamed])
def test_a_machine_made_in_python_has_one_chip_in_equal_chip(cls: type[Isaac]) -> None:
    config = IsaacConfig(tiles=2, chips=3)
    several = imcsim.compare(["digits-cnn"], [cls(config, "mine")])
    assert several.row("digits-cnn", "mine").figures.chips == 3  # type: ignore[union-attr]
    single = imcsim.compare(["digits-cnn"], [cls(config, "mine")], mode="equal-chip")
    assert single.row("digits-cnn", "mine").reason is not None


def test_layers_that_a_machine_does_not_compute_are_a_row_too() -> None:
    layers = [
        Input(name="x", shape=(4, 6, 6)),
        LocalResponseNorm(name="norm", size=3),
        Linear(name="fc", out_features=2),
    ]
    c = imcsim.compare([Network("normed", layers), "digits-mlp"], ["isaac", "dataflow"])
    assert [row.figures is None for row in c.rows] == [True, True, False, False]
    assert "local response norms (norm)" in str(c.rows[0].reason)


def test_json_has_the_published_schema_and_every_key(tmp_path: Path) -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    for mode in MODES:
        found = printed(
            "compare", "digits-mlp", "digits-cnn", *BOTH, "--mode", mode, "--set", "isaac:tiles=3"
        )
        jsonschema.validate(found, schema)
    assert schema["properties"]["rows"]["items"]["required"][-1] == "ratios"


def test_files_hold_what_is_printed(tmp_path: Path) -> None:
    out = tmp_path / "new" / "folder"
    words = ("compare", "digits-mlp", "digits-cnn", *BOTH, "--out", out)
    found = printed(*words)
    assert {path.name for path in out.iterdir()} == {"comparison.json", "comparison.csv", "comparison.png"}
    assert json.loads((out / "comparison.json").read_text()) == found
    rows = list(csv.DictReader((out / "comparison.csv").read_text().splitlines()))
    assert [(row["workload"], row["machine"]) for row in rows] == [
        (row["workload"], row["machine"]) for row in found["rows"]
    ]
    for row, full in zip(rows, found["rows"], strict=True):
        assert float(row["energy_j"]) == full["energy_j"]
        assert float(row["x_energy_j"]) == full["ratios"]["energy_j"]
    assert imread(out / "comparison.png").shape[2] == 4
    assert command(*words[:2], *BOTH, "--out", out).exit_code == 0  # an earlier comparison is replaced
    assert json.loads((out / "comparison.json").read_text())["workloads"] == ["digits-mlp"]


def test_nothing_is_left_of_what_goes_wrong(tmp_path: Path) -> None:
    out = tmp_path / "new"

    def stop(what: str, progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        imcsim.compare(["digits-cnn"], ["dataflow"], out=out, observe=stop, images=2000)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "notes.txt").write_text("mine")
    assert "holds 'notes.txt' but no earlier result" in refusal(
        "compare", "digits-mlp", *BOTH, "--out", tmp_path
    )


def test_the_same_comparison_is_the_same() -> None:
    words = ("compare", "digits-mlp", *BOTH)
    assert command(*words, "--json").stdout == command(*words, "--json").stdout


def test_tables_fit_80_columns_however_many_machines_there_are() -> None:
    arch = "isaac,dataflow,dataflow-64core,dataflow-unit,dataflow-512"
    result = command("compare", "digits-mlp", "--arch", arch)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if "…" in line]
    heads = [line.split() for line in lines if line.split()[:1] == ["isaac"]]
    assert heads[: len(heads) // 2] == [
        ["isaac", "dataflow"],
        ["isaac", "dataflow-64core"],
        ["isaac", "dataflow-unit", "dataflow-512"],
    ]


def test_machines_take_their_own_settings_and_files(tmp_path: Path) -> None:
    file = tmp_path / "half.yaml"
    file.write_text("extends: isaac\ntiles: 84\n")
    c = imcsim.compare(["digits-mlp"], ["isaac", file], settings={"half": [("hypertransport.watts", 0.0)]})
    assert c.machines == ("isaac", "half")
    ratios = c.ratios(c.row("digits-mlp", "half"))
    assert ratios["tops"] == 1
    assert 0.5 < ratios["area_mm2"] < 0.7  # type: ignore[operator]
    assert ratios["power_w"] < 0.1  # type: ignore[operator]


def test_arch_may_be_given_again_and_again() -> None:
    once = printed("compare", "digits-mlp", "--arch", "isaac,dataflow,pipelayer")
    assert printed("compare", "digits-mlp", "--arch", "isaac", "--arch", "dataflow, pipelayer") == once
    assert once["machines"] == ["isaac", "dataflow", "pipelayer"]


REWRITTEN = ["crossbars=1", "write.pulses=2"]


@pytest.mark.parametrize(("asked", "ran"), [(1, 16), (2, 32), (16, 32), (33, 48)])
def test_batches_are_whole_however_many_images_are_asked_for(asked: int, ran: int) -> None:
    batched = [*REWRITTEN, "batch=16"]
    words = [word for setting in batched for word in ("--set", f"reprogrammed:{setting}")]
    args = ("compare", "digits-mlp", "--arch", "isaac,reprogrammed", *words, "--images", str(asked))
    found = printed(*args)
    assert [row["images"] for row in found["rows"]] == [asked, ran]
    s = run_of("digits-mlp", "reprogrammed", ran, batched)
    row = found["rows"][1]
    assert row["fingerprint"] == s["fingerprint"]
    assert row["energy_j"] == pytest.approx(s["energy_j"]["total"] / ran)
    assert row["interval_cycles"] == pytest.approx(row["time_s"] * row["clock_hz"])
    head = command(*args).stdout
    assert f"reprogrammed in whole batches: {ran} images a run" in head
    assert "isaac in whole" not in head


def test_writing_is_shared_by_the_images_of_a_batch_at_each_value_of_it() -> None:
    found = imcsim.compare(
        ["digits-mlp"], ["reprogrammed"], settings={"reprogrammed": REWRITTEN}, over="batch=1,4,24,64"
    )
    assert [row.images for row in found.rows] == [2, 8, 48, 128]
    of_one = run_of("digits-mlp", "reprogrammed", 1, REWRITTEN)
    write = of_one["programming"]["cycles"]
    for row in found.rows:
        assert row.figures is not None
        assert row.over_value is not None
        shared = of_one["cycles"] - write + write / int(str(row.over_value))
        assert row.figures.interval_cycles == pytest.approx(shared, rel=1e-3)


TRAINED = ("--arch", "pipelayer", "--set", "pipelayer:mode=training")


def test_machines_that_train_are_compared_with_one_another(tmp_path: Path) -> None:
    file = tmp_path / "small.yaml"
    file.write_text("extends: pipelayer\nmode: training\ntraining: {batch: 2}\n")
    words = ("compare", "digits-mlp", "--arch", file, *TRAINED, "--images", "4")
    found = printed(*words)
    jsonschema.validate(found, json.loads(SCHEMA.read_text()))
    assert found["training"] is True
    assert [row["machine"] for row in found["rows"]] == ["small", "pipelayer"]
    settings = {"small": ["training.batch=2"], "pipelayer": []}
    for row in found["rows"]:
        s = run_of("digits-mlp", "pipelayer", 4, ["mode=training", *settings[row["machine"]]])
        same = ("throughput_per_s", "tops", "cycles", "fingerprint")
        assert {name: row[name] for name in same} == {name: s[name] for name in same}
    text = command(*words).stdout
    assert "training on 4 images a run, values off" in text
    assert printed("compare", "digits-mlp", "--arch", "pipelayer")["training"] is False


def test_with_values_all_that_was_trained_equals_the_reference() -> None:
    found = printed("compare", "digits-mlp", *TRAINED, "--values", "ideal")
    s = imcsim.run("digits-mlp", "pipelayer", images=2, settings=["mode=training"], record=False).summary
    assert found["rows"][0]["fingerprint"] == s["fingerprint"]


def test_a_network_that_cannot_be_trained_is_a_row_that_says_so() -> None:
    for values in ("off", "ideal"):
        found = printed("compare", "digits-mlp", "digits-cnn", "resnet18", *TRAINED, "--values", values)
        assert [row["fits"] for row in found["rows"]] == [True, False, False]
        assert found["rows"][1]["reason"].startswith("digits-cnn.conv1-norm is a BatchNorm")


@pytest.fixture
def no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every run fail as soon as it begins."""

    def begun(*request: object) -> None:
        raise AssertionError("a run was begun")

    monkeypatch.setattr("imcsim.comparison.simulate_request", begun)


@pytest.mark.usefixtures("no_run")
@pytest.mark.parametrize("mode", ["per-network", "equal-chip"])
def test_training_is_not_compared_with_inference(tmp_path: Path, mode: str) -> None:
    file = tmp_path / "trainer.yaml"
    file.write_text("extends: pipelayer\nmode: training\n")
    words = ("compare", "digits-mlp", "--arch", f"isaac,{file},pipelayer", "--mode", mode)
    assert refusal(*words) == (
        "machines must all train, or all infer, as an image is other work in each, but trainer trains where "
        "isaac and pipelayer infer; leave out some, or set the mode of trainer"
    )


@pytest.mark.usefixtures("no_run")
@pytest.mark.parametrize(
    ("workloads", "options", "message"),
    [
        (["digits-mlp"], {"values": "device"}, "values must be ideal or off where pipelayer trains"),
        (["digits-mlp", "mnist-mlp"], {"values": "ideal"}, "mnist-mlp brings none"),
        (["digits-mlp"], {"values": "ideal", "images": 1438}, "digits-train holds 1437 images"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_before_the_first_run(
    workloads: list[str], options: dict[str, Any], message: str
) -> None:
    settings = {"pipelayer": ["mode=training"]}
    with pytest.raises(SimError, match=message):
        imcsim.compare(workloads, ["pipelayer"], settings=settings, **options)


@pytest.mark.usefixtures("no_run")
def test_what_values_cannot_be_computed_on_is_refused_before_the_first_run() -> None:
    with pytest.raises(SimError, match="digits holds 360 images, got --images 361"):
        imcsim.compare(["mnist-mlp", "digits-mlp"], ["pipelayer"], values="ideal", images=361)
    bare = Network("bare", [Input(name="x", shape=(4, 1, 1)), Linear(name="fc", out_features=2)])
    with pytest.raises(SimError, match="bare is structure only"):
        imcsim.compare(["digits-mlp", bare], ["pipelayer"], values="ideal")


def test_a_comparison_of_hand_made_rows_has_no_ratio_to_nothing() -> None:
    c = Comparison("per-network", 1, "off", ("w",), ("a",), (Row("w", "a", reason="too large"),))
    assert set(c.ratios(c.rows[0]).values()) == {None}
    assert set(c.geometric_mean("a").values()) == {None}


COMPARE = ("compare", "digits-mlp", *BOTH)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["compare", "digits-mpl", *BOTH], "no workload is called 'digits-mpl'; did you mean 'digits-mlp'?"),
        (
            ["compare", "digits-mlp", "--arch", "isaac,datflow"],
            "no machine is called 'datflow'; did you mean 'dataflow'?",
        ),
        (
            ["compare", "digits-mlp", "--arch", "isaac,isaac"],
            "machine 'isaac' is given twice; leave one out, or give it another name",
        ),
        (
            [*COMPARE, "--arch", "isaac"],
            "machine 'isaac' is given twice; leave one out, or give it another name",
        ),
        (
            ["compare", "digits-mlp", "digits-mlp", *BOTH],
            "workload 'digits-mlp' is given twice; leave one out, or give it another name",
        ),
        (["compare", "run/config.yaml", *BOTH], "run/config.yaml is of a run; name the workload"),
        ([*COMPARE, "--mode", "equal-chp"], "there is no mode 'equal-chp'; did you mean 'equal-chip'?"),
        ([*COMPARE, "--images", "0"], "images must be >= 1 image, got 0"),
        ([*COMPARE, "--values", "of"], "values must be one of 'ideal', 'device', 'off', got 'of'"),
        (
            [*COMPARE, "--set", "tile.bus_bits=64"],
            "--set must be MACHINE:path=value, as in isaac:tile.bus_bits=64, got 'tile.bus_bits=64'",
        ),
        (
            [*COMPARE, "--set", "core.memory=a:b"],
            "--set must be MACHINE:path=value, as in isaac:tile.bus_bits=64, got 'core.memory=a:b'",
        ),
        (
            [*COMPARE, "--set", "isac:tile.bus_bits=64"],
            "--set isac: is for no machine of these; did you mean 'isaac'?",
        ),
        (
            [*COMPARE, "--set", "isaac:tile.bus_bitz=64"],
            "--set isaac:tile.bus_bitz - is unknown: tile has no 'bus_bitz'; did you mean 'bus_bits'?",
        ),
        (
            [*COMPARE, "--mode", "equal-chip", "--set", "isaac:chips=3"],
            "--set isaac:chips - is 1 in mode equal-chip; leave it out, or choose another mode",
        ),
        (["compare", *BOTH], "Missing argument 'WORKLOAD...'; see 'imcsim compare --help'"),
        (["compare", "digits-mlp"], "Missing option '--arch'; see 'imcsim compare --help'"),
    ],
)
def test_wrong_input_is_one_line_with_a_next_step(args: list[str], message: str) -> None:
    assert refusal(*args).startswith(message)


def test_python_needs_something_to_compare() -> None:
    with pytest.raises(ConfigError, match="no workload is given; name at least one"):
        imcsim.compare([], ["isaac"])
    with pytest.raises(ConfigError, match="no machine is given; name at least one"):
        imcsim.compare(["digits-mlp"], [])
