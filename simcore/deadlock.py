"""Why nothing moves any more: the circle of waits, who holds what, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from simcore.accounting import Unit
from simcore.activity import category


@dataclass(frozen=True)
class Parked:
    """A unit that waits.

    state : what it is charged to, as `blocked-output:pixel_out`
    since : tick in which it parked
    contents : what is held where it waits, in words
    awaits : units whose move would free it
    remedy : what would end a circle of waits here, in words; "" where more depth would
    """

    unit: Unit
    state: str
    since: int
    contents: str
    awaits: tuple[Unit, ...]
    remedy: str = ""

    def sentence(self) -> str:
        """Return who waits where for whom, and what is held there."""
        verb = {"wait-input": "waits for input from", "blocked-output": "is blocked by"}.get(
            category(self.state), "waits for"
        )
        names = ", ".join(u.path for u in self.awaits) or "nobody that still runs"
        return f"{self.unit.path} {verb} {names} since {self.since} ({self.contents})"


def circle(parked: Sequence[Parked]) -> list[Parked]:
    """Return units that wait for one another in a circle, each for the next; empty if there is none."""
    import networkx as nx

    by_unit = {id(p.unit): p for p in parked}
    graph = nx.DiGraph()
    for waiter in parked:
        graph.add_edges_from((id(waiter.unit), id(u)) for u in waiter.awaits if id(u) in by_unit)
    try:
        return [by_unit[edge[0]] for edge in nx.find_cycle(graph)]
    except nx.NetworkXNoCycle:
        return []


def explain(parked: Sequence[Parked], now: int, missing: str) -> str:
    """Return the deadlock's explanation.

    parked : every unit that waits
    now : tick at which the calendar ran empty
    missing : what the run still expected
    """
    ring = circle(parked)
    lines = [f"deadlock at tick {now}: no event is left, but {missing}"]
    if ring:
        lines.append(f"the circle of waits ({len(ring)} units):")
        lines += [f"  {p.sentence()}" for p in ring]
        states = {category(p.state) for p in ring}
        remedies = dict.fromkeys(p.remedy for p in ring if p.remedy)
        if remedies:
            lines.append(f"next step: {'; or '.join(remedies)}")
        elif "wait-resource" in states:
            lines.append("next step: let one of these units release what it holds before it waits")
        elif "blocked-output" in states:
            lines.append("next step: give one of the full channels of the circle more depth")
        else:
            lines.append("next step: let one of these units send before it waits for input")
    else:
        lines.append("no unit waits in a circle; a sender ended early or sends less than is awaited:")
        lines += [f"  {p.sentence()}" for p in sorted(parked, key=lambda p: (p.since, p.unit.path))[:12]]
        lines.append("next step: compare what the first of these sends with what the others await")
    return "\n".join(lines)
