"""What would make an operation shorter is found without a run, and does so in one."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arch import RunOptions
from arch.machines.dataflow import DataflowMap
from arch.parameter_paths import Parameter, copies_path, parameter_at, parameter_path, room_path, shared_paths
from arch.relief_trials import Relief, ReliefTrials, tries
from simcore import ConfigError
from simcore.parameters import Declared
from tests.arch.attention_networks import attention
from tests.arch.test_lasts import machine, network
from workloads import Network, lower


def reliefs(name: str, workload: Network, unit: str, operation: str, **values: Any) -> list[Relief]:
    return list(ReliefTrials(machine(name, **values), lower(workload)).of(unit, operation))


def test_a_product_of_an_array_is_halved_with_its_read() -> None:
    found = reliefs("dataflow", network("digits-mlp"), "core[fc1].crossbar[0,0]", "mvm")
    assert found == [Relief("core.crossbar.mvm_cycles", 130, "smaller", 65, Fraction(1, 2))]


def test_wider_units_are_quicker_units() -> None:
    found = reliefs("dataflow", attention(8, features=64), "core[scores].attention", "product")
    assert [(each.path, each.better) for each in found] == [("attention.unit.macs", "larger")]


def test_a_part_whose_configuration_is_made_up_has_parameters_of_the_machine() -> None:
    found = reliefs("isaac", network("digits-cnn"), "layer[pool1].digital", "finish", digital_ghz=0.6)
    assert [(each.path, each.better) for each in found] == [
        ("tile.pool_units", "larger"),
        ("digital_ghz", "larger"),
    ]


def test_of_what_follows_from_what_comes_the_usual_direction_is_told() -> None:
    values = {"fabric": {"fidelity": "link", "topology": {"kind": "chain"}, "width_bits": 64}}
    found = reliefs("dataflow", network("digits-mlp"), "fabric.link[0,router[0]]", "transfer", **values)
    assert found == [
        Relief("fabric.width_bits", 64, "larger", 128, None),
        Relief("activation_bits", 8, "smaller", 4, None),
    ]


def test_all_that_an_operation_names_has_a_path_whether_it_helps_or_not() -> None:
    trials = ReliefTrials(machine("dataflow", core={"kind": "job-core"}), lower(network("digits-mlp")))
    assert trials.paths("core[fc1].crossbar[0,0]", "mvm") == [
        "core.crossbar.mvm_cycles",
        "core.crossbar.active_rows",
        "core.crossbar.rows",
        "core.crossbar.dac_bits",
        "activation_bits",
        "core.start_cycles",
    ]


def test_what_is_at_its_bound_is_no_relief() -> None:
    unit = "core[fc1].digital"
    assert (
        reliefs("dataflow", network("digits-mlp"), unit, "finish", core={"digital": {"pass_cycles": 0}}) == []
    )


def test_nothing_shortens_what_a_unit_does_not_hold() -> None:
    with pytest.raises(ConfigError, match=r"no unit 'sink' of dataflow holds an operation 'mvm'"):
        reliefs("dataflow", network("digits-mlp"), "sink", "mvm")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("dataflow", {"core": {"memory": {"column_cycles": 40}}}),
        ("isaac", {"replication": "none"}),
        ("pipelayer", {}),
        ("rapidnn", {"replication": "none"}),
        ("basisn", {"crossbars": 2}),
        ("reprogrammed", {"crossbars": 1}),
    ],
)
def test_each_relief_of_the_busiest_unit_makes_it_less_busy_in_a_run(
    name: str, values: dict[str, Any]
) -> None:
    own, lowered = machine(name, **values), lower(network("digits-mlp"))

    def busy(of: Any) -> dict[tuple[str, str], float]:
        run = of.simulate(of.map(lowered), 2, None, RunOptions())
        seconds = run.outcome.seconds / run.outcome.makespan
        return {
            (account.path, state): ticks * seconds
            for account in run.outcome.accounts
            for state, ticks in account.ticks.items()
            if state.startswith(("busy:", "programming:"))
        }

    now = busy(own)
    unit, state = max(now, key=lambda key: now[key])
    found = list(ReliefTrials(own, lowered, images=2).of(unit, state.partition(":")[2]))
    assert found
    for each in found:
        assert each.factor is not None
        assert each.factor < 1
        then = busy(own.with_settings([(each.path, each.tried)]))
        assert then[unit, state] < now[unit, state]


@given(st.integers(1, 64), st.integers(1, 8), st.integers(64, 100), st.sampled_from(("cycle", "lane")))
def test_what_is_tried_of_a_number_is_on_either_side_of_it_and_within_its_bounds(
    value: int, least: int, most: int, unit: str
) -> None:
    value = max(value, least)
    declared = Declared(unit, ge=least, le=most)
    found = list(tries(Parameter("x", int, declared, value)))
    assert all(declared.admits(tried) and isinstance(tried, int) for _, tried in found)
    assert all((tried < value) == (way == "smaller") and tried != value for way, tried in found)
    assert ("smaller" in dict(found)) == (value > least)
    assert ("larger" in dict(found)) == (value < most)


def test_room_between_two_layers_is_a_parameter_that_changes_it() -> None:
    own = machine("dataflow")
    lowered = lower(network("digits-resnet"))
    placed = own.map(lowered)
    assert isinstance(placed, DataflowMap)
    for edge, (place, *_) in placed.edges.items():
        path = room_path(own.config, *edge.split(":"))
        assert path is not None
        deeper = own.with_settings([(path, 999)]).map(lowered)
        assert isinstance(deeper, DataflowMap)
        assert deeper.depths[place] == 999 != placed.depths[place]


@pytest.mark.parametrize("name", ["dataflow", "isaac", "pipelayer", "rapidnn"])
def test_copies_of_a_layer_are_a_parameter_that_changes_them(name: str) -> None:
    own, lowered = machine(name), lower(network("digits-cnn"))
    layer = next(row.stage for row in own.map(lowered).rows if row.rows is not None)
    path = copies_path(own.config, layer)
    assert path is not None
    copies = {
        number: next(
            row.copies for row in own.with_settings([(path, number)]).map(lowered).rows if row.stage == layer
        )
        for number in (1, 3)
    }
    assert copies == {1: 1, 3: 3}


@pytest.mark.parametrize("name", ["basisn", "reprogrammed"])
def test_machines_without_copies_and_memories_of_their_own_have_no_such_parameters(name: str) -> None:
    assert copies_path(machine(name).config, "conv1") is None
    assert room_path(machine(name).config, "conv1", "conv2") is None


SHARING: list[tuple[str, str, dict[str, Any], set[str]]] = [
    ("dataflow", "digits-cnn", {"core": {"kind": "job-core"}}, {"ports"}),
    ("isaac", "digits-resnet", {"mesh": {"fidelity": "link"}}, {"edram", "mesh"}),
    ("pipelayer", "digits-cnn", {"parallelism": 0.0}, {"beat"}),
    ("rapidnn", "digits-resnet", {}, {"bus"}),
    (
        "basisn",
        "digits-cnn",
        {
            "crossbars": 4,
            "detail": "slot",
            "buffer": {"port_bits": 64},
            "digital": {"port_sums": 1},
            "coefficients": {"port": "shared", "port_bits": 8},
        },
        {"inputs", "sums", "coefficients"},
    ),
]


@pytest.mark.parametrize(("name", "workload", "values", "expected"), SHARING)
def test_of_all_that_parts_share_is_known_what_says_how_much_there_is(
    name: str, workload: str, values: dict[str, Any], expected: set[str]
) -> None:
    own = machine(name, **values)
    run = own.simulate(own.map(lower(network(workload))), 2, None, RunOptions())
    waits = {
        state.partition(":")[2]
        for account in run.outcome.accounts
        for state in account.ticks
        if state.startswith("wait-resource:")
    }
    assert {wait.rpartition(".")[2].partition("[")[0] for wait in waits} == expected
    for wait in waits - {"beat"}:  # it follows from the slowest layer
        assert shared_paths(own.config, wait)
        assert all(parameter_at(own.config, path) for path in shared_paths(own.config, wait))


def test_a_parameter_that_is_nowhere_is_refused() -> None:
    own = machine("dataflow")
    part = ReliefTrials(own, lower(network("digits-mlp"))).parts["core[fc1].digital"]
    assert parameter_path(own.config, part, "lanes") == "core.digital.lanes"
    assert parameter_path(own.config, part, "clock_ghz") == "clock_ghz"
    with pytest.raises(
        ConfigError, match=r"core\[fc1\].digital is set by 'lames', which is a parameter neither"
    ):
        parameter_path(own.config, part, "lames")
    with pytest.raises(ConfigError, match=r"DataflowConfig has no parameter 'core\.lanes'"):
        parameter_at(own.config, "core.lanes")
