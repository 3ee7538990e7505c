"""Set by set: values, cycles, writes and energy of runs, and what they must not depend on."""

from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import MachineRun
from arch.machines.reprogrammed.closed_forms import turns_cycles, write_cycles
from arch.machines.reprogrammed.writing import WriteLedger
from arch.resistive_costs import conversion_pj
from simcore.activity import category
from tests.arch.dataflow_bench import Quantized, quantized, residual, tangles
from tests.arch.isaac.isaac_bench import convolution, mlp, starts
from tests.arch.reprogrammed.reprogrammed_bench import Bench, bench, reprogrammed_settings
from tests.arch.test_dataflow import drawn, same
from tests.strategies import NetworkCase, networks
from workloads import Conv2d, Input, MaxPool2d, Network, Window, lower


def outputs_of(run: MachineRun) -> np.ndarray[Any, Any]:
    assert run.outputs is not None
    return run.outputs


def ticks(run: MachineRun, path: str) -> dict[str, int]:
    return next(account.ticks for account in run.outcome.accounts if account.path == path)


# -- whole networks ------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=50)
@given(networks(), reprogrammed_settings())
def test_outputs_are_golden_and_cycles_writes_and_energy_those_of_closed_forms(
    case: NetworkCase, machine: dict[str, Any]
) -> None:
    """With any ports and rates: what they hold up follows in closed form, too."""
    integers = quantized(case)
    if not integers.network.lowered.nodes:
        return
    subject, images = bench(integers.network.lowered, machine), len(case.images)
    run = subject.run(images, integers.values)
    assert np.array_equal(outputs_of(run), integers.expected)
    placed, config = subject.placed, subject.machine.config
    assert run.outcome.cycles == placed.run_cycles(images)
    batches = ceil(images / config.batch)
    rewritten = 0 if placed.tiles <= config.crossbars else batches
    cells = rewritten * placed.tiles * config.array.rows * config.array.cols
    found = run.programming
    assert found is not None
    assert (found.sets, found.rounds) == (len(placed.schedule.sets), rewritten * len(placed.schedule.sets))
    assert (found.cells, found.failed) == (cells, 0)
    assert found.pulses == cells * config.write.mean_pulses
    assert found.cycles == found.rounds * write_cycles(config)
    pulse_j = config.write.write_pj * 1e-12 + config.array.cell_energy_fj * 1e-15
    assert found.energy_j == pytest.approx(float(found.pulses) * pulse_j, abs=pulse_j * len(placed.layers))
    assert run.outcome.energy.by_component.get("programming", 0.0) == found.energy_j
    without = subject.run(images)
    assert without.outcome.accounts == run.outcome.accounts  # values change no cycle, and no energy
    assert without.outcome.energy == run.outcome.energy


@settings(deadline=None, max_examples=30)
@given(networks(), reprogrammed_settings(("fixed", "geometric")), st.integers(0, 2**16), st.integers(0, 9))
def test_engine_order_recording_and_detail_change_nothing(
    case: NetworkCase, machine: dict[str, Any], shuffle: int, seed: int
) -> None:
    if not (network := lower(case.network)).nodes:
        return
    subject = bench(network, machine)
    reference = subject.run(3, seed=seed)
    for options in ({"engine": "stock"}, {"shuffle": shuffle}, {"record": True}):
        same(subject.run(3, seed=seed, **options), reference)
    other = "group" if machine["detail"] == "array" else "array"
    run = bench(network, {**machine, "detail": other}).run(3, seed=seed)
    assert (run.completed, run.accepted, run.macs) == (
        reference.completed, reference.accepted, reference.macs,
    )  # fmt: skip
    assert run.programming == reference.programming
    assert run.outcome.energy.by_layer == pytest.approx(reference.outcome.energy.by_layer)
    assert run.outcome.area == reference.outcome.area


