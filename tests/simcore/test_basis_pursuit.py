"""Pursuits end where no step helps, a better basis misses less, and compiled kernels equal their twins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simcore.kernels.basis_pursuit import (
    add_normals,
    add_normals_reference,
    improve,
    improve_reference,
    pursue,
    pursue_reference,
)

Array = NDArray[Any]
FRACTIONS = np.array([1.0, 0.7, 0.5])


@dataclass(frozen=True, eq=False)
class Case:
    """Slices (slices, kernels, length), `seen` elements of the last of them, and a basis of integers."""

    slices: Array
    seen: int
    basis: Array
    bits: int
    most: int
    spread: float
    share: int

    def pursued(self, kernel: Any = pursue) -> tuple[Array, Array]:
        part = self.basis[:, : self.seen]
        values = np.full((*self.slices.shape[:2], len(self.basis)), 77, np.int8)
        scales = np.zeros(self.slices.shape[1])
        kernel(
            self.slices,
            np.ascontiguousarray(self.basis.T),
            np.stack([self.basis @ self.basis.T, part @ part.T]),
            FRACTIONS,
            -(2 ** (self.bits - 1)),
            2 ** (self.bits - 1) - 1,
            self.most,
            self.spread,
            self.share,
            values,
            scales,
        )
        return values, scales

    def missed(self, values: Array, scales: Array) -> Array:
        """Return the squared distance of each slice."""
        made = np.einsum("skb,bl,k->skl", values.astype(float), self.basis, scales)
        made[-1, :, self.seen :] = 0
        distance: Array = np.square(self.slices - made).sum(axis=2)
        return distance


@st.composite
def cases(draw: st.DrawFn) -> Case:
    count, kernels, length, vectors = (draw(st.integers(1, most)) for most in (3, 6, 20, 24))
    seen = draw(st.integers(1, length))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    slices = rng.normal(size=(count, kernels, length)) * rng.choice([0.0, 1e-3, 1.0, 50.0], (1, kernels, 1))
    slices[-1, :, seen:] = 0
    basis = rng.integers(-7, 8, (vectors, length)) * rng.integers(0, 2, (vectors, 1))
    return Case(
        slices.astype(np.float32),
        seen,
        basis.astype(np.float64),
        draw(st.integers(2, 8)),
        draw(st.integers(1, vectors)),
        draw(st.sampled_from([0.0, 0.01, 0.3])),
        draw(st.integers(0, 3)),
    )


@settings(deadline=None, max_examples=40)
@given(cases())
def test_compiled_pursuit_equals_its_twin(case: Case) -> None:
    values, scales = case.pursued()
    expected, expected_scales = case.pursued(pursue_reference)
    assert np.array_equal(values, expected)
    assert np.array_equal(scales, expected_scales)


@settings(deadline=None, max_examples=40)
@given(cases())
def test_coefficients_fit_their_bits_and_are_few_and_never_worse_than_none(case: Case) -> None:
    values, scales = case.pursued()
    assert (np.count_nonzero(values, axis=2) <= case.most).all()
    assert -(2 ** (case.bits - 1)) <= values.min() <= values.max() < 2 ** (case.bits - 1)
    assert (scales > 0).all()
    energies = np.square(case.slices, dtype=np.float64).sum(axis=(0, 2))
    assert (case.missed(values, scales).sum(axis=0) <= energies * (1 + 1e-9)).all()


@settings(deadline=None, max_examples=40)
@given(cases())
def test_a_scale_is_the_best_one_for_its_coefficients(case: Case) -> None:
    values, scales = case.pursued()
    found = case.missed(values, scales).sum(axis=0)
    for factor in (0.99, 1.01):
        assert (found <= case.missed(values, scales * factor).sum(axis=0) * (1 + 1e-9)).all()


def test_loads_stay_within_the_share_where_any_excess_costs_a_slice_all_its_energy() -> None:
    rng = np.random.default_rng(0)
    slices = rng.normal(size=(2, 24, 16)).astype(np.float32)
    basis = rng.integers(-7, 8, (12, 16)).astype(np.float64)
    free = Case(slices, 16, basis, 4, 4, 0.0, 8)
    loads = [np.count_nonzero(replace(free, spread=s).pursued()[0], axis=1) for s in (0.0, 1.0)]
    assert loads[0].max() > 8
    assert loads[1].max() == 8  # 24 kernels x 4 coefficients / 12 vectors


def sums_of(case: Case, kernel: Any = add_normals) -> tuple[Array, Array, Array]:
    """Return normals, moments and what each slice misses."""
    values, scales = case.pursued()
    normals, moments = np.zeros((len(case.basis),) * 2), np.zeros_like(case.basis)
    missed = np.zeros(case.slices.shape[:2])
    kernel(case.slices, case.seen, case.basis, values, scales, normals, moments, missed)
    return normals, moments, missed


@settings(deadline=None, max_examples=40)
@given(cases())
def test_compiled_sums_and_improvement_equal_their_twins(case: Case) -> None:
    found = sums_of(case)
    for array, expected in zip(found, sums_of(case, add_normals_reference), strict=True):
        assert np.array_equal(array, expected)
    one, other = case.basis.copy(), case.basis.copy()
    improve(found[0], found[1], one)
    improve_reference(found[0], found[1], other)
    assert np.array_equal(one, other)


@settings(deadline=None, max_examples=40)
@given(cases())
def test_improvement_misses_no_more_and_what_is_missed_is_told(case: Case) -> None:
    values, scales = case.pursued()
    normals, moments, missed = sums_of(case)
    assert np.allclose(missed, case.missed(values, scales), rtol=1e-6, atol=1e-9)
    basis = case.basis.copy()
    improve(normals, moments, basis)
    better = replace(case, basis=basis).missed(values, scales)
    assert better.sum() <= missed.sum() * (1 + 1e-6) + 1e-9
    unused = np.diag(normals) == 0
    assert np.array_equal(basis[unused], case.basis[unused])
