"""A network simulated flit by flit: packets in at any cycle, packets out with the cycle of their tail.

Routers have a buffer for each virtual channel of each link that leads in, wormhole flow control by credits,
and one iteration of iSLIP for both allocations; see `simcore.kernels.wormhole_reference` for a cycle.
Packets that wait at their source take no room, and leave it one at a time on each link. Terminals take what
comes: a reader that must not be overrun has to keep room for a packet before it is offered.

Lanes of the interconnect are classes of virtual channels. A link that packets only cross in one lane gives
it all channels; else its channels are shared out evenly.

Packets of a stream, of one sender for one reader, take the same way but any channel of their lane, so they
may overtake one another; `vc_choice=stream` keeps them in one channel of each link, and so in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from arch.fabric.arrivals import Arrivals
from arch.fabric.flit_config import FlitConfig, check_lanes
from arch.fabric.flit_deadlock import explain_waits
from arch.fabric.interconnect import Hop, Interconnect
from simcore import BrokenLawError, Deadlock
from simcore.kernels.wormhole import advance, advance_to_news, enqueue
from simcore.kernels.wormhole_reference import COMES_OUT, STUCK
from simcore.kernels.wormhole_state import (
    ARRIVED,
    FLITS,
    NOTHING,
    NOW,
    Counts,
    make_counts,
    make_shape,
    make_state,
)

_ROOM = 256  # packets at first; doubled whenever it is too little


NOTHING_CAME = Arrivals(*np.zeros((3, 0), np.int64))


class PacketNetwork(Protocol):
    """What carries packets along the ways of an interconnect, at whatever fidelity."""

    @property
    def now(self) -> int:
        """The cycle that comes next."""

    def offer(self, ways: ArrayLike, flits: ArrayLike, cycles: ArrayLike, names: ArrayLike) -> Any:
        """Take packets; see `FlitNetwork.offer`."""

    def advance(self, until: int, *, pause: bool = False) -> Arrivals:
        """Let cycles pass; see `FlitNetwork.advance`."""


class FlitNetwork:
    """The routers and links of an interconnect; see the module.

    shape, state : what the kernel works on; see `simcore.kernels.wormhole_state`
    counts : cycles in which links carried flits and in which routers and channels were held up; see `Counts`
    """

    def __init__(self, interconnect: Interconnect, config: FlitConfig, links_named: str = "") -> None:
        """Lay out routers and links.

        links_named : what comes before `escape` in messages
        raises : ConfigError if there are fewer virtual channels than lanes
        """
        check_lanes(config.vcs, interconnect.lanes)
        self.interconnect, self.config = interconnect, config
        self._escape = f"{links_named}escape"
        number = {router: i for i, router in enumerate(interconnect.routers)}
        links = []
        for source, target in interconnect.links:
            start, end = number.get(str(source), NOTHING), number.get(str(target), NOTHING)
            switch = config.switch_alloc_delay + config.switch_traversal_delay
            flight = config.link_delay + (0 if start == NOTHING else switch)
            links.append((start, end, flight, 1 + config.link_delay + config.credit_delay))
        self.shape = make_shape(
            links,
            [*self._channels(list(interconnect.ways.values()))],
            routers=len(number),
            vcs=config.vcs,
            depth=config.vc_buffer_flits,
            routing=config.routing_delay,
            allocation=config.vc_alloc_delay,
        )
        self.state = make_state(self.shape, _ROOM)
        self._view()
        self._free = np.arange(_ROOM)
        self.counts: Counts = make_counts(self.shape)

    def _view(self) -> None:
        """Take views of what is looked at often, as attributes of record arrays are slow."""
        packet = self.state.packet
        self._packet = {name: packet[name].view(np.ndarray) for name in packet.dtype.names}
        self._flits = self.state.wheel["flits"].view(np.ndarray)
        self._ends = self.shape.link["end"].tolist()

    def _channels(self, ways: Sequence[Sequence[Hop]]) -> Iterator[list[tuple[int, int, int]]]:
        """Yield which channels packets may take on each link of each way: the first one, and how many."""
        lanes = [1] * len(self.interconnect.links)
        for hop in (hop for way in ways for hop in way):
            lanes[hop.link] = max(lanes[hop.link], hop.lane + 1)
        for stream, way in enumerate(ways):
            steps = []
            for link, lane in way:
                first, stop = (self.config.vcs * edge // lanes[link] for edge in (lane, lane + 1))
                if self.config.vc_choice == "stream":
                    first += stream % (stop - first)
                    stop = first + 1
                steps.append((link, first, stop - first))
            yield steps

    @property
    def now(self) -> int:
        """The cycle that comes next."""
        return int(self.state.clock[NOW])

    @property
    def packets(self) -> int:
        """Packets that were offered and have not come out."""
        return len(self.state.packet) - len(self._free)

    @property
    def flits(self) -> int:
        """Flits on links and in routers."""
        return int(self.state.clock[FLITS])

    def offer(
        self, ways: ArrayLike, flits: ArrayLike, cycles: ArrayLike, names: ArrayLike
    ) -> NDArray[np.int64]:
        """Take packets, which leave their source behind those made before, in the next cycle at the earliest.

        ways : numbers of their ways, in the order of `interconnect.ways`
        flits : of each
        cycles : in which they are made: the last one that has passed, or later; in order for each source
        names : numbers to know them by
        returns : the places in `state.packet` that they have until they have come out

        Arguments are numbers or (n,) integers.
        """
        rows = np.broadcast_arrays(*np.atleast_1d(ways, flits, cycles, names))
        count = len(rows[0])
        while len(self._free) < count:
            self._grow()
        places, self._free = self._free[:count], self._free[count:]
        fields = self._packet
        for field, values in zip(("way", "flits", "created", "name"), rows, strict=True):
            fields[field][places] = values
        fields["hop"][places] = 0
        fields["left"][places] = NOTHING
        enqueue(self.shape, self.state, places)
        return places

    def _grow(self) -> None:
        """Double the room for packets."""
        count, packet = len(self.state.packet), self.state.packet
        larger = np.zeros(2 * count, packet.dtype).view(np.recarray)
        larger[:count] = packet
        self.state = self.state._replace(packet=larger, done=np.zeros(2 * count, np.int64))
        self._view()
        self._free = np.concatenate([self._free, np.arange(count, 2 * count)])

    def advance(self, until: int, *, pause: bool = False) -> Arrivals:
        """Let cycles pass, all before `until`, and return what came out; without traffic they cost nothing.

        pause : stop behind the first cycle in which a packet comes out
        raises : Deadlock if flits are under way and none will ever move
        """
        self._explain(advance(self.shape, self.state, self.counts, until, pause))
        done = self._give_back()
        if not len(done):
            return NOTHING_CAME
        return Arrivals(*(self._packet[field][done] for field in Arrivals._fields))

    def advance_to_news(self, start: int, until: int, *, watch: bool = False) -> list[int]:
        """Let cycles pass, that of `start` at least, and stop before one in which a packet comes out.

        start : the cycle that comes next, or a later one before which nothing comes out but in the next
        until : cycle before which to stop in any case, if it is behind `start`
        watch : stop behind a cycle in which a packet has left its source, too
        returns : places in `state.packet` of those that come out in the cycle that is `now`
        raises : Deadlock if flits are under way and none will ever move

        What is offered before that cycle has passed still leaves in it. So whoever has to know what comes out
        before all offers are in may learn it here.
        """
        news = advance_to_news(self.shape, self.state, self.counts, start, until, watch)
        self._explain(news)
        self._give_back()
        if news != COMES_OUT:
            return []
        when, vcs, ends = self.now % len(self._flits), self.shape.vcs, self._ends
        coming = self.state.arriving[when, : self._flits[when]].tolist()
        return [flit >> 1 for channel, flit in coming if flit & 1 and ends[channel // vcs] == NOTHING]

    def left(self, place: int) -> int | None:
        """Return the cycle in which a packet's tail has left its source, by its place; None if it has not."""
        cycle = int(self._packet["left"][place])
        return None if cycle == NOTHING else cycle

    def _explain(self, news: int) -> None:
        """Raise Deadlock if that is why the kernel stopped."""
        if news == STUCK:
            raise Deadlock(
                *explain_waits(self.interconnect, self.shape, self.state, self.packets, self._escape)
            )

    def _give_back(self) -> NDArray[np.int64]:
        """Return the places of what came out, which now are free."""
        count = self.state.clock[ARRIVED]
        done = self.state.done[:count].copy()
        if count:
            self._free = np.concatenate([done, self._free])
            self.state.clock[ARRIVED] = 0
        return done

    def usage(self, cycles: int) -> dict[str, dict[str, int]]:
        """Return the cycles that each link and router spent in each state, which sum to `cycles`.

        cycles : that have passed, at least those in which there was traffic

        Links are `busy` when a flit sets out and `blocked` when one is to and none does; routers are
        `blocked` when none of the flits inside gets ahead, and `busy` with flits inside else. The rest is
        `idle`.
        """
        counts, found = self.counts, {}
        links = [f"link[{source},{target}]" for source, target in self.interconnect.links]
        rows = [*zip(links, counts.carried.tolist(), counts.held_up.tolist(), strict=True)]
        rows += zip(self.interconnect.routers, counts.busy.tolist(), counts.blocked.tolist(), strict=True)
        for name, busy, blocked in rows:
            found[name] = {"busy": busy, "blocked": blocked, "idle": cycles - busy - blocked}
        return found

    def check(self) -> None:
        """Raise BrokenLawError unless flits and credits are all where they can be."""
        shape, state = self.shape, self.state
        channel = state.channel
        flying, owed = np.zeros((2, len(channel)), np.int64)
        for when, (flits, credits) in enumerate(state.wheel):
            np.add.at(flying, state.arriving[when, :flits, 0], 1)
            np.add.at(owed, state.returning[when, :credits], 1)
        room = channel.credits + channel.held + flying + owed
        used = np.sort(channel.output[channel.output != NOTHING])
        for law, holds in (
            ("free, used and returning credits make up each buffer", (room == shape.depth).all()),
            (
                "flits in buffers and on links are all",
                channel.held.sum() + flying.sum() == state.clock[FLITS],
            ),
            ("a packet for each taken channel", used.tolist() == np.flatnonzero(channel.taken).tolist()),
        ):
            if not holds:
                raise BrokenLawError(f"flit network at cycle {self.now}: {law}: this does not hold")


