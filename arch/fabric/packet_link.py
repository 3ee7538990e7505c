"""A link that packets take one after the other, and the router that it leads from."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from arch.fabric.link_costs import FabricLink, FabricRouter
from arch.fabric.packets import Ask, Packet, Queue
from arch.fabric.timeline import Timeline
from simcore import Operation, Process, process
from simcore.carried import CarriedBuffer
from simcore.causes import Act
from simcore.commands import PARK, Park, Wake

REMEDY = "give packets lanes by which they escape such a circle: fabric.escape=true"


class PacketRouter(FabricRouter):
    """Queues at the ends of links, and any number of packets at once from these to the links that leave.

    Timing: a header is ready to leave some cycles after it came, pipelined; then only the links make it wait.
    Its time is that of all links that leave it: forwarding if one does, blocked if one is and none forwards.
    """

    forward = Operation(
        doc="time in which some packet leaves", set_by=("fabric.width_bits", "activation_bits")
    )

    def build(self) -> None:
        """Open the account."""
        self.links: list[PacketLink] = []
        self.timeline = Timeline(self, self.forward, self._blocked, self._contents, "")

    @process
    def route(self) -> Process:
        """Be there: links say when they forward."""
        yield self.timeline.open()

    def _blocked(self) -> list[Wake]:
        return [link.timeline.wake for link in self.links if link.timeline.held_up]

    def _contents(self) -> str:
        return "; ".join(link.timeline.contents() for link in self.links if link.timeline.held_up)

    def phase(self, items: int) -> tuple[int, ...]:
        """Return nothing: links remember."""
        return ()


class PacketLink(FabricLink):
    """A link that takes one packet at a time, a flit a cycle, with a queue for each lane at its end.

    Virtual cut-through: a packet starts when the link is free and the queue behind it has a slot for all of
    it, and its header goes on while its tail still comes. Packets that could start in the same cycle take
    turns. What is asked for in a cycle was known before it or, in front of the network, when the cycle has
    settled; so the order of processes does not matter.

    latency, onward_latency : cycles from the start of a packet until its first flit is at the end, and until
        it is ready to leave the router there
    router : that it leads from, if it does
    late : has it decide when this tick has settled; None where all is known before
    """

    transfer = Operation(doc="a flit a cycle", set_by=("fabric.width_bits", "activation_bits"))

    latency: int = 1
    onward_latency: int = 1
    router: PacketRouter | None = None
    late: Callable[[PacketLink], None] | None = None

    def build(self) -> None:
        """Open the account."""
        self.queues: dict[int, Queue] = {}
        self.timeline = Timeline(self, self.transfer, self._blockers, self._contents, REMEDY)
        self._engine = self.simulation.engine
        self._turns: dict[int, int] = {}  # places of those that may ask, by the `id` of their queue
        self._turn = 0
        self._asks: list[Ask] = []
        self._free_from = 0
        self._alarm_at = -1
        self._alarm = Wake(self._go)
        self._coming: deque[tuple[int, tuple[CarriedBuffer, ...]]] = deque()  # what lands next
        self._landing = Wake(self._land)

    @process
    def serve(self) -> Process:
        """Be there: packets start as `decide` says."""
        yield self.timeline.open()

    def turn_of(self, queue: Queue) -> int:
        """Return the place of a queue among those that may ask for this link."""
        return self._turns.setdefault(id(queue), len(self._turns))

    def ask(self, ask: Ask) -> None:
        """Take a packet over when its turn comes and there is a slot behind."""
        self._asks.append(ask)
        self._look_at(max(ask.since, self._free_from))

    def credit(self, tick: int) -> None:
        """Look again in a tick in which a queue at the end has a slot."""
        if self.timeline.held_up:
            self._look_at(tick)

    def _look_at(self, tick: int) -> None:
        """Decide in a tick, unless something is to be decided earlier."""
        now = self._engine.now
        if tick <= now:
            self._go(None)
        elif not now < self._alarm_at <= tick:
            self._alarm_at = tick
            self._engine.at(tick, self._alarm)

    def _go(self, _: None) -> Park:
        if self.late is None:
            self.decide()
        else:
            self.late(self)
        return PARK

    def decide(self) -> None:
        """Start the packet whose turn it is, if the link is free and there is one."""
        now = self._engine.now
        if now < self._free_from:
            if self._asks:
                self._look_at(self._free_from)
            return
        if len(self._asks) == 1:  # most often
            ask = self._asks[0]
            behind = ask.branch.queue
            if ask.since <= now and (behind is None or behind.slot_from(now) == now):
                self._start(ask, now)
                return
        ready = [ask for ask in self._asks if ask.since <= now]
        able = [ask for ask in ready if ask.branch.queue is None or ask.branch.queue.slot_from(now) == now]
        if able:
            self._start(able[0] if len(able) == 1 else min(able, key=self._rank), now)
            return
        if ready and not self.timeline.held_up:
            for ask in ready:
                if ask.since == now:
                    self._tell(ask.ready_by, now)
            self.timeline.block()
            if self.router is not None:
                self.router.timeline.block()
        slots = (ask.branch.queue.slot_from(now) for ask in ready if ask.branch.queue is not None)
        again = [ask.since for ask in self._asks if ask.since > now]
        again += [tick for tick in slots if tick is not None]
        if again:
            self._look_at(min(again))

    def _rank(self, ask: Ask) -> int:
        """Return how many have their turn before a packet."""
        return (ask.branch.turn - self._turn) % len(self._turns)

    def _start(self, ask: Ask, now: int) -> None:
        """Let a packet go."""
        packet, branch = ask.packet, ask.branch
        flits = packet.flits
        self._asks.remove(ask)
        self._turn = branch.turn + 1
        self._free_from = end = now + flits
        self.bits.count += packet.bits
        timeline, router = self.timeline, self.router
        self._tell(ask.let_go_by, now)
        was_held_up = timeline.held_up
        timeline.hold(now, flits)
        if was_held_up:
            timeline.unblock()
        if router is not None:
            router.timeline.hold(now, flits)
            if was_held_up:
                router.timeline.unblock()
        ask.queue.leaves(branch, end)
        queue = branch.queue
        if queue is None:
            self._coming.append((packet.token, branch.buffers))
            self._engine.at(end + self.latency - 1, self._landing)
        else:
            ready = now + self.onward_latency
            sent = self.number, now
            queue.append(
                Packet(packet.stream, packet.token, flits, packet.bits, ready, branch.children, sent)
            )
        if self._asks:
            self._look_at(max(end, min(ask.since for ask in self._asks)))

    def _land(self, _: None) -> Park:
        """Give a packet whose tail is here to its readers."""
        token, buffers = self._coming.popleft()
        by = self.number, self.latency - 1
        for buffer in buffers:
            buffer.land(token, by)
        return PARK

    def _tell(self, act: Callable[[int], Act], now: int) -> None:
        """Tell whose act lets a packet start, or be held up, now, if that is asked for."""
        if self.timeline.asked:
            self.timeline.tell(act(now), now)
            if self.router is not None:
                self.router.timeline.tell(act(now), now)

    def _blockers(self) -> list[Wake]:
        """Return the links that what is in the way waits for."""
        links = (
            branch.link
            for ask in self._asks
            if ask.since <= self._engine.now and ask.branch.queue is not None and ask.branch.queue.packets
            for branch in ask.branch.queue.packets[0].onward
        )
        return list(dict.fromkeys(link.wake for link in links))

    @property
    def wake(self) -> Wake:
        """What stands for the link's unit."""
        return self.timeline.wake

    @property
    def number(self) -> int:
        """The unit's number, if it is recorded."""
        return self.units[0].number

    def _contents(self) -> str:
        return "; ".join(queue.contents() for queue in self.queues.values() if queue.packets)

    def phase(self, items: int) -> tuple[int, ...]:
        """Return what is asked for, what is in the queues, and what is to land."""
        now = self._engine.now
        numbers = [self._turn, *(max(0, tick - now) for tick in (self._free_from, self._alarm_at))]
        for ask in self._asks:
            numbers += [ask.branch.number, max(0, ask.since - now)]
        numbers.append(-1)
        for queue in self.queues.values():
            numbers += queue.standing(now)
        return *numbers, -1, *(id(buffer) for _, buffers in self._coming for buffer in buffers)

    def actions(self) -> dict[str, int]:
        """Add flits: one a cycle."""
        return {**super().actions(), "flit": self.transfer.ticks // self.clock.ticks}
