"""`--arrivals`: when requests come, what is refused before cycle 0, and what a run tells of its load."""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from itertools import pairwise
from math import exp, log, sqrt
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import imcsim
from arch import ClosedArrivals, TimedArrivals
from imcsim.arrivals import poisson_cycles, read_arrivals
from imcsim.metrics import energy_of_stream
from simcore.noise import stream_key, words_reference
from tests.imcsim.command_bench import MLP, command, printed, refusal
from tests.imcsim.test_workload_traces import late

GHZ = Fraction(10**9)
TIMES = ("mean", "p50", "p90", "p95", "p99", "p999", "max")


def written(folder: Path, *lines: str, name: str = "requests.csv") -> Path:
    """Return a file of arrivals with these lines."""
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


# -- when requests come --------------------------------------------------------------------------------------


@given(
    st.fractions(1, 10**10, max_denominator=10**4),
    st.fractions(10**6, 10**9, max_denominator=100),
    st.integers(1, 50),
)
def test_a_fixed_rate_is_exact(rate: Fraction, hz: Fraction, images: int) -> None:
    plan = read_arrivals(f"fixed:{rate}").plan(images, hz, seed=0)
    assert isinstance(plan, TimedArrivals)
    assert plan.repeats is not None
    for number, cycle in enumerate(plan.cycles):  # floor(n hz / R), in integers alone
        assert cycle * rate <= number * hz < (cycle + 1) * rate
    again = read_arrivals(f"fixed:{rate}").plan(images + plan.repeats % 50, hz, seed=0)
    assert isinstance(again, TimedArrivals)
    gaps = [b - a for a, b in pairwise(again.cycles)]
    assert gaps[plan.repeats :] == gaps[: max(0, len(gaps) - plan.repeats)]


def test_rates_may_be_decimal_or_fractions() -> None:
    assert read_arrivals("fixed:1e3").plan(3, GHZ, 0) == TimedArrivals((0, 10**6, 2 * 10**6), 1)
    assert read_arrivals("fixed:2000/3").plan(3, GHZ, 0) == TimedArrivals((0, 1_500_000, 3_000_000), 1)
    assert read_arrivals("fixed:3e8").plan(4, GHZ, 0) == TimedArrivals((0, 3, 6, 10), 3)
    assert read_arrivals("closed:4").plan(9, GHZ, 0) == ClosedArrivals(4)


def test_poisson_gaps_are_logarithms_of_the_run_s_own_stream() -> None:
    """Beside the same in floating point, which is right to far less than a cycle here."""
    cycles = poisson_cycles(300, GHZ, Fraction(10**6), seed=5)
    words = words_reference(stream_key(5, "arrivals"), np.arange(300)).tolist()
    passed = np.cumsum([-log((word + 1) / 2**64) * 1000 for word in words])
    assert max(abs(np.floor(passed) - cycles)) <= 1
    assert sum(np.floor(passed) != cycles) <= 1


def test_poisson_arrivals_are_the_same_everywhere() -> None:
    assert poisson_cycles(6, GHZ, Fraction(10**6), seed=0) == (561, 1384, 3600, 4395, 5138, 5499)
    assert poisson_cycles(5, GHZ, Fraction(10**6), seed=1) == (315, 1202, 1527, 2067, 3245)


def test_poisson_gaps_have_the_distribution_they_should() -> None:
    """Mean, spread, and the largest distance to the exponential distribution (Kolmogorov-Smirnov, 1 %)."""
    requests = 4000
    cycles = poisson_cycles(requests, GHZ, Fraction(1000), seed=3)
    gaps = np.diff((0, *cycles)) / 1e6
    assert abs(gaps.mean() - 1) < 2.58 / sqrt(requests)
    assert abs(gaps.std() - 1) < 2.58 * sqrt(2 / requests)  # the variance of a sample's deviation is 2 / n
    below = np.arange(requests) / requests
    assert max(abs(1 - np.exp(-np.sort(gaps)) - below)) < 1.63 / sqrt(requests)
    assert abs(fmean(gap > 1 for gap in gaps) - exp(-1)) < 2.58 * sqrt(0.24 / requests)


# -- files ---------------------------------------------------------------------------------------------------


def arrived(run: imcsim.Run) -> list[float]:
    return [row.arrival for row in run.requests]


