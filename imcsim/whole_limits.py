"""Where not one part holds a run up: too few requests, or too few images to fill the pipeline.

Requests count with the time in which none was there, or in which those that were there were not let in.
Filling and draining counts with what images, one behind the other, do not explain, nor the work of any unit.
"""

from __future__ import annotations

from collections.abc import Iterator

from imcsim.evidence import Evidence, Work
from imcsim.limits import Limit

#: What is waited for that has to do with requests; see `docs/accounting.md`.
REQUESTS = ("arrival", "service", "schedule", "completion")


def limits_of_requests(evidence: Evidence) -> Iterator[Limit]:
    """Yield that nothing was asked of the machine, or that its queue let nothing in."""
    load = evidence.run.summary["load"]
    if load is None:
        return
    for where, what, parameter, words, advice in (
        (
            "requests",
            "arrival",
            "arrivals",
            "the machine waits for requests",
            "the machine could do more: let more requests come by --arrivals",
        ),
        (
            "queue",
            "service",
            "queue.most_in_service",
            "requests that are there wait until the queue lets them in",
            "let more of them be served at once by queue.most_in_service",
        ),
    ):
        ticks = _waited(evidence, what)
        yield Limit(
            evidence.times.share(ticks),
            where,
            what,
            ticks,
            f"{words} {evidence.percent(ticks)} of the run ({load['arrivals']}); no unit works more than "
            f"{evidence.most_share:.0%}",
            parameter,
            advice,
        )


def _waited(evidence: Evidence, what: str) -> int:
    """Return how long the machine waited for requests, to arrive or to be let in [tick]."""
    state = f"wait-resource:{what}"
    if evidence.path is None:
        return max(spent.get(state, 0) for spent in evidence.times.spent)
    past = sum(crossing.ticks for crossing in evidence.path.crossings if crossing.state == state)
    if what != "arrival":
        return past
    # Who lets requests arrive has nothing to wait for but the time of the next one.
    return max(past, sum(held.get("wait-resource:schedule", 0) for held in evidence.path.held.values()))


def limits_of_filling(evidence: Evidence) -> Iterator[Limit]:
    """Yield that images are too few to fill the pipeline."""
    summary = evidence.run.summary
    images, cycles, interval = summary["images"], summary["cycles"], summary["initiation_interval_cycles"]
    if summary["load"] is not None or summary["networks"] is not None or not cycles:
        return
    if interval is None and images > 1:  # as of a batch that is not full
        return
    steady = (images - 1) * (interval or 0) / cycles
    most = max((_share(evidence, work) for work in evidence.works), default=0.0)
    share = max(min(1 - steady, 1 - most), 0.0)
    first = round(summary["latency_s"]["first"] * summary["clock_hz"])
    told = "a single image does" if images == 1 else f"{images} images do"
    yield Limit(
        share,
        "pipeline",
        "fill and drain",
        round(share * evidence.times.makespan),
        f"{told} not fill the pipeline: the first one is on its way for {first:,} of {cycles:,} cycles, and "
        f"no unit accounts for more than {most:.0%}",
        "images",
        "for throughput run more images (--images); for latency shorten what is on the critical path",
    )


def _share(evidence: Evidence, work: Work) -> float:
    """Return the share of the run that a unit accounts for."""
    on_path = evidence.on_path([work.unit.path])
    return evidence.times.share(work.worked if on_path is None else max(on_path, work.worked))
