"""Every compiled kernel equals its numpy twin, which is its specification, in every bit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simcore.kernels import attention, integer_mvm, layer_norm, requantize, softmax, windows
from simcore.kernels.compiling import compiled

Array = NDArray[Any]
Kernel = Callable[..., None]
UNTOUCHED, UNTOUCHED_CODE = -77, 77

seeds = st.integers(0, 2**32 - 1)
bit_widths = st.integers(2, 16)


def assert_twins(module: Any, name: str, arguments: tuple[Any, ...], out: Array) -> Array:
    """Run a kernel and its twin, each on a copy of `out` in place of the Ellipsis; return what both wrote."""
    results = []
    for kernel in (getattr(module, name), getattr(module, f"{name}_reference")):
        written = out.copy()
        kernel(*(written if argument is ... else argument for argument in arguments))
        results.append(written)
    compiled, specified = results
    np.testing.assert_array_equal(compiled, specified)
    return compiled


def code_type(bits: int) -> type[Any]:
    """Return the integers that a memory holds codes in."""
    return np.uint8 if bits <= 8 else np.uint16


def window_type(bits: int) -> type[Any]:
    """Return the integers that a window holds codes in, zero point taken off."""
    return np.int16 if bits <= 15 else np.int32


@dataclass(frozen=True)
class Case:
    """A circular memory of codes, a window that lies over it, and slots of the output, one of which is meant.

    where : geometry, image and step
    """

    bits: int
    memory: Array
    where: tuple[Array, int, int]
    slots: int
    slot: int

    @property
    def positions(self) -> int:
        """Positions of the window's kernel."""
        return int(self.where[0][:2].prod())

    def out(self, columns: int, number: type[Any]) -> Array:
        """Return a register for the result that nobody has written to."""
        return np.full((self.slots, columns), UNTOUCHED, number)


@st.composite
def windows_in_memories(draw: st.DrawFn) -> Case:
    bits = draw(bit_widths)
    pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, dilation, stride = draw(pairs), draw(pairs), draw(pairs)
    padding = draw(st.tuples(st.integers(0, 8), st.integers(0, 8)))
    size = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    across = draw(st.integers(1, 9))
    channels = draw(st.integers(1, 5))
    rows = draw(st.integers(1, size[0] * size[1] + 3))  # a memory may be smaller than the map, or larger
    rng = np.random.default_rng(draw(seeds))
    memory = rng.integers(0, 2**bits, (rows, channels)).astype(code_type(bits))
    geometry = np.array([*kernel, *dilation, *stride, *padding, *size, across], np.int64)
    where = (geometry, draw(st.integers(0, 1000)), draw(st.integers(0, 9 * across - 1)))
    slots = draw(st.integers(1, 4))
    return Case(bits, memory, where, slots, draw(st.integers(0, slots - 1)))


@settings(deadline=None)
@given(windows_in_memories(), st.data())
def test_gather_window_equals_its_twin(case: Case, data: st.DataObject) -> None:
    zero = data.draw(st.integers(0, 2**case.bits - 1))
    out = case.out(case.positions * case.memory.shape[1], window_type(case.bits))
    window = assert_twins(windows, "gather_window", (case.memory, *case.where, zero, ..., case.slot), out)
    assert (np.delete(window, case.slot, axis=0) == UNTOUCHED).all()


@settings(deadline=None)
@given(windows_in_memories(), st.integers(0, 2**16 - 1))
def test_sum_window_equals_its_twin(case: Case, zero: int) -> None:
    out = case.out(case.memory.shape[1], np.int64)
    sums = assert_twins(windows, "sum_window", (case.memory, *case.where, zero, ..., case.slot), out)
    assert (np.delete(sums, case.slot, axis=0) == UNTOUCHED).all()


@settings(deadline=None)
@given(windows_in_memories())
def test_max_window_equals_its_twin(case: Case) -> None:
    out = case.out(case.memory.shape[1], np.int32)
    largest = assert_twins(windows, "max_window", (case.memory, *case.where, ..., case.slot), out)
    assert (np.delete(largest, case.slot, axis=0) == UNTOUCHED).all()


