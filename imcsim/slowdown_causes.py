"""What sharing a machine costs a network, and why: its times beside those with all others at rest.

The source of a network is one unit, whose time until it ends is partitioned into named states without a gap;
what is between that and the network's last output is known from when it has ended. So what this output is
later by is the sum of what each state has become longer by: the turns of others at the host, a full buffer in
front of layers that are slower, and the way from the source's end to the last output. What slows layers down
shows at the units behind: where they wait longer than alone, and which links are taken by others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from arch.machine import MachineRun
from imcsim.metrics import StreamMetrics, whole
from simcore.accounting import FINISHED, Account
from simcore.activity import category

#: In place of a state: from where the source ends to the network's last output; below zero where the source
#: goes on behind that, with pixels that no output needs.
BEHIND = "behind-source"
#: States that tell of others.
_WAITS = ("wait-resource", "blocked-output")
#: Waits that are told at most.
_MOST = 10


@dataclass(frozen=True)
class Waiting:
    """A unit that waits longer than alone, or a link that is busier.

    ticks : how much longer
    """

    unit: str
    state: str
    ticks: int


@dataclass(frozen=True, eq=False)
class Slowdown:
    """Why a network's last output is later than alone; all in ticks.

    late : by how much
    causes : what each state of its source has become longer by; they sum to `late`
    waits : its units, and those of all networks that it uses, which wait longer than alone, the longest first
    links : links that it uses and others do, too, by how long others take them, the longest first
    """

    late: int
    causes: Mapping[str, int]
    waits: Sequence[Waiting]
    links: Sequence[Waiting]


def slowdown(name: str, names: Sequence[str], run: MachineRun, alone: MachineRun) -> Slowdown:
    """Return why a network's run was slower than the same with all others at rest.

    name, names : of the network, and of all
    """
    together, before = source_times(name, run), source_times(name, alone)
    states = dict.fromkeys([*before, *together])
    causes = {state: together.get(state, 0) - before.get(state, 0) for state in states}
    return Slowdown(
        run.completed[-1] - alone.completed[-1],
        {state: ticks for state, ticks in causes.items() if ticks},
        _waits(name, names, run, alone),
        _links(name, names, run, alone),
    )


def source_times(name: str, run: MachineRun) -> dict[str, int]:
    """Return the ticks by state of a network's source, and those between its end and the last output.

    All are as they were recorded: the run's account sums to its makespan, so these sum to the last output.
    """
    account = next(a for a in run.outcome.accounts if a.path == f"{name}.source")
    times = {state: ticks for state, ticks in account.ticks.items() if state != FINISHED}
    after_output = run.outcome.makespan - run.completed[-1]
    return times | {BEHIND: account.ticks.get(FINISHED, 0) - after_output}


def _waits(name: str, names: Sequence[str], run: MachineRun, alone: MachineRun) -> list[Waiting]:
    found = []
    for account, before in _used(name, names, run, alone):
        for state, ticks in account.ticks.items():
            longer = ticks - before.ticks.get(state, 0)
            if category(state) in _WAITS and longer > 0:
                found.append(Waiting(account.path, state, longer))
    return sorted(found, key=lambda w: (-w.ticks, w.unit))[:_MOST]


def _links(name: str, names: Sequence[str], run: MachineRun, alone: MachineRun) -> list[Waiting]:
    found = []
    for account, before in _used(name, names, run, alone):
        others = _busy(account) - _busy(before)
        if account.family == "link" and _owner(account, names) is None and others > 0:
            found.append(Waiting(account.path, "busy", others))
    return sorted(found, key=lambda w: (-w.ticks, w.unit))[:_MOST]


def _used(
    name: str, names: Sequence[str], run: MachineRun, alone: MachineRun
) -> Iterator[tuple[Account, Account]]:
    """Yield the accounts, in both runs, of a network's units and of those of all that work for it alone."""
    before = {account.path: account for account in alone.outcome.accounts}
    for account in run.outcome.accounts:
        owner, own = _owner(account, names), before.get(account.path)
        if own is not None and (owner == name or (owner is None and _busy(own))):
            yield account, own


def _owner(account: Account, names: Sequence[str]) -> str | None:
    """Return the network whose part a unit is, None if it is of all."""
    return next((name for name in names if account.path.startswith(f"{name}.")), None)


def _busy(account: Account) -> int:
    return sum(ticks for state, ticks in account.ticks.items() if category(state) == "busy")


def slowdown_json(
    found: Slowdown, run: MachineRun, stream: StreamMetrics, alone: StreamMetrics, cycles: float
) -> dict[str, Any]:
    """Return a slowdown as a summary has it: ratios to alone, and causes in cycles of the reference clock.

    cycles : to the last output, alone
    """
    ticks = run.outcome.reference.ticks
    interval = None
    if stream.interval is not None and alone.interval:
        interval = stream.interval / alone.interval

    def told(waits: Sequence[Waiting]) -> list[dict[str, Any]]:
        return [{"unit": w.unit, "state": w.state, "cycles": whole(w.ticks / ticks)} for w in waits]

    return {
        "slowdown": {
            "cycles": 1 + found.late / ticks / cycles if cycles else None,
            "latency": stream.latency["mean"] / alone.latency["mean"] if alone.latency["mean"] else None,
            "interval": interval,
        },
        "causes": {
            "late_cycles": whole(found.late / ticks),
            "source": {state: whole(t / ticks) for state, t in found.causes.items()},
            "waits": told(found.waits),
            "links": told(found.links),
        },
    }
