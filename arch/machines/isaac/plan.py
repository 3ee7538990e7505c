"""From a network to copies, places and buffers: what the machine is built by."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from arch.machine import NetworkMap, PredictedInterval
from arch.machines.isaac.arrays import IsaacArrays
from arch.machines.isaac.budgets import Budgets
from arch.machines.isaac.configuration import IsaacConfig
from arch.machines.isaac.floor_plan import Copy, Place, laid_out
from arch.machines.isaac.timing import Timing
from arch.mapping.balance import Load, at_interval, one_each
from arch.mapping.buffers import Pace, least_depths
from arch.mapping.constant_rows import table_elements
from arch.mapping.layer_graph import homes_of_stages
from arch.mapping.map_rows import map_row, taken_by
from arch.mapping.stages import Stage, stages_of_each, stages_to_map
from arch.mapping.tiling import tile
from arch.mapping.written_operands import with_arrays
from simcore import MappingError, components
from workloads import LoweredNetwork


@dataclass(frozen=True, eq=False)
class IsaacMap(NetworkMap):
    """Stages, where they lie, and how deep their buffers are [pixel].

    replication : copies of each layer with weights
    homes : the stage in whose tiles each one is done
    places : of stages that are at home in tiles of their own
    """

    stages: tuple[Stage, ...]
    depths: Mapping[tuple[str, int], int]
    replication: Mapping[str, int]
    homes: Mapping[str, str]
    places: Mapping[str, Place]

    def tiles(self, stage: str) -> range:
        """Return the tiles that a stage is done in."""
        return self.places[self.homes[stage]].tiles

    def copies(self, stage: str) -> tuple[Copy, ...]:
        """Return the copies of a stage's arrays, which take windows in turn."""
        return self.places[stage].copies if stage in self.replication else ()


def map_network(config: IsaacConfig, network: LoweredNetwork) -> IsaacMap:
    """Give every stage its copies, tiles and buffers.

    raises : MappingError for a network without layers, one that the chips do not hold, or products of
        attention that they have no part for
    """
    return map_networks(config, {"": network})[""]


def map_networks(config: IsaacConfig, networks: Mapping[str, LoweredNetwork]) -> dict[str, IsaacMap]:
    """Do the same for several networks, by their names, in tiles behind one another.

    raises : MappingError, which tells what each of several takes
    """
    pipelines = stages_of_each(list(networks.values()), config.layers, of_tokens=True)
    named = zip(networks.items(), pipelines, strict=True)
    return _Plans(config, [_Plan(config, name, network, stages) for (name, network), stages in named]).map()


def copies_by_rule(config: IsaacConfig, network: LoweredNetwork) -> Mapping[str, int]:
    """Return the copies of each layer that the rule asks for, whatever the chips hold."""
    plan = _Plan(config, "", network, stages_to_map(network, config.layers, of_tokens=True))
    return plan.copies(plan.rule_interval)