def test_a_window_wholly_in_the_padding_reads_nothing() -> None:
    memory = np.full((4, 1), 9, np.uint8)
    geometry = np.array([2, 2, 1, 1, 1, 1, 2, 0, 2, 2, 2], np.int64)
    window = assert_twins(
        windows, "gather_window", (memory, geometry, 0, 0, 3, ..., 0), np.ones((1, 4), np.int16)
    )
    assert window.tolist() == [[0, 0, 0, 0]]
    for name, zero, number, expected in (
        ("sum_window", (3,), np.int64, 0),
        ("max_window", (), np.int32, -1),
    ):
        result = assert_twins(windows, name, (memory, geometry, 0, 0, *zero, ..., 0), np.ones((1, 1), number))
        assert result.item() == expected


def test_windows_are_numbered_row_by_row_from_the_padded_corner() -> None:
    memory = np.arange(1, 13, dtype=np.uint8).reshape(12, 1)  # a map of 3 x 4 pixels
    geometry = np.array([2, 2, 1, 1, 2, 3, 1, 0, 3, 4, 2], np.int64)
    expected = [[0, 0, 1, 2], [0, 0, 4, 0], [5, 6, 9, 10], [8, 0, 12, 0]]
    for step, window in enumerate(expected):
        out = np.zeros((1, 4), np.int16)
        assert assert_twins(
            windows, "gather_window", (memory, geometry, 5, step, 0, ..., 0), out
        ).tolist() == [window]


def operands(
    weight_bits: int, activation_bits: int, rows: int, cols: int, seed: int
) -> tuple[Array, Array, Array]:
    """Draw windows (3, rows), weights (cols, rows) and sums (3, cols), each as narrow as its bits allow."""
    rng = np.random.default_rng(seed)
    largest, largest_weight = 2**activation_bits - 1, 2 ** (weight_bits - 1) - 1
    held = rng.integers(-largest, largest + 1, (3, rows)).astype(window_type(activation_bits))
    held[rng.random(held.shape) < 0.4] = 0
    weights = rng.integers(-largest_weight, largest_weight + 1, (cols, rows))
    narrow = rows * largest * largest_weight < 2**31
    sums = rng.integers(-99, 99, (3, cols)).astype(np.int32 if narrow else np.int64)
    return held, weights.astype(np.int8 if weight_bits <= 8 else np.int16), sums


@settings(deadline=None)
@given(bit_widths, bit_widths, st.integers(1, 200), st.integers(1, 20), seeds)
def test_multiply_window_equals_its_twin(
    weight_bits: int, activation_bits: int, rows: int, cols: int, seed: int
) -> None:
    held, weights, out = operands(weight_bits, activation_bits, rows, cols, seed)
    sums = assert_twins(integer_mvm, "multiply_window", (held, weights, ..., 1), out)
    assert (sums[[0, 2]] == out[[0, 2]]).all()


@settings(deadline=None)
@given(bit_widths, bit_widths, st.integers(1, 30), st.integers(1, 70), seeds)
def test_multiply_channels_equals_its_twin(
    weight_bits: int, activation_bits: int, positions: int, channels: int, seed: int
) -> None:
    held, weights, _ = operands(weight_bits, activation_bits, positions * channels, 1, seed)
    _, _, out = operands(weight_bits, activation_bits, positions, channels, seed)
    each = weights.reshape(positions, channels)
    sums = assert_twins(integer_mvm, "multiply_channels", (held, each, ..., 1), out)
    assert (sums[[0, 2]] == out[[0, 2]]).all()


