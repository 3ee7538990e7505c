"""Components that keep every rule, of all shapes: leaves, composites, memories, users of shared resources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from simcore import (
    BufferIn,
    Component,
    Counter,
    In,
    Operation,
    Out,
    PartConfig,
    Process,
    Shared,
    param,
    process,
)


class StageConfig(PartConfig):
    """Speed of a stage."""

    cycles: int = param(3, ge=0, unit="cycle", doc="time a token takes")
    energy_pj: float = param(0.5, ge=0, unit="pJ", doc="energy of a token")


class Stage(Component):
    """Serves one token at a time."""

    Config = StageConfig

    token_in = In(int, doc="tokens")
    token_out = Out(int, doc="the same tokens, in order")
    work = Operation(doc="serving a token")

    @process
    def serve(self) -> Process:
        """Take a token, hold it, hand it on."""
        while True:
            token = yield self.token_in.get()
            yield from self.spend(token)
            yield from self.send(token)

    def spend(self, token: int) -> Process:
        """Use the time a token takes."""
        yield self.work.hold(self.config.cycles)

    def send(self, token: int) -> Process:
        """Hand a token on."""
        yield self.token_out.put(token)

    def action_energy(self) -> dict[str, float]:
        return {"work": self.config.energy_pj * 1e-12}


class Foretold(Component):
    """Takes longer for each third token, as it says beforehand."""

    Config = StageConfig

    token_in = In(int, doc="tokens")
    token_out = Out(int, doc="the same tokens, in order")
    work = Operation(doc="serving a token", set_by=("cycles",))
    rest = Operation(doc="a cycle behind each")

    def lasts(self) -> Mapping[str, Sequence[int]]:
        cycles = self.config.cycles
        return {"work": (cycles, cycles, 2 * cycles), "rest": (1,)}

    @process
    def serve(self) -> Process:
        """Take a token, hold it, hand it on."""
        cycles = self.lasts()["work"]
        while True:
            token = yield self.token_in.get()
            yield self.work.hold(cycles[token % 3])
            yield self.rest.hold(1)
            yield self.token_out.put(token)


class Box(Component):
    """Two stages in a row, shown as one."""

    def build(self) -> None:
        first, second = (self.add(Stage, f"stage[{i}]", StageConfig(cycles=i)) for i in range(2))
        self.connect(first.token_out, second.token_in)
        self.token_in, self.token_out = first.token_in, second.token_out


class Pool(Stage):
    """Hands on one token for four."""

    def send(self, token: int) -> Process:
        """Hand on a token of the coarser kind, if this completes it."""
        if token % 4 == 3:
            yield self.token_out.put(token // 4)


class Splitter(Component):
    """Sends even tokens one way and odd ones the other."""

    token_in = In(int, doc="tokens")
    even_out = Out(int, doc="even tokens")
    odd_out = Out(int, doc="odd tokens")

    @process
    def serve(self) -> Process:
        """Sort tokens."""
        while True:
            token = yield self.token_in.get()
            yield (self.odd_out if token % 2 else self.even_out).put(token)


class Joiner(Component):
    """Sends a token once it came at both inputs."""

    def build(self) -> None:
        self.token_in = [self.port(In(int, doc="one part"), f"token_in[{i}]") for i in range(2)]
        self.token_out = self.port(Out(int, doc="joined"), "token_out")

    @process
    def serve(self) -> Process:
        """Wait for both parts."""
        while True:
            for port in self.token_in:
                token = yield port.channel.get()
            yield self.token_out.put(token)


class Window(Component):
    """Reads windows of three tokens out of a memory."""

    pixel_in = BufferIn(int, doc="pixels")
    window_out = Out(int, doc="windows, one for each pixel that has two behind it")
    read = Operation(doc="reading a window")

    pixels = 24

    @process
    def serve(self) -> Process:
        """Assemble windows, and free the rest with the last."""
        last = self.pixels - 3
        for window in range(last + 1):
            yield self.pixel_in.arrived(window + 3)
            yield self.read.hold(2)
            self.pixel_in.free(window + 1 if window < last else self.pixels)
            yield self.window_out.put(window)


class BusStage(Stage):
    """A stage that works on a bus that others use, too."""

    bus = Shared(doc="the bus")

    def spend(self, token: int) -> Process:
        """Work while the bus is ours."""
        yield self.bus.acquire()
        yield self.work.hold(self.config.cycles)
        self.bus.release()


class Generator(Component):
    """Sends a few tokens by itself."""

    token_out = Out(int, doc="tokens")
    work = Operation(doc="making a token")

    items = 9

    @process
    def serve(self) -> Process:
        """Make tokens."""
        for token in range(self.items):
            yield self.work.hold(2)
            yield self.token_out.put(token)


class Consumer(Component):
    """Takes everything and gives nothing."""

    token_in = In(int, doc="tokens")
    seen = Counter(unit="token", doc="tokens taken")

    @process
    def serve(self) -> Process:
        """Take tokens."""
        while True:
            yield self.token_in.get()
            self.seen.add(1)


class Passive(Component):
    """Has no process: others drive it and it counts."""

    def area(self) -> float:
        return 1.0


class Closed(Component):
    """Makes tokens, takes them, and ends the run itself."""

    def build(self) -> None:
        source, sink = self.add(Generator, "source", PartConfig()), self.add(Final, "sink", PartConfig())
        self.connect(source.token_out, sink.token_in)


class Final(Component):
    """Ends the run with the ninth token."""

    token_in = In(int, doc="tokens")

    @process
    def serve(self) -> Process:
        """Take nine tokens."""
        for _ in range(9):
            yield self.token_in.get()
        self.simulation.finish()
