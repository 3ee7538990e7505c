"""Wormhole networks, flit by flit: what happens in each cycle; `wormhole_state.py` says of what.

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

from simcore.kernels.compiling import borrowing
from simcore.kernels.wormhole_state import ARRIVED, FLITS, NOTHING, NOW, Counts, Shape, State

#: Why `advance` returns: the time is up, a packet has come out, or flits are in and none will ever move.
REACHED, CAME_OUT, STUCK = range(3)
NEVER = np.iinfo(np.int64).max

#: Lists that the kernel collects in a router: channels that need one behind, and the hops they are to take;
#: channels that bid for the switch; links that they aim at.
HEADS, HOPS, BIDS, AIMS = range(4)

Bits = NDArray[np.bool_]


# -- the specification ---------------------------------------------------------------------------------------


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
        return False
    port.sent[link] += 1
    tail = port.sent[link] == packet.flits[p]
    _send_flit(shape, state, counts, now, i, 2 * p + tail)
    state.clock[FLITS] += 1
    if tail:
        port.head[link], port.sent[link] = packet.next[p], 0
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
    counts.held_up[[link for link in aimed_at if link not in sent]] += 1
    busy = bool(allocated or winners or len(bidding) < len(held))
    (counts.busy if busy else counts.blocked)[router] += 1
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


# -- the kernel ----------------------------------------------------------------------------------------------


@borrowing
def enqueue(shape: Shape, state: State, packets: NDArray[np.int64]) -> None:
    """Compiled twin of `enqueue_reference`."""
    for p in packets:
        packet = state.packet[p]
        port = state.port[shape.hop[shape.way[packet.way]].link]
        packet.next = NOTHING
        if port.head == NOTHING:
            port.head = p
        else:
            state.packet[port.last].next = p
        port.last = p


@borrowing
def advance(shape: Shape, state: State, counts: Counts, until: int, pause: bool) -> int:
    """Compiled twin of `advance_reference`."""
    clock, occupied, port, wheel = state.clock, state.occupied, state.port, state.wheel
    while clock[NOW] < until:
        now, came_out = clock[NOW], clock[ARRIVED]
        busy = _receive(shape, state, now)
        for link in shape.sources:
            if port[link].head != NOTHING:
                busy |= _inject(shape, state, counts, now, link)
        for router in range(len(occupied)):
            if occupied[router]:
                busy |= _route(shape, state, counts, now, router)
        if not busy:
            for slot in wheel:
                busy |= slot.flits > 0 or slot.credits > 0
        if not busy:
            due = NEVER
            for link in shape.sources:
                head = port[link].head
                if head != NOTHING and state.packet[head].created >= now:
                    due = min(due, state.packet[head].created + 1)
            if due == NEVER and clock[FLITS] > 0:
                return STUCK
            clock[NOW] = min(due, until)
            continue
        clock[NOW] += 1
        if pause and clock[ARRIVED] > came_out:
            return CAME_OUT
    return REACHED


@borrowing
def _receive(shape: Shape, state: State, now: int) -> bool:
    when = now % len(state.wheel)
    slot, channels, vcs, depth = state.wheel[when], state.channel, shape.vcs, shape.depth
    flits, credits = slot.flits, slot.credits
    for n in range(flits):
        i, flit = state.arriving[when, n, 0], state.arriving[when, n, 1]
        link = i // vcs
        router = shape.link[link].end
        if router == NOTHING:
            _return_credit(shape, state, now, i, link)
            state.clock[FLITS] -= 1
            if flit & 1:
                state.packet[flit >> 1].arrived = now
                state.done[state.clock[ARRIVED]] = flit >> 1
                state.clock[ARRIVED] += 1
            continue
        channel = channels[i]
        place = channel.first + channel.held
        state.fifo[i, place - depth if place >= depth else place] = flit
        if channel.held == 0:
            state.occupied[router] += 1
            state.port[link].occupied += 1
            if channel.output == NOTHING:
                channel.ready = now + shape.routing
        channel.held += 1
    for n in range(credits):
        channels[state.returning[when, n]].credits += 1
    slot.flits = slot.credits = 0
    return bool(flits + credits > 0)


@borrowing
def _return_credit(shape: Shape, state: State, now: int, i: int, link: int) -> None:
    when = (now + shape.link[link].back) % len(state.wheel)
    slot = state.wheel[when]
    state.returning[when, slot.credits] = i
    slot.credits += 1


@borrowing
def _depart(shape: Shape, state: State, counts: Counts, now: int, i: int, link: int, flit: int) -> None:
    when = (now + shape.link[link].flight) % len(state.wheel)
    slot = state.wheel[when]
    state.arriving[when, slot.flits, 0], state.arriving[when, slot.flits, 1] = i, flit
    slot.flits += 1
    state.channel[i].credits -= 1
    counts.carried[link] += 1


@borrowing
def _inject(shape: Shape, state: State, counts: Counts, now: int, link: int) -> bool:
    port, vcs = state.port[link], shape.vcs
    p = port.head
    packet = state.packet[p]
    if packet.created >= now:
        return False
    chosen = port.channel
    if port.sent == 0:
        hop = shape.hop[shape.way[packet.way]]
        nearest, chosen = vcs, NOTHING
        for c in range(hop.first, hop.first + hop.channels):
            distance = _around(c - port.grant, vcs)
            if state.channel[link * vcs + c].credits > 0 and distance < nearest:
                nearest, chosen = distance, c
        if chosen != NOTHING:
            port.channel, port.grant = chosen, (chosen + 1) % vcs
    i = link * vcs + chosen
    if chosen == NOTHING or state.channel[i].credits == 0:
        counts.held_up[link] += 1
        return False
    port.sent += 1
    tail = port.sent == packet.flits
    _depart(shape, state, counts, now, i, link, 2 * p + tail)
    state.clock[FLITS] += 1
    if tail:
        port.head, port.sent = packet.next, 0
    return True


@borrowing
def _around(difference: int, among: int) -> int:
    """Return how far a place lies behind another one, around a circle of `among`."""
    return difference + among if difference < 0 else difference


@borrowing
def _route(shape: Shape, state: State, counts: Counts, now: int, router: int) -> bool:
    channels, ports, links, hop, vcs = state.channel, state.port, shape.link, shape.hop, shape.vcs
    first, inputs, outputs = (
        shape.router[router].first,
        shape.router[router].inputs,
        shape.router[router].outputs,
    )
    lists, best, aimed_at = state.lists, state.best, state.aimed_at
    n_heads, n_bids, n_aims, busy = 0, 0, 0, False

    # Grants: an output, of either allocation, keeps the input whose turn comes first.
    for entry in range(inputs):
        source = shape.into[first + entry]
        if ports[source].occupied == 0:
            continue
        for c in range(vcs):
            i = source * vcs + c
            channel = channels[i]
            if channel.held == 0:
                continue
            if channel.ready > now:
                busy = True
                continue
            o = channel.output
            if o == NOTHING:
                packet = state.packet[state.fifo[i, channel.first] >> 1]
                h = shape.way[packet.way] + packet.hop + 1
                lists[HEADS, n_heads], lists[HOPS, n_heads] = i, h
                n_heads += 1
                target = hop[h].link
                begin = target * vcs + hop[h].first
                for o in range(begin, begin + hop[h].channels):
                    if channels[o].taken:
                        continue
                    rival, turn = best[0, o], channels[o].grant
                    if rival == NOTHING or (
                        _around(entry * vcs + c - turn, inputs * vcs)
                        < _around(_place(links[rival // vcs].entry, rival, vcs) - turn, inputs * vcs)
                    ):
                        best[0, o] = i
            else:
                target = o // vcs
                if channels[o].credits == 0:
                    counts.no_credit[i] += 1
                else:
                    lists[BIDS, n_bids] = i
                    n_bids += 1
                    rival, turn = best[1, target], ports[target].grant
                    if rival == NOTHING or (
                        _around(entry - turn, inputs) < _around(links[rival].entry - turn, inputs)
                    ):
                        best[1, target] = source
            if not aimed_at[target]:
                aimed_at[target] = True
                lists[AIMS, n_aims] = target
                n_aims += 1

    # Acceptance: an input takes the output whose turn comes first.
    for n in range(n_heads):
        i, h = lists[HEADS, n], lists[HOPS, n]
        channel, target = channels[i], hop[h].link
        begin = target * vcs + hop[h].first
        nearest, chosen = outputs * vcs, NOTHING
        for o in range(begin, begin + hop[h].channels):
            if best[0, o] == i:
                distance = _around(
                    links[target].exit * vcs + o - target * vcs - channel.accept, outputs * vcs
                )
                if distance < nearest:
                    nearest, chosen = distance, o
        if chosen == NOTHING:
            counts.no_channel[i] += 1
            continue
        channels[chosen].grant = (_place(links[i // vcs].entry, i, vcs) + 1) % (inputs * vcs)
        channels[chosen].taken = 1
        channel.accept = (_place(links[target].exit, chosen, vcs) + 1) % (outputs * vcs)
        channel.output, channel.ready = chosen, now + shape.allocation
        state.packet[state.fifo[i, channel.first] >> 1].hop += 1
        busy = True
    n = 0
    while n < n_bids:
        source, begin = lists[BIDS, n] // vcs, n
        port, nearest, winner = ports[source], outputs * vcs, NOTHING
        while n < n_bids and lists[BIDS, n] < source * vcs + vcs:
            i = lists[BIDS, n]
            target = channels[i].output // vcs
            if best[1, target] == source:
                distance = _around(links[target].exit - port.accept, outputs) * vcs
                distance += _around(i - source * vcs - port.turn, vcs)
                if distance < nearest:
                    nearest, winner = distance, i
            n += 1
        for m in range(begin, n):
            if lists[BIDS, m] != winner:
                counts.lost[lists[BIDS, m]] += 1
        if winner != NOTHING:
            target = channels[winner].output // vcs
            ports[target].grant = (links[source].entry + 1) % inputs
            port.accept = (links[target].exit + 1) % outputs
            port.turn = (winner - source * vcs + 1) % vcs
            _pass(shape, state, counts, now, winner, source, target)
            if channels[winner].held == 0:
                state.occupied[router] -= 1
            aimed_at[target] = False
            busy = True

    for n in range(n_heads):
        h = lists[HOPS, n]
        begin = hop[h].link * vcs + hop[h].first
        for o in range(begin, begin + hop[h].channels):
            best[0, o] = NOTHING
    for n in range(n_aims):
        target = lists[AIMS, n]
        counts.held_up[target] += aimed_at[target]
        aimed_at[target], best[1, target] = False, NOTHING
    if busy:
        counts.busy[router] += 1
    else:
        counts.blocked[router] += 1
    return busy


@borrowing
def _place(entry: int, i: int, vcs: int) -> int:
    """Return a channel's place among a router's inputs or outputs; `entry` is that of its link."""
    return entry * vcs + i % vcs


@borrowing
def _pass(shape: Shape, state: State, counts: Counts, now: int, i: int, source: int, target: int) -> None:
    channel = state.channel[i]
    o = channel.output
    flit = state.fifo[i, channel.first]
    channel.first = channel.first + 1 if channel.first + 1 < shape.depth else 0
    channel.held -= 1
    if channel.held == 0:
        state.port[source].occupied -= 1
    if flit & 1:
        channel.output, channel.ready = NOTHING, now + 1 + shape.routing
        state.channel[o].taken = 0
    _depart(shape, state, counts, now, o, target, flit)
    _return_credit(shape, state, now, i, source)
