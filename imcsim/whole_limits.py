"""Where not one part holds a run up: too few requests, images or tokens at a time for the pipeline.

Requests count with the time until the next one was there, or in which those that were there were not let in.
Filling and draining counts with what images, one behind the other, do not explain, nor the work of any unit.
Where each token, or image, waits for the one before, that counts in its place: more images would not help.
"""

from __future__ import annotations

from collections.abc import Iterator

from imcsim.evidence import SATURATED, Evidence, Work
from imcsim.limits import Limit
from imcsim.run_record import RunRecord
from simcore.units import format_si

#: What is waited for that has to do with requests; see `docs/accounting.md`.
REQUESTS = ("arrival", "service", "schedule", "completion")
#: Images overlap if one comes out in less than this share of the time for which it was on its way.
_APART = 0.9
#: What sets the makespan is this share of it at least.
_MAINLY = 0.5


def limits_of_requests(evidence: Evidence) -> Iterator[Limit]:
    """Yield that arrivals set the makespan, or that the queue let nothing in."""
    run, load = evidence.run, evidence.run.summary["load"]
    if load is None:
        return
    limit = _most_in_service(run)
    waiting = load["queueing_s"]["mean"]
    ticks = _waited(evidence, "arrival")
    does = "set the makespan" if evidence.times.share(ticks) >= _MAINLY else "add to the makespan"
    path = "of the run goes by" if evidence.path is None else "of the critical path is the time"
    words = (
        f"arrivals ({load['arrivals']}) {does}: {evidence.percent(ticks)} {path} until the next request is "
        "there"
    )
    if run.requests:
        words += f"; nothing is in the system {_empty_share(run):.0%} of the run"
    advice = "the machine could do more: let more requests come by --arrivals"
    if waiting:
        words += (
            f"; of {format_si(load['latency_s']['mean'], 's', 3)} from its arrival a request waits "
            f"{format_si(waiting, 's', 3)} on average"
        )
        if limit is not None:
            words += f" until the queue lets it in, which serves {limit} at once (queue.most_in_service)"
            advice += "; for latency let more of them be served at once by queue.most_in_service"
    most = f"no unit works more than {evidence.most_share:.0%}"
    yield Limit(
        evidence.times.share(ticks), "requests", "arrival", ticks, f"{words}; {most}", "arrivals", advice
    )
    ticks = _waited(evidence, "service")
    yield Limit(
        evidence.times.share(ticks),
        "queue",
        "service",
        ticks,
        f"requests that are there wait until the queue lets them in {evidence.percent(ticks)} of the run "
        f"({load['arrivals']}); {most}",
        "queue.most_in_service",
        "let more of them be served at once by queue.most_in_service",
    )


def _most_in_service(run: RunRecord) -> int | None:
    """Return how many requests the queue lets be served at once, None where it does not say."""
    most: int | None = run.config.machine.get("queue", {}).get("most_in_service")
    return most


def _empty_share(run: RunRecord) -> float:
    """Return the share of the run in which no request was waiting or served."""
    there, until = 0.0, 0.0
    for row in sorted(run.requests, key=lambda row: row.arrival):
        there += max(row.completion - max(row.arrival, until), 0.0)
        until = max(until, row.completion)
    return 1 - there / float(run.summary["cycles"])


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
    """Yield that each token or image waits for the one before, or that images do not fill the pipeline."""
    summary = evidence.run.summary
    images, cycles, interval = summary["images"], summary["cycles"], summary["initiation_interval_cycles"]
    if summary["load"] is not None or summary["networks"] is not None or not cycles:
        return
    most = max((_share(evidence, work) for work in evidence.works), default=0.0)
    busiest = f"no unit accounts for more than {most:.0%}"
    first = round(summary["latency_s"]["first"] * summary["clock_hz"])
    decoding = summary["decoding"]
    if decoding is not None and (spread := decoding["token_interval_s"]) is not None:
        each = spread["mean"] * summary["clock_hz"]
        share = min(each * (decoding["generated"] - 1) * images / cycles, 1 - most)
        told = f"each token waits for the one before it: one every {each:,.0f} cycles"
        yield _dependence(evidence, share, f"{told}, while {busiest}", "token")
        return
    if interval is None and images > 1:  # as of a batch that is not full
        return
    worked = 0.0 if evidence.most is None else evidence.times.cycles(evidence.most.worked)
    if interval and interval >= _APART * first and worked < SATURATED * interval * images:
        told = f"images do not overlap: one comes every {interval:,.0f} cycles, and takes {first:,} itself"
        yield _dependence(evidence, 1 - most, f"{told}, while {busiest}", "image")
        return
    steady = (images - 1) * (interval or 0) / cycles
    share = max(min(1 - steady, 1 - most), 0.0)
    told = "a single image does" if images == 1 else f"{images} images do"
    yield Limit(
        share,
        "pipeline",
        "fill and drain",
        round(share * evidence.times.makespan),
        f"{told} not fill the pipeline: the first one is on its way for {first:,} of {cycles:,} cycles, and "
        f"{busiest}",
        "images",
        "for throughput run more images (--images); for latency shorten what is on the critical path",
    )


def _dependence(evidence: Evidence, share: float, sentence: str, of: str) -> Limit:
    """Return as a limit that one token or image waits for the one before."""
    return Limit(
        share,
        "pipeline",
        "dependence",
        round(share * evidence.times.makespan),
        sentence,
        None,
        f"only a shorter latency of each {of} helps, not more images: shorten what is on the critical path",
    )


def _share(evidence: Evidence, work: Work) -> float:
    """Return the share of the run that a unit accounts for."""
    on_path = evidence.on_path([work.unit.path])
    return evidence.times.share(work.worked if on_path is None else max(on_path, work.worked))
