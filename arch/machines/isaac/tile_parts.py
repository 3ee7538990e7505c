"""What is around the arrays of a tile: reading inputs, adding up, writing results, at one eDRAM and bus."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from arch.machines.isaac.mesh import Choice, Decision, Journey, Mesh
from arch.machines.isaac.pixel_ways import Departure
from arch.machines.isaac.timing import TileReads
from arch.tokens import Pixel, Sums, Window
from simcore import MOST_CYCLES, Component, Counter, In, Operation, Out, Process, Shared, process
from simcore.causes import BY_TIME, Act
from simcore.channel import Channel
from simcore.commands import DONE

#: What the time of reading or writing in eDRAM is computed from.
EDRAM_SET_BY = ("tile.edram_cycles", "tile.edram_banks", "tile.bus_bits", "activation_bits", "digital_ghz")


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
    read = Operation(doc="reading the inputs of one operation", set_by=EDRAM_SET_BY)
    latch = Operation(doc="the rest of the cycle in which they were read, as it comes", set_by=("cycle_ns",))

    cycles: int = 0
    size: int = 0
    stage: int = 1

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of a read; those of a latch follow from when it ends."""
        return {"read": (self.cycles,)}

    @process
    def serve(self) -> Process:
        """Take a window, wait for eDRAM and bus, read, hand the window on where a cycle begins."""
        while True:
            window = yield self.window_in.get()
            yield self.edram.acquire()
            yield self.read.hold(self.cycles)
            self.edram.release()
            yield self.hold_until_edge(self.latch, self.stage)
            yield self.window_out.put(window)

    def edges(self) -> Mapping[str, int]:
        """Return the digital cycles of a cycle, at the end of which inputs are in their registers."""
        return {"latch": self.stage}

    @property
    def bytes_read(self) -> int:
        """Bytes read so far."""
        return self.read.count * self.size


class KeyFetch(Component):
    """Reads from one tile's eDRAM what lies there of a token and of the keys, or values, that it sees.

    The attention units have it as soon as all tiles have read their part; the next token's is read while they
    multiply.

    reads : what lies there
    cycles : digital cycles in which so many bytes are read
    """

    family = "buffer"

    window_in = In(Window, doc="tokens that see enough keys in eDRAM")
    window_out = Out(Window, doc="tokens, with the keys that they see")
    edram = Shared(doc="eDRAM and bus of the tile")
    read = Operation(doc="reading what one token needs", set_by=EDRAM_SET_BY)
    keys = Counter("byte of keys", unit="byte", doc="bytes of keys, or values, read")
    tokens = Counter("byte of tokens", unit="byte", doc="bytes of tokens, or their shares, read")

    reads: TileReads
    cycles: Callable[[int], int]

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of each read of as many images as it takes until all is as before."""
        sizes = (self.reads.size(step) for step in range(self.reads.period))
        cycles = [self.cycles(size) for size in sizes if size]
        return {"read": cycles} if cycles else {}

    @process
    def serve(self) -> Process:
        """Take a token, wait for eDRAM and bus, read, hand it on."""
        reads = self.reads
        while True:
            step = yield self.window_in.get()
            keys, token = reads.kept(step), reads.token(step)
            if size := keys + token:
                yield self.edram.acquire()
                yield self.read.hold(self.cycles(size))
                self.edram.release()
                self.keys.add(keys)
                self.tokens.add(token)
            yield self.window_out.put(step)

    @property
    def bytes_read(self) -> int:
        """Bytes read so far."""
        return self.keys.count + self.tokens.count


class ResultWrite(Component):
    """Writes pixels of one tensor to the eDRAM of one tile of a layer that reads it, as they come.

    cycles, size : of one pixel: digital cycles, and bytes
    written : told each pixel that is in eDRAM, and the number of who wrote it
    sent_by : who sent the pixel that came last, and how many ticks before
    """

    family = "buffer"

    pixel_in = In(Pixel, doc="pixels that have come to the tile")
    edram = Shared(doc="eDRAM and bus of the tile")
    write = Operation(doc="writing one pixel", set_by=EDRAM_SET_BY)

    cycles: int = 0
    size: int = 0
    written: Callable[[int, int], None]
    sent_by: Act = BY_TIME

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of a pixel."""
        return {"write": (self.cycles,)}

    def build(self) -> None:
        """Set up the place of pixels that have come, for which slots are claimed; senders never wait here."""
        self.arrivals = Channel(self.simulation.engine, f"{self.path}.pixel_in", MOST_CYCLES)
        self.pixel_in.bind(self.arrivals)
        self.arrivals.reader_waits.ender = lambda _: self.sent_by
        self.account(self.arrivals, "wait-input:pixel_in", self.arrivals.reader_waits)

    def come(self, pixel: int, by: Act) -> None:
        """Take a pixel that is here, and note whose it is."""
        self.sent_by = by
        self.arrivals.put(pixel)

    @process
    def serve(self) -> Process:
        """Take a pixel, wait for the eDRAM, write, hand the pixel on."""
        number = self.units[0].number
        while True:
            pixel = yield self.pixel_in.get()
            yield self.edram.acquire()
            yield self.write.hold(self.cycles)
            self.edram.release()
            self.written(pixel, number)

    @property
    def bytes_written(self) -> int:
        """Bytes written so far."""
        return self.write.count * self.size


