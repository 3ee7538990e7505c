"""Constants of resistive crossbars: conversions by their bits, and areas by the table that they are of."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.machines.isaac.table import IMA, TILE
from arch.resistive_costs import (
    ADC_AREA,
    ARRAY_AREA,
    CONVERSIONS,
    MEMORY_AREA,
    ROW_AREA,
    SHIFT_ADD_AREA,
    conversion_pj,
)


@given(bits=st.integers(1, 15))
@settings(deadline=None)
def test_conversions_cost_more_with_every_bit_and_as_published_where_they_are(bits: int) -> None:
    assert 0 < conversion_pj(bits) < conversion_pj(bits + 1)
    assert {known: conversion_pj(known) for known in CONVERSIONS} == pytest.approx(CONVERSIONS)


def test_areas_are_those_of_isaac() -> None:
    rows = {"crossbar": ARRAY_AREA, "dac": ROW_AREA, "adc": ADC_AREA, "shift-add": SHIFT_ADD_AREA}
    for row, area in rows.items():
        assert area.value == pytest.approx(IMA[row].instance.mm2)
    assert MEMORY_AREA.value == pytest.approx(TILE["edram"].instance.mm2)
