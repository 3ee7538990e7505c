"""Packets that reserve the links of a route ahead, compiled: the twin of `reservations_reference.py`."""

from __future__ import annotations

from simcore.kernels.compiling import compiled
from simcore.kernels.reservations_reference import FULL, LOOK, Ints

_NEVER = 1 << 62


@compiled
def reserve(
    reserved: Ints,
    held: Ints,
    steps: Ints,
    routes: Ints,
    first: int,
    others: int,
    end: int,
    ready: int,
    now: int,
) -> tuple[int, int]:
    """Compiled twin of `reserve_reference`; routes that cannot be first are left early."""
    best = first
    start = _start(reserved, held, steps, routes, first, ready, _NEVER)
    if start > ready and others == LOOK:
        return LOOK, ready
    for other in range(others, end):
        latest = start + routes[best, 2] - routes[other, 2]
        if latest <= ready:  # nor will longer ones be there first
            break
        begin = _start(reserved, held, steps, routes, other, ready, latest)
        if begin < latest:
            best, start = other, begin
    last = routes[best, 0] + routes[best, 1]
    for step in range(routes[best, 0], last):
        link = steps[step, 0]
        if held[link] == reserved.shape[2]:
            _forget(reserved, held, link, now)
        if held[link] == reserved.shape[2]:
            return FULL, ready
    for step in range(routes[best, 0], last):
        begin = start + steps[step, 1]
        _take(reserved, held, steps[step, 0], begin, begin + steps[step, 2])
    return best, start


@compiled
def _start(reserved: Ints, held: Ints, steps: Ints, routes: Ints, route: int, ready: int, latest: int) -> int:
    """Return when a packet can set out on a route, if before `latest`."""
    start: int = ready
    moved = True
    while moved:
        moved = False
        for step in range(routes[route, 0], routes[route, 0] + routes[route, 1]):
            link, begin = steps[step, 0], start + steps[step, 1]
            place = _behind(reserved, held, link, begin)
            free: int = begin
            while place < held[link] and reserved[link, 0, place] < free + steps[step, 2]:
                free = reserved[link, 1, place]
                place += 1
            if free > begin:
                start, moved = free - steps[step, 1], True
                if start >= latest:
                    return start
    return start


@compiled
def _behind(reserved: Ints, held: Ints, link: int, begin: int) -> int:
    """Return the place of the first reserved time that ends behind a time; most do not."""
    place: int = held[link]
    while place > 0 and reserved[link, 1, place - 1] > begin:
        place -= 1
    return place


@compiled
def _forget(reserved: Ints, held: Ints, link: int, now: int) -> None:
    over = _behind(reserved, held, link, now)
    held[link] -= over
    for place in range(held[link]):
        for side in range(2):
            reserved[link, side, place] = reserved[link, side, place + over]


@compiled
def _take(reserved: Ints, held: Ints, link: int, start: int, end: int) -> None:
    place = _behind(reserved, held, link, start)
    joins = place > 0 and reserved[link, 1, place - 1] == start
    joined = place < held[link] and reserved[link, 0, place] == end
    if joins and joined:
        reserved[link, 1, place - 1] = reserved[link, 1, place]
        held[link] -= 1
        for later in range(place, held[link]):
            for side in range(2):
                reserved[link, side, later] = reserved[link, side, later + 1]
    elif joins:
        reserved[link, 1, place - 1] = end
    elif joined:
        reserved[link, 0, place] = start
    else:
        for later in range(held[link], place, -1):
            for side in range(2):
                reserved[link, side, later] = reserved[link, side, later - 1]
        reserved[link, 0, place] = start
        reserved[link, 1, place] = end
        held[link] += 1
