"""What a wormhole network is made of, as arrays: a shape that stays, a state that moves, counts that watch.

Links lead from routers and terminals to routers and terminals. Each link has `vcs` virtual channels: first-in
first-out buffers at its end. Virtual channel c of link l has the number l * vcs + c, both as the input of the
router at its end and as an output of the router at its start. A flit is written as 2 x its packet, plus one
if it is the packet's tail. Packets take ways: link after link, in given virtual channels of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

NOTHING = -1
#: Places in `State.clock`: the cycle that comes next; flits between source and reader; packets that have come
#: out and were not yet taken note of; packets that have left their source.
NOW, FLITS, ARRIVED, LEFT = range(4)

_LINK = np.dtype([(name, np.int32) for name in ("start", "end", "exit", "entry", "flight", "back")])
_ROUTER = np.dtype([(name, np.int32) for name in ("first", "inputs", "outputs")])
_HOP = np.dtype([(name, np.int32) for name in ("link", "first", "channels")])
_CHANNEL = np.dtype(
    [
        *((name, np.int32) for name in ("first", "held", "output", "taken", "credits", "grant", "accept")),
        ("_", np.int32),
        ("ready", np.int64),
    ]
)
_PORT = np.dtype(
    [(name, np.int32) for name in ("occupied", "grant", "accept", "turn", "head", "last", "sent", "channel")]
)
_SLOT = np.dtype([("flits", np.int32), ("credits", np.int32)])
_PACKET = np.dtype(
    [(name, np.int64) for name in ("way", "flits", "hop", "next", "created", "left", "arrived", "name")]
)


class Shape(NamedTuple):
    """Routers, links and ways; nothing in it changes.

    link : of each, the router at its `start` and `end` (-1: a terminal), its place among the links out of the
        one (`exit`) and into the other (`entry`); cycles from a switch's grant until the flit is in the
        buffer (`flight`), and until its slot, once the flit has left it, may be filled again (`back`)
    router : of each, where its inputs start in `into`, how many links lead in (`inputs`) and out (`outputs`)
    into : links into each router, one router after the other
    sources : links that start at a terminal
    hop : steps of all ways: a link, the `first` of its channels that the packet may take, how many `channels`
    way : first hop of each way
    vcs, depth : virtual channels of a link, and flits that each has room for
    routing, allocation : cycles of a router's route computation, and of its virtual-channel allocation
    """

    link: Any
    router: Any
    into: NDArray[np.int32]
    sources: NDArray[np.int32]
    hop: Any
    way: NDArray[np.int32]
    vcs: int
    depth: int
    routing: int
    allocation: int


class State(NamedTuple):
    """What changes from cycle to cycle.

    channel : of each virtual channel, as an input: its ring of `held` flits from `first` on, the `output`
        channel of the packet at its front, and from when on it bids (`ready`); as an output: whether a packet
        has `taken` it, its `credits`, and whose turn it is to be granted; `accept` is again an input's
    port : of each link, how many of its channels hold flits (`occupied`), and turns of the switch as an
        output (`grant`) and as an input (`accept`, and `turn` among its channels); where it starts at a
        terminal, its queue of packets from `head` to `last`, how many flits of the first one are `sent`, and
        in which `channel`
    fifo : (channels, depth) flits
    occupied : (routers,) input channels that hold flits
    wheel : of each of the cycles to come, how many `flits` and `credits` reach the end of a link
    arriving : of each of the same cycles, channel and flit
    returning : of each of the same cycles, channels that get a credit
    packet : of each, its way, flits, current hop, follower in its queue, and when it was made, its tail left
        its source, and it came out
    done : packets that have come out, in order
    clock : see `NOW`
    lists, best, aimed_at : what the kernel works with inside a cycle; nothing to anybody else
    """

    channel: Any
    port: Any
    fifo: NDArray[np.int64]
    occupied: NDArray[np.int32]
    wheel: Any
    arriving: NDArray[np.int64]
    returning: NDArray[np.int32]
    packet: Any
    done: NDArray[np.int64]
    clock: NDArray[np.int64]
    lists: NDArray[np.int32]
    best: NDArray[np.int32]
    aimed_at: NDArray[np.bool_]


class Counts(NamedTuple):
    """What happened, in cycles; nothing depends on it.

    carried : (links,) in which a flit was sent
    held_up : (links,) in which a flit was to be sent and none was
    no_channel, no_credit, lost : (channels,) in which the flit at the front got no output channel, found no
        room behind it, or lost the switch to another
    busy : (routers,) in which a flit was inside and could go on or was being worked on
    blocked : (routers,) in which flits were inside and none could go on
    link_last, router_last : the cycle behind the last one of these, of each link and router
    """

    carried: NDArray[np.int64]
    held_up: NDArray[np.int64]
    no_channel: NDArray[np.int64]
    no_credit: NDArray[np.int64]
    lost: NDArray[np.int64]
    busy: NDArray[np.int64]
    blocked: NDArray[np.int64]
    link_last: NDArray[np.int64]
    router_last: NDArray[np.int64]


def make_shape(
    links: Sequence[tuple[int, int, int, int]],
    ways: Sequence[Sequence[tuple[int, int, int]]],
    *,
    routers: int,
    vcs: int,
    depth: int,
    routing: int,
    allocation: int,
) -> Shape:
    """Return a network's shape.

    links : start, end, flight and back of each; see `Shape`
    ways : hops of each: link, first channel, number of channels
    """
    link = _records(_LINK, len(links))
    incoming: list[list[int]] = [[] for _ in range(routers)]
    outgoing = [0] * routers
    for number, (start, end, flight, back) in enumerate(links):
        link[number] = (start, end, outgoing[start] if start >= 0 else 0, 0, flight, back)
        if start >= 0:
            outgoing[start] += 1
        if end >= 0:
            link.entry[number] = len(incoming[end])
            incoming[end].append(number)
    router = _records(_ROUTER, routers)
    first = 0
    for number, inputs in enumerate(incoming):
        router[number] = (first, len(inputs), outgoing[number])
        first += len(inputs)
    hop = _records(_HOP, sum(map(len, ways)))
    hop[:] = [step for way in ways for step in way]
    return Shape(
        link,
        router,
        np.array([number for inputs in incoming for number in inputs], np.int32),
        np.flatnonzero(link.start == NOTHING).astype(np.int32),
        hop,
        np.cumsum([0, *map(len, ways)])[:-1].astype(np.int32),
        vcs,
        depth,
        routing,
        allocation,
    )


def make_state(shape: Shape, packets: int) -> State:
    """Return the state of an empty network at cycle 0, with room for so many packets."""
    links, slots = len(shape.link), 1 + max(shape.link.flight.max(), shape.link.back.max())
    channel, port = _records(_CHANNEL, links * shape.vcs), _records(_PORT, links)
    channel.output = port.head = port.last = port.channel = NOTHING
    channel.credits = shape.depth
    return State(
        channel,
        port,
        np.full((len(channel), shape.depth), NOTHING, np.int64),
        np.zeros(len(shape.router), np.int32),
        _records(_SLOT, slots),
        np.zeros((slots, links, 2), np.int64),
        np.zeros((slots, links), np.int32),
        _records(_PACKET, packets),
        np.zeros(packets, np.int64),
        np.zeros(4, np.int64),
        np.zeros((4, len(channel)), np.int32),
        np.full((2, len(channel)), NOTHING, np.int32),
        np.zeros(links, np.bool_),
    )


def make_counts(shape: Shape) -> Counts:
    """Return counts that all start from nothing."""
    links, routers = len(shape.link), len(shape.router)
    sizes = (links, links, *[links * shape.vcs] * 3, routers, routers, links, routers)
    return Counts(*(np.zeros(size, np.int64) for size in sizes))


def _records(dtype: np.dtype[Any], count: int) -> Any:
    """Return records of zeros whose fields are attributes; numba knows them as such, type checkers do not."""
    return np.zeros(count, dtype).view(np.recarray)
