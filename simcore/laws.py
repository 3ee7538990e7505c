"""Conservation laws that every run must obey; a run that breaks one fails as a bug of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import isclose

from simcore.accounting import Account
from simcore.energy import EnergyReport
from simcore.errors import BrokenLawError
from simcore.wiring import Connection

#: A law of a machine's own: returns (what, expected, got).
Law = Callable[[], tuple[str, int, int]]


def check_laws(
    connections: Iterable[Connection],
    accounts: Iterable[Account],
    makespan: int,
    energy: EnergyReport,
    own: Iterable[Law],
) -> None:
    """Check tokens, time, energy and the machine's own laws.

    raises : BrokenLawError with every law that does not hold
    """
    broken = [
        f"tokens in = out: {connection.name} was sent {connection.channel.sent} tokens, "
        f"but {len(connection.channel)} were never taken"
        for connection in connections
        if len(connection.channel)
    ]
    for account in accounts:
        spent = sum(account.ticks.values())
        if spent != makespan or any(t < 0 for t in account.ticks.values()):
            broken.append(f"accounting: {account.path} spent {spent} of {makespan} ticks: {account.ticks}")
    for split in ("by_component", "by_layer"):
        parts = sum(getattr(energy, split).values())
        if not isclose(parts, energy.total, rel_tol=1e-9):
            broken.append(f"energy = sum of parts: {split} sums to {parts} J, the total is {energy.total} J")
    for law in own:
        what, expected, got = law()
        if expected != got:
            broken.append(f"{what}: expected {expected}, got {got}")
    if broken:
        raise BrokenLawError("broken laws:\n  " + "\n  ".join(broken))
