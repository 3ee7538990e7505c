"""The fabric at the level of packets: links that packets reserve, queues that push back, forks in routers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence

from arch.fabric.configuration import FabricConfig
from arch.fabric.interconnect import Hop, Interconnect
from arch.fabric.network import Network, passages
from arch.fabric.packet_link import PacketLink, PacketRouter
from arch.fabric.packets import Branch, Packet, Queue
from arch.links import LinksConfig
from simcore.carried import CarriedEnd
from simcore.causes import Act
from simcore.commands import PARK, Park, Wake


class LinkNetwork(Network):
    """A network whose links are processes of their own, and whose packets go from one to the next.

    A packet is one pixel. It takes R x `header_cycles` + L x `latency_cycles` + flits - 1 on a way of L links
    and R routers if nobody holds it up. Where ways part, a router sends a copy on by each of its links. A
    joint does the same in no time and at no cost, so it is no unit; the queue in front of it is as any other.
    """

    def lay_out(self, config: FabricConfig, costs: LinksConfig, interconnect: Interconnect) -> None:
        """Build the links and routers."""
        self._config, self._interconnect = config, interconnect
        cost = config.router_costs
        joints = interconnect.joints
        routers = {
            name: self.add(PacketRouter, name, cost) for name in interconnect.routers if name not in joints
        }
        self.links: list[PacketLink] = []
        for source, target in interconnect.links:
            link = self.add(PacketLink, f"link[{source},{target}]", costs)
            link.latency = config.latency_cycles
            link.onward_latency = config.latency_cycles + (0 if target in joints else config.header_cycles)
            link.inside = (source, target) in interconnect.inside
            if isinstance(source, int):
                link.late = self._decides
            elif source in routers:
                link.router = routers[source]
                link.router.links.append(link)
            self.links.append(link)
        self._branches = 0
        self._asking: list[LinkEntry] = []
        self._deciding: list[PacketLink] = []
        self._called = False

    def entry(self, name: str, bits: int, delay: int, ways: Sequence[Hashable]) -> LinkEntry:
        """Return the entry of a stage: a queue for packets."""
        hops = [self._interconnect.ways[key] for key in ways]
        slots = self._config.queue_packets + delay  # what is on its way to the queue has one, too
        entry = LinkEntry(self, name, slots, bits, self._config.flits(bits), delay, hops)
        entry.passages = passages(self._config, self._interconnect, bits, delay, ways)
        return entry

    def tree(self, queue: Queue, ways: Iterable[tuple[Sequence[Hop], CarriedEnd]]) -> tuple[Branch, ...]:
        """Return the trees of links along which packets of a queue go to some readers."""
        trees: dict[Hop, list[tuple[Sequence[Hop], CarriedEnd]]] = {}
        for hops, end in ways:
            trees.setdefault(hops[0], []).append((hops[1:], end))
        return tuple(self._branch(queue, hop, onward) for hop, onward in trees.items())

    def _branch(self, queue: Queue, hop: Hop, onward: list[tuple[Sequence[Hop], CarriedEnd]]) -> Branch:
        link = self.links[hop.link]
        self._branches += 1
        branch = Branch(link, None, link.turn_of(queue), self._branches)
        branch.buffers = tuple(end.buffer for hops, end in onward if not hops)
        further = [(hops, end) for hops, end in onward if hops]
        if further:
            branch.queue = link.queues.get(hop.lane)
            if branch.queue is None:
                name = f"lane {hop.lane} at the end of {link.path}"
                branch.queue = link.queues[hop.lane] = Queue(name, self._config.queue_packets)
                branch.queue.feeder = link
            branch.children = self.tree(branch.queue, further)
        return branch

    def asks(self, entry: LinkEntry) -> None:
        """Let an entry ask for its links when this tick has settled, and who shares a packet is known."""
        self._asking.append(entry)
        self._call()

    def _decides(self, link: PacketLink) -> None:
        """Let a link decide when this tick has settled, and all entries have asked."""
        self._deciding.append(link)
        self._call()

    def _call(self) -> None:
        if not self._called:
            self._called = True
            self.simulation.engine.late(self._settle)

    def _settle(self) -> None:
        self._ask()
        for link in self._deciding:
            link.decide()
        self._deciding.clear()
        self._ask()  # packets that are now the first, for later ticks
        self._called = False

    def _ask(self) -> None:
        for entry in self._asking:
            entry.ask()
        self._asking.clear()


class LinkEntry(Queue):
    """The queue of one stage in front of its links.

    stream : what messages call what it sends
    ends : the stage's, one for each reader, in the order of their ways
    load : keeps the values of a pixel that sets out, None in a run without values
    passages : cycles from setting out to each reader if nothing holds a pixel up
    """

    __slots__ = (
        "_accepted_at", "_bits", "_delay", "_engine", "_flits", "_hops", "_last", "_network", "_refused",
        "_retry", "_tick", "_trees", "ends", "load", "passages", "stream",
    )  # fmt: skip

    def __init__(
        self,
        network: LinkNetwork,
        name: str,
        capacity: int,
        bits: int,
        flits: int,
        delay: int,
        hops: list[tuple[Hop, ...]],
    ) -> None:
        super().__init__(f"the queue of {name} in front of {network.path}", capacity)
        self.stream = name
        self.feeder = self
        self.ends: list[CarriedEnd] = []
        self.load: Callable[[int], None] | None = None
        self.passages: Sequence[int] = ()
        self._network = network
        self._engine = network.simulation.engine
        self._bits, self._flits, self._delay = bits, flits, delay
        self._hops = hops
        self._trees: dict[int, tuple[Branch, ...]] = {}  # by readers, a bit for each
        self._last: Packet | None = None  # which further readers may share in the tick it was accepted in
        self._accepted_at = -1
        self._tick = 0  # as of which the first packet asks
        self._refused = False
        self._retry = Wake(self._retry_all)

    @property
    def most_under_way(self) -> int:
        """Pixels of which a copy may be in the network at once, at most."""
        queues = self.capacity * max(len(hops) for hops in self._hops)
        return queues + max(link.latency for link in self._network.links) + 1

    def connect(self, ends: list[CarriedEnd]) -> None:
        """Take the stage's ends; the way to each is known."""
        self.ends = ends
        self._tree((1 << len(ends)) - 1)

    def accept(self, token: int, reader: int) -> bool:
        """Take a copy for one reader, if there is a slot or a packet of this tick that it can share."""
        now, packet = self._engine.now, self._last
        if packet is None or packet.token != token or self._accepted_at != now:
            slot_from = self.slot_from(now)
            if slot_from != now:
                if not self._refused:
                    self._refused = True
                    if slot_from is not None:
                        self._engine.at(slot_from, self._retry)
                return False
            if self.load is not None:
                self.load(token)
            sent = self.ends[0].sender(), now
            packet = Packet(self.stream, token, self._flits, self._bits, now + self._delay, (), sent)
            self._last, self._accepted_at = packet, now
            self.append(packet)
        packet.readers |= 1 << reader
        return True

    def passage(self, token: int, reader: int) -> int:
        """Return the cycles to a reader if nothing holds a pixel up."""
        return self.passages[reader]

    def first_asks(self, tick: int) -> None:
        """Let the first packet ask for its links, once it is known who shares it."""
        self._tick = tick
        self._network.asks(self)

    def ask(self) -> None:
        """Ask for the links to all readers of the first packet."""
        packet = self.packets[0]
        packet.onward = self._tree(packet.readers)
        if packet is self._last:
            self._last = None
        super().first_asks(self._tick)

    def credit(self, tick: int) -> None:
        """Retry in a tick in which there is a slot."""
        if self._refused:
            self._engine.at(tick, self._retry)

    def place_since(self) -> tuple[int, Act]:
        """Return since when there was a slot for the last packet, and which link made it, a cycle before."""
        return self.slot_since, (self.slot_by, 1)

    def holders(self) -> list[Wake]:
        """Return the links that the first packet waits for."""
        return [branch.link.wake for branch in self.packets[0].onward] if self.packets else []

    def carriers(self, reader: int) -> list[Wake]:
        """Return the links that the next pixel to land at a reader waits for."""
        token = self.ends[reader].buffer.landed
        links = ((self._network.links[hop.link], hop.lane) for hop in self._hops[reader][:-1])
        for queue in (self, *(link.queues[lane] for link, lane in links)):
            if any((packet.stream, packet.token) == (self.stream, token) for packet in queue.packets):
                return [branch.link.wake for branch in queue.packets[0].onward]
        return []

    def _retry_all(self, _: None) -> Park:
        self._refused = False
        for end in self.ends:
            end.retry()
        return PARK

    def _tree(self, readers: int) -> tuple[Branch, ...]:
        if readers not in self._trees:
            ways = zip(self._hops, self.ends, strict=True)
            shared = (way for number, way in enumerate(ways) if readers >> number & 1)
            self._trees[readers] = self._network.tree(self, shared)
        return self._trees[readers]

    def standing(self, now: int) -> Sequence[int]:
        """Add who shares each packet."""
        return *super().standing(now), self._refused, *(packet.readers for packet in self.packets)
