"""What would make an operation shorter: found out by building its machine with other values of parameters.

Parts say before they run how long their operations last (`Component.lasts`), so no trial takes a run. Of an
operation that what comes decides on, as a link's transfer, the direction goes by what is usual: times are to
be smaller, rates and widths larger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import Any, Literal, get_args

from arch.machine import BuiltMachine, Machine, NetworkMap, RunOptions
from arch.parameter_paths import Parameter, parameter_at, parameter_path
from simcore import Component, ConfigError, SimError
from simcore.parameters import members
from workloads import LoweredNetwork

#: Of a parameter that is a time, or a number of steps that take some.
_TIMES = ("cycle", "ns", "pulse")

#: Name of the ports that sums of arrays come in by.
SUMS = "sums_in"
#: What helps ways makes them as short as this at least, of the time that they take now.
_SHORTER = Fraction(9, 10)

#: What operations last on average [s], by class and layer of their parts, by the parts' paths, and by name.
_Means = Mapping[tuple[type[Component], str | None], Mapping[str, Mapping[str, Fraction]]]

Direction = Literal["smaller", "larger", "other"]


@dataclass(frozen=True)
class Relief:
    """A parameter that makes an operation shorter.

    path : as `--set` takes it
    value : that it has
    better : which way it does; `other` if its values have no order
    tried : a value that makes the operation shorter
    factor : what the operation then lasts, on average, of what it does now; None if that takes a run to tell
    """

    path: str
    value: Any
    better: Direction
    tried: Any
    factor: Fraction | None


class ReliefTrials:
    """Trials of one machine with a network on it, which is `placed` there.

    images : of the run, for operations that last otherwise in a last batch that is not full
    """

    def __init__(self, machine: Machine, network: LoweredNetwork, images: int = 1) -> None:
        self.machine, self._network, self._images = machine, network, images
        self._tried: dict[tuple[str, Any], _Means] = {}
        self.placed = machine.map(network)
        self._built = self._build(machine, self.placed)
        self.parts = {part.path: part for part in self._built.simulation.parts}

    def of(self, unit: str, operation: str) -> Iterator[Relief]:
        """Yield what makes an operation shorter, by the order in which it names its parameters.

        unit : path of the unit that holds it
        operation : its name, as in the state `busy:NAME`
        raises : ConfigError if there is none of that name
        """
        for path in self.paths(unit, operation):
            if (relief := self.of_parameter(unit, operation, path)) is not None:
                yield relief

    def of_parameter(self, unit: str, operation: str, path: str) -> Relief | None:
        """Return whether, and which way, one parameter of those that an operation names makes it shorter.

        raises : ConfigError if there is none of that name
        """
        part, name = self._operation(unit, operation)
        parameter = parameter_at(self.machine.config, path)
        now = mean_seconds(part).get(name)
        if now is None:
            return usual_relief(parameter)
        for better, value in tries(parameter):
            then = self.seconds(part, name, path, value)
            if then is not None and then < now:
                return Relief(path, parameter.value, better, value, then / now)
        return None

    def paths(self, unit: str, operation: str) -> list[str]:
        """Return the paths of all parameters that an operation names, whether they shorten it or not.

        raises : ConfigError if there is none of that name
        """
        part, name = self._operation(unit, operation)
        return [parameter_path(self.machine.config, part, each) for each in getattr(part, name).set_by]

    def _operation(self, unit: str, operation: str) -> tuple[Component, str]:
        """Return the component of a unit, and the attribute of its operation."""
        for part in self.parts.values():
            for own in part.units:
                if own.path != unit:
                    continue
                for name in part._operations:
                    held = getattr(part, name)
                    if (held.process, held.name) == (own.process, operation):
                        return part, name
        raise ConfigError(f"no unit {unit!r} of {self.machine.name} holds an operation {operation!r}")

    def seconds(self, part: Component, name: str, path: str, value: Any) -> Fraction | None:
        """Return what an operation lasts on average [s] with another value of a parameter; 0 in no time.

        Where its part then has another path, as tiles are numbered otherwise, it is that of the slowest of
        its kind that the layer has.

        returns : None if the value is refused, or there is no such part then
        """
        if (path, value) not in self._tried:
            try:
                machine = self.machine.with_settings([(path, value)])
                built = self._build(machine, machine.map(self._network))
                self._tried[path, value] = _means(built.simulation.parts)
            except SimError:  # of values that do not go together, or a network that does not fit then
                self._tried[path, value] = {}
        of_kind = self._tried[path, value].get((type(part), part.layer), {})
        found = [of_kind[part.path]] if part.path in of_kind else of_kind.values()
        return max((means.get(name, Fraction(0)) for means in found), default=None)

    def of_ways(self, of_sums: bool, path: str) -> Relief | None:
        """Return whether a parameter, changed the usual way, makes ways between parts shorter.

        They are taken to be free, and a change that leaves nearly all of their time is none.

        of_sums : whether it is those of partial sums, or all others
        """
        found = usual_relief(parameter_at(self.machine.config, path))
        if found is None:
            return None
        now = _way_seconds(self._built, of_sums)
        try:
            machine = self.machine.with_settings([(path, found.tried)])
            then = _way_seconds(self._build(machine, machine.map(self._network)), of_sums)
        except SimError:  # of values that do not go together
            return None
        return replace(found, factor=then / now) if then < _SHORTER * now else None

    def _build(self, machine: Machine, placed: NetworkMap) -> BuiltMachine:
        """Build a machine, which does not run."""
        build = machine.build if machine.training is None else machine.build_training
        return build(placed, self._images, None, RunOptions())


def _way_seconds(built: BuiltMachine, of_sums: bool) -> Fraction:
    """Return what all ways of partial sums, or all others, take [s], for the first token that goes each."""
    blueprint = built.simulation.blueprint()
    ways = (plan for name, plan in blueprint.channels.items() if name.endswith(f".{SUMS}") == of_sums)
    ticks = sum(plan.latency + (plan.passage(0) if plan.passage is not None else 0) for plan in ways)
    return ticks * blueprint.tick


def _means(parts: Iterable[Component]) -> _Means:
    means: dict[tuple[type[Component], str | None], dict[str, dict[str, Fraction]]] = {}
    for part in parts:
        if part.units:
            means.setdefault((type(part), part.layer), {})[part.path] = mean_seconds(part)
    return means


def mean_seconds(part: Component) -> dict[str, Fraction]:
    """Return what operations of a part last on average [s], by name, of those that it can tell of."""
    period = part.clock.period
    return {name: Fraction(int(sum(p)), len(p)) * period for name, p in part.lasts().items()}


def tries(parameter: Parameter) -> Iterator[tuple[Direction, Any]]:
    """Yield values to try of a parameter, within its bounds, and which way from the one it has they are.

    Half and twice of a number, of times first the smaller; the least there may be, where it is left to the
    machine; the other ones of a choice.
    """
    value, declared = parameter.value, parameter.declared
    kinds = members(parameter.annotation)
    if isinstance(value, bool):
        yield "other", not value
    elif isinstance(value, int | float):
        whole = float not in kinds
        less, more = (value // 2 if whole else value / 2), value * 2
        if declared.ge is not None and less < declared.ge:
            less = ceil(declared.ge) if whole else declared.ge
        if declared.le is not None and more > declared.le:
            more = declared.le
        ways: list[tuple[Direction, Any]] = [("smaller", less), ("larger", more)]
        for better, tried in ways if declared.unit in _TIMES else reversed(ways):
            if tried != value:
                yield better, tried
    elif int in kinds and declared.ge is not None:
        yield "smaller", ceil(declared.ge)
    else:
        choices = (choice for kind in kinds for choice in get_args(kind))
        yield from (("other", choice) for choice in choices if isinstance(choice, str) and choice != value)


def usual_relief(parameter: Parameter) -> Relief | None:
    """Return which way a number is to be for whatever it decides on to be shorter, by what it counts."""
    value, unit = parameter.value, parameter.declared.unit
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # Bits that a machine as a whole has are those of numbers; others are of ways that they take.
    fewer = unit in _TIMES or (unit == "bit" and "." not in parameter.path)
    wanted: Direction = "smaller" if fewer else "larger"
    return next(
        (Relief(parameter.path, value, way, tried, None) for way, tried in tries(parameter) if way == wanted),
        None,
    )
