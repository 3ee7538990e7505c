"""What real memory cells do, as parameters with their sources: the generic cell, PCM and RRAM.

Every conductance is relative to g_max, that of the highest level. An effect is off until its numbers are set,
which a preset does; its `scale`, where it has one, switches it off again or makes it weaker or stronger.

Sources: "Joshi": Joshi et al., Nature Communications 11:2473 (2020), and Nandakumar et al., ICECS 2019, as
fitted in aihwkit's PCMLikeNoiseModel. "Wan": Wan et al., Nature 608:504 (2022), as fitted in aihwkit's
ReRamWan2022NoiseModel. "NeuroSim": the defaults of DNN+NeuroSim 1.3. "MNSIM": the defaults of MNSIM 2.0.
"""

from __future__ import annotations

from math import log
from typing import Literal, Self

from pydantic import model_validator

from simcore import Config, PartConfig, param

_DAY_S = 86400.0

#: Bound of coefficients: what is published is below 10.
MOST = 1e3


class ProgrammingConfig(Config):
    """Error of what a cell is programmed to: target + sigma * z, or target * exp(sigma * z) if lognormal."""

    scale: float = param(1.0, ge=0, le=MOST, unit="", doc="times the spread below; 0 is off")
    sigma: tuple[float, ...] = param(
        (),
        ge=-MOST,
        le=MOST,
        unit="",
        doc="coefficients of 1, g, g^2 ... of the spread; of the target's share of g_max; () is off",
    )
    law: Literal["normal", "lognormal"] = param(
        "normal", unit="one of", doc="whether sigma is in units of g_max, or that of ln g"
    )


class StateLine(Config):
    """A quantity that depends on the target g: low <= value + per_ln * ln(g) <= high."""

    value: float = param(0.0, ge=-MOST, le=MOST, unit="", doc="at g_max")
    per_ln: float = param(
        0.0, ge=-MOST, le=MOST, unit="", doc="slope over ln(g), with g the target over g_max"
    )
    low: float = param(0.0, ge=0, unit="", doc="smallest value")
    high: float = param(1.0, ge=0, unit="", doc="largest value")

    @model_validator(mode="after")
    def _low_is_lower(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"has low {self.low:g} above high {self.high:g}; exchange them")
        return self

    def at(self, g: float) -> float:
        """Return the value at target `g` [g_max]."""
        slope = self.per_ln * log(max(g, 1e-7)) if self.per_ln else 0.0
        return min(max(self.value + slope, self.low), self.high)


class DriftConfig(Config):
    """Conductance that falls with time: g(t) = g * (t / start)^-nu, nu normal with a spread a device."""

    scale: float = param(1.0, ge=0, le=MOST, unit="", doc="times nu; 0 is off")
    start_s: float = param(
        20.0, gt=0, unit="s", doc="time of the first reading, before which nothing drifts; Joshi"
    )
    nu: StateLine = param(StateLine(), unit="", doc="mean exponent")
    spread: StateLine = param(
        StateLine(), unit="", doc="standard deviation of the exponent from cell to cell"
    )


class RetentionConfig(Config):
    """Loss of what was programmed: the spread around the target grows with ln(t / start)."""

    scale: float = param(1.0, ge=0, le=MOST, unit="", doc="times the spread below; 0 is off")
    start_s: float = param(1.0, gt=0, unit="s", doc="time to which the programming error belongs; Wan")
    sigma: tuple[float, ...] = param(
        (),
        ge=-MOST,
        le=MOST,
        unit="",
        doc="what a factor e in time adds to the programming error's spread, as coefficients there",
    )


class FlickerConfig(Config):
    """1/f noise of the cells, drawn once: what it has built up to since programming.

    g * (1 + Q * sqrt(ln((t + read) / (2 read))) * z) with Q = min(sigma / target^exponent, most).
    """

    scale: float = param(1.0, ge=0, le=MOST, unit="", doc="times Q; 0 is off")
    sigma: float = param(0.0, ge=0, le=MOST, unit="", doc="Q at g_max; 0 is off")
    exponent: float = param(0.0, ge=0, le=10, unit="", doc="how Q falls with the target")
    most: float = param(1.0, ge=0, le=MOST, unit="", doc="largest Q")
    read_s: float = param(250e-9, gt=0, unit="s", doc="width of a read pulse; Joshi")


class StuckConfig(Config):
    """Shares of cells that cannot be programmed, at random places.

    MNSIM has 9 % stuck off and 1 % stuck on for RRAM of research quality; the presets have none.
    """

    on: float = param(0.0, ge=0, le=1, unit="", doc="share of cells stuck at g_max")
    off: float = param(0.0, ge=0, le=1, unit="", doc="share of cells stuck at the off state")

    @model_validator(mode="after")
    def _shares_leave_room(self) -> Self:
        if self.on + self.off > 1:
            raise ValueError(
                f"on and off are shares of all cells and add up to {self.on + self.off:g}; at most 1"
            )
        return self


