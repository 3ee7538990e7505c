"""IR drop: the solved network against hand calculation, and the closed forms against the solved network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arch import IRDropConfig
from arch.arrays.ir_drop import attenuate, droop, solve_network
from simcore import ConfigError

Array = NDArray[Any]


def network(conductances: Any, volts: Any, wordline: float, bitline: float) -> Array:
    return solve_network(
        np.asarray(conductances, float), np.atleast_2d(volts).astype(float), wordline, bitline
    )


def kirchhoff(g: Array, volts: Array, wordline: float, bitline: float) -> Array:
    """Return bitline currents from one dense system of all nodes' current balances: an independent twin."""
    rows, cols = g.shape
    size = rows * cols
    balance, driven = np.zeros((2 * size, 2 * size)), np.zeros(2 * size)

    def join(a: int, b: int, conductance: float) -> None:
        for one, other in ((a, b), (b, a)):
            balance[one, one] += conductance
            balance[one, other] -= conductance

    for i in range(rows):
        for j in range(cols):
            word, bit = i * cols + j, size + i * cols + j
            join(word, bit, g[i, j])
            if j:
                join(word, word - 1, 1 / wordline)
            else:
                balance[word, word] += 1 / wordline
                driven[word] += volts[i] / wordline
            if i < rows - 1:
                join(bit, bit + cols, 1 / bitline)
            else:
                balance[bit, bit] += 1 / bitline
    nodes = np.linalg.solve(balance, driven)
    currents: Array = nodes[-cols:] / bitline
    return currents


def random_array(rows: int, cols: int, seed: int = 0, bits: int = 2) -> tuple[Array, Array, int]:
    """Return conductances in fixed point, input vectors of bits, and g_max."""
    rng = np.random.default_rng(seed)
    top = 2**bits - 1
    cells = (rng.integers(0, top + 1, (rows, cols)) << 8).astype(np.int32)
    return cells, (rng.random((8, rows)) < 0.5).astype(np.float64), top << 8


def effective(values: Array) -> float:
    return float(np.sqrt(np.mean(values**2)))


def test_one_cell_is_three_resistors_in_a_row() -> None:
    assert network([[0.5]], [2.0], 0.25, 0.125).item() == pytest.approx(2.0 / (0.25 + 1 / 0.5 + 0.125))


def test_two_cells_on_a_wordline_share_its_first_stretch() -> None:
    # Cells of 1 Ohm, wires of 1 Ohm: the far branch is 1 + 1 + 1, the near one 1 + 1; 3 parallel to 2 is 6/5,
    # so the first node is at (6/5) / (1 + 6/5) = 6/11 V.
    np.testing.assert_allclose(network([[1.0, 1.0]], [1.0], 1.0, 1.0), [[6 / 11 / 2, 6 / 11 / 3]])


def test_two_cells_on_a_bitline_share_its_last_stretch() -> None:
    # The same ladder from the other end: driven at 1 V on both rows through 1 + 1 (wordline, cell).
    # upper branch 1 + 1 + 1, lower 1 + 1, last stretch 1: node v with (1 - v)/3 + (1 - v)/2 = v, v = 5/11.
    np.testing.assert_allclose(network([[1.0], [1.0]], [1.0, 1.0], 1.0, 1.0), [[5 / 11]])


def test_two_by_two_without_wordline_resistance_is_two_ladders() -> None:
    # Column with cells a above b, stretches of r: upper node u, lower node w:
    # a (V0 - u) = (u - w) / r and b (V1 - w) + (u - w) / r = w / r; here r = 1.
    # a = 1, b = 2, V = (1, 3): u = (1 + w) / 2, 2 (3 - w) + u - w = w gives 6.5 = 3.5 w, w = 13/7.
    # a = 3, b = 1: u = (3 + w) / 4, 3 - w + u - w = w gives 3.75 = 2.75 w, w = 15/11.
    np.testing.assert_allclose(network([[1, 3], [2, 1]], [1, 3], 0.0, 1.0), [[13 / 7, 15 / 11]])


@settings(deadline=None)
@given(
    st.integers(1, 5),
    st.integers(1, 5),
    st.integers(0, 1000),
    st.floats(1e-3, 3.0),
    st.floats(1e-3, 3.0),
)
def test_block_solution_equals_one_dense_system(
    rows: int, cols: int, seed: int, wordline: float, bitline: float
) -> None:
    rng = np.random.default_rng(seed)
    g, volts = rng.random((rows, cols)) * (rng.random((rows, cols)) < 0.8), rng.normal(size=(3, rows))
    expected = [kirchhoff(g, v, wordline, bitline) for v in volts]
    np.testing.assert_allclose(network(g, volts, wordline, bitline), expected, atol=1e-12)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 1000))
@settings(deadline=None)
def test_ideal_wires_give_the_plain_product(rows: int, cols: int, seed: int) -> None:
    cells, volts, full = random_array(rows, cols, seed)
    np.testing.assert_allclose(network(cells / full, volts, 0.0, 0.0) * full, volts @ cells, atol=1e-9)
    np.testing.assert_array_equal(attenuate(cells, IRDropConfig(), full), cells)
    assert droop(rows, IRDropConfig(), full) == 0


def test_the_closed_form_of_one_cell_is_exact() -> None:
    cells = np.array([[640]], np.int32)
    expected = 640 / (1 + 640 / 768 * (0.3 + 0.1))
    assert attenuate(cells, IRDropConfig(wordline=0.3, bitline=0.1), 768).item() == round(expected)


