"""Shares of exponentials among the channels of a pixel, group by group, in integers up to one division."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled

Numbers = NDArray[Any]


def share_channels_reference(
    codes: Numbers,
    slot: int,
    groups: int,
    visible: int,
    table: Numbers,
    steps: float,
    zero: int,
    low: int,
    high: int,
) -> None:
    """Replace codes by the shares that their exponentials have of their group's, rounded half to even.

    codes : (slots, groups x channels of one), changed in row `slot`
    visible : how many of a group's channels take part, the first ones, at least one; others get a share of 0
    table : (codes,) int64, exponential of minus a difference of codes, as a fixed-point number
    steps : codes of a share of 1
    """
    row = codes[slot].reshape(groups, -1).astype(np.int64)
    shares = np.zeros_like(row)
    shares[:, :visible] = table[row[:, :visible].max(axis=1, keepdims=True) - row[:, :visible]]
    rounded = np.rint(shares * steps / shares.sum(axis=1, keepdims=True))
    codes[slot] = np.clip(rounded + zero, low, high).ravel()


@compiled
def share_channels(
    codes: Numbers,
    slot: int,
    groups: int,
    visible: int,
    table: Numbers,
    steps: float,
    zero: int,
    low: int,
    high: int,
) -> None:
    """Compiled twin of `share_channels_reference`."""
    channels = codes.shape[1] // groups
    nothing = min(max(zero, low), high)
    shares = np.empty(visible, np.float64)
    for group in range(groups):
        row = codes[slot, group * channels : (group + 1) * channels]
        largest = row[0]
        for channel in range(visible):
            largest = max(largest, row[channel])
        total = np.int64(0)
        for channel in range(visible):
            share = table[np.int64(largest) - np.int64(row[channel])]
            total += share
            shares[channel] = share
        for channel in range(visible):
            rounded = np.rint(shares[channel] * steps / total)
            row[channel] = min(max(rounded + zero, low), high)
        for channel in range(visible, channels):
            row[channel] = nothing
