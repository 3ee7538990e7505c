"""What a machine's latency is under load: digits-cnn on `dataflow` and on `isaac`.

    python -m examples.load_study docs/images

prints the tables of docs/load.md and draws its pictures into a folder: latency from a request's arrival and
requests completed over the load that is offered, beside M/D/1. Ten minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import imcsim
from imcsim import LoadRun

NETWORK = "digits-cnn"
LOADS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.05)
#: Requests at each load, by machine.
REQUESTS = {"dataflow": 5000, "isaac": 500}
#: Requests in a closed loop.
IN_SYSTEM = (1, 2, 3, 4, 8)


def measured(machine: str, loads: Sequence[float] = LOADS, requests: int | None = None) -> LoadRun:
    """Return a machine under Poisson arrivals, without the first tenth of its requests."""
    return imcsim.measure_load(NETWORK, machine, loads, images=requests or REQUESTS[machine])


def over_load(run: LoadRun) -> Iterator[Sequence[object]]:
    """Yield a row for each load: completed [1/s], mean, theory's, p50, p99 [us], and how many are there."""
    yield "load", "completed/s", "mean", "M/D/1", "p50", "p99", "in the system"
    for point in run.points:
        found, rate = point.summary["load"], f"{point.summary['load']['completed_per_s']:,.0f}"
        if not point.stable:
            yield point.load, rate, "", "", "", "", ""
            continue
        times = [found["latency_s"]["mean"], run.reference(point.load)]
        times += [found["latency_s"][name] for name in ("p50", "p99")]
        shown = [f"{1e6 * seconds:.2f}" for seconds in times]
        yield point.load, rate, *shown, f"{found['in_system_mean']:.2f}"


def closed_loops(
    machine: str, numbers: Sequence[int] = IN_SYSTEM, requests: int = 400
) -> Iterator[Sequence[object]]:
    """Yield a row for each number of requests that are there: completed [1/s], mean and p99 [us]."""
    yield "requests at a time", "completed/s", "mean", "p99"
    for number in numbers:
        run = imcsim.run(
            NETWORK,
            machine,
            images=requests,
            warmup=requests // 3,
            values="off",
            arrivals=f"closed:{number}",
            record=False,
        )
        load = run.summary["load"]
        times = [f"{1e6 * load['latency_s'][name]:.2f}" for name in ("mean", "p99")]
        yield number, f"{load['completed_per_s']:,.0f}", *times


def table(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as a page shows them, the first of them as the head."""
    head, *others = ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join([head, "|" + "---|" * (head.count("|") - 1), *others])


def main() -> None:
    """Print all tables, and draw the pictures if a folder is named."""
    for machine in REQUESTS:
        run = measured(machine)
        alone = f"{1e6 * run.alone:.2f} us alone"
        print(f"{machine}: {float(run.saturated):,.0f} requests/s, {alone}\n{table(over_load(run))}")
        print(f"\n{table(closed_loops(machine))}\n")
        if len(sys.argv) > 1:
            run.save(Path(sys.argv[1]) / f"load-{machine}.png")


if __name__ == "__main__":
    main()
