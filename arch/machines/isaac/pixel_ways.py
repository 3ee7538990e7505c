"""How pixels get from the tiles that make them into the eDRAM of the tiles that read them.

A pixel sets out for a reader once that has a slot for it, and is written to one of the reader's tiles, by
turns. Each tile writes what comes to it; readers see pixels in their order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from arch.machines.isaac.mesh import Choice, Journey, Mesh
from simcore.carried import CarriedBuffer, CarriedEnd, Stations
from simcore.causes import BY_TIME, Act
from simcore.channel import Channel
from simcore.clocks import next_edge
from simcore.commands import PARK, Engine, Park, Wake


class Writer(Protocol):
    """What writes pixels in one tile.

    arrivals : by which they come to it
    written : told each pixel that is in eDRAM, and the number of the unit that wrote it
    """

    arrivals: Channel
    written: Callable[[int, int], None]

    def come(self, pixel: int, by: Act) -> None:
        """Take a pixel that is here, of a sender so many ticks ago."""


#: Bytes that each of some tiles makes of a pixel.
Shares = Sequence[tuple[int, int]]


class Landing:
    """Where the pixels of one tensor come to a layer that reads them.

    tiles : in which they are written, by turns
    latency, period : ticks behind the write until a pixel may be read, at an edge of the reader's clock
    """

    def __init__(
        self, engine: Engine, tiles: range, writers: Sequence[Writer], latency: int, period: int
    ) -> None:
        self.tiles = tiles
        self._engine = engine
        self._writers = writers
        for writer in writers:
            writer.written = self.written
        self._stations = Stations(engine, [writer.arrivals for writer in writers], latency, period)
        self._buffer: CarriedBuffer | None = None
        self._written: set[int] = set()
        self._next = 0  # the first that is not written, or behind one that is not
        # Ticks, the pixels below which may be read then, and who wrote the last one of these when.
        self._coming: deque[tuple[int, int, tuple[int, int]]] = deque()
        self._alarm = Wake(self._land)

    def connect(self, buffer: CarriedBuffer) -> None:
        """Take the reader's buffer."""
        self._buffer = buffer
        buffer.stations = self._stations

    @property
    def slots(self) -> int:
        """Slots of the reader's buffer."""
        assert self._buffer is not None
        slots: int = self._buffer.capacity
        return slots

    def arrive(self, coming: tuple[int, tuple[int, int]]) -> Park:
        """Let the tile write a pixel that is here; of it is told which unit sent it when, too."""
        pixel, (sender, tick) = coming
        self._stations.note(pixel)
        self._writers[pixel % len(self.tiles)].come(pixel, (sender, self._engine.now - tick))
        return PARK

    def written(self, pixel: int, writer: int) -> None:
        """Let the reader have a pixel that is written, behind those before it."""
        self._written.add(pixel)
        if pixel != self._next:
            return
        while self._next in self._written:
            self._written.remove(self._next)
            self._next += 1
        now, stations = self._engine.now, self._stations
        tick, act = next_edge(now + stations.latency, stations.period), (writer, now)
        if self._coming and self._coming[-1][0] == tick:
            before = self._coming[-1][2]
            self._coming[-1] = tick, self._next, min(act, before) if before[1] == now else act
        else:
            self._coming.append((tick, self._next, act))
            self._engine.at(tick, self._alarm)

    def _land(self, _: None) -> Park:
        """Give the reader what may be read as of now."""
        assert self._buffer is not None
        now = self._engine.now
        if self._coming and self._coming[0][0] <= now:
            end, (writer, written) = self._coming.popleft()[1:]
            for pixel in range(self._buffer.landed, end):
                self._buffer.land(pixel, (writer, now - written))
        return PARK

    def standing(self, now: int) -> tuple[int, ...]:
        """Return what is written and cannot be read yet."""
        ahead = sorted(pixel - self._next for pixel in self._written)
        return *ahead, -1, *(tick - now for tick, *_ in self._coming)


