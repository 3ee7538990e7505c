"""Published figures beside simulated ones: what holds, what gates, and how a failure is told."""

import json
from collections.abc import Iterator
from typing import get_args

import pytest

import imcsim
from imcsim.rapidnn_gains import APPLICATIONS, SPEEDS, published_gains, summary_of
from imcsim.targets import Kind, Target, UpperBound
from imcsim.validation import validate, validations
from tests.imcsim.command_bench import command, refusal


def test_the_dataflow_machine_equals_its_worked_example_and_all_totals() -> None:
    targets = validate("dataflow")
    assert [t.id for t in targets if t.gates and not t.holds] == []
    ids = {t.id for t in targets}
    assert {"A1.core.tops", "A1.64core.tops_per_w", "A1.64core-4phase.tops"} <= ids
    assert {"A7.resnet32-ibm.256-steps", "A7.vgg16.4260-cores"} <= ids
    assert {"A8.min-k.resnet32-ibm", "A8.mesh.byte-hops", "A8.b5.streams"} <= ids
    assert {"A9.first-fire.c0", "A9.4,1,1;4.interval.3", "C.resnet50.macs", "C.vgg16.tiles256"} <= ids
    assert len(ids) == len(targets)
    assert {t.id.partition(".")[0] for t in targets if t.kind != "exact"} == {"A1", "A10"}
    assert {t.kind for t in targets if t.id.startswith("A10.")} == {"report"}
    assert {t.tolerance for t in targets if t.id.startswith("A1.64core")} == {0.02}


def test_isaac_equals_its_table_and_its_operation_and_explains_what_others_quote() -> None:
    targets = validate("isaac")
    assert [t.id for t in targets if t.gates and not t.holds] == []
    rows = {kind: {t.id.partition(".")[0] for t in targets if t.kind == kind} for kind in get_args(Kind)}
    assert rows == {
        "exact": {"I1", "I2", "I3", "I5", "I8", "I9", "I13"},
        "band": {"I4", "I6", "I7"},
        "trend": {"I9", "I10", "I11"},
        "report": {"I4", "I12", "I14"},
    }
    assert all(t.holds for t in targets if t.kind == "trend")
    quoted = next(t for t in targets if t.id == "I4.PE-quoted")
    assert (quoted.published, quoted.kind) == (380.7, "report")
    assert "627.5" in quoted.what


def test_pipelayer_equals_its_worked_example_and_its_formulas_and_reaches_its_peak() -> None:
    targets = {t.id: t for t in validate("pipelayer")}
    assert [t.id for t in targets.values() if t.gates and not t.holds] == []
    rows = {
        kind: {id.partition(".")[0] for id, t in targets.items() if t.kind == kind} for kind in get_args(Kind)
    }
    assert rows == {
        "exact": {"P2", "P3", "P4"},
        "band": {"P1"},
        "trend": {"P7", "P8"},
        "report": {"P1", "P5", "P6"},
    }
    assert all(t.holds for t in targets.values() if t.kind == "trend")
    assert [id for id, t in targets.items() if t.kind == "band"] == ["P1.CE"]
    assert "derived from it" in targets["P1.CE"].what
    assert targets["P4.test.L16N13"].published == 13 + 16 - 1
    assert targets["P4.test-alone.L16N13"].published == 13 * 16
    assert targets["P4.train.L3N640B32"].published == 20 * (2 * 3 + 32 + 1)
    assert targets["P4.train-alone.L3N640B32"].published == (2 * 3 + 1) * 640 + 20
    assert [targets[f"P4.held.l{level}"].published for level in range(1, 6)] == [9, 7, 5, 3, 1]


