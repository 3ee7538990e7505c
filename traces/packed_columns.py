"""Columns of numbers as web pages carry them: each in the smallest type that holds it, deflated, in base64.

A browser takes them apart with `DecompressionStream("deflate")` and typed arrays, little-endian as all are.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

_INTEGERS = ("u1", "i1", "u2", "i2", "u4", "i4")
# Every further level costs much time and saves little on columns like these.
_LEVEL = 6


@dataclass(frozen=True)
class Packed:
    """One block of data of a page.

    columns : name, type (`u1` to `i4`, `f8`) and length of each; none of a block that is JSON
    deflated : the columns one behind the other, or the text
    """

    columns: tuple[tuple[str, str, int], ...]
    deflated: bytes

    def __len__(self) -> int:
        """Return how many bytes it takes in the page."""
        return -(-len(self.deflated) // 3) * 4

    @property
    def text(self) -> str:
        """What stands in the page."""
        return b64encode(self.deflated).decode("ascii")


def pack_columns(columns: Mapping[str, ArrayLike]) -> Packed:
    """Return numbers as a block; floats stay, integers beyond 32 bits become floats.

    raises : ValueError for integers that no float holds exactly
    """
    arrays = {name: _smallest(np.asarray(column)) for name, column in columns.items()}
    told = tuple((name, array.dtype.str[1:], len(array)) for name, array in arrays.items())
    return Packed(told, zlib.compress(b"".join(array.tobytes() for array in arrays.values()), _LEVEL))


def pack_json(value: Any) -> Packed:
    """Return anything that JSON can tell as a block."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return Packed((), zlib.compress(text.encode(), _LEVEL))


def _smallest(column: NDArray[Any]) -> NDArray[Any]:
    if column.dtype.kind == "f":
        return column.astype("<f8")
    low, high = (int(column.min()), int(column.max())) if len(column) else (0, 0)
    for name in _INTEGERS:
        limits = np.iinfo(name)
        if limits.min <= low and high <= limits.max:
            return column.astype(f"<{name}")
    if max(-low, high) > 1 << 53:
        raise ValueError(f"no float holds {max(-low, high)} exactly")
    return column.astype("<f8")