class ReadNoiseConfig(Config):
    """Noise that is new at every read."""

    column: float = param(
        0.0,
        ge=0,
        le=MOST,
        unit="",
        doc="standard deviation of a bitline's sum, over g_max * sqrt(rows); 0 is off",
    )
    cell: float = param(
        0.0,
        ge=0,
        le=MOST,
        unit="",
        doc="standard deviation of each cell over its conductance, added up along the bitline for the inputs "
        "at hand, at the cost of a second product; 0 is off",
    )


class DeviceConfig(PartConfig):
    """A cell: range of conductance, and effects, all of them off."""

    on_off_ratio: float | None = param(
        None,
        gt=1,
        unit="",
        doc="g_max over the conductance of level 0; null for an off state that conducts nothing",
    )
    ceiling: float = param(
        1.5, ge=1, le=4, unit="", doc="highest conductance a cell can have, over g_max; assumed"
    )
    time_s: float = param(0.0, ge=0, unit="s", doc="time from programming to the run")
    programming: ProgrammingConfig = param(ProgrammingConfig(), unit="", doc="error of programming")
    drift: DriftConfig = param(DriftConfig(), unit="", doc="conductance that falls with time")
    retention: RetentionConfig = param(RetentionConfig(), unit="", doc="loss of what was programmed")
    flicker: FlickerConfig = param(FlickerConfig(), unit="", doc="1/f noise built up since programming")
    stuck: StuckConfig = param(StuckConfig(), unit="", doc="cells that cannot be programmed")
    read: ReadNoiseConfig = param(ReadNoiseConfig(), unit="", doc="noise that is new at every read")


class PCMConfig(DeviceConfig):
    """Doped-GST mushroom cells of 25 uS, a million of them measured (Joshi).

    Programming error, drift and 1/f noise; not stuck cells, retention, read noise and the off state.
    """

    time_s: float = param(
        20.0, ge=0, unit="s", doc="time from programming to the run; 20 s, the first reading, Joshi"
    )
    programming: ProgrammingConfig = param(
        ProgrammingConfig(sigma=(0.26348 / 25, 1.9650 / 25, -1.1731 / 25)),
        unit="",
        doc="error of iterative programming; 0.26348 + 1.9650 g - 1.1731 g^2 uS of 25 uS, Joshi",
    )
    drift: DriftConfig = param(
        DriftConfig(
            nu=StateLine(value=0.0244, per_ln=-0.0155, low=0.049, high=0.1),
            spread=StateLine(value=-0.0059, per_ln=-0.0125, low=0.008, high=0.045),
        ),
        unit="",
        doc="conductance that falls with time; Joshi",
    )
    flicker: FlickerConfig = param(
        FlickerConfig(sigma=0.0088, exponent=0.65, most=0.2),
        unit="",
        doc="1/f noise built up since programming; Joshi",
    )


#: Spread of HfOx RRAM of 40 uS a second and a day after programming [uS], coefficients of 1, g, ... g^4; Wan.
_WAN_SECOND = (0.348, 16.030, -43.853, 45.393, -16.815)
_WAN_DAY = (0.701, 22.086, -50.773, 47.095, -16.458)


class RRAMConfig(DeviceConfig):
    """HfOx cells of 40 uS behind write-verify (Wan), with the on/off ratio of NeuroSim: no stuck cells."""

    on_off_ratio: float | None = param(
        150.0, gt=1, unit="", doc="g_max over the conductance of level 0; NeuroSim"
    )
    time_s: float = param(
        1.0, ge=0, unit="s", doc="time from programming to the run; 1 s, the first reading, Wan"
    )
    programming: ProgrammingConfig = param(
        ProgrammingConfig(sigma=tuple(c / 40 for c in _WAN_SECOND)),
        unit="",
        doc="error of write-verify and of the first second's relaxation; Wan",
    )
    retention: RetentionConfig = param(
        RetentionConfig(
            sigma=tuple(
                (day - second) / 40 / log(_DAY_S) for second, day in zip(_WAN_SECOND, _WAN_DAY, strict=True)
            )
        ),
        unit="",
        doc="loss of what was programmed; a line in ln(t) through Wan's figures at a second and at a day",
    )
    read: ReadNoiseConfig = param(
        ReadNoiseConfig(column=0.01),
        unit="",
        doc="noise that is new at every read; 1 % of g_max a cell, as aihwkit advises with Wan's figures",
    )
