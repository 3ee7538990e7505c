"""Arrays return what slicing, streaming and conversion make of a product, however it is computed."""

from __future__ import annotations

from itertools import product
from threading import Thread
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arch.arrays.array_parts import Placement, largest_sums
from arch.arrays.array_product import ArrayProduct, Method
from arch.arrays.encoding import Encoding, Signs
from arch.arrays.streaming import Streaming
from arch.arrays.transfer import Transfer
from simcore import ConfigError, MappingError
from tests.arch.arrays.array_layers import Layer, layers
from tests.arch.arrays.naive_arrays import Converter, array_returns, exact_products

Array = NDArray[Any]
METHODS: tuple[Method, ...] = ("bit planes", "product and errors")


def returned(multiplier: ArrayProduct, windows: Array) -> tuple[Array, int]:
    """Return the sums of all windows, one call for each, and how many conversions clipped."""
    sums = np.full((len(windows), len(multiplier.start)), 77, np.int64)
    clipped = sum(multiplier.multiply(windows, sums, slot) for slot in range(len(windows)))
    return sums, clipped


def naive(layer: Layer) -> tuple[Array, int]:
    """Return the same by the slow obvious way."""
    encoding, streaming = layer.encoding, layer.streaming
    clipped: list[int] = []
    sums = np.zeros((len(layer.windows), layer.columns), np.int64)
    offset = layer.zero if streaming.sign == "unsigned" else 0
    for (weights, wordlines, first), transfer in zip(layer.placements, layer.transfers, strict=True):
        converter = Converter(transfer.bits, transfer.signed, clipped)
        steps, bitlines = transfer.lsb, encoding.encode(weights).levels.shape[1]
        for slot, window in enumerate(layer.windows):
            sums[slot, first : first + weights.shape[1]] += array_returns(
                weights,
                window[wordlines].astype(int) + offset,
                (encoding.signs, encoding.weight_bits, encoding.cell_bits, encoding.slices),
                (streaming.bits, streaming.dac_bits, streaming.form, streaming.sign),
                converter,
                np.broadcast_to(steps, bitlines).tolist(),
                layer.active_rows or len(weights),
            )
            sums[slot, first : first + weights.shape[1]] -= offset * weights.sum(axis=0, dtype=np.int64)
    return sums, len(clipped)


@settings(deadline=None, max_examples=60)
@given(layers(most_rows=20))
def test_arrays_return_what_the_definition_says_in_every_way_of_computing_it(layer: Layer) -> None:
    expected, clipped = naive(layer)
    for method in (None, *METHODS):
        sums, count = returned(layer.product(method), layer.windows)
        np.testing.assert_array_equal(sums, expected)
        assert count == clipped


@settings(deadline=None)
@given(layers(most_rows=300, adc=(1, 8)))
def test_all_ways_agree_on_larger_arrays(layer: Layer) -> None:
    (sums, clipped), (others, count) = (returned(layer.product(method), layer.windows) for method in METHODS)
    np.testing.assert_array_equal(sums, others)
    assert clipped == count


@settings(deadline=None)
@given(layers())
def test_a_batch_gives_the_bits_of_single_calls_and_leaves_other_slots_alone(layer: Layer) -> None:
    for method in (None, *METHODS):
        multiplier = layer.product(method)
        single, clipped = returned(multiplier, layer.windows)
        sums = np.full_like(single, 77)
        assert multiplier.multiply(layer.windows, sums, 0, 3) == clipped
        np.testing.assert_array_equal(sums, single)
        sums[:] = 77
        multiplier.multiply(layer.windows, sums, 1, 1)
        assert (sums[[0, 2]] == 77).all()
        np.testing.assert_array_equal(sums[1], single[1])


@settings(deadline=None)
@given(layers())
def test_converters_that_are_wide_enough_give_the_integer_product(layer: Layer) -> None:
    wide = [Transfer(16, layer.encoding.signs == "signed")] * len(layer.placements)
    reach = layer.encoding.largest_sum(len(layer.placements[0].weights), layer.streaming.largest)
    if reach > wide[0].high:
        return
    exact = Layer(**{**vars(layer), "transfers": wide})
    for method in (None, *METHODS):
        multiplier = exact.product(method)
        sums, clipped = returned(multiplier, exact.windows)
        np.testing.assert_array_equal(sums, exact.exact())
        assert clipped == 0
        assert multiplier.formulation.method == (method or "plain product")


