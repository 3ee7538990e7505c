"""What many requests cost: ten thousand of `digits-cnn` on `dataflow`, values off, against a few.

Where arrivals repeat, periods are skipped, so that many cost what a few do; else each costs the same. Times
are CPU seconds of building and running the machine, and of adding up its requests.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from math import floor
from time import process_time

import numpy as np

from arch import ClosedArrivals, Dataflow, DataflowConfig, RunOptions, TimedArrivals
from arch.requests import Arrivals
from benchmarks.compare import Bench, benches
from benchmarks.imagenet import GIBIBYTE, run_apart
from workloads import LoweredNetwork, lower, networks

NAME = "digits-cnn"
MANY, FEW = 10_000, 20
IN_SYSTEM = 8
#: Requests a second, of 120 192 that the machine can do.
RATE = 75_000


@cache
def _network() -> LoweredNetwork:
    return lower(networks[NAME]())


def closed(requests: int) -> ClosedArrivals:
    """Return a closed loop."""
    return ClosedArrivals(IN_SYSTEM)


def fixed(requests: int) -> TimedArrivals:
    """Return arrivals at an even rate."""
    gap = Dataflow(DataflowConfig()).reference_hz / RATE
    return TimedArrivals(tuple(floor(number * gap) for number in range(requests)), gap.denominator)


def irregular(requests: int) -> TimedArrivals:
    """Return arrivals with exponential gaps, of numpy's, at the same rate."""
    gap = float(Dataflow(DataflowConfig()).reference_hz / Fraction(RATE))
    gaps = np.random.default_rng(0).exponential(gap, requests)
    return TimedArrivals(tuple(np.cumsum(gaps).astype(np.int64).tolist()))


def taken(arrivals: Arrivals, requests: int, fast_forward: bool) -> float:
    """Return what a run takes, from the mapping to the last law [s]."""
    machine, options = Dataflow(DataflowConfig()), RunOptions(fast_forward=fast_forward, arrivals=arrivals)
    start = process_time()
    machine.simulate(machine.map(_network()), requests, None, options)
    return process_time() - start


for _bench in (
    Bench(
        "load-closed",
        f"digits-cnn on `dataflow`, {IN_SYSTEM} requests at a time, values off: 10 000, skipping what "
        f"repeats, against {FEW} in full",
        "cost",
        3,
        lambda: (taken(closed(MANY), MANY, True), taken(closed(FEW), FEW, False)),
    ),
    Bench(
        "load-fixed",
        f"the same at a fixed rate of 75 000 requests/s, skipping what repeats, against {FEW} in full",
        "cost",
        3,
        lambda: (taken(fixed(MANY), MANY, True), taken(fixed(FEW), FEW, False)),
    ),
    Bench(
        "load-poisson",
        "the same with Poisson arrivals, which never repeat: 1 000 requests in full against 100",
        "cost",
        11,
        lambda: (taken(irregular(1000), 1000, False), taken(irregular(100), 100, False)),
        rounds=3,
    ),
    Bench(
        "load-memory",
        "10 000 requests of digits-cnn on `dataflow`, Poisson arrivals, in full, values off: peak memory "
        "against 1 GiB",
        "cost",
        1,
        lambda: (
            run_apart(name=NAME, images=MANY, values="off", arrivals=f"poisson:{RATE}")[2],
            GIBIBYTE,
        ),
        rounds=1,
        warm_up=False,
        unit="MiB",
    ),
):
    benches.register(_bench.name)(_bench)
