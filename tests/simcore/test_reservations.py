"""Reserved routes: the kernel equals its specification in what it answers and in all that it remembers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.kernels.reservations import reserve
from simcore.kernels.reservations_reference import FULL, LOOK, Ints, reserve_reference

LINKS = 5


@st.composite
def tables(draw: st.DrawFn) -> tuple[Ints, Ints]:
    """Draw steps and routes: each of a few links one behind the other, the shortest first."""
    steps: list[tuple[int, int, int]] = []
    routes: list[tuple[int, int, int]] = []
    for way in draw(st.lists(st.lists(st.integers(0, LINKS - 1), min_size=1, unique=True), min_size=1)):
        offset, first = 0, len(steps)
        for link in way:
            steps.append((link, offset, draw(st.integers(1, 9))))
            offset += draw(st.integers(0, 4))
        routes.append((first, len(way), offset + draw(st.integers(1, 9))))
    return np.array(steps), np.array(sorted(routes, key=lambda route: route[2]))


PACKETS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 40)), max_size=30)


@settings(deadline=None)
@given(tables(), PACKETS, st.integers(2, 8))
def test_the_kernel_equals_its_specification(
    table: tuple[Ints, Ints], packets: list[tuple[int, int, int]], room: int
) -> None:
    steps, routes = table
    states = [(np.zeros((LINKS, 2, room), np.int64), np.zeros(LINKS, np.int64)) for _ in range(2)]
    now = 0
    for first, further, wait in packets:
        first %= len(routes)
        end = min(len(routes), first + 1 + further)
        now += wait // 8
        answers = [
            kernel(*state, steps, routes, first, first + 1, end, now + wait, now)
            for kernel, state in zip((reserve_reference, reserve), states, strict=True)
        ]
        assert answers[0] == answers[1]
        for reserved, held in states:
            reserved[np.arange(room) >= held[:, None, None].repeat(2, 1)] = 0  # what is behind says nothing
        assert all(np.array_equal(a, b) for a, b in zip(*states, strict=True))


@pytest.mark.parametrize("kernel", [reserve_reference, reserve])
def test_other_routes_are_asked_for_only_where_the_first_is_taken(kernel: Any) -> None:
    state = np.zeros((1, 2, 2), np.int64), np.zeros(1, np.int64)
    tables = np.array([(0, 0, 5)]), np.array([(0, 1, 5)])
    assert kernel(*state, *tables, 0, LOOK, LOOK, 10, 0) == (0, 10)
    assert kernel(*state, *tables, 0, LOOK, LOOK, 12, 0) == (LOOK, 12)
    assert kernel(*state, *tables, 0, 0, 0, 12, 0) == (0, 15)
    assert state[0][0, :, 0].tolist() == [10, 20]


@pytest.mark.parametrize("kernel", [reserve_reference, reserve])
def test_a_link_forgets_what_is_over_and_tells_if_that_is_not_enough(kernel: Any) -> None:
    state = np.zeros((1, 2, 2), np.int64), np.zeros(1, np.int64)
    tables = np.array([(0, 0, 5)]), np.array([(0, 1, 5)])
    assert [kernel(*state, *tables, 0, 0, 0, ready, 0)[0] for ready in (0, 10)] == [0, 0]
    before = state[0].copy()
    assert kernel(*state, *tables, 0, 0, 0, 20, 4)[0] == FULL
    assert np.array_equal(state[0], before)
    assert kernel(*state, *tables, 0, 0, 0, 20, 5) == (0, 20)
    assert state[0][0].tolist() == [[10, 20], [15, 25]]
