"""Two runs side by side: what was asked otherwise, where they part, and where cycles and joules went.

Every table of cycles sums exactly to what it splits: that of causes, layers and units to the difference of
units x makespan, that of the critical path to the difference of the makespans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import lcm
from pathlib import Path
from typing import Any, Literal

from imcsim.metrics import whole
from imcsim.occupancy import buffer_uses
from imcsim.results import Run, read_run
from imcsim.run_record import UnitTimes
from imcsim.stall_stacks import exact_times
from simcore.energy import SHARED
from simcore.errors import SimError
from traces.critical_path import critical_path_of
from traces.divergence import Divergence, first_divergence
from traces.unit_paths import natural_key

DIFF_SCHEMA = "imcsim.diff/1"
#: Figures of a summary that are told side by side, by the keys under which they lie.
_FIGURES = (
    ("time_s",),
    ("latency_s", "mean"),
    ("initiation_interval_cycles",),
    ("throughput_per_s",),
    ("tops",),
    ("tops_per_w",),
    ("power_w", "mean"),
    ("power_w", "peak"),
    ("area_mm2", "total"),
    ("accuracy",),
)


@dataclass(frozen=True)
class RunIdentity:
    """What was run, and what came of it as digests; `history` is None where nothing was recorded."""

    workload: str
    machine: str
    images: int
    values: str
    seed: int
    engine: str
    version: str
    cycles: int
    clock_hz: float
    units: int
    fingerprint: str
    history: str | None


@dataclass(frozen=True)
class Setting:
    """One thing that was asked otherwise; None where a run does not have it.

    path : of a parameter of the machine as `--set` takes it, or of the run as `config.yaml` has it
    of : whose it is
    """

    path: str
    of: Literal["run", "machine"]
    a: Any
    b: Any


@dataclass(frozen=True)
class Change:
    """One number in both runs; `difference` is b - a."""

    name: str
    a: float
    b: float
    difference: float


@dataclass(frozen=True)
class SplitChange:
    """Cycles of all units of one name, in both runs; `by_state` are its parts that differ, b - a each."""

    name: str
    a: float
    b: float
    difference: float
    by_state: Mapping[str, float]


@dataclass(frozen=True)
class Cycles:
    """Time in cycles of each run's reference clock.

    makespan : of the runs
    unit_cycles : units x makespan, of which `by_cause`, `by_layer` and `by_unit` each are a split
    by_cause : by state of units; by_layer : `shared` is whatever serves several
    """

    makespan: Change
    unit_cycles: Change
    by_cause: tuple[Change, ...]
    by_layer: tuple[SplitChange, ...]
    by_unit: tuple[SplitChange, ...]


@dataclass(frozen=True)
class PathChanges:
    """How much of the critical path each unit, layer, family or state holds; each sums to the makespan's."""

    by_unit: tuple[Change, ...]
    by_layer: tuple[Change, ...]
    by_family: tuple[Change, ...]
    by_state: tuple[Change, ...]


@dataclass(frozen=True)
class EnergyChanges:
    """Energy in both runs [J]; either split sums to the total."""

    total: Change
    by_component: tuple[Change, ...]
    by_layer: tuple[Change, ...]


@dataclass(frozen=True)
class RunDiff:
    """Two runs side by side; of tables the largest differences come first.

    equal : whether the runs came out the same: one fingerprint and, where both were recorded, one history
    same_history : None where a run was not recorded
    settings : all that was asked otherwise
    units_only_in_a, units_only_in_b : paths
    divergence : the first event that differs, of units in both; None if there is none, or it is not known
    critical_path : None where it is not known of both
    energy : of both
    buffers : most tokens that each memory of both held
    figures : others of the summary that both have
    untold : what cannot be told, and why, a sentence each
    """

    a: RunIdentity
    b: RunIdentity
    equal: bool
    same_fingerprint: bool
    same_history: bool | None
    settings: tuple[Setting, ...]
    units_only_in_a: tuple[str, ...]
    units_only_in_b: tuple[str, ...]
    divergence: Divergence | None
    cycles: Cycles
    critical_path: PathChanges | None
    energy: EnergyChanges
    buffers: tuple[Change, ...]
    figures: tuple[Change, ...]
    untold: tuple[str, ...]

    @property
    def summary(self) -> dict[str, Any]:
        """What `imcsim diff --json` prints."""
        return {"schema": DIFF_SCHEMA, **asdict(self)}


