"""What is known about the timing of a core that works in jobs: the open model's cycles from job to job."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from arch import RunOptions
from arch.machine import machines
from imcsim.targets import Target
from workloads import Conv2d, Input, Network, Window, lower

_OPEN_MODEL = "formulas derived from the source of GVSoC's ima_v1, at 130 ns and 1 GHz"
_PERIODS = {"sequential": 141, "pipelined": 131}
_JOBS = (4, 4)


def published_jobs() -> Iterator[Target]:
    """Yield the period of jobs with 256 bytes in and out, in both modes."""
    for mode, period in _PERIODS.items():
        what = f"cycles from job to job, {mode}, 256 inputs and outputs"
        yield Target(f"A2.{mode}", what, period, _simulated_period(mode), "exact", _OPEN_MODEL)


def _simulated_period(mode: str) -> int:
    """Return the cycles between the last two products of a layer whose windows never let it wait."""
    preset = machines["dataflow"]
    config = preset.machine.Config.parse(
        {
            "core": {"kind": "job-core", "streamer": {"mode": mode}},
            "source": {"pixel_cycles": 1},
            "buffers": {"rule": "full"},
        }
    )
    layers = (
        Input(name="image", shape=(256, *_JOBS)),
        Conv2d(name="jobs", out_channels=256, window=Window.square(1)),
    )
    machine = preset.machine(config)
    run = machine.simulate(machine.map(lower(Network("jobs", layers))), 1, None, RunOptions(record=True))
    activity = run.outcome.activity
    assert activity is not None
    products = activity.start[activity.state == activity.states.index("busy:mvm")]
    return int(np.diff(np.sort(products))[-1])
