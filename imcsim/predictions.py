"""What if a parameter were another: a run's new makespan, told by its dependency graph and by a run of it.

The run is repeated with every call logged, and its dependency graph made. The machine is built with the
change, but not run: how long its operations last, what its channels hold, and how long tokens take through
them, put into the graph, give the new makespan. Then the changed machine runs, too, and both are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from arch.machine import BuiltMachine, MapRow, NetworkMap, RunOptions
from arch.parameter_paths import parameter_at
from imcsim.machine_files import MachineFile
from imcsim.parameter_changes import ParameterChange, asked_by_what_if, changes_asked, settings_of
from imcsim.resolve import Setting, machine_of_file
from imcsim.run_config import RunConfig
from imcsim.run_material import material_of
from imcsim.run_record import RunRecord
from imcsim.run_request import RunRequest, resolve_request
from simcore import Component, Config, ConfigError, Deadlock, Outcome
from simcore.binding import longest_way
from simcore.blueprint import Blueprint
from simcore.config import InvalidConfigError
from simcore.dependencies import DependencyGraph
from simcore.errors import WorkloadError
from workloads import check_decodes, lower


@dataclass(frozen=True)
class Bound:
    """What takes a share of the time on the longest way through a run's graph.

    family, state : of components, and what they do then; of ways between them the family is "channel"
    cycles, share : of the makespan
    """

    family: str
    state: str
    cycles: float
    share: float


@dataclass(frozen=True)
class WhatIf:
    """The answer to one question.

    changes : parameters and their values
    cycles : of the run as it was
    predicted : cycles that the graph tells; None where it cannot
    confirmed : cycles of a run; None if it was not run, or did not come to an end
    order_kept : whether all processes did the same in the same order; None if it was not run
    reasons : why the graph cannot tell, what it assumed, or what was not as it assumed, in words
    bound_by : what the predicted makespan is made of, the largest share first
    """

    changes: tuple[ParameterChange, ...]
    cycles: int
    predicted: int | None
    confirmed: int | None
    order_kept: bool | None
    reasons: tuple[str, ...]
    bound_by: tuple[Bound, ...] = ()

    @property
    def error(self) -> float | None:
        """By how much the prediction is off, relative to the run."""
        if self.predicted is None or self.confirmed is None:
            return None
        return self.predicted / self.confirmed - 1

    @property
    def summary(self) -> dict[str, Any]:
        """What `imcsim explain --json` prints of it."""
        return {
            "changes": [{"parameter": c.path, "old": c.old, "new": c.new} for c in self.changes],
            "cycles": self.cycles,
            "predicted": self.predicted,
            "confirmed": self.confirmed,
            "error": self.error,
            "order_kept": self.order_kept,
            "reasons": list(self.reasons),
            "bound_by": [asdict(bound) for bound in self.bound_by],
        }


def what_if(run: RunRecord, questions: Sequence[str], *, confirm: bool = True) -> list[WhatIf]:
    """Answer questions about a run, each of which is a change, or several with commas between them.

    questions : as "core.crossbar.mvm_cycles=0.5x" or "core.adc.bits=6"; paths are those of `--set`. A text
        that is no list is one question.
    confirm : run the changed machine, too
    raises : ConfigError for what cannot be asked, or of such a run; SimError for an impossible machine
    """
    before = _Trial.of_run(run)
    values, schema = before.config.canonical(), type(before.config)
    questions = [questions] if isinstance(questions, str) else questions
    asked = [changes_asked(question, values, schema) for question in questions]
    for changes in asked:  # what cannot be is refused before anything runs
        _Trial.changed(run, changes)
    graph = before.repeated(run)
    # Each is built anew when its turn comes: machines and their logs are too large to keep.
    return [
        _answer(before, _Trial.changed(run, changes), graph, changes, run.summary["cycles"], confirm)
        for changes in asked
    ]


def sensitivity(run: RunRecord) -> tuple[Bound, ...]:
    """Return which operations of which families a run's makespan is made of, the largest share first.

    raises : as `what_if`
    """
    graph = _Trial.of_run(run).repeated(run)
    return _bounds(graph, graph.blueprint)


def _bounds(graph: DependencyGraph, blueprint: Blueprint) -> tuple[Bound, ...]:
    shares = longest_way(graph, blueprint).shares(graph)
    total = max(1, sum(shares.values()))
    return tuple(
        Bound(family or "channel", state, ticks / blueprint.reference, ticks / total)
        for (family, state), ticks in shares.items()
    )


@dataclass(frozen=True, eq=False)
class _Trial:
    """A machine that is built with a network on it, and has not run."""

    request: RunRequest
    placed: NetworkMap
    built: BuiltMachine

    @classmethod
    def of(cls, config: RunConfig, settings: Sequence[Setting] = ()) -> _Trial:
        """Build what a run was of, with some settings more."""
        request = _requested(config, settings)
        machine, config = request.machine, request.config
        request.check_abilities()
        lowered = lower(request.network)
        if config.prompt is not None:
            check_decodes(lowered, config.prompt)
        placed = machine.map(lowered)
        material = material_of(request, lowered)
        options = RunOptions(
            engine=config.engine,
            log=True,
            arrivals=request.arrivals,
            prompt=config.prompt,
            seed=config.seed,
        )
        build = machine.build if machine.training is None else machine.build_training
        values: Any = None if material is None else material.values
        return cls(request, placed, build(placed, config.images, values, options))

    @classmethod
    def changed(cls, run: RunRecord, changes: Sequence[ParameterChange]) -> _Trial:
        """Build what a run was of, with changes; errors say that these were asked by `--what-if`."""
        try:
            return cls.of(run.config, settings_of(changes))
        except InvalidConfigError as error:
            raise asked_by_what_if(error) from None

    @classmethod
    def of_run(cls, run: RunRecord) -> _Trial:
        """Build what a run was of."""
        if run.config.networks:
            raise ConfigError(
                f"what-if repeats runs of one network, but {run.config.workload} share the machine; ask it "
                "of a run of one of them"
            )
        if run.summary["interrupted"]:
            raise ConfigError("the run was interrupted, so that nobody knows its end; run it anew")
        return cls.of(run.config)

    def repeated(self, run: RunRecord) -> DependencyGraph:
        """Run it, and return the graph; WorkloadError if it took another time than it did in a run."""
        outcome = self.run()
        if outcome.cycles != run.summary["cycles"]:
            raise WorkloadError(
                f"the run was repeated to make its graph and took {outcome.cycles:,} cycles, but it is said "
                f"to have taken {run.summary['cycles']:,}; run it anew with this version"
            )
        return _graph(outcome)

    @property
    def config(self) -> Config:
        """Parameters of the machine."""
        config: Config = self.request.machine.config
        return config

    @property
    def parts(self) -> Sequence[Component]:
        """All components of it."""
        return self.built.simulation.parts

    @property
    def blueprint(self) -> Blueprint:
        """What decides when things happen on it."""
        return self.built.simulation.blueprint()

    def run(self) -> Outcome:
        """Run it."""
        return self.built.simulation.run()


def _requested(config: RunConfig, settings: Sequence[Setting]) -> RunRequest:
    """Return the request for a run, without values where these do not decide when things happen."""
    written = {name: value for name, value in config.machine.items() if name != "extends"}
    file = MachineFile("config.yaml", config.machine["extends"], written, {})
    machine = machine_of_file(file, config.machine_name, settings)
    kept = ("images", "seed", "warmup", "engine", "prompt", "arrivals", "data", "plugins")
    changes = {name: getattr(config, name) for name in kept}
    changes["values"] = config.values if machine.machine.data_decide else "off"
    return resolve_request(config.workload, machine, (), changes)


def _graph(outcome: Outcome) -> DependencyGraph:
    assert outcome.log is not None
    return DependencyGraph(outcome.log)


def _answer(
    before: _Trial,
    after: _Trial,
    graph: DependencyGraph,
    changes: tuple[ParameterChange, ...],
    cycles: int,
    confirm: bool,
) -> WhatIf:
    """Predict, run, and compare."""
    blueprint = after.blueprint
    unlike = [*_other_mapping(before.placed, after.placed)] or [
        *_other_machine(graph, blueprint, after.request)
    ]
    predicted = None
    reasons = [*unlike]
    if not unlike:
        reasons += [*_untold(graph, before, after), *_begun(graph.blueprint, blueprint)]
    if not reasons:
        makespan = graph.makespan(blueprint)
        if makespan is None:
            reasons.append("by the graph, nothing moves any more: processes wait for one another in a circle")
        else:
            predicted = makespan // blueprint.reference
    bounds = () if predicted is None else _bounds(graph, blueprint)
    answer = WhatIf(changes, cycles, predicted, None, None, tuple(reasons), bounds)
    return _confirmed(answer, graph, after) if confirm else answer


def _confirmed(answer: WhatIf, graph: DependencyGraph, after: _Trial) -> WhatIf:
    """Run the changed machine, and say what was not as the graph assumed."""
    reasons = list(answer.reasons)
    try:
        outcome = after.run()
    except Deadlock:
        return replace(answer, reasons=(*reasons, "the run ends in a deadlock"))
    if answer.predicted is None:
        return replace(answer, confirmed=outcome.cycles, reasons=tuple(reasons))
    ran = _graph(outcome)
    course = graph.differs(ran)
    if course:
        reasons.append(course)
    elif answer.predicted != outcome.cycles:
        reasons += _otherwise(graph, ran)
    return replace(answer, confirmed=outcome.cycles, order_kept=not course, reasons=tuple(reasons))


def _otherwise(graph: DependencyGraph, ran: DependencyGraph) -> list[str]:
    """Return why a run of the same course took another time than the graph predicted."""
    reasons = []
    if lasted := graph.lasted_otherwise(ran):
        reasons.append(f"these lasted longer or shorter than assumed: {_some(lasted)}")
    if held_up := graph.held_up_otherwise(ran):
        reasons.append(f"another contention than assumed: {_some(held_up, most=1)}")
    return reasons or [
        "the graph does not explain this error, which is a fault of the graph: the confirmed cycles hold"
    ]


def _other_mapping(before: NetworkMap, after: NetworkMap) -> Iterator[str]:
    """Yield in which way a network is placed otherwise, if it is; memories may be larger or smaller."""
    rows = [{row.stage: _placement(row) for row in placed.rows} for placed in (before, after)]
    if [*rows[0]] != [*rows[1]]:
        yield "the network is cut into other stages"
        return
    moved = [stage for stage, row in rows[0].items() if rows[1][stage] != row]
    if moved:
        yield f"the mapping is another one, of {_some(moved)}"


def _placement(row: MapRow) -> MapRow:
    """Return a row of a mapping without what changes no course of events."""
    return replace(row, buffers=(), utilisation=None)


def _other_machine(graph: DependencyGraph, blueprint: Blueprint, request: RunRequest) -> Iterator[str]:
    """Yield in which way a machine has other parts, if it has, or is fed so that no graph tells."""
    if request.arrivals is not None:
        yield "requests arrive at times of their own, which is not in the graph"
    own = graph.blueprint
    for what, a, b in (
        ("units", own.units, blueprint.units),
        ("channels", own.channels, blueprint.channels),
        ("shared resources", own.shared, blueprint.shared),
    ):
        if other := sorted(set(a) ^ set(b)):
            yield f"the machine has other {what}: {_some(other)}"


def _untold(graph: DependencyGraph, before: _Trial, after: _Trial) -> Iterator[str]:
    """Yield operations whose time the data decide, and parameters that change and that it depends on, too."""
    found = []
    parts = {part.path: part for part in before.parts}
    others = {part.path: part for part in after.parts}
    for path, name in sorted(graph.untold):
        part, other = parts[path], others[path]
        own = [operation for unit in part.units for operation in unit.operations if operation.name == name]
        changed = [
            each
            for each in dict.fromkeys(parameter for operation in own for parameter in operation.set_by)
            if _value(part, before.config, each) != _value(other, after.config, each)
        ]
        if changed:
            found.append(f"{path} {name} (by {', '.join(changed)})")
    if found:
        yield f"data decide how long these last, whose parameters change: {_some(found)}"


def _value(part: Component, config: Config, name: str) -> Any:
    """Return the value of a parameter that an operation of a part names, its own one or its machine's."""
    try:
        return parameter_at(part.config, name).value
    except ConfigError:
        return parameter_at(config, name).value


def _begun(own: Blueprint, blueprint: Blueprint) -> Iterator[str]:
    """Yield operations that take time and took none, so that they are not in the graph."""
    begun = [
        f"{path} {name}"
        for (path, name), ticks in blueprint.lasts.items()
        if any(ticks) and not any(own.lasts.get((path, name), ()))
    ]
    if begun:
        yield f"these took no time before, so that nobody knows when they begin: {_some(begun)}"


def _some(names: Sequence[str], most: int = 3) -> str:
    """Return a few names, and how many more there are."""
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
