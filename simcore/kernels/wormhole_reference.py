"""What happens in each cycle of a wormhole network: the specification that `wormhole.py` equals bit for bit.

A flit that reaches a router waits in the buffer of its virtual channel. A packet's head, once at the front,
takes its stages one after the other: its route is computed, it is allocated a virtual channel of the next
link, and flit after flit is allocated the switch, if the buffer behind the channel has room, which is what
credits count. The tail frees the channel. Both allocations are one iteration of iSLIP.

All that a router decides in a cycle rests on what was there at the cycle's start, and routers only meet on
links, which take a cycle at least: their order has no meaning. Terminals take flits as they come, and send
the first of a packet in the cycle behind that in which it was made, if nothing is before it.

Source: the stages are those of Dally and Towles, Principles and Practices of Interconnection Networks (2004),
chapter 16; iSLIP is McKeown's (IEEE/ACM ToN 7(2), 1999).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.wormhole_state import ARRIVED, FLITS, LEFT, NOTHING, NOW, Counts, Shape, State

#: Why an advance returns: the time is up, a packet has come out, flits are in and none will ever move, a
#: packet comes out in the next cycle.
REACHED, CAME_OUT, STUCK, COMES_OUT = range(4)
NEVER = np.iinfo(np.int64).max

Bits = NDArray[np.bool_]


def enqueue_reference(shape: Shape, state: State, packets: NDArray[np.int64]) -> None:
    """Put packets, in the order in which they were made, behind those that wait at their sources."""
    port = state.port
    for p in packets:
        link = shape.hop.link[shape.way[state.packet.way[p]]]
        state.packet.next[p] = NOTHING
        if port.head[link] == NOTHING:
            port.head[link] = p
        else:
            state.packet.next[port.last[link]] = p
        port.last[link] = p


def advance_reference(shape: Shape, state: State, counts: Counts, until: int, pause: bool) -> int:
    """Let cycles pass, all before `until`.

    pause : stop behind the first cycle in which a packet comes out
    returns : why it stopped; where nothing moves, time goes on with the next packet that is made
    """
    clock = state.clock
    while clock[NOW] < until:
        now, came_out = int(clock[NOW]), int(clock[ARRIVED])
        moved = _receive_reference(shape, state, now)
        for link in shape.sources:
            moved |= _inject_reference(shape, state, counts, now, link)
        for router in np.flatnonzero(state.occupied).tolist():
            moved |= _route_reference(shape, state, counts, now, router)
        if not (moved or state.wheel.flits.any() or state.wheel.credits.any()):
            heads = state.port.head[shape.sources]
            made = state.packet.created[heads[heads != NOTHING]]
            due = min(made[made >= now] + 1, default=NEVER)
            if due == NEVER and clock[FLITS]:
                return STUCK
            clock[NOW] = min(due, until)
            continue
        clock[NOW] += 1
        if pause and clock[ARRIVED] > came_out:
            return CAME_OUT
    return REACHED


def advance_to_news_reference(
    shape: Shape, state: State, counts: Counts, start: int, until: int, watch: bool
) -> int:
    """Let cycles pass, that of `start` at least, and stop before one in which a packet comes out.

    start : the cycle that comes next, or a later one before which nothing comes out but in the next
    until : cycle before which to stop in any case, if it is behind `start`
    watch : stop behind a cycle in which a packet has left its source, too
    returns : why it stopped
    """
    clock = state.clock
    advance_reference(shape, state, counts, start, False)
    while True:
        left = int(clock[LEFT])
        if advance_reference(shape, state, counts, clock[NOW] + 1, False) == STUCK:
            return STUCK
        if _comes_out_reference(shape, state):
            return COMES_OUT
        if clock[NOW] >= until or (watch and clock[LEFT] > left):
            return REACHED


def _comes_out_reference(shape: Shape, state: State) -> bool:
    """Return whether the next cycle brings a tail to a terminal."""
    when = state.clock[NOW] % len(state.wheel)
    coming = state.arriving[when, : state.wheel.flits[when]]
    return any(shape.link.end[i // shape.vcs] == NOTHING and flit & 1 for i, flit in coming)


def _receive_reference(shape: Shape, state: State, now: int) -> bool:
    """Take flits and credits off the links; return whether there were any."""
    channel, packet, clock = state.channel, state.packet, state.clock
    slot = state.wheel[now % len(state.wheel)]
    flits, credits = slot.flits, slot.credits
    for i, flit in state.arriving[now % len(state.wheel), :flits]:
        link = i // shape.vcs
        router = shape.link.end[link]
        if router == NOTHING:
            _send_credit(shape, state, now, i)
            clock[FLITS] -= 1
            if flit & 1:
                packet.arrived[flit >> 1] = now
                state.done[clock[ARRIVED]] = flit >> 1
                clock[ARRIVED] += 1
            continue
        state.fifo[i, (channel.first[i] + channel.held[i]) % shape.depth] = flit
        if channel.held[i] == 0:
            state.occupied[router] += 1
            state.port.occupied[link] += 1
            if channel.output[i] == NOTHING:
                channel.ready[i] = now + shape.routing
        channel.held[i] += 1
    for i in state.returning[now % len(state.wheel), :credits]:
        channel.credits[i] += 1
    slot.flits = slot.credits = 0
    return bool(flits + credits)


def _send_credit(shape: Shape, state: State, now: int, i: int) -> None:
    when = (now + shape.link.back[i // shape.vcs]) % len(state.wheel)
    state.returning[when, state.wheel.credits[when]] = i
    state.wheel.credits[when] += 1


def _send_flit(shape: Shape, state: State, counts: Counts, now: int, i: int, flit: int) -> None:
    link = i // shape.vcs
    when = (now + shape.link.flight[link]) % len(state.wheel)
    state.arriving[when, state.wheel.flits[when]] = i, flit
    state.wheel.flits[when] += 1
    state.channel.credits[i] -= 1
    counts.carried[link] += 1
    counts.link_last[link] = now + 1


def _inject_reference(shape: Shape, state: State, counts: Counts, now: int, link: int) -> bool:
    """Send a flit of the packet whose turn it is, if it was made before; return whether that was possible."""
    port, packet, credits = state.port, state.packet, state.channel.credits
    p = port.head[link]
    if p == NOTHING or packet.created[p] >= now:
        return False
    if port.sent[link] == 0:
        hop = shape.hop[shape.way[packet.way[p]]]
        roomy = [c for c in range(hop.first, hop.first + hop.channels) if credits[link * shape.vcs + c]]
        chosen = _next(roomy, port.grant[link], shape.vcs)
        if chosen != NOTHING:
            port.channel[link], port.grant[link] = chosen, (chosen + 1) % shape.vcs
    else:
        chosen = port.channel[link]
    i = link * shape.vcs + chosen
    if chosen == NOTHING or not credits[i]:
        counts.held_up[link] += 1
        counts.link_last[link] = now + 1
        return False
    port.sent[link] += 1
    tail = port.sent[link] == packet.flits[p]
    _send_flit(shape, state, counts, now, i, 2 * p + tail)
    state.clock[FLITS] += 1
    if tail:
        port.head[link], port.sent[link] = packet.next[p], 0
        packet.left[p] = now
        state.clock[LEFT] += 1
    return True


def _route_reference(shape: Shape, state: State, counts: Counts, now: int, router: int) -> bool:
    """Let one router work for a cycle; return whether anything in it went on or was under way."""
    channel, port, vcs = state.channel, state.port, shape.vcs
    first, inputs, outputs = shape.router[router]
    into = shape.into[first : first + inputs].tolist()
    out_of = np.flatnonzero(shape.link.start == router).tolist()
    held = [i for link in into for i in range(link * vcs, link * vcs + vcs) if channel.held[i]]
    bidding = [i for i in held if channel.ready[i] <= now]
    heads = [i for i in bidding if channel.output[i] == NOTHING]
    rest = [i for i in bidding if channel.output[i] != NOTHING]

    wanted = np.zeros((inputs * vcs, outputs * vcs), np.bool_)
    for i in heads:
        for o in _next_channels(shape, state, i):
            wanted[_input(shape, i), _output(shape, o)] = not channel.taken[o]
    ins = [link * vcs + c for link in into for c in range(vcs)]
    outs = [link * vcs + c for link in out_of for c in range(vcs)]
    allocated = {ins[a]: outs[b] for a, b in _islip(wanted, ins, outs, channel)}

    free = [i for i in rest if channel.credits[channel.output[i]]]
    chosen: dict[tuple[int, int], int] = {}
    wanted = np.zeros((inputs, outputs), np.bool_)
    for link in into:
        for exit_, output in enumerate(out_of):
            bids = [i % vcs for i in free if (i // vcs, channel.output[i] // vcs) == (link, output)]
            if bids:
                wanted[shape.link.entry[link], exit_] = True
                chosen[link, output] = link * vcs + _next(bids, port.turn[link], vcs)
    winners = [chosen[into[a], out_of[b]] for a, b in _islip(wanted, into, out_of, port)]
    sent = {channel.output[i] // vcs for i in winners}
    aimed_at = {shape.hop.link[_hop(shape, state, i)] for i in heads}
    aimed_at |= {channel.output[i] // vcs for i in rest}

    for i, o in allocated.items():
        channel.output[i], channel.taken[o], channel.ready[i] = o, 1, now + shape.allocation
        state.packet.hop[state.fifo[i, channel.first[i]] >> 1] += 1
    for i in winners:
        port.turn[i // vcs] = (i % vcs + 1) % vcs
        _leave(shape, state, counts, now, i, router)
    counts.no_channel[[i for i in heads if i not in allocated]] += 1
    counts.no_credit[[i for i in rest if i not in free]] += 1
    counts.lost[[i for i in free if i not in winners]] += 1
    held_up = [link for link in aimed_at if link not in sent]
    counts.held_up[held_up] += 1
    counts.link_last[held_up] = now + 1
    busy = bool(allocated or winners or len(bidding) < len(held))
    (counts.busy if busy else counts.blocked)[router] += 1
    counts.router_last[router] = now + 1
    return busy


def _hop(shape: Shape, state: State, i: int) -> int:
    """Return the hop that comes next for the packet at the front of an input channel."""
    p = state.fifo[i, state.channel.first[i]] >> 1
    return int(shape.way[state.packet.way[p]] + state.packet.hop[p] + 1)


def _next_channels(shape: Shape, state: State, i: int) -> Iterator[int]:
    """Yield the output channels that would do for the packet at the front of an input channel."""
    hop = shape.hop[_hop(shape, state, i)]
    yield from range(hop.link * shape.vcs + hop.first, hop.link * shape.vcs + hop.first + hop.channels)


def _input(shape: Shape, i: int) -> int:
    return int(shape.link.entry[i // shape.vcs] * shape.vcs + i % shape.vcs)


def _output(shape: Shape, o: int) -> int:
    return int(shape.link.exit[o // shape.vcs] * shape.vcs + o % shape.vcs)


def _leave(shape: Shape, state: State, counts: Counts, now: int, i: int, router: int) -> None:
    """Send the flit at the front of an input channel, which has won the switch."""
    channel = state.channel
    flit, o = state.fifo[i, channel.first[i]], channel.output[i]
    channel.first[i] = (channel.first[i] + 1) % shape.depth
    channel.held[i] -= 1
    if channel.held[i] == 0:
        state.occupied[router] -= 1
        state.port.occupied[i // shape.vcs] -= 1
    if flit & 1:
        channel.output[i], channel.taken[o], channel.ready[i] = NOTHING, 0, now + 1 + shape.routing
    _send_flit(shape, state, counts, now, o, flit)
    _send_credit(shape, state, now, i)


def _islip(wanted: Bits, inputs: Any, outputs: Any, turns: Any) -> list[tuple[int, int]]:
    """Return the pairs of one iteration of iSLIP, and move the turns of those who agreed.

    wanted : (inputs, outputs)
    inputs, outputs : numbers in `turns` of the rows' `accept` and the columns' `grant`
    """
    granted = np.zeros_like(wanted)
    for b in range(wanted.shape[1]):
        a = _next(np.flatnonzero(wanted[:, b]), turns.grant[outputs[b]], len(wanted))
        if a != NOTHING:
            granted[a, b] = True
    pairs = []
    for a in range(wanted.shape[0]):
        b = _next(np.flatnonzero(granted[a]), turns.accept[inputs[a]], wanted.shape[1])
        if b != NOTHING:
            pairs.append((a, b))
            turns.grant[outputs[b]], turns.accept[inputs[a]] = (
                (a + 1) % len(wanted),
                (b + 1) % wanted.shape[1],
            )
    return pairs


def _next(candidates: Iterable[int], turn: int, among: int) -> int:
    """Return the first candidate from `turn` on, around the circle; -1 if there is none."""
    return int(min(candidates, key=lambda c: (c - turn) % among, default=NOTHING))