class PixelSend(Component):
    """The output registers of a layer's tiles, which hold finished pixels until their ways are free.

    A pixel sets out for each of its readers as soon as that has a slot for it; the next one comes behind it
    once all have, and if there is room in the registers.

    departure : where pixels set out
    """

    family = "register"

    pixel_in = In(Pixel, doc="finished pixels")
    pixel_out = Out(Pixel, doc="pixels that set out, to every reader's eDRAM")

    departure: Departure

    def build(self) -> None:
        """Open the account."""
        self._room = Decision(self.simulation.engine, f"{self.path}.room")
        self.account(self._room, "wait-resource:mesh", self._room.waits)

    @process
    def serve(self) -> Process:
        """Take a pixel, wait for room, claim the readers' slots."""
        departure = self.departure
        while True:
            pixel = yield self.pixel_in.get()
            wait = self._room.until(departure.room_from)
            if wait is not DONE:
                yield wait
            wait = self.pixel_out.put(pixel)
            if wait is not DONE:
                yield wait


class ShiftAdd(Component):
    """Ends an operation of one copy: the last shift-and-adds, partial sums of its arrays, output register.

    multiply : computes the values of one window's products, None in a run without values
    cycles : of one operation
    sums : packets by which partial sums go on from tile to tile, level by level
    hops : digital cycles in which they do if nothing is in their way, rounded up; the wire behind takes them
    """

    family = "shift-add"

    sums_in = In(Sums, doc="conversions of all arrays of the copy")
    sums_out = Out(Sums, doc="sums of a window in the output register")
    work = Operation("shift-add", doc="the end of one operation", set_by=("ima.shift_add_cycles", "cycle_ns"))

    multiply: Callable[[int], None] | None = None
    cycles: int = 0
    sums: Sequence[Sequence[Choice]] = ()
    hops: int = 0

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of an operation's end."""
        return {"work": (self.cycles,)}

    def send_by(self, mesh: Mesh, sums: Sequence[Sequence[Choice]], hops: int) -> None:
        """Let partial sums take a mesh; what holds them up is waited for."""
        self.sums, self.hops = sums, hops
        self._ask, self._turn = mesh.ask, mesh.next_turn()
        self._behind: int | None = None
        self._sent = Decision(self.simulation.engine, f"{self.path}.sums")
        self.account(self._sent, "wait-resource:mesh", self._sent.waits)

    @process
    def serve(self) -> Process:
        """Take what arrays converted, add it up, hand it on."""
        if self.sums:
            yield from self._serve_tiles()
        multiply, cycles = self.multiply, self.cycles
        relay = self.relay(self.work, self.sums_in, self.sums_out)
        window = yield relay.get()
        while True:
            if multiply is not None:
                multiply(window)
            window = yield relay.next(cycles, window)

    def _serve_tiles(self) -> Process:
        """Do the same where sums go on through several tiles."""
        multiply, cycles, engine = self.multiply, self.cycles, self.simulation.engine
        while True:
            window = yield self.sums_in.get()
            if multiply is not None:
                multiply(window)
            self._behind = None
            ready = engine.now + cycles
            self._ask(Journey(self._turn, self.sums, ready, self._decided, self.units[0].number))
            yield self.work.hold(cycles)
            wait = self._sent.until(self._behind)
            if wait is not DONE:
                yield wait
            yield self.sums_out.put(window)

    def _decided(self, _: int, arrives: int) -> None:
        """Take note of when the last sum is in the last tile, less the hops that the wire behind takes."""
        self._behind = max(arrives - self.hops, self.simulation.engine.now)
        self._sent.decided(self._behind)


class Tile(Component):
    """A tile: its eDRAM and bus are shared by all that reads and writes there."""
