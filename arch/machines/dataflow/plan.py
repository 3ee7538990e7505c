"""From a network to arrays, copies and buffers: what the chip is built by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from arch.digital_unit import step_passes
from arch.fabric.graphs import AllToAll
from arch.fabric.interconnect import Interconnect
from arch.machine import NetworkMap, PredictedInterval
from arch.machines.dataflow.configuration import DataflowConfig
from arch.mapping.balance import Load, balanced
from arch.mapping.buffers import (
    BufferRule,
    Pace,
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
from arch.mapping.tiling import Tiling, tile
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

    raises : MappingError for a network without layers, too few cores, or a buffer that is too small
    """
    stages = stages_to_map(network, config.layers)
    crossbar = config.core.crossbar
    columns = config.encoding.columns_per_weight
    stages = [
        s if s.matrix is None else with_pixels_per_step(s, config.pixels_per_step(s.name)) for s in stages
    ]
    matrices = {s.name: s.matrix for s in stages if s.matrix is not None}
    tilings = {
        name: tile(matrix, crossbar.rows, crossbar.cols, columns, config.row_split(name))
        for name, matrix in matrices.items()
    }
    pixels = network.input_shape[1] * network.input_shape[2]
    loads = {s.name: Load(s.steps, len(tilings[s.name].blocks)) for s in stages if s.name in tilings}
    given = {name: layer.replication for name, layer in config.layers.items() if layer.replication}
    balance = balanced(config.balance, loads, given)
    periods = {name: config.core.period(config.streaming, t.blocks) for name, t in tilings.items()}
    step = max(periods.values(), default=config.core.product_cycles(config.streaming))
    placement = _placement(config, stages)
    interconnect = _interconnect(config, placement, stages)
    hops = _hops(config, interconnect, stages)
    pace = Pace(
        {s.name: _latency_steps(config, tilings.get(s.name), step, hops[s.name]) for s in stages},
        {s.name: balance.copies.get(s.name) or _windows_together(config, s, step) for s in stages},
        _pixels_together(config, pixels, balance.interval, step),
    )
    least = least_depths(stages, network.input, pixels, pace)
    depths = chosen_depths(
        config.buffers.depths,
        buffer_depths(BufferRule(config.buffers.rule), stages, least),
        stages,
        least,
        allow_undersized=config.buffers.allow_undersized,
    )
    rows = tuple(
        map_row(s, tilings.get(s.name), balance.copies.get(s.name, 1), depths, config.activation_bits)
        for s in stages
    )
    interval = PredictedInterval(
        balance.interval,
        max(
            (-(-load.steps // balance.copies.get(n, 1)) * periods[n] for n, load in loads.items()), default=0
        ),
        _input_cycles(config, pixels),
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
        interval=interval,
        # Where any core reaches any other, it makes no difference which layer lies where.
        placement=None if isinstance(config.fabric.topology, AllToAll) else placement,
        tilings=tilings,
        resources={"core": sum(row.arrays for row in rows)},
        peak_macs=config.core_macs * sum(row.arrays for row in rows),
    )


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
    bits = {s.name: s.shape[0] * config.activation_bits for s in stages}
    for way in interconnect.keys:
        sender, flits = way[0], fabric.flits(bits[way[0]])
        cycles = fabric.zero_load_cycles(interconnect.length(way), interconnect.routers_on(way), flits)
        hops[sender] = max(hops[sender], cycles)
    return hops


def _windows_together(config: DataflowConfig, stage: Stage, step: int) -> int:
    """Return the windows that a stage without arrays, a pool or a join, takes in a step of so many cycles."""
    digital = config.core.digital
    cycles = step_passes(stage) * -(-stage.shape[0] // digital.lanes) * digital.pass_cycles
    return min(max(step // cycles, 1), stage.steps) if cycles else stage.steps


def _pixels_together(config: DataflowConfig, pixels: int, interval: int, step: int) -> int:
    """Return the input pixels that come in a step, no more than keep the slowest layer busy.

    interval : steps of that layer for an image
    step : cycles in one
    """
    incoming = -(-pixels * step // _input_cycles(config, pixels))
    return max(1, min(incoming, -(-pixels // max(interval, 1))))


def _input_cycles(config: DataflowConfig, pixels: int) -> int:
    """Return the cycles in which so many input pixels come in."""
    together = config.input_pixels_per_cycle
    return pixels * config.source.pixel_cycles if together is None else -(-pixels // together)


def _latency_steps(config: DataflowConfig, tiling: Tiling | None, step: int, hops: int) -> int:
    """Return the steps from a core's firing until its reader may see the pixel, at least.

    step : cycles in one
    hops : cycles on the way
    """
    core = config.core
    cycles = core.digital.pass_cycles + hops
    if tiling is None:
        cycles += core.product_cycles(config.streaming) + core.digital.pool_latency_cycles
    else:
        cycles += core.passage(config.streaming, tiling.blocks)
        cycles += (tiling.row_blocks - 1) * core.partial_sum_cycles
    return -(-cycles // step)
