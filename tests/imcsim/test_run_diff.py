"""Two runs side by side: what was asked otherwise is named, and every table sums to what it splits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import fsum
from pathlib import Path

import pytest

import imcsim
from imcsim.diff_report import relative
from imcsim.run_diff import Change, RunDiff, Setting, SplitChange
from simcore.errors import FileError, SimError
from tests.imcsim.command_bench import command, printed, refusal
from traces.divergence import Divergence, Event

CNN = ("digits-cnn", "dataflow")


@pytest.fixture(scope="module")
def plain() -> imcsim.Run:
    return imcsim.run(*CNN, images=2, values="off")


@pytest.fixture(scope="module")
def quicker() -> imcsim.Run:
    return imcsim.run(*CNN, images=2, values="off", settings=["core.crossbar.mvm_cycles=100"])


def total(changes: Sequence[Change | SplitChange]) -> tuple[float, float, float]:
    return (
        sum(change.a for change in changes),
        sum(change.b for change in changes),
        sum(change.difference for change in changes),
    )


def check_sums(found: RunDiff) -> None:
    """Check that all tables are exact splits of what both runs took."""
    cycles = found.cycles
    assert (cycles.makespan.a, cycles.makespan.b) == (found.a.cycles, found.b.cycles)
    whole = cycles.unit_cycles
    assert (whole.a, whole.b) == (found.a.units * found.a.cycles, found.b.units * found.b.cycles)
    for table in (cycles.by_cause, cycles.by_layer, cycles.by_unit):
        assert total(table) == pytest.approx((whole.a, whole.b, whole.b - whole.a), abs=1e-6)
    for split in (*cycles.by_layer, *cycles.by_unit):
        assert split.difference == pytest.approx(split.b - split.a, abs=1e-9)
        assert sum(split.by_state.values()) == pytest.approx(split.difference, abs=1e-6)
    for parts in (found.energy.by_component, found.energy.by_layer):
        assert fsum(part.a for part in parts) == pytest.approx(found.energy.total.a, rel=1e-12)
        assert fsum(part.b for part in parts) == pytest.approx(found.energy.total.b, rel=1e-12)
    if found.critical_path is not None:
        path = found.critical_path
        for held in (path.by_unit, path.by_layer, path.by_family, path.by_state):
            assert total(held) == pytest.approx(
                (cycles.makespan.a, cycles.makespan.b, cycles.makespan.difference)
            )


def test_a_parameter_is_named_with_the_first_event_and_the_cycles_by_cause(
    plain: imcsim.Run, quicker: imcsim.Run
) -> None:
    found = imcsim.diff(plain, quicker)
    assert found.settings == (Setting("core.crossbar.mvm_cycles", "machine", 130, 100),)
    first = plain.recorded.units.index("core[conv1].crossbar[0,0]")
    start = next(
        int(start)
        for unit, state, start in zip(
            plain.recorded.unit, plain.recorded.state, plain.recorded.start, strict=True
        )
        if unit == first and plain.recorded.states[state] == "busy:mvm"
    )
    assert found.divergence == Divergence(
        start + 100,
        "core[conv1].crossbar[0,0]",
        Event("busy:mvm", start, 130),
        Event("busy:mvm", start, 100),
    )
    assert not found.equal
    assert (found.same_fingerprint, found.same_history) == (False, False)
    products = next(change for change in found.cycles.by_cause if change.name == "busy:mvm")
    assert products == Change("busy:mvm", products.a, products.a * 100 // 130, -products.a * 30 // 130)
    assert found.cycles.by_cause[0] == products
    path = found.critical_path
    assert path is not None
    assert path.by_state[0].name == "busy:mvm"
    assert path.by_state[0].difference <= found.cycles.makespan.difference / 2  # most of what was gained
    check_sums(found)
    back = imcsim.diff(quicker, plain)
    assert back.cycles.makespan.difference == -found.cycles.makespan.difference
    check_sums(back)


@pytest.mark.parametrize("arch", ["dataflow", "isaac", "reprogrammed"])
def test_a_run_on_both_engines_in_any_order_of_processes_is_one_run(arch: str) -> None:
    lean, stock = (
        imcsim.run("digits-cnn", arch, engine=engine, shuffle=shuffle)
        for engine, shuffle in (("lean", None), ("stock", 7))
    )
    found = imcsim.diff(lean, stock)
    assert found.equal
    assert (found.same_fingerprint, found.same_history, found.divergence) == (True, True, None)
    assert found.settings == (Setting("engine", "run", "lean", "stock"),)
    assert not any(change.difference for change in found.cycles.by_cause)
    check_sums(found)


def test_other_networks_other_machines_and_other_clocks_are_told_apart(plain: imcsim.Run) -> None:
    other = imcsim.run("digits-mlp", "isaac", values="off")
    found = imcsim.diff(plain, other)
    asked = {setting.path: (setting.a, setting.b) for setting in found.settings}
    assert asked["workload"] == ("digits-cnn", "digits-mlp")
    assert asked["machine.extends"] == ("dataflow", "isaac")
    assert asked["images"] == (2, 1)
    assert "core[conv1].memory" in found.units_only_in_a
    assert all(
        path.startswith(("layer", "chips", "mesh", "sink", "source")) for path in found.units_only_in_b
    )
    assert any("the clocks differ" in what for what in found.untold)
    check_sums(found)


def test_what_was_not_recorded_cannot_be_told(plain: imcsim.Run) -> None:
    silent = imcsim.run(*CNN, images=2, values="off", record=False)
    found = imcsim.diff(plain, silent)
    assert found.equal
    assert (found.same_history, found.divergence, found.critical_path) == (None, None, None)
    (untold,) = found.untold
    assert "nothing was recorded of B; run it anew with --out DIR" in untold
    check_sums(found)
    both = imcsim.diff(silent, silent)
    assert "nothing was recorded of A and B; run both anew with --out DIR" in both.untold[0]


def test_a_run_that_wrote_a_trace_is_to_be_run_without_one(plain: imcsim.Run, tmp_path: Path) -> None:
    traced = imcsim.run(*CNN, images=2, values="off", trace=tmp_path / "run.parquet")
    silent = imcsim.run(*CNN, images=2, values="off", record=False)
    assert "recorded of A; run it anew without --trace" in imcsim.diff(traced, plain).untold[0]
    (untold,) = imcsim.diff(traced, silent).untold
    assert "run A anew without --trace" in untold
    assert "and B anew with --out DIR" in untold


@pytest.mark.parametrize(
    ("ratio", "told"),
    [(0.5, "-50.0%"), (1.25, "+25.0%"), (2.99, "+199.0%"), (3.0, "x 3.0"), (1840.9, "x 1,841")],
)
def test_what_has_become_many_times_as_much_is_told_as_a_multiple(ratio: float, told: str) -> None:
    assert relative(ratio) == told


def test_memories_and_figures_stand_side_by_side(plain: imcsim.Run) -> None:
    slower = imcsim.run(*CNN, images=2, values="off", settings=["core.crossbar.mvm_cycles=500"])
    found = imcsim.diff(plain, slower)
    for change in found.buffers:
        assert change.a == max(b.held.max() for b in plain.recorded.buffers if b.path == change.name)
        assert change.b == max(b.held.max() for b in slower.recorded.buffers if b.path == change.name)
    assert any(change.difference for change in found.buffers)
    figures = {figure.name: (figure.a, figure.b) for figure in found.figures}
    assert figures["latency_s.mean"] == tuple(r.summary["latency_s"]["mean"] for r in (plain, slower))
    assert "accuracy" not in figures  # no values


def test_the_command_tells_people_and_programs(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    run = ("run", "digits-mlp", "--arch", "dataflow", "--values", "off")
    printed(*run, "--out", a)
    printed(*run, "--out", b, "--set", "core.digital.pass_cycles=9")
    found = printed("diff", a, b)
    assert found["schema"] == "imcsim.diff/1"
    assert found == json.loads(json.dumps(imcsim.diff(a, b).summary))
    told = command("diff", a, b)
    assert told.exit_code == 0
    for text in ("core.digital.pass_cycles: 1 -> 9", "they part", "busy:finish", "of all units, by cause"):
        assert text in told.stdout
    assert max(map(len, told.stdout.splitlines())) <= 80
    same = command("diff", a, a)
    assert same.exit_code == 0
    assert "digits-mlp on dataflow: equal, event by event" in same.stdout
    assert "the same of both" in same.stdout


def test_what_is_no_run_is_refused(tmp_path: Path, plain: imcsim.Run) -> None:
    plain.save(tmp_path / "run")
    assert "it is no directory" in refusal("diff", tmp_path / "run", tmp_path / "none")
    with pytest.raises(FileError, match="is no run's directory"):
        imcsim.diff(tmp_path, plain)
    with pytest.raises(SimError, match="diff: b must be a run or its directory, got 3"):
        imcsim.diff(plain, 3)  # type: ignore[arg-type]
