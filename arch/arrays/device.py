"""Memory cells: what conductances an array has once its levels are programmed.

Conductances are whole numbers of 2^-8 of a level, so a bitline's sum is exact in integers: it is the same
whatever the batching, the threads and the order. A level is (g_max - g_off) / highest level; level k of an
ideal cell lies at g_off + k, and the g_off of a pair of bitlines cancels.

A device model is a class with one numpy function from levels to conductances, registered under the name by
which configurations choose it. It may bring a faster function for the same numbers; `check_device` compares
the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from math import log, sqrt
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from arch.arrays.device_config import DeviceConfig, PCMConfig, RRAMConfig
from simcore import ConfigError, ModelError, PartConfig, Registry, part
from simcore.noise import (
    NORMAL_FRACTION_BITS,
    Integers,
    derive,
    normal_fixed_reference,
    stream_key,
    uniform_below_reference,
)

FRACTION_BITS = 8
UNIT = 2.0**-FRACTION_BITS  # [level]
NORMAL_UNIT = 2.0**-NORMAL_FRACTION_BITS

Levels = NDArray[np.unsignedinteger[Any]]
Reals = NDArray[np.float64]
Conductances = NDArray[Any]
Normals = Callable[[NDArray[np.uint64], int], NDArray[np.int32]]

#: What a cell's random numbers are for: each has its own stream below an array's key.
PROGRAMMING, DRIFT, FLICKER, STUCK = range(4)


class DeviceModel:
    """Base of all device models: perfect cells. Subclass it, register it, and say what `conductances` are.

    A subclass may define `compiled`, a faster method that returns the same bits. Stuck cells, the range of
    conductance and fixed point are common to all models, and so is refusing what is no number.

    top : highest level
    g_off, g_max : conductance of level 0 and of the highest [level]
    full : g_max in fixed point
    """

    Config: ClassVar[type[DeviceConfig]] = DeviceConfig
    compiled: Callable[[Levels, np.uint64], Reals] | None = None

    def __init__(self, config: DeviceConfig, cell_bits: int) -> None:
        self.config = config
        self.cell_bits = cell_bits
        self.top = 2**cell_bits - 1
        self.g_off = self.top / (config.on_off_ratio - 1) if config.on_off_ratio else 0.0
        self.g_max = self.g_off + self.top
        self.full = round(self.g_max / UNIT)
        self._highest = int(config.ceiling * self.full)
        if self._highest >= 2**31:
            raise ConfigError(
                f"on_off_ratio must leave conductances below {2**31 * UNIT:.3g} levels, got "
                f"{config.on_off_ratio}, with which level {self.top} lies at {self.g_max:.3g}; raise it"
            )
        self.number: type[Any] = np.int16 if self._highest < 2**15 else np.int32

    @cached_property
    def fresh(self) -> DeviceModel:
        """The same cells as soon as they are programmed."""
        return type(self)(self.config.model_copy(update={"time_s": 0.0}), self.cell_bits)

    @property
    def effects(self) -> tuple[str, ...]:
        """What tells its cells from perfect ones, in words; nothing where they are perfect."""
        config = self.config
        known = {
            f"cells of {type(self).__name__}": not self._is_built_in,
            "off state": config.on_off_ratio is not None,
            "stuck cells": config.stuck.on + config.stuck.off > 0,
            "read noise": config.read.column + config.read.cell > 0,
        }
        return tuple(name for name, on in known.items() if on)

    @property
    def _is_built_in(self) -> bool:
        """Whether its conductances are those of this module, which tell their own effects."""
        return _definer(type(self), "conductances").__module__ == __name__

    @property
    def _is_compiled(self) -> bool:
        """Whether it has a `compiled` for its `conductances`, not for those of a class it derives from."""
        if self.compiled is None:
            return False
        return issubclass(_definer(type(self), "compiled"), _definer(type(self), "conductances"))

    def _called(self, method: str, levels: Levels, key: np.uint64) -> Reals:
        """Return what one of its functions makes of levels; whatever goes wrong there names the model."""
        try:
            return np.asarray(getattr(self, method)(levels, key))
        except Exception as error:
            raise ModelError(
                f"{type(self).__name__}.{method} failed on levels of shape {levels.shape}: "
                f"{type(error).__name__}: {error}"
            ) from error

    def conductances(self, levels: Levels, key: np.uint64) -> Reals:
        """Return what becomes of the levels.

        levels : (rows, bitlines) unsigned integers, 0 to `top`
        key : of this array, from `stream_key`; every random number must come from it
        returns : (rows, bitlines) float64 [level]
        """
        return levels.astype(np.float64) + self.g_off

    def program(self, levels: Levels, key: np.uint64) -> Conductances:
        """Return an array's conductances in fixed point, stuck cells included.

        levels, key : as in `conductances`
        returns : (rows, bitlines) int16, or int32 where `config.ceiling` needs it [2^-8 level]
        raises : ModelError if a level is out of range or a conductance is no number
        """
        if levels.size and levels.max() > self.top:
            row, bitline = np.argwhere(levels > self.top)[0]
            raise ModelError(
                f"level {levels[row, bitline]} at row {row}, bitline {bitline} does not fit the cell: levels "
                f"must be in [0, {self.top}]; use more bits a cell or more slices a weight"
            )
        analog = self._called("compiled" if self._is_compiled else "conductances", levels, key)
        _insist_on_numbers(f"{type(self).__name__} made", analog, levels)
        fixed = np.clip(np.rint(analog / UNIT), 0, self._highest).astype(self.number)
        stuck = self.config.stuck
        if stuck.on or stuck.off:
            lot = uniform_below_reference(
                row_keys(key, STUCK, len(levels)), np.arange(levels.shape[1]), 2**32
            )
            fixed[lot < round(stuck.off * 2**32)] = round(self.g_off / UNIT)
            fixed[lot >= 2**32 - round(stuck.on * 2**32)] = self.full
        return fixed

    def column_noise(self, rows: int) -> float:
        """Return the read noise of a bitline's sum with `rows` wordlines in use [2^-8 level]."""
        column: float = self.config.read.column * self.full * sqrt(rows)
        return column


