"""The activation memory of a core: circular line buffers, and the process that assembles windows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from arch.cost import BUFFER_AREA, BUFFER_BYTE
from arch.mapping.constant_rows import row_elements, table_elements
from arch.mapping.sizes import bytes_of
from arch.mapping.stages import Stage, kernel_height, window_of
from arch.tokens import Pixel, Token, Window, images_of
from simcore import (
    MOST_CYCLES,
    BufferIn,
    Component,
    In,
    Operation,
    Out,
    PartConfig,
    Process,
    components,
    param,
    process,
)
from simcore.commands import DONE

#: What the time of a step is computed from.
_SET_BY = ("column_cycles", "port_bytes", "window", "activation_bits")

#: What a step reads: the columns that the window register does not hold yet, or all of them.
Reads = Literal["new-columns", "whole-window"]


class ActivationMemoryConfig(PartConfig):
    """Ports and cost of a core's input memory; its depth is the mapping's choice (`buffers.rule`)."""

    window: Reads = param(
        "new-columns",
        unit="one of",
        doc="what a step reads: new-columns, as a shift register keeps the others, and at a row's start all; "
        "whole-window, every time; assumed",
    )
    column_cycles: int | None = param(
        None,
        ge=0,
        le=MOST_CYCLES,
        unit="cycle",
        doc="time to read one column of a window; null: as port_bytes says, or else 1, from K banks, assumed",
    )
    port_bytes: int | None = param(
        None,
        ge=1,
        unit="byte",
        doc="that one port reads in a cycle, of windows and of skips; null: a port wide enough for a column",
    )
    byte_energy_pj: float = param(
        BUFFER_BYTE.value, ge=0, unit="pJ", doc=f"energy to write or read a byte; {BUFFER_BYTE.source}"
    )
    area_mm2_per_kib: float = param(
        BUFFER_AREA.value, ge=0, unit="mm2", doc=f"area of a KiB; {BUFFER_AREA.source}"
    )

    @model_validator(mode="after")
    def _one_speed(self) -> Self:
        if self.column_cycles is not None and self.port_bytes is not None:
            raise ValueError(
                f"has column_cycles {self.column_cycles} and port_bytes {self.port_bytes}, but only one can "
                "say how long a read takes; set the other to null"
            )
        return self

    def step_columns(self, stage: Stage) -> NDArray[np.int64]:
        """Return the columns of its window that each step of an image reads."""
        columns = stage.operands[0].firing.columns
        if self.window == "new-columns" or window_of(stage) is None:
            return columns
        # The first step holds none of its columns yet, whatever the window keeps.
        return np.full_like(columns, columns[0])

    def step_bytes(self, stage: Stage, pixel_bytes: Sequence[int], bits: int) -> NDArray[np.int64]:
        """Return the bytes that each step of an image reads: its columns, pixels of its skips, and rows.

        pixel_bytes : of each operand
        bits : of an activation
        """
        window, *skips = pixel_bytes
        read = self.step_columns(stage) * kernel_height(stage) * window
        read += bytes_of(row_elements(stage) * bits)
        for operand, skip in zip(stage.operands[1:], skips, strict=True):
            read += operand.firing.columns * skip
        return read

    def step_cycles(self, stage: Stage, pixel_bytes: Sequence[int], bits: int) -> NDArray[np.int64]:
        """Return the cycles for which each step of an image reads; see `step_bytes`."""
        if self.port_bytes is not None:
            return -(-self.step_bytes(stage, pixel_bytes, bits) // self.port_bytes)
        return self.step_columns(stage) * (1 if self.column_cycles is None else self.column_cycles)


@dataclass(frozen=True)
class Buffer:
    """One operand's share of the memory.

    depth : slots [pixel]; None is unbounded
    pixel_bytes : bytes in one slot
    """

    source: str
    depth: int | None
    pixel_bytes: int


class Entry(NamedTuple):
    """Where an operand's pixels come in.

    port, depth : by which they do, and slots [pixel] there; None is unbounded
    kept : pixels that are kept from then on, until they are freed at the port `freed`
    """

    port: Any
    depth: int | None
    kept: int | None
    freed: Any


class _Operand(NamedTuple):
    """One operand's channel and firing rule; see `arch.mapping.firing.Firing`."""

    channel: Any
    pixels: int
    need: list[int]
    freed: list[int]
    freed_before: int


