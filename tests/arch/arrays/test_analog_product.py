"""Real arrays: ideal where nothing is real, else what their parts say, with noise of known moments."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from threading import Thread
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arch import DeviceConfig, DeviceModel, IRDropConfig, ReadoutConfig, devices
from arch.arrays.analog_cells import Physics, bit_form
from arch.arrays.analog_product import CELLS, CONVERTERS, READS, AnalogProduct
from arch.arrays.array_parts import Placement
from arch.arrays.encoding import UNIT, Encoding
from arch.arrays.ir_drop import attenuate
from arch.arrays.readout import Readout
from arch.arrays.streaming import Streaming
from arch.arrays.transfer import Transfer
from simcore import ModelError
from simcore.noise import derive, stream_key
from tests.arch.arrays.array_layers import Layer, layers
from tests.normal_samples import CONFIDENT, assert_independent, assert_normal

Array = NDArray[Any]
IMAGE = 5


def physics(encoding: Encoding, kind: str = "generic", **parts: Any) -> Physics:
    """Return real parts of the kind of device, all effects off that are not given."""
    bits = encoding.weight_bits - 1 if encoding.signs == "signed" else encoding.cell_bits
    config = devices[kind].Config.parse(parts.pop("device", {}))
    return Physics(
        devices[kind](config, bits),
        parts.pop("wires", IRDropConfig()),
        parts.pop("readout", ReadoutConfig()),
        **parts,
    )


def keys_of(layer: Layer, seed: int = 0) -> list[np.uint64]:
    return [stream_key(seed, "conv", 0, array) for array in range(len(layer.placements))]


def analog(layer: Layer, real: Physics, seed: int = 0) -> AnalogProduct:
    return AnalogProduct(
        layer.placements,
        layer.columns,
        layer.encoding,
        layer.streaming,
        layer.transfers,
        real,
        keys_of(layer, seed),
        zero=layer.zero,
        active_rows=layer.active_rows,
    )


def returned(product: AnalogProduct, windows: Array, order: Any = None) -> tuple[Array, int]:
    """Return the sums of all windows, window n at pixel n, and how many conversions clipped."""
    sums = np.full((len(windows), len(product.start)), 77, np.int64)
    order = range(len(windows)) if order is None else order
    clipped = sum(product.multiply(windows, sums, int(slot), IMAGE, int(slot)) for slot in order)
    return sums, clipped


def symmetric(layer: Layer, lsb: int | None = None) -> Layer:
    """Return the layer with weights that a pair of devices can hold, and one LSB an array."""
    high = layer.encoding.high
    held = [p._replace(weights=np.clip(p.weights, -high, high)) for p in layer.placements]
    steps = [lsb or int(np.max(t.lsb)) for t in layer.transfers]
    return replace(
        layer,
        placements=held,
        transfers=[replace(t, lsb=step) for t, step in zip(layer.transfers, steps, strict=True)],
    )


@settings(deadline=None, max_examples=60)
@given(layers(adc=(2, 10)), st.integers(1, 99))
def test_where_nothing_is_real_arrays_return_what_ideal_ones_do(layer: Layer, lsb: int) -> None:
    ideal = symmetric(layer, lsb)
    product = ideal.product()
    sums = np.full((3, layer.columns), 77, np.int64)
    clipped = product.multiply(ideal.windows, sums, 0, 3)
    real = analog(ideal, physics(ideal.encoding))
    others, count = returned(real, ideal.windows)
    np.testing.assert_array_equal(others, sums)
    assert count == clipped
    assert real.conversions == product.conversions
    assert np.abs(others).max() <= real.largest


def by_parts(layer: Layer, real: Physics) -> Array:
    """Return the sums of all windows from dense matrices, one part after the other."""
    sums = np.zeros((len(layer.windows), layer.columns))
    offset = layer.zero if layer.streaming.sign == "unsigned" else 0
    for (weights, wordlines, first), transfer, key in zip(
        layer.placements, layer.transfers, keys_of(layer), strict=True
    ):
        encoded = layer.encoding.encode(weights)
        levels = encoded.levels.astype(int)
        signs = [1]
        if layer.encoding.signs == "signed":
            signs = [1, -1]
            levels = np.stack([np.maximum(levels, 0), np.maximum(-levels, 0)], axis=2).reshape(
                len(levels), -1
            )
        g = real.device.program(levels.astype(np.uint16), np.uint64(derive(key, CELLS)))
        g = attenuate(g, real.wires, real.device.full).astype(int).reshape(len(g), -1, len(signs))
        net, squares = g @ np.array(signs), (g.astype(float) ** 2).sum(axis=2)
        carried = layer.streaming.stream(layer.windows[:, wordlines].astype(int) + offset)
        rows = len(weights)
        at_once = layer.active_rows or rows
        for turn, start in enumerate(range(0, rows, at_once)):
            on = slice(start, min(start + at_once, rows))
            converters = Readout(
                real.readout,
                real.device,
                real.wires,
                rows=on.stop - start,
                bitlines=net.shape[1],
                lsb=256.0 * int(np.max(transfer.lsb)),
                low=transfer.low,
                high=transfer.high,
                key=np.uint64(derive(key, CONVERTERS)),
                below=rows - on.stop,
                sharing=real.sharing,
                has_unit=encoded.has_unit,
                pairs=len(signs) == 2,
                largest_input=layer.streaming.largest,
            )
            for number, phase in enumerate(layer.streaming.phases):
                x = carried[number][:, on]
                keys = derive(
                    derive(key, READS),
                    IMAGE,
                    np.arange(len(x)),
                    turn * len(layer.streaming.phases) + number,
                )
                codes = converters.codes(x @ net[on], keys, x.astype(float) ** 2 @ squares[on])
                worth = codes * phase.factor * int(np.max(transfer.lsb))
                for bitline, (column, coefficient) in enumerate(
                    zip(encoded.column, encoded.coefficient, strict=True)
                ):
                    if column != UNIT:
                        sums[:, first + column] += worth[:, bitline] * coefficient
                    else:
                        g_off = real.device.g_off
                        for c, share in enumerate(encoded.unit_coefficient):
                            own = encoded.coefficient[encoded.column == c].sum()
                            sums[:, first + c] += worth[:, bitline] * (share - g_off * own) / (1 + g_off)
        sums[:, first : first + weights.shape[1]] -= offset * weights.sum(axis=0)
    return sums


@st.composite
def real_layers(draw: st.DrawFn) -> tuple[Layer, Physics]:
    layer = symmetric(draw(layers(most_rows=40, adc=(3, 10))))
    gated = layer.encoding.signs != "signed" and draw(st.booleans())
    kind = draw(st.sampled_from(["generic", "pcm", "rram"]))
    read = {"column": draw(st.sampled_from([0.0, 0.05])), "cell": draw(st.sampled_from([0.0, 0.1]))}
    device = {"read": read, "stuck": {"on": 0.05, "off": 0.05}, "time_s": 1e4}
    return layer, physics(
        layer.encoding,
        kind,
        device=device,
        wires=IRDropConfig(wordline=1e-4, bitline=1e-4, gated=gated),
        readout=ReadoutConfig(
            gain_sigma=0.05,
            offset_sigma=draw(st.sampled_from([0.0, 0.5])),
            noise=draw(st.sampled_from([0.0, 0.3])),
            inl_polynomial=draw(st.sampled_from([(), (0.0, 2.0, -2.0)])),
        ),
        sharing=draw(st.sampled_from([1, 4])),
    )


@settings(deadline=None, max_examples=60)
@given(real_layers())
def test_real_arrays_return_what_their_parts_say_one_by_one(drawn: tuple[Layer, Physics]) -> None:
    layer, real = drawn
    sums, _ = returned(analog(layer, real), layer.windows)
    # shares of a unit bitline beside an off state are no whole numbers: there the order of adding shows
    np.testing.assert_allclose(sums, by_parts(layer, real), rtol=0, atol=0.51)


@settings(deadline=None, max_examples=30)
@given(real_layers(), st.randoms(use_true_random=False))
def test_outcomes_do_not_depend_on_order_or_threads(drawn: tuple[Layer, Physics], random: Any) -> None:
    layer, real = drawn
    product = analog(layer, real)
    sums, clipped = returned(product, layer.windows)
    order = [0, 1, 2]
    random.shuffle(order)
    others, count = returned(product, layer.windows, order)
    np.testing.assert_array_equal(others, sums)
    assert count == clipped
    found: dict[int, Array] = {}

    def work(number: int) -> None:
        found[number] = returned(analog(layer, real), layer.windows)[0]

    threads = [Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(2):
        np.testing.assert_array_equal(found[number], sums)


def one_array(signs: Any, rows: int = 64, columns: int = 8, bits: int = 14) -> Layer:
    """Return a layer of one array with fine converters, and many equal windows."""
    rng = np.random.default_rng(3)
    encoding = Encoding(signs, 8, 2)
    weights = rng.integers(-127, 128, (rows, columns))
    windows = np.tile(rng.integers(0, 256, rows), (400, 1)).astype(np.int16)
    transfer = Transfer(bits, signs == "signed")
    return Layer(
        [Placement(weights, np.arange(rows), 0)],
        columns,
        encoding,
        Streaming(8),
        [transfer],
        0,
        None,
        windows,
    )


@pytest.mark.parametrize("signs", ["differential", "offset", "flip"])
def test_read_noise_reaches_products_with_its_closed_form_variance(signs: str) -> None:
    layer = one_array(signs)
    sigma = 0.02
    sums, clipped = returned(
        analog(layer, physics(layer.encoding, device={"read": {"column": sigma}})), layer.windows
    )
    exact = layer.exact()[0]
    column = sigma * 3 * sqrt(64)  # [level]; and a code's rounding, uniform over one level
    conversion = column**2 + 1 / 12
    encoded = layer.encoding.encode(layer.placements[0].weights)
    phases = sum(4.0**bit for bit in range(8))
    for c in range(layer.columns):
        own = (encoded.coefficient[encoded.column == c].astype(float) ** 2).sum()
        expected = phases * conversion * (own + float(encoded.unit_coefficient[c]) ** 2)
        error = sums[:, c] - exact[c]
        # sums below 0 read as 0 where a bitline has few cells on: none here, or the mean would move
        assert abs(error.mean()) < CONFIDENT * sqrt(expected / len(error))
        assert abs(error.var() / expected - 1) < CONFIDENT * sqrt(2 / len(error))
    assert clipped == 0


def test_noise_of_tokens_and_of_columns_is_independent() -> None:
    layer = one_array("signed", columns=64)
    layer = replace(layer, transfers=[Transfer(16, True, 64)])
    real = physics(layer.encoding, device={"read": {"column": 0.05}})
    sums, _ = returned(analog(layer, real), layer.windows)
    # a read's noise of 0.05 x 127 x sqrt(64) levels on both bitlines of a pair, and the rounding of 64 levels
    conversion = 2 * (0.05 * 127) ** 2 * 64 + 64**2 / 12
    z = (sums - layer.exact()) / sqrt(conversion * sum(4.0**bit for bit in range(8)))
    assert_normal(z, 0.0, 1.0)
    assert_independent(z)


@pytest.mark.parametrize("signs", ["signed", "differential", "offset", "flip"])
@pytest.mark.parametrize("ratio", [5.0, 150.0])
def test_an_off_state_is_taken_off_again(signs: str, ratio: float) -> None:
    layer = one_array(signs, bits=16)
    sums, _ = returned(analog(layer, physics(layer.encoding, device={"on_off_ratio": ratio})), layer.windows)
    without, _ = returned(analog(layer, physics(layer.encoding)), layer.windows)
    # every conversion is off by half a level at most, and g_off is rounded to 2^-9 of one in every cell
    encoded = layer.encoding.encode(layer.placements[0].weights)
    weight = np.bincount(np.maximum(encoded.column, 0), abs(encoded.coefficient)) + abs(
        encoded.unit_coefficient
    )
    step = 255 * int(np.max(layer.transfers[0].lsb))
    assert (abs(sums - without) <= weight * (step + 255 * 64 / 512)).all()
    assert abs(sums - without).max() > 0 or signs in ("signed", "differential")


def test_drift_compensation_brings_sums_back() -> None:
    layer = one_array("signed", bits=16)
    config = {"drift": {"start_s": 1.0, "nu": {"value": 0.05, "high": 0.05}}, "time_s": 1e6}
    raw, compensated = (
        returned(analog(layer, physics(layer.encoding, device=config, compensated=on)), layer.windows[:1])[0]
        for on in (False, True)
    )
    exact = layer.exact()[:1]
    left = 1e6**-0.05
    # a conversion is off by half a level, a cell by 2^-9 of one
    most = 255 * (0.5 + 64 / 512)
    np.testing.assert_allclose(raw, exact * left, atol=most)
    np.testing.assert_allclose(compensated, exact, atol=most / left)
    assert abs(raw - exact).max() > 100 * most


def test_seeds_and_arrays_have_noise_of_their_own() -> None:
    layer = one_array("differential")
    real = physics(layer.encoding, "pcm")
    first, again, other = (returned(analog(layer, real, seed), layer.windows[:1])[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_conductances_of_whole_levels_need_no_more_planes_than_levels_have_bits() -> None:
    levels = np.arange(12).reshape(3, 4) % 4
    numbers, base, shift, bits = bit_form((levels * 256 + 5).astype(np.int32))
    np.testing.assert_array_equal(numbers, levels)
    assert (base, shift, bits) == (5, 8, 2)
    alike, base, _, bits = bit_form(np.full((2, 2), 7, np.int32))
    assert not alike.any()
    assert (base, bits) == (7, 0)


def test_what_is_real_is_told() -> None:
    layer = one_array("differential")
    real = physics(
        layer.encoding,
        device={"stuck": {"on": 0.1}, "read": {"column": 0.01}},
        wires=IRDropConfig(bitline=1e-4),
        readout=ReadoutConfig(gain_sigma=0.01),
    )
    assert real.effects == ("stuck cells", "read noise", "IR drop", "gain mismatch")
    assert "stuck cells, read noise, IR drop, gain mismatch; " in analog(layer, real).formulation.reason
    assert not physics(layer.encoding).effects


def test_one_product_may_be_shared_by_threads() -> None:
    layer = one_array("differential")
    product = analog(layer, physics(layer.encoding, device={"read": {"column": 0.1}}))
    windows = layer.windows[:64]
    alone, _ = returned(product, windows)
    sums = np.zeros_like(alone)

    def work(first: int) -> None:
        for slot in range(first, first + 16):
            product.multiply(windows, sums, slot, IMAGE, slot)

    threads = [Thread(target=work, args=(first,)) for first in range(0, 64, 16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(sums, alone)


def test_a_unit_bitline_has_a_converter_to_itself() -> None:
    real = physics(Encoding("offset", 8, 2), readout=ReadoutConfig(gain_sigma=0.1))
    options: dict[str, Any] = {"rows": 4, "lsb": 256.0, "low": 0, "high": 255, "sharing": 4}
    key = stream_key(0, "array")
    gains = Readout(
        real.readout, real.device, real.wires, bitlines=7, key=key, has_unit=True, **options
    ).curves[0]
    assert gains[4] == gains[5] != gains[6]
    assert gains[0] == gains[3] != gains[4]


def test_a_conductance_that_is_no_number_stops_before_a_product() -> None:
    class Broken(DeviceModel):
        def conductances(self, levels: Any, key: np.uint64) -> Any:
            return levels + np.inf

    layer = one_array("differential")
    real = replace(physics(layer.encoding), device=Broken(DeviceConfig(), 2))
    with pytest.raises(ModelError, match="Broken made a conductance of inf at row 0, bitline 0"):
        analog(layer, real)