devices: Registry[type[DeviceModel]] = Registry("device model")


def device_part(default_kind: str = "generic", *, doc: str) -> Any:
    """Declare a configuration's field that chooses a registered device model; see `simcore.config.part`."""

    def config_of(kind: str) -> type[PartConfig]:
        model = devices[kind]
        if not (isinstance(model, type) and issubclass(model, DeviceModel)):
            raise ConfigError(
                f"{kind} is registered as a device model, but is no DeviceModel; derive it from one"
            )
        return model.Config

    return part(default_kind, lookup=config_of, doc=doc)


def _definer(cls: type, name: str) -> type:
    """Return the class that an attribute of `cls` is defined in."""
    return next(base for base in cls.__mro__ if name in vars(base))


def row_keys(key: np.uint64, purpose: int, rows: int) -> NDArray[np.uint64]:
    """Return a key for each row of an array, (rows, 1), for random numbers of one purpose at the bitlines.

    A cell's numbers depend on its place alone: not on how many rows and bitlines the array has.
    """
    return derive(key, purpose, np.arange(rows)[:, None])


def normals(keys: Integers, bitlines: int) -> NDArray[np.int32]:
    """Return standard normal numbers (rows, bitlines) [2^-20] for the keys of rows."""
    return normal_fixed_reference(keys, np.arange(bitlines))


@devices.register("generic")
class GenericDevice(DeviceModel):
    """Programming error, retention, drift and 1/f noise, by the laws of `arch.arrays.device_config`.

    Everything that depends on the level alone is a table, made by the C library's functions: their last bit
    may depend on the platform, far below 2^-8 of a level. Per cell only sums, products and `exponential` are
    left.
    """

    def __init__(self, config: DeviceConfig, cell_bits: int) -> None:
        super().__init__(config, cell_bits)
        time = config.time_s
        self._targets = self.g_off + np.arange(self.top + 1)
        targets = [float(g) / self.g_max for g in self._targets]

        programming, retention = config.programming, config.retention
        ages = log(max(time / retention.start_s, 1.0))
        self._programmed = [programming.scale * _polynomial(programming.sigma, g) for g in targets]
        self._lost = [retention.scale * ages * _polynomial(retention.sigma, g) for g in targets]
        self._spread = np.add(self._programmed, self._lost)
        self._lognormal = programming.law == "lognormal"

        drift = config.drift
        decades = drift.scale * log(max(time / drift.start_s, 1.0))
        self._decay = decades * np.array([drift.nu.at(g) for g in targets])
        self._decay_spread = decades * np.array([drift.spread.at(g) for g in targets])

        flicker = config.flicker
        grown = sqrt(log(max((time + flicker.read_s) / (2 * flicker.read_s), 1.0)))
        self._flicker = (
            flicker.scale
            * grown
            * np.array(
                [
                    min(flicker.sigma / max(g, 1e-9) ** flicker.exponent, flicker.most)
                    if flicker.sigma
                    else 0.0
                    for g in targets
                ]
            )
        )

    @property
    def effects(self) -> tuple[str, ...]:
        """What tells its cells from perfect ones, in words; nothing where they are perfect."""
        known = {
            "programming noise": any(self._programmed),
            "retention": any(self._lost),
            "drift": self._decay.any() or self._decay_spread.any(),
            "1/f noise": self._flicker.any(),
        }
        return (*(name for name, on in known.items() if on), *super().effects)

    def conductances(self, levels: Levels, key: np.uint64) -> Reals:
        """Return the conductances at `time_s` after programming; see the base."""
        return self._cells(levels, key, normals)

    def compiled(self, levels: Levels, key: np.uint64) -> Reals:
        """Return the same, with random numbers from the compiled stream."""
        from simcore.kernels.noise_stream import normal_rows

        return self._cells(levels, key, lambda keys, bitlines: normal_rows(keys[:, 0], bitlines))

    def _cells(self, levels: Levels, key: np.uint64, normals: Normals) -> Reals:
        rows, bitlines = levels.shape

        def z(purpose: int) -> Reals:
            return normals(row_keys(key, purpose, rows), bitlines).astype(np.float64) * NORMAL_UNIT

        g: Reals = self._targets[levels]
        if self._spread.any():
            error = self._spread[levels] * z(PROGRAMMING)
            g = g * exponential(error) if self._lognormal else np.maximum(g + self.g_max * error, 0.0)
        if self._decay.any() or self._decay_spread.any():
            # nu is positive: what the normal law puts below 0 is turned over, as in aihwkit
            g = g * exponential(-np.abs(self._decay[levels] + self._decay_spread[levels] * z(DRIFT)))
        if self._flicker.any():
            g = g * (1.0 + self._flicker[levels] * z(FLICKER))
        return g


