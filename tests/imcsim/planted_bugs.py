"""Components that break one rule each."""

from __future__ import annotations

import random
from typing import Any

from simcore import Component, Operation, Out, PartConfig, Process, param, process
from simcore.environment import CycleEnvironment
from tests.imcsim.honest_components import Consumer, Joiner, Stage, StageConfig


class Dropping(Stage):
    """Drops a token."""

    def send(self, token: int) -> Process:
        if token != 7:
            yield self.token_out.put(token)


class Doubling(Stage):
    """Sends a token twice."""

    def send(self, token: int) -> Process:
        for _ in range(2 if token == 7 else 1):
            yield self.token_out.put(token)


class DoublingTheLast(Stage):
    """Sends the last token twice, when the run has what it waited for."""

    def send(self, token: int) -> Process:
        for _ in range(2 if token == 23 else 1):
            yield self.token_out.put(token)


class Inventing(Stage):
    """Sends tokens that never came."""

    def send(self, token: int) -> Process:
        yield self.token_out.put(token if token != 7 else 99)


class Swapping(Stage):
    """Sends two tokens in the wrong order."""

    def send(self, token: int) -> Process:
        yield self.token_out.put({7: 8, 8: 7}.get(token, token))


class Stuck(Stage):
    """Waits for a second token before it hands on a certain one."""

    def send(self, token: int) -> Process:
        if token == 23:
            yield self.token_in.get()
        yield self.token_out.put(token)


class Held(Component):
    """Two stages that wait for one another."""

    def build(self) -> None:
        joiner, stage = self.add(Joiner, "joiner", PartConfig()), self.add(Stage, "stage", StageConfig())
        self.connect(joiner.token_out, stage.token_in)
        self.connect(stage.token_out, joiner.token_in[1])
        self.token_in = joiner.token_in[0]
        self.token_out = joiner.token_out


class Waiting(Stage):
    """Waits for itself, uncharged."""

    def spend(self, token: int) -> Process:
        yield self.work.hold(1)
        yield 2


class Lying(Stage):
    """Holds longer than it does."""

    def spend(self, token: int) -> Process:
        yield self.work.hold(5) - 2


class Forgetful(Stage):
    """Forgets to yield a hold."""

    def spend(self, token: int) -> Process:
        if token == 3:
            self.work.hold(5)
        yield self.work.hold(1)


class Cancelling(Stage):
    """Forgets to yield a hold, and makes up for it by an uncharged wait."""

    def send(self, token: int) -> Process:
        self.work.hold(3)
        yield self.token_out.put(token)
        yield 3


class Timeless(Stage):
    """Runs in circles without time."""

    def spend(self, token: int) -> Process:
        while token == 5:
            yield 0
        yield self.work.hold(1)


class Crashing(Stage):
    """Divides by zero at a certain token."""

    def spend(self, token: int) -> Process:
        yield self.work.hold(6 // (5 - token))


class Random(Stage):
    """Takes time as it likes."""

    def spend(self, token: int) -> Process:
        yield self.work.hold(random.randrange(1000))


class Eager(Component):
    """Two processes that meet in a variable, not at a port."""

    token_out = Out(int, doc="tokens")
    make = Operation(doc="making a token", process="count")
    look = Operation(doc="looking for a token", process="give")

    ready = 0

    @process
    def count(self) -> Process:
        """Have a token ready after each cycle."""
        for _ in range(9):
            yield self.make.hold(1)
            self.ready += 1

    @process
    def give(self) -> Process:
        """Send what is ready after each cycle."""
        sent = 0
        for _ in range(12):
            yield self.look.hold(1)
            while sent < self.ready:
                yield self.token_out.put(sent)
                sent += 1


class Partisan(Stage):
    """Is quicker on one of the engines."""

    def spend(self, token: int) -> Process:
        yield self.work.hold(1 if isinstance(self.simulation.engine, CycleEnvironment) else 2)


class Vain(Stage):
    """Takes longer when it is looked at."""

    def spend(self, token: int) -> Process:
        yield self.work.hold(2 if self.simulation.recording else 1)


class Greedy(Consumer):
    """Leaves the last tokens where they are."""

    @process
    def serve(self) -> Process:
        for _ in range(20):
            yield self.token_in.get()


def declared(base: type[Component] = Stage, /, **members: Any) -> type[Component]:
    """Return a subclass with other declarations."""
    return type("Declared", (base,), {"__doc__": "A stage.", **members})


class Unbounded(PartConfig):
    """A size without bounds."""

    size: int = param(3, unit="cycle", doc="size")


class Unexplained(PartConfig):
    """A size without words."""

    size: int = param(3, ge=1, unit="cycle", doc="")


class Required(PartConfig):
    """A size without default."""

    size: int = param(ge=1, unit="cycle", doc="size")


def giving(**numbers: Any) -> type[Component]:
    """Return a stage whose methods give these numbers."""
    return declared(**{name: lambda _, number=number: number for name, number in numbers.items()})
