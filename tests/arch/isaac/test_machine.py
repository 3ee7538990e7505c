"""Operations cycle by cycle, whole networks bit by bit, and what a run must not depend on."""

from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import MachineRun
from arch.machines.isaac import Budgets, IsaacConfig
from arch.requests import TimedArrivals
from simcore import ConfigError
from tests.arch.dataflow_bench import quantized, tangles
from tests.arch.isaac.isaac_bench import bench, convolution, isaac_settings, mlp, placed_if_any, starts
from tests.arch.test_dataflow import drawn, same
from tests.strategies import NetworkCase, networks
from workloads import Conv2d, Input, Layer, Linear, MaxPool2d, Network, Window, lower

#: Ticks: the digital clock of 1.2 GHz ticks 120 times in a cycle of 100 ns.
CYCLE = 120


def cycles(run: MachineRun) -> list[int]:
    return [tick // CYCLE for tick in run.completed]


# -- one operation -------------------------------------------------------------------------------------------


def test_an_operation_takes_22_cycles_part_by_part() -> None:
    """A cycle each for reading, converting, sigmoid and writing, 16 for the bits, two to add."""
    run = bench(mlp(128, 16)).run(record=True)
    copy = "layer[fc0].copy[0]"
    (fetched,) = starts(run, f"{copy}.fetch[0]", "busy:read")
    (driven,) = starts(run, f"{copy}.ima[0]", "busy:mvm")
    (added,) = starts(run, f"{copy}.shift-add", "busy:shift-add")
    (finished,) = starts(run, "layer[fc0].digital", "busy:finish")
    assert [tick / CYCLE for tick in (fetched, driven, added, finished)] == [1, 2, 2 + 16 + 1, 2 + 16 + 1 + 2]
    assert cycles(run) == [1 + 22]  # the first cycle writes the input
    assert run.outcome.cycles == 23


def test_each_array_and_each_converter_is_a_process_if_asked_for() -> None:
    """A converter is busy for as long as its array, a cycle behind."""
    run = bench(mlp(200, 40), {"detail": "array"}).run(2, record=True)
    copy = "layer[fc0].copy[0].ima[0]"
    arrays = [f"{copy}.array[{row},{col}]" for row in range(2) for col in range(3)]
    for array in arrays:
        driven, converted = starts(run, array, "busy:mvm"), starts(run, f"{array}.adc", "busy:convert")
        assert (converted - driven).tolist() == [CYCLE, CYCLE]
    busy = {a.path: a.ticks.get("busy:convert", 0) for a in run.outcome.accounts if a.path.endswith(".adc")}
    assert busy == {f"{array}.adc": 2 * 16 * CYCLE for array in arrays}


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 3))
def test_a_layer_takes_a_window_of_each_copy_every_16_cycles(copies: int, rounds: int, images: int) -> None:
    subject = bench(convolution(size=(copies, rounds)), {"layers": {"conv": {"replication": copies}}})
    assert cycles(subject.run(images)) == [23 + 16 * ((n + 1) * rounds - 1) for n in range(images)]


@pytest.mark.parametrize(
    ("machine", "cycles_more"),
    [
        ({"activation_bits": 8}, -8),
        ({"array": {"dac_bits": 2}}, -8),
        ({"ima": {"adc_cycles": 3}}, 2),
        ({"ima": {"shift_add_cycles": 5}}, 3),
        ({"tile": {"write_cycles": 4}}, 3),
        ({"tile": {"edram_cycles": 30}}, 0),  # 8 words in two banks: 120 digital cycles
        ({"tile": {"edram_cycles": 31}}, 2),  # 124, to write the input and to read it
    ],
)
def test_each_part_adds_its_own_time(machine: dict[str, Any], cycles_more: int) -> None:
    assert cycles(bench(mlp(128, 16), machine).run()) == [23 + cycles_more]


def test_layers_add_up_their_22_cycles_and_images_follow_every_16() -> None:
    run = bench(mlp(128, 64, 32, 10)).run(3)
    assert cycles(run) == [1 + 3 * 22, 1 + 3 * 22 + 16, 1 + 3 * 22 + 32]


def test_more_values_than_sigmoid_units_and_links_take_in_a_cycle_take_another() -> None:
    """512 values in one tile: 256 digital cycles of two units, 514 flits at 1 GHz on the way to the next."""
    run = bench(mlp(128, 512, 16)).run()
    behind = 256 + ceil((2 + 2 * 1 + 256 - 1) * 1.2)  # two links, a router and the packet's flits
    first = 1 + 16 + 1 + 2 + ceil(behind / CYCLE) + 1
    assert cycles(run) == [1 + first + 22]


def test_partial_sums_of_a_further_tile_take_a_cycle_more() -> None:
    one, two = (bench(mlp(rows * 128, 16)).run() for rows in (96, 97))
    assert cycles(two)[0] - cycles(one)[0] == 1


