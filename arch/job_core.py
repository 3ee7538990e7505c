"""A core that works in jobs: stream a window in, evaluate it, stream the sums out.

The open model of one analog core in a cluster (GVSoC's `ima_v1`, Bruschi): windows lie in a memory that
streamers read and write through ports of 32 bits. The other core assembles windows in a memory of its own
while the arrays work.

Left out: contention for the memory, and the access more that each line at an odd address takes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from arch.activation_memory import ActivationMemory, ActivationMemoryConfig, Reads
from arch.arrays.streaming import Streaming
from arch.core import Core, CoreConfig
from arch.mapping.sizes import bytes_of
from arch.mapping.tiling import Block
from arch.tokens import Sums, Window
from simcore import (
    MOST_CYCLES,
    Component,
    In,
    Operation,
    Out,
    PartConfig,
    Process,
    Shared,
    component_part,
    components,
    param,
    process,
)

_SOURCE = "GVSoC ima_v1"


class StreamedMemoryConfig(ActivationMemoryConfig):
    """A memory whose reads are the streamers': whole windows, in their time."""

    window: Reads = param("whole-window", unit="one of", doc="what a job streams in: the whole window")
    column_cycles: int | None = param(
        0, ge=0, le=MOST_CYCLES, unit="cycle", doc="time to read one column beside a streamer's own; none"
    )


@components.register("streamed-memory")
class StreamedMemory(ActivationMemory):
    """Line buffers that a job core's streamers read: no assembly of windows, each is read as a whole."""

    Config = StreamedMemoryConfig
    config: StreamedMemoryConfig

    def phase(self, items: int) -> tuple[int, ...]:
        """Return what any memory does."""
        return super().phase(items)