def test_load_is_the_double_sum_of_its_definition() -> None:
    cells, _, full = random_array(5, 4, bits=8)
    cells = cells << 12  # so that rounding does not count
    wires = IRDropConfig(wordline=0.02, bitline=0.05)
    attenuated = attenuate(cells, wires, full << 12)
    for i in range(5):
        for j in range(4):
            load = 0.02 * sum((min(j, k) + 1) * cells[i, k] for k in range(4))
            load += 0.05 * sum((5 - max(i, m)) * cells[m, j] for m in range(5))
            assert attenuated[i, j] == pytest.approx(cells[i, j] / (1 + load / (full << 12)), rel=1e-6)


def test_the_closed_form_is_right_to_first_order() -> None:
    cells, volts, full = random_array(6, 7, bits=8)
    errors = []
    for wire in (4e-3, 2e-3, 1e-3):
        sums = volts @ attenuate(cells << 12, IRDropConfig(wordline=wire, bitline=wire), full << 12) / 2**12
        errors.append(effective(sums - network(cells / full, volts, wire, wire) * full))
    # half the wire, a quarter of the error
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("size", [16, 64, 128])
@pytest.mark.parametrize("wire", [1e-5, 1e-4, 3e-4, 1e-3])
def test_errors_of_the_closed_form_stay_in_the_stated_range(size: int, wire: float) -> None:
    cells, volts, full = random_array(size, size)
    solved = network(cells / full, volts, wire, wire) * full
    sums = volts @ attenuate(cells, IRDropConfig(wordline=wire, bitline=wire), full)
    drop = effective(volts @ cells - solved) / effective(volts @ cells)
    error = effective(sums - solved) / effective(solved)
    assert error < (0.002 if drop < 0.15 else 0.0105 if drop < 0.37 else 0.2)


@pytest.mark.parametrize("filled", ["all", "left", "right", "top", "bottom", "sparse"])
@pytest.mark.parametrize("inputs", ["all", "single"])
def test_structured_arrays_stay_within_three_times_the_stated_error(filled: str, inputs: str) -> None:
    row, column = np.indices((64, 64))
    where = {
        "all": row >= 0,
        "left": column < 32,
        "right": column >= 32,
        "top": row < 32,
        "bottom": row >= 32,
        "sparse": np.random.default_rng(0).random((64, 64)) < 0.1,
    }[filled]
    cells = np.where(where, 3 << 16, 0)
    volts = np.ones((1, 64)) if inputs == "all" else np.eye(64)
    wires = IRDropConfig(wordline=6e-5, bitline=6e-5)
    solved = network(cells / (3 << 16), volts, 6e-5, 6e-5) * (3 << 16)
    drop = effective(volts @ cells - solved) / effective(volts @ cells)
    assert 0.02 < drop < 0.15
    assert effective(volts @ attenuate(cells, wires, 3 << 16) - solved) / effective(solved) < 3 * 0.002


@pytest.mark.parametrize(("size", "wire"), [(16, 1e-3), (32, 3e-4), (64, 1e-4), (128, 1e-5)])
def test_gated_rows_lose_by_the_square_of_the_sum(size: int, wire: float) -> None:
    cells, volts, full = random_array(size, size)
    volts = volts[: 256 // size]  # as many inputs as give 256 sums: each is a network of its own to solve
    wires = IRDropConfig(wordline=wire, bitline=wire, gated=True)
    solved = full * np.concatenate([network(cells / full * v[:, None], v, wire, wire) for v in volts])
    sums = volts @ attenuate(cells, wires, full)
    sums = sums / (1 + droop(size, wires, full) * sums)
    drop = effective(volts @ cells - solved) / effective(solved)
    assert 0.04 < drop < 0.12
    assert effective(sums - solved) / effective(solved) < 0.008


@pytest.mark.parametrize("below", [0, 16, 48])
def test_a_group_of_rows_loses_more_the_further_it_is_from_the_converters(below: int) -> None:
    cells, volts, full = random_array(64, 64)
    wires = IRDropConfig(bitline=5e-5, gated=True)
    on = np.arange(64 - below - 16, 64 - below)
    volts = volts * np.isin(np.arange(64), on)
    solved = full * np.concatenate([network(cells / full * v[:, None], v, 0, 5e-5) for v in volts])
    sums = volts @ cells
    model = sums / (1 + droop(16, wires, full, below) * sums)
    drop = effective(sums - solved)
    # stretches that all of them share, and a few of their own: as if on rows were spread evenly
    assert effective(model - solved) < 5e-4 * effective(sums)
    assert drop / effective(sums) > 0.0017 + 0.0002 * below


def test_far_cells_lose_most() -> None:
    cells = np.full((8, 8), 768, np.int32)
    attenuated = attenuate(cells, IRDropConfig(wordline=1e-3, bitline=1e-3), 768)
    assert (np.diff(attenuated, axis=0) >= 0).all()  # converters are below the last row
    assert (np.diff(attenuated, axis=1) <= 0).all()  # drivers beside column 0
    assert attenuated.dtype == cells.dtype


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_conductance_that_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(ConfigError, match=f"row 0, bitline 1 must be a finite number, got {bad}; 0 cuts"):
        network([[1.0, bad]], [1.0], 0.1, 0.1)


def test_a_network_too_large_to_solve_is_refused() -> None:
    with pytest.raises(ConfigError, match="takes 65536 cells, got 257 x 256; use attenuate"):
        network(np.zeros((257, 256)), np.zeros(257), 0.0, 0.0)
