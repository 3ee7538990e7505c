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
from arch.mapping.balance import Load, balanced
from arch.mapping.buffers import (
    BufferRule,
    buffer_depths,
    chosen_depths,
    edge_name,
    least_depths,
    needed_depths,
)
from arch.mapping.layer_graph import graph_of_stages, homes_of_stages
from arch.mapping.map_rows import map_row
from arch.mapping.placement import Placement, place_in_order, place_layers
from arch.mapping.stages import Stage, stages_to_map, with_pixels_per_step
from arch.mapping.tiling import tile
from arch.mapping.written_operands import products_of_token, with_arrays
from simcore import ConfigError, MappingError, components
from workloads import LoweredNetwork


@dataclass(frozen=True, eq=False)
class DataflowMap(NetworkMap):
    """Stages, buffer depths [pixel], and how many copies each layer with weights has.

    needed, safe : depths below which a buffer alone stops the pipeline, and that all together never do
    interconnect : ways between stages in different cores, by (sender, reader)
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
    stages = stages_to_map(network, config.layers, of_tokens=True)
    _check_attention(config, stages, network.name)
    crossbar = config.core.crossbar
    columns = config.encoding.columns_per_weight
    stages = [
        s if s.matrix is None else with_pixels_per_step(s, config.pixels_per_step(s.name)) for s in stages
    ]
    if config.attention.products == "arrays":
        stages = [s if s.attention is None else with_arrays(s) for s in stages]
    matrices = {s.name: s.matrix for s in stages if s.matrix is not None}
    tilings = {
        name: tile(matrix, crossbar.rows, crossbar.cols, columns, config.row_split(name))
        for name, matrix in matrices.items()
    }
    written = {s.name: s.written for s in stages if s.written is not None}
    banks = dict.fromkeys(written, config.attention.writing.banks)
    for name, cells in written.items():
        tilings[name] = tile(cells, crossbar.rows, crossbar.cols, config.token_encoding.columns_per_weight)
    pixels = network.input_shape[1] * network.input_shape[2]
    loads = {
        s.name: Load(
            s.steps if s.written is None else s.steps * products_of_token(s),
            len(tilings[s.name].blocks) * banks.get(s.name, 1),
        )
        for s in stages
        if s.name in tilings
    }
    given = {name: layer.replication for name, layer in config.layers.items() if layer.replication}
    balance = balanced(config.balance, loads, given, alone=written)
    timing = Timing(config, stages, tilings, balance, pixels)
    placement = _placement(config, stages)
    interconnect = _interconnect(config, placement, stages)
    pace = timing.pace(_hops(config, interconnect, stages))
    least = least_depths(stages, network.input, pixels, pace)
    depths = chosen_depths(
        config.buffers.depths,
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
            balance.copies.get(s.name, 1),
            depths,
            config.activation_bits,
            banks=banks.get(s.name, 1),
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


def _placement(config: DataflowConfig, stages: list[Stage]) -> Placement:
    """Return which layer lies on which core of the topology."""
    topology = config.fabric.topology
    graph = graph_of_stages(stages, config.activation_bits)
    if isinstance(topology, AllToAll):
        return place_in_order(graph, topology)
    return place_layers(graph, topology, config.fabric.search_seconds, config.fabric.placement)


def _interconnect(config: DataflowConfig, placement: Placement, stages: list[Stage]) -> Interconnect:
    """Return the ways between stages that are at home in different cores."""
    home = homes_of_stages(stages)
    ways = {
        (operand.source, stage.name): placement.way(operand.source, home[stage.name])
        for stage in stages
        for operand in stage.operands
        if operand.source in home and home[operand.source] != home[stage.name]
    }
    interconnect = Interconnect.along(placement.topology, ways, escape=config.fabric.escape)
    config.fabric.check(interconnect)
    return interconnect


def _hops(config: DataflowConfig, interconnect: Interconnect, stages: list[Stage]) -> dict[str, int]:
    """Return the cycles from each stage until its pixel is at its farthest reader, on a fabric at rest."""
    fabric = config.fabric
    hops = dict.fromkeys((s.name for s in stages), fabric.latency_cycles)
    bits = {s.name: s.pixel_bits(config.activation_bits) for s in stages}
    for way in interconnect.keys:
        sender, flits = way[0], fabric.flits(bits[way[0]])
        cycles = fabric.zero_load_cycles(interconnect.length(way), interconnect.routers_on(way), flits)
        hops[sender] = max(hops[sender], cycles)
    return hops
