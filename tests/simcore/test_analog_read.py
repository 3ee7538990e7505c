"""Reading real cells: compiled kernels give every bit of their twins, and these what a read is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simcore.kernels.analog_read import (
    NO_CELLS,
    read_blocks,
    read_blocks_reference,
    recombine_codes,
    recombine_codes_reference,
)
from simcore.kernels.bit_serial import WORD, pack_levels_reference
from simcore.noise import NORMAL_FRACTION_BITS, derive, normal_fixed_reference

Array = NDArray[Any]
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True, scope="module")
def _let_words_wrap() -> Iterator[None]:
    # With NUMBA_DISABLE_JIT=1 the kernels run as Python, where numpy warns of what they do on purpose.
    with np.errstate(over="ignore"):
        yield


@st.composite
def reads(draw: st.DrawFn) -> tuple[list[Any], list[Array]]:
    """Draw the operands of `read_blocks` but for the last, and the conductances of every block."""
    rng = np.random.default_rng(draw(seeds))
    bits, split = draw(st.integers(1, 5)), draw(st.booleans())
    at_once = draw(st.integers(1, bits))
    phases = [(bit, min(at_once, bits - bit), 2**bit) for bit in range(0, bits, at_once)]
    if split:
        phases += [(bits + first, number, -factor) for first, number, factor in phases]
    cell = draw(st.sampled_from([0.0, 0.05]))
    wordlines, blocks, planes, squares, conductances = [], [], [], [NO_CELLS], []
    word = place = bitline = cells = 0
    for array in range(draw(st.integers(1, 3))):
        rows = draw(st.integers(1, 90))
        words = -(-rows // WORD)
        wordlines.append(np.pad(rng.permutation(200)[:rows], (0, words * WORD - rows), constant_values=-1))
        first = 0
        for _ in range(draw(st.integers(1, 2))):
            n, count = draw(st.sampled_from([4, 8, 12, 20])), draw(st.integers(0, 7))
            shift, base = draw(st.integers(0, 8)), draw(st.integers(-500, 500))
            numbers = rng.integers(0, 2**count, (rows, n))
            packed = np.empty((count, words, n), np.uint64)
            pack_levels_reference(numbers, 0, packed)
            conductances.append((numbers << shift) + base)
            turn = draw(st.integers(0, 2))
            inside = [word, words, place, count, shift, base, bitline, n]
            blocks.append([*inside, array, first, turn, rows, cells])
            planes.append(packed.ravel())
            place, bitline, first = place + packed.size, bitline + n, first + n
            if cell:
                squares.append((conductances[-1].ravel() ** 2).astype(np.float32))
                cells += rows * n
        word += words
    windows = rng.integers(0, 2**bits, (3, 200)).astype(np.int16)
    if split:
        windows *= rng.choice([-1, 1], windows.shape).astype(np.int16)
    column = draw(st.sampled_from([0.0, 300.0]))
    curves = np.stack(
        [rng.normal(100, 10, bitline), rng.uniform(0, 1e-3, bitline), rng.normal(0, 1, bitline)]
    )
    return [
        windows,
        1,
        np.concatenate(wordlines).astype(np.int32),
        0,
        split,
        np.array(phases),
        np.concatenate(planes),
        np.concatenate(squares),
        np.array(blocks),
        np.tile(np.array([column, cell], np.float32), (len(blocks), 1)),
        curves.astype(np.float32),
        derive(draw(seeds), np.arange(3)),
        draw(st.integers(0, 99)),
        draw(st.integers(0, 10**6)),
    ], conductances


@settings(deadline=None)
@given(reads())
def test_read_blocks_equals_its_twin(drawn: tuple[list[Any], list[Array]]) -> None:
    operands, _ = drawn
    compiled = np.full((len(operands[5]), operands[10].shape[1]), -77, np.float32)
    specified = compiled.copy()
    read_blocks(*(*operands, compiled))
    read_blocks_reference(*(*operands, specified))
    np.testing.assert_array_equal(compiled, specified)


@settings(deadline=None, max_examples=50)
@given(reads())
def test_a_read_is_the_sum_over_cells_with_noise_through_a_converter(
    drawn: tuple[list[Any], list[Array]],
) -> None:
    """Row by row in real numbers, so to within the rounding of float32."""
    operands, conductances = drawn
    windows, slot, wordlines, _, split, phases, _, _, blocks, noise, curves, keys, image, pixel = operands
    sensed = np.empty((len(phases), curves.shape[1]), np.float32)
    read_blocks(*(*operands, sensed))
    bits = int((phases[:, 0] + phases[:, 1]).max()) // (2 if split else 1)
    for block, g, (column, cell) in zip(blocks.tolist(), conductances, noise.tolist(), strict=True):
        word, _, _, _, _, _, bitline, n, array, first, turn, rows, _ = block
        on = windows[slot, wordlines[word * WORD : word * WORD + rows]].astype(int)
        for phase, (bit, number, _) in enumerate(phases.tolist()):
            part = np.maximum(-on, 0) if bit >= bits else np.maximum(on, 0)
            x = (part >> (bit % bits)) % 2**number
            key = derive(keys[array], image, pixel, turn * len(phases) + phase)
            z = normal_fixed_reference(key, first + np.arange(n)) / 2**NORMAL_FRACTION_BITS
            v = x @ g + np.sqrt(column**2 + cell**2 * (x**2 @ g.astype(float) ** 2)) * z
            step, droop, offset = curves[:, bitline : bitline + n].astype(float)
            expected = v / (step + droop * np.maximum(v, 0)) + offset
            scale = np.abs(v).max() / step.min() + 1
            np.testing.assert_allclose(sensed[phase, bitline : bitline + n], expected, atol=1e-6 * scale)


@settings(deadline=None)
@given(seeds, st.integers(1, 4), st.integers(1, 40), st.sampled_from([np.int32, np.int64]), st.booleans())
def test_recombine_codes_equals_its_twin(
    seed: int, phases: int, bitlines: int, number: type[Any], whole: bool
) -> None:
    rng = np.random.default_rng(seed)
    columns, terms = 6, 2 * bitlines
    sensed = rng.normal(0, 20, (phases, bitlines)).astype(np.float32)
    sensed[0, :: max(bitlines // 3, 1)] = rng.integers(-9, 9) + 0.5
    low, high = -16, int(rng.integers(-15, 16))
    where = np.stack([rng.integers(0, bitlines, terms), rng.integers(0, columns, terms)])
    weights = rng.integers(-99, 99, terms).astype(float) if whole else rng.normal(0, 9, terms)
    start = rng.integers(-99, 99, columns)
    compiled = rng.integers(-99, 99, (3, columns)).astype(number)
    specified = compiled.copy()
    common = (low, high, 2 ** np.arange(phases), where, weights, start)
    clipped = recombine_codes(sensed, *common, compiled, 1)
    assert clipped == recombine_codes_reference(sensed, *common, specified, 1)
    np.testing.assert_array_equal(compiled, specified)
    codes = np.floor(sensed.astype(float) + 0.5)
    assert clipped == ((codes < low) | (codes > high)).sum()
    if whole:
        expected = start.copy()
        total = 2 ** np.arange(phases) @ np.clip(codes, low, high)
        for bitline, column, weight in zip(*where, weights, strict=True):
            expected[column] += int(total[bitline] * weight)
        np.testing.assert_array_equal(compiled[1], expected)