@settings(deadline=None, max_examples=30)
@given(tangles(), reprogrammed_settings(("geometric",)), st.integers(1, 5), st.integers(0, 99))
def test_drawn_pulses_take_the_time_and_energy_of_the_ledger(
    network: Network, machine: dict[str, Any], images: int, seed: int
) -> None:
    """A second ledger writes all sets in their order; a set takes as long as its slowest crossbar."""
    subject = bench(network, machine)
    placed, config = subject.placed, subject.machine.config
    run = subject.run(images, seed=seed)
    ledger = WriteLedger(config, seed)
    turns = []
    for turn in placed.schedule.turns(images):
        held = [v for v in placed.schedule.sets[turn.index] if v.layer is not None]
        written = (
            [ledger.write(v.layer.name, v.blocks, turn.time) for v in held if v.layer] if turn.writes else []
        )
        turns.append((max(written, default=0), placed.schedule.set_cycles(turn.index, len(turn.images))))
    assert run.outcome.cycles == turns_cycles(turns, overlap=placed.schedule.halves > 1)
    assert run.programming is not None
    assert run.programming.cycles == sum(write for write, _ in turns)
    total = ledger.total
    assert (run.programming.pulses, run.programming.failed) == (total.pulses, total.failed)
    actions = run.outcome.energy.actions
    for name, writes in ledger.by_layer.items():
        told = actions[f"programming[{name}]"]
        assert told["pulse"] == told["verify"] == int(writes.pulses)
        assert told["cell write"] == writes.cells


@settings(deadline=None, max_examples=30)
@given(tangles(), reprogrammed_settings(), st.integers(1, 5))
def test_states_of_crossbars_are_writing_computing_and_waiting(
    network: Network, machine: dict[str, Any], images: int
) -> None:
    """Each crossbar computes the windows of its tiles, and is written once for each set that it is in."""
    subject = bench(network, {**machine, "detail": "array"})
    placed, config = subject.placed, subject.machine.config
    run = subject.run(images)
    schedule, each = placed.schedule, placed.schedule.processes // placed.schedule.halves
    expected = [[0, 0] for _ in range(schedule.processes)]
    for turn in schedule.turns(images):
        for visit in schedule.sets[turn.index]:
            for crossbar in visit.crossbars:
                spent = expected[turn.half * each + crossbar]
                spent[0] += turn.writes * write_cycles(config)
                spent[1] += len(turn.images) * visit.windows * config.product_cycles
    paths = ["crossbars"] if len(expected) == 1 else [f"crossbars[{i}]" for i in range(len(expected))]
    for path, (writing, computing) in zip(paths, expected, strict=True):
        states = ticks(run, path)
        assert sum(states.values()) == run.outcome.cycles
        assert (states.get("programming:write", 0), states.get("busy:mvm", 0)) == (writing, computing)
        others = {category(s) for s in states} - {"programming", "busy"}
        assert others <= {"wait-input", "blocked-output", "finished"}


# -- in time -------------------------------------------------------------------------------------------------

#: A cell takes a cycle, a crossbar 64 of them; a product 8.
QUICK = {"array": {"rows": 8, "cols": 8}, "write": {"pulses": 1, "pulse_cycles": 1, "verify_cycles": 0}}
WRITE, PRODUCT = 64, 8


def test_each_set_is_written_and_computed_on_before_the_next() -> None:
    """Two layers of a tile on one crossbar, for two batches of two images."""
    subject = bench(mlp(8, 8, 8), {**QUICK, "crossbars": 1, "batch": 2})
    run = subject.run(4, record=True)
    turn = WRITE + 2 * PRODUCT
    assert starts(run, "crossbars", "programming:write").tolist() == [0, turn, 2 * turn, 3 * turn]
    products = starts(run, "crossbars", "busy:mvm").tolist()
    assert products == [k * turn + WRITE + image * PRODUCT for k in range(4) for image in range(2)]
    assert run.accepted == [0, 0, 2 * turn, 2 * turn]
    done = [k * turn + WRITE + image * PRODUCT for k in (1, 3) for image in (1, 2)]
    assert run.completed == done
    assert run.batch == 2