def diff(a: Run | str | Path, b: Run | str | Path) -> RunDiff:
    """Return how two runs differ, each a `Run` or its directory.

    raises : FileError for a directory that holds no run, SimError for a run that was interrupted, and for
        what is neither
    """
    one, other = runs = tuple(_run_of(name, run) for name, run in (("a", a), ("b", b)))
    paths = [{unit.path for unit in run.units} for run in runs]
    history = [run.summary["history"] for run in runs]
    same_fingerprint = one.summary["fingerprint"] == other.summary["fingerprint"]
    same_history = None if None in history else history[0] == history[1]
    recorded = one.activity is not None and other.activity is not None
    return RunDiff(
        a=_identity(one),
        b=_identity(other),
        equal=same_fingerprint and same_history is not False,
        same_fingerprint=same_fingerprint,
        same_history=same_history,
        settings=tuple(_settings(one, other)),
        units_only_in_a=tuple(sorted(paths[0] - paths[1], key=natural_key)),
        units_only_in_b=tuple(sorted(paths[1] - paths[0], key=natural_key)),
        divergence=first_divergence(one.recorded, other.recorded) if recorded else None,
        cycles=_cycles(one, other),
        critical_path=_path_changes(one, other) if recorded else None,
        energy=_energy(one, other),
        buffers=_buffers(one, other),
        figures=tuple(_figures(one, other)),
        untold=tuple(_untold(one, other, paths)),
    )


def _run_of(name: str, run: Run | str | Path) -> Run:
    """Return a run that came to its end."""
    if not isinstance(run, Run | str | Path):
        raise SimError(
            f"diff: {name} must be a run or its directory, got {run!r}; write for example 'runs/a'"
        )
    found = run if isinstance(run, Run) else read_run(run)
    found.insist_on_end()
    return found


def _identity(run: Run) -> RunIdentity:
    return RunIdentity(**{name: run.summary[name] for name in RunIdentity.__dataclass_fields__})