class IdealNetwork:
    """The same ways without any contention: every packet takes its latency at zero load."""

    def __init__(self, interconnect: Interconnect, config: FlitConfig) -> None:
        self._links = np.array([interconnect.length(key) for key in interconnect.keys])
        self._routers = np.array([interconnect.routers_on(key) for key in interconnect.keys])
        self._config = config
        self._now = 0
        self._coming = np.zeros((0, 3), np.int64)

    @property
    def now(self) -> int:
        """The cycle that comes next."""
        return self._now

    def offer(self, ways: ArrayLike, flits: ArrayLike, cycles: ArrayLike, names: ArrayLike) -> None:
        """Take packets; see `FlitNetwork.offer`."""
        way, length, made, name = np.broadcast_arrays(*np.atleast_1d(ways, flits, cycles, names))
        latency = self._config.zero_load_cycles(self._links[way], self._routers[way], length)
        packets = np.stack([name, made, made + latency], axis=1)
        self._coming = np.concatenate([self._coming, packets])

    def advance(self, until: int, *, pause: bool = False) -> Arrivals:
        """Let cycles pass; see `FlitNetwork.advance`."""
        due = self._coming[:, 2]
        if pause and len(due):
            until = max(self._now, min(until, int(due.min()) + 1))
        self._now = max(self._now, until)
        out = self._coming[due < self._now]
        self._coming = self._coming[due >= self._now]
        return Arrivals(*out[np.argsort(out[:, 2], kind="stable")].T)
