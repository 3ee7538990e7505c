"""`imcsim load`: what it measures, prints and draws, and what it refuses."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest

import imcsim
from imcsim.load_figures import RequestRow
from imcsim.load_run import saturated_interval
from tests.imcsim.command_bench import command, printed, refusal
from tests.imcsim.test_workload_traces import late

WORDS = ("load", "digits-mlp", "--arch", "dataflow")
INTERVAL, LATENCY = 64 * 130, 8597  # 64 pixels, one every 130 cycles; of an image alone [cycle]


def test_even_arrivals_meet_no_queue_until_there_are_more_than_can_be_done(tmp_path: Path) -> None:
    loads = "0.25,0.5,1,1.25"
    found = printed(
        *WORDS, "--arrivals", "fixed", "--load", loads, "--images", "200", "--out", tmp_path / "o"
    )
    assert (found["schema"], found["interval_cycles"]) == ("imcsim.load/1", INTERVAL)
    assert found["saturated_per_s"] == pytest.approx(1e9 / INTERVAL)
    assert found["unloaded_latency_s"] == pytest.approx(LATENCY * 1e-9)
    assert found["warmup"] == 20
    *stable, over = found["points"]
    for point in stable:
        assert point["stable"]
        assert point["completed_per_s"] == pytest.approx(point["offered_per_s"], rel=1e-5)
        assert point["offered_per_s"] == pytest.approx(point["load"] * found["saturated_per_s"])
        assert point["latency_s"]["max"] == pytest.approx(LATENCY * 1e-9)
        assert point["queueing_s"]["max"] == 0
        assert point["skipped_requests"] > 150
    assert (over["stable"], over["latency_s"], over["reference_mean_s"]) == (False, None, None)
    assert over["completed_per_s"] == pytest.approx(found["saturated_per_s"])
    assert json.loads((tmp_path / "o" / "load.json").read_text()) == found
    assert (tmp_path / "o" / "load-latency.png").read_bytes().startswith(b"\x89PNG")


def test_latency_grows_with_the_load_as_theory_has_it_and_theory_is_m_d_1() -> None:
    run = imcsim.measure_load("digits-mlp", "dataflow", [0.2, 0.8], images=150, seed=4)
    for load in (0.2, 0.8):
        wait = INTERVAL * 1e-9 * load / (2 * (1 - load))
        assert run.reference(load) == pytest.approx(LATENCY * 1e-9 + wait)
    low, high = run.points
    assert (
        LATENCY * 1e-9 <= low.summary["load"]["latency_s"]["mean"] < high.summary["load"]["latency_s"]["mean"]
    )
    again = imcsim.measure_load("digits-mlp", "dataflow", "0.2,0.8", images=150, seed=4)
    other = imcsim.measure_load("digits-mlp", "dataflow", 0.2, images=150, seed=5)
    prints = [[point.summary["fingerprint"] for point in each.points] for each in (run, again, other)]
    assert prints[0] == prints[1]
    assert prints[2][0] != prints[0][0]


def test_a_machine_that_takes_one_request_at_a_time_can_do_less() -> None:
    one = printed(*WORDS, "--load", "0.5", "--images", "20", "--set", "queue.most_in_service=1")
    assert one["interval_cycles"] == LATENCY


def test_a_table_shows_each_load_and_the_picture_is_named(tmp_path: Path) -> None:
    shown = command(*WORDS, "--load", "0.5,1.5", "--images", "30", "--out", tmp_path / "curve.svg").stdout
    assert "120,192 requests/s at most, one every 8,320 cycles; 8.597 us without load" in shown
    rows = [line.split() for line in shown.splitlines()]
    assert next(row for row in rows if row[:1] == ["0.5"])[-1] != "unstable"
    assert next(row for row in rows if row[:1] == ["1.5"])[-1] == "unstable"
    assert rows[-1] == [str(tmp_path / "curve.svg")]
    words = (tmp_path / "curve.svg").read_text()
    assert "M/D/1, mean" in words
    assert "unstable" in words


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--load", "0"], "--load must be in (0, 2], of what the machine can do, got 0; as in 0.1:0.9:0.1"),
        (
            ["--load", "2.5"],
            "--load must be in (0, 2], of what the machine can do, got 2.5; as in 0.1:0.9:0.1",
        ),
        (
            ["--load", "much"],
            "--load must be a number, several with commas, or first:last:step, got 'much'; as in 0.1 or "
            "0.05:0.4:0.05",
        ),
        (
            ["--arrivals", "closed:4"],
            "--arrivals must be poisson or fixed, got 'closed:4'; for others take `imcsim run --arrivals`",
        ),
        (
            ["--images", "5", "--warmup", "5"],
            "warmup must leave at least one image, got warmup 5 of 5; run more images",
        ),
        (
            ["--images", "1"],
            "--images must leave at least 2 requests behind a warmup of 0, as a rate needs, got 1; run more "
            "images",
        ),
        (
            ["--images", "5", "--warmup", "4", "--load", "0.5"],
            "--images must leave at least 2 requests behind a warmup of 4, as a rate needs, got 5; run more "
            "images",
        ),
        (
            ["--load", "0.1_5"],
            "--load must be a number, several with commas, or first:last:step, got '0.1_5'; as in 0.1 or "
            "0.05:0.4:0.05",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], message: str) -> None:
    assert refusal(*WORDS, *words) == message


def test_machines_without_a_queue_are_refused() -> None:
    assert refusal("load", "digits-mlp", "--arch", "pipelayer") == (
        "pipelayer has all images from the start; machines that let requests wait are dataflow and isaac"
    )


def test_workloads_whose_requests_cannot_come_at_a_rate_are_refused(tmp_path: Path) -> None:
    assert refusal("load", late(tmp_path, 0, 7), "--arch", "dataflow", "--images", "2") == (
        "tiny tells when its images arrive, but their rate is what is varied here; let all requests have "
        "cycle 0, or take `imcsim run`"
    )
    imcsim.run(["digits-mlp", "digits-mlp"], "dataflow", values="off", out=tmp_path / "shared")
    config = tmp_path / "shared" / "config.yaml"
    assert refusal("load", config, "--arch", "dataflow") == (
        f"{config} is a run of several networks, whose loads are not one number; take `imcsim run --arrivals`"
    )


def measured_nothing(*words: str | Path) -> str:
    """Return the error of a command that simulates nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imcsim.load_run.simulate_request", None)
        patch.setattr("arch.fabric.synthetic_traffic.measure_traffic", None)
        return refusal(*words)