def test_a_file_tells_when_requests_come_and_how_many(tmp_path: Path) -> None:
    cycles = written(tmp_path, "cycle", "5", "5", "", "90000")
    run = imcsim.run("digits-mlp", "dataflow", values="off", arrivals=str(cycles), record=False)
    assert (run.summary["images"], arrived(run), run.summary["notes"]) == (3, [5, 5, 90000], [])
    assert run.summary["load"]["arrivals"] == str(cycles)
    seconds = written(tmp_path, "workload,time_s", "digits-mlp,0.0000050009", ",9e-5", name="seconds.csv")
    run = imcsim.run("digits-mlp", "dataflow", values="off", arrivals=str(seconds), record=False)
    assert arrived(run) == [5000, 90000]
    few = imcsim.run("digits-mlp", "dataflow", values="off", images=2, arrivals=str(cycles), record=False)
    assert arrived(few) == [5, 5]
    assert few.summary["notes"] == [f"{cycles} has 3 requests, of which the first 2 are run"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["cycle", "5", "4"], ":3 - arrives at 4, before the request in line 2 at 5; sort the lines"),
        (
            ["time_s", "0.5", "0.25"],
            ":3 - arrives at 0.25, before the request in line 2 at 0.5; sort the lines",
        ),
        (["cycle", "-1"], ":2 - cycle must be at least 0, got -1; count from the run's start"),
        (["time_s", "-0.5"], ":2 - time_s must be at least 0, got -0.5; count from the run's start"),
        (["cycle", "soon"], ":2 - cycle must be a whole number of cycles, as 2500, got 'soon'"),
        (["cycle", "1_0"], ":2 - cycle must be a whole number of cycles, as 2500, got '1_0'"),
        (["time_s", "0.0_1"], ":2 - time_s must be a number of seconds, as 0.0025, got '0.0_1'"),
        (["cycle", "2.5"], ":2 - cycle must be a whole number of cycles, as 2500, got '2.5'"),
        (["time_s", "nan"], ":2 - time_s must be a number of seconds, as 0.0025, got 'nan'"),
        (["time_s", "inf"], ":2 - time_s must be a number of seconds, as 0.0025, got 'inf'"),
        (["cycle,workload", "5"], ":2 - must have 2 values as the header has, got 1"),
        (["cycle", "5,6"], ":2 - must have 1 values as the header has, got 2"),
        (["cycle,speed", "5,6"], ":1 - has a column 'speed'; the columns are cycle or time_s, and workload"),
        (["5", "6"], ":1 - has a column '5'; the columns are cycle or time_s, and workload"),
        (
            ["cycle,time_s", "5,6"],
            ":1 - must name one column cycle or time_s, and no other twice, got cycle,time_s; begin the file "
            "with a line `cycle`",
        ),
        (
            [],
            ":1 - must name one column cycle or time_s, and no other twice, got nothing; begin "
            "the file with a "
            "line `cycle`",
        ),
        (
            ["time_s", "1e-999999999"],
            ":2 - time_s must be a number of seconds, as 0.0025, got '1e-999999999'",
        ),
        (["cycle", "5", '"6'], ":3 - is no line of a .csv file (unexpected end of data); mend it"),
        (["cycle"], " - holds no request; write a line for each behind the header"),
        (
            ["cycle,workload", "5,vgg16"],
            ":2 - asks for 'vgg16', but the run is of digits-mlp; leave out the column workload, "
            "or name it so",
        ),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_its_line(
    tmp_path: Path, lines: list[str], message: str
) -> None:
    path = written(tmp_path, *lines)
    assert refusal(*MLP, "--arrivals", path) == f"{path}{message}"


def test_a_file_of_too_few_requests_or_none_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "cycle", "5")
    assert refusal(*MLP, "--arrivals", path, "--images", "2") == (
        f"{path} has 1 requests, got --images 2; ask for fewer"
    )
    assert refusal(*MLP, "--arrivals", tmp_path / "none.csv") == (
        f"cannot read {tmp_path}/none.csv: No such file or directory; name a file of arrivals (.csv)"
    )


