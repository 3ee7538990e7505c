"""A core: activation memory, arrays with their converters, digital unit and links."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from arch.activation_memory import ActivationMemory, ActivationMemoryConfig, Buffer, DirectMemory
from arch.arrays.encoding import Encoding
from arch.arrays.streaming import Streaming
from arch.attention_config import AttentionConfig
from arch.attention_unit import AttentionUnit
from arch.converters import ADC, ADCConfig
from arch.crossbar import AnalogCrossbar, AnalogCrossbarConfig
from arch.digital_unit import DigitalUnit, DigitalUnitConfig
from arch.links import Links, LinksConfig
from arch.mapping.adjacent_pixels import AdjacentPixels
from arch.mapping.stages import Stage
from arch.mapping.tiling import Block, Tiling
from arch.parts import chosen
from simcore import MOST_CYCLES, Component, MappingError, PartConfig, component_part, components, param

Detail = Literal["array", "group"]


class CoreConfig(PartConfig):
    """The parts of a core, each replaceable by another kind."""

    memory: ActivationMemoryConfig = component_part(
        "activation-memory", doc="input memory and window assembly"
    )
    crossbar: AnalogCrossbarConfig = component_part("analog-crossbar", doc="the arrays")
    adc: ADCConfig = component_part("column-adc", doc="converters behind each array")
    digital: DigitalUnitConfig = component_part("digital-unit", doc="scale, activate, pool and add")
    links: LinksConfig = component_part("links", doc="links to the cores that read its pixels")
    partial_sum_cycles: int = param(
        130,
        ge=0,
        le=MOST_CYCLES,
        unit="cycle",
        doc="hop of a partial sum to the next row block: one step, assumed",
    )

    def product_cycles(self, streaming: Streaming) -> int:
        """Return the cycles for which an array is busy with one product."""
        return self.crossbar.product_cycles(streaming)

    def digital_cycles(
        self, stage: Stage, bits: int, units: int, attention: AttentionConfig
    ) -> list[NDArray[np.int64]]:
        """Return the cycles for which each digital part is busy with each step of an image.

        They are, in the order in which a token passes them, memory and multipliers of a product of attention,
        and the digital unit. What another memory reads is left out, as it hides in the arrays' time.

        bits : of one activation
        units : digital ones that share a pixel
        """
        finish = np.zeros(stage.steps, np.int64)
        if stage.accumulates:
            finish[: -stage.pixels] = self.digital.step_cycles(stage, units)
        np.add.at(finish, stage.finishing_steps, self.digital.finish_cycles(stage, units))
        if stage.attention is None:
            return [finish]
        read = self.memory.step_cycles(stage, [o.pixel_bytes(bits) for o in stage.operands], bits)
        return [read, np.array(attention.unit.cycles(stage.attention)), finish]

    def period(self, streaming: Streaming, blocks: Sequence[Block]) -> int:
        """Return the cycles from one product to the next, of arrays with these blocks in lock-step."""
        return self.product_cycles(streaming)

    def passage(self, streaming: Streaming, blocks: Sequence[Block]) -> int:
        """Return the cycles from a window at such arrays to their sums."""
        return self.product_cycles(streaming)


@components.register("core")
class Core(Component):
    """All cores of one stage: each array with its converters is a physical core.

    A window goes to all arrays at once. Row blocks add up along a chain of partial sums, a register a hop;
    column blocks are concatenated; the digital units of the last row finish the pixel and send it to all
    readers, each of which takes it when it has room. A stage without arrays (a pool, a join) has the memory
    and digital unit only, and is at home in the core that feeds it. A product of attention has multipliers
    between these two, for which keys or values stay in the memory.

    Replicas hold the same weights and take windows in turn: window k goes to replica k mod r, and sums are
    collected in the same order. They share memory and digital unit, which stand for one in each of them.

    replicas : the arrays of each, in lock-step; none where the stage has no weights
    attention : what multiplies two computed tensors, None where the stage is no such product
    more_registers : windows that each array holds beside those of every core, in a kind with more units
    encoding, streaming : how weights lie in their cells, and how windows reach them
    registers : windows that may be between the memory and the end of the digital unit at once
    """

    Config = CoreConfig
    config: CoreConfig

    memory: ActivationMemory
    crossbars: list[AnalogCrossbar]
    replicas: list[list[AnalogCrossbar]]
    attention: AttentionUnit | None
    encoding: Encoding
    streaming: Streaming
    digital: DigitalUnit
    links: Links
    registers: int
    more_registers: ClassVar[int] = 0

    def lay_out(
        self,
        stage: Stage,
        tiling: Tiling | None,
        buffers: list[Buffer],
        images: int,
        detail: Detail,
        bits: int,
        encoding: Encoding,
        replicas: int = 1,
        attention: AttentionConfig | None = None,
    ) -> None:
        """Build the parts for a stage.

        detail : `array` makes every array a process of its own, `group` drives those of a replica by one
        bits : of one activation
        attention : of products of two computed tensors; as by default if left out
        """
        config = self.config
        self.encoding, self.streaming = encoding, config.crossbar.streaming(bits)
        self.memory = self.add(chosen(config.memory, ActivationMemory), "memory", config.memory)
        self.memory.lay_out(stage, buffers, images, bits)
        self.crossbars, self.replicas, self.attention = [], [], None
        self.digital = self.add(chosen(config.digital, DigitalUnit), "digital", config.digital)
        self.digital.lay_out(stage, tiling, replicas)
        self.links = self.add(chosen(config.links, Links), "links", config.links)
        self.links.pixel_bits = stage.pixel_bits(bits)
        self.links.sent = lambda: self.digital.pixels
        if stage.attention is not None:
            self._add_attention(attention or AttentionConfig(), stage, bits)
        elif tiling is None:
            self._connect_windows([[self.digital.sums_in]])
        else:
            prefixes = [f"replica[{j}]." for j in range(replicas)] if replicas > 1 else [""]
            ends = [self._add_replica(prefix, tiling, detail) for prefix in prefixes]
            self._connect_sums([[leaves for _, leaves in replica] for replica in ends], tiling)
            if stage.adjacent is not None:
                self._tell_dropped(stage.adjacent)
            self._connect_windows([[enters for enters, _ in replica] for replica in ends])
        # One in each unit and register on the way, and one a hop of partial sums.
        self.registers = (8 + self.more_registers + (tiling.row_blocks if tiling else 0)) * replicas

    def macs(self) -> int:
        """Return the multiply-accumulates done by arrays, or by multipliers."""
        arrays = sum(crossbar.macs() for crossbar in self.crossbars)
        return arrays if self.attention is None else arrays + self.attention.macs()

    def _add_attention(self, config: AttentionConfig, stage: Stage, bits: int) -> None:
        """Add what multiplies each token with what it sees of the memory."""
        unit = self.add(chosen(config.unit, AttentionUnit), "attention", config.unit)
        unit.lay_out(stage, bits)
        self.attention = unit
        self.connect(unit.sums_out, self.digital.sums_in)
        self._connect_windows([[unit.window_in]])

    def _connect_windows(self, readers: list[list[Any]]) -> None:
        """Let replicas take windows in turn, and tell a memory that waits for it what is done."""
        memory = self.memory
        if len(readers) == 1:
            for reader in readers[0]:
                self.connect(memory.window_out, reader, depth=memory.window_depth)
        else:
            self.deal(memory.window_out, readers, depth=memory.window_depth)
        if not isinstance(memory, DirectMemory):
            return
        # Arrays of a replica are in lock-step, so the first tells for all.
        done: list[Any] = [arrays[0].sums_out for arrays in self.replicas]
        if self.attention is not None:
            done.append(self.attention.sums_out)
        if not done:
            # A pool takes no time of its own, so any number of its windows may share a step.
            self.connect(
                memory.window_out, memory.done_in, depth=memory.stage.steps * memory.images, latency=1
            )
        elif len(done) == 1:
            self.connect(done[0], memory.done_in)
        else:
            self.collect([[port] for port in done], memory.done_in)

    def _add_replica(self, prefix: str, tiling: Tiling, detail: Detail) -> list[tuple[Any, Any]]:
        """Add a replica's arrays; return the ports that windows enter each by, and that its sums leave by."""
        names = [f"[{b.row},{b.col}]" for b in tiling.blocks]
        groups: Sequence[tuple[str, Sequence[Block]]] = [("", tiling.blocks)]
        if detail == "array":
            groups = [(name, (block,)) for name, block in zip(names, tiling.blocks, strict=True)]
        first = len(self.crossbars)
        ends = [self._add_array(prefix, name, blocks) for name, blocks in groups]
        self.replicas.append(self.crossbars[first:])
        return ends

    def _tell_dropped(self, adjacent: AdjacentPixels) -> None:
        """Let arrays know which of their products have fewer pixels than others."""

        def dropped(products: int, first: int, cells: int) -> int:
            return cells * adjacent.short_steps(products, first, len(self.replicas))

        for number, arrays in enumerate(self.replicas):
            for crossbar in arrays:
                cells = sum(block.cells_from(adjacent.last_pixels) for block in crossbar.blocks)
                crossbar.dropped = partial(dropped, first=number, cells=cells)

    def _connect_sums(self, replicas: list[list[Any]], tiling: Tiling) -> None:
        """Let the digital unit take what all arrays of a replica have summed up, from replicas in turn."""
        hops = tiling.row_blocks - 1
        latency = hops * self.config.partial_sum_cycles
        if len(replicas) == len(replicas[0]) == 1 and not hops:
            self.connect(replicas[0][0], self.digital.sums_in)
        elif len(replicas) > 1:
            self.collect(replicas, self.digital.sums_in, depth=hops + 1, latency=latency)
        else:
            self.gather(replicas[0], self.digital.sums_in, depth=hops + 1, latency=latency)

    def _add_array(self, prefix: str, name: str, blocks: Sequence[Block]) -> tuple[Any, Any]:
        """Add one array (or all in lock-step) with its converters.

        returns : the ports that windows enter by, and that sums leave by
        """
        config = self.config
        kind = chosen(config.crossbar, AnalogCrossbar)
        crossbar = self.add(kind, f"{prefix}crossbar{name}", config.crossbar)
        crossbar.blocks, crossbar.encoding, crossbar.streaming = blocks, self.encoding, self.streaming
        self.crossbars.append(crossbar)
        adc: Any = self.add(chosen(config.adc, ADC), f"{prefix}adc{name}", config.adc)
        adc.crossbar = crossbar
        if not adc.units:  # converts while the array reads
            return crossbar.window_in, crossbar.sums_out
        if missing := [name for name in ("sums_in", "sums_out") if not hasattr(adc, name)]:
            raise MappingError(
                f"{config.adc.kind} has a process of its own, but no port {' and no port '.join(missing)}; "
                f"declare sums_in and sums_out in {type(adc).__name__}, or leave the process out"
            )
        self.connect(crossbar.sums_out, adc.sums_in)
        return crossbar.window_in, adc.sums_out