def _settings(one: Run, other: Run) -> Iterator[Setting]:
    """Yield all that was asked otherwise, that of the run before the machine's."""
    flat = [dict(_flat("", run.config.canonical())) for run in (one, other)]
    for values, run in zip(flat, (one, other), strict=True):
        values["version"] = run.summary["version"]
    for path in dict.fromkeys([*flat[0], *flat[1]]):
        values_of_both = [values.get(path) for values in flat]
        if values_of_both[0] != values_of_both[1]:
            of_machine = path.startswith("machine.") and path != "machine.extends"
            yield Setting(
                path.removeprefix("machine.") if of_machine else path,
                "machine" if of_machine else "run",
                *values_of_both,
            )


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield all values in nested mappings, by the path of their keys with dots between."""
    if isinstance(value, dict) and value:
        for key, part in value.items():
            yield from _flat(f"{path}.{key}" if path else str(key), part)
    else:
        yield path, value


def _cycles(one: Run, other: Run) -> Cycles:
    """Return where the cycles of all units went; everything is counted in whole ticks that both have."""
    times = [exact_times(run) for run in (one, other)]
    fine = lcm(*(t.ticks_per_cycle for t in times))
    both = [
        [
            (unit, {state: ticks * (fine // t.ticks_per_cycle) for state, ticks in spent.items()})
            for unit, spent in zip(run.units, t.spent, strict=True)
        ]
        for run, t in zip((one, other), times, strict=True)
    ]
    ma, mb = (t.makespan * (fine // t.ticks_per_cycle) for t in times)
    return Cycles(
        _change("makespan", ma, mb, fine),
        _change("unit_cycles", len(both[0]) * ma, len(both[1]) * mb, fine),
        tuple(_by_state(both, fine)),
        tuple(_split(both, fine, lambda unit: unit.layer or SHARED)),
        tuple(_split(both, fine, lambda unit: unit.path)),
    )


_Spent = Sequence[tuple[UnitTimes, Mapping[str, int]]]


def _by_state(both: Sequence[_Spent], fine: int) -> list[Change]:
    left, right = (_sums(spent for _, spent in rows) for rows in both)
    return _changes(left, right, fine)


def _sums(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for spent in parts:
        for state, ticks in spent.items():
            sums[state] = sums.get(state, 0) + ticks
    return sums


def _split(both: Sequence[_Spent], fine: int, name_of: Callable[[UnitTimes], str]) -> list[SplitChange]:
    """Return the cycles of units by a name that they have in common, the largest differences first."""
    named: list[dict[str, list[Mapping[str, int]]]] = [{}, {}]
    for rows, names in zip(both, named, strict=True):
        for unit, spent in rows:
            names.setdefault(name_of(unit), []).append(spent)
    found = []
    for name in dict.fromkeys([*named[0], *named[1]]):
        left, right = (_sums(names.get(name, ())) for names in named)
        totals = _change(name, sum(left.values()), sum(right.values()), fine)
        states = {c.name: c.difference for c in _changes(left, right, fine) if c.difference}
        found.append(SplitChange(name, totals.a, totals.b, totals.difference, states))
    return sorted(found, key=lambda c: (-sum(map(abs, c.by_state.values())), natural_key(c.name)))


def _changes(left: Mapping[str, float], right: Mapping[str, float], per_cycle: int = 1) -> list[Change]:
    """Return the numbers of all names in either, the largest differences first."""
    names = dict.fromkeys([*left, *right])
    changes = [_change(name, left.get(name, 0), right.get(name, 0), per_cycle) for name in names]
    return sorted(changes, key=lambda c: (-abs(c.difference), natural_key(c.name)))


def _change(name: str, a: float, b: float, per_cycle: int = 1) -> Change:
    return Change(name, whole(a / per_cycle), whole(b / per_cycle), whole((b - a) / per_cycle))


def _path_changes(one: Run, other: Run) -> PathChanges | None:
    """Return what the critical path gained and lost by what is on it."""
    if not len(one.recorded) or not len(other.recorded):
        return None
    paths = [critical_path_of(run.recorded) for run in (one, other)]
    layers = [{unit.path: unit.layer or SHARED for unit in run.units} for run in (one, other)]
    families = [{unit.path: unit.family for unit in run.units} for run in (one, other)]
    fine = lcm(*(path.ticks_per_cycle for path in paths))

    def held(ticks: Callable[[int], Mapping[str, int]]) -> tuple[Change, ...]:
        left, right = (
            {name: spent * (fine // path.ticks_per_cycle) for name, spent in ticks(n).items()}
            for n, path in enumerate(paths)
        )
        return tuple(_changes(left, right, fine))

    return PathChanges(
        held(lambda n: paths[n].by_unit()),
        held(lambda n: paths[n].by(layers[n])),
        held(lambda n: paths[n].by(families[n])),
        held(lambda n: paths[n].by_state()),
    )


def _energy(one: Run, other: Run) -> EnergyChanges:
    a, b = (run.summary["energy_j"] for run in (one, other))
    return EnergyChanges(
        _change("total", a["total"], b["total"]),
        tuple(_changes(a["by_component"], b["by_component"])),
        tuple(_changes(a["by_layer"], b["by_layer"])),
    )


def _buffers(one: Run, other: Run) -> tuple[Change, ...]:
    peaks = [{use.path: use.peak for use in buffer_uses(run)} for run in (one, other)]
    shared = [path for path in peaks[0] if path in peaks[1]]
    return tuple(_changes({p: peaks[0][p] for p in shared}, {p: peaks[1][p] for p in shared}))


def _figures(one: Run, other: Run) -> Iterator[Change]:
    for keys in _FIGURES:
        values: list[Any] = [one.summary, other.summary]
        for key in keys:
            values = [None if value is None else value[key] for value in values]
        if None not in values:
            yield _change(".".join(keys), *values)


def _untold(one: Run, other: Run, paths: Sequence[set[str]]) -> Iterator[str]:
    """Yield what cannot be told of these runs, and why."""
    without = {name: run.way_to_record for name, run in (("A", one), ("B", other)) if run.activity is None}
    if without:
        which = " and ".join(without)
        way, *other_way = dict.fromkeys(without.values())
        anew = f"{'it' if len(without) == 1 else 'both'} anew {way}"
        if other_way:
            anew = ", and ".join(f"{name} anew {how}" for name, how in without.items())
        yield (
            f"the first event that differs, and the critical path: nothing was recorded of {which}; "
            f"run {anew}"
        )
    elif not paths[0] & paths[1]:
        yield "the first event that differs: no unit is in both runs"
    if one.summary["clock_hz"] != other.summary["clock_hz"]:
        yield "cycles of both are counted, but last differently long: the clocks differ"
