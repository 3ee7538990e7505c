"""Readout: the converters behind the bitlines, each a little different, and the noise in front of them.

No two converters are equal: gain and offset are drawn once an array, a number each bitline, and all share a
curve of integral nonlinearity. Noise in time is new at every read. Halves are rounded up, as by the ideal
converter of `arch.arrays.transfer`. What converters do in time, and what they cost, is in `arch.converters`.
"""

from __future__ import annotations

from math import hypot, sqrt
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from arch.arrays.device import NORMAL_UNIT, DeviceModel
from arch.arrays.ir_drop import IRDropConfig, droop
from simcore import Config, ConfigError, param
from simcore.noise import derive, normal_fixed_reference

Integers = NDArray[Any]

GAIN, OFFSET = range(2)

#: Bound of what a converter may be off by [LSB]: the codes of the widest one.
MOST_LSB = 2.0**16


class ReadoutConfig(Config):
    """What distinguishes real converters from ideal ones; all of it is off."""

    gain_sigma: float = param(
        0.0,
        ge=0,
        le=0.2,
        unit="",
        doc="spread of the gain over the converters of an array, over the gain; 0 is off",
    )
    offset_sigma: float = param(
        0.0,
        ge=0,
        le=MOST_LSB,
        unit="",
        doc="spread of the offset over the converters of an array [LSB]; 0 is off",
    )
    noise: float = param(
        0.0, ge=0, le=MOST_LSB, unit="", doc="noise of one conversion, standard deviation [LSB]; 0 is off"
    )
    inl_polynomial: tuple[float, ...] = param(
        (),
        ge=-MOST_LSB,
        le=MOST_LSB,
        unit="",
        doc="integral nonlinearity [LSB]: coefficients of 1, t, t^2 ... over t = 0 to 1, the range",
    )
    inl_table: tuple[float, ...] = param(
        (),
        ge=-MOST_LSB,
        le=MOST_LSB,
        unit="",
        doc="integral nonlinearity [LSB] at points evenly over the range, with lines between them",
    )

    @property
    def effects(self) -> tuple[str, ...]:
        """What tells the converters from ideal ones, in words; nothing where they are ideal."""
        known = {
            "gain mismatch": self.gain_sigma > 0,
            "offset mismatch": self.offset_sigma > 0,
            "converter noise": self.noise > 0,
            "nonlinearity": any(self.inl_polynomial) or any(self.inl_table),
        }
        return tuple(name for name, on in known.items() if on)

    @model_validator(mode="after")
    def _one_curve(self) -> Self:
        if self.inl_polynomial and self.inl_table:
            raise ValueError("has both inl_polynomial and inl_table; set one of them")
        if len(self.inl_table) == 1:
            raise ValueError("needs two points or more in inl_table, one at either end of the range; got 1")
        return self


class Readout:
    """The converters of one array: from column sums in fixed point to codes.

    A code depends on its sum, its key and its place alone, not on how many are read at once.

    curves : (3, bitlines) float32, step [unit / LSB], droop [1 / LSB] and offset [LSB]; a unit is 2^-8 level
        times the input's
    column, conversion : standard deviation of one bitline's sum, and of what its converter adds to it [unit]
    noise : (2,) float32, of both together [unit], and of a cell over its conductance
    inl : (codes,) float32 [LSB], integral nonlinearity by code; None where it is off
    """

    def __init__(
        self,
        config: ReadoutConfig,
        device: DeviceModel,
        wires: IRDropConfig,
        *,
        rows: int,
        bitlines: int,
        lsb: float,
        low: int,
        high: int,
        key: np.uint64,
        below: int = 0,
        sharing: int = 1,
        has_unit: bool = False,
        pairs: bool = False,
        largest_input: int = 1,
    ) -> None:
        """Draw the converters.

        rows, bitlines : rows that are on at once, and bitlines of the array
        below : rows between them and the converters
        lsb : step of the converters [2^-8 level]
        low, high : range of the codes
        key : of the array's converters, from `stream_key(..., "converters")`
        sharing : neighbouring bitlines that take turns on one converter, and so share its gain and offset
        has_unit : whether the last bitline is a unit bitline, which has a converter to itself
        pairs : whether two bitlines are subtracted in front of each converter, with noise of their own
        largest_input : of one read; what stands for a full pulse or voltage, to which noise refers
        raises : ConfigError if the range is empty or the step no positive number
        """
        if not low < high or high - low >= 2**23:
            raise ConfigError(
                f"the range of an ADC must hold 2 to 2^23 codes, got {low} to {high}; set its bits or range"
            )
        if not 0 < lsb < float("inf"):
            raise ConfigError(
                f"the step of an ADC must be a positive number of levels, got {lsb / 2**8:g} level"
            )
        self._range = low, high
        converter = np.arange(bitlines) // sharing
        if has_unit:
            converter[-1] = bitlines
        gain = 1.0 + config.gain_sigma * _spread(key, GAIN, converter)
        step = lsb / gain
        lost = step * droop(rows, wires, device.full, below)
        offset = config.offset_sigma * _spread(key, OFFSET, converter)
        self.curves = np.stack([step, lost, offset]).astype(np.float32)
        self.column = device.column_noise(rows) * largest_input * sqrt(2 if pairs else 1)
        self.conversion = config.noise * lsb
        self.noise = np.array([hypot(self.column, self.conversion), device.config.read.cell], np.float32)
        self.inl = (
            inl_curve(config, low, high).astype(np.float32) if "nonlinearity" in config.effects else None
        )

    def codes(
        self,
        sums: Integers,
        keys: NDArray[np.uint64],
        squares: NDArray[np.float64] | None = None,
    ) -> NDArray[np.int32]:
        """Return the codes of column sums.

        sums : (n, bitlines) int32 or int64 [2^-8 level times the input's unit]
        keys : (n,) uint64, one a token and read, as `derive(stream_key(..., "read"), image, pixel, read)`
        squares : (n, bitlines) from `square_sums`, needed where the device's cells have noise of their own
        returns : (n, bitlines) int32
        raises : ConfigError if `squares` is missing
        """
        from simcore.kernels.device_noise import HALF, NO_SQUARES, add_nonlinearity, sense_columns

        if squares is None and self.noise[1]:
            raise ConfigError(
                "read.cell needs the sums of squares of each product, got none; pass squares= or set it to 0"
            )
        sensed = np.empty(sums.shape, np.float32)
        sense_columns(sums, NO_SQUARES if squares is None else squares, keys, self.noise, self.curves, sensed)
        if self.inl is not None:
            add_nonlinearity(sensed, self.inl, self._range[0])
        codes: NDArray[np.int32] = np.clip(np.floor(sensed + HALF), *self._range).astype(np.int32)
        return codes


def inl_curve(config: ReadoutConfig, low: int, high: int) -> NDArray[np.float64]:
    """Return the integral nonlinearity at every code from `low` to `high` [LSB]."""
    t = np.linspace(0.0, 1.0, high - low + 1)
    if config.inl_table:
        return np.interp(t, np.linspace(0.0, 1.0, len(config.inl_table)), config.inl_table)
    curve = np.zeros_like(t)
    for coefficient in reversed(config.inl_polynomial):
        curve = curve * t + coefficient
    return curve


def _spread(key: np.uint64, purpose: int, converter: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each bitline the normal number of its converter [standard deviation]."""
    return normal_fixed_reference(derive(key, purpose), converter).astype(np.float64) * NORMAL_UNIT
