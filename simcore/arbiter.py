"""Many to one: who gets a resource, or the one slot of a channel, when several ask in the same tick.

Claims of a tick are collected and decided when the tick has settled (`Engine.late`), by a fixed rule over all
of them. So the outcome depends on who asks when, never on the order in which processes run within a tick.
What is given back in tick t can be granted in t.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from simcore.causes import Act, LastAct, Puts, Side, Units
from simcore.channel import DelayedChannel, Endpoint, Waits
from simcore.commands import PARK, Engine, Park, Wake
from simcore.errors import WiringError
from simcore.registry import near_miss

#: Who goes first: the next in turn after the last winner, who has waited longest, or the smallest priority
#: number. Among equals it is the order of the wiring.
Rule = Literal["round-robin", "oldest", "priority"]


class Claimant(Endpoint):
    """One requester's end of an arbiter or merge.

    index : its place in the order of the wiring
    """

    __slots__ = ("claimed_at", "index", "priority", "waiting", "waits")

    def __init__(self, engine: Engine, name: str, index: int) -> None:
        super().__init__(engine, name)
        self.index = index
        self.priority = index
        self.claimed_at = 0
        self.waiting: Wake | None = None
        self.waits = Waits()

    def claim(self, contest: Contest, wake: Wake) -> Park:
        """Enter the contest and park until it is won."""
        self.park(wake, self.waits)
        self.claimed_at = self.engine.now
        self.waiting = wake
        contest.enter(self)
        return PARK

    def win(self) -> Wake:
        """Charge the wait and let the process go on; return it."""
        wake = self.waiting
        assert wake is not None
        self.waiting = None
        self.waits.end(wake, self.engine.now)
        self.soon(wake)
        return wake

    def standing(self, now: int) -> Sequence[int]:
        """Return who waits, since when, and before whom."""
        return id(self.waiting), self.claimed_at - now if self.waiting is not None else 0, self.priority

    def parked(self) -> list[tuple[Wake, Waits]]:
        """Return the requester if it waits."""
        return [(self.waiting, self.waits)] if self.waiting is not None else []


class Decision:
    """What is decided once for a tick, when it has settled: by all that happened in it, in any order."""

    def __init__(self, engine: Engine, decide: Callable[[], None]) -> None:
        self._engine = engine
        self._decide = decide
        self._called = False

    def call(self) -> None:
        """Have it decided once this tick has settled."""
        if not self._called:
            self._called = True
            self._engine.late(self._settled)

    def _settled(self) -> None:
        self._called = False
        self._decide()


class Contest:
    """Claims that wait to be decided.

    decide : called when a tick with new claims, or with something to grant, has settled
    call : asks for that
    winners : places of those that won, one after the other, if they are logged
    """

    def __init__(self, engine: Engine, name: str, count: int, rule: Rule, decide: Callable[[], None]) -> None:
        if rule not in get_args(Rule):
            raise WiringError(f"{name} knows no rule {rule!r}; {near_miss(rule, list(get_args(Rule)))}")
        self.engine = engine
        self.rule = rule
        self.claims: list[Claimant] = []
        self.winners: array[int] | None = None
        self.call = Decision(engine, decide).call
        self._count = count
        self._turn = 0

    @property
    def turn(self) -> int:
        """Whose turn it is, by the order of the wiring."""
        return self._turn % self._count

    def enter(self, claimant: Claimant) -> None:
        """Add a claim of this tick."""
        self.claims.append(claimant)
        self.call()

    def winner(self) -> Claimant:
        """Return the claim that goes first by the rule, and take it off the list."""
        winner = min(self.claims, key=self._rank)
        self.claims.remove(winner)
        self._turn = winner.index + 1
        if self.winners is not None:
            self.winners.append(winner.index)
        return winner

    def _rank(self, claimant: Claimant) -> tuple[int, int]:
        if self.rule == "round-robin":
            return 0, (claimant.index - self._turn) % self._count
        return claimant.claimed_at if self.rule == "oldest" else claimant.priority, claimant.index


class SharedEnd(Claimant):
    """One requester's end of an arbiter: `yield self.bus.acquire()`, later `self.bus.release()`."""

    __slots__ = ("arbiter", "held_since", "holder")

    def __init__(self, engine: Engine, name: str, index: int, arbiter: Arbiter) -> None:
        super().__init__(engine, name, index)
        self.arbiter = arbiter
        self.holder: Wake | None = None
        self.held_since = 0

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """Let who gave the resource back last have ended each wait."""
        released = self.arbiter.released = self.arbiter.released or LastAct()
        waits.ender = lambda _: released.act

    def acquire(self, priority: int | None = None) -> Park:
        """Wait until the resource is granted, which takes no time if it is free and nobody goes first.

        priority : smaller goes first under the rule `priority`; the place in the wiring if left out
        raises : WiringError if this requester holds it already
        """
        if self.holder is not None:
            raise WiringError(f"{self.name} acquires {self.arbiter.name} twice; release it in between")
        self.priority = self.index if priority is None else priority
        return self.claim(self.arbiter.contest, self.engine.active)

    def release(self) -> None:
        """Give the resource back; it can be granted in this very tick.

        raises : WiringError if this requester does not hold it
        """
        if self.holder is None:
            raise WiringError(
                f"{self.name} releases {self.arbiter.name} without holding it; acquire it before"
            )
        released = self.arbiter.released
        if released is not None:
            released.note((self.holder.unit.number, 0), self.engine.now)
        self.holder = None
        self.arbiter.give_back()

    def standing(self, now: int) -> Sequence[int]:
        """Add who holds the resource, and whose turn it is."""
        return *super().standing(now), id(self.holder), self.arbiter.contest.turn

    def holders(self) -> list[Wake]:
        """Return who holds the resource."""
        return [end.holder for end in self.arbiter.ends if end.holder is not None]

    def contents(self) -> str:
        """Return who holds the resource since when, in words."""
        held = [f"{end.name} since {end.held_since}" for end in self.arbiter.ends if end.holder is not None]
        return f"{self.arbiter.name} is held by {', '.join(held) or 'nobody'}"