@devices.register("pcm")
class PCM(GenericDevice):
    """Phase-change memory; the numbers and their sources are in `PCMConfig`."""

    Config = PCMConfig


@devices.register("rram")
class RRAM(GenericDevice):
    """Resistive memory; the numbers and their sources are in `RRAMConfig`."""

    Config = RRAMConfig


def exponential(x: Reals) -> Reals:
    """Return e^x to within 1e-9 for |x| < 8, by sums and products alone.

    Libraries round their own differently; this is the same on every machine. Beyond 64 it goes on as there.
    """
    y = np.clip(x, -64.0, 64.0) / 256.0
    power: Reals = 1.0 + y * (1.0 + y * (1 / 2 + y * (1 / 6 + y * (1 / 24 + y * (1 / 120)))))
    for _ in range(8):
        power = power * power
    return power


def check_device(
    cls: type[DeviceModel], config: DeviceConfig | None = None, *, cell_bits: int = 2, trials: int = 8
) -> None:
    """Check a device model on random levels, among them arrays of one row or bitline.

    config : its configuration; the defaults if left out
    raises : ModelError that names the first cell where a conductance is no number, or differs from call to
        call or between `compiled` and `conductances`
    """
    model = cls(cls.Config() if config is None else config, cell_bits)
    name = cls.__name__
    for trial in range(trials):
        key = stream_key(trial, "check_device")
        rows, bitlines = ((1, 1), (1, 37), (41, 1))[trial] if trial < 3 else (16 * trial, 5 * trial + 3)
        lots = uniform_below_reference(row_keys(key, 0, rows), np.arange(bitlines), model.top + 1)
        levels: Levels = lots.astype(np.uint8 if model.top < 2**8 else np.uint16)
        specified = model._called("conductances", levels, key)
        _insist_on_numbers(f"{name}.conductances returned", specified, levels)
        again = model._called("conductances", levels, key)
        _insist_on_equal(name, "conductances", "a second call of it", levels, specified, again)
        if model._is_compiled:
            compiled = model._called("compiled", levels, key)
            _insist_on_numbers(f"{name}.compiled returned", compiled, levels)
            _insist_on_equal(name, "conductances", "compiled", levels, specified, compiled)


def _insist_on_numbers(who: str, conductances: Reals, levels: Levels) -> None:
    if conductances.shape != levels.shape:
        raise ModelError(
            f"{who} conductances of shape {conductances.shape} for levels of shape {levels.shape}; "
            "return one a cell"
        )
    if not np.isrealobj(conductances) or conductances.dtype.kind not in "iuf":
        raise ModelError(f"{who} conductances of type {conductances.dtype}; they must be real numbers")
    if not np.isfinite(conductances).all():
        row, bitline = np.argwhere(~np.isfinite(conductances))[0]
        raise ModelError(
            f"{who} a conductance of {conductances[row, bitline]} at row {row}, bitline {bitline}, level "
            f"{levels[row, bitline]}; a conductance must be a finite number of levels"
        )


def _insist_on_equal(name: str, one: str, other: str, levels: Levels, a: Reals, b: Reals) -> None:
    if not np.array_equal(a, b):
        row, bitline = np.argwhere(a != b)[0]
        raise ModelError(
            f"{name}: {one} and {other} differ first at row {row}, bitline {bitline}, level "
            f"{levels[row, bitline]}: {a[row, bitline]} and {b[row, bitline]}; both must return the same bits"
        )


def _polynomial(coefficients: Sequence[float], x: float) -> float:
    """Return c0 + c1 x + c2 x^2 ..., not below 0."""
    value = 0.0
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return max(value, 0.0)
