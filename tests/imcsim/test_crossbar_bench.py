"""The benchmarks of crossbars compare products that are the same."""

from __future__ import annotations

import pytest

from benchmarks import benches
from benchmarks.crossbar import _has_vector_popcount, batched, by_matrix_products, one_by_one


def test_all_sides_return_the_same_products() -> None:
    ours, calls, theirs = (side()() for side in (batched, one_by_one, by_matrix_products))
    assert (ours == calls).all()
    assert (ours == theirs).all()


@pytest.mark.parametrize(
    ("name", "figure", "bound"),
    [
        ("crossbar-exact", "speed-up", 6 if _has_vector_popcount() else 2.5),
        ("crossbar-token-call", "cost", 1.25),
        ("crossbar-threads", "speed-up", 1.7),
        ("crossbar-effects", "cost", 3),
    ],
)
def test_ratios_of_crossbars_are_bounded(name: str, figure: str, bound: float) -> None:
    assert (benches[name].figure, benches[name].bound) == (figure, bound)
