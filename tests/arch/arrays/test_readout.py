"""Readout: converters that differ, and what they do to sums."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from arch import DeviceConfig, IRDropConfig, Readout, ReadoutConfig, devices
from arch.arrays.device_config import ReadNoiseConfig
from arch.arrays.ir_drop import droop
from arch.arrays.readout import inl_curve
from arch.arrays.transfer import Transfer
from simcore import ConfigError
from simcore.noise import derive, stream_key
from tests.normal_samples import assert_independent, assert_normal, assert_tails, assert_uncorrelated

ROWS, BITLINES, LSB = 64, 4000, 512.0
KEYS = derive(stream_key(2, "conv", "read"), np.arange(3))


@pytest.fixture(autouse=True, scope="module")
def _let_words_wrap() -> Iterator[None]:
    # With NUMBA_DISABLE_JIT=1 the kernels run as Python, where numpy warns of what they do on purpose.
    with np.errstate(over="ignore"):
        yield


def readout(
    config: ReadoutConfig | None = None,
    read: ReadNoiseConfig | None = None,
    wires: IRDropConfig | None = None,
    **more: Any,
) -> Readout:
    device = devices["generic"](DeviceConfig(read=read or ReadNoiseConfig()), 2)
    options: dict[str, Any] = {
        "rows": ROWS,
        "bitlines": BITLINES,
        "lsb": LSB,
        "low": 0,
        "high": 2**22,
        "key": stream_key(2, "conv", "converters"),
    }
    return Readout(config or ReadoutConfig(), device, wires or IRDropConfig(), **{**options, **more})


def sums(value: int) -> NDArray[np.int64]:
    return np.full((3, BITLINES), value, np.int64)


def test_an_ideal_converter_is_that_of_the_transfer_which_rounds_halves_up_and_clips() -> None:
    values = np.arange(-2000, 5000)[None]
    codes = readout(bitlines=values.size, high=7).codes(values, KEYS[:1])
    expected, _ = Transfer(3, lsb=int(LSB)).convert(values)
    np.testing.assert_array_equal(codes * int(LSB), expected)


def test_gains_and_offsets_are_drawn_once_and_differ_from_bitline_to_bitline() -> None:
    real = readout(ReadoutConfig(gain_sigma=0.02, offset_sigma=30.0))
    low, high = (real.codes(sums(round(level * LSB)), KEYS) for level in (100_000, 300_000))
    for codes in (low, high):
        assert (codes == codes[0]).all()
    gain = (high[0] - low[0]) / 200_000
    assert_normal(gain, 1.0, 0.02)
    assert_normal(low[0] - 100_000 * gain, 0.0, 30.0)
    offset = (low[0] - 100_000 * gain) / 30.0
    assert_uncorrelated(gain, offset)
    for z in ((gain - 1) / 0.02, offset):
        assert_tails(z)
        assert_uncorrelated(z[1:], z[:-1])


def test_noise_of_cells_and_converters_adds_up_in_quadrature() -> None:
    real = readout(ReadoutConfig(noise=40.0), ReadNoiseConfig(column=3.0))
    expected = sqrt(40.0**2 + (3.0 * 768 * sqrt(ROWS) / LSB) ** 2)
    codes = real.codes(sums(round(10_000 * LSB)), KEYS)
    assert_normal(codes, 10_000, expected)


def test_noise_of_a_read_has_its_tails_and_no_two_tokens_or_bitlines_share_it() -> None:
    real = readout(ReadoutConfig(noise=200.0), bitlines=250)
    keys = derive(stream_key(2, "conv", "read"), np.arange(400))
    z = (real.codes(np.full((400, 250), round(10_000 * LSB)), keys) - 10_000) / 200.0
    assert_normal(z, 0, 1)
    assert_tails(z)
    assert_independent(z)


def test_noise_of_single_cells_needs_the_sums_of_squares() -> None:
    real = readout(read=ReadNoiseConfig(cell=0.1))
    squares = np.full((3, BITLINES), (4000 * LSB) ** 2)
    assert_normal(real.codes(sums(round(10_000 * LSB)), KEYS, squares), 10_000, 400)
    with pytest.raises(ConfigError, match=r"read.cell needs the sums of squares .* pass squares="):
        real.codes(sums(0), KEYS)


def test_gated_bitlines_droop() -> None:
    wires = IRDropConfig(bitline=1e-4, gated=True)
    v = 40 * 768.0
    expected = v / (1 + droop(ROWS, wires, 768) * v) / LSB
    assert readout(wires=wires).codes(sums(round(v)), KEYS)[0, 0] == round(expected) < round(v / LSB)


def test_nonlinearity_may_be_a_polynomial_or_a_table() -> None:
    bow = ReadoutConfig(inl_polynomial=(0.0, 8.0, -8.0))
    np.testing.assert_allclose(inl_curve(bow, 0, 4), [0, 1.5, 2, 1.5, 0])
    np.testing.assert_allclose(inl_curve(ReadoutConfig(inl_table=(0, 2, 0)), -2, 2), [0, 1, 2, 1, 0])
    ramp = np.arange(256)[None] * round(LSB)
    codes = readout(bow, bitlines=256, high=255).codes(ramp, KEYS[:1])[0]
    np.testing.assert_array_equal(
        codes, np.clip(np.floor(np.arange(256) + inl_curve(bow, 0, 255) + 0.5), 0, 255)
    )


def test_bitlines_that_share_a_converter_share_its_errors() -> None:
    config = ReadoutConfig(gain_sigma=0.05, offset_sigma=30.0)
    codes = readout(config, sharing=8).codes(sums(round(10_000 * LSB)), KEYS)[0].reshape(-1, 8)
    assert (codes == codes[:, :1]).all()
    assert np.unique(codes[:, 0]).size > 100


def test_arrays_have_converters_of_their_own() -> None:
    config = ReadoutConfig(offset_sigma=3.0)
    here = readout(config).codes(sums(100_000), KEYS)
    there = readout(config, key=stream_key(2, "other", "converters")).codes(sums(100_000), KEYS)
    assert_uncorrelated(here[0], there[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"low": 4, "high": 4}, "must hold 2 to 2.23 codes, got 4 to 4; set its bits or range"),
        ({"lsb": 0.0}, "step of an ADC must be a positive number of levels, got 0 level"),
        ({"lsb": float("nan")}, "step of an ADC must be a positive number of levels, got nan level"),
    ],
)
def test_impossible_converters_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        readout(**options)


def test_two_curves_or_half_a_curve_are_refused() -> None:
    with pytest.raises(ConfigError, match="has both inl_polynomial and inl_table; set one of them"):
        ReadoutConfig(inl_polynomial=(1.0,), inl_table=(0.0, 1.0))
    with pytest.raises(ConfigError, match="needs two points or more in inl_table"):
        ReadoutConfig(inl_table=(1.0,))
