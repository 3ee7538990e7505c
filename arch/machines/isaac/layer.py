"""A layer on its tiles: line buffers in eDRAM, copies of its arrays, and the units that finish its pixels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from math import ceil

from arch.activation_memory import ActivationMemory, ActivationMemoryConfig, Buffer
from arch.attention_unit import AttentionUnit
from arch.digital_unit import DigitalUnit
from arch.machines.isaac.arrays import ArrayConverter, IsaacADC, IsaacArrays, IsaacWrittenArrays
from arch.machines.isaac.budgets import Budgets
from arch.machines.isaac.configuration import IsaacConfig
from arch.machines.isaac.floor_plan import Copy, Site
from arch.machines.isaac.mesh import Mesh
from arch.machines.isaac.plan import IsaacMap
from arch.machines.isaac.tile_parts import InputFetch, KeyFetch, PixelSend, ResultWrite, ShiftAdd
from arch.machines.isaac.timing import SUM_BYTES, TileReads, Timing
from arch.mapping.constant_rows import row_elements
from arch.mapping.stages import Stage
from arch.mapping.tiling import Block, Tiling
from arch.meter import Meter, meter_of
from arch.parts import chosen
from arch.written_arrays import TokenWriter, connect_written
from simcore import Component, PartConfig

#: Windows are picked in no time: reading them is what `InputFetch` does.
_LINE_BUFFERS = ActivationMemoryConfig(
    window="whole-window", column_cycles=0, byte_energy_pj=0.0, area_mm2_per_kib=0.0
)

#: Clock domains. Windows are chosen and results counted where a cycle of arrays begins, the reference clock.
#: All processes in between count digital cycles, a whole number of which are one.
ARRAYS, DIGITAL = "array", "digital"


class Layer(Component):
    """One stage of the pipeline.

    An operation of a copy: its inputs are read from eDRAM in each of its tiles and copied to the IMAs, which
    drive them bit by bit; converters follow a cycle behind; shift-and-adds end it, the sigmoid units finish
    the pixel, and it is written to the eDRAM of those who read it. A stage without weights does the same with
    units of its tiles only. A product of attention reads a token and the keys that it sees from eDRAM in each
    of its tiles, and attention units take the place of arrays.

    fetches : of each copy, by tile
    key_fetches : of the attention units, by tile
    attention : the attention units of all tiles, None where it is no product of attention
    arrays : of each copy
    converters : of each copy, where each array is a process; otherwise they are in that of their arrays
    writes : into its buffers, for each operand one a tile
    written : what writes keys or values to arrays, and these, of all banks; None where there are none
    send : where its pixels set out, None if no layer reads them
    registers : windows that may be between memory and the end of the digital unit
    """

    send: PixelSend | None = None

    def lay_out(
        self, config: IsaacConfig, placed: IsaacMap, timing: Timing, stage: Stage, images: int
    ) -> None:
        """Build the parts."""
        self.settings, self.timing, self.stage = config, timing, stage
        buffers = [
            Buffer(o.source, placed.depths[stage.name, place], timing.stored_bytes(o))
            for place, o in enumerate(stage.operands)
        ]
        self.memory = self.add(ActivationMemory, "memory", _LINE_BUFFERS)
        self.memory.lay_out(stage, buffers, images, config.stored_bits)
        self.memory.read.set_by = ()  # in no time
        self.writes = [self._add_writes(place) for place in range(len(buffers))]
        self.attention: AttentionUnit | None = None
        self.written: tuple[TokenWriter, IsaacWrittenArrays] | None = None
        self.banks = timing.written_banks(stage)
        self.digital = self.add(DigitalUnit, "digital", timing.digital(stage), clock=DIGITAL)
        self.digital.lay_out(stage, None, 1)
        self.digital.sharing = timing.units(stage).number
        self.digital.work.set_by = (*timing.units(stage).set_by, "digital_ghz")
        self.copies = placed.copies(stage.name)
        self.fetches: list[dict[int, InputFetch]] = []
        self.key_fetches: dict[int, KeyFetch] = {}
        self.arrays: list[list[IsaacArrays | IsaacWrittenArrays]] = []
        self.converters: list[list[ArrayConverter]] = []
        self.adders: list[ShiftAdd] = []
        if self.copies or self.banks:
            if self.copies:
                self._add_copies()
            else:
                self._add_banks(placed.tilings[stage.name])
            # Held on the way to a fetch, there, in input register, arrays and adder, and on the ways behind.
            self.registers = (8 + self._converted_together + self._sum_cycles) * max(len(self.copies), 1)
        else:
            # In a cycle, and one under way.
            ready = 1 + config.digital_cycles // min(self.digital.pixel_cycles)
            self.registers = ready + 2
            if stage.attention is not None:
                self._add_attention(ready)
            else:
                self.connect(self.memory.window_out, self.digital.sums_in, depth=ready)
        self.registers += 4  # pixels in the digital unit, and where they leave it

    @property
    def all_fetches(self) -> list[Mapping[int, InputFetch | KeyFetch]]:
        """All that reads inputs from eDRAM, by tile."""
        return [*self.fetches, self.key_fetches] if self.key_fetches else [*self.fetches]

    @property
    def _converted_together(self) -> int:
        """Operations of a copy under way in converters and to them: they lag, and the next one begins."""
        return 1 + ceil(self.settings.ima.adc_cycles / self.settings.interval)

    @property
    def _sum_cycles(self) -> int:
        """Cycles in which partial sums go on from tile to tile."""
        return self.timing.sum_cycles(self.copies or self.banks)

    def add_send(self) -> PixelSend:
        """Add the place where pixels set out for other layers."""
        self.send = self.add(PixelSend, "send", PartConfig(), clock=DIGITAL)
        self.connect(self.digital.pixel_out, self.send.pixel_in)
        self.registers += 2
        return self.send

    def send_sums(self, mesh: Mesh) -> None:
        """Let partial sums go from tile to tile over a mesh."""
        hops = self._sum_cycles * self.settings.digital_cycles
        for copy, adder in zip(self.copies or self.banks[:1], self.adders, strict=True):
            if copy.hops:
                sums = [
                    [mesh.choice(*hop, 0, columns * SUM_BYTES) for hop, columns in level.items()]
                    for level in copy.hops
                ]
                adder.send_by(mesh, sums, hops)

    def _add_attention(self, ready: int) -> None:
        """Add the units that multiply tokens with what they see, and what reads it in each tile.

        ready : tokens that may wait for them
        """
        timing = self.timing
        config = timing.multipliers(self.stage)
        self.attention = self.add(chosen(config, AttentionUnit), "attention", config, clock=DIGITAL)
        self.attention.lay_out(self.stage, self.settings.activation_bits)
        self.attention.product.set_by = ("attention.unit.pass_cycles", "attention.unit.macs", "digital_ghz")
        for place, tile in enumerate(timing.tiles(self.stage.name)):
            fetch = self.add(KeyFetch, f"fetch[{tile}]", PartConfig(), clock=DIGITAL)
            fetch.reads = TileReads.of(self.stage, timing, place)
            fetch.cycles = self.settings.edram_cycles
            self.connect(self.memory.window_out, fetch.window_in, depth=ready)
            self.key_fetches[tile] = fetch
        self.gather([fetch.window_out for fetch in self.key_fetches.values()], self.attention.window_in)
        self.connect(self.attention.sums_out, self.digital.sums_in)
        self.registers += 4  # in a fetch and the unit, and behind both

    def _add_writes(self, place: int) -> list[ResultWrite]:
        operand = self.stage.operands[place]
        writes = []
        for tile in self.timing.tiles(self.stage.name):
            write = self.add(ResultWrite, f"write[{place}].tile[{tile}]", PartConfig(), clock=DIGITAL)
            write.cycles = self.timing.write_cycles(operand)
            write.size = self.timing.arriving_bytes(operand)
            writes.append(write)
        return writes

    def _add_copies(self) -> None:
        """Add the copies, which take windows in turn, and whose sums are collected in the same order."""
        for number, copy in enumerate(self.copies):
            self._add_copy(f"copy[{number}]", copy)
        memory, ima, cycle = self.memory, self.settings.ima, self.settings.digital_cycles
        readers = [[fetch.window_in for fetch in fetches.values()] for fetches in self.fetches]
        if len(readers) == 1:
            for reader in readers[0]:
                self.connect(memory.window_out, reader)
        else:
            self.deal(memory.window_out, readers)
        way = {"depth": 1 + self._sum_cycles, "latency": self._sum_cycles * cycle}
        for arrays, converters, adder in zip(self.arrays, self.converters, self.adders, strict=True):
            adder.cycles = ima.shift_add_cycles * cycle
            behind = 0 if converters else ima.adc_cycles * cycle
            sums = [*(part.sums_out for part in arrays), *(part.sums_out for part in converters)]
            self.gather(sums, adder.sums_in, depth=self._converted_together, latency=behind)
        if len(self.adders) == 1:
            self.connect(self.adders[0].sums_out, self.digital.sums_in, **way)
        else:
            self.collect([[adder.sums_out] for adder in self.adders], self.digital.sums_in, **way)

    def _add_banks(self, tiling: Tiling) -> None:
        """Add arrays of keys or values, what writes each token to them, and what reads tokens for them.

        A token goes to the registers of all banks. Partial sums of all take the first one's ways.
        """
        settings, timing, stage, cycle = self.settings, self.timing, self.stage, self.settings.digital_cycles
        writing, ima = settings.attention.writing, settings.ima
        arrays = self.add(IsaacWrittenArrays, "arrays", settings.array, clock=DIGITAL)
        arrays.digital_cycles = cycle
        arrays.encoding, arrays.streaming = settings.token_encoding, settings.streaming
        arrays.lay_out(stage, tiling, writing.banks)
        writer = self.add(TokenWriter, "writer", PartConfig(), clock=DIGITAL)
        writer.lay_out(stage, tiling, writing, settings.array.cell_energy_fj, settings.stored_bits)
        writer.write.set_by += ("digital_ghz",)
        self.written = writer, arrays
        connect_written(self, writer, arrays, self.memory)
        fetches: dict[int, InputFetch] = {}
        for tile, sites in Copy(tuple(site for bank in self.banks for site in bank.sites)).by_tile.items():
            fetch = fetches[tile] = self.add(InputFetch, f"fetch[{tile}]", PartConfig(), clock=DIGITAL)
            fetch.size = timing.token_bytes(stage, sites)
            fetch.cycles, fetch.stage = settings.edram_cycles(fetch.size), cycle
            self.connect(self.memory.window_out, fetch.window_in)
        self.gather([fetch.window_out for fetch in fetches.values()], arrays.window_in)
        adder = self.add(ShiftAdd, "arrays.shift-add", PartConfig(), clock=DIGITAL)
        adder.cycles = ima.shift_add_cycles * cycle
        self.connect(arrays.sums_out, adder.sums_in, self._converted_together, ima.adc_cycles * cycle)
        behind = self._sum_cycles
        self.connect(adder.sums_out, self.digital.sums_in, 1 + behind, behind * cycle)
        self.fetches, self.arrays, self.adders = [fetches], [[arrays]], [adder]

    def _add_copy(self, name: str, copy: Copy) -> None:
        """Add a copy's arrays, what reads their inputs in each tile, and what ends an operation."""
        fetches, converters = {}, []
        arrays: list[IsaacArrays | IsaacWrittenArrays] = []
        for tile, sites in copy.by_tile.items():
            fetch = self.add(InputFetch, f"{name}.fetch[{tile}]", PartConfig(), clock=DIGITAL)
            fetch.cycles = self.timing.fetch_cycles(sites)
            fetch.size = self.timing.input_bytes(sites)
            fetch.stage = self.settings.digital_cycles
            fetches[tile] = fetch
            for path, blocks in self._groups(sites):
                part = self._add_arrays(f"{name}.{path}", blocks)
                self.connect(fetch.window_out, part.window_in)
                arrays.append(part)
                if self.settings.detail == "array":
                    converter = self._add_converter(f"{name}.{path}")
                    behind = self.settings.ima.adc_cycles * self.settings.digital_cycles
                    self.connect(fetch.window_out, converter.window_in, self._converted_together, behind)
                    converters.append(converter)
        self.fetches.append(fetches)
        self.arrays.append(arrays)
        self.converters.append(converters)
        self.adders.append(self.add(ShiftAdd, f"{name}.shift-add", PartConfig(), clock=DIGITAL))

    def _groups(self, sites: list[Site]) -> list[tuple[str, tuple[Block, ...]]]:
        """Return the arrays that are one process, each with its name."""
        if self.settings.detail == "group":
            return [(f"ima[{site.ima}]", site.blocks) for site in sites]
        return [
            (f"ima[{site.ima}].array[{block.row},{block.col}]", (block,))
            for site in sites
            for block in site.blocks
        ]

    def _add_arrays(self, name: str, blocks: tuple[Block, ...]) -> IsaacArrays:
        kind = chosen(self.settings.array, IsaacArrays)
        arrays = self.add(kind, name, self.settings.array, clock=DIGITAL)
        arrays.digital_cycles = self.settings.digital_cycles
        arrays.blocks = blocks
        arrays.encoding, arrays.streaming = self.settings.encoding, self.settings.streaming
        return arrays

    def _add_converter(self, array: str) -> ArrayConverter:
        converter = self.add(ArrayConverter, f"{array}.adc", PartConfig(), clock=DIGITAL)
        converter.cycles = self.settings.interval * self.settings.digital_cycles
        return converter

    # -- what it costs ---------------------------------------------------------------------------------------

    def add_meters(self) -> None:
        """Add the parts that count with others."""
        digital, size = self.digital, self.timing.pixel_bytes(self.stage)
        self._meter("edram", "buffer", self._bytes_moved)
        self._meter("bus", "bus", self._bytes_moved)
        if not self.arrays:
            return
        array = self.settings.array
        adc = self.add(chosen(self.settings.adc, IsaacADC), "adc", self.settings.adc)
        adc.arrays = [part for arrays in self.arrays for part in arrays]
        self._meter("dac", "dac", lambda: array.rows * self.array_cycles)
        self._meter("sample-hold", "sample-hold", lambda: array.cols * self.array_cycles)
        self._meter("shift-add", "shift-add", lambda: array.cols * self.array_cycles)
        self._meter("input-register", "register", lambda: self.array_cycles)
        self._meter("output-register", "register", lambda: self.array_cycles)
        self._meter("tile-register", "register", lambda: digital.pixels * size)
        additions = [copy.additions("ima") for copy in self.copies or self.banks[:1]]
        if self.written is not None:  # in each product of a token
            additions = [each * self.written[1].products for each in additions]
        self._meter("tile-adder", "digital", partial(self._of_operations, additions))

    def _meter(self, row: str, family: str, counted: Callable[[], int]) -> None:
        meter: Meter = self.add(meter_of(family), row, PartConfig())
        meter.counted = counted
        meter.charge(row, Budgets(self.settings).energies[row])

    @property
    def array_cycles(self) -> int:
        """Cycles that its arrays were busy, each counted."""
        return sum(part.array_cycles for arrays in self.arrays for part in arrays)

    def macs(self) -> int:
        """Return the multiply-accumulates that its arrays, or its attention units, did."""
        attention = 0 if self.attention is None else self.attention.macs()
        return attention + sum(part.macs() for arrays in self.arrays for part in arrays)

    @property
    def keys_read(self) -> int:
        """Bytes of keys, or values, that the tiles have read."""
        return sum(fetch.keys.count for fetch in self.key_fetches.values())

    def _of_operations(self, each: list[int]) -> int:
        """Return the sum over all operations of what one of each copy makes."""
        return sum(adder.work.count * n for adder, n in zip(self.adders, each, strict=True))

    def _bytes_moved(self) -> int:
        """Return the bytes read from and written to the layer's eDRAM."""
        read = sum(fetch.bytes_read for fetches in self.all_fetches for fetch in fetches.values())
        written = sum(write.bytes_written for writes in self.writes for write in writes)
        return read + self._read_by_digital() + written

    def _read_by_digital(self) -> int:
        """Return the bytes that digital units read: rows of tables, and windows that nothing fetches."""
        memory = self.memory
        rows = row_elements(self.stage) * self.settings.value_bytes
        return memory.read_so_far(rows if self.all_fetches else memory.step_bytes())
