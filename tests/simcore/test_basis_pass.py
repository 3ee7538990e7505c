"""One pass over a shared basis: what its definition says, in every bit, and wrapped where it overflows."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simcore.kernels import basis_pass

Array = NDArray[Any]
#: Largest input of a window's integers, code - zero.
INPUTS = {np.int16: 2**15 - 1, np.int32: 2**16 - 1}


@st.composite
def passes(draw: st.DrawFn) -> dict[str, Any]:
    """Return the arguments of a pass; its slice may be shorter than the vectors, and kernels may be empty."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    number = draw(st.sampled_from([np.int32, np.int64]))
    code = draw(st.sampled_from(list(INPUTS)))
    cell = draw(st.sampled_from([np.int8, np.int16]))
    length, vectors, kernels = draw(st.integers(1, 70)), draw(st.integers(1, 40)), draw(st.integers(1, 20))
    rows = draw(st.integers(1, length))
    nonzeros = rng.integers(0, vectors + 1, kernels)
    first_col = draw(st.integers(0, 3))
    bits: Any = np.iinfo(np.dtype(cell))
    return {
        "windows": rng.integers(-INPUTS[code], INPUTS[code] + 1, (3, length + 5)).astype(code),
        "slot": 1,
        "wordlines": rng.permutation(length + 5)[:rows].astype(np.int32),
        "basis": rng.integers(bits.min, bits.max + 1, (vectors, length)).astype(cell),
        "kernels": np.concatenate([[0], np.cumsum(nonzeros)]).astype(np.int32),
        "vectors": np.concatenate([rng.permutation(vectors)[:n] for n in nonzeros]).astype(np.int32),
        "coefficients": rng.integers(-128, 128, nonzeros.sum()).astype(np.int8),
        "first_col": first_col,
        "projections": np.full(vectors, 77, number),
        "sums": rng.integers(-9, 10, (3, first_col + kernels + 2)).astype(number),
    }


@settings(deadline=None)
@given(passes())
def test_compiled_pass_equals_its_twin(drawn: dict[str, Any]) -> None:
    other: dict[str, Any] = {
        name: np.copy(value) if name in ("projections", "sums") else value for name, value in drawn.items()
    }
    basis_pass.multiply_basis(**drawn)
    basis_pass.multiply_basis_reference(**other)
    np.testing.assert_array_equal(drawn["projections"], other["projections"])
    np.testing.assert_array_equal(drawn["sums"], other["sums"])


@pytest.mark.parametrize("multiply", [basis_pass.multiply_basis, basis_pass.multiply_basis_reference])
@settings(deadline=None)
@given(passes())
def test_a_pass_adds_the_products_of_the_kernels_that_its_coefficients_make(
    multiply: Any, drawn: dict[str, Any]
) -> None:
    whole = [int(n) for n in drawn["kernels"]]
    rows, number = len(drawn["wordlines"]), drawn["sums"].dtype
    inputs = [int(drawn["windows"][1, element]) for element in drawn["wordlines"]]
    before = drawn["sums"].copy()
    multiply(**drawn)
    for kernel, (begin, end) in enumerate(pairwise(whole)):
        combined = [
            sum(
                int(drawn["coefficients"][i]) * int(drawn["basis"][drawn["vectors"][i], row])
                for i in range(begin, end)
            )
            for row in range(rows)
        ]
        product = sum(x * w for x, w in zip(inputs, combined, strict=True))
        column = drawn["first_col"] + kernel
        bits = 8 * number.itemsize
        wrapped = (int(before[1, column]) + product + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
        assert drawn["sums"][1, column] == wrapped
        before[1, column] = drawn["sums"][1, column]
    np.testing.assert_array_equal(drawn["sums"], before)  # other slots and columns are as they were
