"""What decides when things happen on a machine that is built, apart from what processes do in which order.

Two machines whose processes do the same differ in nothing else: how long operations last, what channels hold
and how long tokens take through them, how many of a shared resource there are, and how long a tick is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, Protocol

from simcore.arbiter import Merge, SharedEnd
from simcore.buffer_channel import BufferChannel
from simcore.carried import CarriedBuffer
from simcore.channel import Channel, DelayedChannel, Handshake
from simcore.clocks import Clock
from simcore.fan import Gather
from simcore.ports import Port
from simcore.wiring import Connection


class PlannedPart(Protocol):
    """A component as the blueprint sees it."""

    path: str
    clock: Clock
    config: Any
    ports: list[Port]
    units: list[Any]

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles that operations last."""

    def edges(self) -> Mapping[str, int]:
        """Return the cycles between the edges that it waits for."""


@dataclass(frozen=True)
class ChannelPlan:
    """What decides when tokens get through one channel.

    form : `fifo`, `memory`, `carried`, `gather` or `merge`
    capacity : tokens; 0 hands over when both sides are there, None is unbounded
    latency : from put to take [tick]; of `carried`, from the last station
    reader_period, writer_period : ticks in a cycle of either side's clock
    passage : of `carried`: tells the ticks that a token takes to its reader or station if nothing holds it up
    """

    form: str
    capacity: int | None
    latency: int
    reader_period: int
    writer_period: int
    passage: Callable[[int], int] | None = None


@dataclass(frozen=True, eq=False)
class Blueprint:
    """See the module.

    tick : duration of one [s]; times below are in ticks
    reference : ticks in a cycle of the reference clock
    units : paths of all that are accounted
    clocks, configs : ticks in a cycle, and configuration, of each component, by path
    lasts : ticks that an operation lasts, one time after the other and over again, by path of the component
        and name of the operation; those that the data decide on, or nobody tells, are missing
    edges : ticks between edges that are waited for, by path and name
    channels : by name
    shared : how many there are of each shared resource, by its path
    """

    tick: Fraction
    reference: int
    units: tuple[str, ...]
    clocks: Mapping[str, int]
    configs: Mapping[str, Any]
    lasts: Mapping[tuple[str, str], tuple[int, ...]]
    edges: Mapping[tuple[str, str], int]
    channels: Mapping[str, ChannelPlan]
    shared: Mapping[str, int]


def blueprint_of(
    parts: Iterable[PlannedPart], connections: Iterable[Connection], reference: Clock
) -> Blueprint:
    """Return the blueprint of components that are built and connected."""
    parts = list(parts)
    working = [part for part in parts if part.units]
    return Blueprint(
        tick=reference.period / reference.ticks,
        reference=reference.ticks,
        units=tuple(sorted(unit.path for part in working for unit in part.units)),
        clocks={part.path: part.clock.ticks for part in parts},
        configs={part.path: part.config for part in parts},
        lasts={
            (part.path, getattr(part, name).name): tuple(int(c) * part.clock.ticks for c in pattern)
            for part in working
            for name, pattern in part.lasts().items()
        },
        edges={
            (part.path, name): cycles * part.clock.ticks
            for part in working
            for name, cycles in part.edges().items()
        },
        channels={connection.channel.name: _planned(connection.channel) for connection in connections},
        shared={
            port.channel.arbiter.name: port.channel.arbiter.capacity
            for part in working
            for port in part.ports
            if isinstance(port.channel, SharedEnd)
        },
    )


def _planned(channel: Any) -> ChannelPlan:
    """Return what decides on one channel; the form is that of the most special class it has."""
    form = next(form for kind, form in _FORMS if isinstance(channel, kind))
    if isinstance(channel, CarriedBuffer):
        end, stations = channel.end, channel.stations
        behind = (0, 1) if stations is None else (stations.latency, stations.period)
        passage = partial(end.entry.passage, reader=end.reader)
        return ChannelPlan(form, channel.capacity, *behind, 1, passage)
    periods = getattr(channel, "reader_period", 1), getattr(channel, "writer_period", 1)
    return ChannelPlan(form, channel.capacity, getattr(channel, "latency", 0), *periods)


#: Forms of channels by class, subclasses in front of their bases.
_FORMS: tuple[tuple[type[Any], str], ...] = (
    (CarriedBuffer, "carried"),
    (BufferChannel, "memory"),
    (Gather, "gather"),
    (Merge, "merge"),
    (DelayedChannel, "fifo"),
    (Handshake, "fifo"),
    (Channel, "fifo"),
)