def test_a_pool_takes_as_many_windows_in_a_cycle_as_its_unit_can() -> None:
    """64 windows of 4 pixels take 256 digital cycles a channel: more than 16 cycles if there are nine."""
    layers: list[Layer] = [
        Input(name="image", shape=(1, 16, 16)),
        Conv2d(name="conv", out_channels=1, window=Window.square(1)),
        MaxPool2d(name="pool", window=Window.square(2, stride=2)),
        Linear(name="fc", out_features=1),
    ]
    for channels, interval in ((1, 16), (9, ceil(9 * 256 / CYCLE))):
        layers[1] = Conv2d(name="conv", out_channels=channels, window=Window.square(1))
        machine = {"tile": {"sigmoid_units": 32, "imas": 64}}  # one tile, one pool unit
        assert np.diff(cycles(bench(Network("pooled", layers), machine).run(4)))[-1] == interval


# -- eDRAM and bus -------------------------------------------------------------------------------------------


WINDOWS, COPIES = 192, 24


def shared_tile(bits: int) -> MachineRun:
    """Run a layer whose copies lie in one tile with a bus of so many wires: 128 bytes a window and pixel."""
    case = convolution(64, 2, (24, 8))
    layers = {"conv": {"replication": COPIES}}
    return bench(case, {"layers": layers, "tile": {"bus_bits": bits, "edram_cycles": 1}}).run(3, record=True)


def waits_for_edram(run: MachineRun) -> int:
    return sum(a.ticks.get("wait-resource:edram", 0) for a in run.outcome.accounts)


def test_a_narrow_bus_sets_the_interval_and_is_named_as_the_cause() -> None:
    """Every pixel is written once and every window read once, 128 bytes each, one after the other."""
    runs = {bits: shared_tile(bits) for bits in (16, 8)}
    for bits, run in runs.items():
        busy = 2 * WINDOWS * 128 * 8 // bits  # digital cycles of eDRAM and bus for an image
        assert busy > WINDOWS // COPIES * 16 * CYCLE  # more than the arrays take
        assert np.diff(run.completed) == pytest.approx([busy, busy], rel=0.02)
    assert waits_for_edram(runs[8]) > 1.5 * waits_for_edram(runs[16]) > 0


