"""What parts say beforehand of how long they will be busy is how long they are, on every machine."""

from __future__ import annotations

from typing import Any

import pytest

from arch import Machine
from arch.machine import machines
from simcore.settings import overlay
from tests.arch.held import Held, run_held
from workloads import Network, networks


def machine(name: str, **values: Any) -> Machine:
    """Return a registered machine with some of its parameters changed."""
    preset = machines[name]
    settled = overlay(overlay(preset.machine.Config().canonical(), preset.values), values)
    return preset.machine(preset.machine.Config.parse(settled), name)


def network(name: str) -> Network:
    built = networks[name]()
    assert isinstance(built, Network)
    return built


DATAFLOW: dict[str, tuple[str, dict[str, Any]]] = {
    "as it comes": ("digits-resnet", {}),
    "by groups": ("digits-resnet", {"detail": "group"}),
    "replicated": ("digits-cnn", {"balance": {"strategy": "budget", "cores": 40}}),
    "pixels together": ("digits-cnn", {"mapping": {"pixels_per_step": 2}}),
    "input together": ("digits-cnn", {"input_pixels_per_cycle": 3}),
    "one port": ("digits-cnn", {"core": {"memory": {"port_bytes": 3}}}),
    "direct memory": ("digits-resnet", {"core": {"memory": {"kind": "direct-memory"}}}),
    "jobs": ("digits-cnn", {"core": {"kind": "job-core"}}),
    "shared converters": (
        "digits-cnn",
        {
            "core": {
                "adc": {"kind": "shared-adc"},
                "crossbar": {"active_rows": 32, "input_form": "bit-serial"},
            }
        },
    ),
    "attention": ("gpt-tiny", {"detail": "group"}),
    "attention in arrays": ("gpt-tiny", {"detail": "group", "attention": {"products": "arrays"}}),
}


@pytest.mark.parametrize("case", DATAFLOW)
def test_all_busy_time_of_a_pipeline_of_cores_is_known_before_it_runs(case: str) -> None:
    workload, values = DATAFLOW[case]
    assert_known(run_held(machine("dataflow", **values), network(workload)))


def assert_known(found: list[Held], unknown: frozenset[str] = frozenset()) -> None:
    """Check that operations last what their parts say, all but the unknown ones, and that some are held."""
    assert {h.name for h in found if h.told is None and h.operation.count} == unknown
    told = [h for h in found if h.told is not None]
    assert [(h.part.path, h.name) for h in told if not h.as_told] == []
    assert sum(h.operation.ticks for h in told)


ISAAC: dict[str, tuple[str, dict[str, Any]]] = {
    "as it comes": ("digits-resnet", {}),
    "by arrays, on links": ("digits-cnn", {"detail": "array", "mesh": {"fidelity": "link"}}),
    "attention": ("gpt-tiny", {}),
    "attention in arrays": ("gpt-tiny", {"attention": {"products": "arrays"}}),
}


@pytest.mark.parametrize("case", ISAAC)
def test_on_isaac_only_latching_and_what_a_mesh_books_follow_from_what_comes_when(case: str) -> None:
    workload, values = ISAAC[case]
    unknown = {"latch", "transfer", "forward"} if "mesh" in values else {"latch"}
    assert_known(run_held(machine("isaac", **values), network(workload)), frozenset(unknown))
