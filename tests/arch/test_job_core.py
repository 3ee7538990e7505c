"""The core that works in jobs: its period by the published formulas, and all that goes for every core."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil, floor
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import MachineRun, StreamerConfig
from arch.job_core import JobCoreConfig
from arch.mapping.tiling import Block
from tests.arch.dataflow_bench import bench, chain, quantized, residual, tangles
from tests.strategies import NetworkCase, networks
from workloads import LoweredNetwork, Network, Window, lower

Mode = Literal["sequential", "pipelined"]
MODES: tuple[Mode, ...] = ("sequential", "pipelined")


def published_period(mode: Mode, t_mvm: int, height: int, width: int, ports: int = 32) -> int:
    """Return the cycles from job to job by the formulas of GVSoC's `ima_v1`."""
    t_in = ceil(ceil(height / 4) / ports) + 2 + (floor(ceil(width / 4) / ports) <= 1)
    t_out = ceil(ceil(width / 4) / ports) + 2
    t_idle = 2
    if mode == "sequential":
        return t_idle + t_in + t_mvm + t_out
    return max(t_mvm, t_in + t_out + t_idle)


def jobs(mode: Mode, height: int, width: int, mvm: int = 130, ports: int = 32, **core: Any) -> MachineRun:
    """Run twelve jobs on one core, each with its window there before the one before has ended."""
    machine = {
        "core": {
            "kind": "job-core",
            "streamer": {"mode": mode, "ports": ports},
            "crossbar": {"rows": 512, "cols": 512, "mvm_cycles": mvm},
            "digital": {"pass_cycles": 0},
            **core,
        },
        "source": {"pixel_cycles": 1},
        "buffers": {"rule": "unbounded"},
    }
    return bench(chain(Window.square(1), shape=(height, 3, 4), channels=width), machine).run(record=True)


def gaps(run: MachineRun, unit: str = "core[conv0].crossbar[0,0]", state: str = "busy:mvm") -> list[int]:
    """Return the cycles between the starts of an operation."""
    activity = run.outcome.activity
    assert activity is not None
    starts = activity.start[
        (activity.unit == activity.units.index(unit)) & (activity.state == activity.states.index(state))
    ]
    return [int(gap) for gap in np.diff(starts)]


@pytest.mark.parametrize(("mode", "period"), [("sequential", 141), ("pipelined", 131)])
def test_256_inputs_and_256_outputs_at_130_ns(mode: Mode, period: int) -> None:
    assert gaps(jobs(mode, 256, 256)) == [period] * 11


@settings(deadline=None, max_examples=150)
@given(
    st.sampled_from(MODES),
    st.integers(1, 512),
    st.integers(1, 512),
    st.integers(1, 60) | st.just(130),
    st.integers(1, 40),
)
def test_jobs_follow_one_another_as_the_formulas_say(
    mode: Mode, height: int, width: int, mvm: int, ports: int
) -> None:
    """The array takes a cycle to start; the first two jobs find free streamers."""
    expected = published_period(mode, mvm + 1, height, width, ports)
    assert StreamerConfig(mode=mode, ports=ports).period(mvm + 1, height, width) == expected
    assert gaps(jobs(mode, height, width, mvm, ports))[2:] == [expected] * 9


@pytest.mark.parametrize("mode", MODES)
def test_a_job_alone_streams_in_evaluates_and_streams_out(mode: Mode) -> None:
    machine = {"core": {"kind": "job-core", "streamer": {"mode": mode}}}
    run = bench(chain(Window.square(1), shape=(256, 1, 1), channels=256), machine).run()
    link, t_in, t_mvm, t_out, digital = 1, 4, 131, 4, 4
    assert run.completed == [link + t_in + t_mvm + t_out + digital + link]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 512), st.integers(1, 512), st.integers(1, 60))
def test_streaming_in_and_out_never_share_the_ports(height: int, width: int, mvm: int) -> None:
    activity = jobs("pipelined", height, width, mvm, ports=1).outcome.activity
    assert activity is not None
    spans: list[tuple[int, int]] = []
    for unit in ("stream-in", "stream-out"):
        here = activity.unit == activity.units.index(f"core[conv0].{unit}[0,0]")
        busy = np.array([state.startswith("busy") for state in activity.states])[activity.state]
        spans += zip(activity.start[here & busy], activity.duration[here & busy], strict=True)
    spans.sort()
    assert all(start + duration <= later for (start, duration), (later, _) in pairwise(spans))


