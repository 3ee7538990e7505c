"""The chip: crossbars that are written and computed on in turn, a sequencer, a buffer, and a digital unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from arch.arrays.array_parts import ArrayParts
from arch.cell_writing import Writes, pulse_energy
from arch.machine import Values
from arch.machines.reprogrammed.arrays import Job, RewritableArrays, Stay
from arch.machines.reprogrammed.configuration import ReprogrammedConfig
from arch.machines.reprogrammed.parts import Finisher, Sequencer
from arch.machines.reprogrammed.plan import ReprogrammedMap
from arch.machines.reprogrammed.schedule import Turn, Visit
from arch.machines.reprogrammed.writing import WriteLedger, expected_write_cycles
from arch.mapping.buffered_maps import input_bytes
from arch.mapping.tiling import Block
from arch.meter import Meter, meter_of
from arch.parts import chosen
from arch.resistive_parts import area_by_part
from simcore import Component, PartConfig

if TYPE_CHECKING:  # its kernels load when values are computed
    from arch.machines.reprogrammed.values import RunSets


class Programming(Component):
    """What writing the cells of a layer's tiles costs.

    ledger : what was written, of all layers
    """

    family = "programming"

    settings: ReprogrammedConfig
    ledger: WriteLedger

    @property
    def written(self) -> Writes:
        """What was written so far."""
        return self.ledger.by_layer.get(str(self.layer), Writes())

    def actions(self) -> dict[str, int]:
        """Return pulses, reads that verify them, and cells; fractions of pulses are rounded in all."""
        written, pulses = self.written, round(self.written.pulses)
        counts = {"pulse": pulses, "verify": pulses, "cell write": written.cells}
        return {**counts, "failed cell": written.failed}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a pulse, and of the read behind it [J]."""
        return pulse_energy(self.settings.write, self.settings.array.cell_energy_fj)


