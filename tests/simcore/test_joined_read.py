"""Reading joined bitlines: the compiled kernel gives every bit of its twin, and that what a read is."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simcore.kernels.joined_read import (
    largest_joined,
    largest_joined_reference,
    read_joined,
    read_joined_reference,
)
from simcore.noise import NORMAL_FRACTION_BITS, derive, normal_fixed_reference

Array = NDArray[Any]


@pytest.fixture(autouse=True, scope="module")
def _let_words_wrap() -> Iterator[None]:
    # With NUMBA_DISABLE_JIT=1 the kernels run as Python, where numpy warns of what they do on purpose.
    with np.errstate(over="ignore"):
        yield


@st.composite
def joined_reads(draw: st.DrawFn) -> list[Any]:
    """Draw the operands of `read_joined` but for the last."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, bitlines, groups = draw(st.integers(1, 90)), draw(st.integers(1, 20)), draw(st.integers(1, 30))
    bits, at_once = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    half = draw(st.integers(1, rows))
    turns = [(first, min(first + half, rows)) for first in range(0, rows, half)]
    phases = [(bit, min(at_once, bits - bit)) for bit in range(0, bits, at_once)]
    reads = np.array([(*turn, *phase) for turn in turns for phase in phases])
    sizes = rng.integers(1, bitlines + 1, groups)
    cells = rng.integers(-2000, 2000, (rows, bitlines)).astype(np.int32)
    squared = (cells**2 * 2).astype(np.float32)
    switches = st.lists(st.booleans(), min_size=3, max_size=3)
    curves = np.stack([rng.normal(100, 10, 7), np.zeros(7), rng.normal(0, 1, 7)])
    return [
        rng.integers(0, 2**bits, rows),
        reads,
        rng.uniform(0, 1e-5, len(reads)) * draw(st.booleans()),
        cells,
        squared,
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32),
        np.concatenate([rng.permutation(bitlines)[:size] for size in sizes]).astype(np.int32),
        np.array([300.0, 0.05, 70.0]) * draw(switches) * rng.uniform(1, 2, (len(reads), 1)),
        np.uint64(rng.integers(0, 2**63)),
        (3, int(rng.integers(0, 99)), int(rng.integers(0, 10**6))),
        rng.integers(0, 7, groups).astype(np.int32),
        curves.astype(np.float32),
    ]


@settings(deadline=None)
@given(joined_reads())
def test_read_joined_equals_its_twin(operands: list[Any]) -> None:
    compiled = np.full((len(operands[1]), operands[10].size), -77, np.float32)
    specified = compiled.copy()
    read_joined(*(*operands, compiled))
    read_joined_reference(*(*operands, specified))
    np.testing.assert_array_equal(compiled, specified)


@settings(deadline=None, max_examples=50)
@given(joined_reads())
def test_a_group_senses_the_charge_of_all_its_bitlines_with_noise_of_each(operands: list[Any]) -> None:
    """Bitline by bitline in real numbers, so to within the rounding of float32."""
    numbers, reads, droops, cells, squared, groups, members, noises, key, token, converters, curves = operands
    sensed = np.empty((len(reads), len(converters)), np.float32)
    read_joined(*(*operands, sensed))
    for i, ((first, end, bit, bits), droop) in enumerate(zip(reads.tolist(), droops, strict=True)):
        bitline, cell, conversion = noises[i]
        z = (
            normal_fixed_reference(derive(key, *token, i), np.arange(len(groups) - 1))
            / 2**NORMAL_FRACTION_BITS
        )
        for group, (begin, behind) in enumerate(pairwise(groups.tolist())):
            charge, variance = 0.0, conversion**2
            for member in members[begin:behind]:
                x = numbers[first:end] // 2**bit % 2**bits
                own = float(x @ cells[first:end, member])
                charge += own / (1 + droop * max(own, 0.0))
                variance += bitline**2 + cell**2 * float(x**2 @ squared[first:end, member].astype(float))
            step, _, offset = curves[:, converters[group]].astype(float)
            expected = (charge + np.sqrt(variance) * z[group]) / step + offset
            scale = (abs(charge) + 5 * np.sqrt(variance)) / step + abs(offset) + 1
            assert sensed[i, group] == pytest.approx(expected, abs=1e-6 * scale)


@settings(deadline=None)
@given(joined_reads(), st.integers(0, 9) | st.integers(500, 1100))
def test_largest_joined_equals_its_twin(operands: list[Any], reads: int) -> None:
    groups, members, bitlines = operands[5], operands[6], operands[3].shape[1]
    charges = np.random.default_rng(reads).normal(0, 9, (bitlines, reads))
    found = largest_joined(charges, groups, members)
    assert found == largest_joined_reference(charges, groups, members)
    sums = [charges[members[a:b]].sum(axis=0) for a, b in pairwise(groups.tolist())]
    assert found == pytest.approx(np.abs(sums).max(initial=0))
