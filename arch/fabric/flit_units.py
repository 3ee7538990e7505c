"""Links and routers of a flit network as units of the accounts; the network's kernel counts their cycles."""

from __future__ import annotations

from collections.abc import Callable

from arch.fabric.link_costs import FabricLink, FabricRouter
from simcore import Component, Counter, Process, process
from simcore.channel import Endpoint, Waits
from simcore.commands import Park, Wake
from simcore.steady import HiddenStateError

#: Returns cycles busy and blocked so far, and the cycle behind the last one of these.
Spent = Callable[[], tuple[int, int, int]]


class CountedTime(Endpoint):
    """Account of a unit whose process is parked for good, and whose cycles somebody else counts.

    The counts are entered whenever accounts are asked for. Which cycles they were is not known, so no
    intervals are recorded.

    spent : see `Spent`; cycles that have passed only
    """

    __slots__ = ("_blocked", "_busy", "_idle", "_wake", "spent")

    def __init__(self, owner: Component, busy: str) -> None:
        """Open the account of the process of `owner`; `busy` is its state when it works."""
        super().__init__(owner.simulation.engine, owner.path)
        self.spent: Spent = lambda: (0, 0, 0)
        self._busy, self._blocked, self._idle = Waits(), Waits(), Waits()
        self._wake: Wake | None = None
        owner.account(self, busy, self._busy)
        owner.account(self, "blocked-output:packet", self._blocked)
        owner.account(self, "wait-input:packet", self._idle)

    def open(self) -> Park:
        """Park the running process for good."""
        self._wake = self._busy.owner = self._blocked.owner = self.engine.active
        return self.park(self.engine.active, self._idle)

    def parked(self) -> list[tuple[Wake, Waits]]:
        """Enter what was counted; since then it waits for input."""
        wake = self._wake
        if wake is None:
            return []
        self._busy.ticks, self._blocked.ticks, wake.since = self.spent()
        self._idle.ticks = wake.since - self._busy.ticks - self._blocked.ticks
        return [(wake, self._idle)]

    def standing(self, now: int) -> tuple[int, ...]:
        """Return nothing: units of a flit network refuse to be compared."""
        return ()


class FlitLink(FabricLink):
    """A link that flits of several packets may share, each in its virtual channel.

    Its time: busy when a flit sets out on it, blocked when one is to and none does.
    """

    recorded = False
    transfer = Counter(unit="packet", doc="packets that have crossed it")

    def build(self) -> None:
        """Open the account."""
        self.time = CountedTime(self, "busy:transfer")

    @process
    def serve(self) -> Process:
        """Be there: the network moves flits."""
        yield self.time.open()

    def phase(self, items: int) -> tuple[int, ...]:
        """Raise HiddenStateError."""
        raise hidden(self)

    def actions(self) -> dict[str, int]:
        """Add flits: one a cycle."""
        return {**super().actions(), "flit": self.time.spent()[0]}


class FlitRouter(FabricRouter):
    """Buffers, virtual channels and allocators between links.

    Its time: blocked when none of the flits inside gets ahead, and forwarding with flits inside else.
    """

    recorded = False

    def build(self) -> None:
        """Open the account."""
        self.time = CountedTime(self, "busy:forward")

    @process
    def route(self) -> Process:
        """Be there: the network moves flits."""
        yield self.time.open()

    def phase(self, items: int) -> tuple[int, ...]:
        """Raise HiddenStateError."""
        raise hidden(self)


def hidden(unit: Component) -> HiddenStateError:
    """Return the reason for which a run does not leave out what repeats."""
    return HiddenStateError(
        f"{unit.path} works flit by flit, and the flits in all its buffers are not compared; "
        "fabric.fidelity=link is, and skips"
    )
