"""Numbers as messages say that they are written: digits, with no `_` between them and in no other script."""

from __future__ import annotations

import re
from decimal import Decimal

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_WHOLE = re.compile(r"[+-]?[0-9]+")


def read_decimal(text: str) -> Decimal:
    """Return the number that a text writes in decimal, exactly.

    >>> read_decimal("2.50"), read_decimal(".5"), read_decimal("1e3")
    (Decimal('2.50'), Decimal('0.5'), Decimal('1E+3'))

    raises : ValueError for anything else; ArithmeticError for an exponent beyond all bounds
    """
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is no number")
    return Decimal(text)


def read_whole(text: str) -> int:
    """Return the whole number that a text writes; ValueError for anything else.

    >>> read_whole("-12")
    -12
    """
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is no whole number")
    return int(text)
