"""The dataflow machine leaves out periods that repeat, and nobody can tell from what it reports."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import MachineRun
from arch.machine import machines
from imcsim.metrics import fingerprint, history_digest, stream_metrics
from simcore import Component
from simcore.settings import overlay
from tests.arch.dataflow_bench import Bench, bench, chain, machine_settings, residual, tangles
from tests.benches import ENGINES
from tests.strategies import NetworkCase, networks
from workloads import LoweredNetwork, MatrixNode, Window, lower
from workloads import networks as shipped

MEMORIES = ("activation-memory", "direct-memory")


def insist_on_equal(subject: Bench, images: int, **options: Any) -> MachineRun:
    """Compare a run that may skip with one that does not, in all that is reported; return the former."""
    full = subject.run(images, record=True, **options)
    run = subject.run(images, record=True, fast_forward=True, **options)
    assert reported(subject, run) == reported(subject, full)
    return run


def reported(subject: Bench, run: MachineRun) -> tuple[Any, ...]:
    """Return all that a run reports but how it was found."""
    outcome = run.outcome
    digest = fingerprint(subject.machine, subject.placed.network, "off", 0, run)
    found = outcome.makespan, outcome.accounts, outcome.energy, outcome.area, history_digest(outcome)
    metrics = stream_metrics(run, len(run.completed) // 2)
    return digest, run.accepted, run.completed, run.peaks, run.macs, *found, metrics


def skipped(run: MachineRun) -> int:
    """Return how many images were left out."""
    assert run.outcome.fast_forward is not None
    return run.outcome.fast_forward.items


@st.composite
def machines_for(draw: st.DrawFn, network: LoweredNetwork) -> dict[str, Any]:
    """Draw a machine, with copies of layers, a memory and several pixels that come together."""
    machine = draw(machine_settings())
    machine["core"]["memory"]["kind"] = draw(st.sampled_from(MEMORIES))
    machine["input_pixels_per_cycle"] = draw(st.none() | st.integers(1, 5))
    layers = [node.name for node in network.nodes if isinstance(node, MatrixNode)]
    machine["layers"] = {name: {"replication": draw(st.integers(1, 4))} for name in layers}
    return machine


@given(networks(), st.integers(8, 20), st.sampled_from(ENGINES), st.none() | st.integers(0, 9), st.data())
@settings(deadline=None, max_examples=60)
def test_a_run_that_skips_reports_what_the_full_run_does(
    case: NetworkCase, images: int, engine: Any, shuffle: int | None, data: st.DataObject
) -> None:
    network = lower(case.network)
    if network.nodes:
        subject = bench(network, data.draw(machines_for(network)))
        insist_on_equal(subject, images, engine=engine, shuffle=shuffle)


@pytest.mark.slow
@given(networks() | tangles().map(lambda n: NetworkCase(n, None)), st.integers(8, 40), st.data())  # type: ignore[arg-type]
@settings(deadline=None, max_examples=250)
def test_many_runs_that_skip_report_what_the_full_run_does(
    case: NetworkCase, images: int, data: st.DataObject
) -> None:
    network = lower(case.network)
    if network.nodes:
        insist_on_equal(bench(network, data.draw(machines_for(network))), images)


SMALL = chain(Window.square(3, padding=1), Window.square(3, stride=2), shape=(2, 6, 6))
CHOICES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "lock-step": {"detail": "group"},
    "shared converters": {"core": {"adc": {"kind": "shared-adc", "cycles": 9}}},
    "least memory": {"buffers": {"rule": "minimum"}, "source": {"pixel_cycles": 1}},
    "whole maps": {"buffers": {"rule": "full"}, "source": {"pixel_cycles": 1}},
    "small arrays": {"core": {"crossbar": {"rows": 8, "cols": 4}}},
    "windows on the wordlines": {"core": {"memory": {"kind": "direct-memory"}}},
    "three copies for 36 windows": {"layers": {"conv0": {"replication": 3}}, "input_pixels_per_cycle": 1},
    "five copies, which do not divide them": {
        "layers": {"conv0": {"replication": 5}, "conv1": {"replication": 3}},
        "input_pixels_per_cycle": 1,
    },
    "five pixels a cycle": {"input_pixels_per_cycle": 5},
    "four pixels a step": {"mapping": {"pixels_per_step": 4}, "input_pixels_per_cycle": 1},
    "jobs in a row": {"core": {"kind": "job-core", "streamer": {"mode": "sequential"}}},
    "jobs that overlap": {
        "core": {"kind": "job-core", "streamer": {"ports": 1}},
        "source": {"pixel_cycles": 200},  # else memories fill by a cycle a pixel, for many images
    },
    "whole windows through a port": {"core": {"memory": {"window": "whole-window", "port_bytes": 2}}},
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("settings", CHOICES.values(), ids=CHOICES)
def test_every_kind_of_machine_skips_most_images(settings: dict[str, Any], engine: Any) -> None:
    assert skipped(insist_on_equal(bench(SMALL, settings), 60, engine=engine)) >= 30


@pytest.mark.parametrize("name", ["digits-mlp", "digits-cnn", "digits-resnet"])
@pytest.mark.parametrize("preset", ["dataflow", "dataflow-unit"])
def test_shipped_networks_skip_all_but_three_images(name: str, preset: str) -> None:
    known = machines[preset]
    machine: Any = known.machine(known.machine.Config.parse(known.values))
    placed = machine.map(lower(shipped[name]()))
    assert skipped(insist_on_equal(Bench(machine, placed), 20)) == 17


def test_copies_that_do_not_divide_the_windows_make_periods_of_several_images() -> None:
    settings = overlay(CHOICES["five copies, which do not divide them"], {})
    run = insist_on_equal(bench(SMALL, settings), 60)
    assert run.outcome.fast_forward is not None
    assert run.outcome.fast_forward.repetition is not None
    assert run.outcome.fast_forward.repetition.items > 1


def test_a_residual_network_with_deep_skips_repeats_too() -> None:
    network = residual(3, 5, 3, shape=(2, 7, 7))
    for rule in ("minimum", "lines:K+1"):
        settings = {"buffers": {"rule": rule}, "input_pixels_per_cycle": 1}
        assert skipped(insist_on_equal(bench(network, settings), 30)) >= 20


def test_a_memory_that_fills_and_fills_never_repeats_and_the_run_says_so() -> None:
    run = insist_on_equal(bench(SMALL, {"buffers": {"rule": "unbounded"}, "source": {"pixel_cycles": 1}}), 12)
    assert skipped(run) == 0
    assert run.outcome.fast_forward is not None
    assert run.outcome.fast_forward.told == "no state repeated in time to leave anything out"


def test_windows_that_need_no_pixel_run_ahead_of_the_images_and_are_counted_right() -> None:
    """Every window lies in the padding, so the memory waits for nothing."""
    window = Window.square(1, padding=1, stride=2)
    insist_on_equal(bench(chain(window, shape=(1, 1, 1)), {"source": {"pixel_cycles": 40}}), 12)


def test_every_process_of_the_machine_tells_where_it_stands() -> None:
    def kinds(cls: type[Component]) -> list[type[Component]]:
        return [cls, *(k for sub in cls.__subclasses__() for k in kinds(sub))]

    from arch import ADC, Core, Source
    from arch.activation_memory import ActivationMemory
    from arch.crossbar import AnalogCrossbar
    from arch.digital_unit import DigitalUnit
    from arch.host import Sink

    families: list[type[Component]] = [ADC, ActivationMemory, AnalogCrossbar, Core, DigitalUnit, Sink, Source]
    ours = [k for family in families for k in kinds(family) if k.__module__.startswith("arch.")]
    assert [k.__name__ for k in ours if k._processes and "phase" not in vars(k)] == []