@st.composite
def job_machines(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a machine of job cores on small arrays, with any parts."""
    core = {
        "kind": "job-core",
        "streamer": {"mode": draw(st.sampled_from(MODES)), "ports": draw(st.integers(1, 4))},
        "memory": {"kind": draw(st.sampled_from(("streamed-memory", "activation-memory", "direct-memory")))},
        "crossbar": {
            "rows": draw(st.integers(4, 32)),
            "cols": draw(st.integers(4, 32)),
            "mvm_cycles": draw(st.integers(1, 20)),
        },
        "adc": {"kind": draw(st.sampled_from(("column-adc", "shared-adc")))},
        "digital": {"lanes": draw(st.integers(1, 8)), "pass_cycles": draw(st.integers(0, 9))},
        "partial_sum_cycles": draw(st.integers(0, 20)),
    }
    return {
        "core": core,
        "buffers": {"rule": draw(st.sampled_from(("minimum", "lines:K+1", "unbounded")))},
        "source": {"pixel_cycles": draw(st.integers(1, 25))},
    }


def arrays_stream_alike(network: LoweredNetwork, machine: dict[str, Any]) -> bool:
    """Tell whether all arrays of each layer stream as long as the largest, as they do in lock-step."""
    placed = bench(network, machine)
    config = placed.machine.config
    core, streaming = config.core, config.streaming
    assert isinstance(core, JobCoreConfig)

    def times(blocks: Sequence[Block]) -> tuple[int, int]:
        height, width = core.job_bytes(streaming, blocks)
        return core.streamer.in_cycles(height, width), core.streamer.out_cycles(width)

    tilings = placed.placed.tilings.values()
    return all(times([block]) == times(t.blocks) for t in tilings for block in t.blocks)


@settings(deadline=None, max_examples=100)
@given(networks(max_images=3), job_machines(), st.integers(1, 3))
def test_values_are_golden_and_engines_and_details_agree(
    case: NetworkCase, machine: dict[str, Any], copies: int
) -> None:
    network = lower(case.network)
    if not network.nodes:
        return
    layers = {name: {"replication": copies} for name in bench(network, machine).placed.tilings}
    machine = {**machine, "layers": layers}
    q = quantized(case)
    images = len(q.expected)
    run = bench(network, machine).run(images, q.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, q.expected)
    stock = bench(network, machine).run(images, engine="stock", shuffle=1)
    assert run.completed == stock.completed
    assert run.outcome.accounts == stock.outcome.accounts
    group = bench(network, {**machine, "detail": "group"}).run(images, q.values)
    assert group.outputs is not None
    assert np.array_equal(group.outputs, q.expected)
    if arrays_stream_alike(network, machine):  # others claim their ports at times of their own
        assert run.completed == group.completed


@settings(deadline=None, max_examples=40)
@given(tangles(), job_machines())
def test_no_branches_deadlock_job_cores(network: Network, machine: dict[str, Any]) -> None:
    assert len(bench(network, machine).run(2).completed) == 2


@pytest.mark.parametrize("mode", MODES)
def test_images_follow_at_the_interval_that_the_map_predicts(mode: Mode) -> None:
    machine = {"core": {"kind": "job-core", "streamer": {"mode": mode}}, "source": {"pixel_cycles": 1}}
    subject = bench(residual(3, 3, shape=(16, 6, 6)), machine)
    assert subject.placed.interval is not None
    completed = subject.run(6).completed
    assert completed[-1] - completed[-2] == subject.placed.interval.cycles


def test_a_job_reads_its_whole_window() -> None:
    network = chain(Window.square(3, padding=1), shape=(5, 8, 8))
    actions = bench(network, {"core": {"kind": "job-core"}}).run().outcome.energy.actions
    assert actions["core[conv0].memory"]["byte read"] == 64 * 9 * 5
