"""Machines that write cells while they run, from the command: what a summary, a map and a report tell."""

from __future__ import annotations

from pathlib import Path

import pytest

import imcsim
from imcsim.comparison_figures import figures_of
from imcsim.metrics import energy_of_stream
from tests.imcsim.command_bench import command, printed, refusal

RESNET = ("run", "digits-resnet", "--arch", "reprogrammed", "--set", "crossbars=4")

#: Crossbars of 128 x 128 cells that take 8.5 pulses of 50 cycles, each with a read of 10.
CELLS, WRITE = 128 * 128, 128 * 128 * 510


def test_a_summary_tells_what_writing_took() -> None:
    """Twelve tiles are three sets of four; 10^7 writes last for as many thirds of images."""
    s = printed(*RESNET, "--images", "2", "--values", "off")
    assert s["programming"] == {
        "cycles": 2 * 3 * WRITE,
        "sets": 3,
        "rounds": 6,
        "batch": 1,
        "cells": 2 * 12 * CELLS,
        "pulses": 2 * 12 * CELLS * 17 // 2,
        "failed": 0,
        "most_writes": 6,
        "images_until_worn": 10_000_000 // 3,
        "energy_j": s["energy_j"]["by_component"]["programming"],
    }
    pulse_j = 5e-12 + 0.30e-3 * 100e-9 / CELLS
    assert s["programming"]["energy_j"] == pytest.approx(s["programming"]["pulses"] * pulse_j)
    assert s["programming_j"] is None
    assert s["power_w"]["static"] == 0
    assert s["energy_j"]["by_layer"]["fc"] > 0


def test_an_interval_is_that_of_batches_over_their_images() -> None:
    s = printed(*RESNET, "--images", "6", "--values", "off", "--set", "batch=3")
    alone = printed(*RESNET, "--images", "3", "--values", "off", "--set", "batch=3")
    assert s["cycles"] == 2 * alone["cycles"]
    assert s["initiation_interval_cycles"] == alone["cycles"] / 3
    assert alone["initiation_interval_cycles"] is None
    assert alone["throughput_per_s"] == s["throughput_per_s"] == pytest.approx(3e9 / alone["cycles"])
    assert s["latency_s"]["max"] == pytest.approx(alone["cycles"] * 1e-9)


def test_where_the_last_batch_is_smaller_an_image_is_one_of_a_whole_batch() -> None:
    """Batches of 3 and 2 images behind whole ones; a run of one batch has the time of all over its images."""
    batches_of_3 = (*RESNET, "--values", "off", "--set", "batch=3", "--images")
    whole = printed(*batches_of_3, "6")
    for images in (7, 8):
        s = printed(*batches_of_3, str(images))
        assert s["initiation_interval_cycles"] == whole["initiation_interval_cycles"]
        assert s["throughput_per_s"] == whole["throughput_per_s"]
        assert energy_of_stream(s) == pytest.approx(energy_of_stream(whole), rel=1e-12)
    for images in (1, 2, 3, 5):  # no two whole batches
        s = printed(*batches_of_3, str(images))
        assert s["initiation_interval_cycles"] is None
        assert energy_of_stream(s) == pytest.approx(s["energy_j"]["total"] / images, rel=1e-12)
        found = figures_of(s)
        assert found.interval_cycles == pytest.approx(s["cycles"] / images)
        assert found.time_s == pytest.approx(s["time_s"] / images)


def test_multiples_of_a_network_that_fits_depend_on_neither_images_nor_batch() -> None:
    """What either machine holds is written before the run, so that the two are alike."""

    def multiples(*settings: str, images: int) -> dict[str, float | None]:
        of = {"reprogrammed": settings}
        found = imcsim.compare(["digits-cnn"], ["basisn", "reprogrammed"], images=images, settings=of)
        return found.ratios(found.row("digits-cnn", "reprogrammed"))

    expected = multiples(images=2)
    assert multiples(images=16) == pytest.approx(expected)
    for batch in (2, 16, 1000):
        assert multiples(f"batch={batch}", images=16) == pytest.approx(expected)


def test_the_seed_decides_on_pulses_that_are_drawn_and_on_nothing_else(tmp_path: Path) -> None:
    drawn = (*RESNET, "--set", "write.spread=geometric", "--set", "write.parallel=row", "--values", "off")
    first, again, other = (printed(*drawn, "--seed", seed) for seed in ("1", "1", "2"))
    assert (
        first["fingerprint"]
        == again["fingerprint"]
        == printed(*drawn, "--seed", "1", "--engine", "stock")["fingerprint"]
    )
    assert first["programming"]["pulses"] != other["programming"]["pulses"]
    assert first["programming"]["cells"] == other["programming"]["cells"]
    fixed = [printed(*RESNET, "--values", "off", "--seed", seed)["cycles"] for seed in ("1", "2")]
    assert fixed[0] == fixed[1]
    run = imcsim.run(
        "digits-resnet", "reprogrammed", settings=["crossbars=4"], values="off", out=tmp_path / "run"
    )
    assert imcsim.run(tmp_path / "run" / "config.yaml").summary["fingerprint"] == run.summary["fingerprint"]


def test_programming_is_a_state_of_its_own_in_units_and_activity() -> None:
    run = imcsim.run("digits-resnet", "reprogrammed", settings=["crossbars=4"], values="off")
    (crossbars,) = (unit for unit in run.units if unit.path == "crossbars")
    assert crossbars.cycles["programming:write"] == 3 * WRITE
    activity = run.recorded
    written = activity.state == activity.states.index("programming:write")
    assert activity.duration[written].tolist() == [WRITE] * 3


def test_words_of_run_and_map() -> None:
    shown = " ".join(command(*RESNET, "--images", "2", "--values", "off").stdout.split())
    assert "written 6 times one of 3 sets of tiles" in shown
    assert "none more than 6 times; a cell wears out after 3,333,333 images" in shown
    mapped = " ".join(
        command("map", "digits-resnet", "--arch", "reprogrammed", "--set", "crossbars=4").stdout.split()
    )
    assert "12 tiles, 3 sets, 4 crossbars, 7,168 buffer bytes" in mapped
    fits = " ".join(
        command("run", "digits-resnet", "--arch", "reprogrammed", "--values", "off").stdout.split()
    )
    assert "to write what it holds once, not among the above" in fits
    assert "one of 1 set" not in fits


def test_half_of_one_crossbar_is_refused() -> None:
    found = refusal(
        "run", "digits-mlp", "--arch", "reprogrammed", "--set", "overlap=true", "--set", "crossbars=1"
    )
    assert "has overlap, but 1 crossbar, of which there is no half; set crossbars to 2 or more" in found


NOT_FULL = "images, so that figures are not those of whole ones; for these take --images"


@pytest.mark.parametrize(
    ("images", "told"),
    [
        ("1", f"the batch has 1 of 4 {NOT_FULL} 8"),
        ("9", f"the last batch has 1 of 4 {NOT_FULL} 12"),
        ("8", None),
    ],
)
def test_a_batch_that_is_not_full_is_told_of(images: str, told: str | None) -> None:
    s = printed(*RESNET, "--set", "batch=4", "--values", "off", "--images", images)
    assert [note for note in s["notes"] if "batch" in note] == ([] if told is None else [told])