@settings(deadline=None)
@given(
    weight_bits=bit_widths,
    activation_bits=bit_widths,
    rows=st.integers(1, 40),
    cols=st.integers(1, 20),
    spare=st.integers(0, 9),
    seed=seeds,
)
def test_multiply_block_equals_its_twin(
    weight_bits: int, activation_bits: int, rows: int, cols: int, spare: int, seed: int
) -> None:
    held, _, sums = operands(weight_bits, activation_bits, rows + spare, cols + spare, seed)
    _, weights, _ = operands(weight_bits, activation_bits, cols, rows, seed)
    wordlines = np.random.default_rng(seed).permutation(rows + spare)[:rows].astype(np.int32)
    assert_twins(integer_mvm, "multiply_block", (held, weights, wordlines, spare, ..., 1), sums)


@pytest.mark.parametrize("code", [2**16 - 1, -(2**16 - 1)])
@pytest.mark.parametrize("weight", [2**15 - 1, -(2**15 - 1)])
def test_products_of_the_widest_codes_and_weights_do_not_overflow(code: int, weight: int) -> None:
    rows = 3000
    window, weights, out = (
        np.full((1, rows), code, np.int32),
        np.full((9, rows), weight, np.int16),
        np.zeros((1, 9), np.int64),
    )
    wordlines = np.arange(rows, dtype=np.int32)
    for name, matrix, which in (
        ("multiply_window", weights, ()),
        ("multiply_block", weights.T.copy(), (wordlines, 0)),
        ("multiply_channels", np.full((rows, 9), weight, np.int16), ()),
    ):
        read = np.repeat(window, 9, axis=1) if name == "multiply_channels" else window
        sums = assert_twins(integer_mvm, name, (read, matrix, *which, ..., 0), out)
        assert (sums == rows * code * weight).all()


@pytest.mark.parametrize("code", [2**15 - 1, 1 - 2**15])
@pytest.mark.parametrize("weight", [127, -127])
def test_narrow_products_are_exact_up_to_the_last_sum_that_fits(code: int, weight: int) -> None:
    rows = (2**31 - 1) // (abs(code) * abs(weight))
    window, weights = np.full((1, rows), code, np.int16), np.full((3, rows), weight, np.int8)
    out = np.zeros((1, 3), np.int32)
    sums = assert_twins(integer_mvm, "multiply_window", (window, weights, ..., 0), out)
    assert (sums == rows * code * weight).all()


@st.composite
def ranges_of_codes(draw: st.DrawFn) -> tuple[int, int, int]:
    """Draw a zero point, and the smallest and the largest code of a clipped output."""
    largest = 2 ** draw(bit_widths) - 1
    low, high = sorted((draw(st.integers(0, largest)), draw(st.integers(0, largest))))
    return draw(st.integers(0, largest)), low, high


