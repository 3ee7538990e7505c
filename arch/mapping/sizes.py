"""Bytes that numbers of any bits take."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_Bits = TypeVar("_Bits", int, NDArray[np.int64])


def bytes_of(bits: _Bits) -> _Bits:
    """Return the bytes of so many bits that lie together; the last one may be part empty."""
    return -(-bits // 8)