# -- what is refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--arrivals", "often"],
            "arrivals must be closed:K, fixed:R, poisson:R or a file (.csv) with a column cycle "
            "or time_s, got "
            "'often'; as in poisson:1000",
        ),
        (
            ["--arrivals", "closed:0"],
            "arrivals closed:K must have a whole K in [1, 1000000], got '0'; as in closed:4",
        ),
        (
            ["--arrivals", "closed:2.5"],
            "arrivals closed:K must have a whole K in [1, 1000000], got '2.5'; as in closed:4",
        ),
        (
            ["--arrivals", "fixed:-3"],
            "arrivals fixed:R must have a number R above 0, of requests a second of simulated "
            "time, got '-3'; as "
            "in fixed:1000",
        ),
        (
            ["--arrivals", "poisson:1/0"],
            "arrivals poisson:R must have a number R above 0, of requests a second of simulated "
            "time, got '1/0'; "
            "as in poisson:1000",
        ),
        (
            ["--arrivals", "fixed:1e999999999"],
            "arrivals fixed:R must have a number R above 0, of requests a second of simulated time, got "
            "'1e999999999'; as in fixed:1000",
        ),
        (
            ["--arrivals", "closed:1_0"],
            "arrivals closed:K must have a whole K in [1, 1000000], got '1_0'; as in closed:4",
        ),
        (
            ["--arrivals", "closed:\u0663"],
            "arrivals closed:K must have a whole K in [1, 1000000], got '\u0663'; as in closed:4",
        ),
        (
            ["--arrivals", "fixed:1_000"],
            "arrivals fixed:R must have a number R above 0, of requests a second of simulated time, got "
            "'1_000'; as in fixed:1000",
        ),
        (
            ["--arrivals", "fixed:1e-9", "--images", "3"],
            "arrivals fixed:1e-9 have the last request in cycle 2000000000000000000, but "
            "1099511627776 is the "
            "last that may be; let them come faster, or take fewer images",
        ),
        (
            ["--arrivals", "poisson:9", "--values", "off", "--fast-forward"],
            "fast_forward needs arrivals that repeat, closed:K or fixed:R, got poisson:9; leave "
            "out --fast-forward",
        ),
        (
            ["--arrivals", "closed:1", "--set", "queue.most_in_service=0"],
            "--set queue.most_in_service - must be >= 1 request, got 0",
        ),
        (
            ["--arrivals", "closed:1", "--set", "queue.kind=queue-round-robbin"],
            "--set queue.kind - is unknown: no component is called 'queue-round-robbin'; did you mean "
            "'queue-round-robin'?",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_before_cycle_0(words: list[str], message: str) -> None:
    assert refusal(*MLP, *words) == message


def test_machines_that_have_all_images_from_the_start_say_so() -> None:
    words = ("run", "digits-mlp", "--arch", "pipelayer", "--arrivals", "closed:1")
    assert refusal(*words) == (
        "pipelayer has all images from the start, got --arrivals closed:1; machines that let "
        "requests wait are "
        "dataflow and isaac"
    )


def test_a_trace_that_tells_when_images_come_takes_no_other_arrivals(tmp_path: Path) -> None:
    assert refusal("run", late(tmp_path, 0, 7), "--arch", "dataflow", "--arrivals", "closed:1") == (
        "tiny tells when its images arrive, got --arrivals closed:1, too; leave out --arrivals, or let all "
        "requests have cycle 0"
    )
    same = printed("run", late(tmp_path, 0, 0), "--arch", "dataflow", "--arrivals", "closed:1")
    assert (same["images"], same["load"]["arrivals"]) == (2, "closed:1")
    assert printed("run", late(tmp_path, 0, 7), "--arch", "dataflow")["load"]["arrivals"] == "trace"


# -- what a run tells ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("warmup", [0, 4])
def test_the_load_is_what_the_requests_of_the_run_add_up_to(tmp_path: Path, warmup: int) -> None:
    words = (*MLP, "--values", "off", "--images", "20", "--arrivals", "poisson:200000", "--seed", "2")
    summary = printed(
        *words, "--warmup", str(warmup), "--set", "queue.most_in_service=2", "--out", tmp_path / "o"
    )
    with (tmp_path / "o" / "requests.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["request"]) for row in rows] == list(range(20))
    arrival, start, completion = (
        np.array([int(row[name]) for row in rows]) for name in ("arrival", "start", "completion")
    )
    assert tuple(arrival) == poisson_cycles(20, GHZ, Fraction(200_000), seed=2)
    load = summary["load"]
    assert (load["arrivals"], load["requests"], load["warmup"]) == ("poisson:200000", 20, warmup)
    for name, ticks in (
        ("latency_s", completion - arrival),
        ("queueing_s", start - arrival),
        ("service_s", completion - start),
    ):
        times = sorted(ticks[warmup:] * 1e-9)
        assert tuple(load[name]) == TIMES
        assert load[name]["mean"] == pytest.approx(fmean(times))
        assert load[name]["p50"] == pytest.approx(median(times))
        assert load[name]["max"] == pytest.approx(times[-1])
        for percentile, share in (("p90", 0.9), ("p99", 0.99), ("p999", 0.999)):
            rank = share * (len(times) - 1)  # interpolated between the ranks beside it
            below = int(rank)
            expected = times[below] + (rank - below) * (times[below + 1] - times[below])
            assert load[name][percentile] == pytest.approx(expected)
    gaps = len(arrival[warmup:]) - 1
    assert load["offered_per_s"] == pytest.approx(gaps / (arrival[-1] - arrival[warmup]) * 1e9)
    assert load["completed_per_s"] == pytest.approx(gaps / (completion[-1] - completion[warmup]) * 1e9)
    makespan = summary["cycles"]
    assert load["in_system_mean"] == pytest.approx(sum(completion - arrival) / makespan)
    (queue,) = load["queues"]
    assert (queue["name"], queue["arrivals"]) == ("digits-mlp", 20)
    assert queue["mean_length"] == pytest.approx(sum(start - arrival) / makespan)
    assert queue["mean_wait_s"] == pytest.approx(fmean(start - arrival) * 1e-9)
    with (tmp_path / "o" / "units.csv").open() as stream:
        units = {row["path"]: row for row in csv.DictReader(stream)}
    busy = {
        path: sum(float(cycles) for state, cycles in row.items() if state.startswith("busy:"))
        for path, row in units.items()
    }
    assert load["utilisation"]["unit"] == max(sorted(busy), key=lambda path: busy[path])
    assert load["utilisation"]["share"] == pytest.approx(max(busy.values()) / makespan)


def test_bursts_are_done_at_the_rate_at_which_they_come_and_utilisation_and_energy_follow(
    tmp_path: Path,
) -> None:
    file = written(tmp_path, "cycle", *(str(burst * 1_000_000) for burst in range(4) for _ in range(5)))
    summary = printed(*MLP, "--values", "off", "--arrivals", str(file))
    rate = summary["throughput_per_s"]
    assert rate == summary["load"]["completed_per_s"]
    assert rate < 7000 < 1e9 / summary["initiation_interval_cycles"]
    assert summary["tops"] == pytest.approx(2 * summary["macs"] * rate / 1e12)
    assert summary["utilisation"] == pytest.approx(summary["tops"] / summary["peak_tops"])
    static = summary["power_w"]["static"]
    dynamic = summary["energy_j"]["total"] - static * summary["time_s"]
    assert energy_of_stream(summary) == pytest.approx(dynamic / 20 + static / rate)
    pair = printed("run", "digits-mlp", "digits-cnn", *MLP[2:], "--values", "off", "--arrivals", str(file))
    for network in pair["networks"]:
        for told in (network, network["alone"]):
            assert told["throughput_per_s"] == told["load"]["completed_per_s"] < 7000


def test_a_run_without_arrivals_has_no_load_no_queue_and_no_file(tmp_path: Path) -> None:
    summary = printed(*MLP, "--out", tmp_path / "o")
    assert summary["load"] is None
    assert not (tmp_path / "o" / "requests.csv").exists()
    assert "queue" not in (tmp_path / "o" / "units.csv").read_text()
    other = printed(*MLP, "--set", "queue.most_in_service=1", "--set", "queue.kind=queue-round-robin")
    assert other["fingerprint"] == summary["fingerprint"]
    queued = {
        printed(*MLP, "--arrivals", "closed:1", "--set", f"queue.most_in_service={n}")["fingerprint"]
        for n in (1, 2)
    }
    assert len(queued) == 2


def test_a_run_directory_repeats_the_run_and_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "cycle", "7", "1000", "30000")
    run = imcsim.run("digits-mlp", "dataflow", arrivals="requests.csv", out="out")
    assert yaml.safe_load((tmp_path / "out" / "config.yaml").read_text())["arrivals"] == str(
        tmp_path / "requests.csv"
    )
    back = imcsim.read_run("out")
    assert back.requests == run.requests
    assert back.summary == json.loads(json.dumps(run.summary))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    again = imcsim.run(tmp_path / "out" / "config.yaml", record=False)
    assert (again.summary["fingerprint"], again.requests) == (run.summary["fingerprint"], run.requests)
    stock = imcsim.run(tmp_path / "out" / "config.yaml", engine="stock", shuffle=3, record=False)
    assert (stock.summary["fingerprint"], stock.requests) == (run.summary["fingerprint"], run.requests)


def test_a_damaged_file_of_requests_is_refused(tmp_path: Path) -> None:
    imcsim.run("digits-mlp", "dataflow", values="off", images=3, arrivals="closed:1", out=tmp_path / "o")
    path = tmp_path / "o" / "requests.csv"
    lines = path.read_text().splitlines()
    for damaged, message in (
        (lines[:-1], "holds 2 requests, but the run had 3; run anew"),
        (lines[1:], "is damaged (its header is another); run anew"),
        (
            [*lines[:-1], "digits-mlp,2,soon,5,6"],
            "is damaged (could not convert string to float: 'soon'); run anew",
        ),
    ):
        path.write_text("\n".join(damaged) + "\n")
        assert refusal("export", tmp_path / "o", "--to", "chrome") == f"{path} {message}"


@pytest.mark.parametrize("arrivals", ["closed:3", "fixed:50000", "fixed:400000/7"])
def test_skipping_what_repeats_changes_nothing_that_is_told(tmp_path: Path, arrivals: str) -> None:
    words = (*MLP, "--values", "off", "--images", "60", "--arrivals", arrivals, "--warmup", "5")
    full = printed(*words, "--out", tmp_path / "full")
    fast = printed(*words, "--fast-forward", "--out", tmp_path / "fast")
    for name in ("requests.csv", "units.csv"):
        assert (tmp_path / "full" / name).read_bytes() == (tmp_path / "fast" / name).read_bytes()
    keys = ("fingerprint", "history", "load", "latency_s", "cycles", "energy_j", "throughput_per_s")
    assert [fast[key] for key in keys] == [full[key] for key in keys]
    assert fast["fast_forward"]["skipped_images"] > 40


def test_the_report_tells_of_the_load() -> None:
    shown = command(*MLP, "--values", "off", "--images", "8", "--arrivals", "closed:2").stdout
    words = " ".join(shown.split())
    assert "load closed:2: " in words
    assert "from arrival mean " in words
    assert "of it waiting mean " in words
    assert "queue digits-mlp: " in words


@pytest.mark.parametrize("values", ["ideal", "off"])
def test_isaac_takes_requests_too(values: str) -> None:
    words = ("run", "digits-mlp", "--arch", "isaac", "--values", values, "--images", "4")
    free, queued = printed(*words), printed(*words, "--arrivals", "closed:4")
    assert queued["cycles"] == free["cycles"]
    assert queued["outputs_match_golden"] == free["outputs_match_golden"]
    assert queued["load"]["queues"][0]["most"] >= 1
    one: Any = printed(*words, "--arrivals", "fixed:1000")["load"]
    assert one["queueing_s"]["max"] == 0
    assert one["latency_s"]["max"] == pytest.approx(one["latency_s"]["mean"])


@pytest.mark.parametrize("arrivals", ["closed:1", "poisson:1000"])
def test_a_machine_that_gets_stuck_under_load_is_explained_by_its_own_circle(arrivals: str) -> None:
    words = ("run", "digits-resnet", "--arch", "dataflow", "--values", "off", "--images", "3")
    short = ("--set", "buffers.depths.stem:block1-conv2=12", "--set", "buffers.allow_undersized=true")
    stuck = command(*words, "--arrivals", arrivals, *short)
    assert stuck.exit_code == 3
    assert "the circle of waits (5 units):" in stuck.stderr
    assert "fix: --set buffers.depths.stem:block1-conv2=18; it is the least depth" in stuck.stderr
