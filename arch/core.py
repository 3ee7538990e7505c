"""A core: activation memory, arrays with their converters, digital unit and sender."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from arch.activation_memory import ActivationMemory, ActivationMemoryConfig, Buffer
from arch.converters import ADC, ADCConfig
from arch.crossbar import AnalogCrossbar, AnalogCrossbarConfig
from arch.digital_unit import DigitalUnit, DigitalUnitConfig
from arch.mapping.stages import Stage
from arch.mapping.tiling import Block, Tiling
from arch.parts import chosen
from arch.sender import Sender, SenderConfig
from simcore import Component, PartConfig, component_part, components, param

Detail = Literal["array", "group"]


class CoreConfig(PartConfig):
    """The parts of a core, each replaceable by another kind."""

    memory: ActivationMemoryConfig = component_part(
        "activation-memory", doc="input memory and window assembly"
    )
    crossbar: AnalogCrossbarConfig = component_part("analog-crossbar", doc="the arrays")
    adc: ADCConfig = component_part("column-adc", doc="converters behind each array")
    digital: DigitalUnitConfig = component_part("digital-unit", doc="scale, activate, pool and add")
    sender: SenderConfig = component_part("sender", doc="output port")
    partial_sum_cycles: int = param(
        130, ge=0, unit="cycle", doc="hop of a partial sum to the next row block: one step, assumed"
    )


@components.register("core")
class Core(Component):
    """All cores of one stage: each array with its converters is a physical core.

    A window goes to all arrays at once. Row blocks add up along a chain of partial sums, a register a hop;
    column blocks are concatenated; the digital units of the last row finish the pixel. A stage without arrays
    (a pool, a join) has the memory, digital unit and sender only, and is at home in the core that feeds it.
    """

    Config = CoreConfig
    config: CoreConfig

    memory: ActivationMemory
    crossbars: list[AnalogCrossbar]
    digital: DigitalUnit
    sender: Sender

    def lay_out(
        self,
        stage: Stage,
        tiling: Tiling | None,
        buffers: list[Buffer],
        images: int,
        detail: Detail,
        bits: int,
    ) -> None:
        """Build the parts for a stage.

        detail : `array` makes every array a process of its own, `group` drives those of the stage by one
        bits : of one activation
        """
        config = self.config
        self.memory = self.add(chosen(config.memory, ActivationMemory), "memory", config.memory)
        self.memory.lay_out(stage, buffers, images)
        self.digital = self.add(chosen(config.digital, DigitalUnit), "digital", config.digital)
        self.digital.stage = stage
        self.sender = self.add(chosen(config.sender, Sender), "sender", config.sender)
        self.sender.pixel_bits = stage.shape[0] * bits
        self.crossbars = []
        if tiling is None:
            self.connect(self.memory.window_out, self.digital.sums_in)
        else:
            self.digital.cores = len(tiling.blocks)
            self.digital.column_blocks = len(tiling.blocks) // tiling.row_blocks
            self._add_arrays(tiling, detail)
        self.connect(self.digital.pixel_out, self.sender.pixel_in)

    def _add_arrays(self, tiling: Tiling, detail: Detail) -> None:
        names = [f"[{b.row},{b.col}]" for b in tiling.blocks]
        groups: Sequence[tuple[str, Sequence[Block]]] = [("", tiling.blocks)]
        if detail == "array":
            groups = [(name, (block,)) for name, block in zip(names, tiling.blocks, strict=True)]
        ends = [self._add_array(name, blocks) for name, blocks in groups]
        hops = tiling.row_blocks - 1
        if len(ends) == 1 and not hops:
            self.connect(ends[0], self.digital.sums_in)
        else:
            self.gather(
                ends, self.digital.sums_in, depth=hops + 1, latency=hops * self.config.partial_sum_cycles
            )

    def _add_array(self, name: str, blocks: Sequence[Block]) -> Any:
        """Add one array (or all in lock-step) with its converters; return the port that its sums leave by."""
        config = self.config
        crossbar = self.add(chosen(config.crossbar, AnalogCrossbar), f"crossbar{name}", config.crossbar)
        crossbar.blocks = blocks
        self.crossbars.append(crossbar)
        self.connect(self.memory.window_out, crossbar.window_in)
        adc: Any = self.add(chosen(config.adc, ADC), f"adc{name}", config.adc)
        adc.crossbar = crossbar
        if not adc.units:  # converts while the array reads
            return crossbar.sums_out
        self.connect(crossbar.sums_out, adc.sums_in)
        return adc.sums_out