class _Plans:
    """The search for the most copies of all networks with which they fit together."""

    def __init__(self, config: IsaacConfig, plans: Sequence[_Plan]) -> None:
        self.config, self.plans = config, plans

    def map(self) -> dict[str, IsaacMap]:
        """Return the mappings with the most copies that the chips hold."""
        config = self.config
        least = self._layouts([one_each(plan.loads, plan.given).copies for plan in self.plans])
        needed = -(-least[-1].end // config.tiles)
        chips = needed if config.chips == "auto" else config.chips
        if chips < needed:
            raise MappingError(
                f"chips={chips} has {chips * config.tiles} tiles, but {self._asked(least)}; set chips to "
                f"{needed} or auto, or take more tiles a chip"
            )
        layouts = least if config.replication == "none" else self._most_copies(chips * config.tiles, least)
        return {
            plan.name: plan.mapped(chips, layout) for plan, layout in zip(self.plans, layouts, strict=True)
        }

    def _asked(self, least: Sequence[_Layout]) -> str:
        """Return what one copy of each layer takes, in words."""
        each = "one copy of each layer"
        if len(least) > 1:
            tiles = {plan.name: layout.tiles for plan, layout in zip(self.plans, least, strict=True)}
            return f"{each} takes {taken_by(tiles)}, {least[-1].end:,} together"
        ((plan, layout),) = zip(self.plans, least, strict=True)
        filled = plan.tiles_of_arrays(layout.copies)
        more = f", of which arrays fill {filled} and eDRAM needs the others" * (filled < layout.tiles)
        given = " and those that layers gives" if plan.given else ""
        return f"{each} of {plan.network.name}{given} takes {layout.tiles}{more}"

    def _most_copies(self, tiles: int, least: Sequence[_Layout]) -> Sequence[_Layout]:
        """Return the copies of the rule, scaled down by the smallest factor with which they fit.

        By the rule copies are proportional to a layer's windows, one of the last layer; a layer that feeds a
        stride gives as many windows as its reader needs. Several networks are scaled down to the same
        interval, those whose last layer takes longer to that.
        """
        first = min(plan.rule_interval for plan in self.plans)
        steps = (load.steps for plan in self.plans for load in plan.loads.values())
        intervals = range(first, max(steps, default=0) + 1)
        shortest = bisect_left(intervals, True, key=lambda i: self._tiles_of_arrays(i) <= tiles)
        tried: list[Mapping[str, int]] = []
        for interval in intervals[shortest:]:  # most often the first: eDRAM rarely needs tiles of its own
            copies = self._copies(interval)
            if copies != tried and (layouts := self._layouts(copies))[-1].end <= tiles:
                return layouts
            tried = copies
        return least

    def _copies(self, interval: int) -> list[Mapping[str, int]]:
        return [plan.copies(max(interval, plan.rule_interval)) for plan in self.plans]

    def _tiles_of_arrays(self, interval: int) -> int:
        copies = self._copies(interval)
        return sum(plan.tiles_of_arrays(own) for plan, own in zip(self.plans, copies, strict=True))

    def _layouts(self, copies: Sequence[Mapping[str, int]]) -> list[_Layout]:
        """Return the layout of each network with so many copies, in tiles behind those of the one before."""
        layouts: list[_Layout] = []
        for plan, own in zip(self.plans, copies, strict=True):
            layouts.append(plan.layout(own, layouts[-1].end if layouts else 0))
        return layouts


class _Plan:
    """What one network asks for, and how it lies with some copies.

    name : as in `NetworkMap`
    """

    def __init__(self, config: IsaacConfig, name: str, network: LoweredNetwork, stages: list[Stage]) -> None:
        self.config, self.name, self.network, self.stages = config, name, network, stages
        config.attention.check(self.stages, network.name)
        if config.attention.products == "arrays":
            self._check_arrays()
            self.stages = [s if s.attention is None else with_arrays(s) for s in self.stages]
        weighted = {s.name: s for s in self.stages if s.matrix is not None}
        written = {s.name: s for s in self.stages if s.written is not None}
        matrices = {name: s.matrix for name, s in weighted.items() if s.matrix is not None}
        array, columns = config.array, config.encoding.columns_per_weight
        self.tilings = {n: tile(matrix, array.rows, array.cols, columns) for n, matrix in matrices.items()}
        self.loads = {name: Load(s.steps, len(self.tilings[name].blocks)) for name, s in weighted.items()}
        columns = config.token_encoding.columns_per_weight
        for name, s in written.items():
            assert s.written is not None
            self.tilings[name] = tile(s.written, array.rows, array.cols, columns)
        self.banks = dict.fromkeys(written, config.attention.writing.banks)
        self.homes = homes_of_stages(self.stages)
        chosen = ((name, layer.replication) for name, layer in config.layers.items())
        self.given = {name: copies for name, copies in chosen if copies and name in self.loads}

    def _check_arrays(self) -> None:
        """Raise MappingError for arrays that are not written token by token."""
        products = [stage.name for stage in self.stages if stage.attention is not None]
        kind = self.config.array.kind
        if products and components[kind] is not IsaacArrays:
            raise MappingError(
                f"attention.products=arrays: {self.network.name}.{products[0]} lies in arrays that are "
                f"written token by token, which no {kind} does; set array.kind={IsaacArrays.kind}, or "
                "products=digital"
            )

    @property
    def rule_interval(self) -> int:
        """Windows of the last layer, which the rule gives one copy."""
        return next(reversed(self.loads.values())).steps if self.loads else 0

    def copies(self, interval: int) -> Mapping[str, int]:
        """Return the copies of each layer with which none takes more steps than an interval."""
        return at_interval(self.loads, interval, self.given).copies

    def tiles_of_arrays(self, copies: Mapping[str, int]) -> int:
        """Return the tiles that arrays need, those of each layer in tiles of their own."""
        each = self.config.arrays_per_tile
        return sum(-(-arrays // each) for arrays in self._arrays(copies).values())

    def _arrays(self, copies: Mapping[str, int]) -> dict[str, int]:
        """Return the arrays of each layer: of all copies, or of all banks of what is written."""
        weights = {name: load.cores * copies[name] for name, load in self.loads.items()}
        return weights | {name: len(self.tilings[name].blocks) * n for name, n in self.banks.items()}

    def layout(self, copies: Mapping[str, int], first: int) -> _Layout:
        """Return places, from a tile on, and depths with so many copies of each layer."""
        arrays = dict.fromkeys(self.homes.values(), 1)
        for name, number in self._arrays(copies).items():
            arrays[name] = -(-number // self.config.arrays_per_tile)
        depths = self._depths(copies, self._places(copies, arrays, first))
        held = dict.fromkeys(arrays, 0)
        timing = Timing(self.config, self.stages, self.homes, {})
        for stage in self.stages:
            held[self.homes[stage.name]] += table_elements(stage) * self.config.value_bytes
            for number, operand in enumerate(stage.operands):
                size = timing.stored_bytes(operand)
                held[self.homes[stage.name]] += depths[stage.name, number] * size
        edram = self.config.tile.edram_kib * 1024
        tiles = {home: max(least, -(-held[home] // edram)) for home, least in arrays.items()}
        return _Layout(copies, depths, self._places(copies, tiles, first))

    def _places(self, copies: Mapping[str, int], tiles: Mapping[str, int], first: int) -> dict[str, Place]:
        """Return where each layer lies, one behind the other, from a tile on."""
        places = {}
        for home, count in tiles.items():
            blocks = self.tilings[home].blocks if home in self.tilings else ()
            number = self.banks.get(home) or copies.get(home, 0)
            placed = laid_out(self.config, blocks, number, first) if blocks else ()
            places[home] = Place(range(first, first + count), placed)
            first += count
        return places

    def _depths(self, copies: Mapping[str, int], places: Mapping[str, Place]) -> dict[tuple[str, int], int]:
        """Return the fewest slots of each buffer that keep the pipeline at its pace."""
        timing = Timing(self.config, self.stages, self.homes, places)
        pixels = self.network.input_shape[1] * self.network.input_shape[2]
        interval = max((load.steps_on(copies[name]) for name, load in self.loads.items()), default=1)
        step = self.config.interval
        incoming = step * self.config.digital_cycles // timing.input_cycles(self.network)
        pace = Pace(
            {s.name: -(-timing.latency_cycles(s) // step) for s in self.stages},
            {s.name: copies.get(s.name) or timing.windows_together(s) for s in self.stages},
            max(1, min(incoming, -(-pixels // interval))),
            {s.name: timing.durations(s) for s in self.stages if s.attention is not None},
            timing.writing,
        )
        depths = least_depths(self.stages, self.network.input, pixels, pace)
        for stage in self.stages:
            if stage.written is not None:
                depths[stage.name, 0] = self.banks[stage.name] * stage.operands[0].firing.pixels
        return depths

    def mapped(self, chips: int, layout: _Layout) -> IsaacMap:
        """Return the mapping with a layout."""
        bits = self.config.activation_bits
        rows = tuple(
            map_row(
                s,
                self.tilings.get(s.name),
                layout.copies.get(s.name, 1),
                layout.depths,
                bits,
                {"tile": len(layout.places[s.name].tiles)} if s.name in layout.places else {},
                self.banks.get(s.name, 1),
            )
            for s in self.stages
        )
        return IsaacMap(
            self.network,
            rows,
            tuple(self.stages),
            layout.depths,
            layout.copies,
            self.homes,
            layout.places,
            interval=self._interval(layout),
            tilings=self.tilings,
            chips=chips,
            resources={
                "chip": chips,
                "tile": layout.tiles,
                "IMA": layout.imas,
                "array": sum(row.arrays for row in rows),
            },
            peak_macs=Budgets(self.config).gops / 2 * 1e9 * chips,
            name=self.name,
        )

    def _interval(self, layout: _Layout) -> PredictedInterval:
        """Return how far apart images follow, by arrays, products of attention, writes of keys, and input."""
        timing = Timing(self.config, self.stages, self.homes, layout.places)
        times = [(0, 0)]
        for name, load in self.loads.items():
            steps = load.steps_on(layout.copies[name])
            times.append((steps * self.config.interval, steps))
        times += [(timing.image_cycles(s), s.steps) for s in self.stages if s.attention is not None]
        cycles, steps = max(times)
        _, height, width = self.network.input_shape
        incoming = timing.in_cycles(height * width * timing.input_cycles(self.network))
        bound = bool(self.banks) and self.config.attention.writing.banks == 1
        return PredictedInterval(steps, cycles, incoming, at_least=bound)


@dataclass(frozen=True, eq=False)
class _Layout:
    """Copies of each layer, depths of buffers, and places."""

    copies: Mapping[str, int]
    depths: dict[tuple[str, int], int]
    places: dict[str, Place]

    @property
    def tiles(self) -> int:
        """Tiles in all."""
        return sum(len(place.tiles) for place in self.places.values())

    @property
    def end(self) -> int:
        """The first tile behind."""
        return max(place.tiles.stop for place in self.places.values())

    @property
    def imas(self) -> int:
        """IMAs of which arrays are in use, in all."""
        return len(
            {site.ima for place in self.places.values() for copy in place.copies for site in copy.sites}
        )