def test_the_published_width_is_no_bottleneck() -> None:
    for bits in (256, 2048):
        assert np.diff(shared_tile(bits).completed).tolist() == [WINDOWS // COPIES * 16 * CYCLE] * 2


def test_reads_of_a_tile_never_overlap() -> None:
    run = shared_tile(64)
    activity = run.outcome.activity
    assert activity is not None
    users = [i for i, path in enumerate(activity.units) if ".fetch[0]" in path or ".write[" in path]
    busy = [activity.states.index(name) for name in ("busy:read", "busy:write")]
    mask = np.isin(activity.unit, users) & np.isin(activity.state, busy)
    order = np.argsort(activity.start[mask], kind="stable")
    start, duration = activity.start[mask][order], activity.duration[mask][order]
    assert (start[1:] >= (start + duration)[:-1]).all()


def test_a_tile_whose_edram_is_busy_holds_up_its_own_pixels_only() -> None:
    """Two tiles, written in turn: the slow reads of one never make the other's writer wait."""
    layers = {"conv": {"replication": 2}}
    machine = {"layers": layers, "ima": {"arrays": 1}, "tile": {"imas": 1, "bus_bits": 8}}
    run = bench(convolution(16, 16, (8, 8)), machine).run(2, record=True)
    for tile in (0, 1):
        (waited,) = (
            account.ticks.get("wait-resource:edram", 0)
            for account in run.outcome.accounts
            if account.path == f"layer[conv].write[0].tile[{tile}]"
        )
        (read,) = (
            account.ticks["busy:read"]
            for account in run.outcome.accounts
            if account.path == f"layer[conv].copy[{tile}].fetch[{tile}]"
        )
        assert waited <= read


# -- whole networks ------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(networks(), isaac_settings())
def test_outputs_are_those_of_the_golden_reference_at_any_width(
    case: NetworkCase, machine: dict[str, Any]
) -> None:
    integers = quantized(case, 16, 16)
    if (subject := placed_if_any(integers.network.lowered, machine)) is None:
        return
    images = len(case.images)
    run = subject.run(images, integers.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, integers.expected)
    reference = subject.run(images)
    assert run.outcome.accounts == reference.outcome.accounts  # values change no cycle
    assert run.outcome.energy == reference.outcome.energy


@settings(deadline=None, max_examples=30)
@given(networks(), isaac_settings(), st.integers(0, 2**16))
def test_engine_order_recording_and_detail_change_nothing(
    case: NetworkCase, machine: dict[str, Any], seed: int
) -> None:
    if (subject := placed_if_any(lower(case.network), machine)) is None:
        return
    reference = subject.run(2)
    for options in ({"engine": "stock"}, {"shuffle": seed}, {"record": True}):
        same(subject.run(2, **options), reference)
    other = "group" if machine["detail"] == "array" else "array"
    run = bench(case.network, {**machine, "detail": other}).run(2)
    assert run.completed == reference.completed
    assert run.outcome.energy.by_component == pytest.approx(reference.outcome.energy.by_component)
    assert run.outcome.area == reference.outcome.area


@settings(deadline=None, max_examples=40)
@given(tangles(), isaac_settings())
def test_no_graph_deadlocks(network: Network, machine: dict[str, Any]) -> None:
    assert len(bench(network, machine).run(2).completed) == 2


# -- device values -------------------------------------------------------------------------------------------


def device_run(machine: dict[str, Any]) -> tuple[MachineRun, bool]:
    """Run a layer with device values; return whether its outputs are the golden ones, too."""
    conv = Conv2d(name="conv", out_channels=8, window=Window.square(3))
    integers = quantized(drawn(conv, shape=(64, 4, 4), images=2), 16, 16)
    run = bench(integers.network.lowered, machine).run(2, replace(integers.values, device=True))
    assert run.outputs is not None
    return run, np.array_equal(run.outputs, integers.expected)


def test_an_8_bit_converter_loses_nothing_of_flipped_columns_and_a_7_bit_one_does() -> None:
    run, golden = device_run({})
    assert golden
    assert run.arrays is not None
    assert run.arrays.clipped == 0
    assert not device_run({"adc": {"bits": 7}})[1]
    assert not device_run({"array": {"encoding": "offset"}})[1]  # needs a ninth bit
    assert device_run({"array": {"encoding": "offset"}, "adc": {"bits": 9}})[1]


def test_cells_with_noise_change_outputs_but_no_cycle() -> None:
    run, golden = device_run({"array": {"device": {"kind": "rram"}}})
    assert not golden
    assert run.completed == device_run({})[0].completed


# -- energy, area and chips ----------------------------------------------------------------------------------


def test_energy_of_an_operation_is_that_of_its_parts() -> None:
    config = IsaacConfig()
    pj = Budgets(config).energies
    run = bench(mlp(256, 32)).run()  # 2 x 2 arrays in one IMA
    array_cycles = 4 * 16
    expected = {
        "adc": array_cycles * 128 * pj["adc"],
        "dac": array_cycles * 128 * pj["dac"],
        "sample-hold": array_cycles * 128 * pj["sample-hold"],
        "shift-add": array_cycles * 128 * pj["shift-add"],
        "crossbar": array_cycles * pj["crossbar"],
        "register": array_cycles * (pj["input-register"] + pj["output-register"]) + 64 * pj["tile-register"],
        "buffer": (512 + 512) * pj["edram"],  # written once, read once for both columns
        "bus": (512 + 512) * pj["bus"],
        "digital": 32 * pj["sigmoid"],
        "hypertransport": 10.4e12 * run.outcome.seconds,
    }
    found = {name: joules * 1e12 for name, joules in run.outcome.energy.by_component.items()}
    assert found == pytest.approx(expected)
    conversions = run.outcome.energy.actions["layer[fc0].adc"]["conversion"]
    assert conversions == run.macs == 256 * 32  # one a multiply-accumulate, as arrays are full


def test_area_is_that_of_whole_chips_whatever_lies_on_them() -> None:
    one, three = (bench(mlp(784, 512, 512, 10), {"tiles": tiles}).run() for tiles in (168, 2))
    chip = Budgets(IsaacConfig()).chip.mm2
    assert one.outcome.area.total == pytest.approx(chip)
    assert three.outcome.area.total == pytest.approx(3 * Budgets(IsaacConfig.parse({"tiles": 2})).chip.mm2)
    assert one.outcome.area.by_component["adc"] == pytest.approx(168 * 12 * 0.0096)


def test_what_goes_from_chip_to_chip_takes_longer_and_each_has_its_links() -> None:
    """32 bytes take 600 digital cycles at 0.064 GB/s, and the hops of 1 GHz in front and behind 5 cycles."""
    network = mlp(16, 16, 16)
    assert cycles(bench(network).run()) == [1 + 2 * 22]
    two = bench(network, {"tiles": 1, "hypertransport": {"gb_per_s": 0.064}})
    assert two.placed.chips == 2
    run = two.run()
    behind = 8 + 600 + ceil(4 * 1.2)  # two sigmoid units, HyperTransport, two routers and two more links
    assert cycles(run) == [1 + 20 + ceil(behind / CYCLE) + 1 + 22]
    assert run.outcome.energy.actions["chips.hypertransport"] == {"byte": 32}
    watts = run.outcome.energy.by_component["hypertransport"] / run.outcome.seconds
    assert watts == pytest.approx(2 * 10.4)


def test_an_image_that_arrives_late_on_an_idle_machine_is_late_by_just_that() -> None:
    subject = bench(mlp(128, 64, 10))
    (alone,) = subject.run().completed
    run = subject.run(2, arrivals=TimedArrivals((3, 1000)))
    assert run.completed == [3 * CYCLE + alone, 1000 * CYCLE + alone]
    (source,) = (account for account in run.outcome.accounts if account.path == "source")
    assert source.ticks["wait-resource:arrival"] >= 999 * CYCLE


def test_clocks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"cycle_ns 33\.4 and digital_ghz 1\.2, which makes 40\.08 digital"):
        bench(mlp(4, 4), {"cycle_ns": 33.4})
