"""A machine with device values: exact where its converters are, else what its arrays' definition says."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import MachineRun
from arch.arrays.encoding import Encoding, Signs
from arch.arrays.streaming import Form, Sign
from arch.machines.dataflow import DataflowChip
from simcore import ConfigError, MappingError, PartConfig, Simulation, clock
from tests.arch.arrays.naive_arrays import Converter, array_returns, cells_of, waves
from tests.arch.dataflow_bench import Quantized, bench, quantized
from tests.strategies import NetworkCase, networks, random_parameters
from workloads import Conv2d, Input, Layer, MatrixNode, Network, Window, datasets, lower
from workloads import networks as shipped
from workloads.quantized_nodes import QuantizedMatrix
from workloads.requantization import requantize

ENCODINGS, FORMS, SIGNS = get_args(Signs), get_args(Form), get_args(Sign)
#: Four bits on eight rows: a converter of 16 bits tells all sums apart.
BITS, ROWS = 4, 8


def drawn(*layers: Layer, shape: tuple[int, int, int] = (3, 3, 4), bits: int = BITS) -> Quantized:
    """Return layers behind an image, quantised, with random weights and images."""
    rng = np.random.default_rng(7)
    every = [Input(name="image", shape=shape), *layers]
    parameters = random_parameters(Network("drawn", every), rng)
    network = Network("drawn", every, parameters=lambda: parameters)
    return quantized(NetworkCase(network, rng.normal(size=(3, *shape)).astype(np.float32)), bits, bits)


def device_run(case: Quantized, machine: dict[str, Any]) -> MachineRun:
    """Run a machine with device values."""
    network = case.network
    widths = {"weight_bits": network.weight_bits, "activation_bits": network.activation_bits}
    subject = bench(network.lowered, {**widths, **machine})
    return subject.run(len(case.values.codes), replace(case.values, device=True))


def core(crossbar: dict[str, Any], **adc: Any) -> dict[str, Any]:
    return {"crossbar": {"rows": ROWS, "cols": 24, **crossbar}, "adc": adc}


def conv(name: str = "conv", channels: int = 5, groups: int = 1) -> Conv2d:
    return Conv2d(name=name, out_channels=channels, window=Window.square(3, padding=1), groups=groups)


# -- exact converters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "form", "sign", "detail"), list(product(ENCODINGS, FORMS, SIGNS, ("array", "group")))
)
def test_wide_converters_give_ideal_values_bit_for_bit(
    encoding: str, form: str, sign: str, detail: str
) -> None:
    case = drawn(conv("first", 4), conv("grouped", 6, groups=2), conv("depthwise", 6, groups=6))
    crossbar = {"encoding": encoding, "input_form": form, "input_sign": sign, "dac_bits": 2}
    machine = {"detail": detail, "core": core(crossbar, bits=16, range="full")}
    run = device_run(case, machine)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, case.expected)
    assert run.arrays is not None
    assert run.arrays.clipped == 0
    assert {method for method, _ in run.arrays.formulations.values()} == {"plain product"}


@settings(deadline=None, max_examples=40)
@given(networks(max_images=2), st.data())
def test_random_networks_on_wide_converters_are_golden(case: NetworkCase, data: st.DataObject) -> None:
    expected = quantized(case, BITS, BITS)
    if not expected.network.lowered.nodes:
        return
    crossbar = {
        "encoding": data.draw(st.sampled_from(ENCODINGS)),
        "input_form": data.draw(st.sampled_from(FORMS)),
        "input_sign": data.draw(st.sampled_from(SIGNS)),
        "dac_bits": data.draw(st.integers(1, 8)),
        "active_rows": data.draw(st.none() | st.integers(1, ROWS)),
    }
    if crossbar["encoding"] != "signed":
        crossbar["cell_bits"] = data.draw(st.none() | st.integers(1, 8))
    ranges: dict[str, Any] = data.draw(
        st.sampled_from(({"range": "full"}, {"range": "weights"}, {"range": "fixed", "lsb": 1}))
    )
    names = [node.name for node in expected.network.lowered.nodes if isinstance(node, MatrixNode)]
    machine = {
        "detail": data.draw(st.sampled_from(("array", "group"))),
        "layers": {name: {"replication": data.draw(st.integers(1, 3))} for name in names},
        "core": core(crossbar, bits=16, **ranges),
    }
    run = device_run(expected, machine)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, expected.expected)


# -- narrow converters ---------------------------------------------------------------------------------------


def largest_sum(
    cells: list[list[int]], signs: str, cell_bits: int, rows: int, active: int, wave: int, span: str
) -> int:
    """Return the largest size of a column sum, of any weights or of these cells [column][row]."""
    if span == "full":
        at_once = min(rows, active)
        full: int = at_once * (2**cell_bits - 1)
        if signs == "signed":
            return at_once * wave * int(2 ** (BITS - 1))
        half = max(rows * (2**cell_bits - 1) // 2, at_once)
        return (min(full, half) if signs == "flip" else full) * wave
    ends = [1]
    for column in cells:
        for first in range(0, rows, active):
            part = column[first : first + active]
            ends += [wave * sum(max(c, 0) for c in part), wave * sum(max(-c, 0) for c in part)]
    return max(ends)


def slow_layer(
    case: Quantized, signs: str, cell_bits: int, crossbar: dict[str, Any], adc: dict[str, Any], cols: int
) -> tuple[np.ndarray[Any, Any], int]:
    """Return output codes and clipped conversions of a network of one 3x3 convolution with padding."""
    node = case.network.lowered.nodes[0]
    q = case.network.nodes[node.name]
    assert isinstance(q, QuantizedMatrix)
    form, sign, dac = crossbar["input_form"], crossbar["input_sign"], crossbar["dac_bits"]
    zero, code_bits = q.input_zero, BITS + (sign == "twos-complement")
    streaming = (code_bits, dac, form, sign)
    wave = 0
    for value in range(-(2**BITS), 2**BITS) if sign != "unsigned" else range(2**BITS):
        if sign != "twos-complement" or abs(value) < 2**BITS:
            wave = max([wave, *(carried for carried, _ in waves(value, *streaming))])
    codes = np.pad(case.values.codes, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=zero)
    images, _, height, width = case.values.codes.shape
    weights = q.weights[0].astype(int)
    rows, columns = weights.shape
    slices = 1 if signs == "signed" else -(-(BITS - (signs == "differential")) // cell_bits)
    wide = cols // (slices * (2 if signs == "differential" else 1))
    clipped: list[int] = []
    converter = Converter(adc["bits"], signs == "signed", clipped)
    sums = np.zeros((images, columns, height, width), int)
    for r, c in product(range(0, rows, ROWS), range(0, columns, wide)):
        block = weights[r : r + ROWS, c : c + wide]
        active = min(crossbar["active_rows"] or ROWS, len(block))
        if adc["range"] == "fixed":
            lsb = adc["lsb"]
        else:
            parts = [[cells_of(int(w), signs, BITS, cell_bits, slices) for w in column] for column in block.T]
            cells = [[cell[k] for cell in column] for column in parts for k in range(len(parts[0][0]))]
            if signs == "flip":
                top = 2**cell_bits - 1
                cells = [[top - x for x in k] if 2 * sum(k) > len(k) * top else k for k in cells]
            if signs in ("offset", "flip"):
                cells.append([1] * len(block))
            largest = largest_sum(cells, signs, cell_bits, len(block), active, wave, adc["range"])
            steps = 2 ** (adc["bits"] - (signs == "signed")) - 1
            lsb = -(-largest // steps)
        bitlines = block.shape[1] * slices * 2 + 1
        for image, y, x in product(range(images), range(height), range(width)):
            window = codes[image, :, y : y + 3, x : x + 3].transpose(1, 2, 0).ravel()[r : r + ROWS]
            inputs = window if sign == "unsigned" else window - zero
            returned = array_returns(
                block,
                inputs,
                (signs, BITS, cell_bits, slices),
                streaming,
                converter,
                [lsb] * bitlines,
                active,
            )
            taken_off = zero * block.sum(axis=0) if sign == "unsigned" else 0
            sums[image, c : c + wide, y, x] += np.array(returned) - taken_off
    scaled = (sums + q.bias[:, None, None]).astype(np.float32) * q.multiplier[:, None, None]
    return requantize(scaled, q.output_zero, q.low, q.high), len(clipped)


@pytest.mark.parametrize("detail", ["array", "group"])
@pytest.mark.parametrize(
    ("encoding", "form", "sign", "active_rows", "adc"),
    [
        (encoding, form, sign, rows, adc)
        for place, (encoding, form, sign) in enumerate(product(ENCODINGS, FORMS, SIGNS))
        for rows, adc in [
            [
                (None, {"bits": 4, "range": "weights"}),
                (3, {"bits": 3, "range": "full"}),
                (None, {"bits": 3, "range": "fixed", "lsb": 2}),
            ][(place + place // 3) % 3]
        ]
    ],
)
def test_narrow_converters_give_what_the_definition_of_the_arrays_says(
    encoding: str, form: str, sign: str, active_rows: int | None, adc: dict[str, Any], detail: str
) -> None:
    case = drawn(conv(), shape=(2, 2, 3))
    crossbar = {
        "encoding": encoding,
        "input_form": form,
        "input_sign": sign,
        "dac_bits": 2,
        "active_rows": active_rows,
    }
    run = device_run(case, {"detail": detail, "core": core(crossbar, **adc)})
    expected, clipped = slow_layer(case, encoding, 2, crossbar, adc, 24)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, expected)
    assert run.arrays is not None
    assert run.arrays.clipped == clipped


def test_narrow_converters_change_values_and_clip() -> None:
    case = drawn(conv())
    narrow = core({"encoding": "offset"}, bits=3, range="fixed", lsb=1)
    run = device_run(case, {"core": narrow})
    assert run.outputs is not None
    assert run.arrays is not None
    assert not np.array_equal(run.outputs, case.expected)
    # 3 images of 12 pixels on ceil(27 / 8) row blocks, 5 weights of 2 slices and a unit bitline in each
    assert run.arrays.conversions == 3 * 12 * 4 * (5 * 2 + 1)
    assert 0 < run.arrays.clipped < run.arrays.conversions
    ((method, reason),) = run.arrays.formulations.values()
    assert method in ("product and errors", "bit planes")
    assert "can clip or round" in reason


def test_copies_of_a_layer_return_the_same_and_share_one_product() -> None:
    case = drawn(conv(), bits=8)
    runs = [
        device_run(case, {"layers": {"conv": {"replication": copies}}, "core": core({}, bits=6)})
        for copies in (1, 3)
    ]
    assert np.array_equal(*(run.outputs for run in runs))  # type: ignore[arg-type]
    assert runs[0].arrays == runs[1].arrays


def test_accuracy_falls_with_coarse_converters_and_recovers_with_fine_ones() -> None:
    data = datasets["digits"]().first(60)
    case = quantized(NetworkCase(shipped["digits-resnet"](), data.inputs))
    assert data.labels is not None

    def right(**adc: Any) -> float:
        run = device_run(case, {"detail": "group", "core": {"adc": adc}})
        assert run.outputs is not None
        return float(np.mean(run.outputs.reshape(60, -1).argmax(axis=1) == data.labels))

    coarse, usual, fine = (right(bits=bits) for bits in (4, 8, 12))
    assert coarse < 0.5 < 0.9 < usual
    assert fine >= 0.95
    assert right(bits=8, range="full") < usual


@pytest.mark.parametrize(
    ("form", "sign", "active_rows", "adc"),
    list(product(FORMS, SIGNS, (None, 3), ({}, {"kind": "shared-adc", "bitlines": 5, "cycles": 7}))),
)
def test_values_change_no_cycle(form: str, sign: str, active_rows: int | None, adc: dict[str, Any]) -> None:
    case = drawn(conv(), bits=8)
    crossbar = {"input_form": form, "input_sign": sign, "dac_bits": 3, "active_rows": active_rows}
    subject = bench(case.network.lowered, {"core": core(crossbar, **adc)})
    off, ideal, device = (
        subject.run(3, values) for values in (None, case.values, replace(case.values, device=True))
    )
    assert off.completed == ideal.completed == device.completed
    assert off.outcome.accounts == ideal.outcome.accounts == device.outcome.accounts


@pytest.mark.parametrize(
    ("encoding", "form", "sign", "active_rows", "detail"),
    list(product(ENCODINGS, FORMS, SIGNS, (None, 3), ("array", "group"))),
)
def test_conversions_in_the_ledger_are_those_the_arrays_made(
    encoding: str, form: str, sign: str, active_rows: int | None, detail: str
) -> None:
    case = drawn(conv("first", 4), conv("grouped", 6, groups=2), conv("depthwise", 6, groups=6))
    crossbar = {
        "encoding": encoding,
        "input_form": form,
        "input_sign": sign,
        "dac_bits": 3,
        "active_rows": active_rows,
    }
    machine = {
        "detail": detail,
        "layers": {"grouped": {"replication": 2}},
        "core": core(crossbar, energy_pj=1.0),
    }
    run = device_run(case, machine)
    assert run.arrays is not None
    counted = [actions.get("conversion", 0) for actions in run.outcome.energy.actions.values()]
    assert sum(counted) == run.arrays.conversions
    assert run.outcome.energy.by_component["adc"] == pytest.approx(run.arrays.conversions * 1e-12)


def test_rows_that_take_turns_take_their_time() -> None:
    network = Network("one", (Input(name="image", shape=(2, 6, 6)), conv()))
    half, whole = (
        bench(network, {"core": {"crossbar": {"active_rows": rows}}, "source": {"pixel_cycles": 1}}).run(2)
        for rows in (128, None)
    )
    intervals = [run.completed[1] - run.completed[0] for run in (half, whole)]
    assert intervals == [2 * 36 * 130, 36 * 130]


@pytest.mark.parametrize(
    ("crossbar", "reads"),
    [
        ({}, 1),
        ({"input_sign": "split"}, 2),
        ({"input_sign": "twos-complement"}, 2),
        ({"input_form": "bit-serial"}, 8),
        ({"input_form": "bit-serial", "dac_bits": 3}, 3),
        ({"input_form": "bit-serial", "input_sign": "split", "dac_bits": 4}, 4),
        ({"input_form": "bit-serial", "input_sign": "twos-complement"}, 9),
        ({"input_form": "bit-serial", "active_rows": 100}, 8 * 3),
    ],
)
def test_each_phase_of_the_inputs_takes_the_time_of_a_read_and_a_shared_converter_s_turns(
    crossbar: dict[str, Any], reads: int
) -> None:
    network = Network("one", (Input(name="image", shape=(2, 6, 6)), conv()))
    shared = {"kind": "shared-adc", "bitlines": 4, "cycles": 50}
    intervals, latencies = [], []
    for adc in ({}, shared):
        machine = {"core": {"crossbar": crossbar, "adc": adc}, "source": {"pixel_cycles": 1}}
        run = bench(network, machine).run(2)
        intervals.append(run.completed[1] - run.completed[0])
        latencies.append(run.completed[0])
    assert intervals == [36 * reads * 130, 36 * reads * 4 * 50]
    assert latencies[1] - latencies[0] == 35 * reads * (4 * 50 - 130) + reads * 4 * 50


def test_sums_too_large_for_32_bits_are_held_in_64() -> None:
    """Wide steps round sums up beyond what exact ones can be."""
    case = drawn(conv(), bits=8)
    numbers = []
    for lsb in (2**8, 2**31):
        machine = bench(case.network.lowered, {"core": core({}, range="fixed", lsb=lsb)})
        chip = Simulation([clock("core", 10**9)]).build(DataflowChip, PartConfig())
        chip.lay_out(machine.machine.config, machine.placed, 1)
        values = chip.attach(replace(case.values, device=True))
        numbers += [work.number for work in values.works]
    assert numbers == [np.int32, np.int64]


# -- what does not go together -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ("signed", 1, 1)),
        ({"columns": 1}, ("signed", 1, 1)),
        ({"columns": 4}, ("offset", 2, 4)),
        ({"columns": 8}, ("differential", 2, 8)),
        ({"signs": "flip"}, ("flip", 2, 4)),
        ({"signs": "differential", "cell_bits": 1}, ("differential", 1, 14)),
        ({"signs": "differential", "cell_bits": 2, "columns": 8}, ("differential", 2, 8)),
        ({"signs": "offset", "columns": 1}, ("offset", 8, 1)),
        ({"signs": "flip", "columns": 8}, ("flip", 1, 8)),
        ({"cell_bits": 2, "columns": 8}, ("differential", 2, 8)),
        ({"columns": 8, "weight_bits": 16}, ("differential", 4, 8)),
        ({"columns": 4, "weight_bits": 2}, ("offset", 1, 4)),
    ],
)
def test_bitlines_a_weight_follow_from_the_encoding_or_stand_for_one(
    given: dict[str, Any], expected: tuple[str, int, int]
) -> None:
    encoding = Encoding.chosen(
        given.get("weight_bits", 8), given.get("signs"), given.get("cell_bits"), given.get("columns")
    )
    signs, cell_bits, columns = expected
    assert (encoding.signs, encoding.columns_per_weight) == (signs, columns)
    assert signs == "signed" or encoding.cell_bits == cell_bits


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"columns_per_weight": 3},
            "columns_per_weight must be one of 1, 4, 8 as long as encoding is not set, got 3",
        ),
        (
            {"columns_per_weight": 4, "core": {"crossbar": {"encoding": "differential", "cell_bits": 2}}},
            "columns_per_weight must be 8, which 4 slice.* of a differential weight take, got 4",
        ),
        (
            {"columns_per_weight": 8, "core": {"crossbar": {"encoding": "signed"}}},
            "columns_per_weight must be 1, which 1 slice.* of a signed weight take, got 8",
        ),
        (
            {"columns_per_weight": 8, "core": {"crossbar": {"cell_bits": 1}}},
            "columns_per_weight must be 14, .*, got 8; change it, or encoding and cell_bits",
        ),
        (
            {"core": {"crossbar": {"cell_bits": 2}}},
            "cell_bits must not be set, .*; set encoding to differential",
        ),
        ({"core": {"adc": {"range": "fixed"}}}, "has range fixed, but no lsb; set lsb in"),
        ({"core": {"adc": {"lsb": 3}}}, "has lsb 3, but range weights, which chooses it; set range to fixed"),
        ({"core": {"crossbar": {"encoding": "unary"}}}, "encoding must be one of"),
        (
            {"core": {"crossbar": {"rows": 64, "active_rows": 65}}},
            r"active_rows 65, but only 64 rows; set active_rows in \[1, 64\]",
        ),
        ({"core": {"crossbar": {"dac_bits": 9}}}, r"dac_bits must be in \[1, 8\] bit, got 9"),
    ],
)
def test_parameters_that_contradict_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        bench(lower(Network("one", (Input(name="image", shape=(2, 3, 3)), conv()))), settings)


@pytest.mark.parametrize(
    ("bits", "parts", "error", "message"),
    [
        (8, core({}, bits=1), ConfigError, r"core\.adc\.bits must be in \[2, 16\] bit for signed cells"),
        (
            16,
            core({"input_sign": "twos-complement"}),
            ConfigError,
            r"activation_bits must be in \[2, 15\] bit for core\.crossbar\.input_sign twos-c.*got 16",
        ),
        (
            8,
            {"crossbar": {"cols": 4, "encoding": "flip", "cell_bits": 1}},
            MappingError,
            "a weight takes 8 bitlines",
        ),
    ],
)
def test_arrays_that_cannot_do_it_are_refused_before_cycle_0(
    bits: int, parts: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        device_run(drawn(conv(), bits=bits), {"core": parts})