class ReprogrammedChip(Component):
    """All parts.

    With `detail: group` the crossbars that are written together are one process; with `array` each is one.

    arrays : the crossbars' processes
    jobs : of each of them, by visit
    ledger : what was written
    write_cycles : of each turn
    computed : the values of a run; None without
    """

    computed: RunSets | None = None

    def lay_out(self, config: ReprogrammedConfig, placed: ReprogrammedMap, images: int, seed: int) -> None:
        """Build and wire all parts.

        seed : of pulses that are drawn
        """
        self.settings, self.placed, self.images = config, placed, images
        self.ledger = WriteLedger(config, seed)
        self.write_cycles: dict[int, int] = {}
        processes = placed.schedule.processes
        self.sequencer = self.add(Sequencer, "sequencer", PartConfig())
        self.finisher = self.add(Finisher, "digital", PartConfig())
        self.sequencer.lay_out(processes, input_bytes(placed.network, config.activation_bits))
        self.finisher.lay_out(processes, placed.stages[-1].name)
        self.jobs: list[dict[Visit, Job]] = [{} for _ in range(processes)]
        self.arrays = [self._arrays(unit) for unit in range(processes)]
        for part in (self.sequencer, self.finisher):
            part.follow(placed.schedule, images)
        self.connect(self.sequencer.visit_out, self.finisher.visit_in)
        self.connect(self.finisher.done_out, self.sequencer.done_in)
        self._add_meters()

    def _arrays(self, unit: int) -> RewritableArrays:
        """Add one of the crossbars' processes, and connect it."""
        config, sequencer, finisher = self.settings, self.sequencer, self.finisher
        name = "crossbars" if self.placed.schedule.processes == 1 else f"crossbars[{unit}]"
        arrays = self.add(chosen(config.array, RewritableArrays), name, config.array)
        arrays.product_cycles, arrays.stays = config.product_cycles, self._stays(unit)
        arrays.write_cycles = expected_write_cycles(config) if config.write.spread == "fixed" else None
        self.connect(sequencer.write_out[unit], arrays.write_in)
        self.connect(arrays.written_out, sequencer.written_in[unit])
        self.connect(sequencer.window_out[unit], arrays.window_in)
        self.connect(arrays.sums_out, finisher.sums_in[unit])
        return arrays

    def _stays(self, unit: int) -> Iterator[Stay]:
        """Yield what one of the crossbars' processes does in each turn that it takes part in."""
        schedule = self.placed.schedule
        for turn in schedule.turns(self.images):
            visits = [v for v in schedule.sets[turn.index] if unit in schedule.units(turn, v)]
            jobs = [self._job(unit, turn, visit) for visit in visits]
            if jobs:
                yield Stay(jobs, len(turn.images), partial(self._write, jobs, turn) if turn.writes else None)

    def _job(self, unit: int, turn: Turn, visit: Visit) -> Job:
        """Return what one of the crossbars' processes does in a visit."""
        if visit not in self.jobs[unit]:
            place = unit - self.placed.schedule.units(turn, visit).start
            blocks = visit.blocks if self.settings.detail == "group" else (visit.blocks[place],)
            assert visit.layer is not None
            job = self.jobs[unit][visit] = Job(visit.layer.name, blocks, visit.windows)
            if self.computed is not None and not place:
                job.multiply = self.computed.multiplier(visit)
        return self.jobs[unit][visit]

    def _write(self, jobs: Sequence[Job], turn: Turn) -> int:
        """Write the tiles of some jobs; return the cycles of the slowest crossbar."""
        cycles = max(self.ledger.write(job.layer, job.blocks, turn.time) for job in jobs)
        self.write_cycles[turn.number] = max(self.write_cycles.get(turn.number, 0), cycles)
        return cycles

    # -- cost ------------------------------------------------------------------------------------------------

    def _add_meters(self) -> None:
        """Add what costs energy or area and takes no time of its own; by layer, as crossbars work for all."""
        config, finisher = self.settings, self.finisher
        array, adc, digital, placed = config.array, config.adc, config.digital, self.placed
        for layer in placed.layers:
            meters = [
                ("crossbar", "cell read", array.cell_energy_fj / 1e3, self._cell_reads),
                ("dac", "row drive", array.row_energy_fj / 1e3, self._row_drives),
                ("adc", "conversion", adc.conversion_pj, self._conversions),
                ("shift-add", "shift-add", digital.shift_add_energy_pj, self._conversions),
            ]
            for family, action, pj, counted in meters:
                self._meter(family, layer.name, action, pj, partial(counted, layer.name))
            programming = self.add(Programming, f"programming[{layer.name}]", PartConfig(), layer=layer.name)
            programming.settings, programming.ledger = config, self.ledger
        for stage in placed.stages:
            passes = partial(finisher.passes_of, stage.name)
            self._meter("digital", stage.name, "channel pass", digital.channel_energy_pj, passes)
        buffer = config.buffer
        bit = buffer.byte_energy_pj / 8
        self._meter("buffer", None, "bit read", bit, lambda: self.sequencer.window_bits)
        self._meter("buffer", None, "byte", buffer.byte_energy_pj, self._buffer_bytes)
        area = area_by_part(config.crossbars, array, adc, digital, buffer, placed.buffer_bytes)
        for family, mm2 in area.items():
            self._meter(family, None).mm2 = mm2

    def _meter(
        self,
        family: str,
        layer: str | None,
        action: str = "",
        pj: float = 0.0,
        counted: Callable[[], int] = lambda: 0,
    ) -> Meter:
        """Add a meter, of a layer or of all."""
        name = f"{action or family}[{layer}]" if layer else f"chip.{action.replace(' ', '-') or family}"
        meter: Meter = self.add(meter_of(family), name, PartConfig(), layer=layer)
        meter.charge(action, pj)
        meter.counted = counted
        return meter

    def _of_windows(self, layer: str, each: Callable[[Block], int]) -> int:
        """Return what the windows of a layer made so far, of which each made so much on a tile."""
        jobs = (job for jobs in self.jobs for job in jobs.values() if job.layer == layer)
        return sum(job.done * sum(map(each, job.blocks)) for job in jobs)

    @property
    def _reads(self) -> int:
        """Reads of a product in which a row is on."""
        return len(self.settings.streaming.phases)

    def _cell_reads(self, layer: str) -> int:
        units = self.settings.encoding.unit_bitlines
        return self._reads * self._of_windows(layer, lambda b: b.rows * (b.bitlines + units))

    def _row_drives(self, layer: str) -> int:
        return self._reads * self._of_windows(layer, lambda b: b.rows)

    def _conversions(self, layer: str) -> int:
        units, turns = self.settings.encoding.unit_bitlines, self.settings.array.turns
        return self._reads * self._of_windows(layer, lambda b: (b.bitlines + units) * turns(b.rows))

    def _buffer_bytes(self) -> int:
        """Return the bytes written and read but for windows: inputs, maps, and sums that wait."""
        return self.sequencer.input_bytes + self.finisher.sum_bytes + self.finisher.map_bytes

    def macs(self) -> int:
        """Return the multiply-accumulates that all crossbars did."""
        return sum(self._of_windows(layer.name, lambda b: b.cells) for layer in self.placed.layers)

    # -- values ----------------------------------------------------------------------------------------------

    def attach(self, values: Values) -> RunSets:
        """Give every part its values, and return them."""
        from arch.machines.reprogrammed.values import RunSets

        config = self.settings
        parts = ArrayParts(config.encoding, config.array, config.adc, values.seed)
        self.computed = computed = RunSets(self.placed, values, parts)
        self.sequencer.capture, self.sequencer.wrote = computed.capture, computed.write
        self.finisher.finish, self.finisher.do_stage = computed.finisher, computed.do_stage
        return computed
