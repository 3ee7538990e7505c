"""Quantities with units: read exactly, refused when of another dimension, printed with an SI prefix.

A unit is written as its symbol with an SI prefix and a power ("ns", "mm2", "GHz"), as a plain word that
counts things ("cycle", "pixel", "bitline"), or as quotients of both ("pJ/op", "byte/cycle", "1/s"). Only
symbols take prefixes and convert into one another; a word equals nothing but itself.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import cache

from simcore.errors import ConfigError

_PREFIXES = {
    "P": Fraction(10) ** 15,
    "T": Fraction(10) ** 12,
    "G": Fraction(10) ** 9,
    "M": Fraction(10) ** 6,
    "k": Fraction(10) ** 3,
    "": Fraction(1),
    "m": Fraction(10) ** -3,
    "u": Fraction(10) ** -6,
    "n": Fraction(10) ** -9,
    "p": Fraction(10) ** -12,
    "f": Fraction(10) ** -15,
    "a": Fraction(10) ** -18,
}

# Symbols that take prefixes: size, and powers of the dimensions that this field measures in.
_SYMBOLS: dict[str, tuple[int, dict[str, int]]] = {
    "s": (1, {"time": 1}),
    "Hz": (1, {"time": -1}),
    "m": (1, {"length": 1}),
    "J": (1, {"energy": 1}),
    "W": (1, {"energy": 1, "time": -1}),
    "A": (1, {"current": 1}),
    "V": (1, {"energy": 1, "current": -1, "time": -1}),
    "Ohm": (1, {"energy": 1, "current": -2, "time": -1}),
    "S": (1, {"energy": -1, "current": 2, "time": 1}),
    "F": (1, {"energy": -1, "current": 2, "time": 2}),
    "C": (1, {"current": 1, "time": 1}),
    "K": (1, {"temperature": 1}),
    "bit": (1, {"information": 1}),
    "B": (8, {"information": 1}),
    "OPS": (1, {"op": 1, "time": -1}),
}

# Words that are more than a count of themselves, and take no prefix.
_WORDS: dict[str, tuple[int, dict[str, int]]] = {
    "1": (1, {}),
    "byte": (8, {"information": 1}),
    "KiB": (8 * 2**10, {"information": 1}),
    "MiB": (8 * 2**20, {"information": 1}),
    "GiB": (8 * 2**30, {"information": 1}),
}

_SYMBOL = re.compile(rf"([{''.join(_PREFIXES)}]?)({'|'.join(_SYMBOLS)})([23]?)")
_WORD = re.compile(r"[a-z][a-z_-]*")
_QUANTITY = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,2})?)\s*([^\s0-9].*|1/.*)?")
_LONGEST = 80  # characters of a quantity; nobody means more, and exact arithmetic stays quick


@dataclass(frozen=True)
class _Unit:
    """Size of a unit in base units, and the power of each dimension in it (none of them zero)."""

    size: Fraction
    dimension: tuple[tuple[str, int], ...]


def check_unit(unit: str) -> None:
    """Raise ConfigError if `unit` is not the way to write a unit."""
    _parse_unit(unit)


def parse_quantity(text: str, unit: str) -> Fraction:
    """Return the quantity that `text` writes, counted in `unit`, exactly.

    text : a number and its unit, such as "0.13 us", "130ns" or "1e3 cycle"
    unit : what to count in; "" admits no text, as a plain number has no unit to write
    raises : ConfigError that starts "must be ..." if the text is no quantity or of another dimension

    >>> parse_quantity("0.13 us", "ns")
    Fraction(130, 1)
    """
    if not unit:
        raise ConfigError(f"must be a plain number, got {text[:_LONGEST]!r}")
    match = _QUANTITY.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if match is None or not match[2]:
        raise ConfigError(
            f"must be a number of {unit} or text with a unit such as '5 {unit}', got {text[:_LONGEST]!r}"
        )
    written = match[2].replace("\u00b5", "u").replace("\u03bc", "u").replace("\u03a9", "Ohm")
    try:
        source = _parse_unit(written)
    except ConfigError:
        raise ConfigError(f"must be in {unit}, got {text!r}; {written!r} is no known unit") from None
    target = _parse_unit(unit)
    if source.dimension != target.dimension:
        raise ConfigError(f"must be in {unit}, got {text!r}; {written!r} does not convert to {unit}")
    return Fraction(match[1]) * source.size / target.size


def format_si(value: float | Fraction, unit: str, digits: int = 4) -> str:
    """Return `value` with `digits` significant digits and the SI prefix that keeps it short.

    Whole numbers of a counting unit are printed in full. Areas step by a million from one prefix to the
    next, so they may start with 0.01. Of a quotient or a product the first symbol takes the prefix.

    >>> format_si(0.13e-6, "s"), format_si(12500, "pJ"), format_si(63.1e12, "OPS"), format_si(20736, "cycle")
    ('130 ns', '12.5 nJ', '63.1 TOPS', '20,736 cycle')
    >>> format_si(2.4e-9, "J s")
    '2.4 nJ s'
    """
    if not math.isfinite(value):
        return f"{value} {unit}".rstrip()
    leading = re.split("[/ ]", unit, maxsplit=1)[0]
    symbol, rest = _SYMBOL.fullmatch(leading), unit[len(leading) :]
    if symbol is None or not value:
        number = f"{value:,}" if isinstance(value, int) else f"{_rounded(Fraction(value), digits):,f}"
        return f"{number} {unit}".rstrip()
    power = int(symbol[3] or 1)
    absolute = Fraction(_rounded(Fraction(value) * _PREFIXES[symbol[1]] ** power, digits))
    smallest_shown = Fraction(1) if power == 1 else Fraction(1, 100)
    prefix = next(
        (name for name, size in _PREFIXES.items() if abs(absolute) >= smallest_shown * size**power), "a"
    )
    number = f"{_rounded(absolute / _PREFIXES[prefix] ** power, digits):f}"
    return f"{number} {prefix}{symbol[2]}{symbol[3]}{rest}"


@cache
def _parse_unit(text: str) -> _Unit:
    """Read a unit: terms divided by slashes."""
    size, powers = Fraction(1), dict[str, int]()
    for position, term in enumerate(text.split("/") if text else []):
        sign = -1 if position else 1
        term_size, dimension = _parse_term(term.strip())
        size *= term_size**sign
        for name, power in dimension.items():
            powers[name] = powers.get(name, 0) + sign * power
    return _Unit(size, tuple(sorted((name, power) for name, power in powers.items() if power)))


def _parse_term(term: str) -> tuple[Fraction, dict[str, int]]:
    """Return the size and the dimension of one symbol or word."""
    if term in _WORDS:
        size, dimension = _WORDS[term]
        return Fraction(size), dimension
    symbol = _SYMBOL.fullmatch(term)
    if symbol:
        power = int(symbol[3] or 1)
        size, dimension = _SYMBOLS[symbol[2]]
        return (size * _PREFIXES[symbol[1]]) ** power, {name: n * power for name, n in dimension.items()}
    if _WORD.fullmatch(term):
        return Fraction(1), {term: 1}
    raise ConfigError(f"{term!r} is not the way to write a unit; write for example 'ns', 'pJ/op' or 'cycle'")


def _rounded(value: Fraction, digits: int) -> Decimal:
    """Round to significant digits, half to even, without trailing zeros."""
    exact = Context(prec=digits).divide(Decimal(value.numerator), Decimal(value.denominator))
    return Decimal(int(exact)) if exact == exact.to_integral_value() else exact.normalize()
