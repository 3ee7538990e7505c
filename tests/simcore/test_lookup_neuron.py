"""The neuron's kernel against its twin, and the twin against counting and shifting one pair at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.kernels.lookup_mac import shift_and_add_reference
from simcore.kernels.lookup_neuron import addend_steps, count_neurons, count_neurons_reference

Operands = tuple[Any, ...]


@st.composite
def neurons(draw: st.DrawFn, absent: bool = True) -> dict[str, Any]:
    """Draw windows and tables: several groups, few codes so that pairs repeat, padding."""
    groups, per_group = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    positions, channels = draw(st.integers(1, 9)), draw(st.integers(1, 12))
    weight_codes, input_codes = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    columns, rows = groups * per_group, positions * channels
    books = draw(st.sampled_from((1, columns)))
    return {
        "window": rng.integers(0 if absent else 1, input_codes + 1, positions * groups * channels).astype(
            "i2"
        ),
        "positions": positions,
        "weights": rng.integers(0, weight_codes, (columns, rows)).astype(np.uint8),
        "groups": groups,
        "table": rng.integers(-(2**15), 2**15, (books, weight_codes, input_codes)).astype(np.int32),
        "signed": draw(st.booleans()),
        "lanes": draw(st.integers(1, weight_codes)),
        "first": draw(st.integers(0, columns - 1)),
        "step": draw(st.integers(1, columns)),
    }


def results(columns: int) -> list[Any]:
    return [np.full(columns, -7, np.int64) for _ in range(3)]


@settings(deadline=None, max_examples=200)
@given(neurons())
def test_compiled_neurons_equal_their_numpy_twin(drawn: dict[str, Any]) -> None:
    columns, rows = drawn["weights"].shape
    expected, found = results(columns), results(columns)
    count_neurons_reference(**drawn, **dict(zip(("sums", "addends", "buckets"), expected, strict=True)))
    own = dict(drawn)
    signed, lanes = own.pop("signed"), own["lanes"]
    fullest = [np.bincount(weights % lanes, minlength=1).max() for weights in own["weights"]]
    counts = np.zeros(drawn["table"][0].size, np.uint16)
    before = [own[name] for name in ("window", "positions", "weights", "groups", "table")]
    behind = [np.array(fullest), lanes, own["first"], own["step"], counts]
    operands: list[Any] = [*before, addend_steps(rows, signed), *behind, *found]
    count_neurons(*operands)
    assert all(np.array_equal(a, b) for a, b in zip(expected, found, strict=True))
    assert not counts.any()


@settings(deadline=None)
@given(neurons(absent=False))
def test_a_neuron_adds_what_shifted_products_of_all_counts_are(drawn: dict[str, Any]) -> None:
    columns, rows = drawn["weights"].shape
    drawn |= {"first": 0, "step": 1}
    sums, addends, buckets = results(columns)
    count_neurons_reference(**drawn, sums=sums, addends=addends, buckets=buckets)
    by_position = drawn["window"].reshape(drawn["positions"], drawn["groups"], -1)
    for column in range(columns):
        codes = by_position[:, column // (columns // drawn["groups"])].ravel() - 1
        book = drawn["table"][column if len(drawn["table"]) > 1 else 0]
        counts = np.zeros((1, *book.shape), np.int32)
        np.add.at(counts[0], (drawn["weights"][column], codes), 1)
        total, added = np.zeros((1, 1), np.int64), np.zeros((1, 1), np.int32)
        shift_and_add_reference(counts, book.T.astype(np.int64), drawn["signed"], total, added, 0)
        assert (sums[column], addends[column]) == (total[0, 0], added[0, 0])
        assert buckets[column] >= -(-rows // drawn["lanes"])