@pytest.mark.parametrize("windows", [1, 5, 8, 20])
def test_one_half_is_written_while_the_other_computes(windows: int) -> None:
    """Of computing and writing the longer one counts, but for the first write and the last product."""
    case = bench(
        Network("net", [
            Input(name="image", shape=(8, 1, windows)),
            *(Conv2d(name=f"conv{i}", out_channels=8, window=Window.square(1)) for i in range(5)),
        ]),
        {**QUICK, "crossbars": 2, "overlap": True},
    )  # fmt: skip
    run = case.run(1, record=True)
    compute = windows * PRODUCT
    assert run.outcome.cycles == WRITE + 4 * max(compute, WRITE) + compute
    step = max(compute, WRITE)
    assert starts(run, "crossbars[0]", "programming:write").tolist() == [0, WRITE + step, WRITE + 3 * step]
    assert starts(run, "crossbars[1]", "programming:write").tolist() == [WRITE, WRITE + 2 * step]


@pytest.mark.parametrize("batch", [1, 2, 7])
def test_what_fits_is_written_before_a_run(batch: int) -> None:
    """No cycle and no energy of the run; images follow one by one, as none waits for another set."""
    subject = bench(mlp(8, 8, 8), {**QUICK, "crossbars": 2, "overlap": True, "batch": batch})
    run = subject.run(3)
    assert run.completed == [2 * PRODUCT * (image + 1) for image in range(3)]
    assert run.accepted == [2 * PRODUCT * image for image in range(3)]
    assert run.batch == 1
    report = run.programming
    assert report is not None
    assert (report.rounds, report.cycles, report.cells, report.most_writes) == (0, 0, 0, 0)
    assert report.pulses == 0
    assert (report.sets, report.images_until_worn, report.energy_j) == (1, None, 0.0)
    assert run.outcome.energy.by_component.get("programming", 0.0) == 0.0
    assert run.programming_j == pytest.approx(2 * 64 * (5e-12 + 1.831e-15), rel=1e-6)


def test_what_is_written_before_a_run_takes_the_pulses_that_are_drawn() -> None:
    machine = {**QUICK, "crossbars": 2, "write": {"spread": "geometric"}}
    subject = bench(mlp(8, 8, 8), machine)
    ledger = WriteLedger(subject.machine.config, 5)
    for layer in subject.placed.layers:
        ledger.write(layer.name, layer.blocks, 0)
    pulse_j = 5e-12 + subject.machine.config.array.cell_energy_fj * 1e-15
    assert subject.run(2, seed=5).programming_j == pytest.approx(float(ledger.total.pulses) * pulse_j)
    rewritten = bench(mlp(8, 8, 8), {**machine, "crossbars": 1})
    assert rewritten.run(2, seed=5).programming_j is None


def test_memories_are_as_large_as_the_images_of_a_run() -> None:
    """A batch far beyond them, and beyond what any memory holds."""
    integers = quantized(drawn(*list(residual(3, 3, shape=(2, 4, 4)).layers.values())[1:], shape=(2, 4, 4)))
    images = len(integers.values.codes)
    machine = {"crossbars": 1, "array": {"rows": 5}, "batch": 1_000_000}
    run = bench(integers.network.lowered, machine).run(images, integers.values)
    assert np.array_equal(outputs_of(run), integers.expected)


@settings(deadline=None)
@given(st.integers(1, 12), st.integers(1, 9))
def test_batches_share_what_writing_takes(images: int, batch: int) -> None:
    """Writes are a step function of the batch; the products of an image are what they are."""
    run = bench(mlp(8, 8, 8, 8), {**QUICK, "crossbars": 1, "batch": batch}).run(images)
    assert run.outcome.cycles == ceil(images / batch) * 3 * WRITE + images * 3 * PRODUCT
    assert run.programming is not None
    assert run.programming.most_writes == 3 * ceil(images / batch)


def test_a_narrow_port_and_a_slow_unit_hold_windows_up() -> None:
    """Windows of 72 bytes through 32 bits a cycle take 18; 8 channels one by one take 8."""
    network = convolution(8, 8, (3, 3), kernel=3, padding=1)
    machine = {"array": {"rows": 72, "cols": 8}, "write": QUICK["write"]}
    for port, rate, expected in (
        (None, None, 9 * PRODUCT),
        (32, None, 9 * 18 + PRODUCT),
        (288, 1, 2 + PRODUCT + 9 * 8),
        (None, 4, 9 * PRODUCT + 2),
    ):
        parts = {"buffer": {"port_bits": port}, "digital": {"channels_per_cycle": rate}}
        assert bench(network, {**machine, **parts}).run().outcome.cycles == expected


