"""Counting ones in bit planes gives what its numpy twins say, and they what cells and converters do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simcore.kernels.bit_serial import (
    WORD,
    multiply_bit_planes,
    multiply_bit_planes_reference,
    pack_levels,
    pack_levels_reference,
    pack_window,
    pack_window_reference,
)
from simcore.kernels.compiling import threaded

Array = NDArray[Any]
UNCOMPILED = os.environ.get("NUMBA_DISABLE_JIT") == "1"
EXAMPLES = 15 if UNCOMPILED else 100
seeds = st.integers(0, 2**32 - 1)


@settings(deadline=None, max_examples=EXAMPLES)
@given(st.integers(1, 130), st.integers(1, 9), st.integers(1, 16), st.booleans(), seeds)
def test_levels_lie_in_bit_planes(rows: int, bitlines: int, bits: int, signed: bool, seed: int) -> None:
    base = 2 ** (bits - 1) if signed else 0
    levels = np.random.default_rng(seed).integers(-base, 2**bits - base, (rows, bitlines))
    planes = np.full((bits, -(-rows // WORD), bitlines), 77, np.uint64)
    specified = planes.copy()
    pack_levels(levels, base, planes)
    pack_levels_reference(levels, base, specified)
    np.testing.assert_array_equal(planes, specified)
    for row in range(rows):
        ones = (planes[:, row // WORD] >> np.uint64(row % WORD)).astype(np.int64) & 1
        np.testing.assert_array_equal(2 ** np.arange(bits) @ ones - base, levels[row])


@settings(deadline=None, max_examples=EXAMPLES)
@given(st.integers(1, 2), st.integers(2, 16), st.booleans(), seeds)
def test_windows_lie_in_bit_planes(words: int, bits: int, split: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    zero = int(rng.integers(0, 2**bits))
    windows = rng.integers(-zero, 2**bits - zero, (3, 2 * words * WORD)).astype(np.int32)
    if split:
        zero, windows = 0, windows - windows[:, ::-1]
        windows = np.clip(windows, 1 - 2**bits, 2**bits - 1)
    wordlines = rng.permutation(2 * words * WORD)[: words * WORD].astype(np.int32)
    wordlines[rng.random(len(wordlines)) < 0.2] = -1
    inputs = np.full(((1 + split) * bits, words), 77, np.uint64)
    specified = inputs.copy()
    pack_window(windows, 1, wordlines, zero, split, inputs)
    pack_window_reference(windows, 1, wordlines, zero, split, specified)
    np.testing.assert_array_equal(inputs, specified)
    for row, element in enumerate(wordlines):
        ones = (inputs[:, row // WORD] >> np.uint64(row % WORD)).astype(np.int64) & 1
        value = 2 ** np.arange(bits) @ ones[:bits] - (2 ** np.arange(bits) @ ones[bits:] if split else 0)
        assert value == (windows[1, element] + zero if element >= 0 else 0)


@st.composite
def layers(draw: st.DrawFn) -> tuple[list[Any], list[Array]]:
    """Draw the operands of a layer's product but for `sums`, and the levels of every block."""
    rng = np.random.default_rng(draw(seeds))
    bits, cell_bits = draw(st.integers(1, 5)), draw(st.integers(1, 3))
    split = draw(st.booleans())
    base = draw(st.sampled_from([0, 2 ** (cell_bits - 1)]))
    at_once = draw(st.integers(1, bits))
    phases = [(bit, min(at_once, bits - bit), 2**bit) for bit in range(0, bits, at_once)]
    if split:
        phases += [(bits + first, number, -factor) for first, number, factor in phases]
    low = draw(st.sampled_from([0, -3]))
    columns, row_blocks = 5, draw(st.integers(1, 3))
    wordlines, blocks, planes, levels = [], [], [], []
    word = place = bitline = 0
    for _ in range(row_blocks):
        rows = draw(st.integers(1, 70) if UNCOMPILED else st.integers(1, 330) | st.integers(193, 256))
        words = -(-rows // WORD)
        wordlines.append(np.pad(rng.permutation(400)[:rows], (0, words * WORD - rows), constant_values=-1))
        for _ in range(draw(st.integers(1, 2))):
            n = draw(st.integers(1, 20))
            cells = np.empty((cell_bits, words, n), np.uint64)
            levels.append(rng.integers(-base, 2**cell_bits - base, (rows, n)))
            pack_levels_reference(levels[-1], base, cells)
            blocks.append([word, words, place, bitline, n, 0, 0, 0])
            planes.append(cells.ravel())
            place, bitline = place + cells.size, bitline + n
        word += words
    lsb = np.ones(bitline) if draw(st.booleans()) else rng.integers(1, 9, bitline).astype(float)
    for block in blocks:
        block[7] = bool((lsb[block[3] : block[3] + block[4]] == 1).all())
    blocks[-1][5:7] = [1, 3]  # its last bitline is a unit bitline, with three shares
    windows = rng.integers(0, 2**bits, (3, 400)).astype(np.int16)
    if split:
        windows *= rng.choice([-1, 1], windows.shape).astype(np.int16)
    return [
        windows,
        np.concatenate(wordlines).astype(np.int32),
        0,
        split,
        np.array(phases),
        np.concatenate(planes),
        cell_bits,
        base,
        np.array(blocks),
        np.stack([rng.integers(0, columns, bitline), rng.integers(-99, 99, bitline)]),
        np.stack([rng.integers(0, columns, 4), rng.integers(-99, 99, 4)]),
        np.stack([lsb, 1 / lsb, lsb // 2 - low * lsb + 0.5]),
        low,
        low + draw(st.integers(3, 99)),
        rng.integers(-99, 99, columns) if draw(st.booleans()) else np.zeros(0, np.int64),
    ], levels


def loops(sums: Array, slot: int, operands: list[Any], levels: list[Array]) -> int:
    """Multiply one window in plain loops over phases, bitlines and rows."""
    windows, wordlines, _, split, phases, _, _, _, blocks, bitlines, shares, steps, low, high, start = (
        operands
    )
    bits = int((phases[:, 0] + phases[:, 1]).max()) // (2 if split else 1)
    if len(start):
        sums[slot] = start
    clipped = 0
    for block, cells in zip(blocks.tolist(), levels, strict=True):
        first_word, _, _, first, n, first_share, some, _ = block
        rows = [int(windows[slot, wordlines[first_word * WORD + row]]) for row in range(len(cells))]
        for bitline in range(n):
            total = 0
            lsb = int(steps[0, first + bitline])
            for bit, number, factor in phases.tolist():
                analog = 0
                for row, value in enumerate(rows):
                    part = max(-value, 0) if bit >= bits else max(value, 0)
                    analog += part // 2 ** (bit % bits) % 2**number * int(cells[row, bitline])
                code = (2 * analog + lsb) // (2 * lsb)
                clipped += not low <= code <= high
                total += factor * (max(low, min(code, high)) * lsb - (0 if len(start) else analog))
            sums[slot, bitlines[0, first + bitline]] += total * bitlines[1, first + bitline]
        for column, coefficient in shares[:, first_share : first_share + some].T:
            sums[slot, column] += total * coefficient
    return clipped


@settings(deadline=None, max_examples=EXAMPLES)
@given(layers(), st.sampled_from([np.int32, np.int64]))
def test_products_of_bit_planes_equal_their_twin_and_plain_loops(
    layer: tuple[list[Any], list[Array]], number: type[Any]
) -> None:
    operands, levels = layer
    windows, *others = operands
    before = np.random.default_rng(0).integers(-99, 99, (3, 5)).astype(number)
    looped, specified, compiled, single = (before.copy() for _ in range(4))
    clipped = sum(loops(looped, slot, operands, levels) for slot in (1, 2))
    assert multiply_bit_planes_reference(windows, 1, 2, specified, *others) == clipped
    assert multiply_bit_planes(windows, 1, 2, compiled, *others) == clipped
    assert sum(multiply_bit_planes(windows, slot, 1, single, *others) for slot in (1, 2)) == clipped
    for sums in (specified, compiled, single):
        np.testing.assert_array_equal(sums, looped)
    np.testing.assert_array_equal(compiled[0], before[0])


def test_kernels_give_the_same_uncompiled() -> None:
    if UNCOMPILED:
        return  # this is the inner run
    inner = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert inner.returncode == 0, inner.stdout[-3000:]


def test_threaded_kernels_run_where_no_compiled_code_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(kernel: Any) -> Any:
        raise RuntimeError("cannot cache function 'f': no locator available for file 'f.py'")

    monkeypatch.setattr("simcore.kernels.compiling._cached_threaded", refuse)

    @threaded
    def double(numbers: Array) -> None:
        numbers *= 2

    numbers = np.arange(3)
    double(numbers)
    assert numbers.tolist() == [0, 2, 4]