class StreamerConfig(PartConfig):
    """Speed of the streamers of one array, and what they may overlap with."""

    mode: Literal["sequential", "pipelined"] = param(
        "pipelined",
        unit="one of",
        doc="whether the next job streams in, and the last one out, during a product; both share the ports",
    )
    ports: int = param(32, ge=1, unit="port", doc=f"between streamer and memory; {_SOURCE}")
    port_bytes: int = param(4, ge=1, unit="byte", doc=f"that one port carries in a cycle; {_SOURCE}")
    fill_cycles: int = param(
        2, ge=0, le=MOST_CYCLES, unit="cycle", doc=f"until a streamer's FIFO is filled; {_SOURCE}"
    )
    idle_cycles: int = param(2, ge=0, le=MOST_CYCLES, unit="cycle", doc=f"between jobs; {_SOURCE}")

    def words(self, size: int) -> int:
        """Return the words that so many bytes take on one port."""
        return -(-size // self.port_bytes)

    def in_cycles(self, height: int, width: int) -> int:
        """Return the cycles in which `height` bytes stream in, for a job with `width` bytes of results.

        Results that fit the ports at once cost a cycle more here, in the published code.
        """
        extra = 1 if self.words(width) // self.ports <= 1 else 0
        return -(-self.words(height) // self.ports) + self.fill_cycles + extra

    def out_cycles(self, width: int) -> int:
        """Return the cycles in which `width` bytes stream out."""
        return -(-self.words(width) // self.ports) + self.fill_cycles

    def period(self, product_cycles: int, height: int, width: int) -> int:
        """Return the cycles from one job to the next."""
        streaming = self.in_cycles(height, width) + self.out_cycles(width) + self.idle_cycles
        if self.mode == "sequential":
            return streaming + product_cycles
        return max(streaming, product_cycles)


class Streamer(Component):
    """One direction of the streamers; base of both.

    cycles : of one job's data, set when the core is built
    """

    Config = StreamerConfig
    family = "streamer"
    config: StreamerConfig

    cycles: int = 0


@components.register("stream-in")
class StreamIn(Streamer):
    """Streams a job's window from the memory to its array, whose wordlines take it from here."""

    window_in = In(Window, doc="windows that are complete")
    window_out = Out(Window, doc="the same, at the array")
    ports_of_memory = Shared(doc="the ports that both directions take turns on")
    stream_in = Operation(
        doc="reading one window", set_by=("ports", "port_bytes", "fill_cycles", "activation_bits")
    )

    done_in: Any = None

    def await_ends(self) -> Any:
        """Return the port on which the ends of jobs are awaited, made on the first call."""
        if self.done_in is None:
            self.done_in = self.port(In(Sums, doc="jobs that have ended"), "done_in")
        return self.done_in

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of a job's window."""
        return {"stream_in": (self.cycles,)}

    @process
    def serve(self) -> Process:
        """Take a window, stream it in once the ports are free, hand it on; in sequence, await its end."""
        ports, done = self.ports_of_memory, self.done_in
        while True:
            window = yield self.window_in.get()
            yield ports.acquire()
            yield self.stream_in.hold(self.cycles)
            ports.release()
            yield self.window_out.put(window)
            if done is not None:
                yield self.done_in.get()

    def phase(self, items: int) -> tuple[int, ...]:
        """Return nothing, for it remembers nothing from job to job."""
        return ()


@components.register("stream-out")
class StreamOut(Streamer):
    """Streams a job's sums back to the memory; behind each job the ports rest."""

    sums_in = In(Sums, doc="sums of one window")
    sums_out = Out(Sums, doc="the same, in the memory")
    ports_of_memory = Shared(doc="the ports that both directions take turns on")
    stream_out = Operation(
        doc="writing the sums of one window", set_by=("ports", "port_bytes", "fill_cycles", "core.adc.bits")
    )
    rest = Operation("between jobs", doc="before the ports are free again", set_by=("idle_cycles",))

    done_out: Any = None

    def tell_ends(self) -> Any:
        """Return the port that tells the ends of jobs, made on the first call."""
        if self.done_out is None:
            self.done_out = self.port(Out(Sums, doc="jobs that have ended"), "done_out")
        return self.done_out

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of a job's sums, and of the rest behind it."""
        return {"stream_out": (self.cycles,), "rest": (self.config.idle_cycles,)}

    @process
    def serve(self) -> Process:
        """Take sums, stream them out when the ports are free, hand them on, rest."""
        ports, done = self.ports_of_memory, self.done_out
        while True:
            sums = yield self.sums_in.get()
            yield ports.acquire()
            yield self.stream_out.hold(self.cycles)
            yield self.sums_out.put(sums)
            yield self.rest.hold(self.config.idle_cycles)
            ports.release()
            if done is not None:
                yield self.done_out.put(sums)

    def phase(self, items: int) -> tuple[int, ...]:
        """Return nothing, for it remembers nothing from job to job."""
        return ()


class JobCoreConfig(CoreConfig):
    """The parts of a job core."""

    memory: ActivationMemoryConfig = component_part(
        "streamed-memory", doc="the memory that windows are streamed from"
    )
    streamer: StreamerConfig = param(StreamerConfig(), unit="", doc="streamers of each array")
    start_cycles: int = param(
        1,
        ge=0,
        le=MOST_CYCLES,
        unit="cycle",
        doc=f"of an array ahead of each product; 131 cycles for 130 ns at 1 GHz, {_SOURCE}",
    )

    def product_cycles(self, streaming: Streaming) -> int:
        """Return the cycles for which an array is busy with one product."""
        return self.start_cycles + super().product_cycles(streaming)

    def period(self, streaming: Streaming, blocks: Sequence[Block]) -> int:
        """Return the cycles from one product of arrays with these blocks to the next."""
        height, width = self.job_bytes(streaming, blocks)
        return self.streamer.period(self.product_cycles(streaming), height, width)

    def passage(self, streaming: Streaming, blocks: Sequence[Block]) -> int:
        """Return the cycles from a window to its sums."""
        height, width = self.job_bytes(streaming, blocks)
        streamer = self.streamer
        return streamer.in_cycles(height, width) + self.product_cycles(streaming) + streamer.out_cycles(width)

    def job_bytes(self, streaming: Streaming, blocks: Sequence[Block]) -> tuple[int, int]:
        """Return the bytes of a job's window and of its sums, in the largest of blocks in lock-step."""
        height = max(bytes_of(block.rows * streaming.bits) for block in blocks)
        return height, max(bytes_of(block.bitlines * self.adc.bits) for block in blocks)


@components.register("job-core")
class JobCore(Core):
    """All cores of one stage, each with streamers before and behind its array; else as the other core.

    Timing: a job, one product, streams its window in, evaluates, and streams its sums out. In sequence the
    next job begins behind it. Pipelined, the next one streams in and the last one out meanwhile, and the
    period is max(t_mvm, t_in + t_out + t_idle).
    """

    Config = JobCoreConfig
    config: JobCoreConfig

    #: Windows held by the streamers of one array and the register behind it, more than in the other core.
    more_registers = 4

    def _add_array(self, prefix: str, name: str, blocks: Sequence[Block]) -> tuple[Any, Any]:
        """Add one array between its streamers; return the port that takes windows, and that of its sums."""
        config = self.config
        height, width = config.job_bytes(self.streaming, blocks)
        window_in, sums_out = super()._add_array(prefix, name, blocks)
        self.crossbars[-1].start_cycles = config.start_cycles
        self.crossbars[-1].mvm.set_by += ("core.start_cycles",)
        stream_in = self.add(StreamIn, f"{prefix}stream-in{name}", config.streamer)
        stream_out = self.add(StreamOut, f"{prefix}stream-out{name}", config.streamer)
        stream_in.cycles = config.streamer.in_cycles(height, width)
        stream_out.cycles = config.streamer.out_cycles(width)
        # The oldest claim goes first, and of two in one cycle that of the sums.
        ports: list[Any] = [stream_out.ports_of_memory, stream_in.ports_of_memory]
        self.share(ports, f"{prefix}ports{name}", rule="oldest")
        # A window stays with its streamer until the array takes it over.
        self.connect(stream_in.window_out, window_in, depth=0)
        self.connect(sums_out, stream_out.sums_in)
        if config.streamer.mode == "sequential":
            self.connect(stream_out.tell_ends(), stream_in.await_ends())
        return stream_in.window_in, stream_out.sums_out
