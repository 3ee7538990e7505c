"""What packets go through: routers and links of a topology, the links of each way, and the lanes on them.

A core of a topology is a terminal. Where it has a router, because the topology gives it one or because ways
pass through it, a link leads from the terminal to its router and one back; elsewhere its channels are ports
of its own. A packet takes the fixed way from its sender's terminal to its reader's, link after link.

Deadlock: a packet that holds a link's queue waits for the next link of its way, so links depend on links. If
these dependencies run in circles, as around a ring, some of them are broken: a packet that crosses one goes
on in the next lane, a queue of its own beside the others (Dally and Seitz's dateline). Then a packet only
waits for what comes later in an order of (circle, lane, link), and some packet can always go on. A multicast
follows the tree of its ways: where it forks, it waits for all links of the fork, each of which comes later.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, KeysView, Mapping
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Self

from arch.fabric.topology import Channel, Topology, Vertex


class Hop(NamedTuple):
    """One step of a way.

    link : its number
    lane : queue at its end
    """

    link: int
    lane: int


class Interconnect:
    """Routers and links that ways between some pairs of cores take.

    links : (from, to) of each; terminals are the numbers of their cores, routers are names
    routers : in the order in which ways come to them
    joints : those of them where wires only meet, which take no time, energy or area
    inside : links that only lead from a core to its own router, or back
    ways : hops from sender to reader, by pair of cores; none from a core without a router to itself
    """

    def __init__(
        self,
        topology: Topology,
        cores: int,
        pairs: Iterable[tuple[int, int]],
        *,
        escape: bool = True,
    ) -> None:
        """Collect the links of ways.

        pairs : (sender, reader), numbers of nodes of the topology for so many cores
        escape : whether circles of dependencies are broken by lanes; without, they may deadlock
        raises : MappingError if there is no way between a pair
        """
        self._follow(topology, {(s, t): topology.route(cores, s, t) for s, t in dict.fromkeys(pairs)}, escape)

    @classmethod
    def along(cls, topology: Topology, routes: Mapping[Any, list[Vertex]], *, escape: bool = True) -> Self:
        """Return the same for ways that are known, by any key, vertex by vertex."""
        interconnect = cls.__new__(cls)
        interconnect._follow(topology, routes, escape)
        return interconnect

    def _follow(self, topology: Topology, routes: Mapping[Any, list[Vertex]], escape: bool) -> None:
        passed = {vertex for route in routes.values() for vertex in route[1:-1]}
        stops = {pair: self._stops(topology, route, passed) for pair, route in routes.items()}
        channels = dict.fromkeys(channel for way in stops.values() for channel in pairwise(way))
        self.links: tuple[Channel, ...] = tuple(channels)
        self.routers: tuple[str, ...] = tuple(
            dict.fromkeys(end for link in self.links for end in link if isinstance(end, str))
        )
        own = {(v, f"router[{v}]") for route in routes.values() for v in route if isinstance(v, int)}
        own = {link for link in own if topology.routed or link[0] in passed}
        self.inside = frozenset(link for link in self.links if link in own or link[::-1] in own)
        self.joints: tuple[str, ...] = tuple(name for name in self.routers if name in topology.joints)
        number = {link: i for i, link in enumerate(self.links)}
        self._links: dict[Any, list[int]] = {
            pair: [number[c] for c in pairwise(way)] for pair, way in stops.items()
        }
        self._escape = escape

    @staticmethod
    def _stops(topology: Topology, route: list[Vertex], passed: set[Vertex]) -> list[Vertex]:
        """Return terminals and routers on a route."""
        stops = [route[0]]
        for vertex in route:
            if isinstance(vertex, str):
                stops.append(vertex)
            elif topology.routed or vertex in passed:
                stops.append(f"router[{vertex}]")
        end = route[-1]
        return [*stops, end] if end != route[0] or len(stops) > 1 else stops

    @property
    def keys(self) -> KeysView[Any]:
        """What ways are called by, in order."""
        return self._links.keys()

    def length(self, key: Hashable) -> int:
        """Return the links on a way."""
        return len(self._links[key])

    def routers_on(self, key: Hashable) -> int:
        """Return the routers on a way, without joints: one between any two links."""
        return sum(self.links[link][0] not in self.joints for link in self._links[key][1:])

    @cached_property
    def ways(self) -> Mapping[Any, tuple[Hop, ...]]:
        """Hops of each way, by sender and reader."""
        circle, broken = self._circles if self._escape else ({}, frozenset())
        ways = {}
        for pair, links in self._links.items():
            lane, hops = 0, [Hop(link, 0) for link in links[:1]]
            for dependency in pairwise(links):
                before, link = dependency
                if circle and circle[before] != circle[link]:
                    lane = 0
                elif dependency in broken:
                    lane += 1
                hops.append(Hop(link, lane))
            ways[pair] = tuple(hops)
        return ways

    @property
    def lanes(self) -> int:
        """Queues that a link needs at its end."""
        return 1 + max((hop.lane for way in self.ways.values() for hop in way), default=0)

    @cached_property
    def _circles(self) -> tuple[dict[int, int], frozenset[tuple[int, int]]]:
        """Return which circle each link is in, by number, and dependencies that, left out, open them all."""
        import networkx  # takes long to import

        graph = networkx.DiGraph()
        graph.add_nodes_from(range(len(self.links)))
        graph.add_edges_from(d for links in self._links.values() for d in pairwise(links))
        circle: dict[int, int] = {}
        broken: set[tuple[int, int]] = set()
        for index, members in enumerate(networkx.strongly_connected_components(graph)):
            circle |= dict.fromkeys(members, index)
            if len(members) > 1:
                inside = graph.subgraph(sorted(members))
                order = {link: i for i, link in enumerate(networkx.dfs_postorder_nodes(inside, min(members)))}
                broken |= {(a, b) for a, b in inside.edges if order[a] <= order[b]}
        return circle, frozenset(broken)
