"""Why flits no longer move: the circle of virtual channels that wait for one another, in words."""

from __future__ import annotations

from itertools import takewhile

from arch.fabric.interconnect import Interconnect
from simcore.kernels.wormhole_state import NOTHING, NOW, Shape, State


def explain_waits(
    interconnect: Interconnect, shape: Shape, state: State, packets: int, escape: str
) -> tuple[str, tuple[str, ...]]:
    """Return the explanation of a network in which nothing moves, and the channels of its circle.

    packets : that have not come out
    escape : the parameter that gives packets lanes
    """
    waits = _Waits(interconnect, shape, state)
    circle = waits.circle()
    head = (
        f"deadlock at cycle {state.clock[NOW]}: no flit can move, but {packets} packets have not come out\n"
        f"the circle of waits ({len(circle)} virtual channels):"
    )
    names = tuple(waits.name(i) for i in circle)
    lines = [f"  {waits.sentence(i)}" for i in circle]
    advice = f"next step: {escape}=true, so that packets change lanes where a circle of links closes"
    return "\n".join([head, *lines, advice]), names


class _Waits:
    """Who waits for whom among virtual channels, by number."""

    def __init__(self, interconnect: Interconnect, shape: Shape, state: State) -> None:
        self._links = interconnect.links
        self._pairs = list(interconnect.ways)
        self._shape, self._state = shape, state
        output = state.channel.output
        self._owner = {int(o): i for i, o in enumerate(output) if o != NOTHING}

    def awaits(self, i: int) -> int:
        """Return the channel that one waits for: behind its own output, or whose output it needs."""
        channel, shape = self._state.channel, self._shape
        if channel.held[i] == 0:  # what is to come of its packet is still in the channel before
            return self._owner[i]
        if channel.output[i] != NOTHING:
            return int(channel.output[i])
        packet = self._state.packet[self._front(i)]
        hop = shape.hop[shape.way[packet.way] + packet.hop + 1]
        return self._owner[int(hop.link * shape.vcs + hop.first)]

    def circle(self) -> list[int]:
        """Return channels that wait for one another, each for the next."""
        seen = [int(self._state.channel.held.argmax())]
        while (following := self.awaits(seen[-1])) not in seen:
            seen.append(following)
        before = len(list(takewhile(lambda i: i != following, seen)))
        return seen[before:]

    def _front(self, i: int) -> int:
        return int(self._state.fifo[i, self._state.channel.first[i]] >> 1)

    def name(self, i: int) -> str:
        """Return what a channel is called."""
        source, target = self._links[i // self._shape.vcs]
        return f"channel {i % self._shape.vcs} of link[{source},{target}]"

    def sentence(self, i: int) -> str:
        """Return what a channel holds, and what it waits for."""
        held, depth = self._state.channel.held[i], self._shape.depth
        what = f"{self.name(i)} ({held} of {depth} flits"
        if held:
            sender, reader = self._pairs[self._state.packet.way[self._front(i)]]
            what += f", the first from {sender} to {reader}"
        why = "for room in" if held else "for the rest of its packet in"
        if held and self._state.channel.output[i] == NOTHING:
            why = "for the channel taken by the packet in"
        return f"{what}) waits {why} {self.name(self.awaits(i))}"
