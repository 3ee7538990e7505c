"""How many copies of each layer a pipeline has: by hand, to a target interval, or to a budget of cores.

Copies of a layer take its windows in turn, so r of them need ceil(steps / r) steps an image, and the slowest
layer sets the interval at which images follow. To reach an interval each layer takes as few copies as do;
shorter intervals never take fewer cores, so the shortest one that a budget allows is found by bisection,
exactly. Copies that a user gave a layer stay as they are.

Source: replication rule and ladder of the pipelined dataflow machine (Dazzi et al. 2021, derived).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Self

from pydantic import model_validator

from simcore import Config, MappingError, param

Strategy = Literal["none", "interval", "budget"]


class BalanceConfig(Config):
    """Which layers get copies, and how many."""

    strategy: Strategy = param(
        "none",
        unit="one of",
        doc="none: as layers.NAME.replication says; interval: fewest copies that reach it; "
        "budget: those of the shortest interval that fits balance.cores",
    )
    interval: int | None = param(
        None, ge=1, unit="step", doc="most steps that a layer may take for an image; for strategy interval"
    )
    cores: int | None = param(
        None, ge=1, unit="core", doc="cores there are, one an array; null: as many as needed"
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.strategy == "interval" and self.interval is None:
            raise ValueError("has strategy interval, but no interval; set interval to the steps to reach")
        if self.strategy != "interval" and self.interval is not None:
            raise ValueError(
                f"has interval {self.interval}, but strategy {self.strategy}, which has no use for it; "
                "set strategy to interval, or leave interval out"
            )
        if self.strategy == "budget" and self.cores is None:
            raise ValueError("has strategy budget, but no cores; set cores to how many there are")
        return self


@dataclass(frozen=True)
class Load:
    """What one layer asks for.

    steps : windows of an image, one a step on one copy
    cores : of one copy
    """

    steps: int
    cores: int

    def steps_on(self, copies: int) -> int:
        """Return the steps of an image on so many copies."""
        return -(-self.steps // copies)

    def copies_for(self, interval: int) -> int:
        """Return the fewest copies that take no more than `interval` steps."""
        return -(-self.steps // interval)


@dataclass(frozen=True)
class Balance:
    """Layers with weights, and how many copies of each there are, by name."""

    loads: Mapping[str, Load]
    copies: Mapping[str, int]

    @property
    def cores(self) -> int:
        """Cores of all copies."""
        return sum(load.cores * self.copies[name] for name, load in self.loads.items())

    @property
    def interval(self) -> int:
        """Steps of the slowest layer; 0 without layers."""
        return max((load.steps_on(self.copies[name]) for name, load in self.loads.items()), default=0)


def one_each(loads: Mapping[str, Load], given: Mapping[str, int]) -> Balance:
    """Return one copy of each layer, but for those of which copies are `given`."""
    return Balance(loads, {name: given.get(name, 1) for name in loads})


def at_interval(loads: Mapping[str, Load], interval: int, given: Mapping[str, int]) -> Balance:
    """Return the fewest copies with which no layer takes more steps than `interval`; `given` ones may."""
    return Balance(loads, {name: given.get(name, load.copies_for(interval)) for name, load in loads.items()})


def within_budget(loads: Mapping[str, Load], cores: int, given: Mapping[str, int]) -> Balance:
    """Return the fewest copies of the shortest interval that `cores` allow.

    given : copies of layers that are not to be changed
    raises : MappingError if not even one copy each fits
    """
    least = one_each(loads, given)
    if least.cores > cores:
        more = " and those that layers gives" if given else ""
        raise MappingError(
            f"balance.cores={cores} is too few: one copy of each layer{more} takes {least.cores}; "
            f"set balance.cores to {least.cores} or more, or choose a machine that has as many"
        )
    shortest = max(1, at_interval(loads, 1, given).interval)  # that of the given copies
    intervals = range(shortest, max(shortest, least.interval) + 1)
    place = bisect_left(intervals, True, key=lambda steps: at_interval(loads, steps, given).cores <= cores)
    return at_interval(loads, intervals[place], given)


def balanced(
    config: BalanceConfig,
    loads: Mapping[str, Load],
    given: Mapping[str, int],
    alone: Collection[str] = (),
) -> Balance:
    """Return the copies of all layers.

    given : copies that a user gave some of them
    alone : layers that cannot have more than one
    raises : MappingError, with numbers that would work, if cores are too few or given copies too slow
    """
    copies = {**dict.fromkeys(alone, 1), **given}
    best = None if config.cores is None else within_budget(loads, config.cores, copies)
    if config.interval is not None:
        found = at_interval(loads, config.interval, copies)
        _insist_on_interval(found, config.interval, given)
        if best is not None and found.interval < best.interval:  # faster than the cores allow
            raise MappingError(
                f"balance.interval={config.interval} takes {found.cores} cores, but balance.cores is "
                f"{config.cores}; set balance.cores to {found.cores} or more, or balance.interval to "
                f"{best.interval} or more"
            )
        return found
    return best if best is not None and config.strategy == "budget" else one_each(loads, copies)


def _insist_on_interval(found: Balance, interval: int, given: Mapping[str, int]) -> None:
    """Raise MappingError for given copies that take longer than the interval to reach."""
    for name, copies in given.items():
        load = found.loads[name]
        if load.steps_on(copies) > interval:
            raise MappingError(
                f"layers.{name}.replication={copies} takes {load.steps_on(copies)} steps, more than "
                f"balance.interval={interval}; set it to {load.copies_for(interval)} or more, or leave it out"
            )
