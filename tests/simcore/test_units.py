"""Quantities convert exactly, or not at all."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simcore.errors import ConfigError
from simcore.units import check_unit, format_si, parse_quantity

FAMILIES = [
    ["s", "ms", "us", "ns", "ps", "fs"],
    ["J", "mJ", "uJ", "nJ", "pJ", "fJ"],
    ["Hz", "kHz", "MHz", "GHz", "1/s", "1/ns"],
    ["m2", "mm2", "um2"],
    ["bit", "byte", "B", "kB", "KiB", "MiB"],
    ["W", "mW", "J/s", "pJ/ns"],
    ["OPS/W", "TOPS/W", "op/J", "op/pJ"],
    ["cycle"],
    ["byte/cycle", "bit/cycle"],
]
families = st.sampled_from(FAMILIES)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**9), max_value=10**9)


@st.composite
def two_units_of_one_family(draw: st.DrawFn) -> tuple[str, str]:
    family = draw(families)
    return draw(st.sampled_from(family)), draw(st.sampled_from(family))


@pytest.mark.parametrize(
    ("text", "unit", "expected"),
    [
        ("0.13 us", "ns", 130),
        ("130ns", "ns", 130),
        ("12.48 nJ", "pJ", 12480),
        ("12.48 nJ", "nJ", Fraction(1248, 100)),
        ("1 GHz", "MHz", 1000),
        ("64 KiB", "byte", 65536),
        ("64 kB", "byte", 64000),
        ("12 bit", "byte", Fraction(3, 2)),
        ("25 um2", "mm2", Fraction(25, 10**6)),
        ("1e3 cycle", "cycle", 1000),
        ("-.5 µs", "ns", -500),
        ("4 kΩ", "Ohm", 4000),
        ("1 TOPS/W", "op/pJ", 1),
        ("5 1/ns", "GHz", 5),
        ("2 V/A", "Ohm", 2),
        ("3 C/V", "F", 3),
        ("1 A/V", "S", 1),
    ],
)
def test_a_quantity_converts_exactly(text: str, unit: str, expected: Fraction | int) -> None:
    assert parse_quantity(text, unit) == expected


@pytest.mark.parametrize(
    ("text", "unit", "message"),
    [
        ("5 pJ", "ns", "must be in ns, got '5 pJ'; 'pJ' does not convert to ns"),
        ("5 ns", "cycle", "must be in cycle, got '5 ns'; 'ns' does not convert to cycle"),
        ("5 kcycle", "cycle", "must be in cycle, got '5 kcycle'; 'kcycle' does not convert to cycle"),
        ("5 cycles", "cycle", "must be in cycle, got '5 cycles'; 'cycles' does not convert to cycle"),
        ("5 mm", "mm2", "must be in mm2, got '5 mm'; 'mm' does not convert to mm2"),
        ("5 nS", "ns", "must be in ns, got '5 nS'; 'nS' does not convert to ns"),
        ("5 ?", "ns", "must be in ns, got '5 ?'; '?' is no known unit"),
        ("5", "ns", "must be a number of ns or text with a unit such as '5 ns', got '5'"),
        ("fast", "ns", "must be a number of ns or text with a unit such as '5 ns', got 'fast'"),
        ("5 ns", "", "must be a plain number, got '5 ns'"),
    ],
)
def test_another_dimension_is_refused_with_both_units(text: str, unit: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_quantity(text, unit)
    assert str(caught.value) == message


@given(decimals, two_units_of_one_family())
def test_converting_there_and_back_is_exact(number: Decimal, units: tuple[str, str]) -> None:
    there, back = units
    converted = parse_quantity(f"{number} {there}", back)
    size = parse_quantity(f"1 {back}", there)
    assert converted * size == Fraction(number)


@given(decimals, decimals, two_units_of_one_family())
def test_conversion_is_linear(a: Decimal, b: Decimal, units: tuple[str, str]) -> None:
    source, target = units
    together = parse_quantity(f"{a + b} {source}", target)
    assert together == parse_quantity(f"{a} {source}", target) + parse_quantity(f"{b} {source}", target)


@given(st.text(max_size=100), st.sampled_from(["ns", "cycle", "pJ/op", ""]))
def test_any_text_is_a_quantity_or_a_config_error(text: str, unit: str) -> None:
    with suppress(ConfigError):
        assert isinstance(parse_quantity(text, unit), Fraction)


@pytest.mark.parametrize("unit", ["n s", "ns2x", "5", "Ns", "pJ//op", "GHz/"])
def test_a_malformed_unit_is_refused(unit: str) -> None:
    with pytest.raises(ConfigError, match="not the way to write a unit"):
        check_unit(unit)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.13e-6, "s", "130 ns"),
        (130, "ns", "130 ns"),
        (12500, "pJ", "12.5 nJ"),
        (63.1e12, "OPS", "63.1 TOPS"),
        (2.4e12, "OPS/W", "2.4 TOPS/W"),
        (999.96, "ns", "1 us"),
        (999.94, "ns", "999.9 ns"),
        (-0.5, "V", "-500 mV"),
        (0, "ns", "0 ns"),
        (0.5, "mm2", "0.5 mm2"),
        (0.0005, "mm2", "500 um2"),
        (62.9e-6, "m2", "62.9 mm2"),
        (3e-21, "s", "0.003 as"),
        (12345678, "cycle", "12,345,678 cycle"),
        (2.0 / 3.0, "byte/cycle", "0.6667 byte/cycle"),
        (1234567.0, "", "1,235,000"),
        (1e30, "op", f"{10**30:,} op"),
        (float("nan"), "s", "nan s"),
    ],
)
def test_a_report_shows_a_quantity_with_a_fitting_prefix(value: float, unit: str, text: str) -> None:
    assert format_si(value, unit) == text


@given(st.floats(1e-17, 1e17), st.sampled_from(["s", "J", "W", "Hz", "ns", "pJ/op"]), st.integers(3, 6))
def test_what_a_report_shows_reads_back_as_the_value_to_that_many_digits(
    value: float, unit: str, digits: int
) -> None:
    read_back = parse_quantity(format_si(value, unit, digits), unit)
    assert abs(read_back - Fraction(value)) <= Fraction(value) / 10 ** (digits - 1) / 2 * (
        1 + Fraction(1, 10**9)
    )
