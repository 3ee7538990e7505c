"""Values of pixels that a stage reads: a circular memory for each operand, registers for single pixels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from arch.mapping.stages import Operand
from arch.pointwise_values import Codes, PixelWork
from workloads import QuantizedNetwork, QuantizedSelect, SelectNode


class ChannelChoice:
    """The channels of a selection: which are copied, from where, and the code of the others.

    fill : code where nothing is picked
    """

    def __init__(self, select: SelectNode, network: QuantizedNetwork) -> None:
        q = network.nodes[select.name]
        assert isinstance(q, QuantizedSelect)
        places = np.arange(select.shape[0]) if select.channels is None else np.array(select.channels)
        self.channels = select.shape[0]
        self.fill = int(np.clip(q.zero, q.low, q.high))
        self._bounds = (q.low, q.high)
        self._to, self._of = np.flatnonzero(places >= 0), places[places >= 0]

    def copy(self, pixel: Codes, chosen: Codes) -> None:
        """Fill in what of `chosen` (channels,) is picked from `pixel`; the others are left as they are."""
        chosen[self._to] = np.clip(pixel[self._of], *self._bounds)


class PixelMemory:
    """Circular memory of one operand: pixel k lies in row k mod size.

    source : (rows, channels), the sender's output register, where pixel k lies in row k mod rows
    codes : (size, channels) of the same integers
    data, width : the same as bytes, and those of a row
    before : pointwise work done on a pixel as it is stored
    choice : of the sender's channels that are stored, None for all
    """

    def __init__(
        self,
        source: Codes,
        depth: int | None,
        pixels: int,
        channels: int,
        freed: Callable[[], int],
        choice: ChannelChoice | None = None,
    ) -> None:
        self.size = depth if depth is not None else pixels
        self.choice = choice
        self.codes: Codes = np.full((self.size, channels), 0 if choice is None else choice.fill, source.dtype)
        self._pixels = source
        self.before: list[PixelWork] = []
        self._bounded = depth is not None
        self._freed = freed
        self.data = self.codes.data.cast("B")  # bytes are copied faster through it than through numpy
        self.width = channels * source.itemsize
        self._source, self._sent = source.data.cast("B"), len(source)

    def store(self, pixel: int) -> None:
        """Take a pixel that has arrived over from its sender."""
        if not self._bounded and pixel - self._freed() >= self.size:
            self._grow(pixel)
        width, row = self.width, pixel % self.size
        if self.choice is not None:
            self.codes[row] = self.choice.fill
            self.choice.copy(self._pixels[pixel % self._sent], self.codes[row])
        else:
            to, start = row * width, pixel % self._sent * width
            self.data[to : to + width] = self._source[start : start + width]
        for work in self.before:
            work(self.codes, pixel)

    def _grow(self, pixel: int) -> None:
        """Double an unbounded memory, keeping every pixel before `pixel` that may still be read."""
        kept = np.arange(pixel - self.size, pixel)
        larger = np.zeros((2 * self.size, self.codes.shape[1]), self.codes.dtype)
        larger[kept % (2 * self.size)] = self.codes[kept % self.size]
        self.size, self.codes, self.data = 2 * self.size, larger, larger.data.cast("B")


class PixelRegister:
    """Register for the pixels of an operand that is read one by one, a row for each step under way.

    codes : (slots, channels) of the memory's integers
    """

    def __init__(self, operand: Operand, memory: PixelMemory, network: QuantizedNetwork, slots: int) -> None:
        self._memory = memory
        self._pixels = operand.firing.pixels
        self._choice: ChannelChoice | None = None
        if operand.picked is None:
            self.codes: Codes = np.zeros((slots, operand.shape[0]), memory.codes.dtype)
            self._data = self.codes.data.cast("B")
            return
        self._choice = ChannelChoice(operand.picked, network)
        self._picks = operand.picked.picked_pixels.tolist()
        self.codes = np.full((slots, self._choice.channels), self._choice.fill, memory.codes.dtype)

    def take(self, slot: int, image: int, step: int) -> None:
        """Copy the pixel of one step from the memory."""
        memory = self._memory
        if self._choice is None:
            width = memory.width
            to, start = slot * width, (image * self._pixels + step) % memory.size * width
            self._data[to : to + width] = memory.data[start : start + width]
        elif (picked := self._picks[step]) < 0:
            self.codes[slot] = self._choice.fill
        else:
            pixel = memory.codes[(image * self._pixels + picked) % memory.size]
            self._choice.copy(pixel, self.codes[slot])


def memory_of(
    operand: Operand, depth: int | None, source: Codes, freed: Callable[[], int], network: QuantizedNetwork
) -> PixelMemory:
    """Return the memory of one operand; an unbounded one starts with room for an image."""
    select = operand.before[0] if operand.before else None
    choice = ChannelChoice(select, network) if isinstance(select, SelectNode) else None
    return PixelMemory(source, depth, operand.firing.pixels, operand.shape[0], freed, choice)
