"""What flows through cells, against sums over every product, phase and cell; and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import product
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import MachineRun
from arch.arrays.cell_charge import (
    drives,
    mean_charge,
    mean_drive,
    mean_read_charge,
    row_conductances,
    row_levels,
    weight_conductances,
)
from arch.arrays.charge_meter import ChargeMeter
from arch.arrays.encoding import Encoding, Signs
from arch.arrays.streaming import Form, Sign, Streaming
from arch.mapping.tiling import Block, Patch, tile
from tests.arch.arrays.naive_arrays import cells_of, waves
from tests.arch.dataflow_bench import Quantized, bench, chain, quantized
from tests.arch.pipeline_recurrence import phases_of
from tests.strategies import NetworkCase, random_parameters
from workloads import Conv2d, Input, Layer, MatrixNode, Network, Window
from workloads.quantized_nodes import QuantizedMatrix

ENCODINGS, FORMS, SIGNS = get_args(Signs), get_args(Form), get_args(Sign)
LEVEL = 2**8
BITS, ROWS, COLS = 4, 8, 24


def drive(value: int, form: str, sign: str, bits: int, dac_bits: int) -> int:
    """Return what a wordline is driven with in one product, phase by phase."""
    power = 1 if form == "pulse-width" else 2
    return sum(carried**power for carried, _ in waves(value, bits, dac_bits, form, sign))


def conductances(weights: np.ndarray[Any, Any], signs: str, weight_bits: int, cell_bits: int) -> list[int]:
    """Return what all cells on each wordline conduct, cell by cell."""
    low, top = -(2 ** (weight_bits - 1)), 2**cell_bits - 1
    slices = Encoding(signs, weight_bits, cell_bits).slices  # type: ignore[arg-type]
    assert weights.min() >= low
    cells = [[cells_of(int(w), signs, weight_bits, cell_bits, slices) for w in row] for row in weights]
    columns = [[cell for weight in row for cell in weight] for row in cells]
    for bitline in range(len(columns[0])) if signs == "flip" else ():
        if 2 * sum(row[bitline] for row in columns) > len(columns) * top:
            for row in columns:
                row[bitline] = top - row[bitline]
    unit = signs in ("offset", "flip")
    return [LEVEL * (sum(abs(level) for level in row) + unit) for row in columns]


@st.composite
def encodings(draw: st.DrawFn) -> Encoding:
    return Encoding(draw(st.sampled_from(ENCODINGS)), draw(st.integers(2, 8)), draw(st.integers(1, 8)))


# -- cells and wordlines -------------------------------------------------------------------------------------


@given(st.sampled_from(FORMS), st.sampled_from(SIGNS), st.integers(3, 8), st.integers(1, 8))
def test_an_input_drives_its_wordline_for_a_time_or_by_a_voltage(
    form: Form, sign: Sign, bits: int, dac_bits: int
) -> None:
    streaming = Streaming(bits, dac_bits, form, sign)
    every = np.arange(streaming.low, streaming.high + 1)
    expected = [drive(int(value), form, sign, bits, dac_bits) for value in every]
    assert drives(streaming, every).tolist() == expected
    assert mean_drive(streaming) == Fraction(sum(expected), len(expected))


@pytest.mark.parametrize("bits", [2, 8, 16])
def test_uniform_inputs_drive_by_half_of_the_largest_and_bits_by_one_half_each(bits: int) -> None:
    assert mean_drive(Streaming(bits, form="pulse-width")) == Fraction(2**bits - 1, 2)
    assert mean_drive(Streaming(bits, 1, "bit-serial")) == Fraction(bits, 2)


@given(encodings(), st.integers(1, 12), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_rows_conduct_what_their_cells_do(encoding: Encoding, rows: int, columns: int, seed: int) -> None:
    weights = np.random.default_rng(seed).integers(encoding.low, encoding.high + 1, (rows, columns))
    expected = conductances(weights, encoding.signs, encoding.weight_bits, encoding.cell_bits)
    held = weights.astype(np.int8)
    assert row_conductances(encoding, held).tolist() == expected
    assert (row_levels(encoding, held) * LEVEL).tolist() == expected


@given(encodings())
def test_the_table_of_weights_has_every_weight_at_its_index(encoding: Encoding) -> None:
    """Of flipped weights before any is flipped, which is as an offset."""
    signs = "offset" if encoding.signs == "flip" else encoding.signs
    table = weight_conductances(encoding)
    assert len(table) == encoding.high - encoding.low + 1
    for weight in range(encoding.low, encoding.high + 1):
        (alone,) = conductances(np.array([[weight]]), signs, encoding.weight_bits, encoding.cell_bits)
        assert table[weight] == alone - encoding.unit_bitlines * LEVEL


def test_charge_beyond_64_bits_is_exact() -> None:
    rows, windows, drive_of_one = 50, 3, 2**40 + 1
    meter = ChargeMeter(
        np.zeros((1, rows), np.int16),
        0,
        np.array([drive_of_one]),
        lambda block: np.full(block.rows, 2**30 + 1),
    )
    count = meter.ahead_of(lambda window: None)
    for window in range(windows):
        count(window)
    in_use = np.arange(rows, dtype=np.int32)
    block = Block(0, 0, in_use, 0, 1, range(1), (Patch(0, 0, rows, 1),), in_use)
    assert meter.charge([block, block]) == 2 * rows * windows * drive_of_one * (2**30 + 1) > 2**64


# -- the ledger of a machine ---------------------------------------------------------------------------------


def drawn(*layers: Layer, shape: tuple[int, int, int] = (2, 3, 4), bits: int = BITS) -> Quantized:
    """Return layers behind two images, quantised, with random weights and images."""
    rng = np.random.default_rng(3)
    every = [Input(name="image", shape=shape), *layers]
    parameters = random_parameters(Network("drawn", every), rng)
    network = Network("drawn", every, parameters=lambda: parameters)
    return quantized(NetworkCase(network, rng.normal(size=(2, *shape)).astype(np.float32)), bits, bits)


def conv(channels: int = 5, groups: int = 1) -> Conv2d:
    return Conv2d(name="conv", out_channels=channels, window=Window.square(3, padding=1), groups=groups)


def run_with(case: Quantized, machine: dict[str, Any], values: str = "ideal") -> MachineRun:
    network = case.network
    widths = {"weight_bits": network.weight_bits, "activation_bits": network.activation_bits}
    subject = bench(network.lowered, {**widths, **machine})
    given = None if values == "off" else replace(case.values, device=values == "device")
    return subject.run(len(case.values.codes), given)


def counted(run: MachineRun, action: str) -> int:
    return sum(actions.get(action, 0) for actions in run.outcome.energy.actions.values())


def core(crossbar: dict[str, Any], **adc: Any) -> dict[str, Any]:
    return {"crossbar": {"rows": ROWS, "cols": COLS, **crossbar}, "adc": adc}


def padded_windows(case: Quantized) -> Iterator[np.ndarray[Any, Any]]:
    """Yield every window of a 3 x 3 convolution with padding, (9, channels) of codes."""
    matrix = case.network.nodes["conv"]
    assert isinstance(matrix, QuantizedMatrix)
    edge = ((0, 0), (0, 0), (1, 1), (1, 1))
    codes = np.pad(case.values.codes, edge, constant_values=matrix.input_zero)
    images, _, height, width = case.values.codes.shape
    for image, y, x in product(range(images), range(height), range(width)):
        yield codes[image, :, y : y + 3, x : x + 3].transpose(1, 2, 0).reshape(9, -1)


def slow_charge(case: Quantized, encoding: str, form: str, sign: str, dac_bits: int) -> int:
    """Return the charge of all windows of a convolution that is not grouped, array by array."""
    matrix = case.network.nodes["conv"]
    assert isinstance(matrix, QuantizedMatrix)
    zero = 0 if sign == "unsigned" else matrix.input_zero
    bits = BITS + (sign == "twos-complement")
    wide = COLS // Encoding(encoding, BITS).columns_per_weight  # type: ignore[arg-type]
    weights = matrix.weights[0].astype(int)
    charge = 0
    for window in padded_windows(case):
        on = [drive(int(code) - zero, form, sign, bits, dac_bits) for code in window.ravel()]
        for r, c in product(range(0, len(on), ROWS), range(0, weights.shape[1], wide)):
            rows = conductances(weights[r : r + ROWS, c : c + wide], encoding, BITS, 2)
            charge += sum(x * g for x, g in zip(on[r : r + ROWS], rows, strict=True))
    return charge


@pytest.mark.parametrize(("encoding", "form", "sign"), list(product(ENCODINGS, FORMS, SIGNS)))
def test_charge_is_the_sum_over_products_phases_and_cells(encoding: str, form: str, sign: str) -> None:
    case = drawn(conv(7))
    crossbar = {"encoding": encoding, "input_form": form, "input_sign": sign, "dac_bits": 3}
    expected = slow_charge(case, encoding, form, sign, 3)
    for detail, values in product(("array", "group"), ("ideal", "device")):
        run = run_with(case, {"detail": detail, "core": core(crossbar, bits=6)}, values)
        assert counted(run, "cell charge") == expected


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("layers", [[conv(12, groups=4)], [conv(4, groups=4)]])
def test_layers_in_groups_charge_the_same_however_arrays_are_driven(
    layers: list[Layer], encoding: str
) -> None:
    case = drawn(*layers, shape=(4, 3, 4))
    machine = {"core": core({"encoding": encoding}, bits=16, range="full")}
    runs = [
        run_with(case, {**machine, "detail": detail}, values)
        for detail, values in product(("array", "group"), ("ideal", "device"))
    ]
    assert len({counted(run, "cell charge") for run in runs}) == 1
    for run in runs:
        assert run.outcome.energy.total == pytest.approx(runs[0].outcome.energy.total, rel=1e-12)


@pytest.mark.parametrize("values", ["off", "ideal", "device"])
@pytest.mark.parametrize("detail", ["array", "group"])
def test_copies_of_a_layer_share_its_charge(values: str, detail: str) -> None:
    charges = [
        counted(
            run_with(drawn(conv()), {"detail": detail, "layers": {"conv": {"replication": copies}}}, values),
            "cell charge",
        )
        for copies in (1, 3)
    ]
    assert charges[0] == charges[1] > 0


# -- what it costs -------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(ENCODINGS),
    st.sampled_from(FORMS),
    st.sampled_from(SIGNS),
    st.integers(1, 8),
    st.none() | st.integers(1, 256),
    st.floats(0.1, 100),
)
def test_without_values_each_read_of_a_cell_costs_what_is_configured(
    encoding: Signs, form: str, sign: str, dac_bits: int, active_rows: int | None, energy_fj: float
) -> None:
    """A cell of a unit bitline, which holds one level, in proportion to the average cell."""
    crossbar = {
        "encoding": encoding,
        "input_form": form,
        "input_sign": sign,
        "dac_bits": dac_bits,
        "active_rows": active_rows,
        "cell_energy_fj": energy_fj,
    }
    subject = bench(chain(Window.square(1), shape=(256, 1, 3), channels=20), {"core": {"crossbar": crossbar}})
    energy = subject.run().outcome.energy
    held = Encoding(encoding, 8)
    mean_level = float(weight_conductances(held).mean()) / LEVEL / held.columns_per_weight
    cells = 20 * held.columns_per_weight + held.unit_bitlines / mean_level
    reads = 3 * phases_of(subject.machine.config) * 256
    assert energy.by_component["crossbar"] == pytest.approx(reads * cells * energy_fj * 1e-15, rel=1e-6)


def uniform(encoding: Encoding, pixels: int, rows: int, columns: int) -> Quantized:
    """Return one layer whose weights and unsigned codes are anything that fits, all equally likely."""
    layer = Conv2d(name="conv", out_channels=columns, window=Window.square(1))
    case = drawn(layer, shape=(rows, 1, pixels), bits=8)
    rng = np.random.default_rng(11)
    matrix = case.network.nodes["conv"]
    assert isinstance(matrix, QuantizedMatrix)
    weights = rng.integers(encoding.low, encoding.high + 1, matrix.weights.shape).astype(np.int16)
    network = replace(case.network, nodes={"conv": replace(matrix, weights=weights)})
    codes = rng.integers(0, 256, case.values.codes.shape).astype(np.int32)
    return replace(case, network=network, values=replace(case.values, network=network, codes=codes))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_uniform_data_cost_what_average_activity_says(encoding: Signs, form: Form) -> None:
    """To four standard deviations of the charge, 4 % at most: by chance, 1 draw in 16 000 is farther off.

    The mean and variance of a row's drive and of its conductance, which are independent, give the charge's.
    Flips can only lower what cells hold, below what average activity without values counts with.
    """
    pixels, rows, columns = 20, 256, 24
    held = Encoding(encoding, 8)
    case = uniform(held, pixels, rows, columns)
    machine = {"core": {"crossbar": {"encoding": encoding, "input_form": form, "dac_bits": 2}}}
    ideal, off = (counted(run_with(case, machine, values), "cell charge") for values in ("ideal", "off"))
    images = len(case.values.codes)
    if encoding == "flip":
        assert 0.9 * off < ideal < off
        return
    each_drive = drives(Streaming(8, 2, form), np.arange(256)).astype(float)
    each_weight = weight_conductances(held).astype(float)
    drive_mean, drive_var = pixels * images * each_drive.mean(), pixels * images * each_drive.var()
    row_mean = columns * each_weight.mean() + held.unit_bitlines * LEVEL
    row_var = columns * each_weight.var()
    assert off == pytest.approx(rows * drive_mean * row_mean, rel=1e-6)
    charge_var = rows * ((drive_var + drive_mean**2) * (row_var + row_mean**2) - (drive_mean * row_mean) ** 2)
    deviation = float(np.sqrt(charge_var))
    assert deviation < 0.01 * off
    assert abs(ideal - off) < 4 * deviation


def test_inputs_of_zero_cost_nothing_and_full_ones_twice_the_average() -> None:
    case = uniform(Encoding("signed", 8), 4, 64, 16)
    charges = []
    for code in (0, 255):
        codes = np.full_like(case.values.codes, code)
        still = replace(case, values=replace(case.values, codes=codes))
        run = run_with(still, {})
        charges.append(counted(run, "cell charge"))
        assert ("crossbar" in run.outcome.energy.by_component) == (code > 0)
    assert charges[0] == 0
    matrix = case.network.nodes["conv"]
    assert isinstance(matrix, QuantizedMatrix)
    windows = len(case.values.codes) * 4
    assert charges[1] == windows * 255 * LEVEL * int(np.abs(matrix.weights.astype(int)).sum())


def test_average_charge_is_what_one_read_of_each_cell_has_on_average() -> None:
    for encoding, form, sign in product(ENCODINGS, FORMS, SIGNS):
        held, streaming = Encoding(encoding, 8), Streaming(8, 3, form, sign)
        node = bench(chain(Window.square(1), shape=(300, 1, 1), channels=7)).placed.stages[0].head
        assert isinstance(node, MatrixNode)
        for block in tile(node, 256, 256, held.columns_per_weight).blocks:
            cells = block.rows * block.bitlines
            unit = held.unit_bitlines * block.rows * LEVEL * mean_drive(streaming)
            total = mean_read_charge(held, streaming) * cells * len(streaming.phases) + float(unit)
            assert mean_charge(held, streaming, block.rows, block.cols) == pytest.approx(total, abs=0.51)


@pytest.mark.parametrize("detail", ["array", "group"])
def test_an_off_state_that_conducts_draws_its_share_in_every_cell(detail: str) -> None:
    case = drawn(conv(), bits=8)
    cells = {"rows": ROWS, "cols": COLS, "encoding": "differential"}
    ideal, real = (
        counted(
            run_with(case, {"detail": detail, "core": core({**cells, "device": device})}, "device"),
            "cell charge",
        )
        for device in ({}, {"on_off_ratio": 3.0})
    )
    driven = sum(int(window.sum()) for window in padded_windows(case))
    # level 0 conducts half of the 3 levels that level 3 lies above it; 5 weights have 8 cells each
    assert real - ideal == driven * 5 * 8 * 3 * LEVEL // 2
