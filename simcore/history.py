"""What was noted one entry after the other, written out where a stretch of it repeats."""

from __future__ import annotations

from array import array


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
