"""Shares of exponentials among the channels of a pixel, in integers up to one division."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled

Numbers = NDArray[Any]


def share_channels_reference(
    codes: Numbers, slot: int, table: Numbers, steps: float, zero: int, low: int, high: int
) -> None:
    """Replace codes by the shares that their exponentials have of the sum, rounded half to even.

    codes : (slots, channels), changed in row `slot`
    table : (codes,) int64, exponential of minus a difference of codes, as a fixed-point number
    steps : codes of a share of 1
    """
    row = codes[slot].astype(np.int64)
    shares = table[row.max() - row]
    codes[slot] = np.clip(np.rint(shares * steps / shares.sum()) + zero, low, high)


@compiled
def share_channels(
    codes: Numbers, slot: int, table: Numbers, steps: float, zero: int, low: int, high: int
) -> None:
    """Compiled twin of `share_channels_reference`."""
    channels = codes.shape[1]
    largest = np.int64(codes[slot, 0])
    for channel in range(channels):
        largest = max(largest, np.int64(codes[slot, channel]))
    total = np.int64(0)
    for channel in range(channels):
        total += table[largest - np.int64(codes[slot, channel])]
    for channel in range(channels):
        share = np.rint(table[largest - np.int64(codes[slot, channel])] * steps / total)
        codes[slot, channel] = min(max(share + zero, low), high)
