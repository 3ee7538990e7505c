"""Who sends pixels to whom: the graph of a pipeline's layers, which a topology has to carry.

A vertex is one layer, all of whose arrays count as one core. Stages without arrays (pools, joins) are done in
the core that feeds them, which then sends their pixels: the last one in the pipeline where several do. So the
convolution at the end of a residual block adds and the last one of a dense unit forwards the concatenation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter

from arch.mapping.sizes import bytes_of
from arch.mapping.stages import Stage
from simcore import MappingError
from workloads import MatrixNode


@dataclass(frozen=True)
class Stream:
    """Pixels that one core sends, one a step, to all that read them.

    source, readers : names of cores; readers in the order of the pipeline, each once
    pixel_bytes : of what a step sends: one pixel with all its channels, or several
    """

    name: str
    source: str
    readers: tuple[str, ...]
    pixel_bytes: int


@dataclass(frozen=True)
class LayerGraph:
    """Cores in an order in which each comes behind all it reads, and the streams between them.

    raises : MappingError if a core comes before one that it reads
    """

    cores: tuple[str, ...]
    streams: tuple[Stream, ...]

    def __post_init__(self) -> None:
        place = {core: i for i, core in enumerate(self.cores)}
        for source, reader in self.edges:
            if place[source] >= place[reader]:
                raise MappingError(
                    f"{reader} reads {source}, which is not before it; put cores behind all they read"
                )

    @property
    def edges(self) -> tuple[tuple[str, str], ...]:
        """Pairs of sender and reader, each once."""
        return tuple(dict.fromkeys((s.source, reader) for s in self.streams for reader in s.readers))

    @property
    def reach(self) -> int:
        """Places from sender to reader in this order, on the longest edge; 0 without edges."""
        place = {core: i for i, core in enumerate(self.cores)}
        return max((place[reader] - place[source] for source, reader in self.edges), default=0)

    def in_order(self, cores: Sequence[str]) -> LayerGraph:
        """Return the same graph with its cores in another order."""
        return replace(self, cores=tuple(cores))


def graph_of_edges(edges: Iterable[tuple[str, str]], pixel_bytes: int = 1) -> LayerGraph:
    """Return a graph of one stream for each sender, in some order in which each core is behind all it reads.

    raises : MappingError if the edges (sender, reader) run in a circle
    """
    readers: dict[str, list[str]] = {}
    sources: dict[str, list[str]] = {}
    for source, reader in edges:
        readers.setdefault(source, []).append(reader)
        sources.setdefault(reader, []).append(source)
    try:
        cores = tuple(TopologicalSorter(sources).static_order())
    except CycleError as error:
        raise MappingError(
            f"the edges run in a circle: {' to '.join(error.args[1])}; leave one out"
        ) from None
    streams = (Stream(core, core, tuple(readers[core]), pixel_bytes) for core in cores if core in readers)
    return LayerGraph(cores, tuple(streams))


def homes_of_stages(stages: Sequence[Stage]) -> dict[str, str]:
    """Return the core in which each stage is done, by name; cores are called like their first stage.

    stages : in an order in which each comes behind all it reads
    """
    home: dict[str, str] = {}
    cores: list[str] = []
    for stage in stages:
        feeders = [home[o.source] for o in stage.operands if o.source in home]
        if isinstance(stage.head, MatrixNode) or stage.written is not None or not feeders:
            cores.append(stage.name)
            home[stage.name] = stage.name
        else:
            home[stage.name] = max(feeders, key=cores.index)
    return home


def side_by_side(graphs: Mapping[str, LayerGraph]) -> LayerGraph:
    """Return the graphs of several networks as one, behind one another, with full names."""
    return LayerGraph(
        tuple(in_network(network, core) for network, graph in graphs.items() for core in graph.cores),
        tuple(
            replace(
                stream,
                name=in_network(network, stream.name),
                source=in_network(network, stream.source),
                readers=tuple(in_network(network, reader) for reader in stream.readers),
            )
            for network, graph in graphs.items()
            for stream in graph.streams
        ),
    )


def in_network(network: str, stage: str) -> str:
    """Return what a network's stage is called among those of several; as it is, if that has no name."""
    return f"{network}.{stage}" if network else stage


def graph_of_stages(stages: Sequence[Stage], activation_bits: int) -> LayerGraph:
    """Return the graph of a pipeline's stages; what comes from outside is no edge.

    stages : in an order in which each comes behind all it reads
    """
    home = homes_of_stages(stages)
    cores = tuple(dict.fromkeys(home.values()))
    readers: dict[str, list[str]] = {stage.name: [] for stage in stages}
    for stage in stages:
        for operand in stage.operands:
            if operand.source in home and home[operand.source] != home[stage.name]:
                readers[operand.source].append(home[stage.name])
    streams = (
        Stream(
            stage.name,
            home[stage.name],
            tuple(dict.fromkeys(readers[stage.name])),
            bytes_of(stage.pixel_bits(activation_bits)) * stage.pixels_per_step,
        )
        for stage in stages
        if readers[stage.name]
    )
    return LayerGraph(cores, tuple(streams))
