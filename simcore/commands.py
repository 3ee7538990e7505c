"""What processes and engines say to one another: the commands a process yields, and what any engine offers.

A process is a Python generator. Besides any SimPy event it may yield

* a positive `int`: resume me after that many ticks,
* `PARK`: somebody holds my `Wake` and will bring me back (channels and arbiters do),
* a `Ready`: I need not wait at all, resume me at once with its value.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Protocol

from simcore.errors import WatchdogError, WiringError

Process = Generator[Any, Any, Any]

#: Wakes of one process within one tick beyond which a run is called a livelock.
WAKES_PER_TICK = 1000
#: Calendar entries between two looks at livelocks, and between two calls of the observer.
LOOK_EVERY = 1 << 15


class Park:
    """The type of `PARK`, the command of a process that somebody else will wake."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "PARK"


class Ready:
    """Command of a process that need not wait: it is resumed at once with `value`."""

    __slots__ = ("value",)

    def __init__(self, value: Any = None) -> None:
        self.value = value


PARK = Park()
DONE = Ready()


class Wake:
    """One entry of the calendar: the engine calls `send(value)` and obeys the command that comes back.

    A process owns one. A callback is a Wake too, without an owner: its `send` takes one argument and returns
    PARK.
    """

    __slots__ = (
        "fetching",
        "owner",
        "parked_event",
        "parked_on",
        "send",
        "since",
        "unit",
        "value",
        "waiting",
    )

    def __init__(self, send: Callable[[Any], Any], owner: Any = None) -> None:
        self.send = send
        self.owner = owner
        self.value: Any = None
        self.parked_on: Any = None  # the channel end or arbiter it parked on last
        self.since = 0  # tick in which it parked there, or will have: see `Endpoint.await_from`
        self.waiting = False  # whether it waits there, or will from `since` on, which it works up to
        self.unit: Any = None  # whose time the process spends, where it is accounted
        self.fetching: Any = None  # what takes a token that came too early for its relay: `simcore.relay`
        self.parked_event: Any = None  # stock SimPy only: the event that stands for being parked


class Engine(Protocol):
    """What channels, arbiters and simulations need of an engine, whichever it is."""

    events: int
    active: Wake
    observer: Callable[[], None] | None

    @property
    def now(self) -> Any:
        """The present tick."""

    @property
    def idle(self) -> bool:
        """Whether nothing is left to do."""

    @property
    def soon(self) -> Callable[[Wake], Any]:
        """Puts a Wake behind everything already due in this tick."""

    def at(self, tick: float, wake: Wake) -> None:
        """Put a Wake into a tick, this one or a later one, behind what is due then."""

    def late(self, callback: Callable[[], None]) -> None:
        """Call back once this tick has settled, before time moves on."""

    def closing(self, callback: Callable[[], None]) -> None:
        """Call back when this tick is over, late rounds and a halt included: nothing more happens in it."""

    def peek(self) -> Any:
        """Return the tick of the next entry, infinity if there is none."""

    def timeout(self, delay: Any) -> Any:
        """Return a SimPy event in so many ticks."""

    def start(self, generator: Process) -> Wake:
        """Start a process and return its Wake."""

    def calendar(self) -> list[tuple[Any, Wake]] | None:
        """Return what is due after this tick, in order; None if it holds an event that is no Wake's."""

    def halt(self) -> None:
        """Leave `run` at the end of this tick."""

    def run(self, until: Any = None) -> Any:
        """Run until nothing is left to do, or until a time or event as in SimPy, or until `halt`."""


def livelock(wake: Wake, now: Any, wakes: int) -> WatchdogError:
    """Return the error for a process that runs again and again without letting time pass."""
    return WatchdogError(
        f"livelock at tick {now}: {describe(wake)} was woken {wakes} times in one tick "
        f"(limit {WAKES_PER_TICK}); let it hold for at least one cycle somewhere in its loop"
    )


def not_interruptible(wake: Wake) -> WiringError:
    """Return the error for interrupting a process of a component, or one that may be handed a token."""
    if wake.unit is not None:
        return WiringError(
            f"{describe(wake)} is a component's process and cannot be interrupted, as its time is accounted; "
            "send it a message through a port instead"
        )
    return WiringError(
        f"{describe(wake)} waits in a channel or arbiter and cannot be interrupted, as the token it is "
        "promised would be lost; send it a message through a port instead"
    )


def not_a_command(wake: Wake, command: Any) -> Exception:
    """Return the error for yielding what no engine understands; SimPy's own kind where no component is."""
    kind = RuntimeError if wake.unit is None else WiringError
    return kind(
        f"Invalid yield value {command!r} of {describe(wake)}; "
        "yield a number of ticks, what a port returned, or a SimPy event"
    )


def describe(wake: Wake) -> str:
    """Return how messages call what is behind a Wake."""
    if wake.unit is not None:
        return str(wake.unit.path)
    return f"process {wake.owner.name!r}" if wake.owner is not None else "a callback"