@settings(deadline=None)
@given(
    sums=st.lists(st.integers(-(2**55), 2**55), min_size=1, max_size=9),
    shift=st.integers(0, 50),
    codes=ranges_of_codes(),
    seed=seeds,
)
def test_requantize_sums_equals_its_twin(
    sums: list[int], shift: int, codes: tuple[int, int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    columns = len(sums)
    # sums of every size, and next to the halves and the ends of the range once they are scaled
    spread = np.array([[s >> shift for s in sums], sums], np.int64)
    bias = rng.integers(-(2**30), 2**30, columns) >> shift
    multiplier = (rng.choice([1.0, 0.5, 1.5, rng.uniform()], columns) * 2.0 ** -rng.integers(0, 40)).astype(
        np.float32
    )
    largest = int(np.abs(spread).max() + np.abs(bias).max())
    number = np.int32 if largest < 2**31 else np.int64
    operands = (spread.astype(number), bias.astype(number), multiplier)
    out = np.full((2, columns), UNTOUCHED_CODE, np.uint16)
    for slot in (0, 1):
        assert_twins(requantize, "requantize_sums", (*operands, *codes, ..., slot), out)


@settings(deadline=None)
@given(st.lists(st.integers(-1, 2**16 - 1), min_size=1, max_size=9), ranges_of_codes())
def test_clip_codes_equals_its_twin(values: list[int], codes: tuple[int, int, int]) -> None:
    largest = np.array([values, values], np.int32)
    out = np.full(largest.shape, UNTOUCHED_CODE, np.uint16)
    clipped = assert_twins(requantize, "clip_codes", (largest, *codes[1:], ..., 1), out)
    assert (clipped[0] == UNTOUCHED_CODE).all()


@pytest.mark.parametrize("half", [2 * k + 1 for k in range(-6, 7)] + [2**24 + 1, 2**24 + 3, -(2**24) - 1])
def test_halves_round_to_even_after_single_precision(half: int) -> None:
    sums, no_bias = np.array([[half]]), np.zeros(1, np.int64)
    out = np.zeros((1, 1), np.int32)
    codes = assert_twins(
        requantize,
        "requantize_sums",
        (sums, no_bias, np.array([0.5], np.float32), 2**15, 0, 2**16 - 1, ..., 0),
        out,
    )
    assert codes.item() == min(max(round(float(np.float32(half)) / 2) + 2**15, 0), 2**16 - 1)


floats = st.floats(-(2.0**30), 2.0**30, width=32)
scales = st.floats(-(2.0**10), 2.0**10, width=32)


@settings(deadline=None)
@given(
    bits=bit_widths,
    channels=st.integers(1, 9),
    multiplier=scales,
    first=st.booleans(),
    start=floats,
    seed=seeds,
)
def test_scale_operand_equals_its_twin(
    bits: int, channels: int, multiplier: float, first: bool, start: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2**bits, (2, channels)).astype(code_type(bits))
    zero = int(rng.integers(0, 2**bits))
    scaled = np.full(channels, start, np.float32)
    assert_twins(requantize, "scale_operand", (codes, 1, zero, multiplier, first, ...), scaled)


@settings(deadline=None)
@given(
    scaled=st.lists(floats | st.integers(-9, 9).map(lambda n: n / 2), min_size=1, max_size=9),
    bits=bit_widths,
    multiplier=scales,
    codes=ranges_of_codes(),
    seed=seeds,
)
def test_join_operand_equals_its_twin(
    scaled: list[float], bits: int, multiplier: float, codes: tuple[int, int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    operand = rng.integers(0, 2**bits, (2, len(scaled))).astype(code_type(bits))
    zero = int(rng.integers(0, 2**bits))
    out = np.full((2, len(scaled) + 3), UNTOUCHED_CODE, np.uint16)
    others = np.array(scaled, np.float32)
    joined = assert_twins(
        requantize, "join_operand", (others, operand, 1, zero, multiplier, *codes, ..., 2), out
    )
    assert (joined[0] == UNTOUCHED_CODE).all()
    assert (joined[1, [0, 1, -1]] == UNTOUCHED_CODE).all()


@settings(deadline=None)
@given(
    bits=bit_widths,
    factors=st.lists(st.tuples(scales, floats, floats), min_size=1, max_size=9),
    place=st.integers(0, 1),
    codes=ranges_of_codes(),
    seed=seeds,
)
def test_apply_affine_equals_its_twin(
    bits: int,
    factors: list[tuple[float, float, float]],
    place: int,
    codes: tuple[int, int, int],
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    read = rng.integers(0, 2**bits, (3, len(factors))).astype(np.uint16)
    zero = int(rng.integers(0, 2**bits))
    multiplier, *offsets = np.array(factors, np.float32).T.copy()
    assert_twins(
        requantize, "apply_affine", (..., 2, zero, multiplier, np.array(offsets), place, *codes), read
    )


@settings(deadline=None)
@given(st.data(), bit_widths)
def test_look_up_equals_its_twin(data: st.DataObject, bits: int) -> None:
    largest = 2**bits - 1
    row = data.draw(st.lists(st.integers(0, largest), min_size=1, max_size=9))
    codes = np.array([row, row]).astype(code_type(bits))
    table = np.random.default_rng(data.draw(seeds)).integers(0, largest + 1, largest + 1, np.int32)
    found = assert_twins(requantize, "look_up", (..., 1, table), codes)
    assert (found[0] == codes[0]).all()


@settings(deadline=None)
@given(
    bits=bit_widths,
    pairs=st.lists(st.tuples(*[st.floats(0, 1)] * 2), min_size=1, max_size=9),
    zeros=st.tuples(*[st.integers(0, 2**16 - 1)] * 2),
    multiplier=scales | st.floats(0, 2.0**-30, width=32) | st.floats(0, 2.0**60, width=32),
    codes=ranges_of_codes(),
    place=st.sampled_from(("apart", "one", "other")),
)
def test_multiply_operands_equals_its_twin(
    bits: int,
    pairs: list[tuple[float, float]],
    zeros: tuple[int, int],
    multiplier: float,
    codes: tuple[int, int, int],
    place: str,
) -> None:
    """Codes up to the ends of their range, zero points that are any code, in place of an operand or apart."""
    rows = np.rint(np.array(pairs).T * (2**bits - 1)).astype(code_type(bits))
    one, other = (np.stack([np.full_like(row, 1), row]) for row in rows)
    out = {"apart": np.full_like(one, UNTOUCHED_CODE), "one": one, "other": other}[place]
    operands = (... if place == "one" else one, ... if place == "other" else other)
    # the range that codes of the output have is that of the integers they are kept in
    zero, low, high = (min(code, int(np.iinfo(out.dtype).max)) for code in codes)
    written = assert_twins(
        requantize, "multiply_operands", (*operands, 1, *zeros, multiplier, zero, low, high, ...), out
    )
    assert (written[0] == out[0]).all()


def test_products_of_the_widest_codes_are_exact_before_they_are_scaled() -> None:
    """65535 x 65535 needs 32 bits without a sign; half of it, and minus half of it, are in the middle."""
    widest = np.full((1, 1), 2**16 - 1, np.uint16)
    multiplier = 2.0**-17
    for zeros, expected in (((0, 0), 2**15 + 2**15 - 1), ((0, 2**16 - 1), 2**15)):
        arguments = (widest, widest, 0, *zeros, multiplier, 2**15, 0, 2**16 - 1, ...)
        out = assert_twins(requantize, "multiply_operands", arguments, np.zeros((1, 1), np.uint16))
        assert out.item() == expected


@st.composite
def channels_to_share(draw: st.DrawFn) -> tuple[Array, int, int, Array, float]:
    """Draw codes of a pixel, their groups and how many of each are visible, the exponentials of their
    differences, and the codes of a share of 1."""
    bits = draw(bit_widths)
    step = draw(st.floats(2.0**-20, 4.0))
    table = np.rint(np.exp(-np.arange(2**bits) * step) * 2**30).astype(np.int64)
    groups, channels = draw(st.integers(1, 3)), draw(st.integers(1, 20))
    all_of_them = groups * channels
    codes = draw(st.lists(st.integers(0, 2**bits - 1), min_size=all_of_them, max_size=all_of_them))
    rows = np.stack([np.full(len(codes), 1), codes]).astype(code_type(bits))
    steps = draw(st.sampled_from((255.0, 65535.0)) | st.floats(1e-3, 1e6))
    return rows, groups, draw(st.integers(1, channels)), table, steps


@settings(deadline=None)
@given(channels_to_share(), ranges_of_codes())
def test_share_channels_equals_its_twin(
    case: tuple[Array, int, int, Array, float], codes: tuple[int, int, int]
) -> None:
    rows, *sharing = case
    zero, low, high = (min(code, int(np.iinfo(rows.dtype).max)) for code in codes)
    written = assert_twins(softmax, "share_channels", (..., 1, *sharing, zero, low, high), rows)
    assert (written[0] == rows[0]).all()


def test_channels_share_by_their_exponentials() -> None:
    """Codes that differ by one step of ln 2: shares of 4, 2 and 1 in 7."""
    table = np.array([4, 2, 1], np.int64)
    arguments = (..., 0, 1, 3, table, 70.0, 3, 0, 255)
    out = assert_twins(softmax, "share_channels", arguments, np.array([[7, 9, 8]], np.uint8))
    assert out.tolist() == [[13, 43, 23]]


def test_hidden_channels_neither_share_nor_count() -> None:
    """Two groups, of which the first two channels are seen: shares of 1 and 2 in 3, of 2 and 1 in 3."""
    table = np.array([2, 1], np.int64)
    arguments = (..., 0, 2, 2, table, 30.0, 5, 0, 255)
    out = assert_twins(softmax, "share_channels", arguments, np.array([[3, 4, 255, 9, 8, 0]], np.uint8))
    assert out.tolist() == [[15, 25, 5, 25, 15, 5]]


@dataclass(frozen=True)
class Token:
    """A token, and what it sees: a circular memory of keys or values.

    terms : what each sum adds up
    """

    bits: int
    heads: int
    key_heads: int
    memory: Array
    first: int
    visible: int
    keys: int
    zero: int
    terms: int
    rng: np.random.Generator

    def window(self, elements: int) -> Array:
        """Draw a window of the token in the middle of others, at times with the ends of its range only."""
        largest = 2**self.bits - 1
        drawn = self.rng.integers(-largest, largest + 1, (3, elements))
        if self.rng.random() < 0.2:
            drawn[:] = self.rng.choice([-largest, largest])
        drawn[self.rng.random(drawn.shape) < 0.2] = 0
        return drawn.astype(window_type(self.bits))

    def sums(self, columns: int) -> Array:
        """Return sums that nobody has written to."""
        number = np.int32 if 2 * self.terms * 4**self.bits < 2**31 else np.int64
        return np.full((3, columns), UNTOUCHED, number)


@st.composite
def tokens_and_keys(draw: st.DrawFn, *, weighted: bool) -> Token:
    """Draw a token that multiplies keys, or `weighted` values; their features go over all lanes at times."""
    bits, key_heads = draw(bit_widths), draw(st.integers(1, 3))
    heads, features = key_heads * draw(st.integers(1, 3)), draw(st.integers(1, 5) | st.integers(30, 70))
    visible = draw(st.integers(1, 9))
    keys = visible + draw(st.integers(0, 3))
    rng = np.random.default_rng(draw(seeds))
    size = draw(st.integers(visible, 2 * keys))
    memory = rng.integers(0, 2**bits, (size, key_heads * features))
    if rng.random() < 0.2:
        memory[:] = 2**bits - 1
    return Token(
        bits=bits,
        heads=heads,
        key_heads=key_heads,
        memory=memory.astype(code_type(bits)),
        first=draw(st.integers(0, 1000)),
        visible=visible,
        keys=keys,
        zero=draw(st.sampled_from((0, 2**bits - 1)) | st.integers(0, 2**bits - 1)),
        terms=keys if weighted else features,
        rng=rng,
    )


@settings(deadline=None)
@given(tokens_and_keys(weighted=False))
def test_multiply_keys_equals_its_twin(token: Token) -> None:
    queries = token.window(token.heads * token.memory.shape[1] // token.key_heads)
    seen = (token.memory, token.first, token.visible, token.zero, token.heads, token.key_heads)
    out = token.sums(token.heads * token.keys)
    sums = assert_twins(attention, "multiply_keys", (queries, *seen, ..., 1), out)
    assert (sums[[0, 2]] == UNTOUCHED).all()
    assert not sums[1].reshape(token.heads, -1)[:, token.visible :].any()


@settings(deadline=None)
@given(tokens_and_keys(weighted=True))
def test_weigh_values_equals_its_twin(token: Token) -> None:
    shares = token.window(token.heads * token.keys)
    seen = (token.memory, token.first, token.visible, token.zero, token.heads, token.key_heads)
    out = token.sums(token.heads * token.memory.shape[1] // token.key_heads)
    sums = assert_twins(attention, "weigh_values", (shares, *seen, ..., 1), out)
    assert (sums[[0, 2]] == UNTOUCHED).all()


def test_heads_of_queries_share_heads_of_keys_in_a_memory_that_goes_around() -> None:
    """Heads 0 and 1 read key head 0; three rows, of which image 1 begins in row 1 and hides its last key."""
    memory = np.array([[5, 6], [1, 2], [3, 4]], np.uint8)
    common = (memory, 4, 2, 1, 4, 2)
    queries = np.array([[1, 2, 3, 4]], np.int16)
    scores = assert_twins(attention, "multiply_keys", (queries, *common, ..., 0), np.ones((1, 12), np.int64))
    assert scores.tolist() == [[0, 2, 0, 0, 4, 0, 3, 9, 0, 4, 12, 0]]
    shares = np.array([[1, 2, 9, 3, 4, 9, 5, 6, 9, 7, 8, 9]], np.int16)
    mixed = assert_twins(attention, "weigh_values", (shares, *common, ..., 0), np.ones((1, 4), np.int32))
    assert mixed.tolist() == [[4, 8, 5 + 18, 7 + 24]]


@settings(deadline=None)
@given(
    bits=bit_widths,
    channels=st.integers(1, 40),
    epsilon=st.floats(1e-12, 1e12),
    alike=st.booleans(),
    codes=ranges_of_codes(),
    seed=seeds,
)
def test_normalize_channels_equals_its_twin(
    bits: int, channels: int, epsilon: float, alike: bool, codes: tuple[int, int, int], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    read = rng.integers(0, 2**bits, (3, 1 if alike else channels)).repeat(channels if alike else 1, axis=1)
    gain, offset = rng.normal(0, 2**bits / 4, (2, channels)).astype(np.float32)
    arguments = (..., 1, epsilon, gain, offset, *codes)
    written = assert_twins(layer_norm, "normalize_channels", arguments, read.astype(np.uint16))
    assert (written[[0, 2]] == read[[0, 2]]).all()


def test_a_norm_is_what_is_left_of_the_mean_in_units_of_the_deviation() -> None:
    """Codes 2, 4, 4, 4, 5, 5, 7, 9 have mean 5 and deviation 2."""
    codes = np.array([[2, 4, 4, 4, 5, 5, 7, 9]], np.uint8)
    gain, offset = np.full(8, 10, np.float32), np.full(8, 1, np.float32)
    arguments = (..., 0, 1e-9, gain, offset, 50, 0, 255)
    normal = assert_twins(layer_norm, "normalize_channels", arguments, codes)
    assert normal.tolist() == [[36, 46, 46, 46, 51, 51, 61, 71]]


def test_a_product_and_a_sum_are_rounded_one_by_one() -> None:
    # the product loses its last digit before the sum: 0.5 goes to 0, where the exact 0.50024 would go to 1
    multiplier = np.array([1 + 2.0**-12], np.float32)
    codes, offset = np.array([[4097]], np.uint16), np.array([-4097.5], np.float32)
    exact = 4097 * (1 + 2.0**-12) - 4097.5
    single = float(np.float32(np.float32(4097) * multiplier[0]) + offset[0])
    assert round(exact) != round(single)
    out = assert_twins(requantize, "apply_affine", (..., 0, 0, multiplier, offset[None], 0, 0, 0, 9), codes)
    assert out.item() == round(single)


def test_kernels_give_the_same_uncompiled() -> None:
    if os.environ.get("NUMBA_DISABLE_JIT") == "1":
        return  # this is the inner run
    root = Path(__file__).parents[2]
    inner = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        cwd=root,
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert inner.returncode == 0, inner.stdout[-3000:]


def test_kernels_run_where_no_compiled_code_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(kernel: Any) -> Any:
        raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")

    monkeypatch.setattr("simcore.kernels.compiling._cached", refuse)

    @compiled
    def double(numbers: Array) -> None:
        numbers *= 2

    numbers = np.arange(3)
    double(numbers)
    assert numbers.tolist() == [0, 2, 4]
