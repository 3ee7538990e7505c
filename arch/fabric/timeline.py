"""The time of a link or router: forwarding, blocked, or without anything to forward."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from simcore import Component
from simcore.causes import Act, LastAct, Units
from simcore.channel import Endpoint, Waits
from simcore.commands import Park, Wake
from simcore.operation import Operation


class Timeline(Endpoint):
    """Account of a unit whose process is parked for good, while transfers start as a network decides.

    A process that woke up for each of them would only go to sleep again. So its account is kept here: when a
    transfer starts, what was waited before and how long it takes.

    held_up : transfers that are asked for, and for which there is no slot
    asked : whether it is to be told whose acts let transfers start, or be held up
    """

    __slots__ = (
        "_blockers",
        "_contents",
        "_entered",
        "_held_at",
        "_hold_from",
        "_input",
        "_last",
        "_output",
        "_remedy",
        "_wake",
        "asked",
        "held_up",
    )

    def __init__(
        self,
        owner: Component,
        operation: Operation,
        blockers: Callable[[], list[Wake]],
        contents: Callable[[], str],
        remedy: str,
    ) -> None:
        """Open the account of the process of `owner` that holds `operation`.

        blockers : return whose move would end what holds it up
        contents, remedy : what it waits for and what would end a circle of such waits, in words
        """
        super().__init__(owner.simulation.engine, owner.path)
        self.held_up = 0
        self._held_at = -1
        self._entered = 0  # tick up to which its time is charged
        self._hold_from = operation.hold_from
        self._blockers, self._contents, self._remedy = blockers, contents, remedy
        self._input, self._output = Waits(), Waits()
        self._wake: Any = None
        self.asked = False
        self._last = LastAct()
        owner.account(self, "wait-input:packet", self._input)
        owner.account(self, "blocked-output:packet", self._output)

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """Let who lets a transfer start, or be held up, have ended each wait before that."""
        self.asked = True
        waits.ender = lambda _: self._last.act

    def tell(self, act: Act, now: int) -> None:
        """Tell whose act lets a transfer start, or be held up, now, of which there may be several."""
        self._last.note(act, now)
        for waits in (self._input, self._output):
            waits.correct(self._last.act, now)

    def open(self) -> Park:
        """Park the running process for good."""
        self._wake = self._output.owner = self.engine.active
        return self.park(self._wake, self._input)

    def hold(self, now: int, cycles: int) -> None:
        """Forward something for so many cycles from now on, beside what is forwarded already."""
        wake = self._wake
        if now > wake.since:
            self._charge(now)
        elif now != self._held_at:
            self._enter()
        self._held_at = now
        if now + cycles > wake.since:
            wake.since = now + cycles

    def block(self) -> None:
        """Note that one more transfer is held up."""
        now = self.engine.now
        if not self.held_up and now > self._wake.since:
            self._charge(now)
        self.held_up += 1

    def unblock(self) -> None:
        """Note that a transfer which was held up has started."""
        self.held_up -= 1

    def _charge(self, now: int) -> None:
        """Charge the wait that ends or changes its reason now."""
        self._enter()
        wake = self._wake
        (self._output if self.held_up else self._input).end(wake, now)
        wake.waiting = True
        wake.since = self._entered = now

    def _enter(self) -> None:
        """Charge what was forwarded; behind a tick, as transfers that start in one are one, in any order."""
        until = self._wake.since
        if until > self._entered:
            self._hold_from(self._entered, until - self._entered)
            self._entered = until

    @property
    def wake(self) -> Wake:
        """What stands for the unit."""
        wake: Wake = self._wake
        return wake

    def parked(self) -> list[tuple[Wake, Waits]]:
        """Return the process if nothing is forwarded now."""
        if self._wake is None:
            return []
        self._enter()
        if self._wake.since > self.engine.now:
            return []
        return [(self._wake, self._output if self.held_up else self._input)]

    def holders(self) -> list[Wake]:
        """Return whose move would end what holds it up."""
        return self._blockers() if self.held_up else []

    def remedy(self) -> str:
        """Return what would end a circle of waits here, in words."""
        return self._remedy if self.held_up else ""

    def contents(self) -> str:
        """Return what it waits for, in words."""
        return self._contents() if self.held_up else self.name

    def standing(self, now: int) -> tuple[int, ...]:
        """Return how many transfers are held up; what is counted is complete then."""
        self._enter()
        return (self.held_up,)
