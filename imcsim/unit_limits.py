"""Units that set the pace of a run, or are part of what does.

A run cannot be shorter than the busy time of a unit. So a unit that never rests while it has work, from its
first operation to its last one, counts with that; any other with its share of the critical path, discounted
by how much it rests: it does not set the pace, but is one part of what does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from imcsim.evidence import ALIKE, SATURATED, Alike, Evidence
from imcsim.limits import LEAST, Limit, called, listed, operation_of, relieving_path, set_by
from imcsim.relief import Reliefs, Setting, relief_advice
from imcsim.stall_stacks import WORKING
from simcore.activity import category

#: What sets the pace of a run works for this share of it at least.
_PACE = 0.5


def limits_of_units(evidence: Evidence, reliefs: Reliefs) -> Iterator[Limit]:
    """Yield units that worked for long enough to be told, those that do the same together."""
    for alike in evidence.alike:
        work, on_path = alike.work, evidence.on_path(alike.members)
        saturated = work.saturation >= SATURATED
        ticks = work.worked if on_path is None or (saturated and work.worked > on_path) else on_path
        weight = evidence.times.share(ticks) * min(work.saturation, 1.0)
        if weight >= LEAST:  # what relieves the others nobody need find out
            yield _limit(evidence, reliefs, alike, weight, ticks)


def _limit(evidence: Evidence, reliefs: Reliefs, alike: Alike, weight: float, ticks: int) -> Limit:
    work, on_path = alike.work, evidence.on_path(alike.members)
    operation = operation_of(work.operation)
    settings, takes = reliefs.of_operation(work.unit.path, operation), f"how long {operation} takes"
    if category(work.operation) == "programming" and (rewriting := reliefs.of_rewriting()):
        settings, takes = [*rewriting, *settings], f"how much there is to {operation}, and {takes}"
    clauses = [_pace(evidence, alike)]
    if on_path is not None:
        whose = "its work" if len(alike.works) == 1 else "their work"
        clauses.append(f"{evidence.percent(on_path)} of the critical path is {whose}")
    if evidence.waited_for is not None and work.saturation < SATURATED:
        waits = sum(evidence.waited_for.get(path, 0.0) for path in alike.members)
        clauses.append(f"{waits:.0%} of all waiting is for it")
    return Limit(
        weight,
        work.unit.path,
        operation,
        ticks,
        ", ".join(clauses) + set_by(settings, takes),
        relieving_path(settings),
        _advice(evidence, reliefs, alike, settings),
    )


def _pace(evidence: Evidence, alike: Alike) -> str:
    """Return how long units work, in words."""
    work, share = alike.work, evidence.times.share(alike.work.worked)
    states = {s: t for s, t in work.spent.items() if category(s) in WORKING}
    longest = sorted(states, key=lambda state: (-states[state], state))
    alone = len(longest) == 1
    doing = ", ".join(
        operation_of(s) + ("" if alone else f" {evidence.percent(states[s])}") for s in longest[:3]
    )
    if work.saturation >= SATURATED and share >= max(_PACE, ALIKE * evidence.most_share):
        if alike.members[0].endswith("rs"):  # as `crossbars`, which are one unit
            sets, does = "set", "they work"
        else:
            sets, does = "sets", "it works"
        return (
            f"{called(alike)} {sets} the pace, hardly ever at rest: {does} {share:.0%} of the run ({doing})"
        )
    return f"{called(alike)} works {share:.0%} of the run ({doing})"


def _advice(evidence: Evidence, reliefs: Reliefs, alike: Alike, settings: Sequence[Setting]) -> str:
    """Return what to do about units, and how far that can help."""
    work = alike.work
    operation = operation_of(work.operation)
    ways = [relief_advice(each, operation) for each in settings if each.relief is not None]
    if work.unit.family == "crossbar":
        layers = dict.fromkeys(reliefs.of_layer(work.unit.layer) for work in alike.works)
        if copies := [path for path in layers if path is not None]:
            ways.append(f"share the work among more copies by {listed(copies, 2)}")
    if not ways:
        ways.append(f"let {operation} take less time, or several share the work")
    advice = ", or ".join(ways)
    if work.saturation < SATURATED:
        return advice
    others = [other for other in evidence.alike if other is not alike]
    if busier := [called(o) for o in others if ALIKE * o.work.worked > work.worked]:
        return f"{advice}; that helps once {busier[0]} is faster"
    if same := [called(o) for o in others if o.work.worked >= ALIKE * work.worked]:
        verb = "is" if len(same) == 1 else "are"
        return f"{advice}; as busy {verb} {listed(same, 3)}, which must become faster with it"
    if others:
        return f"{advice}; next is {called(others[0])}, which works {evidence.percent(others[0].work.worked)}"
    return advice
