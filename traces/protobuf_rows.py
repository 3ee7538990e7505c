"""Protocol buffers, as many messages of one shape at a time as there are rows in a block.

A message is bytes behind one another: a tag, then a number or what is nested. In all rows of a block a
field has the same width, so the block is a matrix of bytes that numpy fills column by column; where some
rows lack a field, its bytes are cut out at the end. Numbers that would need fewer bytes than the largest in
their column are filled up with groups of zeros, which every reader accepts.

Source: "Encoding" in the documentation of Protocol Buffers; tags and wire types 0 (varint), 1 (fixed64) and
2 (length-delimited).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

_VARINT, _FIXED64, _DELIMITED = 0, 1, 2


def varint(value: int) -> bytes:
    """Return a number of 64 bits at most, not below zero, seven bits a byte, the lowest first."""
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def _tag(field: int, wire_type: int) -> bytes:
    return varint(field << 3 | wire_type)


def uint(field: int, value: int) -> bytes:
    """Return a field that is a number, a truth value or one of an enumeration."""
    return _tag(field, _VARINT) + varint(value)


def message(field: int, *fields: bytes) -> bytes:
    """Return a field that is a message of these fields."""
    content = b"".join(fields)
    return _tag(field, _DELIMITED) + varint(len(content)) + content


def text(field: int, value: str) -> bytes:
    """Return a field that is a string."""
    return message(field, value.encode())


@dataclass(frozen=True, eq=False)
class Column:
    """The bytes that a field has in each row of a block.

    head : those that are the same in all rows
    value : (rows, width) uint8, those behind them
    there : (rows,) which rows have the field; None are all
    """

    head: bytes
    value: NDArray[np.uint8] | None = None
    there: NDArray[np.bool_] | None = None

    @property
    def width(self) -> int:
        """How many bytes it has where it is there."""
        return len(self.head) + (0 if self.value is None else self.value.shape[1])


def uints(field: int, values: NDArray[np.integer]) -> Column:
    """Return a field that is a number, not below zero, in each row."""
    return Column(_tag(field, _VARINT), _varints(values))


def fixed64s(field: int, values: NDArray[np.int64] | NDArray[np.float64]) -> Column:
    """Return a field of eight bytes in each row, a `fixed64` or a `double`."""
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    return Column(_tag(field, _FIXED64), little.view(np.uint8).reshape(-1, 8))


def messages(field: int, *columns: Column) -> list[Column]:
    """Return a field that is a message of these fields in each row."""
    always = sum(column.width for column in columns if column.there is None)
    sometimes = [(column.there, column.width) for column in columns if column.there is not None]
    if not sometimes:
        return [Column(_tag(field, _DELIMITED) + varint(always)), *columns]
    lengths = sum((there * width for there, width in sometimes), np.int64(always))
    return [Column(_tag(field, _DELIMITED), _varints(np.asarray(lengths))), *columns]


def where(there: NDArray[np.bool_], columns: Sequence[Column]) -> list[Column]:
    """Return columns that are in all rows as such that are in some."""
    return [replace(column, there=there) for column in columns]


def rows_of(count: int, columns: Sequence[Column]) -> NDArray[np.uint8]:
    """Return the bytes of all rows, one behind the other.

    count : how many rows there are
    """
    template = b"".join(column.head.ljust(column.width, b"\0") for column in columns)
    rows = np.empty((count, len(template)), np.uint8)
    rows[:] = np.frombuffer(template, np.uint8)
    kept: NDArray[np.bool_] | None = None
    begin = 0
    for column in columns:
        end = begin + column.width
        if column.value is not None:
            rows[:, begin + len(column.head) : end] = column.value
        if column.there is not None and not column.there.all():
            kept = np.ones(rows.shape, bool) if kept is None else kept
            kept[:, begin:end] = column.there[:, None]
        begin = end
    return rows.reshape(-1) if kept is None else rows[kept]


def _varints(values: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return numbers in as many bytes as the largest of them needs: (rows, width) uint8."""
    width = len(varint(int(values.max(initial=0))))
    groups = np.empty((len(values), width), np.uint8)
    for place in range(width):
        more = 0x80 if place < width - 1 else 0
        groups[:, place] = (values >> 7 * place) & 0x7F | more
    return groups
