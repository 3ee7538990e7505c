"""What is known about topologies: the shortest longest edge of kinds of networks, and loads of channels.

Least k: the smallest for which B(k) has a channel for every edge of a network with a core for each layer.
Loads: ResNet-32's 34 layers on several topologies, a core a layer, multicast trees, one pixel a step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations, product
from typing import Any

from arch import LayerGraph, ParallelPrism, Placement, graph_of_edges, order_of_least_reach
from arch.fabric.topology import fabrics
from arch.mapping.layer_graph import graph_of_stages
from arch.mapping.placement import place_layers
from arch.mapping.stages import stages_of
from imcsim.targets import Target
from workloads import lower, networks

_SEARCHED = "derived by exhaustive search"
_RECOMPUTED = "derived from stated placement and routing rules"
#: No search here takes more than a fraction of a second.
_SECONDS = 60.0
_BITS = 8

Edges = Iterable[tuple[str, str]]

#: Built-in networks, and the least k of their kind.
_NETWORKS: Mapping[str, int] = {
    "alexnet": 1,
    "vgg16": 1,
    "resnet32-ibm": 2,
    "densenet121": 2,
    "resnet50": 3,
}

#: Topology and parameters: most streams on a channel, most bytes a step, bytes a step on all channels.
_LOADS: Mapping[str, tuple[str, Mapping[str, Any], tuple[int, int, int]]] = {
    "b2": ("5pp", {"k": 2}, (1, 56, 1_560)),
    "b5": ("5pp", {"k": 5}, (1, 56, 1_560)),
    "mesh": ("mesh", {"columns": 6}, (2, 112, 1_672)),
    "mesh-column-first": ("mesh", {"columns": 6, "first": "column"}, (2, 112, 1_732)),
    "torus": ("torus", {"columns": 6}, (2, 112, 1_672)),
    "ring": ("ring", {}, (2, 112, 1_644)),
    "hypercube": ("hypercube", {}, (2, 112, 1_784)),
    "hypercube-highest-first": ("hypercube", {"first": "highest"}, (2, 56, 1_964)),
}


def published_topology() -> Iterator[Target]:
    """Yield sizes of graphs, least reaches and loads."""
    resnet = _layers("resnet32-ibm")
    yield _exact("resnet32-ibm.layers", "layers of ResNet-32", 34, len(resnet.cores), _SEARCHED)
    yield _exact("resnet32-ibm.edges", "edges of ResNet-32", 48, len(resnet.edges), _SEARCHED)
    channels = len(list(ParallelPrism(k=5).channels(64)))
    yield _exact("b5.channels", "channels of B(5) with 64 cores", 5 * 64 - 15, channels, _RECOMPUTED)
    yield from _least_reaches()
    yield from _loads(resnet)


def _exact(name: str, what: str, published: int, simulated: int, provenance: str) -> Target:
    return Target(f"A8.{name}", what, published, simulated, "exact", provenance)


def _layers(name: str) -> LayerGraph:
    return graph_of_stages(stages_of(lower(networks[name]())), _BITS)


# -- least reach ---------------------------------------------------------------------------------------------


def _least_reaches() -> Iterator[Target]:
    graphs = {name: (_layers(name), k) for name, k in _NETWORKS.items()}
    graphs |= {
        "projection-bottleneck": (graph_of_edges(_pairs("xa ab bc xp pc")), 2),
        "identity-bottleneck": (graph_of_edges(_pairs("xa ab bc xc")), 3),
    }
    for modules in (2, 3):
        graphs[f"inception-4x{modules}"] = graph_of_edges(_inception_merged(modules)), 5
        graphs[f"inception-6x{modules}"] = graph_of_edges(_inception_separate(modules)), 7
    for units in (2, 3, 4):
        graphs[f"all-to-all-2x{units}"] = graph_of_edges(_dense_pairs(units)), 2 * units - 1
        graphs[f"all-to-all-1x{units}"] = graph_of_edges(_dense_single(units)), units
    for name, (graph, k) in graphs.items():
        found = order_of_least_reach(graph, _SECONDS).reach
        yield _exact(f"min-k.{name}", f"least k for {name}", k, found, _SEARCHED)


def _pairs(text: str) -> Edges:
    """Return edges written as "xa ab"."""
    return [(pair[0], pair[1]) for pair in text.split()]


def _inception_merged(modules: int) -> Iterator[tuple[str, str]]:
    """Yield the edges of modules of four cores: H for three 1x1 heads, 3x3, 5x5, and P behind the pool."""
    for m in range(modules):
        yield from ((f"H{m}", f"3x3 {m}"), (f"H{m}", f"5x5 {m}"))
    yield from _between(modules, ("H", "3x3 ", "5x5 ", "P"), ("H", "P"))


def _inception_separate(modules: int) -> Iterator[tuple[str, str]]:
    """Yield the edges of modules of six cores: the heads are 1x1, two that reduce, and P behind the pool."""
    for m in range(modules):
        yield from ((f"reduce3 {m}", f"3x3 {m}"), (f"reduce5 {m}", f"5x5 {m}"))
    yield from _between(modules, ("1x1 ", "3x3 ", "5x5 ", "P"), ("1x1 ", "reduce3 ", "reduce5 ", "P"))


def _between(modules: int, outputs: Iterable[str], heads: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the edges from all outputs of each module to all heads of the next."""
    for m in range(modules - 1):
        yield from ((f"{output}{m}", f"{head}{m + 1}") for output, head in product(outputs, heads))


def _dense_pairs(units: int) -> Iterator[tuple[str, str]]:
    """Yield the edges of units of two cores a, b: the block's input and all earlier b are read by a."""
    for n in range(units):
        yield from ((source, f"a{n}") for source in ("x", *(f"b{m}" for m in range(n))))
        yield f"a{n}", f"b{n}"


def _dense_single(units: int) -> Iterator[tuple[str, str]]:
    """Yield the edges of units of one core that reads the block's input and all units before it."""
    yield from combinations(("x", *map(str, range(units))), 2)


# -- loads ---------------------------------------------------------------------------------------------------


def _loads(resnet: LayerGraph) -> Iterator[Target]:
    for name, (kind, parameters, published) in _LOADS.items():
        placement = place_layers(resnet, fabrics[kind].parse({"kind": kind, **parameters}), _SECONDS)
        for (figure, found), expected in zip(_figures(placement).items(), published, strict=True):
            yield _exact(f"{name}.{figure}", f"{figure} of ResNet-32 on {name}", expected, found, _RECOMPUTED)


def _figures(placement: Placement) -> dict[str, int]:
    return {
        "streams": placement.most_streams,
        "bytes-per-step": placement.most_bytes,
        "byte-hops": placement.byte_hops,
    }