@settings(deadline=None)
@given(layers())
def test_a_plain_product_is_taken_only_where_arrays_return_it(layer: Layer) -> None:
    chosen, counted = layer.product(), layer.product("bit planes")
    sums, clipped = returned(counted, layer.windows)
    if chosen.formulation.method == "plain product":
        np.testing.assert_array_equal(sums, layer.exact())
        assert clipped == 0
    assert np.abs(sums).max() <= counted.largest


@settings(deadline=None, max_examples=60)
@given(
    signs=st.sampled_from(["signed", "differential", "offset"]),
    cell_bits=st.integers(1, 2),
    dac_bits=st.integers(1, 2),
    bits=st.integers(2, 3),
    lsb=st.integers(1, 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_bound_is_tight(
    signs: Any, cell_bits: int, dac_bits: int, bits: int, lsb: int, seed: int
) -> None:
    """Over all inputs there are, a conversion errs if and only if the bound does not rule it out."""
    rng = np.random.default_rng(seed)
    encoding, transfer = Encoding(signs, 3, cell_bits), Transfer(bits, signs == "signed", lsb)
    levels = encoding.encode(rng.integers(-3, 4, (3, 2))).levels.astype(np.int64)
    inputs = np.array(list(product(range(2**dac_bits), repeat=3)))
    sums = inputs @ levels
    kept, _ = transfer.convert(sums)
    exact = transfer.is_exact(levels, 2**dac_bits - 1)
    np.testing.assert_array_equal(exact, (kept == sums).all(axis=0))


@pytest.mark.parametrize("rows", [64, 128, 200, 256, 300])
@pytest.mark.parametrize("cell_bits", [1, 2, 4])
@pytest.mark.parametrize("signs", get_args(Signs))
def test_arrays_of_common_sizes_equal_the_formulas(signs: Signs, cell_bits: int, rows: int) -> None:
    rng = np.random.default_rng(rows)
    encoding, streaming = Encoding(signs, 8, cell_bits), Streaming(8)
    weights = rng.integers(-127, 128, (rows, 24))
    windows = rng.integers(-9, 247, (5, rows)).astype(np.int16)
    encoded = encoding.encode(weights)
    carried = streaming.stream(windows + 9) @ encoded.levels.astype(np.int64)
    for transfer in (Transfer(4, signs == "signed"), Transfer(6, signs == "signed", 3)):
        values, clipped = transfer.convert(carried)
        expected = encoded.recombine(streaming.recombine(values)) - 9 * weights.sum(axis=0)
        for method in (None, *METHODS):
            placement = Placement(weights, np.arange(rows), 0)
            multiplier = ArrayProduct([placement], 24, encoding, streaming, transfer, zero=9, method=method)
            sums, count = returned(multiplier, windows)
            np.testing.assert_array_equal(sums, expected)
            assert count == clipped


@settings(deadline=None)
@given(layers())
def test_converters_calibrated_on_data_do_not_clip_it(layer: Layer) -> None:
    bits, signed = layer.transfers[0].bits + 1, layer.encoding.signs == "signed"
    options: dict[str, Any] = {"zero": layer.zero, "active_rows": layer.active_rows}
    ranges = [
        largest_sums(placement, layer.encoding, layer.streaming, layer.windows, **options)
        for placement in layer.placements
    ]
    calibrated = [Transfer.of_range(bits, largest, signed=signed) for largest in ranges]
    product = Layer(**{**vars(layer), "transfers": calibrated}).product("bit planes")
    assert returned(product, layer.windows)[1] == 0


def test_the_largest_sums_are_those_of_rows_that_are_on_at_once() -> None:
    placement = Placement(np.array([[3, -1], [1, -7], [2, 0]]), np.array([2, 0, 1]), 0)
    windows = np.array(
        [[1, 0, 2], [0, 3, 1]]
    )  # on the wordlines: 2, 1, 0 and 1, 0, 3; bit 0: 0, 1, 0 and 1, 0, 1
    options = (placement, Encoding("differential", 4, 3), Streaming(2), windows)
    assert largest_sums(*options).tolist() == [5, 1, 1, 7]
    assert largest_sums(*options, active_rows=1).tolist() == [3, 1, 1, 7]


def matrix(deviation: float) -> Array:
    """Return 256 x 32 weights of 8 bits, spread like a trained layer's."""
    spread = np.random.default_rng(0).normal(0, deviation, (256, 32))
    return np.clip(np.rint(spread), -127, 127).astype(np.int64)


def formulation(weights: Array, transfer: Transfer, **options: Any) -> tuple[Method, str]:
    placement = Placement(weights, np.arange(len(weights)), 0)
    encoding = Encoding("differential", 8, 2)
    chosen = ArrayProduct([placement], weights.shape[1], encoding, Streaming(8), transfer, **options)
    return chosen.formulation.method, chosen.formulation.reason


def test_an_8_bit_converter_is_exact_on_256_rows_of_common_weights() -> None:
    assert formulation(matrix(30), Transfer(8)) == (
        "plain product",
        "none of 256 bitlines can clip or round",
    )


def test_the_way_is_chosen_by_how_many_bitlines_can_err_and_the_reason_tells_of_one() -> None:
    weights = matrix(30)
    weights[:, 3] = 3  # its lowest slice is full: 256 x 3
    assert formulation(weights, Transfer(8)) == (
        "product and errors",
        "1 of 256 bitlines can clip or round; the first has sums of 0 to 768, its converter steps of 1 "
        "from 0 to 255",
    )
    assert formulation(weights, Transfer(8), active_rows=64)[0] == "plain product"
    assert formulation(weights, Transfer(4))[0] == "bit planes"
    with pytest.raises(ConfigError, match="1 bitlines can clip or round"):
        formulation(weights, Transfer(8), method="plain product")


def test_every_bitline_of_every_array_converts_in_every_phase_and_every_group_of_rows() -> None:
    placements = [Placement(matrix(30), np.arange(256), 32 * i) for i in range(2)]

    def conversions(signs: Any, **options: Any) -> int:
        return ArrayProduct(
            placements, 64, Encoding(signs, 8, 2), Streaming(8), Transfer(9), **options
        ).conversions

    assert conversions("differential") == 2 * 256 * 8
    assert conversions("differential", active_rows=100) == 3 * 2 * 256 * 8
    assert conversions("offset") == 2 * (32 * 4 + 1) * 8


def test_groups_on_arrays_of_their_own_are_multiplied_one_by_one() -> None:
    rng = np.random.default_rng(0)
    placements = [
        Placement(rng.integers(-127, 128, (9, 4)), np.arange(9 * g, 9 * g + 9), 4 * g) for g in range(8)
    ]
    windows = rng.integers(0, 256, (2, 72)).astype(np.int16)
    for method in (None, *METHODS):
        encoding = Encoding("differential", 8, 2)
        multiplier = ArrayProduct(placements, 32, encoding, Streaming(8), Transfer(8), method=method)
        sums, _ = returned(multiplier, windows)
        np.testing.assert_array_equal(sums, exact_products(placements, windows, 32))


def test_threads_may_share_a_product() -> None:
    rng = np.random.default_rng(0)
    placement = Placement(rng.integers(-127, 128, (256, 32)), np.arange(256), 0)
    multiplier = ArrayProduct([placement], 32, Encoding("offset", 8, 2), Streaming(8), Transfer(6))
    windows = rng.integers(0, 256, (64, 256)).astype(np.int16)
    alone, _ = returned(multiplier, windows)
    sums = np.zeros_like(alone)
    threads = [
        Thread(target=multiplier.multiply, args=(windows, sums, first, 16)) for first in range(0, 64, 16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(sums, alone)


def test_what_does_not_fit_together_is_refused() -> None:
    placements = [Placement(matrix(30), np.arange(256), 0)] * 2
    encoding, streaming = Encoding("differential", 8, 2), Streaming(8)
    with pytest.raises(ConfigError, match="active_rows must be at least 1 wordline, got 0"):
        ArrayProduct(placements, 32, encoding, streaming, Transfer(8), active_rows=0)
    with pytest.raises(ConfigError, match="the same for all arrays"):
        ArrayProduct(placements, 32, encoding, streaming, [Transfer(8), Transfer(9)])
    with pytest.raises(ConfigError, match="adc signed must be true for signed cells"):
        ArrayProduct(placements, 32, Encoding("signed", 8), streaming, Transfer(8))
    with pytest.raises(MappingError, match="an array of 256 bitlines has 3 LSBs"):
        ArrayProduct(placements, 32, encoding, streaming, Transfer(8, lsb=np.array([1, 2, 3])))
