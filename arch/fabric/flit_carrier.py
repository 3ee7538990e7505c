"""The fabric flit by flit, in the loop: pixels as packets through a `FlitNetwork`, beside the whole machine.

What is offered in a tick leaves in the network's cycle of the same number at the earliest. That cycle passes
when the tick is over, so all offers are in, whatever their order. Packets that come out in a cycle have set
out for it a cycle before at least, so they are known when its tick begins, and land in it.

Nothing else can happen before the next entry of the calendar. So the network runs ahead up to there, or until
a packet comes out, or one has left its source while a sender waits for its place.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from arch.fabric.configuration import FabricConfig
from arch.fabric.flit_entry import Copy, FlitEntry
from arch.fabric.flit_network import FlitNetwork
from arch.fabric.flit_units import FlitLink, FlitRouter, Spent
from arch.fabric.interconnect import Interconnect
from arch.fabric.network import Network, passages
from arch.links import LinksConfig
from simcore.commands import PARK, Engine, Park, Wake
from simcore.kernels.wormhole_reference import NEVER


class FlitCarrier(Network):
    """A network of flits, whose links and routers are units, and whose cycles pass when ticks are over.

    Every reader gets packets of its own: routers do not copy flits.
    """

    def lay_out(self, config: FabricConfig, costs: LinksConfig, interconnect: Interconnect) -> None:
        """Build the links and routers."""
        self.flits = FlitNetwork(interconnect, config.flit_config, links_named="fabric.")
        self._config, self._interconnect = config, interconnect
        self._number = {key: number for number, key in enumerate(interconnect.ways)}
        counts = self.flits.counts
        routers: list[FlitRouter] = []
        for name in interconnect.routers:
            router = self.add(FlitRouter, name, config.router_costs)
            router.time.spent = spent_by(len(routers), counts.busy, counts.blocked, counts.router_last)
            routers.append(router)
        self.links: list[FlitLink] = []
        for source, target in interconnect.links:
            link = self.add(FlitLink, f"link[{source},{target}]", costs)
            link.inside = (source, target) in interconnect.inside
            link.time.spent = spent_by(len(self.links), counts.carried, counts.held_up, counts.link_last)
            self.links.append(link)
        for router, name in zip(routers, interconnect.routers, strict=True):
            ends = zip(self.links, interconnect.links, strict=True)
            router.links = [link for link, (source, _) in ends if source == name]
        self._entries = 0
        self._ready: dict[int, list[Copy]] = {}  # that enter the network, by tick
        self._under_way: dict[int, Copy] = {}  # by place in the network
        self._coming: list[int] = []  # places of those that land in the tick that the network has come to
        self._refused: list[FlitEntry] = []
        self._closing = False
        self._tick = Wake(self._go)

    @property
    def engine(self) -> Engine:
        """That of the simulation."""
        return self.simulation.engine

    def entry(self, name: str, bits: int, delay: int, ways: Sequence[Hashable]) -> FlitEntry:
        """Return the entry of a stage: places for pixels."""
        self._entries += 1
        numbers = [self._number[key] for key in ways]
        links = [[self.links[hop.link] for hop in self._interconnect.ways[key]] for key in ways]
        entry = FlitEntry(self, self._config, self._entries, name, bits, delay, numbers, links)
        entry.passages = passages(self._config, self._interconnect, bits, delay, ways)
        return entry

    def offer(self, copy: Copy, tick: int) -> None:
        """Let a copy enter the network in a tick, now or later."""
        engine = self.engine
        self._ready.setdefault(tick, []).append(copy)
        if tick == engine.now:
            self._close()
        else:
            engine.at(tick, self._tick)

    def refuses(self, entry: FlitEntry) -> None:
        """Look out for a place of an entry, for somebody waits for it."""
        self._refused.append(entry)
        self._close()

    def left(self, place: int) -> int | None:
        """Return the cycle in which the tail of a packet has left its source, None if it has not."""
        return self.flits.left(place)

    def _go(self, _: None) -> Park:
        """Land what comes out in this tick, and let its cycle pass when it is over."""
        coming, self._coming = self._coming, []
        for place in coming:
            self._under_way.pop(place).lands(self.left(place))
        self._close()
        return PARK

    def _close(self) -> None:
        if not self._closing:
            self._closing = True
            self.engine.closing(self._pass)

    def _pass(self) -> None:
        """Let the network's cycle of this tick pass, and those in which nothing else happens."""
        self._closing = False
        engine, network = self.engine, self.flits
        now = engine.now
        self._enter(self._ready.pop(now, []), now)
        self._refused = [entry for entry in self._refused if not entry.calls_back(now)]
        if not self._under_way:
            return
        until = engine.peek()
        self._coming = network.advance_to_news(now, int(min(until, NEVER)), watch=bool(self._refused))
        self._refused = [entry for entry in self._refused if not entry.calls_back(now)]
        engine.at(network.now, self._tick)

    def _enter(self, copies: list[Copy], now: int) -> None:
        """Offer what is here to the network, in an order that is not that of processes."""
        if not copies:
            return
        copies.sort(key=Copy.order)
        ways, flits = np.array([(copy.way, copy.entry.flits) for copy in copies]).T
        for copy, place in zip(copies, self.flits.offer(ways, flits, now - 1, 0).tolist(), strict=True):
            copy.place = place
            self._under_way[place] = copy


def spent_by(number: int, busy: Any, blocked: Any, last: Any) -> Spent:
    """Return what tells the cycles of one unit, of arrays for all."""
    return lambda: (int(busy[number]), int(blocked[number]), int(last[number]))
