"""What units wait for that is no work of anybody: room in a memory, their turn on what they share, ways.

A memory counts with the time for which its writers waited for room, a shared resource with that for which
those who wait for one another held it, and ways with the time that something is under way; all of it on the
critical path, where that is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from arch.relief_trials import SUMS
from imcsim.evidence import SATURATED, Evidence
from imcsim.limits import LEAST, Limit, listed, operation_of, relieving_path, set_by
from imcsim.neighbours import Neighbours
from imcsim.occupancy import BufferUse
from imcsim.relief import Reliefs, relief_advice, relieving
from imcsim.whole_limits import REQUESTS
from simcore.activity import category


def limits_of_memories(
    evidence: Evidence, reliefs: Reliefs, neighbours: Neighbours, buffers: Sequence[BufferUse]
) -> Iterator[Limit]:
    """Yield memories whose writers waited for room."""
    uses = {buffer.path: buffer for buffer in buffers}
    waits: dict[str, dict[str, int]] = {}
    for waiter, state, ticks, by in _blocked(evidence, neighbours):
        for channel in neighbours.channels(waiter, state):
            if channel.target in uses and by in neighbours.readers(channel):
                writers = waits.setdefault(channel.target, {})
                writers[waiter] = writers.get(waiter, 0) + ticks
    for memory, writers in waits.items():
        yield _memory(evidence, reliefs, neighbours, uses[memory], writers)


def _blocked(evidence: Evidence, neighbours: Neighbours) -> Iterator[tuple[str, str, int, str]]:
    """Yield who waited for room, in which state, how long, and for whom.

    Without a critical path, those waits count whose reader waits for input itself, at another port, and that
    no unit which sets the pace explains.
    """
    if evidence.path is not None:
        for crossing in evidence.path.crossings:
            if crossing.state.startswith("blocked-output"):
                yield crossing.waiter, crossing.state, crossing.ticks, crossing.by
        return
    paced = evidence.most is not None and evidence.most.saturation >= SATURATED
    unexplained = round(evidence.times.makespan * (1 - evidence.most_share * paced))
    for waiter, states in evidence.spent.items():
        for state, ticks in states.items():
            if state.startswith("blocked-output"):
                for reader in neighbours.others(waiter, state):
                    idle = sum(t for s, t in evidence.spent[reader].items() if s.startswith("wait-input"))
                    yield waiter, state, min(ticks, idle, unexplained), reader


def _memory(
    evidence: Evidence,
    reliefs: Reliefs,
    neighbours: Neighbours,
    use: BufferUse,
    writers: Mapping[str, int],
) -> Limit:
    """Return a memory as a limit; it cannot count for more than the time in which it was full."""
    times, memory = evidence.times, use.path
    full_ticks = times.makespan if use.full_share is None else round(use.full_share * times.makespan)
    ticks = min(sum(writers.values()), full_ticks)
    writer = max(writers, key=lambda path: writers[path])
    layers = {unit.path: unit.layer for unit in evidence.run.units}
    reader = next(iter(neighbours.readers_of(memory)), None)
    setting = reliefs.of_room(layers[writer], None if reader is None else layers[reader])
    full = (
        ""
        if use.full_share is None
        else f": all of its {use.slots:,} slots were full {use.full_share:.0%} of the run"
    )
    where = "" if evidence.path is None else ", on the critical path"
    return Limit(
        times.share(ticks),
        memory,
        "room",
        ticks,
        f"{memory} is too small{full}, and {writer} waits {evidence.percent(ticks)} of the run for room in "
        f"it{where}, while no unit works more than {evidence.most_share:.0%}",
        setting,
        f"give {memory} more slots" + ("" if setting is None else f" by {setting}"),
    )


def limits_of_resources(evidence: Evidence, reliefs: Reliefs) -> Iterator[Limit]:
    """Yield what units wait for one another to give back."""
    waits: dict[str, int] = {}
    holders: dict[str, set[tuple[str, str]]] = {}
    for name, ticks, unit, state in _turns(evidence):
        waits[name] = waits.get(name, 0) + ticks
        if state is not None:
            holders.setdefault(name, set()).add((unit, state))
    for name, held in holders.items():
        yield _resource(evidence, reliefs, name, waits[name], sorted(held))


def _turns(evidence: Evidence) -> Iterator[tuple[str, int, str, str | None]]:
    """Yield a resource that was waited for, how long, and who held it in which state.

    Without a critical path it is not known who did: then those stand for them that wait, with what they do
    most.
    """
    if evidence.path is not None:
        for crossing in evidence.path.crossings:
            name = operation_of(crossing.state)
            if crossing.state.startswith("wait-resource") and name not in REQUESTS:
                yield name, crossing.ticks, crossing.by, crossing.holding
        return
    for work in evidence.works:
        for state, ticks in work.spent.items():
            if state.startswith("wait-resource") and operation_of(state) not in REQUESTS:
                yield operation_of(state), ticks, work.unit.path, work.operation


def _resource(
    evidence: Evidence, reliefs: Reliefs, name: str, waited: int, holders: Sequence[tuple[str, str]]
) -> Limit:
    """Return a shared resource as a limit."""
    if evidence.path is None:  # nor is it known how many of them there are
        ticks = waited // len(holders)
        held = {holder: evidence.spent[holder[0]][holder[1]] for holder in holders}
        told = f"each waits {evidence.percent(ticks)} of the run on average"
    else:
        held = {(unit, state): evidence.path.held.get(unit, {}).get(state, 0) for unit, state in holders}
        ticks = min(sum(held.values()), waited)
        told = f"{evidence.percent(ticks)} of the critical path is such turns"
    longest = sorted(held, key=lambda holder: (-held[holder], holder))
    unit, state = longest[0]
    settings = reliefs.of_shared(name) or reliefs.of_operation(unit, operation_of(state))
    names = [f"{unit} ({operation_of(state)})" for unit, state in longest]
    helps = relieving(settings)
    shorter = f"hold {name} for less time" if helps is None else relief_advice(helps, operation_of(state))
    return Limit(
        evidence.times.share(ticks),
        name,
        "turn",
        ticks,
        f"{listed(names, 3)} wait for one another to give back {name}, which they share: {told}"
        + set_by(settings, "for how long one holds it"),
        relieving_path(settings),
        f"{shorter}, or give each of them its own {name}",
    )


def limits_of_ways(evidence: Evidence, reliefs: Reliefs) -> Iterator[Limit]:
    """Yield what is under way between units, where the critical path tells it: partial sums, and all else."""
    if evidence.path is None:
        return
    for of_sums in (False, True):
        sent = {
            unit: sum(ticks for state, ticks in states.items() if _is_way(state, of_sums))
            for unit, states in evidence.path.held.items()
        }
        ticks = sum(sent.values())
        if evidence.times.share(ticks) >= LEAST:
            longest = sorted((unit for unit in sent if sent[unit]), key=lambda unit: (-sent[unit], unit))
            yield _ways(evidence, reliefs, of_sums, longest, ticks)


def _is_way(state: str, of_sums: bool) -> bool:
    return category(state) == "transfer" and (operation_of(state) == SUMS) == of_sums


def _ways(evidence: Evidence, reliefs: Reliefs, of_sums: bool, senders: Sequence[str], ticks: int) -> Limit:
    """Return ways of partial sums, or all others, as a limit; `senders` by how much of it is theirs."""
    settings, share = reliefs.of_ways(of_sums), evidence.percent(ticks)
    if of_sums:
        sentence = (
            f"partial sums of {listed(senders, 2)} are under way to what adds them up, which is no way of a "
            f"network, for {share} of the critical path"
        )
        takes, one = "how long each hop from row block to row block takes", "a hop"
        advice = "let sums be converted and added up in less time"
    else:
        sentence = f"what {listed(senders, 2)} hand on is under way for {share} of the critical path"
        takes, one = "how long", "a way"
        advice = "shorten the ways, or the time that a hop takes"
    helps = relieving(settings)
    return Limit(
        evidence.times.share(ticks),
        senders[0],
        "transfer",
        ticks,
        sentence + set_by(settings, takes),
        relieving_path(settings),
        advice if helps is None else relief_advice(helps, one),
    )
