"""What was noted one entry after the other, written out where a stretch of it repeats."""

from __future__ import annotations

from array import array
from typing import Protocol


class Book(Protocol):
    """Something that only grows, and by the same in every period of a run that repeats."""

    def tally(self) -> tuple[int, int]:
        """Return how many entries it has, and their sum [tick]."""

    def repeat(self, first: tuple[int, int], last: tuple[int, int], times: int, ticks: int) -> None:
        """Enter again, so many times and each time `ticks` later, what came between two tallies."""


class Moments(list[int]):
    """Ticks that a component notes one by one."""

    def tally(self) -> tuple[int, int]:
        """Return how many there are."""
        return len(self), 0

    def repeat(self, first: tuple[int, int], last: tuple[int, int], times: int, ticks: int) -> None:
        """Note again, so many times and each time `ticks` later, what came between two tallies."""
        self[:] = unrolled(array("q", self), first[0], last[0], times, ticks)


class Level:
    """A number that changes, as a queue's length, and its integral over time.

    most : the largest that it was when a tick was over
    """

    def __init__(self) -> None:
        self.value = 0
        self.since = 0  # when it changed last
        self.most = 0
        self._area = 0

    def change(self, by: int, now: int) -> None:
        """Let it be more or less as of now."""
        if now > self.since:
            self._area += self.value * (now - self.since)
            self.most = max(self.most, self.value)
            self.since = now
        self.value += by

    def area(self, now: int) -> int:
        """Return the integral up to now [tick]."""
        return self._area + self.value * (now - self.since)

    def tally(self) -> tuple[int, int]:
        """Return the integral up to the last change."""
        return 0, self._area

    def repeat(self, first: tuple[int, int], last: tuple[int, int], times: int, ticks: int) -> None:
        """Add again, so many times, what came between two tallies."""
        self._area += times * (last[1] - first[1])
        self.since += times * ticks


def unrolled(entries: array[int], first: int, last: int, times: int, step: int) -> array[int]:
    """Return `entries` with those from `first` to `last` again behind them, `step` more each time.

    What follows is more by all of these steps.

    >>> unrolled(array("q", [1, 5, 9, 12]), 1, 3, times=2, step=8).tolist()
    [1, 5, 9, 13, 17, 21, 25, 28]
    """
    whole = entries[:last]
    for shift in range(step, (times + 1) * step, step) if step else [0] * times:
        whole.extend(entry + shift for entry in entries[first:last])
    whole.extend(entry + times * step for entry in entries[last:])
    return whole
