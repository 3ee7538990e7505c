"""Requests of a run: how they arrive over time, what a queue may know of them, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias


@dataclass(frozen=True)
class ClosedArrivals:
    """So many requests are in the machine or its queue at any time: the next arrives when one is done."""

    in_system: int

    @property
    def canonical(self) -> Any:
        """What a fingerprint holds of it."""
        return {"closed": self.in_system}


@dataclass(frozen=True)
class TimedArrivals:
    """Requests that arrive whatever the machine does.

    cycles : of the reference clock, in which each arrives, in order
    repeats : requests after which the gaps between them repeat; None where they never do
    """

    cycles: tuple[int, ...]
    repeats: int | None = None

    @property
    def canonical(self) -> Any:
        """What a fingerprint holds of it."""
        return self.cycles


Arrivals: TypeAlias = ClosedArrivals | TimedArrivals


@dataclass(frozen=True)
class Head:
    """The oldest request that waits in one network's line, and could be let in now.

    network : whose it is
    place : of the network among those that share the machine
    arrived : tick
    waiting : requests in its line, with it
    work : predicted steps of arrays for an image, of all layers of its network; see `NetworkMap.work`
    """

    network: str
    place: int
    arrived: int
    waiting: int
    work: int


@dataclass(frozen=True, eq=False)
class RequestTimes:
    """What became of the requests of one network; the lists are by request [tick].

    started : when each was let in
    waited : integral of the number that waited, over time [request x tick]
    most : that waited when a tick was over
    """

    network: str
    arrived: Sequence[int]
    started: Sequence[int]
    completed: Sequence[int]
    waited: int
    most: int


@dataclass(frozen=True, eq=False)
class LoadReport:
    """What became of all requests of a run.

    in_system : integral of the number that waited or were served, over time [request x tick]
    """

    lines: tuple[RequestTimes, ...]
    in_system: int
