"""A layer on RNAs: the memory of what it reads, copies of its RNAs, and the buffer of what it sends."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from arch.activation_memory import ActivationMemory, ActivationMemoryConfig, Buffer
from arch.cam import CAMConfig
from arch.machines.rapidnn.configuration import RapidnnConfig
from arch.machines.rapidnn.plan import Place
from arch.machines.rapidnn.rnas import Broadcast, CodePicker, Controller, Rnas, Work
from arch.mapping.stages import Stage
from arch.meter import Meter, meter_of
from simcore import Component, PartConfig
from workloads import MatrixNode, MaxPoolNode

#: Blocks of memory for codes, from which positions are read in no time of their own.
_LINE_BUFFERS = ActivationMemoryConfig(
    window="whole-window", column_cycles=0, byte_energy_pj=0.0, area_mm2_per_kib=0.0
)


class Layer(Component):
    """One stage: the memory of its codes, copies of its RNAs, and the buffer that sends its own codes on.

    parts : RNAs of each copy, in one process or in one for each; a picker where there are none
    windows, pixels : that may be under way from the memory to the RNAs, and from these to their readers
    """

    def lay_out(
        self, config: RapidnnConfig, stage: Stage, place: Place, buffers: list[Buffer], images: int
    ) -> None:
        """Build the parts."""
        self.settings, self.stage, self.place = config, stage, place
        self.memory = self.add(ActivationMemory, "memory", _LINE_BUFFERS)
        self.memory.lay_out(stage, buffers, images)
        self.memory.read.set_by = ()  # in no time
        self.parts: list[list[Any]] = []
        starts: list[Any] = []
        for copy in range(place.copies):
            parts, start = self._copy(f"copy[{copy}].")
            self.parts.append(parts)
            starts.append(start)
        self.broadcast = self.add(Broadcast, "broadcast", PartConfig())
        self.broadcast.codes = stage.shape[0]
        self.broadcast.cycles = config.send_cycles(stage.shape[0])
        depth = max(1, config.broadcast.depth // stage.shape[0] // place.copies)
        if place.copies == 1:
            self.connect(self.memory.window_out, starts[0])
        else:
            self.deal(self.memory.window_out, [[start] for start in starts])
        self.collect(
            [[part.code_out for part in parts] for parts in self.parts], self.broadcast.pixel_in, depth=depth
        )
        self.windows = 4 + 3 * place.copies
        self.pixels = 4 + (depth + 3) * place.copies

    def _copy(self, prefix: str) -> tuple[list[Any], Any]:
        """Add a copy; return its parts, and the port that positions enter by."""
        config, place = self.settings, self.place
        if not place.rnas:
            picker = self.add(CodePicker, f"{prefix}picker", PartConfig())
            return [picker], picker.window_in
        if config.detail == "group":
            rnas = self._add_rnas(f"{prefix}rnas", place.neurons)
            return [rnas], rnas.window_in
        parts = []
        for number in range(place.rnas):
            neurons = len(range(number, place.neurons, place.rnas))
            parts.append(self._add_rnas(f"{prefix}rna[{number}]", neurons))
        controller = self.add(Controller, f"{prefix}controller", PartConfig())
        for part in parts:
            self.connect(controller.start_out, part.window_in)
        self.gather([part.tell_done() for part in parts], controller.done_in)
        return parts, controller.window_in

    def _add_rnas(self, name: str, neurons: int) -> Rnas:
        rnas = self.add(Rnas, name, PartConfig())
        turns = neurons if self.settings.detail == "array" else self.place.turns
        each = rnas.each = self.place.each(turns)
        rnas.neurons = neurons
        rnas.alike = self.settings.detail == "array" or not neurons % self.place.rnas
        rnas.average = Work(
            turns,
            turns * each.loading,
            turns * each.counting,
            turns * each.adding,
            neurons * each.counting,
            neurons * each.adding,
        )
        return rnas

    # -- what it did -----------------------------------------------------------------------------------------

    @property
    def rnas(self) -> list[Rnas]:
        """All processes of RNAs."""
        return [part for parts in self.parts for part in parts if isinstance(part, Rnas)]

    @property
    def neurons(self) -> int:
        """Neurons that were computed so far."""
        return sum(part.positions * part.neurons for part in self.rnas)

    def macs(self) -> int:
        """Return the multiply-accumulates that counting and adding stood for."""
        head = self.stage.head
        return self.neurons * head.rows if isinstance(head, MatrixNode) else 0

    def add_meters(self) -> None:
        """Add the blocks that RNAs are made of, which count with them."""
        config, rna, phases = self.settings, self.settings.rna, self.place.phases
        in_use = self.place.rnas * self.place.copies
        if not in_use:
            return
        self._meter("crossbar", "crossbar", "adding cycle", rna.crossbar_pj, self._adding)
        counters = self._meter("counter", "counter", "counting cycle", rna.counter_pj, self._counting)
        counters.watts = in_use * rna.counter_idle_uw * 1e-6
        compared = config.code_bits if isinstance(self.stage.head, MaxPoolNode) else config.width
        self._add_memory("activation-memory", config.activation, config.width * bool(phases.activating))
        self._add_memory("encoding-memory", config.encoding, compared * bool(phases.encoding))
        if isinstance(self.stage.head, MaxPoolNode):
            cells = self.stage.head.window.positions * config.code_bits
            written = partial(self._of_neurons, cells)
            self._meter("pool", "cam", "cell write", rna.encoding.cell_write_fj / 1e3, written)
        if self.place.reload:
            cells = config.weight_codes * config.input_codes * config.width
            written = partial(self._reloaded, cells)
            self._meter("reload", "crossbar", "cell write", config.cell_write_fj / 1e3, written)

    def _add_memory(self, name: str, memory: CAMConfig, compared: int) -> None:
        """Add associative memories, which compare so many bits of all rows for a neuron, 0 if none."""
        cells = partial(self._of_neurons, memory.rows * compared)
        meter = self._meter(name, "cam", "cell search", memory.cell_search_fj / 1e3, cells)
        meter.watts = self.place.rnas * self.place.copies * memory.idle_power_uw * 1e-6

    def _adding(self) -> int:
        return sum(rnas.added.count for rnas in self.rnas)

    def _counting(self) -> int:
        return sum(rnas.counted.count for rnas in self.rnas)

    def _reloaded(self, each: int) -> int:
        positions = self.neurons // self.place.neurons
        return positions * self.place.reloads * each

    def _of_neurons(self, each: int) -> int:
        return self.neurons * each

    def _meter(self, name: str, family: str, action: str, pj: float, counted: Callable[[], int]) -> Meter:
        meter: Meter = self.add(meter_of(family), name, PartConfig())
        meter.counted = counted
        meter.charge(action, pj)
        return meter