def test_sums_wait_for_the_other_sets_of_their_layer_and_cost_bytes() -> None:
    """16 rows on crossbars of 8: the second set adds to what waits, 4 bytes a sum written and read."""
    network = convolution(16, 8, (2, 2))
    alone, two = (bench(network, {**QUICK, "crossbars": n}).run() for n in (2, 1))
    assert two.outcome.cycles == 2 * (WRITE + 4 * PRODUCT)
    moved = [r.outcome.energy.actions["chip.byte"]["byte"] for r in (alone, two)]
    assert moved[0] == 4 * 16 + 4 * 8  # pixels in, and out
    assert moved[1] - moved[0] == 4 * 8 * 4 * 2


# -- values --------------------------------------------------------------------------------------------------


def test_large_layers_on_one_crossbar_keep_their_values() -> None:
    """Rows, columns and groups of channels in sets of their own, strides, a pool and a skip."""
    layers = [
        Conv2d(name="wide", out_channels=40, window=Window.square(3, padding=1, stride=2)),
        Conv2d(name="grouped", out_channels=40, window=Window.square(3, padding=1), groups=5),
        MaxPool2d(name="pool", window=Window.square(2, stride=1)),
        Conv2d(name="depthwise", out_channels=40, window=Window.square(2), groups=40),
    ]
    integers = quantized(drawn(*layers, shape=(10, 9, 7), images=3))
    machine = {"crossbars": 1, "batch": 2, "array": {"rows": 32, "cols": 12}, "tile_order": "optimal"}
    subject = bench(integers.network.lowered, machine)
    assert max(sets for _, sets in subject.placed.layers_in_sets) > 9
    assert np.array_equal(outputs_of(subject.run(3, integers.values)), integers.expected)


def device_case() -> Quantized:
    conv = Conv2d(name="conv", out_channels=8, window=Window.square(3))
    return quantized(drawn(conv, shape=(64, 4, 4), images=4))


def device_run(machine: dict[str, Any], **options: Any) -> tuple[MachineRun, bool]:
    """Run a layer of several tiles with device values; return whether its outputs are the golden ones."""
    integers = device_case()
    subject = bench(integers.network.lowered, machine)
    run = subject.run(4, replace(integers.values, device=True), **options)
    return run, np.array_equal(outputs_of(run), integers.expected)


@pytest.mark.parametrize("crossbars", [1, 2, 64])
def test_converters_that_are_wide_enough_lose_nothing_in_any_number_of_sets(crossbars: int) -> None:
    machine = {"crossbars": crossbars, "columns_per_weight": 4, "adc": {"bits": 9}}
    run, golden = device_run(machine)
    assert golden
    assert run.arrays is not None
    assert run.arrays.clipped == 0
    assert run.arrays.conversions == run.outcome.energy.actions["conversion[conv]"]["conversion"]
    assert not device_run({**machine, "adc": {"bits": 3}})[1]


def test_converters_clip_alike_in_any_number_of_sets() -> None:
    adc = {"bits": 4, "range": "fixed", "lsb": 5}
    one, two, all_ = (
        device_run({"crossbars": n, "columns_per_weight": 4, "adc": adc})[0] for n in (1, 2, 64)
    )
    assert np.array_equal(outputs_of(one), outputs_of(two))
    assert np.array_equal(outputs_of(one), outputs_of(all_))
    assert one.arrays is not None
    assert all_.arrays is not None
    assert 0 < one.arrays.clipped == all_.arrays.clipped
    assert one.arrays.conversions == all_.arrays.conversions