class Departure:
    """Where the pixels of one stage set out; an `Entry` of `simcore.carried` that takes any number.

    makers : tiles that make a pixel and what each makes of it, pixel by pixel in turn
    registers : pixels that wait in its tiles at most, until their ways are free; no more than half of what
        any reader has slots for, as those who wait have claimed theirs
    load : keeps the values of a pixel that sets out, None in a run without values
    """

    def __init__(self, mesh: Mesh, name: str, makers: Sequence[Shares], registers: int) -> None:
        self.makers, self.registers = makers, registers
        self.load: Callable[[int], None] | None = None
        self._mesh, self._name = mesh, name
        self._engine = mesh.simulation.engine
        self._loaded = -1
        self._ends: Sequence[CarriedEnd] = ()
        self._landings: list[tuple[Landing, int]] = []
        self._leaving: deque[tuple[int, int]] = deque()  # pixels, and when their last packet has set out
        self._choices: dict[tuple[int, int, int, int], Sequence[Choice]] = {}

    def add(self, landing: Landing) -> None:
        """Add a reader, in the order of the ends."""
        self._landings.append((landing, self._mesh.next_turn()))

    def connect(self, ends: Sequence[CarriedEnd]) -> None:
        """Take the sender's ends, one for each reader."""
        self._ends = ends
        for (landing, _), end in zip(self._landings, ends, strict=True):
            landing.connect(end.buffer)
        fewest = min(landing.slots for landing, _ in self._landings)
        self.registers = max(1, min(self.registers, fewest // 2))

    def accept(self, token: int, reader: int) -> bool:
        """Let a pixel set out for a reader, as soon as its way is free."""
        if self.load is not None and token != self._loaded:
            self._loaded = token
            self.load(token)
        landing, turn = self._landings[reader]
        place = token % len(landing.tiles)
        packets = self._packets(reader, token % len(self.makers), place, token % self._mesh.lanes)
        sent = self._ends[reader].sender(), self._engine.now
        done = partial(self._left, token, landing, sent)
        if packets:
            self._mesh.ask(Journey(turn, (packets,), self._engine.now, done, sent[0]))
        else:
            done(self._engine.now, self._engine.now)
        return True

    def passage(self, token: int, reader: int) -> int:
        """Return the ticks to the tile that writes a pixel for a reader if nothing is in its way."""
        landing, _ = self._landings[reader]
        place, maker = token % len(landing.tiles), token % len(self.makers)
        packets = self._packets(reader, maker, place, token % self._mesh.lanes)
        return max((self._mesh.passage(choice) for choice in packets), default=0)

    def place_since(self) -> tuple[int, Act]:
        """Return that there always was a place."""
        return -1, BY_TIME

    def _packets(self, reader: int, maker: int, place: int, lane: int) -> Sequence[Choice]:
        key = reader, maker, place, lane
        if key not in self._choices:
            target = self._landings[reader][0].tiles[place]
            packets = ((tile, size) for tile, size in self.makers[maker] if tile != target)
            self._choices[key] = [self._mesh.choice(tile, target, lane, size) for tile, size in packets]
        return self._choices[key]

    def _left(self, pixel: int, landing: Landing, sent: tuple[int, int], sets_out: int, arrives: int) -> None:
        """Note when a pixel sets out, and let it arrive."""
        leaving = self._leaving
        if leaving and leaving[-1][0] == pixel:
            leaving[-1] = pixel, max(sets_out, leaving[-1][1])
        else:
            leaving.append((pixel, sets_out))
            if len(leaving) > self.registers:
                leaving.popleft()
        arrival = Wake(landing.arrive)
        arrival.value = pixel, sent
        self._engine.at(arrives, arrival)

    @property
    def most_under_way(self) -> int:
        """Pixels of which a copy may be on its way at once, at most: those that one reader has slots for."""
        return 1 + max(landing.slots for landing, _ in self._landings)

    @property
    def room_from(self) -> int:
        """Return the tick from which the tiles' registers have room for a pixel, which may be over."""
        return self._leaving[0][1] if len(self._leaving) == self.registers else 0

    def holders(self) -> list[Wake]:
        """Return nobody: there is always a place."""
        return []

    def carriers(self, reader: int) -> list[Wake]:
        """Return nobody: what is on its way arrives by itself."""
        return []

    def contents(self) -> str:
        """Return how much waits, in words."""
        waiting = sum(tick > self._engine.now for _, tick in self._leaving)
        return f"{waiting} of {self.registers} pixels of {self._name} wait for their ways over the mesh"

    def standing(self, now: int) -> Sequence[int]:
        """Return when what waits sets out."""
        landings = (number for landing, _ in self._landings for number in landing.standing(now))
        return *(max(0, tick - now) for _, tick in self._leaving), -1, *landings
