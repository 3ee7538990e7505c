"""Converters with a transfer curve of their own are held to what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

from arch import ADC, ColumnADC
from arch.converters import check_transfer
from imcsim.testing import ConformanceError, check_component
from simcore import ModelError


def _without_every_eighth(sums: Any) -> Any:
    codes = np.floor(sums + np.float32(0.5))
    for read in codes:
        for bitline in range(len(read)):
            read[bitline] -= np.float32(read[bitline] % np.float32(8) == np.float32(7))
    return codes


_fast: Any = njit(_without_every_eighth)


class Lossy(ColumnADC):
    """A converter that misses every eighth code."""

    @staticmethod
    def transfer(sums: Any, config: Any) -> Any:
        codes = np.floor(sums + np.float32(0.5))
        return codes - (codes % 8 == 7)


class Fast(Lossy):
    """The same, with a faster function."""

    @staticmethod
    def compiled(sums: Any, config: Any) -> Any:
        return _fast(sums)


@pytest.mark.parametrize("cls", [ColumnADC, Lossy, Fast])
def test_a_small_class_is_a_converter(cls: type[ADC]) -> None:
    check_transfer(cls)
    check_component(cls)


def off(sums: Any, config: Any) -> Any:
    return Lossy.transfer(sums, config) + (sums > 100)


def restless(sums: Any, config: Any) -> Any:
    return sums + np.random.default_rng().normal(size=sums.shape)


def by_position(sums: Any, config: Any) -> Any:
    return sums + np.arange(len(sums))[:, None]


def cut(sums: Any, config: Any) -> Any:
    return sums[:, :-1]


def broken(sums: Any, config: Any) -> Any:
    return np.where(sums > 50, np.nan, sums)


def huge(sums: Any, config: Any) -> Any:
    return np.full(sums.shape, 1e300)  # beyond single precision


def imaginary(sums: Any, config: Any) -> Any:
    return sums * 1j


class Silent(Fast):
    """Overrides the function that is compiled: what it inherits is of no use to it."""

    @staticmethod
    def transfer(sums: Any, config: Any) -> Any:
        return 0 * sums


def test_a_compiled_function_is_used_for_the_transfer_that_it_was_made_for_only() -> None:
    sums = np.array([[6.6, 7.4]], np.float32)
    for cls, expected in ((Lossy, [6, 6]), (Fast, [6, 6]), (Silent, [0, 0])):
        own = cls.own_transfer()
        assert own is not None
        assert own(sums, cls.Config()).tolist() == [expected]
    assert ColumnADC.own_transfer() is None


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ({"compiled": off}, ": transfer and compiled differ first at a sum of .* LSB"),
        ({"transfer": restless}, ": transfer and a second call of it differ first at a sum"),
        ({"transfer": by_position}, ": transfer and a call for the last read alone differ first"),
        ({"transfer": cut}, r"\.transfer must return a finite number for each of .* sums, got shape"),
        ({"transfer": broken}, r"\.transfer must return a finite number for each of .* sums, got nan or inf"),
        ({"transfer": huge}, r"\.transfer must return a finite number for each of .* sums, got nan or inf"),
        ({"transfer": imaginary}, r"\.transfer must return .* got type complex"),
        ({"transfer": lambda sums: sums}, r"\.transfer failed on sums of shape .*: TypeError"),
    ],
)
def test_the_check_names_the_first_sum_that_is_taken_for_something_else(
    functions: dict[str, Any], message: str
) -> None:
    bad = type("Bad", (Lossy,), {"__doc__": "Bad.", **{k: staticmethod(f) for k, f in functions.items()}})
    with pytest.raises(ModelError, match=f"Bad{message}"):
        check_transfer(bad)
    with pytest.raises(ConformanceError, match="rule: transfer curve"):
        check_component(bad)