def test_rapidnn_adds_and_counts_as_recalled_and_reports_peaks_and_gains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("imcsim.rapidnn_targets.APPLICATIONS", ("mnist-mlp", "digits-cnn"))
    targets = validate("rapidnn")
    assert [t.id for t in targets if t.gates and not t.holds] == []
    rows = {kind: {t.id.partition(".")[0] for t in targets if t.kind == kind} for kind in get_args(Kind)}
    assert rows == {
        "exact": {"R6", "R9", "S1"},
        "band": {"R3", "R9"},
        "trend": {"R5", "R11"},
        "report": {"R1", "R2", "R7", "R8", "R12"},
    }
    assert all(t.holds for t in targets if t.kind == "trend")
    assert len({t.id for t in targets}) == len(targets)
    # accuracy falls with the codes, on every network
    fewer = {t.id: t.simulated for t in targets if t.id.startswith("R12.")}
    names = ("digits-mlp", "digits-cnn", "digits-resnet")
    assert all(fewer[f"R12.{name}.4"] < fewer[f"R12.{name}.16"] for name in names)


def held(targets: list[Target]) -> dict[str, Target]:
    """Return targets by id, once all gates hold and no id is there twice."""
    assert [t.id for t in targets if t.gates and not t.holds] == []
    assert len({t.id for t in targets}) == len(targets)
    return {t.id: t for t in targets}


def test_basisn_counts_and_takes_what_is_derived_and_reports_the_published_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("imcsim.basisn_targets.RUN", ("resnet34-cifar100",))
    targets = held(validate("basisn"))
    assert {t.kind for id, t in targets.items() if id.startswith("B3.")} == {"exact"}
    assert {t.kind for id, t in targets.items() if id.startswith("D18.")} == {"report"}
    for figure, published in (
        ("tiles", 1349),
        ("kernel-slices", 170_528),
        ("pixel-slices", 223_836),
        ("slots-dense", 30.01),
        ("slots-16", 3.751),
        ("slots-8", 1.876),
        ("slots-4", 0.938),
        ("store", 1.88),
    ):
        assert targets[f"B3.resnet34-128.{figure}"].published == published
    assert targets["B3.cycles.densenet121-8.combine"].simulated == 6_115_040
    assert targets["B3.run.resnet34-cifar100-64.combine"].simulated == 293_088
    # time that writing takes decides, and whether vectors are packed
    bound = {id.removeprefix("D18."): t for id, t in targets.items() if id.startswith("D18.")}
    assert bound["cycles.resnet34-cifar100.packed"].holds
    assert not bound["cycles.resnet34-cifar100.row"].holds
    assert (
        bound["cycles.resnet34-cifar100.random"].simulated
        > bound["cycles.resnet34-cifar100.packed"].simulated
    )


@pytest.mark.slow
def test_basisn_takes_what_is_derived_in_runs_of_all_networks() -> None:
    targets = held(validate("basisn"))
    assert targets["B3.run.resnet34-64.combine"].simulated == 949_984
    assert targets["B3.run.densenet121-64.compute"].simulated == 672_680
    assert targets["B3.run.densenet121-cifar100-64.rounds"].simulated == 14
    # on ImageNet the bound holds for cycles, and not for their product with energy
    for name in ("resnet34", "densenet121"):
        assert targets[f"D18.cycles.{name}.packed"].holds
        assert not targets[f"D18.edp.{name}.packed"].holds


def test_what_is_below_an_upper_bound_is_no_error() -> None:
    below, above = (UpperBound("X", "below", 0.01, found, "report", "planted") for found in (0.002, 0.03))
    assert (below.error, below.holds) == (0, True)
    assert above.error == pytest.approx(2)
    assert not above.holds


