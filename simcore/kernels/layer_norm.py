"""Layer norm of the channels of a pixel: exact integers, a quotient in double precision, then single."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled
from simcore.kernels.requantize import round_code, round_codes_reference

Numbers = NDArray[Any]


def normalize_channels_reference(
    codes: Numbers,
    slot: int,
    epsilon: float,
    gain: Numbers,
    offset: Numbers,
    zero: int,
    low: int,
    high: int,
) -> None:
    """Normalise codes x: float32(d / sqrt(v + epsilon)) x gain + offset, rounded.

    Of n channels, d = n x - sum(x) and v = n sum(x^2) - sum(x)^2 are exact in 64 bits.

    codes : (slots, channels) of any integers, changed in place in row `slot`
    gain, offset : (channels,) float32
    """
    row = codes[slot].astype(np.int64)
    total = row.sum()
    spread = len(row) * (row * row).sum() - total * total
    normal = (len(row) * row - total) / np.sqrt(spread + epsilon)
    codes[slot] = round_codes_reference(normal.astype(np.float32) * gain + offset, zero, low, high)


@compiled
def normalize_channels(
    codes: Numbers,
    slot: int,
    epsilon: float,
    gain: Numbers,
    offset: Numbers,
    zero: int,
    low: int,
    high: int,
) -> None:
    """Compiled twin of `normalize_channels_reference`."""
    channels = codes.shape[1]
    total = squares = np.int64(0)
    for channel in range(channels):
        code = np.int64(codes[slot, channel])
        total += code
        squares += code * code
    root = np.sqrt(channels * squares - total * total + epsilon)
    for channel in range(channels):
        normal = (channels * np.int64(codes[slot, channel]) - total) / root
        scaled = np.float32(normal) * gain[channel]
        codes[slot, channel] = round_code(scaled + offset[channel], zero, low, high)
