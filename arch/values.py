"""The values behind the tokens: registers of a stage, and the kernels that fill them from its memories.

Every array is a piece of hardware: registers for windows, sums and outputs with a row for each token that can
be under way in the core. A value moves only when its token does, so a token that is lost, early or late shows
in the outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.arrays.analog_product import AnalogProduct
from arch.arrays.array_values import Product
from arch.arrays.cell_charge import drives, row_conductances
from arch.arrays.charge_meter import ChargeMeter
from arch.arrays.encoding import Encoding
from arch.arrays.streaming import Streaming
from arch.mapping.adjacent_pixels import AdjacentPixels, step_weights
from arch.mapping.stages import Join, Stage
from arch.mapping.tiling import Block
from arch.pixel_memory import PixelMemory, PixelRegister
from arch.pointwise_values import Codes, pixel_work
from simcore import BrokenLawError
from simcore.kernels.attention import multiply_keys, weigh_values
from simcore.kernels.integer_mvm import multiply_block, multiply_channels, multiply_window
from simcore.kernels.requantize import (
    clip_codes,
    join_operand,
    multiply_operands,
    requantize_sums,
    scale_operand,
)
from simcore.kernels.windows import gather_window, max_window, sum_window
from workloads import (
    AddNode,
    AvgPoolNode,
    ClassTokenNode,
    ConcatNode,
    EmbeddingNode,
    MatrixNode,
    MaxPoolNode,
    MixNode,
    MulNode,
    Node,
    QuantizedAttention,
    QuantizedAvgPool,
    QuantizedClassToken,
    QuantizedEmbedding,
    QuantizedJoin,
    QuantizedMatrix,
    QuantizedMaxPool,
    QuantizedNetwork,
    QuantizedProduct,
    ScoresNode,
    SelectNode,
    Window,
)

Work = Callable[[int], None]
Take = Callable[[int, int, int], None]


class StageValues:
    """Memories, registers and work of one stage.

    memories : one for each operand
    slots, rows : registers for windows, and rows of those for pixels, of which a window may give several
    windows : (slots, elements) inputs of a matrix's windows, or of tokens that attend, code - zero point
    output : (rows, channels) uint8 or uint16, where finished pixel k lies in row k mod rows
    products_of_steps : (slots, columns), sums of a window's products, where those of step k lie in row k mod
        slots; where a step is a pixel these are also its `sums`
    arrays : what the arrays of each replica return, or those of all; none where products are exact
    conversions, clipped : of their products, and how many of them were out of range
    """

    def __init__(
        self,
        stage: Stage,
        network: QuantizedNetwork,
        memories: Sequence[PixelMemory],
        slots: int,
        arrays: Sequence[Product] = (),
        *,
        any_arrays: bool = False,
    ) -> None:
        """Set up all registers.

        any_arrays : whether other arrays may take the place of `arrays` later, and sums may be any
        """
        self.stage = stage
        self.arrays = list(arrays)
        self.conversions = self.clipped = 0
        self.network = network
        self.memories = list(memories)
        self.slots, self.rows = slots, slots * stage.pixels_per_step
        self._captured = self._finished = 0
        self.number: type[np.signedinteger[Any]] = np.int64 if any_arrays else self._sum_type()
        channels = stage.head.shape[0]
        code_type = np.uint8 if network.tensors[stage.name].bits <= 8 else np.uint16
        self.output: Codes = np.zeros((self.rows, channels), code_type)
        self.sums: NDArray[Any] = np.zeros((self.rows, channels), self.number)
        self.products_of_steps = self.sums
        registers = [
            PixelRegister(operand, memory, network, self.rows)
            for operand, memory in zip(stage.operands, memories, strict=True)
        ]
        self.operands: list[Codes] = [register.codes for register in registers]
        for memory, operand in zip(memories, stage.operands, strict=True):
            memory.before = [pixel_work(n, network) for n in operand.before if not isinstance(n, SelectNode)]
        self._takes: list[Take] = [register.take for register in registers]
        if not stage.accumulates and isinstance(stage.head, (MatrixNode, MaxPoolNode, AvgPoolNode)):
            self._takes[0] = self._reader(stage.matrix or stage.head)
        if stage.attention is not None:
            self._takes = self._attending(stage.attention)
        if isinstance(stage.head, ClassTokenNode):
            self._takes = [self._behind(self._takes[0], stage.head.tokens)]
        if stage.adjacent is not None:
            self.products_of_steps = np.zeros((slots, stage.adjacent.cols), self.number)
            self._takes[1:] = [self._each_pixel(take, stage.adjacent) for take in self._takes[1:]]
        self._finish_head = self._finisher()
        self._after = list(self._tail())

    def _sum_type(self) -> type[np.signedinteger[Any]]:
        """Return the integers that no sum of the stage can overflow; 32 bits are twice as fast as 64."""
        head = self.stage.head
        if isinstance(head, MaxPoolNode):
            return np.int32
        if isinstance(head, ScoresNode | MixNode):
            terms = head.features if isinstance(head, ScoresNode) else head.keys
            return np.int32 if 2 * terms * 4**self.network.activation_bits < 2**31 else np.int64
        if not isinstance(head, MatrixNode):
            return np.int64
        matrix = self._quantized(head, QuantizedMatrix)
        columns = np.abs(matrix.weights).sum(axis=1, dtype=np.int64).ravel()
        exact = columns * 2**self.network.activation_bits
        largest = max((a.largest for a in self.arrays), default=exact) + np.abs(matrix.bias)
        return np.int32 if int(largest.max(initial=0)) < 2**31 else np.int64

    def capture(self, window: int, image: int, step: int) -> None:
        """Copy what one step reads into its registers: `step` of `image` is the stage's step `window`."""
        if self._captured - self._finished >= self.slots:
            raise BrokenLawError(
                f"{self.stage.name} has registers for {self.slots} windows, but reads window {window} while "
                f"{self._finished} of {self._captured} are finished; let the core hold fewer at once"
            )
        self._captured += 1
        slot = window % self.slots
        for take in self._takes:
            take(slot, image, step)

    def multiplier(self, replica: int, blocks: Sequence[Block]) -> Work:
        """Return the work of all arrays of a replica: bring their products to a window's sums.

        They are in lock-step. Where sums are exact, slices and blocks of a matrix are multiplied at once.
        """
        if self.arrays:
            return self.product_of(self.arrays[replica % len(self.arrays)])
        if self._whole_product is not None:
            return self._whole_product
        return self.product_of_blocks(blocks)

    def product_of_blocks(self, blocks: Sequence[Block]) -> Work:
        """Return the work of some of a layer's arrays, where sums are exact."""
        windows, sums, slots = self.windows, self.products_of_steps, self.slots
        held = [(block.weights(self._weights), block.wordlines, block.first_col) for block in blocks]

        def multiply(window: int) -> None:
            sums[window % slots] = 0
            for weights, wordlines, first_col in held:
                multiply_block(windows, weights, wordlines, first_col, sums, window % slots)

        return multiply

    def product_of(self, arrays: Product) -> Work:
        """Return the work of arrays with converters, which also counts."""
        windows, sums, slots = self.windows, self.products_of_steps, self.slots
        steps = self.stage.steps
        if isinstance(arrays, AnalogProduct):
            analog = arrays

            def multiply(window: int) -> int:
                return analog.multiply(windows, sums, window % slots, *divmod(window, steps))

        else:
            exact = arrays

            def multiply(window: int) -> int:
                return exact.multiply(windows, sums, window % slots)

        def count(window: int) -> None:
            self.clipped += multiply(window)
            self.conversions += arrays.conversions

        return count

    def meter(
        self, replica: int, blocks: Sequence[Block], encoding: Encoding, streaming: Streaming
    ) -> ChargeMeter:
        """Return a meter of the charge through a replica's cells."""
        zero = int(self._quantized(self.stage.head, QuantizedMatrix).input_zero)
        codes = np.arange(2**self.network.activation_bits)
        inputs = codes if streaming.sign == "unsigned" else codes - zero
        arrays = self.arrays[replica % len(self.arrays)] if self.arrays else None
        real: dict[tuple[int, int], NDArray[np.int64]] = {}
        if isinstance(arrays, AnalogProduct):
            real = {(b.row, b.col): driven for b, driven in zip(blocks, arrays.driven, strict=True)}

        def conductances(block: Block) -> NDArray[np.int64]:
            if real:
                return real[block.row, block.col]
            return row_conductances(encoding, block.weights(self._weights))

        return ChargeMeter(self.windows, zero, drives(streaming, inputs), conductances)

    @cached_property
    def _weights(self) -> NDArray[Any]:
        """Weights (groups, rows, cols of a group) in as few bytes as they need: each window reads all."""
        matrix = self.stage.matrix
        assert matrix is not None
        weights = step_weights(matrix, self._quantized(self.stage.head, QuantizedMatrix).weights)
        narrow = np.abs(weights).max(initial=0) <= np.iinfo(np.int8).max
        return weights.astype(np.int8) if narrow else weights

    @cached_property
    def _whole_product(self) -> Work | None:
        """The product with a whole matrix, or channel by channel; None for groups of several channels."""
        node = self.stage.matrix
        assert node is not None
        windows, sums, slots = self.windows, self.products_of_steps, self.slots
        if node.groups == 1:
            columns = np.ascontiguousarray(self._weights[0].T)
            return lambda window: multiply_window(windows, columns, sums, window % slots)
        if node.groups == node.cols == node.in_shapes[0][0]:
            channels = np.ascontiguousarray(self._weights[:, :, 0].T)
            return lambda window: multiply_channels(windows, channels, sums, window % slots)
        return None

    def keep_sums(self, windows: int) -> None:
        """Set up registers in which sums of so many windows wait for those of other arrays."""
        self._kept = np.zeros((windows, self.products_of_steps.shape[1]), self.number)

    def put_aside(self, step: int) -> None:
        """Add a step's products to those that wait; its window is not needed any more."""
        self._kept[step % len(self._kept)] += self.products_of_steps[step % self.slots]
        self._finished += 1

    def take_up(self, step: int) -> None:
        """Add what waits to a step's products, and leave none of it."""
        kept = self._kept[step % len(self._kept)]
        self.products_of_steps[step % self.slots] += kept
        kept[:] = 0

    def finish(self, step: int) -> None:
        """Bring one step to codes, and a pixel that is complete through all pointwise work behind it."""
        self._finished += 1
        if self.stage.adjacent is not None:
            self._finish_several(step, self.stage.adjacent)
            return
        self._finish_head(step)
        if self._after:
            pixels, unfinished = divmod(step + 1, self.stage.steps_per_pixel)
            if not unfinished:
                for work in self._after:
                    work(pixels - 1)

    def _finish_several(self, step: int, adjacent: AdjacentPixels) -> None:
        """Do the same for each pixel of a step."""
        sums = self.products_of_steps[step % self.slots].reshape(adjacent.groups, adjacent.pixels, -1)
        for place, pixel in enumerate(adjacent.pixels_of(step)):
            row = pixel % self.rows
            self.sums[row] = sums[:, place].ravel()
            self._finish_head(pixel)
            for work in self._after:
                work(pixel)

    # -- what a step reads -----------------------------------------------------------------------------------

    def _reader(self, head: MatrixNode | MaxPoolNode | AvgPoolNode) -> Take:
        """Return what takes a step's window from the first memory."""
        memory, sums = self.memories[0], self.sums
        geometry = _geometry(head.window, head.in_shapes[0][1:], head.shape[2])
        if isinstance(head, MaxPoolNode):
            return lambda slot, image, step: max_window(memory.codes, geometry, image, step, sums, slot)
        if isinstance(head, AvgPoolNode):
            zero = self._quantized(head, QuantizedAvgPool).input_zero
            return lambda slot, image, step: sum_window(memory.codes, geometry, image, step, zero, sums, slot)
        zero = self._quantized(head, QuantizedMatrix).input_zero
        return self._window_reader(memory, geometry, head.window.positions, zero)

    def _window_reader(self, memory: PixelMemory, geometry: Codes, positions: int, zero: int) -> Take:
        """Return what lays a step's window out, zero point off."""
        number = np.int16 if self.network.activation_bits <= 15 else np.int32
        elements = positions * memory.codes.shape[1]
        self.windows = windows = np.zeros((self.slots, elements), number)
        return lambda slot, image, step: gather_window(
            memory.codes, geometry, image, step, zero, windows, slot
        )

    def _attending(self, node: ScoresNode | MixNode) -> list[Take]:
        """Return what takes a token, and multiplies it by what it sees in the other memory.

        That is done as the memory is read: no register holds all keys.
        """
        stored, moving = self.memories
        zero, stored_zero = self._quantized(node, QuantizedAttention).input_zeros
        _, *size = node.in_shapes[0]
        take_token = self._window_reader(moving, _geometry(Window.square(1), size, size[1]), 1, zero)
        multiply = multiply_keys if isinstance(node, ScoresNode) else weigh_values
        windows, sums, keys, visible = self.windows, self.sums, node.keys, node.visible.tolist()
        heads = (node.heads, node.key_heads)

        def attend(slot: int, image: int, step: int) -> None:
            seen = (image * keys, visible[step], stored_zero)
            multiply(windows, stored.codes, *seen, *heads, sums, slot)

        return [take_token, attend]

    def _behind(self, take: Take, tokens: int) -> Take:
        """Return what takes pixels in the steps behind the first ones of an image."""

        def take_others(slot: int, image: int, step: int) -> None:
            if step >= tokens:
                take(slot, image, step - tokens)

        return take_others

    def _each_pixel(self, take: Take, adjacent: AdjacentPixels) -> Take:
        """Return what takes the pixels of a step one by one from a memory."""
        rows, pixels = self.rows, self.stage.pixels

        def take_each(slot: int, image: int, step: int) -> None:
            for pixel in adjacent.pixels_of(step):
                take((image * pixels + pixel) % rows, image, pixel)

        return take_each

    # -- what becomes of it ----------------------------------------------------------------------------------

    def _finisher(self) -> Work:
        """Return the work of the head, from sums or operands to output codes."""
        head, output, sums, slots = self.stage.head, self.output, self.sums, self.slots
        if self.stage.accumulates:
            return self._accumulator()
        if isinstance(head, MatrixNode):
            m = self._quantized(head, QuantizedMatrix)
            bias, multiplier, ends = m.bias.astype(self.number), m.multiplier, (m.output_zero, m.low, m.high)
            rows = self.rows
            return lambda pixel: requantize_sums(sums, bias, multiplier, *ends, output, pixel % rows)
        if isinstance(head, MaxPoolNode):
            p = self._quantized(head, QuantizedMaxPool)
            return lambda step: clip_codes(sums, p.low, p.high, output, step % slots)
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
        if isinstance(head, ScoresNode | MixNode):
            p = self._quantized(head, QuantizedAttention)
            none, factor = np.zeros(output.shape[1], self.number), np.full(output.shape[1], p.multiplier)
            ends = (p.output_zero, p.low, p.high)
            return lambda step: requantize_sums(sums, none, factor, *ends, output, step % slots)
        if isinstance(head, AddNode):
            return self._adder(head, self.operands, output)
        if isinstance(head, MulNode):
            return self._product(head, self.operands, output)
        if isinstance(head, ConcatNode):
            return self._concatenator(head, self.operands, output)
        return self._taker()

    def _taker(self) -> Work:
        """Return the work of a stage that makes each pixel of one pixel of its operand."""
        head, output, slots, pixels = self.stage.head, self.output, self.slots, self.operands[0]
        if isinstance(head, EmbeddingNode):
            table = self._quantized(head, QuantizedEmbedding).table.astype(output.dtype)
            return lambda step: output.__setitem__(step % slots, table[pixels[step % slots, 0]])
        if isinstance(head, ClassTokenNode):
            return self._class_token(head)
        if isinstance(head, SelectNode):
            return lambda step: output.__setitem__(step % slots, pixels[step % slots])
        work = pixel_work(head, self.network)

        def take_and_work(step: int) -> None:
            output[step % slots] = pixels[step % slots]
            work(output, step)

        return take_and_work

    def _class_token(self, head: ClassTokenNode) -> Work:
        """Return the work of a stage that puts tokens in front of each image's own."""
        q = self._quantized(head, QuantizedClassToken)
        output, slots, steps, pixels = self.output, self.slots, self.stage.steps, self.operands[0]
        tokens = q.tokens.T.astype(output.dtype)
        nothing, multiplier = np.zeros(output.shape[1], np.float32), float(q.multiplier)
        ends = (q.output_zero, q.low, q.high)

        def pass_on(step: int) -> None:
            row, token = step % slots, step % steps
            if token < len(tokens):
                output[row] = tokens[token]
            else:
                join_operand(nothing, pixels, row, q.input_zero, multiplier, *ends, output, 0)

        return pass_on

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
                    sums[row] = -steps * a.input_zero
                sums[row] += pixels[step % slots]
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
                clip_codes(sums, p.low, p.high, output, row)

        return keep_largest

    def _tail(self) -> Iterator[Work]:
        """Yield the work of each node behind the head, in place on a register of outputs.

        A concatenation has a register of its own, from which the stage sends.
        """
        before = self.stage.head
        unread = iter(self.operands[len(before.inputs) :])
        for node in self.stage.after:
            output = self.output
            if isinstance(node, Join):
                operands = [output if name == before.name else next(unread) for name in node.inputs]
            if isinstance(node, AddNode):
                yield self._adder(node, operands, output)
            elif isinstance(node, MulNode):
                yield self._product(node, operands, output)
            elif isinstance(node, ConcatNode):
                self.output = np.zeros((self.rows, node.shape[0]), output.dtype)
                yield self._concatenator(node, operands, self.output)
            else:
                work = pixel_work(node, self.network)
                yield lambda pixel, work=work, output=output: work(output, pixel)  # type: ignore[misc]
            before = node

    def _concatenator(self, node: ConcatNode, operands: Sequence[Codes], output: Codes) -> Work:
        q = self._quantized(node, QuantizedJoin)
        widths = [codes.shape[1] for codes in operands]
        firsts = np.cumsum([0, *widths[:-1]]).tolist()
        alone = [np.zeros(width, np.float32) for width in widths]
        zeros, multipliers = q.input_zeros.tolist(), q.multipliers.tolist()
        parts = list(zip(alone, operands, zeros, multipliers, firsts, strict=True))
        ends, rows = (q.output_zero, q.low, q.high), self.rows

        def concatenate(pixel: int) -> None:
            row = pixel % rows
            for nothing, codes, zero, multiplier, first in parts:
                join_operand(nothing, codes, row, zero, multiplier, *ends, output, first)

        return concatenate

    def _adder(self, node: AddNode, operands: Sequence[Codes], output: Codes) -> Work:
        q = self._quantized(node, QuantizedJoin)
        *others, last = zip(operands, q.input_zeros.tolist(), q.multipliers.tolist(), strict=True)
        ends = (q.output_zero, q.low, q.high)
        scaled, rows = np.zeros(output.shape[1], np.float32), self.rows

        def add(pixel: int) -> None:
            row = pixel % rows
            first = True
            for codes, zero, multiplier in others:
                scale_operand(codes, row, zero, multiplier, first, scaled)
                first = False
            codes, zero, multiplier = last
            join_operand(scaled, codes, row, zero, multiplier, *ends, output, 0)

        return add

    def _product(self, node: MulNode, operands: Sequence[Codes], output: Codes) -> Work:
        q = self._quantized(node, QuantizedProduct)
        one, other = operands
        (one_zero, other_zero), multiplier = q.input_zeros, float(q.multiplier)
        ends, rows = (q.output_zero, q.low, q.high), self.rows
        return lambda pixel: multiply_operands(
            one, other, pixel % rows, one_zero, other_zero, multiplier, *ends, output
        )

    def _quantized(self, node: Node, kind: type[Any]) -> Any:
        quantized = self.network.nodes[node.name]
        assert isinstance(quantized, kind)
        return quantized


def _geometry(window: Window, size: Sequence[int], across: int) -> Codes:
    """Return how kernels know a window on a map (height, width), of which so many lie side by side."""
    return np.array(
        [*window.kernel, *window.dilation, *window.stride, *window.padding[:2], *size, across], np.int64
    )
