"""What is around the arrays of a tile: reading inputs, adding up, writing results, at one eDRAM and bus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle

from arch.tokens import Pixel, Sums, Window
from simcore import Component, In, Operation, Out, Process, Shared, process


class InputFetch(Component):
    """Copies the inputs of one copy's arrays in one tile from eDRAM to their input registers.

    eDRAM and bus are one resource of the tile, which all of its layers and copies take turns on. The inputs
    are in the registers where the next cycle begins; those of the next operation are read while the arrays
    drive the present ones.

    cycles, size : of one window: digital cycles, and bytes
    stage : digital cycles of one cycle
    """

    family = "buffer"

    window_in = In(Window, doc="windows whose inputs are in eDRAM")
    window_out = Out(Window, doc="windows in the input registers")
    edram = Shared(doc="eDRAM and bus of the tile")
    read = Operation(doc="reading the inputs of one operation")
    latch = Operation(doc="the rest of the cycle in which they were read")

    cycles: int = 0
    size: int = 0
    stage: int = 1

    @process
    def serve(self) -> Process:
        """Take a window, wait for eDRAM and bus, read, hand the window on where a cycle begins."""
        engine, stage = self.simulation.engine, self.stage
        while True:
            window = yield self.window_in.get()
            yield self.edram.acquire()
            yield self.read.hold(self.cycles)
            self.edram.release()
            yield self.latch.hold(
                -engine.now % stage
            )  # a tick is a digital cycle, as that is the fastest clock
            yield self.window_out.put(window)


class ResultWrite(Component):
    """Writes the pixels of one tensor to the eDRAM of a layer that reads it, in the layer's tiles by turns.

    cycles, size : of one pixel: digital cycles, and bytes
    """

    family = "buffer"

    pixel_in = In(Pixel, doc="pixels as they come over the mesh")
    pixel_out = Out(Pixel, doc="pixels in eDRAM")
    write = Operation(doc="writing one pixel")

    cycles: int = 0
    size: int = 0
    edrams: Sequence[Shared] = ()

    def lay_out(self, tiles: int) -> None:
        """Set up a port `edram[i]` for each tile."""
        self.edrams = [self.port(Shared(doc="eDRAM and bus of a tile"), f"edram[{i}]") for i in range(tiles)]

    @process
    def serve(self) -> Process:
        """Take a pixel, wait for the eDRAM whose turn it is, write, hand the pixel on."""
        for edram in cycle(self.edrams):
            pixel = yield self.pixel_in.get()
            yield edram.acquire()
            yield self.write.hold(self.cycles)
            edram.release()
            yield self.pixel_out.put(pixel)


class TileLinks(Component):
    """The links from a layer's tiles into the mesh, sharing the flits of a pixel, one each a cycle.

    cycles : of one pixel, digital
    """

    family = "link"

    pixel_in = In(Pixel, doc="finished pixels")
    pixel_out = Out(Pixel, doc="pixels in the mesh")
    send = Operation(doc="flits of one pixel, to all its readers")

    cycles: int = 0

    @process
    def serve(self) -> Process:
        """Take a pixel, send its flits, one after the other."""
        cycles = self.cycles
        relay = self.relay(self.send, self.pixel_in, self.pixel_out)
        pixel = yield relay.get()
        while True:
            pixel = yield relay.next(cycles, pixel)


class ShiftAdd(Component):
    """Ends an operation of one copy: the last shift-and-adds, partial sums of its arrays, output register.

    multiply : computes the values of one window's products, None in a run without values
    cycles : of one operation
    """

    family = "shift-add"

    sums_in = In(Sums, doc="conversions of all arrays of the copy")
    sums_out = Out(Sums, doc="sums of a window in the output register")
    work = Operation("shift-add", doc="the end of one operation")

    multiply: Callable[[int], None] | None = None
    cycles: int = 0

    @process
    def serve(self) -> Process:
        """Take what arrays converted, add it up, hand it on."""
        multiply, cycles = self.multiply, self.cycles
        relay = self.relay(self.work, self.sums_in, self.sums_out)
        window = yield relay.get()
        while True:
            if multiply is not None:
                multiply(window)
            window = yield relay.next(cycles, window)


class Tile(Component):
    """A tile: its eDRAM and bus are shared by all that reads and writes there."""
