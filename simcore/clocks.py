"""Clocks: domains with exact rational periods, and the tick that all of them share.

The tick is the greatest common divisor of the periods, so that every clock edge falls on a whole tick and no
time is ever rounded. With one clock a tick is a cycle.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm

from simcore.errors import ConfigError

#: Most cycles that a parameter should ask for at a time; millions of them still make a number of 64 bits.
MOST_CYCLES = 1 << 40


@dataclass(frozen=True)
class Clock:
    """One clock domain; edges at 0, period, 2 x period, ...

    name : what components refer to
    period : seconds, exact
    ticks : ticks in one period, known once all clocks of a machine are (`synchronise`)
    """

    name: str
    period: Fraction
    ticks: int = 1

    @property
    def hz(self) -> float:
        """Frequency [Hz]."""
        return float(1 / self.period)


def clock(name: str, hz: int | str | Fraction) -> Clock:
    """Return a clock of an exact frequency [Hz].

    raises : ConfigError if the frequency is not positive
    """
    frequency = Fraction(hz)
    if frequency <= 0:
        raise ConfigError(f"clock {name!r} must have a frequency above 0 Hz, got {hz}")
    return Clock(name, 1 / frequency)


def tick_of(periods: Iterable[Fraction]) -> Fraction:
    """Return the greatest common divisor of some periods [s], exactly."""
    periods = list(periods)
    denominator = lcm(*(p.denominator for p in periods))
    return Fraction(gcd(*(int(p * denominator) for p in periods)), denominator)


def synchronise(clocks: Iterable[Clock]) -> dict[str, Clock]:
    """Return the clocks by name, each with its period in the ticks that all share.

    >>> [c.ticks for c in synchronise([clock("core", 1_000_000_000), clock("link", 1_500_000_000)]).values()]
    [3, 2]
    """
    clocks = list(clocks)
    tick = tick_of(c.period for c in clocks)
    return {c.name: Clock(c.name, c.period, int(c.period / tick)) for c in clocks}


def next_edge(tick: int, period: int) -> int:
    """Return the first edge of a clock of `period` ticks that is not before `tick`."""
    return -(-tick // period) * period
