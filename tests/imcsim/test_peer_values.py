"""The comparison with a published simulator of values: what of it needs no peer."""

from __future__ import annotations

import subprocess
import sys
from math import exp, log, sqrt
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from arch import DeviceConfig, devices
from benchmarks import peer_values
from benchmarks.cell_effects import Effects
from benchmarks.peer_values import (
    ALL,
    CELL_BITS,
    CONFIDENT,
    FINE,
    LARGEST,
    TOP,
    Differences,
    Measured,
    Moments,
    compare_values,
    flicker_of_programmed,
    programmed,
    real_sums,
)


class Twin:
    """A peer made of numpy: products, and converters that round halves to even over a symmetric range."""

    def products(self, weights: Any, inputs: Any) -> Any:
        return inputs @ weights

    def converted(
        self, weights: Any, inputs: Any, *, input_steps: int, bound: float = 0.0, steps: int = 0
    ) -> Any:
        seen = np.rint(np.minimum(inputs, 1) * input_steps) / input_steps @ weights
        return np.clip(np.rint(seen * (steps / bound)), -steps, steps) * (bound / steps) if steps else seen


def test_codes_differ_from_rounding_to_even_half_way_and_at_the_low_end_alone() -> None:
    by_name = {differences.what: differences for differences in compare_values(Twin())}  # type: ignore[arg-type]
    for name, differences in by_name.items():
        assert differences.otherwise <= (3 if name.startswith("inputs") else 0)
    assert by_name["exact products"].largest == by_name["sums, 8 bit, LSB 33"].largest == 0
    assert by_name["sums, 8 bit, LSB 32"].low_end == 0 < by_name["sums, 8 bit, LSB 32"].halves
    assert by_name["sums, 8 bit, LSB 8"].low_end > 0


def test_a_difference_without_a_reason_is_counted_as_such() -> None:
    exact = np.array([0.5, 1.5, -9.0, 2.2, 2.5])
    ours, theirs = np.array([1, 2, -8, 2, 3]), np.array([0, 2, -7, 3, 5])
    found = Differences.of("codes", ours, theirs, exact, low=-7)
    assert (found.halves, found.low_end, found.otherwise, found.largest) == (1, 1, 2, 2)
    assert found.row() == "| codes | 5 | 4 | 1 | 1 | 2 | 2 |"


@pytest.mark.parametrize("level", [1, 5, 15])
@pytest.mark.parametrize(
    ("effects", "time_s"),
    [(Effects(programming=1.0), 20.0), (Effects(drift=1.0), 3600.0), (Effects(flicker=1.0), 3600.0)],
)
def test_each_effect_of_pcm_has_the_moments_of_its_law(effects: Effects, time_s: float, level: int) -> None:
    g = level / TOP
    if effects.programming:
        mean, spread = g, (0.26348 + 1.9650 * g - 1.1731 * g**2) / 25
    elif effects.drift:
        nu = (
            min(max(-0.0155 * log(g) + 0.0244, 0.049), 0.1),
            min(max(-0.0125 * log(g) - 0.0059, 0.008), 0.045),
        )
        first, second = (folded_decay(count * log(time_s / 20), *nu) for count in (1, 2))
        mean, spread = g * first, g * sqrt(second - first**2)
    else:
        q = min(0.0088 / g**0.65, 0.2)
        mean, spread = g, g * q * sqrt(log((time_s + 250e-9) / 500e-9))
    moments = Moments.of(programmed("pcm", np.full((500, 500), level, np.uint8), time_s, effects))
    assert abs(moments.mean.value - mean) < CONFIDENT * moments.mean.error
    assert abs(moments.spread.value - spread) < CONFIDENT * moments.spread.error


def folded_decay(a: float, mean: float, spread: float) -> float:
    """Return the mean of exp(-a |nu|) for a normal nu."""
    below = NormalDist().cdf
    shift = a * a * spread * spread / 2
    return exp(shift - a * mean) * below(mean / spread - a * spread) + exp(shift + a * mean) * below(
        -mean / spread - a * spread
    )


def test_q_of_what_was_programmed_is_that_of_the_target_where_programming_is_exact_enough() -> None:
    cells = np.full((300, 300), TOP, np.uint8)
    ratio = flicker_of_programmed(cells, 3600.0).std() / programmed("pcm", cells, 3600.0, ALL).std()
    assert ratio == pytest.approx(1, abs=0.002)  # the same random numbers, so no sampling error


def test_a_quiet_array_sums_exactly_and_a_noisy_one_has_the_noise_it_is_given() -> None:
    weights = np.full((64, 32), TOP, np.int8)
    windows = np.ones((400, 64), np.int16)
    perfect = devices["generic"](DeviceConfig(), CELL_BITS)
    exact = windows.astype(np.int64) @ weights
    assert (real_sums(perfect, weights, windows) == exact).all()
    noise = Moments.of(real_sums(perfect, weights, windows, noise=30.0) - exact)
    assert abs(noise.spread.value - sqrt(30.0**2 + 1 / 12)) < CONFIDENT * noise.spread.error
    assert exact.max() < FINE.high


def test_standard_errors_are_those_of_a_normal_sample_and_of_ratios() -> None:
    sample = np.random.default_rng(0).normal(3, 2, 100_000)
    moments = Moments.of(sample)
    assert moments.mean.error == pytest.approx(2 / sqrt(100_000), rel=0.01)
    assert moments.spread.error == pytest.approx(2 / sqrt(2 * 100_000), rel=0.02)
    assert Moments.of(sample, 1000).mean.error == pytest.approx(2 / sqrt(1000), rel=0.01)
    ratio = Measured(6.0, 0.3).over(Measured(3.0, 0.2))
    assert ratio.value == 2.0
    assert ratio.error == pytest.approx(2 * sqrt(0.05**2 + (0.2 / 3) ** 2))


def test_weights_and_inputs_are_exact_shares_of_powers_of_two() -> None:
    assert all(size & (size - 1) == 0 for size in LARGEST)


def test_a_missing_peer_is_one_line_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aihwkit", None)
    monkeypatch.delitem(sys.modules, "benchmarks.aihwkit_peer", raising=False)
    with pytest.raises(SystemExit) as caught:
        peer_values.main()
    page = (Path(__file__).parents[2] / "docs" / "validation.md").read_text(encoding="utf-8")
    assert str(caught.value) == f"error: aihwkit is not installed; run: {peer_values.INSTALL}"
    assert f"\n{peer_values.INSTALL}\n" in page


def test_the_benchmarks_do_not_import_the_comparison() -> None:
    code = "import sys, benchmarks; sys.exit('benchmarks.peer_values' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