@components.register("activation-memory")
class ActivationMemory(Component):
    """Line buffers, one for each tensor that the stage reads, in front of a window register.

    Firing rule: a step starts when every pixel it needs has arrived in every buffer (Kourtis, Dazzi et al.,
    2020). It reads its window, or the columns of it that are new, frees the pixels that no later step needs,
    and hands the window on; the next window is read while the arrays multiply this one.

    Of a product of attention the columns are keys, or values, that the token sees: they stay until the last
    token of their image has read them. Rows of tables, as of an embedding, are read beside a step's pixels.

    Timing: `column_cycles` for each column, while ports of their own read the pixels of skips and rows of
    tables; or, with one port for all, ceil(bytes of the step / `port_bytes`).

    stage, buffers, images, bits : what it works for, and bits of an activation; set when the core is built
    entries : where the pixels of each operand come in: here, unless something stands in front
    capture : copies a step's window into its register, None in a run without values
    """

    Config = ActivationMemoryConfig
    family = "buffer"
    config: ActivationMemoryConfig

    window_out = Out(Window, doc="assembled windows, in the order of output pixels")
    read = Operation(doc="reading what one step reads", set_by=_SET_BY)

    stage: Stage
    buffers: list[Buffer]
    images: int
    bits: int
    entries: list[Entry]
    capture: Callable[[int, int, int], None] | None = None

    def lay_out(self, stage: Stage, buffers: list[Buffer], images: int, bits: int = 8) -> None:
        """Set up one buffer, and its port `pixel_in[i]`, for each operand of the stage."""
        self.stage, self.buffers, self.images, self.bits = stage, buffers, images, bits
        self.pixel_in: list[Any] = [
            self.port(BufferIn(Pixel, doc=f"pixels of {b.source}"), f"pixel_in[{i}]")
            for i, b in enumerate(buffers)
        ]
        self.entries = [
            Entry(port, b.depth, b.depth, port) for port, b in zip(self.pixel_in, buffers, strict=True)
        ]

    @property
    def window_depth(self) -> int:
        """Windows that are held ready for each replica's arrays."""
        return 1

    def step_bytes(self) -> NDArray[np.int64]:
        """Return the bytes that each step of an image reads."""
        return self.config.step_bytes(self.stage, [b.pixel_bytes for b in self.buffers], self.bits)

    def step_cycles(self) -> NDArray[np.int64]:
        """Return the cycles for which each step of an image reads."""
        return self.config.step_cycles(self.stage, [b.pixel_bytes for b in self.buffers], self.bits)

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles for which each step of an image reads."""
        return {"read": self.step_cycles().tolist()}

    @process
    def assemble(self) -> Process:
        """Wait for a step's pixels, read its window, free what is behind it, hand the window on."""
        capture, put, read = self.capture, self.window_out.put, self.read
        first, *others = self._operands()
        for operand in (first, *others):
            operand.channel.free(operand.freed_before)
        steps = list(zip(first.need, first.freed, self.lasts()["read"], strict=True))
        frees_on_read = self.window_depth > 0
        arrived, free = first.channel.arrived, first.channel.free
        window = 0
        for image in images_of(self):
            base = image * first.pixels
            for step, (need, freed, duration) in enumerate(steps):
                for other in others:
                    if other.need[step]:
                        wait = other.channel.arrived(image * other.pixels + other.need[step])
                        if wait is not DONE:  # a yield for nothing takes time, too
                            yield wait
                yield arrived(need and base + need, read, duration)
                if capture is not None:
                    capture(window, image, step)
                if frees_on_read:
                    free(base + freed)
                    for other in others:
                        other.channel.free(image * other.pixels + other.freed[step])
                wait = put(window)
                if wait is not DONE:
                    yield wait
                window += 1

    def phase(self, items: int) -> tuple[int, ...]:
        """Return the step that is read, and the pixels that have come and gone."""
        step = self.read.count - items * self.stage.steps
        pixels = [items * operand.firing.pixels for operand in self.stage.operands]
        channels = [port.connected() for port in self.pixel_in]
        moved = [n - p for c, p in zip(channels, pixels, strict=True) for n in (c.sent, c.freed)]
        return step, *moved

    def _operands(self) -> list[_Operand]:
        """Return each operand's channel and firing rule, in lists, the fastest to go through."""
        firings = (operand.firing for operand in self.stage.operands)
        return [
            _Operand(port.channel, f.pixels, f.need.tolist(), f.freed.tolist(), int(f.live[0]))
            for port, f in zip(self.pixel_in, firings, strict=True)
        ]

    @property
    def peaks(self) -> list[int]:
        """Most pixels held in each buffer at the end of any cycle."""
        return [port.peak for port in self.pixel_in]

    def bytes_written(self, place: int) -> int:
        """Return the bytes of all pixels of an operand that have arrived."""
        return int(self.pixel_in[place].sent * self.buffers[place].pixel_bytes)

    def read_so_far(self, sizes: NDArray[np.int64]) -> int:
        """Return the sum of what steps have read.

        sizes : (steps,) that each step of an image reads
        """
        images, steps = divmod(self.read.count, self.stage.steps)
        return images * int(sizes.sum()) + int(sizes[:steps].sum())

    def actions(self) -> dict[str, int]:
        """Add bytes written, as pixels arrive, and read, as windows are assembled."""
        written = sum(map(self.bytes_written, range(len(self.buffers))))
        read = self.read_so_far(self.step_bytes())
        return {**super().actions(), "byte written": written, "byte read": read}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a byte [J]."""
        byte = self.config.byte_energy_pj * 1e-12
        return {"byte written": byte, "byte read": byte}

    def area(self) -> float:
        """Return the area of all slots and tables [mm2]; an unbounded buffer counts what it held at most."""
        sizes = zip(self.buffers, self.peaks, strict=True)
        held = sum((peak if b.depth is None else b.depth) * b.pixel_bytes for b, peak in sizes)
        held += bytes_of(table_elements(self.stage) * self.bits)
        return held / 1024 * self.config.area_mm2_per_kib


@components.register("direct-memory")
class DirectMemory(ActivationMemory):
    """Line buffers that drive the wordlines themselves, without a window register.

    A window goes to the arrays when they are free, and its pixels stay in the memory through its product.

    released : products that are done
    """

    done_in = In(Token, doc="products that are done, in order")

    read = Operation(doc="reading what one step reads", process="assemble", set_by=_SET_BY)

    released: int = 0

    @property
    def window_depth(self) -> int:
        """No window is held ready."""
        return 0

    @process
    def release(self) -> Process:
        """Free behind each product the pixels that no later step needs."""
        operands = self._operands()
        for image in images_of(self):
            for step in range(self.stage.steps):
                yield self.done_in.get()
                self.released += 1
                for operand in operands:
                    operand.channel.free(image * operand.pixels + operand.freed[step])

    def phase(self, items: int) -> tuple[int, ...]:
        """Add the product that is waited for."""
        return *super().phase(items), self.released - items * self.stage.steps
