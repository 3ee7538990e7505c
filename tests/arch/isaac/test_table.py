"""The published table: every subtotal to its last digit, and what follows from it in closed form."""

import pytest

from arch.arrays.encoding import Encoding
from arch.arrays.transfer import bits_for
from arch.machines.isaac.budgets import Budgets
from arch.machines.isaac.configuration import IsaacConfig
from arch.machines.isaac.table import HYPERTRANSPORT, IMA, TILE

CE = Budgets(IsaacConfig())

# Subtotal, power [mW] and area [mm2] as the sums are, and as they are printed.
SUMS = {
    "ima": (CE.ima, (24.08, 0.01312), ("24.08", "0.01312")),
    "periphery": (CE.periphery, (40.85, 0.21485), ("40.9", "0.215")),
    "imas": (CE.ima * 12, (288.96, 0.15744), ("289", "0.157")),
    "tile": (CE.tile, (329.81, 0.37229), ("330", "0.372")),
    "tiles": (CE.tile * 168, (55_408.08, 62.54472), ("55408", "62.5")),
    "chip": (CE.chip, (65_808.08, 85.42472), ("65808", "85.4")),
}


@pytest.mark.parametrize("name", SUMS)
def test_every_subtotal_of_the_table_is_the_sum_of_its_rows(name: str) -> None:
    budget, (mw, mm2), printed = SUMS[name]
    assert budget.mw == pytest.approx(mw, rel=1e-12)
    assert budget.mm2 == pytest.approx(mm2, rel=1e-12)
    for value, text in zip((budget.mw, budget.mm2), printed, strict=True):
        digits = len(text.partition(".")[2])
        assert abs(value - float(text)) <= 0.5 * 10**-digits + 1e-9  # the last printed digit


def test_converters_are_most_of_a_tiles_power_and_a_third_of_its_area() -> None:
    adc = CE.part("adc") * 12
    assert adc.mw / CE.tile.mw == pytest.approx(0.582, abs=5e-4)
    assert adc.mm2 / CE.tile.mm2 == pytest.approx(0.309, abs=5e-4)
    assert CE.of_chip("adc").mw / CE.chip.mw == pytest.approx(0.490, abs=5e-4)
    assert CE.part("dac").mw * 12 / CE.tile.mw == pytest.approx(0.146, abs=5e-4)
    buffers = CE.part("edram").mm2 + CE.part("bus").mm2
    assert buffers / CE.tile.mm2 == pytest.approx(0.465, abs=5e-4)


def test_peak_is_that_of_full_arrays_with_two_operations_a_product_every_sixteen_cycles() -> None:
    assert CE.gops == pytest.approx(168 * 12 * 8 * 128 * 16 * 2 / 1600)  # 41 287.68
    assert CE.gops / CE.chip.mw * 1e3 == pytest.approx(627.5, rel=2e-4)
    assert CE.weights_mib == 63
    assert 2 * CE.chip.mw / CE.gops == pytest.approx(3.19, abs=5e-3)  # pJ of a multiply-accumulate
    assert 2 * (CE.chip.mw - HYPERTRANSPORT.mw) / CE.gops == pytest.approx(2.68, abs=5e-3)


# Derived figures of the same table, to the digits that are given.
@pytest.mark.parametrize(
    ("name", "pj"),
    [
        ("adc", 1.5625),
        ("dac", 0.390625),
        ("sample-hold", 0.0009765625),
        ("crossbar", 30.0),
        ("edram", 2.0215),
        ("bus", 0.6836),
        ("router", 4.375),
    ],
)
def test_energy_of_an_action_is_its_rows_power_over_a_busy_cycle(name: str, pj: float) -> None:
    assert (IMA | TILE)[name].pj == pytest.approx(pj, rel=3e-5)
    assert CE.energies[name] == pytest.approx((IMA | TILE)[name].pj)


@pytest.mark.parametrize("name", [*IMA, *TILE])
def test_a_part_that_never_rests_draws_its_rows_power(name: str) -> None:
    row = (IMA | TILE)[name]
    share = 0.25 if name == "router" else 1  # of a router that serves four tiles
    assert CE.counts[name] == share * row.count
    assert CE.part(name).mw == pytest.approx(share * row.mw)
    assert CE.part(name).mm2 == pytest.approx(share * row.mm2)


def test_a_flip_saves_the_converter_of_128_rows_a_bit() -> None:
    def bits(signs: str) -> int:
        return bits_for(Encoding(signs, 16).largest_sum(128, 1))  # type: ignore[arg-type]

    assert (bits("offset"), bits("flip")) == (9, 8)


def test_a_kibibyte_passes_edram_and_bus_within_a_cycle() -> None:
    config = IsaacConfig()
    assert config.edram_cycles(1024) == 32  # words of 256 bit; two banks of two cycles give one each
    assert 32 <= config.cycle * config.digital_hz == 120
    slower = IsaacConfig.parse({"tile": {"edram_banks": 1}})
    assert slower.edram_cycles(1024) == 64
    narrow = IsaacConfig.parse({"tile": {"bus_bits": 64}})
    assert narrow.edram_cycles(1024) == 128
