"""What is said of runs that not one part holds up: requests, tokens and images that come one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

import imcsim


@pytest.mark.parametrize("images", [1, 2])
def test_of_decoded_tokens_it_says_that_each_waits_for_the_one_before(images: int) -> None:
    run = imcsim.run("gpt-tiny", arch="dataflow", images=images, values="off", prompt=32)
    found = run.explain().bottlenecks
    assert (found[0].where, found[0].what, found[0].parameter) == ("pipeline", "dependence", None)
    assert found[0].sentence.startswith("each token waits for the one before it: one every 1,8")
    assert "only a shorter latency of each token helps" in found[0].advice
    # 31 of 64 tokens come one after the other, at 14 times the pace of those of the prompt.
    assert 0.8 < found[0].share < 1
    assert all("--images" not in bottleneck.advice for bottleneck in found)


def test_of_images_that_do_not_overlap_it_says_so() -> None:
    run = imcsim.run(
        "digits-mlp", arch="dataflow", images=3, values="off", settings=["input_pixels_per_cycle=64"]
    )
    hz, first = run.summary["clock_hz"], run.summary["latency_s"]["first"]
    apart = run.summary | {"initiation_interval_cycles": round(first * hz)}
    quick, slow = run.explain(), replace(run, summary=apart).explain()
    assert all(bottleneck.what != "dependence" for bottleneck in quick.bottlenecks)
    (found,) = (bottleneck for bottleneck in slow.bottlenecks if bottleneck.where == "pipeline")
    assert (found.what, found.parameter) == ("dependence", None)
    assert found.sentence.startswith("images do not overlap: one comes every ")
    assert all("--images" not in bottleneck.advice for bottleneck in slow.bottlenecks)


@pytest.mark.parametrize("limit", [None, 1])
def test_of_requests_it_says_what_arrivals_set_and_what_the_queue_adds(limit: int | None) -> None:
    settings = [] if limit is None else [f"queue.most_in_service={limit}"]
    run = imcsim.run(
        "digits-cnn", arch="dataflow", images=40, values="off", arrivals="poisson:90000", settings=settings
    )
    first = run.explain().bottlenecks[0]
    assert (first.where, first.what, first.parameter) == ("requests", "arrival", "arrivals")
    assert first.sentence.startswith("arrivals (poisson:90000) set the makespan: 98% of the critical path")
    empty = [True] * run.summary["cycles"]
    for row in run.requests:
        begin, end = int(row.arrival), int(row.completion)
        empty[begin:end] = [False] * (end - begin)
    share = sum(empty) / len(empty)
    assert 0 < share < 0.6
    assert f"nothing is in the system {share:.0%} of the run" in first.sentence
    for words in (first.sentence, first.advice):
        assert ("queue.most_in_service" in words) == (limit is not None)


@pytest.mark.parametrize(
    ("workload", "arch", "settings"),
    [
        ("gpt-tiny", "dataflow", ()),
        ("digits-resnet", "isaac", ()),
        ("digits-cnn", "reprogrammed", ("crossbars=2",)),
    ],
)
def test_what_is_shown_is_what_ranks(workload: str, arch: str, settings: tuple[str, ...]) -> None:
    run = imcsim.run(workload, arch=arch, values="off", settings=settings)
    found = run.explain().bottlenecks
    shares = [bottleneck.share for bottleneck in found]
    assert shares == sorted(shares, reverse=True)
    assert all(0 < share <= 1 for share in shares)
    for bottleneck in found:
        assert bottleneck.cycles == pytest.approx(bottleneck.share * run.summary["cycles"], abs=1)
