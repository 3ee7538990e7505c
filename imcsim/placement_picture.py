"""A placement as a picture: layers on the nodes of a topology, and what its channels carry."""

from __future__ import annotations

from math import dist
from typing import TYPE_CHECKING

from arch.fabric.grids import Torus
from arch.fabric.topology import Vertex
from arch.machine import NetworkMap
from arch.mapping.layer_graph import Stream
from arch.mapping.placement import Placement
from simcore import SimError
from traces import DrawnChannel, DrawnNode, plot_fabric

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_placement(placed: NetworkMap, machine: str = "") -> Figure:
    """Draw where layers lie and how many bytes a step each channel carries; see `traces.plot_fabric`.

    machine : name for the title
    raises : SimError if matplotlib is missing, or layers lie on no topology
    """
    placement = placed.placement
    if placement is None:
        raise SimError(
            f"nothing to draw: any core of {machine or 'the machine'} reaches any other; set "
            "fabric.topology.kind, as in mesh"
        )
    topology, cores = placement.topology, len(placement.graph.cores)
    places = topology.layout(cores)
    held = {node: core for core, node in placement.at.items()}
    nodes = [_node(vertex, place, held) for vertex, place in places.items()]
    number = {vertex: i for i, vertex in enumerate(places)}
    colours = _tree_colours(placement)
    channels = []
    for channel in topology.channels(cores):
        streams = placement.loads.get(channel, ())
        tail, head = channel
        channels.append(
            DrawnChannel(
                number[tail],
                number[head],
                sum(stream.pixel_bytes for stream in streams),
                tuple(colours[stream] for stream in streams if stream in colours),
                wraps=isinstance(topology, Torus) and dist(places[tail], places[head]) > 1.5,
            )
        )
    words = (
        f"{cores - placement.relays} layers on {placement.size} nodes",
        f"{placement.relays} relays" if placement.relays else "",
        f"{placement.byte_hops:,} bytes a step on all channels, at least {placement.least_byte_hops:,}",
        f"up to {placement.most_bytes:,} on one",
    )
    title = ", ".join(
        filter(None, [" on ".join(filter(None, [placed.network.name, machine])), topology.kind])
    )
    return plot_fabric(nodes, channels, title=title, below="  ·  ".join(filter(None, words)))


def _node(vertex: Vertex, place: tuple[float, float], held: dict[int, str]) -> DrawnNode:
    if isinstance(vertex, str):
        return DrawnNode(*place, "router")
    core = held.get(vertex, "")
    if core.startswith("relay["):
        return DrawnNode(*place, "relay", "relay-" + core.removeprefix("relay[").rpartition(",")[0])
    return DrawnNode(*place, "layer" if core else "free", core)


def _tree_colours(placement: Placement) -> dict[Stream, int]:
    """Return a number for each stream with several readers: others than those of trees that it meets."""
    colours: dict[Stream, int] = {}
    met: dict[Vertex, set[int]] = {}
    for stream in placement.graph.streams:
        if len(stream.readers) > 1:
            vertices = dict.fromkeys(vertex for channel in placement.tree(stream) for vertex in channel)
            taken = set().union(*(met.get(vertex, set()) for vertex in vertices))
            colours[stream] = next(colour for colour in range(len(colours) + 1) if colour not in taken)
            for vertex in vertices:
                met.setdefault(vertex, set()).add(colours[stream])
    return colours
