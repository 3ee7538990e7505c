"""Values of pixels that a stage reads: a circular memory for each operand, registers for single pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.mapping.stages import Operand
from workloads import QuantizedNetwork, QuantizedShortcut

Codes = NDArray[Any]


class PixelMemory:
    """Circular memory of one operand: pixel k lies in row k mod size.

    source : (rows, channels), the sender's output register, where pixel k lies in row k mod rows
    codes : (size, channels) of the same integers
    data, width : the same as bytes, and those of a row
    before : pointwise work done on a pixel as it is stored, given its row
    """

    def __init__(
        self, source: Codes, depth: int | None, pixels: int, channels: int, freed: Callable[[], int]
    ) -> None:
        self.size = depth if depth is not None else pixels
        self.codes: Codes = np.zeros((self.size, channels), source.dtype)
        self.before: list[Callable[[Codes, int], None]] = []
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
        to, start = row * width, pixel % self._sent * width
        self.data[to : to + width] = self._source[start : start + width]
        for work in self.before:
            work(self.codes, row)

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
        self._channels = operand.shape[0]
        shortcut = operand.picked
        if shortcut is None:
            self.codes: Codes = np.zeros((slots, self._channels), memory.codes.dtype)
            self._data = self.codes.data.cast("B")
            self._picks = None
            return
        q = network.nodes[shortcut.name]
        assert isinstance(q, QuantizedShortcut)
        self._zero, self._bounds = q.zero, (q.low, q.high)
        further = np.clip(q.zero, q.low, q.high)
        self.codes = np.full((slots, shortcut.shape[0]), further, memory.codes.dtype)
        _, height, width = operand.shape
        places = np.arange(height * width).reshape(1, height, width)
        (picks,) = shortcut.window.taps(places, -1)
        self._picks = picks.ravel().tolist()

    def take(self, slot: int, image: int, step: int) -> None:
        """Copy the pixel of one step from the memory."""
        memory = self._memory
        if self._picks is None:
            width = memory.width
            to, start = slot * width, (image * self._pixels + step) % memory.size * width
            self._data[to : to + width] = memory.data[start : start + width]
            return
        picked = self._picks[step]
        pixel = self._zero if picked < 0 else memory.codes[(image * self._pixels + picked) % memory.size]
        self.codes[slot, : self._channels] = np.clip(pixel, *self._bounds)


def memory_of(operand: Operand, depth: int | None, source: Codes, freed: Callable[[], int]) -> PixelMemory:
    """Return the memory of one operand; an unbounded one starts with room for an image."""
    return PixelMemory(source, depth, operand.firing.pixels, operand.shape[0], freed)
