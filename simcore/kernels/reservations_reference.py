"""Packets that reserve links of a route ahead: the specification that `reservations.py` equals bit for bit.

A packet waits where it is until each link of a route is free as it comes by, and takes the one of several
routes on which it arrives first, of equals the first.

reserved : (links, 2, room) int64, starts and ends of reserved times, in order, none of which touch
held : (links,) int64, how many there are
steps : (n, 3) int64, of all routes one behind the other: a link, from when and for how long it is taken,
    counted from where the packet sets out
routes : (m, 3) int64, the first step of each, how many it has, and when the packet arrives
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

#: In place of a route: the first is taken and others are not known yet; a link has no room to remember.
LOOK, FULL = -1, -2


def reserve_reference(
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
    """Reserve a route for a packet; return which, and when the packet sets out.

    first : a route, on which packets are under way no longer than on any other
    others, end : further routes, all numbers below `end`, in the same order; `LOOK` if they are not known
    ready : from when the packet can set out
    now : reserved times that end by then are forgotten where there is no room
    """
    best, start = first, _start(reserved, held, steps, routes[first], ready)
    if start > ready and others == LOOK:
        return LOOK, ready
    for other in range(others, end):
        begin = _start(reserved, held, steps, routes[other], ready)
        if begin + routes[other, 2] < start + routes[best, 2]:
            best, start = other, begin
    at, number, _ = routes[best]
    links = steps[at : at + number]
    for link in links[:, 0]:
        if held[link] == reserved.shape[2]:
            later = reserved[link][:, reserved[link, 1] > now]
            held[link] = later.shape[1]
            reserved[link, :, : held[link]] = later
        if held[link] == reserved.shape[2]:
            return FULL, ready
    for link, offset, duration in links:
        _take(reserved, held, link, start + offset, start + offset + duration)
    return best, start


def _start(reserved: Ints, held: Ints, steps: Ints, route: Ints, ready: int) -> int:
    """Return when a packet can set out on a route."""
    start, moved = ready, True
    while moved:
        moved = False
        for link, offset, duration in steps[route[0] : route[0] + route[1]].tolist():
            for begin, end in reserved[link, :, : held[link]].T.tolist():
                if begin < start + offset + duration and start + offset < end:
                    start, moved = end - offset, True
    return start


def _take(reserved: Ints, held: Ints, link: int, start: int, end: int) -> None:
    """Reserve a time that is free; with those that it touches it is one."""
    times = reserved[link, :, : held[link]].T.tolist()
    for begin, over in list(times):
        if over == start or begin == end:
            start, end = min(start, begin), max(end, over)
            times.remove([begin, over])
    times = sorted([*times, [start, end]])
    held[link] = len(times)
    reserved[link, :, : len(times)] = np.array(times).T
