"""Device models: each effect by its closed form, alone, and nothing where it is off."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arch import DeviceConfig, DeviceModel, PCMConfig, RRAMConfig, check_device, device_part, devices
from arch.arrays.device import PCM, UNIT, exponential, row_keys
from arch.arrays.device_config import (
    DriftConfig,
    FlickerConfig,
    ProgrammingConfig,
    ReadNoiseConfig,
    RetentionConfig,
    StateLine,
    StuckConfig,
)
from simcore import Config, ConfigError, ModelError
from simcore.noise import normal_fixed_reference, stream_key
from tests.normal_samples import (
    CONFIDENT,
    assert_independent,
    assert_normal,
    assert_tails,
    assert_uncorrelated,
)

#: Variance of rounding to fixed point [level^2].
ROUNDING = UNIT**2 / 12
KEY = stream_key(1, "conv", 0, 3, "device")
DAY = 86400.0

Levels = NDArray[np.uint8]


@pytest.fixture(autouse=True, scope="module")
def _let_words_wrap() -> Iterator[None]:
    # With NUMBA_DISABLE_JIT=1 the kernels run as Python, where numpy warns of what they do on purpose.
    with np.errstate(over="ignore"):
        yield


def levels(shape: tuple[int, int] = (200, 300), bits: int = 2, seed: int = 0) -> Levels:
    return np.random.default_rng(seed).integers(0, 2**bits, shape).astype(np.uint8)


def programmed(config: DeviceConfig, cells: Levels, bits: int = 2, key: np.uint64 = KEY) -> NDArray[Any]:
    """Return conductances [level]."""
    kind = {PCMConfig: "pcm", RRAMConfig: "rram"}.get(type(config), "generic")
    return devices[kind](config, bits).program(cells, key) * UNIT


def full(level: int, shape: tuple[int, int] = (200, 300)) -> Levels:
    return np.full(shape, level, np.uint8)


# -- no effects ----------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(0, 2**32 - 1), st.sampled_from(["generic", "base"]))
def test_without_effects_conductances_are_the_levels(bits: int, seed: int, kind: str) -> None:
    cells = levels((5, 9), bits, seed)
    model = (DeviceModel if kind == "base" else devices[kind])(DeviceConfig(), bits)
    np.testing.assert_array_equal(model.program(cells, KEY), cells.astype(np.int64) << 8)


@settings(deadline=None)
@given(st.integers(1, 8), st.floats(1.5, 1e4))
def test_an_off_state_that_conducts_cancels_in_a_pair(bits: int, ratio: float) -> None:
    plus, minus = levels((4, 6), bits, 1), levels((4, 6), bits, 2)
    model = devices["generic"](DeviceConfig(on_off_ratio=ratio), bits)
    pair = model.program(plus, KEY).astype(np.int64) - model.program(minus, KEY)
    np.testing.assert_array_equal(pair, (plus.astype(np.int64) - minus) << 8)
    assert model.g_max / model.g_off == pytest.approx(ratio)


@pytest.mark.parametrize("config", [PCMConfig(), RRAMConfig()])
def test_a_preset_with_every_scale_at_zero_is_a_perfect_cell(config: DeviceConfig) -> None:
    off = {name: {"scale": 0} for name in ("programming", "drift", "retention", "flicker")}
    quiet = type(config).parse({**off, "time_s": DAY})
    cells = levels()
    model = devices["generic"](quiet, 2)
    np.testing.assert_array_equal(model.program(cells, KEY), np.rint((cells + model.g_off) / UNIT))


def test_conductances_take_16_bits_where_they_can() -> None:
    assert devices["generic"](DeviceConfig(), 6).program(levels(), KEY).dtype == np.int16
    assert devices["generic"](DeviceConfig(), 8).program(levels(), KEY).dtype == np.int32


# -- programming ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [1, 2, 3])
def test_programming_noise_of_pcm_has_the_published_spread(level: int) -> None:
    g = level / 3
    published = (0.26348 + 1.9650 * g - 1.1731 * g**2) / 25 * 3
    config = PCMConfig(time_s=0)
    sample = programmed(config, full(level))
    assert_normal(sample, level, published, ROUNDING)
    assert_tails((sample - level) / published)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_a_scale_makes_a_preset_weaker_or_stronger(scale: float) -> None:
    config = PCMConfig.parse({"time_s": 0, "programming": {"scale": scale}})
    published = (0.26348 + 1.9650 - 1.1731) / 25 * 3
    assert_normal(programmed(config, full(3)), 3, scale * published, ROUNDING)


def test_programming_noise_may_be_lognormal() -> None:
    config = DeviceConfig(programming=ProgrammingConfig(sigma=(0.05,), law="lognormal"), ceiling=4)
    assert_normal(np.log(programmed(config, full(3)) / 3), 0.0, 0.05, (UNIT / 3) ** 2 / 12)


@pytest.mark.parametrize("effect", ["programming", "drift", "flicker"])
def test_no_two_rows_or_bitlines_share_what_is_drawn_of_their_cells(effect: str) -> None:
    z = drawn_numbers(effect)
    assert_normal(z, 0, 1)
    assert_tails(z)
    assert_independent(z)


def test_effects_and_arrays_draw_independently() -> None:
    drawn = [drawn_numbers(effect) for effect in ("programming", "drift", "flicker")]
    drawn.append(drawn_numbers("programming", stream_key(1, "conv", 0, 4, "device")))
    for one, other in combinations(drawn, 2):
        assert_uncorrelated(one, other)


def drawn_numbers(effect: str, key: np.uint64 = KEY) -> NDArray[Any]:
    """Return the standard normal numbers behind one effect, which is alone, of cells at the highest level."""
    configs = {
        "programming": DeviceConfig(programming=ProgrammingConfig(sigma=(0.05,))),
        "drift": DeviceConfig(
            time_s=20 * exp(1), drift=DriftConfig(nu=StateLine(value=0.5), spread=StateLine(value=0.05))
        ),
        "flicker": DeviceConfig(time_s=250e-9 * (2 * exp(1) - 1), flicker=FlickerConfig(sigma=0.05)),
    }
    g = devices["generic"](configs[effect], 2).conductances(full(3), key) / 3
    return (-np.log(g) - 0.5) / 0.05 if effect == "drift" else (g - 1) / 0.05


def test_conductances_stay_in_the_physical_range() -> None:
    config = DeviceConfig(programming=ProgrammingConfig(sigma=(1.0,)), ceiling=1.25)
    sample = programmed(config, levels())
    assert sample.min() == 0
    assert sample.max() == 1.25 * 3


# -- time ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("time", [0.0, 1.0, 20.0])
def test_nothing_has_drifted_at_the_first_reading(time: float) -> None:
    config = DeviceConfig(time_s=time, drift=DriftConfig(nu=StateLine(value=0.06)))
    cells = levels()
    np.testing.assert_array_equal(programmed(config, cells), cells)


@given(st.floats(20, 1e9), st.floats(0, 0.2))
@settings(deadline=None)
def test_drift_is_a_power_of_time(time: float, nu: float) -> None:
    config = DeviceConfig(time_s=time, drift=DriftConfig(nu=StateLine(value=nu)))
    cells = levels((3, 5), 4)
    expected = cells * (time / 20) ** -nu
    assert abs(programmed(config, cells, 4) - expected).max() <= UNIT / 2 + 1e-6


@pytest.mark.parametrize(
    ("level", "mean", "deviation"),
    [(7, 0.049, 0.008), (1, 0.0155 * log(7) + 0.0244, 0.0125 * log(7) - 0.0059)],
)
def test_drift_of_pcm_has_the_published_exponents(level: int, mean: float, deviation: float) -> None:
    drift = PCMConfig().drift
    model = devices["generic"](DeviceConfig(time_s=DAY, drift=drift), 3)
    g = model.conductances(full(level), KEY)
    assert_normal(-np.log(g / level) / log(DAY / 20), mean, deviation)
    faster = devices["generic"](DeviceConfig(time_s=DAY, drift=drift.model_copy(update={"scale": 2.0})), 3)
    np.testing.assert_allclose(faster.conductances(full(level), KEY) / level, (g / level) ** 2, rtol=1e-9)


@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_spread_of_rram_passes_through_its_published_days(level: int) -> None:
    quiet = {"on_off_ratio": None, "ceiling": 4.0}
    coefficients = {
        1.0: (0.348, 16.030, -43.853, 45.393, -16.815),
        DAY: (0.701, 22.086, -50.773, 47.095, -16.458),
        2 * DAY: (0.782, 20.274, -43.507, 37.062, -11.934),
    }
    for time, published in coefficients.items():
        model = devices["rram"](RRAMConfig.parse({**quiet, "time_s": time}), 2)
        sample = model.conductances(full(level), KEY) - level
        spread = sum(c * (level / 3) ** i for i, c in enumerate(published)) / 40 * 3
        if level == 0:  # half of them would be below 0
            sample = sample[sample > 0]
        if time <= DAY:
            assert abs((sample**2).mean() / spread**2 - 1) < CONFIDENT * sqrt(2 / sample.size)
        else:  # beyond the line's two points: to within 0.3 % of g_max
            assert sqrt((sample**2).mean()) == pytest.approx(spread, abs=0.003 * 3)


def test_nothing_is_lost_before_retention_starts() -> None:
    cells = levels()
    retention = RetentionConfig(sigma=(0.01,))
    np.testing.assert_array_equal(programmed(DeviceConfig(time_s=1.0, retention=retention), cells), cells)
    later = programmed(DeviceConfig(time_s=exp(3.0), retention=retention), full(2))
    assert_normal(later, 2, 3 * 0.01 * 3, ROUNDING)


@pytest.mark.parametrize("time", [1e-3, 20.0, 1e6])
@pytest.mark.parametrize("level", [1, 3])
def test_flicker_noise_grows_with_the_logarithm_of_time(time: float, level: int) -> None:
    config = DeviceConfig(time_s=time, flicker=FlickerConfig(sigma=0.0088, exponent=0.65, most=0.2))
    q = min(0.0088 / (level / 3) ** 0.65, 0.2)
    expected = level * q * sqrt(log((time + 250e-9) / 500e-9))
    assert_normal(programmed(config, full(level)), level, expected, ROUNDING)


@given(st.floats(-8, 8))
def test_the_exponential_is_one(x: float) -> None:
    assert float(exponential(np.array([x]))[0]) == pytest.approx(exp(x), rel=1e-9)


# -- stuck cells and read noise ------------------------------------------------------------------------------


def test_as_many_cells_are_stuck_as_should_be_and_more_include_fewer() -> None:
    cells = full(1)
    before = None
    for on, off in ((0.01, 0.02), (0.05, 0.09)):
        stuck = programmed(DeviceConfig(stuck=StuckConfig(on=on, off=off)), cells)
        for share, value in ((on, 3.0), (off, 0.0)):
            count = (stuck == value).sum()
            bound = CONFIDENT * sqrt(cells.size * share * (1 - share))
            assert abs(count - cells.size * share) < bound
        assert ((stuck == 1) | (stuck == 3) | (stuck == 0)).all()
        if before is not None:
            np.testing.assert_array_equal(stuck[before != 1], before[before != 1])
        before = stuck


def test_stuck_cells_neither_scatter_nor_drift() -> None:
    config = PCMConfig(time_s=DAY, stuck=StuckConfig(on=1.0))
    assert (programmed(config, levels()) == 3).all()


def test_stuck_shares_above_all_cells_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"shares of all cells and add up to 1\.2; at most 1"):
        StuckConfig(on=0.6, off=0.6)


def test_column_noise_is_that_of_independent_cells() -> None:
    model = devices["generic"](DeviceConfig(read=ReadNoiseConfig(column=0.01)), 2)
    assert model.column_noise(256) == pytest.approx(0.01 * 3 * 256 * 16)


# -- determinism ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", devices.names())
def test_a_cell_depends_on_its_place_and_key_alone(kind: str) -> None:
    config = devices[kind].Config.parse({"time_s": DAY, "stuck": {"on": 0.1, "off": 0.1}})
    model = devices[kind](config, 2)
    cells = levels((40, 50))
    whole = model.program(cells, KEY)
    np.testing.assert_array_equal(model.program(cells[:7, :11], KEY), whole[:7, :11])
    np.testing.assert_array_equal(model.program(cells, KEY), whole)
    assert (model.program(cells, stream_key(1, "conv", 0, 4, "device")) != whole).any()


def test_conductances_stay_as_they_are_from_release_to_release() -> None:
    # Recorded from the first release: a change here changes every noisy result ever published with a seed.
    cells = np.array([[0, 1, 2, 3], [3, 2, 1, 0]], np.uint8)
    assert devices["pcm"](PCMConfig(time_s=DAY), 2).program(cells, KEY).tolist() == [
        [3, 159, 311, 431],
        [560, 416, 147, 0],
    ]
    assert devices["rram"](RRAMConfig(time_s=DAY), 2).program(cells, KEY).tolist() == [
        [17, 196, 541, 652],
        [822, 644, 153, 18],
    ]


# -- a user's own --------------------------------------------------------------------------------------------


class Halved(DeviceModel):
    """Every cell at half its level, give or take."""

    def conductances(self, levels: Levels, key: np.uint64) -> NDArray[np.float64]:
        z = normal_fixed_reference(row_keys(key, 0, len(levels)), np.arange(levels.shape[1]))
        return levels / 2 + z * 2.0**-26


class HalvedFast(Halved):
    """The same, with a faster function beside it."""

    def compiled(self, levels: Levels, key: np.uint64) -> NDArray[np.float64]:
        return self.conductances(levels, key)


@pytest.mark.parametrize("kind", devices.names())
@pytest.mark.parametrize("bits", [1, 2, 8])
def test_built_in_models_keep_the_rules(kind: str, bits: int) -> None:
    check_device(devices[kind], cell_bits=bits)
    check_device(devices[kind], devices[kind].Config.parse({"time_s": 1e6}), cell_bits=bits)


def test_a_small_class_is_a_device_model() -> None:
    check_device(Halved)
    check_device(HalvedFast)
    sample = Halved(DeviceConfig(), 2).program(full(2), KEY) * UNIT
    assert sample.mean() == pytest.approx(1, abs=1e-3)


def test_the_documented_model_works_as_it_stands() -> None:
    page = (Path(__file__).parents[3] / "docs" / "devices.md").read_text(encoding="utf-8")
    exec(page.split("```python\n")[1].split("```")[0], {"__name__": __name__})
    sample = devices["uneven"](DeviceConfig(), 2).program(full(2), KEY) * UNIT
    assert_normal(sample, 2.0, 0.05, ROUNDING)


def test_the_check_names_the_first_cell_where_two_functions_differ() -> None:
    class Off(Halved):
        def compiled(self, levels: Levels, key: np.uint64) -> NDArray[np.float64]:
            g = self.conductances(levels, key)
            g[-1, -1] += 1e-12
            return g

    with pytest.raises(
        ModelError, match=r"Off: conductances and compiled differ first at row 0, bitline 0, lev"
    ):
        check_device(Off)


def test_the_check_finds_numbers_that_do_not_come_from_the_key() -> None:
    class Restless(DeviceModel):
        def conductances(self, levels: Levels, key: np.uint64) -> NDArray[np.float64]:
            return levels + np.random.default_rng().normal(size=levels.shape)

    with pytest.raises(ModelError, match="conductances and a second call of it differ first at row 0"):
        check_device(Restless)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_conductance_that_is_no_number_is_refused_by_name(bad: float) -> None:
    class Broken(DeviceModel):
        def conductances(self, levels: Levels, key: np.uint64) -> NDArray[np.float64]:
            g = levels.astype(np.float64)
            g[-1, -1] = bad
            return g

    with pytest.raises(ModelError, match=rf"Broken made a conductance of {bad} at row 2, bitline 4, level "):
        Broken(DeviceConfig(), 2).program(levels((3, 5)), KEY)
    with pytest.raises(ModelError, match="finite number of levels"):
        check_device(Broken)


def test_conductances_of_another_shape_are_refused() -> None:
    class Flat(DeviceModel):
        def conductances(self, levels: Levels, key: np.uint64) -> NDArray[np.float64]:
            return levels.astype(np.float64).ravel()

    with pytest.raises(
        ModelError, match=r"Flat made conductances of shape \(15,\) for levels of shape \(3, 5\)"
    ):
        Flat(DeviceConfig(), 2).program(levels((3, 5)), KEY)


def test_a_level_that_does_not_fit_the_cell_is_refused() -> None:
    cells = levels((3, 5))
    cells[1, 2] = 9
    with pytest.raises(ModelError, match=r"level 9 at row 1, bitline 2 .* must be in \[0, 3\]"):
        DeviceModel(DeviceConfig(), 2).program(cells, KEY)


class HolderConfig(Config):
    """Something with cells."""

    device: DeviceConfig = device_part(doc="its cells")


def test_a_configuration_chooses_its_device_by_name() -> None:
    assert HolderConfig().device.kind == "generic"
    chosen = HolderConfig.parse({"device": {"kind": "pcm", "time_s": "1 s", "drift": {"scale": 0}}}).device
    assert isinstance(chosen, PCMConfig)
    assert (chosen.time_s, chosen.drift.scale, chosen.drift.nu) == (1.0, 0.0, PCMConfig().drift.nu)
    with pytest.raises(
        ConfigError, match=r"device.kind is unknown: no device model is called 'pmc'; did you"
    ):
        HolderConfig.parse({"device": {"kind": "pmc"}})


class Dead(PCM):
    """A class that derives from a built-in one has conductances of its own, and no compiled ones."""

    def conductances(self, levels: Levels, key: np.uint64) -> NDArray[np.float64]:
        return np.zeros(levels.shape)


def test_a_model_that_derives_from_a_preset_is_what_it_says() -> None:
    model = Dead(PCMConfig(), 2)
    assert not model.program(levels((3, 5)), KEY).any()
    assert "cells of Dead" in model.effects
    check_device(Dead)


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda levels, key: 1 / 0, r"Odd\.conductances failed on levels of shape .*: ZeroDivisionError"),
        (lambda levels, key: None, "Odd made conductances of shape"),
        (lambda levels, key: levels * 1j, "Odd made conductances of type complex"),
    ],
)
def test_whatever_goes_wrong_in_a_model_names_it(made: Any, message: str) -> None:
    cls = type("Odd", (DeviceModel,), {"conductances": lambda self, levels, key: made(levels, key)})
    with pytest.raises(ModelError, match=message):
        cls(DeviceConfig(), 2).program(levels((3, 5)), KEY)
