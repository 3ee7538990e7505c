"""The chip: lanes of crossbars, what they share, and the meters of what they do, wired as the plan says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from arch.digital_unit import last_passes
from arch.machine import Values
from arch.machines.basisn.configuration import BasisNConfig
from arch.machines.basisn.control import OutputUnit, OutputWork, Sequencer
from arch.machines.basisn.costs import Cost, area_of, image_costs, map_byte, pass_costs
from arch.machines.basisn.lane import Lane, LaneWork
from arch.machines.basisn.passes import LayerPasses
from arch.machines.basisn.plan import BasisNMap
from arch.machines.basisn.schedule import lanes_of_passes, passes_of_lanes
from arch.mapping.buffered_maps import cycles_at, input_bytes, passes_cycles, passes_of_step
from arch.mapping.stages import Stage
from arch.meter import Meter, meter_of
from simcore import Component, PartConfig

if TYPE_CHECKING:  # its kernels load when values are computed
    from arch.machines.basisn.values import BasisValues


class BasisNChip(Component):
    """All crossbars, and the buffer of maps that they read from and write to."""

    def lay_out(
        self, config: BasisNConfig, placed: BasisNMap, passes: Mapping[str, LayerPasses], images: int
    ) -> None:
        """Build and wire all parts.

        passes : of each layer with weights
        """
        self.settings, self.placed, self.passes, self.images = config, placed, passes, images
        lanes = {name: self._lanes(each) for name, each in passes.items()}
        own = {name: passes_of_lanes(of_passes, config.lanes) for name, of_passes in lanes.items()}
        self.sequencer = self.add(Sequencer, "sequencer", PartConfig())
        self.sequencer.stages, self.sequencer.images = len(placed.stages), images
        self.lanes = [self._lane(number, own) for number in range(config.lanes)]
        self.outputs = self.add(OutputUnit, "outputs", PartConfig())
        self.outputs.images = images
        works = [self._output_work(stage, lanes.get(stage.name, ())) for stage in placed.stages]
        self.outputs.lay_out(works, config.lanes)
        self._connect()
        self._add_meters()

    def _lanes(self, passes: LayerPasses) -> list[int]:
        """Return the lane of each pass of a layer."""
        cycles = passes.cycles[passes.active].tolist()
        return lanes_of_passes(cycles, passes.layer.counts.pixels, self.settings.lanes)

    def _lane(self, number: int, own: Mapping[str, Sequence[list[int]]]) -> Lane:
        """Build a lane with its passes of all layers."""
        config = self.settings
        lane = self.add(Lane, f"lane[{number}]", PartConfig())
        works = [
            self._lane_work(own[stage.name][number], self.passes[stage.name])
            if stage.name in own
            else LaneWork()
            for stage in self.placed.stages
        ]
        lane.lay_out(
            config.array,
            works,
            fetches=config.buffer.port_bits is not None,
            slots=config.detail == "slot",
            sends=config.digital.port_sums is not None,
        )
        for part in lane.children:
            part.images = self.images  # type: ignore[attr-defined]
        return lane

    def _lane_work(self, own: list[int], passes: LayerPasses) -> LaneWork:
        """Return what passes of one layer make of a lane."""
        config, active = self.settings, passes.active.tolist()
        kernels = passes.layer.counts.kernels
        fetched = passes.input_bits[passes.active].tolist()
        bits = [passes.bits_of_slots(number) for number in active] if config.detail == "slot" else []
        port = config.coefficients.port_bits
        return LaneWork(
            own,
            max(len(active), 1),
            passes.cycles[passes.active].tolist(),
            [cycles_at(each, config.buffer.port_bits) for each in fetched],
            cycles_at(kernels, config.digital.sums_per_cycle),
            cycles_at(kernels, config.digital.port_sums),
            passes.slot_cycles,
            [[cycles_at(each, port) for each in of_slice] for of_slice in bits],
        )

    def _output_work(self, stage: Stage, lanes: Sequence[int]) -> OutputWork:
        """Return what the unit of outputs does of a stage."""
        rate = self.settings.digital.channels_per_cycle
        return OutputWork(
            stage.steps,
            lanes,
            passes_cycles(passes_of_step(stage), rate),
            passes_cycles(last_passes(stage), rate),
            stage.steps_per_pixel,
        )

    def _connect(self) -> None:
        """Let stages begin everywhere, and let lanes share what they share."""
        config = self.settings
        self.connect(self.sequencer.layer_out, self.outputs.layer_in)
        self.connect(self.outputs.done_out, self.sequencer.done_in)
        for lane, port in zip(self.lanes, self.outputs.sums_in, strict=True):
            self.connect(self.sequencer.layer_out, lane.layer_in)
            most = max(len(work.passes) for work in lane.works)
            self.connect(lane.sums_out, port, depth=max(most, 1))  # sums lie in the buffer of maps
        if config.buffer.port_bits is not None:
            ports = [lane.fetch.take_turns("port", "the port of the buffer of maps") for lane in self.lanes]
            self.share(ports, "inputs")
        if config.digital.port_sums is not None:
            ports = [lane.sender.take_turns("port", "the way to the unit of outputs") for lane in self.lanes]
            self.share(ports, "sums")
        if config.coefficients.port == "shared":
            ports = [lane.coefficients.take_turns("port", "the coefficient memory") for lane in self.lanes]
            self.share(ports, "coefficients")

    def _add_meters(self) -> None:
        """Add what costs energy or area and takes no time of its own."""
        for place, stage in enumerate(self.placed.stages):
            if stage.name in self.passes:
                for cost, of_slices in pass_costs(self.settings, self.passes[stage.name]):
                    self._meter(stage, cost, partial(self._in_passes, stage.name, of_slices))
            for cost, of_image in image_costs(self.settings, stage):
                self._meter(stage, cost, partial(self._in_images, place, of_image))
        bits = self.settings.activation_bits
        of_image = input_bytes(self.placed.network, bits)
        self._meter(None, map_byte(self.settings), lambda: len(self.sequencer.begun) * of_image)
        for name, mm2 in area_of(self.settings, self.placed, self.passes).items():
            meter: Meter = self.add(meter_of(name), f"chip.{name}", PartConfig())
            meter.mm2 = mm2

    def _meter(self, stage: Stage | None, cost: Cost, counted: Callable[[], int]) -> None:
        layer = None if stage is None else stage.name
        name = f"{'input' if layer is None else f'layer[{layer}]'}.{cost.action.replace(' ', '-')}"
        meter: Meter = self.add(meter_of(cost.family), name, PartConfig(), layer=layer)
        meter.counted = counted
        meter.charge(cost.action, cost.pj)

    def _in_passes(self, name: str, of_slices: NDArray[np.int64]) -> int:
        return int(self.done(name) @ of_slices)

    def _in_images(self, place: int, of_image: int) -> int:
        return self.outputs.steps[place] // self.placed.stages[place].steps * of_image

    # -- what it did -----------------------------------------------------------------------------------------

    def done(self, name: str) -> NDArray[np.int64]:
        """Return the passes that all lanes did of a layer, by slice: (slices,)."""
        place = [stage.name for stage in self.placed.stages].index(name)
        passes = self.passes[name]
        counts = np.zeros(passes.layer.counts.slices, np.int64)
        if len(passes.active):
            counts[passes.active] = np.sum([lane.crossbar.done[place] for lane in self.lanes], axis=0)
        return counts

    def slots_converted(self) -> int:
        """Return the slots that converters took, where each is an event."""
        return sum(lane.converters.convert.count for lane in self.lanes)

    def macs(self) -> int:
        """Return the multiply-accumulates of the network that passes stand for: elements times kernels each.

        A slice that is passed over, as all its weights are zero, counts with each finished window.
        """
        macs = 0
        for stage, steps in zip(self.placed.stages, self.outputs.steps, strict=True):
            if (passes := self.passes.get(stage.name)) is not None:
                done = np.where(passes.slots > 0, self.done(stage.name), steps)
                macs += int(done @ passes.rows) * passes.layer.counts.kernels
        return macs

    def attach(self, values: Values) -> BasisValues:
        """Give lanes and the unit of outputs their values, and return them."""
        from arch.machines.basisn.values import BasisValues

        computed = BasisValues(self.settings, self.placed, values)
        pairs = [computed.stage(stage, self.passes.get(stage.name)) for stage in self.placed.stages]
        self.outputs.finish = [finish for _, finish in pairs]
        for number, lane in enumerate(self.lanes):
            lane.accumulators.compute = [None if add is None else partial(add, number) for add, _ in pairs]
        return computed
