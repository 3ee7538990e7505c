"""What parts say beforehand of how long they will be busy is how long they are, on every machine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import Dataflow, DataflowConfig, Machine, MachineRun
from arch.machine import machines
from simcore.settings import overlay
from tests.arch.dataflow_bench import machine_settings, tangles
from tests.arch.held import Held, Kept, run_held
from tests.token_networks import token_networks
from workloads import Network, lower, networks


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


@settings(deadline=None, max_examples=30)
@given(token_networks().map(lambda case: case.network) | tangles(), st.integers(1, 3), machine_settings())
def test_whatever_a_pipeline_computes_each_part_knows_how_long_it_takes(
    drawn: Network, images: int, values: dict[str, Any]
) -> None:
    own = Dataflow(DataflowConfig.parse(values))
    assert_known(run_held(own, drawn, images))


def test_what_links_carry_follows_from_what_comes_when() -> None:
    values = {"fabric": {"fidelity": "link", "topology": {"kind": "mesh"}, "latency_cycles": 2}}
    found = run_held(machine("dataflow", **values), network("digits-cnn"))
    assert_known(found, frozenset({"transfer", "forward"}))


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


PIPELAYER: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "by arrays": {"detail": "array", "parallelism": 0.0},
    "few subarrays": {"memory": {"subarrays": "capacity", "cols": 16}, "parallelism": 0.0},
}


@pytest.mark.parametrize("case", PIPELAYER)
def test_all_that_pipelayer_does_with_an_image_is_known(case: str) -> None:
    assert_known(run_held(machine("pipelayer", **PIPELAYER[case]), network("digits-cnn"), 3))


def test_all_that_pipelayer_does_in_training_is_known() -> None:
    def train(own: Machine, trained: Network, images: int, options: Kept) -> MachineRun:
        return own.train(own.map(lower(trained)), images, None, options)

    values: dict[str, Any] = {"mode": "training", "training": {"batch": 3, "rows_written": 8}}
    assert_known(run_held(machine("pipelayer", **values), network("digits-mlp"), 7, train))


@pytest.mark.parametrize("values", [{}, {"detail": "array"}, {"sharing": 3}, {"replication": "none"}])
def test_without_values_all_phases_of_rnas_are_known(values: dict[str, Any]) -> None:
    assert_known(run_held(machine("rapidnn", **values), network("digits-cnn")))


BASISN: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "digital": {"variant": "digital"},
    "distinct": {"basis": "distinct", "crossbars": 4},
    "on ports": {
        "buffer": {"port_bits": 64},
        "digital": {"channels_per_cycle": 8, "sums_per_cycle": 4, "port_sums": 8},
    },
    "slots": {"detail": "slot", "coefficients": {"port_bits": 16, "port": "shared"}, "crossbars": 4},
    "digital slots": {"detail": "slot", "variant": "digital", "crossbars": 4},
}


@pytest.mark.parametrize("case", BASISN)
def test_all_passes_and_slots_of_basisn_are_known(case: str) -> None:
    assert_known(run_held(machine("basisn", **BASISN[case]), network("digits-cnn")))


REPROGRAMMED: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "few": {
        "crossbars": 2,
        "array": {"rows": 32, "cols": 32},
        "buffer": {"port_bits": 64},
        "digital": {"channels_per_cycle": 8},
    },
    "batches that are not full": {
        "crossbars": 2,
        "batch": 2,
        "overlap": True,
        "detail": "array",
        "buffer": {"port_bits": 64},
        "digital": {"channels_per_cycle": 8},
    },
}


@pytest.mark.parametrize("case", REPROGRAMMED)
def test_products_writes_and_passes_on_rewritten_crossbars_are_known(case: str) -> None:
    assert_known(run_held(machine("reprogrammed", **REPROGRAMMED[case]), network("digits-cnn"), 3))


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("reprogrammed", {"crossbars": 2, "write": {"spread": "geometric"}}),
        (
            "dataflow",
            {"attention": {"products": "arrays", "writing": {"spread": "geometric"}}, "detail": "group"},
        ),
    ],
)
def test_pulses_that_are_drawn_are_not_known(name: str, values: dict[str, Any]) -> None:
    workload = "gpt-tiny" if name == "dataflow" else "digits-mlp"
    assert_known(run_held(machine(name, **values), network(workload), 1), frozenset({"write"}))
