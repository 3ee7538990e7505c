"""BasisN and reprogrammed crossbars side by side: what both do and have is counted and costs the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from arch import MachineRun, RunOptions
from arch.machines.basisn import BasisN, BasisNConfig
from arch.machines.reprogrammed import Reprogrammed, ReprogrammedConfig
from tests.strategies import NetworkCase, networks
from workloads import lower

#: What one machine has and the other has not.
OWN = {"coefficients", "switch", "programming"}


def parameters(config: BaseModel, prefix: str = "") -> dict[str, Any]:
    """Return all parameters by their path."""
    found: dict[str, Any] = {}
    for name in type(config).model_fields:
        value = getattr(config, name)
        inside = parameters(value, f"{prefix}{name}.") if isinstance(value, BaseModel) else None
        found |= {prefix + name: value} if inside is None else inside
    return found


def test_what_both_have_is_called_the_same_and_has_the_same_default() -> None:
    ours, theirs = parameters(BasisNConfig()), parameters(ReprogrammedConfig())
    both = {path for path in ours if path in theirs} - {"array.kind", "detail"}
    assert {path: ours[path] for path in both} == {path: theirs[path] for path in both}
    for path in (
        *("crossbars", "clock_ghz", "activation_bits", "array.rows", "array.mvm_cycles", "array.active_rows"),
        *("array.cell_energy_fj", "array.row_energy_fj", "array.area_mm2", "array.row_area_mm2"),
        *("adc.bits", "adc.columns_per_adc", "adc.range", "adc.energy_pj", "adc.area_mm2"),
        *("digital.channels_per_cycle", "digital.channel_energy_pj", "digital.area_mm2"),
        *("digital.shift_add_energy_pj", "digital.shift_add_area_mm2"),
        *("buffer.port_bits", "buffer.byte_energy_pj", "buffer.area_mm2_per_kib"),
        *("write.pulses", "write.write_pj"),
    ):
        assert path in both
    parts = ("array.", "adc.", "digital.", "buffer.", "write.")
    assert {path for path in {*ours, *theirs} - both if path.startswith(parts)} == {
        *("array.kind", "digital.sums_per_cycle", "digital.port_sums", "buffer.sum_bytes"),
        *("write.pulse_cycles", "write.verify_cycles", "write.parallel", "write.spread"),
        *("write.most_pulses", "write.endurance_writes"),
    }


@st.composite
def shared_settings(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what both machines have but crossbars, each of which is wide enough for all kernels of a layer."""
    rows = draw(st.integers(2, 40))
    return {
        "activation_bits": draw(st.sampled_from((2, 4, 7, 8))),
        "array": {
            "rows": rows,
            "cols": 64,
            "active_rows": draw(st.none() | st.integers(1, rows)),
            "dac_bits": draw(st.integers(1, 2)),
            "encoding": draw(st.sampled_from((None, "offset"))),
        },
        "digital": {"channels_per_cycle": draw(st.none() | st.integers(1, 8))},
        "buffer": {"area_mm2_per_kib": draw(st.sampled_from((0.1, 0.7)))},
    }


def counted(run: MachineRun, action: str, layer: str = "") -> int:
    """Return how often a run did an action, of a layer or in all."""
    actions = run.outcome.energy.actions
    return sum(counts.get(action, 0) for path, counts in actions.items() if f"[{layer}" in path or not layer)


@settings(deadline=None, max_examples=60)
@given(networks(), shared_settings(), st.integers(1, 3))
def test_both_count_the_same_work_where_all_weights_lie_on_the_crossbars(
    case: NetworkCase, shared: dict[str, Any], images: int
) -> None:
    """Every slice of a layer is an array's tile, of 4 bit; a kernel is a column, with a coefficient each."""
    network = lower(case.network)
    assume(network.nodes)
    packed = {"coefficients": {"bits": 2, "nonzeros": 1, "drawn": "packed"}}
    ours = BasisN(BasisNConfig.parse({**shared, **packed, "crossbars": 3, "variant": "digital"}))
    theirs = Reprogrammed(ReprogrammedConfig.parse({**shared, "crossbars": 10_000, "weight_bits": 4}))
    ours_map, theirs_map = ours.map(network), theirs.map(network)
    assert theirs_map.schedule.resident
    combined = ours.simulate(ours_map, images, None, RunOptions())
    resident = theirs.simulate(theirs_map, images, None, RunOptions())
    for action in ("byte", "bit read", "channel pass"):
        assert counted(combined, action) == counted(resident, action)
    passing = [
        sum(unit.ticks.get("busy:finish", 0) for unit in run.outcome.accounts) for run in (combined, resident)
    ]
    assert passing[0] == passing[1]
    assert ours_map.maps == (theirs_map.buffer_pixels, theirs_map.buffer_bytes)
    for layer in theirs_map.layers:
        node = layer.stage.matrix
        assert node is not None
        if node.groups > 1:  # of which several may share a tile
            continue
        each, unit = theirs.config.encoding.columns_per_weight, theirs.config.encoding.unit_bitlines
        columns = node.cols * each + unit, ours_map.vectors * each + unit
        drives = [counted(run, "row drive", layer.name + "]") for run in (combined, resident)]
        assert drives[0] == drives[1]
        for action in ("conversion", "cell read"):  # of as many columns as there are
            found = [counted(run, action, layer.name + "]") for run in (combined, resident)]
            assert found[0] * columns[0] == found[1] * columns[1]


@settings(deadline=None, max_examples=20)
@given(networks(), shared_settings())
def test_both_have_the_same_area_but_for_coefficients_and_switches(
    case: NetworkCase, shared: dict[str, Any]
) -> None:
    network = lower(case.network)
    assume(network.nodes)
    tiles = Reprogrammed(ReprogrammedConfig.parse(shared)).map(network).tiles
    shared["crossbars"] = max(tiles, 1)  # as many as need no splitting
    machines = BasisN(BasisNConfig.parse(shared)), Reprogrammed(ReprogrammedConfig.parse(shared))
    areas, energies = [], []
    for machine in machines:
        outcome = machine.simulate(machine.map(network), 1, None, RunOptions()).outcome
        areas.append({k: v for k, v in outcome.area.by_component.items() if v and k not in OWN})
        energies.append({k for k, v in outcome.energy.by_component.items() if v and k not in OWN})
    assert areas[0] == pytest.approx(areas[1])
    assert energies[0] == energies[1]
