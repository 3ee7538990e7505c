"""Machines that are compared by what reading and writing cost pay the same for the same part."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.machines.basisn import BasisNConfig
from arch.machines.reprogrammed.configuration import ReprogrammedConfig
from arch.resistive_costs import CONVERSIONS, conversion_pj


def test_basisn_and_what_it_is_compared_with_read_crossbars_at_the_same_cost() -> None:
    ours, theirs = BasisNConfig(), ReprogrammedConfig()
    assert (ours.array.rows, ours.array.cols) == (theirs.array.rows, theirs.array.cols)
    assert ours.array.mvm_cycles == theirs.array.mvm_cycles
    assert ours.array.cell_energy_fj == theirs.array.cell_energy_fj
    assert ours.array.row_energy_fj == pytest.approx(1e3 * theirs.array.drive_pj)
    assert ours.adc.bits == theirs.adc.bits
    assert ours.adc.conversion_pj == theirs.adc.conversion_pj
    assert ours.digital.shift_add_energy_pj == theirs.adc.shift_add_pj
    assert ours.digital.channel_energy_pj == theirs.digital.channel_energy_pj
    assert ours.buffer.byte_energy_pj == theirs.buffer.byte_energy_pj
    assert ours.array.area_mm2 == theirs.array.area_mm2
    assert ours.adc.area_mm2 == theirs.adc.area_mm2
    assert ours.memory_area_mm2 == theirs.buffer.area_mm2_per_kib


@given(bits=st.integers(1, 15))
@settings(deadline=None)
def test_conversions_cost_more_with_every_bit_and_as_published_where_they_are(bits: int) -> None:
    assert 0 < conversion_pj(bits) < conversion_pj(bits + 1)
    assert {known: conversion_pj(known) for known in CONVERSIONS} == pytest.approx(CONVERSIONS)
