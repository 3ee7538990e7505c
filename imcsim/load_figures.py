"""What a run with arrivals adds up to: rates, latencies from arrival to completion, and lengths of queues."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from arch.machine import MachineRun
from arch.requests import LoadReport, RequestTimes
from imcsim.metrics import events_per_s, whole
from simcore import Outcome, category
from simcore.errors import FileError

#: (requests,)
Ticks: TypeAlias = NDArray[np.int64]

_PERCENTILES = {"p50": 50, "p90": 90, "p95": 95, "p99": 99, "p999": 99.9}
_COLUMNS = ("workload", "request", "arrival", "start", "completion")


@dataclass(frozen=True)
class RequestRow:
    """One request, in cycles of the reference clock.

    request : its number among those of its workload
    start : when it was let in
    """

    workload: str
    request: int
    arrival: float
    start: float
    completion: float


def load_summary(run: MachineRun, arrivals: str, *warmups: int) -> dict[str, Any] | None:
    """Return a summary's `load`, None where all images are there from the start.

    arrivals : how requests arrive, in words
    warmups : first requests of each network, in the order of its lines, that rates and percentiles leave
        out; laws and means over time count them
    """
    load, outcome = run.load, run.outcome
    if load is None:
        return None
    second = float(outcome.reference.period / outcome.reference.ticks)
    arrived, started, completed = measured(load, warmups)
    warmup = sum(warmups)
    return {
        "arrivals": arrivals,
        "requests": sum(len(line.arrived) for line in load.lines),
        "warmup": warmup,
        "offered_per_s": events_per_s(arrived, second),
        "completed_per_s": events_per_s(completed, second),
        "in_system_mean": load.in_system / outcome.makespan,
        "utilisation": most_used(outcome),
        "latency_s": _spread(completed - arrived, second),
        "queueing_s": _spread(started - arrived, second),
        "service_s": _spread(completed - started, second),
        "queues": [
            {
                "name": line.network,
                "mean_length": line.waited / outcome.makespan,
                "most": line.most,
                "mean_wait_s": float(np.mean(np.subtract(line.started, line.arrived))) * second,
                "arrivals": len(line.arrived),
            }
            for line in load.lines
        ],
    }


def measured(load: LoadReport, warmups: Sequence[int]) -> tuple[Ticks, Ticks, Ticks]:
    """Return ticks of arrival, start and completion, without the first requests of each network."""

    def column(times: Callable[[RequestTimes], Sequence[int]]) -> Ticks:
        lines = zip(load.lines, warmups, strict=True)
        return np.concatenate([np.array(times(line)[warmup:], np.int64) for line, warmup in lines])

    return (
        column(lambda line: line.arrived),
        column(lambda line: line.started),
        column(lambda line: line.completed),
    )


def most_used(outcome: Outcome) -> dict[str, Any]:
    """Return the unit that is busy most, and for which share of the time; the first by name of equals."""
    busy = {
        account.path: sum(ticks for state, ticks in account.ticks.items() if category(state) == "busy")
        for account in outcome.accounts
    }
    path = max(busy, key=lambda path: busy[path])
    return {"unit": path, "share": busy[path] / outcome.makespan}


def request_rows(run: MachineRun) -> tuple[RequestRow, ...]:
    """Return all requests of a run in the order in which they arrived; none where all images were there."""
    if run.load is None:
        return ()
    ticks = run.outcome.reference.ticks
    rows = [
        RequestRow(line.network, number, *(whole(tick / ticks) for tick in times))
        for line in run.load.lines
        for number, times in enumerate(zip(line.arrived, line.started, line.completed, strict=True))
    ]
    return tuple(sorted(rows, key=lambda row: row.arrival))  # equals stay in the order of networks


def requests_text(rows: Sequence[RequestRow]) -> str:
    """Return `requests.csv`, a row a request."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows((r.workload, r.request, r.arrival, r.start, r.completion) for r in rows)
    return text.getvalue()


def read_requests(path: Path, requests: int) -> tuple[RequestRow, ...]:
    """Return the rows of `requests.csv`, of which there must be so many.

    raises : FileError for a file that is damaged
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = tuple(_rows_of(csv.reader(stream)))
    except (OSError, ValueError, TypeError) as error:
        raise FileError(f"{path} is damaged ({error}); run anew") from None
    if len(rows) != requests:
        raise FileError(f"{path} holds {len(rows)} requests, but the run had {requests}; run anew")
    return rows


def _rows_of(lines: Iterator[list[str]]) -> Iterator[RequestRow]:
    if tuple(next(lines, ())) != _COLUMNS:
        raise ValueError("its header is another")
    for workload, number, *times in lines:
        yield RequestRow(workload, int(number), *(whole(float(time)) for time in times))


def _spread(ticks: Ticks, second: float) -> dict[str, float]:
    """Return mean, percentiles and the largest [s]."""
    values = (np.percentile(ticks, list(_PERCENTILES.values())) * second).tolist()
    return {
        "mean": float(ticks.mean()) * second,
        **dict(zip(_PERCENTILES, values, strict=True)),
        "max": int(ticks.max()) * second,
    }
