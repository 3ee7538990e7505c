"""The meshes of all chips and the links between them: all are units, and packets take turns.

The mesh is statically scheduled, as published: a packet waits where it is made until its whole way is free as
it comes by, and then goes through without a stop. So routers need no queues, nothing blocks within, and what
has set out arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, partial

from arch.machines.isaac.bookings import Bookings
from arch.machines.isaac.configuration import IsaacConfig
from arch.machines.isaac.mesh_links import HyperTransportLink, MeshLink, MeshRouter
from arch.machines.isaac.ways import Leg, Ways
from simcore import Component, Counter, PartConfig
from simcore.activity import NOBODY
from simcore.channel import Endpoint, Waits
from simcore.clocks import tick_of
from simcore.commands import DONE, PARK, Engine, Park, Ready, Wake
from simcore.kernels.reservations_reference import LOOK


@dataclass(frozen=True, eq=False)
class Route:
    """Links that packets of one size take from one tile to another; times in units of the mesh.

    steps : each link with the router that it leads from, from when and for how long it is taken, counted
        from where the packet sets out
    arrival : when its tail has come
    routers, chips : on it, and those that it goes on to
    number : in the mesh's bookings
    """

    steps: tuple[tuple[MeshLink, MeshRouter | None, int, int], ...]
    arrival: int
    flits: int
    size: int
    routers: int
    chips: int
    number: int

    @cached_property
    def counts(self) -> list[Counter]:
        """Where links count what passes."""
        return [link.flits for link, *_ in self.steps]

    @cached_property
    def between_chips(self) -> list[HyperTransportLink]:
        """Links on it from chip to chip."""
        return [link for link, *_ in self.steps if isinstance(link, HyperTransportLink)]


class Choice:
    """Routes from one tile to another: the first, and others that are looked at if it is not free.

    known : numbers of the others, from the first to below the second; `LOOK` as long as nobody has looked
    """

    def __init__(self, first: Route, others: Callable[[], list[Route]]) -> None:
        self.first, self._find = first, others
        self.known = LOOK, LOOK

    @cached_property
    def others(self) -> list[Route]:
        """All routes but the first."""
        return self._find()

    def look(self) -> tuple[int, int]:
        """Return `known`, once all are."""
        if self.known[0] == LOOK:
            self.known = (self.others[0].number, self.others[-1].number + 1) if self.others else (0, 0)
        return self.known

    def route(self, number: int) -> Route:
        """Return one of the routes by its number."""
        return self.first if number == self.first.number else self.others[number - self.known[0]]


@dataclass(eq=False)
class Journey:
    """Packets that are made together, and then those made of them, as partial sums are added tile by tile.

    turn : among those that ask in the same tick
    levels : packets of each
    ready : tick in which the first can set out
    done : told the ticks in which the last of the first packets sets out, and the last of all has come
    sender : number of the unit that asks, if it is recorded
    """

    turn: int
    levels: Sequence[Sequence[Choice]]
    ready: int
    done: Callable[[int, int], None]
    sender: int = NOBODY


class Decision(Endpoint):
    """Where a process waits for a tick that the mesh decides on."""

    __slots__ = ("_alarm", "_wake", "waits")

    def __init__(self, engine: Engine, name: str) -> None:
        super().__init__(engine, name)
        self.waits = Waits()
        self._wake: Wake | None = None
        self._alarm = Wake(self._over)

    def until(self, tick: int | None) -> Ready | Park:
        """Wait until a tick, or until `decided` tells it."""
        if tick is not None and tick <= self.engine.now:
            return DONE
        self._wake = self.engine.active
        if tick is not None:
            self.engine.at(tick, self._alarm)
        return self.park(self._wake, self.waits)

    def decided(self, tick: int) -> None:
        """Let a process that waits go on in a tick, now or later."""
        if self._wake is not None:
            self.engine.at(tick, self._alarm)

    def _over(self, _: None) -> Park:
        wake, self._wake = self._wake, None
        assert wake is not None
        self.waits.end(wake, self.engine.now)
        self.soon(wake)
        return PARK

    def parked(self) -> list[tuple[Wake, Waits]]:
        """Return the process if it waits."""
        return [(self._wake, self.waits)] if self._wake is not None else []

    def standing(self, now: int) -> tuple[int, ...]:
        """Return who waits."""
        return (id(self._wake),)


class Mesh(Component):
    """All links and routers that some way takes.

    Timing: a packet takes R x `router_cycles` + L x `link_cycles` + flits - 1 cycles of the mesh over L links
    and R routers if nothing is in its way; a link is taken for its flits. A link between chips is taken for
    the time of its bytes, and passes them on no faster than they come. What is asked for in a tick is decided
    when it has settled, in the order of turns; each packet takes the way on which it is there first, once
    that is free as a whole. Times are exact, in a unit that the digital cycle, the flit and the byte are
    multiples of; accounts round them down to ticks, so that none is lost. With fidelity `ideal` there are no
    units, and every packet goes at once.

    flits_routed, bytes_between : that routers and links between chips passed, where those are no units
    """

    flits_routed: int = 0
    bytes_between: int = 0

    def lay_out(self, config: IsaacConfig, tiles: int, packets: int = 0) -> None:
        """Build the links and routers around so many tiles, for about so many packets."""
        self._config = config
        self._ways = Ways(config, tiles)
        self.lanes = self._ways.lanes
        digital = 1 / config.digital_hz
        flit = 1 / (Fraction(str(config.mesh.link_ghz)) * 10**9)
        byte = 1 / (Fraction(str(config.hypertransport.gb_per_s)) * 10**9)
        unit = tick_of([digital, flit, byte])
        self._tick, self._flit, self._byte = (int(period / unit) for period in (digital, flit, byte))
        self._contended = config.mesh.fidelity == "link"
        self._bookings = Bookings(self.simulation.engine, self._tick, recording=self.simulation.recording)
        self.routers: dict[str, MeshRouter] = {}
        self.links = {leg: self._link(leg) for leg in self._ways.legs()} if self._contended else {}
        self._bookings.open(packets)
        self._choices: dict[tuple[int, int, int, int], Choice] = {}
        self._turns = 0
        self._asked: list[Journey] = []

    def _link(self, leg: Leg) -> MeshLink:
        """Return a new link, with the routers that it is the first to lead from or to."""
        for name in leg[:2]:
            if isinstance(name, str) and name not in self.routers:
                router = self.routers[name] = self.add(MeshRouter, name, PartConfig())
                router.pj = self._config.mesh.flit_pj
                router.time = self._bookings.add(router, router.forward)
        ends = f"{leg.source},{leg.target}"
        if leg.lane is None:
            link = self.add(MeshLink, f"link[{ends}]", PartConfig())
        else:
            link = self.add(HyperTransportLink, f"hypertransport[{ends},{leg.lane}]", PartConfig())
        link.time = self._bookings.add(link, link.transfer)
        if isinstance(leg.source, str):
            self.routers[leg.source].links.append(link)
        return link

    @property
    def between_chips(self) -> list[HyperTransportLink]:
        """All links from chip to chip."""
        return [link for link in self.links.values() if isinstance(link, HyperTransportLink)]

    def flits_in_and_out(self) -> tuple[int, int]:
        """Return the flits that tiles sent, and those that came to tiles."""
        entries = sum(link.flits.count for leg, link in self.links.items() if isinstance(leg.source, int))
        exits = sum(link.flits.count for leg, link in self.links.items() if isinstance(leg.target, int))
        return entries, exits

    def next_turn(self) -> int:
        """Return the place of one more that asks."""
        self._turns += 1
        return self._turns

    def choice(self, source: int, target: int, pixel: int, size: int) -> Choice:
        """Return the routes from tile to tile for so many bytes; pixels take lanes between chips by turns."""
        tiles = self._config.tiles
        lane = 0 if source // tiles == target // tiles else pixel % self.lanes
        key = source, target, lane, size
        if key not in self._choices:
            first = self._routed(self._ways.first(source, target, lane), size)
            self._choices[key] = Choice(first, partial(self._others, *key))
        return self._choices[key]

    def _others(self, source: int, target: int, lane: int, size: int) -> list[Route]:
        ways = self._ways.others(source, target, lane)[: self._config.mesh.ways - 1]
        return [self._routed(legs, size) for legs in ways]

    def _routed(self, legs: Sequence[Leg], size: int) -> Route:
        mesh, flits = self._config.mesh, self._config.flits(size)
        onward = (mesh.router_cycles + mesh.link_cycles) * self._flit
        steps: list[tuple[MeshLink, MeshRouter | None, int, int]] = []
        offset, duration, first = 0, 0, True
        for leg in legs:
            before, duration = duration, flits * self._flit if leg.lane is None else size * self._byte
            if not first:
                offset += onward + max(0, before - duration)
            first = False
            if self._contended:
                router = self.routers[leg.source] if isinstance(leg.source, str) else None
                steps.append((self.links[leg], router, offset, duration))
        arrival = offset + duration + (mesh.link_cycles - 1) * self._flit
        chips = sum(leg.lane is not None for leg in legs)
        busy = (
            (link.time, None if router is None else router.time, begin, taken)
            for link, router, begin, taken in steps
        )
        number = self._bookings.route(busy, arrival)
        return Route(tuple(steps), arrival, flits, size, len(legs) - 1, chips, number)

    def passage(self, choice: Choice) -> int:
        """Return the ticks that a packet takes by the first of its routes."""
        return -(-choice.first.arrival // self._tick)

    def ask(self, journey: Journey) -> None:
        """Decide on a journey once this tick has settled; at once where nothing is in its way."""
        if not self._contended:
            self._decide_on(journey)
            return
        self._asked.append(journey)
        if len(self._asked) == 1:
            self.simulation.engine.late(self._decide)

    def _decide(self) -> None:
        asked, self._asked = self._asked, []
        if len(asked) > 1:
            asked.sort(key=lambda journey: journey.turn)
        for journey in asked:
            self._decide_on(journey)

    def _decide_on(self, journey: Journey) -> None:
        tick = self._tick
        asked = journey.sender, journey.ready
        first = ready = journey.ready * tick
        for number, packets in enumerate(journey.levels):
            last = leaves = ready
            for choice in packets:
                start, arrival = self._send(choice, ready, asked)
                leaves, last = max(leaves, start), max(last, arrival)
            if not number:
                first = leaves
            ready = last
        journey.done(-(-first // tick), -(-ready // tick))

    def _send(self, choice: Choice, ready: int, asked: tuple[int, int]) -> tuple[int, int]:
        """Let a packet go by the route on which it is there first; return when it sets out and arrives."""
        route = choice.first
        if not self._contended:
            self.flits_routed += route.flits * route.routers
            self.bytes_between += route.size * route.chips
            return ready, ready + route.arrival
        number, start = self._bookings.reserve(route.number, *choice.known, ready, asked)
        if number == LOOK:
            number, start = self._bookings.reserve(route.number, *choice.look(), ready, asked)
        route = choice.route(number)
        for count in route.counts:
            count.count += route.flits
        for between in route.between_chips:
            between.size.count += route.size
        return start, start + route.arrival
