"""Wormhole networks, flit by flit, compiled: the twin of `wormhole_reference.py`, which says what happens."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import borrowing
from simcore.kernels.wormhole_reference import CAME_OUT, COMES_OUT, NEVER, REACHED, STUCK
from simcore.kernels.wormhole_state import ARRIVED, FLITS, LEFT, NOTHING, NOW, Counts, Shape, State

#: Lists that are collected in a router: channels that need one behind, and the hops they are to take;
#: channels that bid for the switch; links that they aim at.
HEADS, HOPS, BIDS, AIMS = range(4)


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
def advance_to_news(shape: Shape, state: State, counts: Counts, start: int, until: int, watch: bool) -> int:
    """Compiled twin of `advance_to_news_reference`."""
    clock = state.clock
    advance(shape, state, counts, start, False)
    while True:
        left = clock[LEFT]
        if advance(shape, state, counts, clock[NOW] + 1, False) == STUCK:
            return STUCK
        if _comes_out(shape, state):
            return COMES_OUT
        if clock[NOW] >= until or (watch and clock[LEFT] > left):
            return REACHED


@borrowing
def _comes_out(shape: Shape, state: State) -> bool:
    when = state.clock[NOW] % len(state.wheel)
    for n in range(state.wheel[when].flits):
        i, flit = state.arriving[when, n, 0], state.arriving[when, n, 1]
        if flit & 1 and shape.link[i // shape.vcs].end == NOTHING:
            return True
    return False


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
    counts.link_last[link] = now + 1


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
        counts.link_last[link] = now + 1
        return False
    port.sent += 1
    tail = port.sent == packet.flits
    _depart(shape, state, counts, now, i, link, 2 * p + tail)
    state.clock[FLITS] += 1
    if tail:
        port.head, port.sent = packet.next, 0
        packet.left = now
        state.clock[LEFT] += 1
    return True


@borrowing
def _around(difference: int, among: int) -> int:
    """Return how far a place lies behind another one, around a circle of `among`."""
    return difference + among if difference < 0 else difference


@borrowing
def _route(shape: Shape, state: State, counts: Counts, now: int, router: int) -> bool:
    heads, bids, aims, busy = _grant(shape, state, counts, now, router)
    busy |= _accept_channels(shape, state, counts, now, router, heads)
    busy |= _accept_switch(shape, state, counts, now, router, bids)
    lists, best, aimed_at, hop = state.lists, state.best, state.aimed_at, shape.hop
    for n in range(heads):
        h = lists[HOPS, n]
        begin = hop[h].link * shape.vcs + hop[h].first
        for o in range(begin, begin + hop[h].channels):
            best[0, o] = NOTHING
    for n in range(aims):
        target = lists[AIMS, n]
        if aimed_at[target]:
            counts.held_up[target] += 1
            counts.link_last[target] = now + 1
        aimed_at[target], best[1, target] = False, NOTHING
    if busy:
        counts.busy[router] += 1
    else:
        counts.blocked[router] += 1
    counts.router_last[router] = now + 1
    return busy


@borrowing
def _grant(shape: Shape, state: State, counts: Counts, now: int, router: int) -> tuple[int, int, int, bool]:
    """Let each output, of either allocation, keep the input whose turn comes first.

    returns : lengths of the lists, and whether any flit is in a stage that takes its time
    """
    channels, ports, links, hop, vcs = state.channel, state.port, shape.link, shape.hop, shape.vcs
    lists, best, aimed_at = state.lists, state.best, state.aimed_at
    first, inputs = shape.router[router].first, shape.router[router].inputs
    heads, bids, aims, busy = 0, 0, 0, False
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
                lists[HEADS, heads], lists[HOPS, heads] = i, h
                heads += 1
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
                    lists[BIDS, bids] = i
                    bids += 1
                    rival, turn = best[1, target], ports[target].grant
                    if rival == NOTHING or (
                        _around(entry - turn, inputs) < _around(links[rival].entry - turn, inputs)
                    ):
                        best[1, target] = source
            if not aimed_at[target]:
                aimed_at[target] = True
                lists[AIMS, aims] = target
                aims += 1
    return heads, bids, aims, busy


@borrowing
def _accept_channels(shape: Shape, state: State, counts: Counts, now: int, router: int, heads: int) -> bool:
    """Let each packet take the channel whose turn comes first among those that it was granted."""
    channels, links, hop, lists, vcs = state.channel, shape.link, shape.hop, state.lists, shape.vcs
    inputs, outputs = shape.router[router].inputs * vcs, shape.router[router].outputs * vcs
    busy = False
    for n in range(heads):
        i, h = lists[HEADS, n], lists[HOPS, n]
        channel, target = channels[i], hop[h].link
        begin = target * vcs + hop[h].first
        nearest, chosen = outputs, NOTHING
        for o in range(begin, begin + hop[h].channels):
            if state.best[0, o] == i:
                distance = _around(_place(links[target].exit, o, vcs) - channel.accept, outputs)
                if distance < nearest:
                    nearest, chosen = distance, o
        if chosen == NOTHING:
            counts.no_channel[i] += 1
            continue
        channels[chosen].grant = (_place(links[i // vcs].entry, i, vcs) + 1) % inputs
        channels[chosen].taken = 1
        channel.accept = (_place(links[target].exit, chosen, vcs) + 1) % outputs
        channel.output, channel.ready = chosen, now + shape.allocation
        state.packet[state.fifo[i, channel.first] >> 1].hop += 1
        busy = True
    return busy


@borrowing
def _accept_switch(shape: Shape, state: State, counts: Counts, now: int, router: int, bids: int) -> bool:
    """Let each input link send a flit to the output whose turn comes first among those that granted it."""
    channels, ports, links, lists, vcs = state.channel, state.port, shape.link, state.lists, shape.vcs
    inputs, outputs = shape.router[router].inputs, shape.router[router].outputs
    busy, n = False, 0
    while n < bids:  # those of one link lie side by side
        source, begin = lists[BIDS, n] // vcs, n
        port, nearest, winner = ports[source], outputs * vcs, NOTHING
        while n < bids and lists[BIDS, n] < source * vcs + vcs:
            i = lists[BIDS, n]
            target = channels[i].output // vcs
            if state.best[1, target] == source:
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
            state.aimed_at[target] = False
            busy = True
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
