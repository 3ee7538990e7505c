"""What would end a deadlock: the smallest change of depths, found and confirmed by running again.

Deeper buffers never do harm to parts that only wait. So one channel of the circle can be tried without bound;
if that helps, its least depth is found between what it needs and what helped. If none helps alone, all of
the circle are tried together, and those of the circles that come to light behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from arch.machine import Machine, MachineRun, NetworkMap
from arch.machines.dataflow import DataflowMap
from arch.mapping.buffers import edge_name
from imcsim.depth_trials import DepthTrials, least_depth
from simcore import Deadlock
from simcore.activity import category
from simcore.deadlock import Parked

#: Runs that a fix may take.
MOST_RUNS = 12


class _EnoughRuns(Exception):  # noqa: N818  -- what happened, not an error
    """The runs that a fix may take are used up."""


def with_fix(deadlock: Deadlock, machine: Machine, placed: NetworkMap, images: int) -> Deadlock:
    """Return a deadlock whose explanation ends with the smallest fix, or says that there is none."""
    if not isinstance(placed, DataflowMap):
        return deadlock
    edges = full_edges(deadlock, placed)
    if not edges:
        return deadlock
    trials = DepthTrials(machine, placed, images)
    return Deadlock(f"{deadlock}\n{_advice(trials, edges)}", deadlock.circle)


def full_edges(deadlock: Deadlock, placed: DataflowMap) -> list[str]:
    """Return the edges of the circle whose buffers are full, as users write them."""
    found = []
    edges = {
        (placed.full_name(operand.source), placed.full_name(stage.name)): edge_name(stage, operand)
        for stage in placed.stages
        for operand in stage.operands
    }
    source = placed.full_name(placed.network.input)
    # Channels of a flit network are in a circle by their names; no depth opens that one.
    ring = [waiter for waiter in deadlock.circle if isinstance(waiter, Parked)]
    for waiter, blocker in zip(ring, (*ring[1:], *ring[:1]), strict=True):
        edge = edges.get((waiter.unit.component.layer or source, blocker.unit.component.layer or ""))
        if category(waiter.state) == "blocked-output" and edge is not None:
            found.append(edge)
    return found


def _advice(trials: DepthTrials, edges: Sequence[str]) -> str:
    """Return what to set, in words."""
    for edge in edges:
        if trials.runs < MOST_RUNS - 2 and trials.ends({edge: None}):
            return _least(trials, edge)
    together = list(edges)
    while isinstance(outcome := trials.at(dict.fromkeys(together)), Deadlock):
        more = [edge for edge in full_edges(outcome, trials.placed) if edge not in together]
        if not more:
            return f"no depth of {_listed(together)} helps ({trials.runs} runs)"
        together += more
    found = _all_together(trials, together, outcome)
    depths = {edge: depth for edge, depth in found.items() if depth != trials.depth_of(edge)}
    return (
        f"fix: {_settings(depths)}; no channel of the circle helps alone, and a run with these comes to its "
        f"end (found in {trials.runs} runs)"
    )


def _least(trials: DepthTrials, edge: str) -> str:
    """Return the advice to deepen one edge, which is known to help, as little as can be found."""
    good: list[int] = []

    def passes(depth: int) -> bool:
        if trials.runs == MOST_RUNS:
            raise _EnoughRuns
        if trials.ends({edge: depth}):
            good.append(depth)
            return True
        return False

    depth = trials.depth_of(edge)
    assert depth is not None  # a full buffer is finite
    try:
        least = least_depth(passes, max(depth + 1, trials.needed(edge)))
        proof = f"it is the least depth with which the run comes to its end (found in {trials.runs} runs)"
    except _EnoughRuns:
        least = min(good, default=0)
        proof = f"a run with it comes to its end; less may do (after {trials.runs} runs)"
        if not good:
            return (
                f"fix: --set buffers.depths.{edge}=null, unbounded, with which the run comes to its end; no "
                f"finite depth was found in {trials.runs} runs"
            )
    return f"fix: {_settings({edge: least})}; {proof}"


def _all_together(trials: DepthTrials, edges: Sequence[str], unbounded: MachineRun) -> dict[str, int]:
    """Return depths of several edges with which a run comes to its end, where it does without bounds."""
    safe = {edge: max(trials.safe(edge), trials.depth_of(edge) or 0) for edge in edges}
    if trials.ends(safe):
        return safe
    held = {edge: max(safe[edge], trials.peak(unbounded, edge)) for edge in edges}
    while not trials.ends(held):  # a pixel that comes and goes in one cycle is in no peak
        held = {edge: 2 * depth for edge, depth in held.items()}
    return held


def _settings(depths: Mapping[str, int]) -> str:
    return " ".join(f"--set buffers.depths.{edge}={depth}" for edge, depth in depths.items())


def _listed(edges: Sequence[str]) -> str:
    return ", ".join(f"buffers.depths.{edge}" for edge in edges)