def test_cells_that_are_written_again_are_others() -> None:
    """With noise of programming; the same image twice, by the same cells or by those of the next batch."""
    integers = device_case()
    codes = np.repeat(integers.values.codes[:1], 2, axis=0)
    noisy = {"programming": {"sigma": (0.1,)}}

    def pair(crossbars: int, batch: int) -> np.ndarray[Any, Any]:
        machine = {"crossbars": crossbars, "batch": batch, "array": {"device": noisy}, "adc": {"bits": 12}}
        subject = bench(integers.network.lowered, machine)
        return outputs_of(subject.run(2, replace(integers.values, codes=codes, device=True)))

    first, again = pair(1, 1)
    assert not np.array_equal(first, again)
    same_cells = pair(1, 2)
    assert np.array_equal(same_cells[0], same_cells[1])
    assert np.array_equal(same_cells[0], first)
    assert np.array_equal(*pair(64, 1))  # written once


@pytest.mark.parametrize("batch", [1, 2, 5])
def test_sums_that_wait_are_used_up_so_that_batches_do_not_mix(batch: int) -> None:
    conv = Conv2d(name="conv", out_channels=3, window=Window.square(1))
    integers = quantized(drawn(conv, shape=(20, 3, 3), images=5))
    machine = {"crossbars": 1, "array": {"rows": 8, "cols": 2}, "batch": batch}
    run = bench(integers.network.lowered, machine).run(5, integers.values)
    assert np.array_equal(outputs_of(run), integers.expected)


# -- energy and area -----------------------------------------------------------------------------------------


def test_energy_of_computing_is_that_of_reads_drives_conversions_and_sums() -> None:
    """A layer of 100 x 20 on six tiles of 64 x 8, of which only cells in use are read."""
    run = bench(mlp(100, 20), {"array": {"rows": 64, "cols": 8}}).run(3)
    actions = run.outcome.energy.actions
    reads, row_blocks, col_blocks = 3 * 8, 2, 3
    assert actions["cell read[fc0]"]["cell read"] == reads * 100 * 20
    assert actions["row drive[fc0]"]["row drive"] == reads * 100 * col_blocks
    assert actions["conversion[fc0]"]["conversion"] == reads * row_blocks * 20
    assert actions["shift-add[fc0]"]["shift-add"] == reads * row_blocks * 20
    assert actions["channel pass[fc0]"]["channel pass"] == 3 * 20
    found = run.outcome.energy.by_component
    assert found["crossbar"] == pytest.approx(reads * 2000 * 1.831e-15, rel=1e-3)
    assert found["dac"] == pytest.approx(reads * 300 * 11.7e-15)
    assert found["adc"] == pytest.approx(reads * 40 * conversion_pj(5) * 1e-12)
    assert found["shift-add"] == pytest.approx(reads * 40 * 0.4e-12)
    for adc, pj in (({"bits": 8}, 2.0), ({"bits": 8, "energy_pj": 3.0}, 3.0)):
        other = bench(mlp(100, 20), {"array": {"rows": 64, "cols": 8}, "adc": adc}).run(3)
        assert other.outcome.energy.by_component["adc"] == pytest.approx(reads * 40 * pj * 1e-12)
    assert run.outcome.energy.by_layer["fc0"] == pytest.approx(sum(found.values()) - found["buffer"])


def test_area_is_that_of_all_crossbars_used_or_not() -> None:
    def mm2(**machine: Any) -> dict[str, float]:
        return bench(mlp(9, 9), machine).run().outcome.area.by_component

    few, many = mm2(crossbars=10), mm2(crossbars=20)
    assert many["crossbar"] == 2 * few["crossbar"] == pytest.approx(20 * 25e-6)
    assert many["adc"] == 2 * few["adc"] == pytest.approx(20 * 16 * 0.0012)
    assert mm2(crossbars=10, adc={"columns_per_adc": 4})["adc"] == 2 * few["adc"]
    assert many["digital"] == few["digital"]


def test_a_residual_is_added_when_its_layer_is_complete() -> None:
    layers = list(residual(3, 3, shape=(2, 4, 4)).layers.values())[1:]
    integers = quantized(drawn(*layers, shape=(2, 4, 4), images=3))
    for crossbars in (1, 2, 64):
        subject: Bench = bench(integers.network.lowered, {"crossbars": crossbars, "array": {"rows": 5}})
        assert np.array_equal(outputs_of(subject.run(3, integers.values)), integers.expected)