@pytest.mark.parametrize("words", [WORDS, ("fabric", "mesh", "--load", "0.1")])
def test_where_nothing_can_be_written_is_told_before_anything_is_measured(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "notes").write_text("mine")
    assert measured_nothing(*words, "--out", tmp_path / "o.txt") == (
        f"cannot write {tmp_path}/o.txt: a figure's name ends in .png or .svg; choose one of these"
    )
    assert measured_nothing(*words, "--out", tmp_path / "foreign") == (
        f"cannot write to {tmp_path}/foreign: it holds other files; name a new or empty directory"
    )
    assert measured_nothing(*words, "--out", tmp_path / "foreign" / "notes") == (
        f"cannot write to {tmp_path}/foreign/notes: it is a file; name a directory, or a picture (.png, .svg)"
    )
    assert measured_nothing(*words, "--out", tmp_path / "nowhere" / "o.png") == (
        f"cannot write {tmp_path}/nowhere/o.png: there is no directory {tmp_path}/nowhere; make it"
    )


def test_what_a_machine_can_do_leaves_out_how_it_fills_and_how_it_runs_empty() -> None:
    """A made machine, which holds many requests at once, and does the last ones faster."""

    def requests(many: int) -> list[RequestRow]:
        held, asked = 50, 7
        done = [1000 + asked * number for number in range(many)]
        for number in range(many - held, many):
            done[number] = done[number - 1] + 1
        starts = [0] * held + [done[number] for number in range(many - held)]
        return [
            RequestRow("made", number, 0, start, end)
            for number, (start, end) in enumerate(zip(starts, done, strict=True))
        ]

    assert saturated_interval(requests) == 7


def test_the_interval_of_a_deep_pipeline_is_that_between_any_of_its_images() -> None:
    run = imcsim.measure_load("digits-resnet", "isaac", [0.5], images=10)
    rows = imcsim.run("digits-resnet", "isaac", values="off", images=40, arrivals="closed:40").requests
    gaps = {b.completion - a.completion for a, b in pairwise(rows[15:25])}
    assert gaps == {run.interval}
