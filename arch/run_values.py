"""The values of one run: what the stages of a pipeline compute on, and where its outputs go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.activation_memory import ActivationMemory
from arch.arrays.array_parts import ArrayParts
from arch.arrays.array_values import Product, layer_products
from arch.digital_unit import DigitalUnit
from arch.host import Sink
from arch.machine import ArrayReport, Values
from arch.mapping.stages import Operand, Stage
from arch.mapping.tiling import Block
from arch.pixel_memory import PixelMemory, memory_of
from arch.values import StageValues
from simcore.carried import CarriedBuffer
from workloads import QuantizedMatrix, sample_windows

Codes = NDArray[Any]


class RunValues:
    """Values of all stages, attached one by one in their order.

    works : of the stages so far
    inputs : (images x pixels, channels) codes of the input
    """

    def __init__(
        self, stages: Sequence[Stage], source: str, values: Values, parts: ArrayParts | None
    ) -> None:
        """Take the images over.

        parts : of the arrays; None where a machine has products of its own
        """
        self.values, self.parts = values, parts
        self.works: list[StageValues] = []
        self._under_way: dict[str, Codes] = {}  # pixels that a timed fabric carries, by their sender
        self._samples: Mapping[str, Codes] = {}
        if values.device and parts is not None and parts.adc.range == "calibrated":
            known = values.codes if values.calibration is None else values.calibration
            windows = {s.name: s.matrix.window for s in stages if s.matrix is not None}
            self._samples = sample_windows(values.network, known, windows)
        images, channels = values.codes.shape[:2]
        pixels = values.codes.reshape(images, channels, -1).transpose(0, 2, 1)
        self.inputs = np.array(pixels, order="C").reshape(-1, channels)  # decoding changes them
        self._registers = {source: self.inputs}

    def attach(
        self,
        stage: Stage,
        memory: ActivationMemory,
        digital: DigitalUnit,
        slots: int,
        blocks: Sequence[Block],
        copies: int,
    ) -> StageValues:
        """Give a stage's memory and digital unit their values; return its work, for its arrays.

        slots : windows that may be between memory and digital unit
        blocks, copies : what the arrays of one copy hold, and copies
        raises : MappingError for weights that the cells cannot hold
        """
        memories = [
            self.memory(
                operand,
                entry.kept,
                lambda port=entry.freed: port.channel.freed,  # type: ignore[misc]
                under_way=isinstance(entry.port.channel, CarriedBuffer),
            )
            for operand, entry in zip(stage.operands, memory.entries, strict=True)
        ]
        for entry, pixels in zip(memory.entries, memories, strict=True):
            entry.port.channel.store = pixels.store
        work = self.add(stage, memories, slots, blocks, copies)
        memory.capture = work.capture
        digital.finish = work.finish
        return work

    def memory(
        self, operand: Operand, depth: int | None, freed: Callable[[], int], *, under_way: bool = False
    ) -> PixelMemory:
        """Return the memory of what a stage reads, from its sender's registers or from those under way.

        depth : slots [pixel], None if unbounded
        freed : tells the index below which pixels are not needed any more
        """
        name = operand.source
        source = self._under_way.get(name, self._registers[name]) if under_way else self._registers[name]
        return memory_of(operand, depth, source, freed, self.values.network)

    def add(
        self,
        stage: Stage,
        memories: Sequence[PixelMemory],
        slots: int,
        blocks: Sequence[Block],
        copies: int,
    ) -> StageValues:
        """Return the work of a stage on memories, one for each operand; see `attach`.

        copies : 0 where no product is theirs yet, as arrays are written during the run, or the machine has
            products of its own
        """
        quantized = self.values.network.nodes[stage.name]
        parts = self.parts
        if isinstance(quantized, QuantizedMatrix) and parts is not None:
            parts.encoding.check_weights(quantized.weights, stage.name)
        arrays = self.products(stage, blocks, range(copies))
        others = self.values.device and not copies
        work = StageValues(stage, self.values.network, memories, slots, arrays, any_arrays=others)
        self.works.append(work)
        self._registers[stage.name] = work.output
        return work

    def products(self, stage: Stage, blocks: Sequence[Block], copies: range) -> list[Product]:
        """Return what arrays with device values return, of each copy; none with ideal values.

        copies : their numbers, of which what is random about them depends
        """
        if not self.values.device or stage.matrix is None or self.parts is None:
            return []
        seen = self._samples.get(stage.name)
        return layer_products(stage.matrix, self.values.network, blocks, self.parts, copies, seen)

    def carry(self, stage: str, most: int) -> Callable[[int], None]:
        """Return what keeps the values of a stage's pixel that sets out over a timed fabric.

        most : pixels under way at once; k lies in row k mod `most`
        """
        output = self._registers[stage]
        under_way = self._under_way[stage] = np.zeros((most, output.shape[1]), output.dtype)

        def load(pixel: int) -> None:
            under_way[pixel % len(under_way)] = output[pixel % len(output)]

        return load

    def collect(self, sink: Sink, last: Stage) -> NDArray[np.int32]:
        """Let the last stage's pixels be collected; return where, (images x pixels, channels).

        Where tokens are decoded, those behind the prompt are not known before an output chooses them: the
        place of its largest code, the lowest of equals.
        """
        result = np.zeros((len(self.values.codes) * last.pixels, last.shape[0]), np.int32)
        register = self._registers[last.name]
        tokens, prompt, ids = last.pixels, sink.prompt, self.inputs
        if prompt is not None:
            ids.reshape(-1, tokens)[:, prompt:] = 0

        def collect(pixel: int) -> None:
            result[pixel] = register[pixel % len(register)]
            if prompt is not None and prompt <= pixel % tokens + 1 < tokens:
                ids[pixel + 1] = result[pixel].argmax()

        sink.pixel_in.store = collect  # type: ignore[attr-defined]
        return result

    def array_report(self) -> ArrayReport:
        """Return what all arrays did with device values."""
        layers = [(work, work.arrays[0]) for work in self.works if work.arrays]
        return ArrayReport(
            conversions=sum(work.conversions for work, _ in layers),
            clipped=sum(work.clipped for work, _ in layers),
            formulations={
                work.stage.name: (arrays.formulation.method, arrays.formulation.reason)
                for work, arrays in layers
            },
        )