def test_gains_are_lines_of_the_comparison() -> None:
    applications = ("mnist-mlp", "har-mlp", "digits-cnn")
    gains = {t.id: t for t in published_gains({name: summary_of(name, "rapidnn") for name in applications})}
    compared = imcsim.compare(applications, ["rapidnn", "isaac", "pipelayer"])
    for id, rival in (("R1", "isaac"), ("R2", "pipelayer")):
        rivals = compared.geometric_mean(rival)
        lines = {name: rivals[name] for name in ("time_s", "latency_s", "energy_j", "tops_per_mm2")}
        assert None not in lines.values()
        assert gains[f"{id}.throughput"].simulated == pytest.approx(lines["time_s"])
        assert gains[f"{id}.chip"].simulated == pytest.approx(lines["time_s"])  # one chip is enough for each
        assert gains[f"{id}.latency"].simulated == pytest.approx(lines["latency_s"])
        assert 1 / gains[f"{id}.area"].simulated == pytest.approx(lines["tops_per_mm2"])
        assert gains[f"{id}.power"].simulated == pytest.approx(lines["energy_j"])
        assert gains[f"{id}.energy"].simulated == pytest.approx(lines["energy_j"])
    assert {gains["R1.chip"].published, gains["R1.energy"].published} == {48.1, 68.4}
    assert {gains["R2.chip"].published, gains["R2.energy"].published} == {10.9, 49.5}
    assert {t.kind for t in gains.values()} == {"report"}


def test_gains_of_rapidnn_are_in_no_reading_those_that_are_published() -> None:
    small = [name for name in APPLICATIONS if name != "vgg16"]
    gains = {
        t.id: t.simulated for t in published_gains({name: summary_of(name, "rapidnn") for name in small})
    }
    for id, published in (("R1", 48.1), ("R2", 10.9)):
        speeds = {reading: gains[f"{id}.{reading}"] for reading in SPEEDS}
        assert max(speeds, key=speeds.__getitem__) == "power"
        assert all(speed < published for speed in speeds.values())


def test_many_figures_within_their_bands_are_one_row() -> None:
    @validations.register("many")
    def targets() -> Iterator[Target]:
        for number in range(12):
            yield Target(f"X.{number}", "near", 100.0, 100.0 + number / 10, "band", "planted", 0.05)

    try:
        shown = command("validate", "many").stdout
    finally:
        del validations._entries["many"]
    assert "12 figures" in shown
    assert "at most 1.10%" in shown


@pytest.fixture
def planted() -> Iterator[None]:
    @validations.register("planted")
    def targets() -> Iterator[Target]:
        yield Target("X1", "off by a tenth", 10, 11, "exact", "planted")
        yield Target("X2", "within its band", 100.0, 104.0, "band", "planted", 0.05)
        yield Target("X3", "far off, but only reported", 1.0, 9.0, "report", "planted", 0.1)

    yield
    del validations._entries["planted"]


@pytest.mark.usefixtures("planted")
def test_only_gating_targets_fail_a_validation_and_all_are_shown() -> None:
    done = command("validate", "planted")
    assert done.exit_code == 3
    assert "X1  " in done.stdout
    assert "NO" in done.stdout
    assert "+800.00%" in done.stdout
    error, told = done.stderr.splitlines()
    assert error == "error: validation of planted failed: 1 of 3 targets do not hold"
    assert told == "  X1: published 10, simulated 11 (off by a tenth)"


@pytest.mark.usefixtures("planted")
def test_the_json_form_has_every_key_of_every_target() -> None:
    report = json.loads(command("validate", "planted", "--json").stdout)
    assert report["machine"] == "planted"
    keys = {"id", "what", "published", "simulated", "error", "tolerance", "kind", "provenance", "holds"}
    assert [set(target) for target in report["targets"]] == [keys] * 3
    assert report["targets"][1] == {
        "id": "X2",
        "what": "within its band",
        "published": 100.0,
        "simulated": 104.0,
        "error": pytest.approx(0.04),
        "tolerance": 0.05,
        "kind": "band",
        "provenance": "planted",
        "holds": True,
    }


def test_an_unknown_machine_is_refused_with_the_nearest_name() -> None:
    assert refusal("validate", "datafow") == "no validation is called 'datafow'; did you mean 'dataflow'?"
