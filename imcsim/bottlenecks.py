"""What a run's time is due to, ranked: sentences with numbers, and the parameter that would relieve it.

Each candidate has a weight, the share of the makespan that it accounts for, discounted by what speaks against
it:

* A unit counts with its share of the critical path, or of the run if it never rests while it has work: the
  run cannot be shorter than its busy time. It is discounted by how much it rests between its first operation
  and its last one: a unit that rests does not set the pace, but is one part of what does.
* A memory counts with the time for which its writers waited for room on the critical path.
* A shared resource counts with the time for which those that wait for one another held it.
* Requests count with the time in which none was there.
* Filling and draining the pipeline counts with what images, one behind the other, do not explain, discounted
  by the share of the largest unit on the way.

Without a recording the critical path is not known; then accounts stand in for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from imcsim.evidence import Evidence, Work
from imcsim.neighbours import Neighbours
from imcsim.occupancy import BufferUse
from imcsim.relief import Reliefs, Setting
from imcsim.stall_stacks import WORKING
from simcore.activity import category

#: Least weight, and number, of what is told.
_LEAST, _MOST = 0.05, 5
#: A unit that works for this share of the time from its first operation to its last sets a pace.
SATURATED = 0.9
#: What sets the pace of a run works for this share of it at least.
_PACE = 0.5
#: Units whose busy time is within this share of one another are alike.
_ALIKE = 0.97


@dataclass(frozen=True)
class Bottleneck:
    """One thing that a run's time is due to.

    rank : 1 is what it is due to most
    where : a unit, a memory, a shared resource, or `requests` and `pipeline` for those as a whole
    what : the operation, or the kind of the limit: `room`, `turn`, `arrivals`, `fill and drain`
    share, cycles : of the makespan that it accounts for
    sentence : what is known of it, in words
    parameter : of the machine or the run that would relieve it, as `--set` takes it; None if none is known
    advice : what to do, in words
    """

    rank: int
    where: str
    what: str
    share: float
    cycles: float
    sentence: str
    parameter: str | None
    advice: str


@dataclass(frozen=True)
class _Candidate:
    """A bottleneck before it is ranked; `ticks` are of the makespan, `weight` is what it ranks by."""

    weight: float
    where: str
    what: str
    ticks: int
    sentence: str
    parameter: Setting | str | None
    advice: str


@dataclass(frozen=True)
class Alike:
    """Units that do the same, equally long: the one that worked most first, as the arrays of slow layers."""

    works: tuple[Work, ...]

    @property
    def work(self) -> Work:
        """The one that worked most."""
        return self.works[0]

    @property
    def members(self) -> tuple[str, ...]:
        """Their paths."""
        return tuple(work.unit.path for work in self.works)

    @property
    def name(self) -> str:
        """How sentences call them."""
        others = self.members[1:]
        return self.members[0] + (f" (like {_listed(others, 2)})" if others else "")


def ranked_bottlenecks(evidence: Evidence, buffers: Sequence[BufferUse]) -> tuple[Bottleneck, ...]:
    """Return what a run's time is due to, the most important first.

    buffers : what memories held
    """
    found = [c for c in _Search(evidence, buffers).candidates() if c.weight >= _LEAST]
    found.sort(key=lambda c: (-c.weight, -c.ticks, c.where))
    times = evidence.times
    return tuple(
        Bottleneck(
            rank,
            c.where,
            c.what,
            times.share(c.ticks),
            times.cycles(c.ticks),
            c.sentence,
            c.parameter.path if isinstance(c.parameter, Setting) else c.parameter,
            c.advice,
        )
        for rank, c in enumerate(found[:_MOST], 1)
    )


def alike_units(works: Iterable[Work]) -> list[Alike]:
    """Return units with those that do the same beside them; `works` are sorted by how long they worked."""
    groups: list[list[Work]] = []
    latest: dict[tuple[str, str], list[Work]] = {}
    for work in works:
        if work.unit.family == "router":  # which is busy while any of its links is
            continue
        kind = work.unit.kind, work.operation
        group = latest.get(kind)
        if group is None or work.worked < _ALIKE * group[0].worked:
            group = latest[kind] = []
            groups.append(group)
        group.append(work)
    return [Alike(tuple(group)) for group in groups]


class _Search:
    """Finds all candidates of one run."""

    def __init__(self, evidence: Evidence, buffers: Sequence[BufferUse]) -> None:
        self.evidence, self.times, self.path = evidence, evidence.times, evidence.path
        self.buffers = {buffer.path: buffer for buffer in buffers}
        self.neighbours = Neighbours(evidence.run)
        self.reliefs = Reliefs(evidence.run)
        self.alike = alike_units(evidence.works)
        self.busiest = self.alike[0] if self.alike else None
        self.most = self.times.share(self.busiest.work.worked) if self.busiest else 0.0

    def candidates(self) -> Iterator[_Candidate]:
        """Yield what the time may be due to."""
        yield from map(self._units, self.alike)
        yield from self._memories()
        yield from self._resources()
        yield from self._requests()
        yield from self._filling()

    # -- units ---------------------------------------------------------------------------------------------

    def _on_path(self, members: Iterable[str]) -> int | None:
        """Return the ticks of units on the critical path, None where it is not known."""
        if self.path is None:
            return None
        return sum(sum(self.path.held.get(path, {}).values()) for path in members)

    def _units(self, alike: Alike) -> _Candidate:
        """Return units that do the same, as a bottleneck."""
        work, on_path = alike.work, self._on_path(alike.members)
        saturated = work.saturation >= SATURATED
        ticks = work.worked if on_path is None or (saturated and work.worked > on_path) else on_path
        operation = work.operation.partition(":")[2]
        settings = self.reliefs.of_operation(work.unit.kind, operation)
        clauses = [self._pace(alike, saturated)]
        if on_path is not None:
            clauses.append(f"{self._percent(on_path)} of the critical path is its work")
        if (ended := self._ended_by(alike.members)) is not None:
            clauses.append(f"{ended:.0%} of all waiting ends with it")
        return _Candidate(
            self.times.share(ticks) * min(work.saturation, 1.0),
            work.unit.path,
            operation,
            ticks,
            ", ".join(clauses) + _set_by(settings, f"how long {operation} takes"),
            settings[0] if settings else None,
            self._advice(alike, settings, saturated),
        )

    def _pace(self, alike: Alike, saturated: bool) -> str:
        work = alike.work
        share = self._percent(work.worked)
        states = sorted(
            ((s, t) for s, t in work.spent.items() if category(s) in WORKING), key=lambda item: -item[1]
        )
        doing = ", ".join(f"{s.partition(':')[2]} {self._percent(t)}" for s, t in states[:3])
        if len(states) == 1:
            doing = states[0][0].partition(":")[2]
        if saturated and self.times.share(work.worked) >= max(_PACE, _ALIKE * self.most):
            return (
                f"{alike.name} sets the pace: from its first {doing if len(states) == 1 else 'operation'} to "
                f"its last one it works {work.saturation:.0%} of the time, {share} of the run"
                + ("" if len(states) == 1 else f" ({doing})")
            )
        return f"{alike.name} works {share} of the run ({doing})"

    def _ended_by(self, members: Iterable[str]) -> float | None:
        evidence = self.evidence
        if evidence.ended is None or not evidence.waited:
            return None
        return sum(evidence.ended.get(path, 0) for path in members) / evidence.waited

    def _advice(self, alike: Alike, settings: Sequence[Setting], saturated: bool) -> str:
        """Return what to do about units, and how far that can help."""
        work, ways = alike.work, []
        if settings:
            ways.append(f"change {settings[0].path}")
        if work.unit.family == "crossbar":
            layers = dict.fromkeys(self.reliefs.of_layer(work.unit.layer) for work in alike.works)
            if copies := [path for path in layers if path is not None]:
                ways.append(f"share the work among more copies by {_listed(copies, 2)}")
        if not ways:
            ways.append(f"let {work.operation.partition(':')[2]} take less time, or several share the work")
        advice = ", or ".join(ways)
        if not saturated:
            return advice
        others = [other for other in self.alike if other is not alike]
        if busier := [o.name for o in others if _ALIKE * o.work.worked > work.worked]:
            return f"{advice}; that helps once {busier[0]} is faster"
        if same := [o.name for o in others if o.work.worked >= _ALIKE * work.worked]:
            return f"{advice}; as busy are {_listed(same, 3)}, which must become faster with it"
        if others:
            return f"{advice}; next is {others[0].name}, which works {self._percent(others[0].work.worked)}"
        return advice

    def _percent(self, ticks: float) -> str:
        return f"{self.times.share(ticks):.0%}"

    # -- memories ------------------------------------------------------------------------------------------

    def _memories(self) -> Iterator[_Candidate]:
        """Yield memories whose writers waited for room while nobody was at their limit."""
        waits: dict[str, dict[str, int]] = {}
        for waiter, state, ticks, by in self._blocked():
            for channel in self.neighbours.channels(waiter, state):
                if channel.target in self.buffers and by in (None, *self.neighbours.readers(channel)):
                    writers = waits.setdefault(channel.target, {})
                    writers[waiter] = writers.get(waiter, 0) + ticks
        for memory, writers in waits.items():
            full = self.buffers[memory].full_share
            most = self.times.makespan if full is None else round(full * self.times.makespan)
            yield self._memory(memory, writers, min(sum(writers.values()), most))

    def _blocked(self) -> Iterator[tuple[str, str, int, str | None]]:
        """Yield who waited for room in which state and how long, and for whom, where that is known.

        Without a critical path, those waits count whose reader waits for input itself, at another port, and
        that no unit which sets the pace explains.
        """
        if self.path is not None:
            for crossing in self.path.crossings:
                if crossing.state.startswith("blocked-output"):
                    yield crossing.waiter, crossing.state, crossing.ticks, crossing.by
            return
        paced = self.busiest is not None and self.busiest.work.saturation >= SATURATED
        unexplained = round(self.times.makespan * (1 - self.most * paced))
        spent = dict(zip((u.path for u in self.evidence.run.units), self.times.spent, strict=True))
        for waiter, states in spent.items():
            for state, ticks in states.items():
                if not state.startswith("blocked-output"):
                    continue
                for reader in self.neighbours.others(waiter, state):
                    idle = sum(t for s, t in spent[reader].items() if s.startswith("wait-input"))
                    yield waiter, state, min(ticks, idle, unexplained), reader

    def _memory(self, memory: str, writers: dict[str, int], ticks: int) -> _Candidate:
        use = self.buffers[memory]
        writer = max(writers, key=lambda path: writers[path])
        layers = {unit.path: unit.layer for unit in self.evidence.run.units}
        reader = next(iter(self.neighbours.readers_of(memory)), None)
        setting = self.reliefs.of_memory(layers.get(writer), None if reader is None else layers.get(reader))
        slots = "its slots" if use.slots is None else f"all of its {use.slots} slots"
        full = "" if use.full_share is None else f": {slots} were full for {use.full_share:.0%} of the run"
        where = "" if self.path is None else ", on the critical path"
        return _Candidate(
            self.times.share(ticks),
            memory,
            "room",
            ticks,
            f"{memory} is too small{full}, and {writer} waits {self._percent(ticks)} of the run for room in "
            f"it{where}, while no unit works more than {self.most:.0%}",
            setting,
            f"give {memory} more slots" + ("" if setting is None else f" by {setting.path}"),
        )

    # -- shared resources ----------------------------------------------------------------------------------

    def _resources(self) -> Iterator[_Candidate]:
        """Yield what units wait for one another to give back."""
        waits: dict[str, int] = {}
        users: dict[str, set[tuple[str, str]]] = {}
        for waiter, name, ticks, by, holding in self._turns():
            if name in _REQUESTS:
                continue
            waits[name] = waits.get(name, 0) + ticks
            for unit, state in ((by, holding), (waiter, self._operation(waiter))):
                if unit is not None and state is not None:
                    users.setdefault(name, set()).add((unit, state))
        for name, holders in users.items():
            yield self._resource(name, waits[name], sorted(holders))

    def _turns(self) -> Iterator[tuple[str, str, int, str | None, str | None]]:
        """Yield who waited for which resource, how long, and who held it in which state, if known."""
        if self.path is not None:
            for c in self.path.crossings:
                if c.state.startswith("wait-resource"):
                    yield c.waiter, c.state.partition(":")[2], c.ticks, c.by, c.holding
            return
        for unit, spent in zip(self.evidence.run.units, self.times.spent, strict=True):
            for state, ticks in spent.items():
                if state.startswith("wait-resource"):
                    yield unit.path, state.partition(":")[2], ticks, None, None

    def _operation(self, path: str) -> str | None:
        work = self.evidence.by_path.get(path)
        return None if work is None else work.operation

    def _resource(self, name: str, waited: int, holders: Sequence[tuple[str, str]]) -> _Candidate:
        works = [(self.evidence.by_path[unit], state) for unit, state in holders]
        held = min(sum(work.spent.get(state, 0) for work, state in works), self.times.makespan)
        if self.path is None:  # whom each waited for is not known, nor how many of them there are
            ticks = min(held, waited // len(works))
        else:
            ticks = min(sum(self.path.held.get(unit, {}).get(s, 0) for unit, s in holders), waited)
        longest, state = max(works, key=lambda item: item[0].spent.get(item[1], 0))
        settings = self.reliefs.of_operation(longest.unit.kind, state.partition(":")[2])
        names = [f"{work.unit.path} ({state.partition(':')[2]})" for work, state in works]
        sentence = (
            f"{name} is shared: {_listed(names, 3)} hold it {self._percent(held)} of the run, one at a time, "
            "and wait for one another" + _set_by(settings, "for how long")
        )
        shorter = f"change {settings[0].path}" if settings else f"hold {name} for less time"
        return _Candidate(
            self.times.share(ticks) * self.times.share(held),
            name,
            "turn",
            ticks,
            sentence,
            settings[0] if settings else None,
            f"{shorter}, or give each of them its own {name}",
        )

    # -- the whole -----------------------------------------------------------------------------------------

    def _requests(self) -> Iterator[_Candidate]:
        """Yield that nothing was asked of the machine."""
        load = self.evidence.run.summary["load"]
        if load is None:
            return
        waits = self._awaited()
        for state, where, parameter, way in _REQUESTED:
            ticks = waits[state]
            yield _Candidate(
                self.times.share(ticks),
                where,
                state,
                ticks,
                f"{_WORDS[state]} ({load['arrivals']}) {self._percent(ticks)} of the run; no unit works more "
                f"than {self.most:.0%}",
                parameter,
                way,
            )

    def _awaited(self) -> dict[str, int]:
        """Return how long the machine waited for requests: for one to arrive, and to be let in."""
        if self.path is None:
            spent = self.times.spent
            return {
                name: max(s.get(f"wait-resource:{name}", 0) for s in spent) for name in ("arrival", "service")
            }
        waits = dict.fromkeys(_REQUESTS, 0)
        for crossing in self.path.crossings:
            if (name := crossing.state.partition(":")[2]) in waits:
                waits[name] += crossing.ticks
        scheduled = sum(states.get("wait-resource:schedule", 0) for states in self.path.held.values())
        return {"arrival": max(waits["arrival"], scheduled), "service": waits["service"]}

    def _filling(self) -> Iterator[_Candidate]:
        """Yield that images are too few to fill the pipeline."""
        summary, interval = self.evidence.run.summary, self.evidence.run.summary["initiation_interval_cycles"]
        images, cycles = summary["images"], summary["cycles"]
        if summary["load"] is not None or summary["networks"] is not None or not cycles:
            return
        if interval is None and images > 1:
            return
        steady = (images - 1) * (interval or 0) / cycles
        most = max(map(self._pace_share, self.alike), default=0.0)
        share = min(1 - steady, 1 - most)
        first = round(summary["latency_s"]["first"] * summary["clock_hz"])
        images_told = "a single image does" if images == 1 else f"{images} images do"
        yield _Candidate(
            share,
            "pipeline",
            "fill and drain",
            round(share * self.times.makespan),
            f"{images_told} not fill the pipeline: the first one is on its way for {first:,} of "
            f"{cycles:,} cycles, and no unit accounts for more than {most:.0%} of the run",
            "images",
            "for throughput run more images (--images); for latency shorten the operations that follow",
        )

    def _pace_share(self, alike: Alike) -> float:
        on_path = self._on_path(alike.members)
        return self.times.share(alike.work.worked if on_path is None else max(on_path, alike.work.worked))


#: Waits for requests.
_REQUESTS = ("arrival", "service", "schedule", "completion")
_WORDS = {
    "arrival": "the machine waits for requests",
    "service": "requests that are there wait to be let in",
}
#: Waits for requests as bottlenecks: where, parameter, advice.
_REQUESTED = (
    ("arrival", "requests", "arrivals", "the machine could do more: let more requests come by --arrivals"),
    ("service", "queue", "queue.most_in_service", "serve more of them at once by queue.most_in_service"),
)


def _set_by(settings: Sequence[Setting], what: str) -> str:
    """Return which parameters decide on something, as the end of a sentence; "" if none are known."""
    told = [setting for setting in settings if setting.value is not None][:2]
    return f"; {' and '.join(map(str, told))} set{'s' * (len(told) == 1)} {what}" if told else ""


def _listed(names: Sequence[str], most: int) -> str:
    """Return names with commas, of many the first."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