class Arbiter:
    """A resource of which there are `capacity`, for requesters that take turns by a rule.

    ends : one for each requester, in the order of the wiring
    released : who gave one back last, where that is asked for
    """

    def __init__(
        self, engine: Engine, name: str, requesters: Sequence[str], capacity: int, rule: Rule = "round-robin"
    ) -> None:
        self.name = name
        self.capacity = capacity
        self.free = capacity
        self.released: LastAct | None = None
        self.ends = [SharedEnd(engine, requester, i, self) for i, requester in enumerate(requesters)]
        self.contest = Contest(engine, name, len(self.ends), rule, self._grant)

    def give_back(self) -> None:
        """Take one back, to be granted in this tick if somebody waits."""
        self.free += 1
        if self.contest.claims:
            self.contest.call()

    def _grant(self) -> None:
        while self.free and self.contest.claims:
            end = self.contest.winner()
            assert isinstance(end, SharedEnd)
            self.free -= 1
            end.holder = end.win()
            end.held_since = end.engine.now


class MergeEnd(Claimant):
    """Writing end for one of the senders of a `Merge`."""

    __slots__ = ("merge", "side", "token")

    def __init__(self, engine: Engine, name: str, index: int, merge: Merge) -> None:
        super().__init__(engine, name, index)
        self.merge = merge
        self.token: Any = None
        self.side: Side | None = None  # its sender's, where it is asked for

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """Let the reader have ended each wait for a slot, and whoever went before that for a turn."""
        self.side = Side(self.engine, own, waits)
        self.merge.watch_reader(others)
        waits.ender = self.merge.accepted_after

    @property
    def writer_waits(self) -> Waits:
        """How long its process waited here."""
        return self.waits

    def put(self, token: Any, wake: Wake | None = None) -> Park:
        """Hand a token on, waiting for room and a turn; `wake` waits in place of the running process."""
        self.token = token
        return self.claim(self.merge.contest, wake or self.engine.active)

    def standing(self, now: int) -> Sequence[int]:
        """Add whose turn it is."""
        return *super().standing(now), self.merge.contest.turn

    def contents(self) -> str:
        """Return how full the merge is, in words."""
        return self.merge.contents()


class Merge(DelayedChannel):
    """Channel with several senders of one clock: it accepts one token a cycle, from whoever's turn it is.

    ends : one for each sender, in the order of the wiring
    period : ticks in a cycle
    """

    __slots__ = (
        "_accepted",
        "_alarm",
        "_alarm_at",
        "_next_accept",
        "_reader_side",
        "_slot_since",
        "contest",
        "ends",
        "period",
    )

    def __init__(
        self,
        engine: Engine,
        name: str,
        senders: Sequence[str],
        capacity: int,
        latency: int = 0,
        period: int = 1,
        rule: Rule = "round-robin",
    ) -> None:
        super().__init__(engine, name, capacity, latency, period, period)
        self.period = period
        self.ends = [MergeEnd(engine, sender, i, self) for i, sender in enumerate(senders)]
        self.contest = Contest(engine, name, len(self.ends), rule, self._admit)
        self._next_accept = 0
        self._accepted: Side | None = None  # whose token was accepted last, where that is asked for
        self._reader_side: Side | None = None
        self._slot_since = 0  # when the last slot became free
        self._alarm_at = 0
        self._alarm = Wake(self._next_cycle)

    def watch(self, waits: Waits, own: Units, others: Sequence[Units]) -> None:
        """Let the sender of each token have ended the wait for it."""
        self._puts = Puts(Side(self.engine, (), waits))  # it changes from token to token
        waits.ender = self._puts.before

    def watch_reader(self, reader: Sequence[Units]) -> None:
        """Take note of who makes room."""
        (units,) = reader
        self._reader_side = Side(self.engine, units, self.reader_waits)

    def accepted_after(self, end: int) -> Act:
        """Return whose act let the token that is accepted now be so: what made room, or who was first."""
        if self._slot_since == end or self._accepted is None:
            assert self._reader_side is not None
            return self._reader_side.number(), 0
        return self._accepted.number(), end - self._next_accept + self.period

    def standing(self, now: int) -> Sequence[int]:
        """Return when what it holds can be taken, who waits, and when it accepts again."""
        waits = (max(0, tick - now) for tick in (self._next_accept, self._alarm_at))
        return *super().standing(now), *waits

    def _admit(self) -> None:
        """Accept the token whose turn it is, if there is room and none was accepted in this cycle."""
        claims, now = self.contest.claims, self.engine.now
        if claims and now >= self._next_accept and len(self._items) < self.capacity:
            end = self.contest.winner()
            assert isinstance(end, MergeEnd)
            if self._puts is not None:
                assert end.side is not None
                self._puts.side = end.side
            self._accept(end.token)
            end.win()
            self._next_accept = now + self.period
            self._accepted = end.side
        if claims and now < self._next_accept and self._alarm_at < self._next_accept:
            self._alarm_at = self._next_accept
            self.engine.at(self._alarm_at, self._alarm)

    def _next_cycle(self, _: Any) -> Park:
        if self.contest.claims:
            self.contest.call()
        return PARK

    def _free_slot(self) -> None:
        """Let the next sender have the slot in this cycle, if it may still accept a token."""
        if len(self._items) == self.capacity - 1:
            self._slot_since = self.engine.now
        if self.contest.claims:
            self.contest.call()
