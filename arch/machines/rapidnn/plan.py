"""From a network to RNAs, their copies and the buses in between: what the machine is built by."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace

from arch.machine import MapRow, NetworkMap, PredictedInterval
from arch.machines.rapidnn.configuration import RapidnnConfig
from arch.machines.rapidnn.neuron_times import Phases, expected_phases, table_bits
from arch.machines.rapidnn.staging import composed_form, has_rnas, stages_of_form
from arch.mapping.buffers import Pace, least_depths
from arch.mapping.map_rows import map_row
from arch.mapping.stages import Stage
from simcore import MappingError
from simcore.registry import near_miss
from workloads import LoweredNetwork, MatrixNode, Shape
from workloads.composition.block_graph import Composable


@dataclass(frozen=True)
class Place:
    """Where a stage is done.

    neurons : of one position
    rnas : of one copy, each of which does its share of the neurons one behind the other
    copies : which take positions in turn
    first : of its RNAs, all chips' numbered through
    tiles : that they lie in; codes that are only picked pass the tile of the RNAs that follow
    phases : of one neuron, on average
    reload : cycles in which an RNA's products are exchanged for those of its next neuron
    table_bits : of all tables of a neuron
    """

    neurons: int
    rnas: int
    copies: int
    first: int
    tiles: range
    phases: Phases
    reload: int
    table_bits: int

    @property
    def turns(self) -> int:
        """Neurons that the busiest RNA does for one position."""
        return -(-self.neurons // self.rnas) if self.rnas else 1

    @property
    def step(self) -> Phases:
        """Phases of one position, on average."""
        return Phases(*(self.turns * cycles for cycles in self.each(self.turns)))

    def each(self, turns: int) -> Phases:
        """Return the phases of a neuron on an RNA that does so many; one alone keeps its products."""
        reload = self.reload if turns > 1 else 0
        return self.phases._replace(loading=self.phases.loading + reload)

    @property
    def reloads(self) -> int:
        """Exchanges of products in one position of a copy: of each neuron that shares its RNA."""
        if not self.reload:
            return 0
        alone = sum(1 for rna in range(self.rnas) if rna + self.rnas >= self.neurons)
        return self.neurons - alone


@dataclass(frozen=True, eq=False)
class RapidnnMap(NetworkMap):
    """Stages, where they are done, and how deep their buffers are [pixel].

    An RNA has no rate of its own: 27 inputs take it hardly less time than 784, and any number is taken. So
    `peak_macs` is of this network, as its neurons come, if no RNA of the chips ever rested; the utilisation
    of a run is the share of all their time in which RNAs are at work, as expected without values.

    form : the network as blocks and moves
    sharing : neurons that an RNA does
    """

    form: Composable
    sharing: int
    stages: tuple[Stage, ...]
    depths: Mapping[tuple[str, int], int]
    places: Mapping[str, Place]

    def readers(self, sender: str) -> tuple[str, ...]:
        """Return the stages that read what a stage, or the input, sends."""
        return tuple(s.name for s in self.stages if any(o.source == sender for o in s.operands))


def map_network(config: RapidnnConfig, network: LoweredNetwork) -> RapidnnMap:
    """Give every stage its RNAs, their copies and its buffers.

    raises : MappingError for a network without layers, or one that the chips do not hold; WorkloadError for
        what tables cannot do
    """
    return _Plan(config, network).map()


class _Plan:
    """The search for the most copies that fit."""

    def __init__(self, config: RapidnnConfig, network: LoweredNetwork) -> None:
        self.config, self.network = config, network
        self.form = composed_form(network)
        self.stages = stages_of_form(self.form)
        self.on_rnas = {stage.name: stage for stage in self.stages if has_rnas(stage)}
        for name in config.layers:
            if name not in self.on_rnas:
                raise MappingError(
                    f"layers.{name}: {network.name} has no layer on RNAs of that name; "
                    f"{near_miss(name, list(self.on_rnas))}"
                )
        output = self.form.lowered.output
        self.phases = {
            stage.name: expected_phases(config, stage, encodes=stage.output != output)
            for stage in self.on_rnas.values()
        }
        self.given = {name: layer.replication for name, layer in config.layers.items() if layer.replication}

    def map(self) -> RapidnnMap:
        """Return the mapping with the most copies that the chips hold."""
        chips, sharing = self._chips()
        copies, firsts = self._layout(chips, sharing)
        places = {
            stage.name: self._place(stage, copies.get(stage.name, 1), firsts[stage.name], sharing)
            for stage in self.stages
        }
        depths = self._depths(places)
        taken = [(self._cycles(stage, places[stage.name]), stage) for stage in self.stages]
        cycles, slowest = max(taken, key=lambda pair: pair[0])
        steps = -(-slowest.steps // places[slowest.name].copies)
        cycles = max(cycles, self._fullest_bus(places))
        incoming = self._bus_cycles(self.network.input_shape)
        rows = tuple(self._row(stage, places[stage.name], depths) for stage in self.stages)
        return RapidnnMap(
            self.network,
            rows,
            self.form,
            sharing,
            tuple(self.stages),
            depths,
            places,
            interval=PredictedInterval(steps, cycles, incoming),
            chips=chips,
            peak_macs=self._peak_macs(chips, places),
            resources={"chip": chips, "RNA": sum(row.arrays for row in rows)},
        )

    def _peak_macs(self, chips: int, places: Mapping[str, Place]) -> float | None:
        """Return the multiply-accumulates a second of RNAs that do nothing but this network's neurons.

        There is no such figure for a network without any.
        """
        if not self.network.macs:
            return None
        rnas = chips * self.config.tiles * self.config.rnas
        taken = sum(
            stage.steps * place.neurons * place.phases.cycles
            for stage, place in ((stage, places[name]) for name, stage in self.on_rnas.items())
        )
        return float(self.network.macs * rnas / (taken * self.config.cycle))

    def _row(self, stage: Stage, place: Place, depths: Mapping[tuple[str, int], int]) -> MapRow:
        row = map_row(stage, None, place.copies, depths, (self.config.input_codes - 1).bit_length())
        return replace(row, arrays=place.rnas * place.copies)

    # -- chips, sharing, copies ------------------------------------------------------------------------------

    def _chips(self) -> tuple[int, int]:
        """Return the chips, and how many neurons of a layer share an RNA."""
        config = self.config
        a_chip = config.tiles * config.rnas
        sharing = 1 if config.sharing == "auto" else config.sharing
        if config.chips == "auto":
            return max(1, -(-self._least(sharing) // a_chip)), sharing
        held = config.chips * a_chip
        most = max((stage.shape[0] for stage in self.on_rnas.values()), default=1)
        if config.sharing == "auto":
            tried = range(1, most + 1)
            place = bisect_left(tried, True, key=lambda neurons: self._least(neurons) <= held)
            sharing = tried[min(place, most - 1)]
        least = self._least(sharing)
        if least > held:
            more = " and those that layers gives" if self.given else ""
            each = "one neuron" if sharing == 1 else f"{sharing} neurons"
            raise MappingError(
                f"chips={config.chips} has {held} RNAs, but one copy of each layer of {self.network.name}"
                f"{more} takes {least} with {each} on each; set chips to {-(-least // a_chip)} or auto, or "
                "sharing to auto"
            )
        return config.chips, sharing

    def _least(self, sharing: int) -> int:
        """Return the RNAs of one copy of each layer, and of those copies that are given."""
        return sum(
            -(-stage.shape[0] // sharing) * self.given.get(name, 1) for name, stage in self.on_rnas.items()
        )

    def _layout(self, chips: int, sharing: int) -> tuple[Mapping[str, int], dict[str, int]]:
        """Return copies of each layer, and where its RNAs begin, for the shortest interval the chips allow.

        For an interval no layer takes longer, on the fewest copies, and no tile's bus. No interval is shorter
        than a single step of a layer.
        """
        cycles = {name: self._step(stage, sharing).cycles for name, stage in self.on_rnas.items()}
        buses = [self._bus_cycles(stage.shape) for stage in self.stages]
        shortest = max(*buses, *cycles.values(), self._bus_cycles(self.network.input_shape))
        longest = max(stage.steps * cycles[name] for name, stage in self.on_rnas.items())
        loads = sum(self._heard(stage) for stage in self.stages)
        intervals = range(shortest, max(shortest, longest, loads) + 1)

        def copies(interval: int) -> Mapping[str, int]:
            most = interval if self.config.replication == "positions" else longest
            return {
                # What only clips, at the output, takes no time at all.
                name: self.given.get(name) or -(-stage.steps // max(most // max(cycles[name], 1), 1))
                for name, stage in self.on_rnas.items()
            }

        def fits(copies: Mapping[str, int], limit: int) -> bool:
            return self._floor_plan(copies, limit, sharing)[0] <= chips * self.config.tiles

        place = bisect_left(intervals, True, key=lambda interval: fits(copies(interval), interval))
        chosen = copies(intervals[min(place, len(intervals) - 1)])
        # Buses as idle as they can be, down to none for which two layers meet.
        limits = range(intervals[-1] + 1)
        limit = bisect_left(limits, True, key=lambda limit: fits(chosen, limit))
        return chosen, self._floor_plan(chosen, min(limit, limits[-1]), sharing)[1]

    def _floor_plan(self, copies: Mapping[str, int], limit: int, sharing: int) -> tuple[int, dict[str, int]]:
        """Return the tiles that stages take one behind the other, and the first RNA of each.

        A stage begins in a tile of its own if those before it leave the bus too little of `limit` cycles.
        """
        each = self.config.rnas
        firsts: dict[str, int] = {}
        first = load = 0
        for stage in self.stages:
            heard, rnas = self._heard(stage), 0
            if stage.name in self.on_rnas:
                rnas = -(-stage.shape[0] // sharing) * copies[stage.name]
            if load and load + heard > limit:
                first, load = (first // each + 1) * each, 0
            firsts[stage.name] = first
            tile, first = first // each, first + rnas
            load = load + heard if first // each == tile else heard * (first % each > 0)
        return first // each + (load > 0), firsts

    def _fullest_bus(self, places: Mapping[str, Place]) -> int:
        """Return the cycles of an image in which codes pass the bus of the tile that hears most of them."""
        heard: dict[int, dict[str, int]] = {}
        for stage in self.stages:
            for operand in stage.operands:
                for tile in places[stage.name].tiles:
                    heard.setdefault(tile, {})[operand.source] = self._bus_cycles(operand.shape)
        return max(sum(tensors.values()) for tensors in heard.values())

    def _heard(self, stage: Stage) -> int:
        """Return the cycles in which what a stage reads of an image passes a bus."""
        return sum(self._bus_cycles(operand.shape) for operand in stage.operands)

    def _step(self, stage: Stage, sharing: int) -> Phases:
        """Return the phases of one position."""
        return self._place(stage, 1, 0, sharing).step

    def _bus_cycles(self, shape: Shape) -> int:
        """Return the cycles in which a tensor passes a bus."""
        return self.config.send_cycles(shape[0]) * shape[1] * shape[2]

    def _cycles(self, stage: Stage, place: Place) -> int:
        """Return the cycles of an image in a stage, or on the bus behind it if that is slower."""
        steps = -(-stage.steps // place.copies)
        return max(steps * place.step.cycles, self._bus_cycles(stage.shape))

    # -- places and buffers ----------------------------------------------------------------------------------

    def _place(self, stage: Stage, copies: int, first: int, sharing: int) -> Place:
        if stage.name not in self.on_rnas:
            tile = first // self.config.rnas
            return Place(0, 0, 1, first, range(tile, tile + 1), Phases(encoding=1), 0, 0)
        neurons = stage.shape[0]
        rnas = -(-neurons // sharing)
        last = first + rnas * copies - 1
        tiles = range(first // self.config.rnas, last // self.config.rnas + 1)
        encodes = stage.output != self.form.lowered.output
        return Place(
            neurons,
            rnas,
            copies,
            first,
            tiles,
            self.phases[stage.name],
            self._reload(stage, sharing),
            table_bits(self.config, stage, encodes=encodes),
        )

    def _reload(self, stage: Stage, sharing: int) -> int:
        """Return the cycles in which an RNA's products are exchanged, a row for each code of weights.

        Neurons of a fully connected layer have one codebook, and so the same products.
        """
        head = stage.head
        own = isinstance(head, MatrixNode) and not self.form.blocks[stage.output].is_fully_connected
        return self.config.weight_codes if own and sharing > 1 and stage.shape[0] > 1 else 0

    def _depths(self, places: Mapping[str, Place]) -> dict[tuple[str, int], int]:
        """Return the fewest slots of each buffer that keep the pipeline at its pace.

        A step of the pace is the longest position; faster stages take several of theirs in it.
        """
        cycles = {name: max(place.step.cycles, 1) for name, place in places.items()}
        unit = max(cycles.values())
        channels, height, width = self.network.input_shape
        pixels = height * width
        interval = max(self._cycles(stage, places[stage.name]) for stage in self.stages)
        # As fast as the bus brings them, but no faster than they are taken.
        incoming = min(unit // self.config.send_cycles(channels), -(-pixels * unit // interval))
        pace = Pace(
            {s.name: 1 + -(-self.config.send_cycles(s.shape[0]) // unit) for s in self.stages},
            {
                s.name: places[s.name].copies * max(1, min(unit // cycles[s.name], s.steps))
                for s in self.stages
            },
            max(1, min(incoming, pixels)),
        )
        return least_depths(self.stages, self.network.input, pixels, pace)
