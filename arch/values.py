"""The values behind the tokens: memories and registers of a stage, and the kernels that fill them.

Every array is a piece of hardware: a circular pixel memory for each operand, registers for windows, sums and
outputs with a row for each token that can be under way in the core. A value moves only when its token does,
so a token that is lost, early or late shows in the outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.mapping.stages import Operand, Stage
from arch.mapping.tiling import Block, wordlines_of
from simcore import BrokenLawError
from simcore.kernels.integer_mvm import multiply_block
from simcore.kernels.requantize import apply_affine, requantize_sums, round_scaled, scale_operand
from simcore.kernels.windows import gather_window, max_window, sum_window
from workloads import (
    AddNode,
    AvgPoolNode,
    ConcatNode,
    MatrixNode,
    MaxPoolNode,
    Node,
    QuantizedAffine,
    QuantizedAvgPool,
    QuantizedJoin,
    QuantizedMatrix,
    QuantizedMaxPool,
    QuantizedNetwork,
    QuantizedShortcut,
    QuantizedTable,
    ShortcutNode,
)

Codes = NDArray[np.int32]
Work = Callable[[int], None]


class PixelMemory:
    """Circular memory of one operand: pixel k lies in row k mod size.

    codes : (size, channels) int32
    source : (rows, channels) int32, the sender's output register, where pixel k lies in row k mod rows
    before : pointwise work done on a pixel as it is stored, given its row
    """

    def __init__(
        self, source: Codes, depth: int | None, pixels: int, channels: int, freed: Callable[[], int]
    ) -> None:
        self.source = source
        self.size = depth if depth is not None else pixels
        self.codes: Codes = np.zeros((self.size, channels), np.int32)
        self.before: list[Callable[[Codes, int], None]] = []
        self._bounded = depth is not None
        self._freed = freed

    def store(self, pixel: int) -> None:
        """Take a pixel that has arrived over from its sender."""
        if not self._bounded and pixel - self._freed() >= self.size:
            self._grow(pixel)
        row = pixel % self.size
        self.codes[row] = self.source[pixel % len(self.source)]
        for work in self.before:
            work(self.codes, row)

    def _grow(self, pixel: int) -> None:
        """Double an unbounded memory, keeping every pixel before `pixel` that may still be read."""
        kept = np.arange(pixel - self.size, pixel)
        larger = np.zeros((2 * self.size, self.codes.shape[1]), np.int32)
        larger[kept % (2 * self.size)] = self.codes[kept % self.size]
        self.size, self.codes = 2 * self.size, larger


class PixelRegister:
    """Register for the pixels of an operand that is read one by one, a row for each step under way.

    codes : (slots, channels) int32
    """

    def __init__(self, operand: Operand, memory: PixelMemory, network: QuantizedNetwork, slots: int) -> None:
        self._memory = memory
        self._pixels = operand.firing.pixels
        self._channels = operand.shape[0]
        shortcut = operand.picked
        if shortcut is None:
            self.codes: Codes = np.zeros((slots, self._channels), np.int32)
            self._picks = None
            return
        q = network.nodes[shortcut.name]
        assert isinstance(q, QuantizedShortcut)
        self._zero, self._bounds = q.zero, (q.low, q.high)
        self.codes = np.full((slots, shortcut.shape[0]), np.clip(q.zero, q.low, q.high), np.int32)
        _, height, width = operand.shape
        places = np.arange(height * width).reshape(1, height, width)
        (picks,) = shortcut.window.taps(places, -1)
        self._picks = picks.ravel().tolist()

    def take(self, slot: int, image: int, step: int) -> None:
        """Copy the pixel of one step from the memory."""
        memory = self._memory
        if self._picks is None:
            self.codes[slot] = memory.codes[(image * self._pixels + step) % memory.size]
            return
        picked = self._picks[step]
        pixel = self._zero if picked < 0 else memory.codes[(image * self._pixels + picked) % memory.size]
        self.codes[slot, : self._channels] = np.clip(pixel, *self._bounds)


class StageValues:
    """Memories, registers and work of one stage.

    memories : one for each operand
    output : (slots, channels) int32, where finished pixel k lies in row k mod slots
    """

    def __init__(
        self, stage: Stage, network: QuantizedNetwork, memories: Sequence[PixelMemory], slots: int
    ) -> None:
        self.stage = stage
        self.network = network
        self.memories = list(memories)
        self.slots = slots
        self._finished = 0
        channels = stage.shape[0]
        self.output: Codes = np.zeros((slots, channels), np.int32)
        self.sums: NDArray[Any] = np.zeros((slots, channels), self._sum_type())
        registers = [
            PixelRegister(operand, memory, network, slots)
            for operand, memory in zip(stage.operands, memories, strict=True)
        ]
        self.operands: list[Codes] = [register.codes for register in registers]
        self._registers = registers
        self._scaled = [np.zeros(codes.shape[1], np.float32) for codes in self.operands]
        for memory, operand in zip(memories, stage.operands, strict=True):
            memory.before = [self._pointwise(node) for node in operand.before]
        self._capture_head = self._reader()
        self._finish_head = self._finisher()
        self._after = list(self._tail())

    def _sum_type(self) -> type[np.signedinteger[Any]]:
        """Return the integers that no sum of the stage can overflow; 32 bits are twice as fast as 64."""
        if not isinstance(self.stage.head, MatrixNode):
            return np.int64
        weights = self._quantized(self.stage.head, QuantizedMatrix).weights
        columns = np.abs(weights).sum(axis=1, dtype=np.int64)
        largest = int(columns.max(initial=0)) * 2**self.network.activation_bits
        return np.int32 if largest < 2**31 else np.int64

    def capture(self, window: int, image: int, step: int) -> None:
        """Copy what one step reads into its registers: `step` of `image` is the stage's step `window`."""
        if window - self._finished >= self.slots:
            raise BrokenLawError(
                f"{self.stage.name} has registers for {self.slots} windows, but reads window {window} while "
                f"{self._finished} are finished; let the core hold fewer at once"
            )
        slot = window % self.slots
        first = self._capture_head(slot, image, step)
        for register in self._registers[first:]:
            register.take(slot, image, step)

    def multiplier(self, blocks: Sequence[Block]) -> Work:
        """Return the work of all arrays of a replica: add their products to a window's sums.

        They are in lock-step and sums are exact, so slices and blocks of a matrix are multiplied at once.
        """
        node = self.stage.head
        assert isinstance(node, MatrixNode)
        matrix: NDArray[Any] = self._quantized(node, QuantizedMatrix).weights
        if np.abs(matrix).max(initial=0) <= np.iinfo(np.int8).max:
            matrix = matrix.astype(np.int8)  # half the memory to go through for each window
        if node.groups == 1:
            held = [(matrix[0], wordlines_of(node, 0), 0)]
        else:
            held = [(block.weights(matrix), block.wordlines, block.first_col) for block in blocks]
        windows, sums, slots = self._windows, self.sums, self.slots

        def multiply(window: int) -> None:
            for weights, wordlines, first_col in held:
                multiply_block(windows, weights, wordlines, first_col, sums, window % slots)

        return multiply

    def finish(self, step: int) -> None:
        """Bring one step to codes, and a pixel that is complete through all pointwise work behind it."""
        self._finish_head(step)
        self._finished += 1
        pixels, unfinished = divmod(step + 1, self.stage.steps_per_pixel)
        if not unfinished:
            slot = (pixels - 1) % self.slots
            for work in self._after:
                work(slot)

    # -- what a step reads -----------------------------------------------------------------------------------

    def _reader(self) -> Callable[[int, int, int], int]:
        """Return what copies a step's window, and then says how many operands it has dealt with."""
        head, stage = self.stage.head, self.stage
        if stage.accumulates or not isinstance(head, (MatrixNode, MaxPoolNode, AvgPoolNode)):
            return lambda slot, image, step: 0
        memory, window = self.memories[0], head.window
        _, height, width = head.in_shapes[0]
        pixels = height * width
        geometry = np.array([*window.kernel, *window.dilation, height, width], np.int64)
        corners = [
            (y * window.stride[0] - window.padding[0], x * window.stride[1] - window.padding[1])
            for y in range(head.shape[1])
            for x in range(head.shape[2])
        ]
        sums = self.sums
        if isinstance(head, MaxPoolNode):

            def read_largest(slot: int, image: int, step: int) -> int:
                max_window(memory.codes, image * pixels, *corners[step], geometry, sums, slot)
                return 1

            return read_largest
        if isinstance(head, AvgPoolNode):
            zero = self._quantized(head, QuantizedAvgPool).input_zero

            def read_sum(slot: int, image: int, step: int) -> int:
                sum_window(memory.codes, image * pixels, *corners[step], geometry, zero, sums, slot)
                return 1

            return read_sum
        zero = self._quantized(head, QuantizedMatrix).input_zero
        self._windows = np.zeros((self.slots, window.positions * memory.codes.shape[1]), np.int32)
        windows = self._windows

        def read_window(slot: int, image: int, step: int) -> int:
            gather_window(memory.codes, image * pixels, *corners[step], geometry, zero, windows, slot)
            sums[slot] = 0
            return 1

        return read_window

    # -- what becomes of it ----------------------------------------------------------------------------------

    def _finisher(self) -> Work:
        """Return the work of the head, from sums or operands to output codes."""
        head, output, slots = self.stage.head, self.output, self.slots
        if self.stage.accumulates:
            return self._accumulator()
        if isinstance(head, MatrixNode):
            m = self._quantized(head, QuantizedMatrix)
            return lambda step: requantize_sums(
                self.sums, m.bias, m.multiplier, m.output_zero, m.low, m.high, output, step % slots
            )
        if isinstance(head, MaxPoolNode):
            p = self._quantized(head, QuantizedMaxPool)
            return lambda step: _clip_into(self.sums[step % slots], p.low, p.high, output[step % slots])
        if isinstance(head, AvgPoolNode):
            a = self._quantized(head, QuantizedAvgPool)
            no_bias = np.zeros(output.shape[1], np.int64)
            multipliers = [np.full(output.shape[1], value, np.float32) for value in a.multiplier.ravel()]
            pixels = self.stage.pixels
            return lambda step: requantize_sums(
                self.sums,
                no_bias,
                multipliers[step % pixels],
                a.output_zero,
                a.low,
                a.high,
                output,
                step % slots,
            )
        if isinstance(head, AddNode):
            add = self._adder(head, self.operands, self._scaled[0])
            return lambda step: add(step % slots)
        if isinstance(head, ConcatNode):
            return self._concatenator(head)
        if isinstance(head, ShortcutNode):
            return self._taker(lambda codes, row: None)
        return self._taker(self._pointwise(head))

    def _taker(self, work: Callable[[Codes, int], None]) -> Work:
        """Return the work of a stage that passes its one operand on, and does `work` on it."""
        output, slots = self.output, self.slots

        def take_and_work(step: int) -> None:
            output[step % slots] = self.operands[0][step % slots]
            work(output, step % slots)

        return take_and_work

    def _accumulator(self) -> Work:
        """Return the work of a global pool, which takes a pixel a step and finishes with the last."""
        head, output, slots, steps = self.stage.head, self.output, self.slots, self.stage.steps
        sums, pixels = self.sums, self.operands[0]
        if isinstance(head, AvgPoolNode):
            a = self._quantized(head, QuantizedAvgPool)
            no_bias = np.zeros(output.shape[1], np.int64)
            multiplier = np.full(output.shape[1], a.multiplier[0, 0], np.float32)

            def add_up(step: int) -> None:
                image, pixel = divmod(step, steps)
                row = image % slots
                if pixel == 0:
                    sums[row] = 0
                sums[row] += pixels[step % slots] - a.input_zero
                if pixel == steps - 1:
                    requantize_sums(sums, no_bias, multiplier, a.output_zero, a.low, a.high, output, row)

            return add_up
        p = self._quantized(head, QuantizedMaxPool)

        def keep_largest(step: int) -> None:
            image, pixel = divmod(step, steps)
            row = image % slots
            if pixel == 0:
                sums[row] = -1
            np.maximum(sums[row], pixels[step % slots], out=sums[row])
            if pixel == steps - 1:
                _clip_into(sums[row], p.low, p.high, output[row])

        return keep_largest

    def _concatenator(self, head: ConcatNode) -> Work:
        q = self._quantized(head, QuantizedJoin)
        channels = [codes.shape[1] for codes in self.operands]
        firsts = np.cumsum([0, *channels[:-1]]).tolist()
        parts = list(
            zip(self.operands, self._scaled, q.input_zeros.tolist(), q.multipliers, firsts, strict=True)
        )

        def concatenate(step: int) -> None:
            slot = step % self.slots
            for codes, scaled, zero, multiplier, first in parts:
                scale_operand(codes, slot, zero, multiplier, True, scaled)
                round_scaled(scaled, q.output_zero, q.low, q.high, self.output, slot, first)

        return concatenate

    def _tail(self) -> Iterator[Work]:
        """Yield the work of each node behind the head, in place on the output register."""
        output, before = self.output, self.stage.head
        unread = iter(self.operands[len(self.stage.head.inputs) :])
        for node in self.stage.after:
            if isinstance(node, AddNode):
                operands = [output if name == before.name else next(unread) for name in node.inputs]
                yield self._adder(node, operands, np.zeros(output.shape[1], np.float32))
            else:
                work = self._pointwise(node)
                yield lambda slot, work=work: work(output, slot)  # type: ignore[misc]
            before = node

    def _adder(self, node: AddNode, operands: Sequence[Codes], scaled: NDArray[np.float32]) -> Work:
        q = self._quantized(node, QuantizedJoin)
        parts = list(zip(operands, q.input_zeros.tolist(), q.multipliers, strict=True))

        def add(slot: int) -> None:
            first = True
            for codes, zero, multiplier in parts:
                scale_operand(codes, slot, zero, multiplier, first, scaled)
                first = False
            round_scaled(scaled, q.output_zero, q.low, q.high, self.output, slot, 0)

        return add

    def _pointwise(self, node: Node) -> Callable[[Codes, int], None]:
        """Return the work of an affine or a table, in place on one row of codes."""
        q: Any = self.network.nodes[node.name]
        if isinstance(q, QuantizedTable):
            table = q.table

            def look_up(codes: Codes, row: int) -> None:
                codes[row] = table[codes[row]]

            return look_up
        affine = self._quantized(node, QuantizedAffine)
        a = (affine.input_zero, affine.multiplier, affine.offset, affine.output_zero, affine.low, affine.high)
        return lambda codes, row: apply_affine(codes, row, *a, codes)

    def _quantized(self, node: Node, kind: type[Any]) -> Any:
        quantized = self.network.nodes[node.name]
        assert isinstance(quantized, kind)
        return quantized


def _clip_into(values: NDArray[np.int64], low: int, high: int, out: Codes) -> None:
    np.clip(values, low, high, out=out, casting="unsafe")


def pixel_memory(operand: Operand, depth: int | None, source: Codes, freed: Callable[[], int]) -> PixelMemory:
    """Return the memory of one operand; an unbounded one starts with room for an image."""
    return PixelMemory(source, depth, operand.firing.pixels, operand.shape[0], freed)
