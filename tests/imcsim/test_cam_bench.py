"""The benchmarks of content-addressable search compare searches that find the same."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks import benches
from benchmarks.cam import _operands, naive, scan, table


@pytest.mark.parametrize("ours", [scan, table])
def test_both_sides_find_the_same_rows(ours: Callable[[], Callable[[], object]]) -> None:
    found = _operands()[2]
    results = []
    for side in (ours, naive):
        found[:] = -1
        side()()
        results.append(found.copy())
    assert (results[0] == results[1]).all()


@pytest.mark.parametrize(("name", "bound"), [("cam-table", 20), ("cam-scan", 2)])
def test_speed_ups_of_the_search_are_bounded(name: str, bound: float) -> None:
    assert (benches[name].figure, benches[name].bound) == ("speed-up", bound)
