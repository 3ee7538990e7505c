"""From a network to arrays, copies and buffers: what the chip is built by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from arch.core import Core
from arch.crossbar import AnalogCrossbar
from arch.fabric.graphs import AllToAll
from arch.fabric.interconnect import Interconnect
from arch.machine import NetworkMap
from arch.machines.dataflow.configuration import DataflowConfig
from arch.machines.dataflow.timing import Timing
from arch.mapping.balance import Balance, Load, balanced, one_each
from arch.mapping.buffers import (
    BufferRule,
    buffer_depths,
    chosen_depths,
    edge_name,
    least_depths,
    needed_depths,
)
from arch.mapping.layer_graph import graph_of_stages, homes_of_stages, in_network, side_by_side
from arch.mapping.map_rows import map_row, taken_by
from arch.mapping.placement import Placement, place_in_order, place_layers
from arch.mapping.stages import Stage, stages_of_each, with_pixels_per_step
from arch.mapping.tiling import Tiling, tile
from arch.mapping.written_operands import products_of_token, with_arrays
from simcore import ConfigError, MappingError, components
from workloads import LoweredNetwork


@dataclass(frozen=True, eq=False)
class DataflowMap(NetworkMap):
    """Stages, buffer depths [pixel], and how many copies each layer with weights has.

    needed, safe : depths below which a buffer alone stops the pipeline, and that all together never do
    interconnect : ways between stages in different cores, by (sender, reader) in full names, of all networks
    """

    stages: tuple[Stage, ...]
    depths: dict[tuple[str, int], int | None]
    replication: Mapping[str, int]
    needed: dict[tuple[str, int], int]
    safe: dict[tuple[str, int], int]
    interconnect: Interconnect

    @property
    def edges(self) -> dict[str, list[tuple[str, int]]]:
        """The buffers of each edge, by the name that users write: one, unless a tensor is read twice."""
        places: dict[str, list[tuple[str, int]]] = {}
        for stage in self.stages:
            for place, operand in enumerate(stage.operands):
                places.setdefault(edge_name(stage, operand), []).append((stage.name, place))
        return places

    def with_depths(self, given: Mapping[str, int | None]) -> DataflowMap:
        """Return the same mapping with other depths of some edges, whatever they are."""
        changed = {place: depth for edge, depth in given.items() for place in self.edges[edge]}
        return replace(self, depths={**self.depths, **changed})

    def stage(self, name: str) -> Stage:
        """Return the stage called `name`."""
        return next(stage for stage in self.stages if stage.name == name)


def map_network(config: DataflowConfig, network: LoweredNetwork) -> DataflowMap:
    """Give every stage its arrays and buffers.

    raises : MappingError for a network without layers, too few cores, a buffer that is too small, or a
        sequence that is too long
    """
    return map_networks(config, {"": network})[""]


def map_networks(config: DataflowConfig, networks: Mapping[str, LoweredNetwork]) -> dict[str, DataflowMap]:
    """Do the same for several networks, by their names: all get their copies and cores together.

    raises : MappingError, which tells what each of several takes
    """
    tiled = _tiled(config, networks)
    loads = {part.full_name(n): load for part in tiled for n, load in part.loads.items()}
    given = {part.full_name(n): copies for part in tiled for n, copies in part.given.items()}
    if len(tiled) > 1:
        _check_cores(config, tiled)
    written = [part.full_name(n) for part in tiled for n in part.banks]
    balance = balanced(config.balance, loads, given, alone=written)
    placement = _placement(config, tiled)
    interconnect = _interconnect(config, placement, tiled)
    edges = {part.name: {edge_name(s, o) for s in part.stages for o in s.operands} for part in tiled}
    maps = {}
    for part in tiled:
        of_others = set().union(*(own for name, own in edges.items() if name != part.name)) - edges[part.name]
        depths = {edge: depth for edge, depth in config.buffers.depths.items() if edge not in of_others}
        maps[part.name] = _mapped(config, part, balance, placement, interconnect, depths)
    return maps


@dataclass(frozen=True, eq=False)
class _Tiled:
    """A network's stages and how their weights lie on arrays, before copies and cores are given out.

    name : as in `NetworkMap`
    banks : of arrays that keys or values are written to, of each product of attention that lies in some
    given : copies that a user gave layers
    """

    name: str
    network: LoweredNetwork
    stages: list[Stage]
    tilings: dict[str, Tiling]
    banks: dict[str, int]
    given: dict[str, int]

    @property
    def loads(self) -> dict[str, Load]:
        """What each stage with arrays asks for."""
        return {
            s.name: Load(
                s.steps if s.written is None else s.steps * products_of_token(s),
                len(self.tilings[s.name].blocks) * self.banks.get(s.name, 1),
            )
            for s in self.stages
            if s.name in self.tilings
        }

    def full_name(self, stage: str) -> str:
        """Return what a stage is called among those of all networks."""
        return in_network(self.name, stage)


def _tiled(config: DataflowConfig, networks: Mapping[str, LoweredNetwork]) -> list[_Tiled]:
    """Cut the matrices of all stages into arrays."""
    crossbar = config.core.crossbar
    columns = config.encoding.columns_per_weight
    tiled = []
    pipelines = stages_of_each(list(networks.values()), config.layers, of_tokens=True)
    for (name, network), plain in zip(networks.items(), pipelines, strict=True):
        _check_attention(config, plain, network.name)
        stages = [
            s if s.matrix is None else with_pixels_per_step(s, config.pixels_per_step(s.name)) for s in plain
        ]
        tilings = {
            s.name: tile(s.matrix, crossbar.rows, crossbar.cols, columns, config.row_split(s.name))
            for s in stages
            if s.matrix is not None
        }
        banks = {}
        if config.attention.products == "arrays":
            stages = [s if s.attention is None else with_arrays(s) for s in stages]
            cells = config.token_encoding.columns_per_weight
            written = {s.name: s.written for s in stages if s.written is not None}
            tilings |= {n: tile(held, crossbar.rows, crossbar.cols, cells) for n, held in written.items()}
            banks = dict.fromkeys(written, config.attention.writing.banks)
        given = {n: own.replication for n, own in config.layers.items() if n in tilings and own.replication}
        tiled.append(_Tiled(name, network, stages, tilings, banks, given))
    return tiled


def _mapped(
    config: DataflowConfig,
    part: _Tiled,
    balance: Balance,
    placement: Placement,
    interconnect: Interconnect,
    given: Mapping[str, int | None],
) -> DataflowMap:
    """Return the mapping of one network, with the copies and ways that it has got.

    given : depths of edges that are not of other networks only
    """
    network, stages, tilings = part.network, part.stages, part.tilings
    copies = {name: balance.copies[part.full_name(name)] for name in tilings}
    balance = Balance(part.loads, copies)
    pixels = network.input_shape[1] * network.input_shape[2]
    timing = Timing(config, stages, tilings, balance, pixels)
    pace = timing.pace(_hops(config, interconnect, part))
    least = least_depths(stages, network.input, pixels, pace)
    depths = chosen_depths(
        given,
        buffer_depths(BufferRule(config.buffers.rule), stages, least),
        stages,
        least,
        allow_undersized=config.buffers.allow_undersized,
    )
    depths |= _places_in_cells(config, stages)
    rows = tuple(
        map_row(
            s,
            tilings.get(s.name),
            copies.get(s.name, 1),
            depths,
            config.activation_bits,
            banks=part.banks.get(s.name, 1),
        )
        for s in stages
    )
    return DataflowMap(
        network,
        rows,
        tuple(stages),
        depths,
        balance.copies,
        needed_depths(stages),
        least,
        interconnect,
        interval=timing.interval,
        # Where any core reaches any other, it makes no difference which layer lies where.
        placement=None if isinstance(config.fabric.topology, AllToAll) else placement,
        tilings=tilings,
        resources={"core": sum(row.arrays for row in rows)},
        peak_macs=config.core_macs * sum(row.arrays for row in rows),
        name=part.name,
    )


def _check_attention(config: DataflowConfig, stages: list[Stage], network: str) -> None:
    """Raise MappingError for products of attention that the machine cannot do."""
    config.attention.check(stages, network)
    products = [stage.name for stage in stages if stage.attention is not None]
    if not products or config.attention.products == "digital":
        return
    for part, kind, needed in (
        ("core", config.core.kind, Core),
        ("core.crossbar", config.core.crossbar.kind, AnalogCrossbar),
    ):
        if components[kind] is not needed:
            raise MappingError(
                f"attention.products=arrays: {network}.{products[0]} lies in arrays that are written token "
                f"by token, which no {kind} does; set {part}.kind={needed.kind}, or products=digital"
            )
    try:
        _ = config.token_encoding
    except ConfigError as error:
        raise MappingError(
            f"attention.products=arrays: keys and values of {config.activation_bits} bit do not lie in cells "
            f"as weights of {config.weight_bits} do: {error}"
        ) from None


def _places_in_cells(config: DataflowConfig, stages: list[Stage]) -> dict[tuple[str, int], int]:
    """Return the tokens that the arrays of each stage hold that are written to, of all banks.

    raises : MappingError if a user has given one of them a depth
    """
    writing, places = config.attention.writing, {}
    for stage in stages:
        stored = stage.operands[0]
        if not stored.in_cells:
            continue
        if (edge := edge_name(stage, stored)) in config.buffers.depths:
            raise MappingError(
                f"buffers.depths.{edge}: these pixels lie in arrays, which have room for "
                f"{stored.firing.pixels} a bank; leave it out, and set attention.writing.banks"
            )
        places[stage.name, 0] = writing.banks * stored.firing.pixels
    return places


def _check_cores(config: DataflowConfig, tiled: list[_Tiled]) -> None:
    """Raise MappingError if networks together need more cores than there are."""
    there = config.balance.cores
    least = {part.name: one_each(part.loads, part.given).cores for part in tiled}
    total = sum(least.values())
    if there is not None and total > there:
        raise MappingError(
            f"balance.cores={there} is too few for networks that share the machine: one copy of each layer "
            f"takes {taken_by(least)}, {total} together; set balance.cores to {total} or more, or run fewer "
            "networks at a time"
        )


def _placement(config: DataflowConfig, tiled: list[_Tiled]) -> Placement:
    """Return which layer lies on which core of the topology."""
    topology = config.fabric.topology
    graphs = {part.name: graph_of_stages(part.stages, config.activation_bits) for part in tiled}
    graph = side_by_side(graphs)
    try:
        if isinstance(topology, AllToAll):
            return place_in_order(graph, topology)
        return place_layers(graph, topology, config.fabric.search_seconds, config.fabric.placement)
    except MappingError as error:
        if len(tiled) == 1:
            raise
        least = {name: len(own.cores) for name, own in graphs.items()}
        raise MappingError(f"networks share the cores, {taken_by(least)}: {error}") from None


def _interconnect(config: DataflowConfig, placement: Placement, tiled: list[_Tiled]) -> Interconnect:
    """Return the ways between stages that are at home in different cores, by their full names."""
    ways = {}
    for part in tiled:
        home = homes_of_stages(part.stages)
        for stage in part.stages:
            for source in (o.source for o in stage.operands if o.source in home):
                if home[source] != home[stage.name]:
                    sender = part.full_name(source)
                    way = placement.way(sender, part.full_name(home[stage.name]))
                    ways[sender, part.full_name(stage.name)] = way
    interconnect = Interconnect.along(placement.topology, ways, escape=config.fabric.escape)
    config.fabric.check(interconnect)
    return interconnect


def _hops(config: DataflowConfig, interconnect: Interconnect, part: _Tiled) -> dict[str, int]:
    """Return the cycles from each stage until its pixel is at its farthest reader, on a fabric at rest."""
    fabric = config.fabric
    hops = {s.name: fabric.latency_cycles for s in part.stages}
    senders = {part.full_name(s.name): s for s in part.stages}
    for way in interconnect.keys:
        if (sender := senders.get(way[0])) is not None:
            flits = fabric.flits(sender.pixel_bits(config.activation_bits))
            cycles = fabric.zero_load_cycles(interconnect.length(way), interconnect.routers_on(way), flits)
            hops[sender.name] = max(hops[sender.name], cycles)
    return hops
