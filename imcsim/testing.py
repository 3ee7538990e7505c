"""Conformance of components: what every one of them promises, checked from outside under random traffic.

    >>> from imcsim.testing import check_component
    >>> check_component(MyComponent)  # doctest: +SKIP

A component is built alone between sources and sinks for all its ports. The sources put tokens 0, 1, 2, ...;
they and the sinks are fast, slow and stalled in turn. Each run is repeated, on both engines, with processes
started in other orders, and recorded. Of a converter the transfer curve is checked, too; device models are no
components, and `check_device` is for them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from math import isfinite
from typing import Any

from arch import ADC, check_device
from arch.converters import check_transfer
from arch.parameter_paths import is_parameter
from imcsim.conformance_bench import (
    PATIENCE_S,
    Bench,
    Observation,
    Tokens,
    Traffic,
    against_lasts,
    all_traffic,
    behind_nothing,
    new_bench,
    observe,
    open_ports,
    parts_below,
)
from simcore import (
    BrokenLawError,
    Component,
    Deadlock,
    ModelError,
    PartConfig,
    SimError,
    WatchdogError,
)
from simcore.ports import Out, Shared
from simcore.simulation import EngineName

__all__ = ["ConformanceError", "check_component", "check_device"]

_PREPARE = "pass prepare= to set what a machine would set"
Behaviour = Callable[[Mapping[str, list[int]]], Mapping[str, list[int]]]


class ConformanceError(ModelError):
    """A component breaks a rule that every component keeps.

    rule : the rule's name
    """

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(rule, message)
        self.rule = rule
        self.message = message

    def __str__(self) -> str:
        return f"{self.message} (rule: {self.rule})"


def check_component(
    cls: type[Component],
    config: PartConfig | None = None,
    *,
    prepare: Callable[[Any], None] | None = None,
    ratio: Fraction | int = 1,
    behaviour: Behaviour | None = None,
    tokens: int = 24,
    trials: int = 8,
) -> None:
    """Check that a component keeps the rules, alone on a bench.

    config : its configuration; the defaults if left out
    prepare : called with each instance that is built, to set what a machine would set
    ratio : tokens that come out at each output for each that goes in at every input, as 1/4 for a 2x2 pool
    behaviour : tells for tokens by input which tokens come out by output, where no ratio does
    tokens : how many go into each input
    trials : kinds of traffic

    raises : ConformanceError naming the first rule that is broken
    """
    _Check(cls, config, prepare, Fraction(ratio), behaviour).run(all_traffic(trials, tokens))


class _Check:
    """One component under test."""

    def __init__(
        self,
        cls: type[Component],
        config: PartConfig | None,
        prepare: Callable[[Any], None] | None,
        ratio: Fraction,
        behaviour: Behaviour | None,
    ) -> None:
        self.cls = cls
        self.prepare = prepare
        self.ratio = ratio
        self.behaviour = behaviour
        self._check_declarations()
        self.config = self._default_config() if config is None else config

    def run(self, traffic: list[Traffic]) -> None:
        """Check everything that needs an instance."""
        component = self._build(new_bench())
        ports, loose = open_ports(component)
        self._check_ports(behind_nothing(ports), [port.path for port in loose])
        self._check_costs(component)
        if any(part.units for part in parts_below(component)):
            for kind in traffic:
                self._check_traffic(kind, self._expected(kind))
        if issubclass(self.cls, ADC):
            with self._told("transfer curve", "has no transfer curve that can be trusted"):
                check_transfer(self.cls, self.config)

    # -- declarations ----------------------------------------------------------------------------------------

    def _check_declarations(self) -> None:
        cls = self.cls
        if not (isinstance(cls, type) and issubclass(cls, Component)):
            raise ConformanceError(
                "is a component", f"check_component takes a Component's class, got {cls!r}"
            )
        if not (cls.__doc__ or "").strip() or cls.__doc__ == Component.__doc__:
            self._fail(
                "documented", "has no docstring; say what the hardware is and what the model leaves out"
            )
        declared: dict[str, Any] = {**cls._ports, **cls._operations, **cls._counters}
        for name, declaration in declared.items():
            if not declaration.doc.strip():
                self._fail("documented", f"declares {name} without a doc; say what it is in a few words")
            if not getattr(declaration, "unit", "token").strip():
                self._fail("documented", f"counts {name} without a unit; name what is counted")
        for name, operation in cls._operations.items():
            for parameter in operation.set_by:
                if not is_parameter(cls, parameter):
                    self._fail(
                        "names what sets its time",
                        f"says that {name} is set by {parameter!r}, which is no parameter of "
                        f"{cls.Config.__name__} nor, from its root, of any machine",
                    )
        for row in cls.Config.parameters():
            if not row.doc.strip():
                self._fail("documented", f"has a parameter {row.path} without a doc")
            if ("int" in row.type or "float" in row.type) and not row.bounds:
                self._fail(
                    "bounded parameters", f"has a number {row.path} without bounds; give it ge=, le=, ..."
                )

    def _default_config(self) -> PartConfig:
        try:
            return self.cls.Config()
        except SimError as error:
            raise self._failure("drivable", f"needs a configuration: {error}; pass config=") from error

    # -- building --------------------------------------------------------------------------------------------

    def _build(self, bench: Bench) -> Component:
        with self._told("builds", f"could not be built alone; {_PREPARE}"):
            component = bench.add(self.cls, "it", self.config)
            if self.prepare is not None:
                self.prepare(component)
        return component

    def _check_ports(self, empty: list[str], unreachable: list[str]) -> None:
        if empty:
            self._fail(
                "shows its ports",
                f"has no process behind {', '.join(empty)}; a composite shows a child's port as its own "
                "(self.x_in = child.x_in), a leaf has a process",
            )
        if unreachable:
            self._fail(
                "shows its ports",
                f"neither connects {', '.join(unreachable)} nor shows it as its own (self.x_in = child.x_in)",
            )

    def _check_costs(self, component: Component) -> None:
        for part in parts_below(component):
            with self._told("energy and area", f"could not tell the costs of {part.path}; {_PREPARE}"):
                costs, actions = part.action_energy(), part.actions()
                numbers = {"static_power": part.static_power(), "area": part.area(), **costs}
            for name, number in numbers.items():
                if not isfinite(number) or number < 0:
                    self._fail(
                        "energy and area", f"has {part.path} give {number} for {name}; it is at least 0"
                    )
            for name in costs:
                if name not in actions:
                    self._fail(
                        "energy and area",
                        f"has {part.path} give the energy of {name!r}, which its actions() never counts; "
                        f"it counts {', '.join(actions) or 'nothing'}",
                    )

    # -- driving ---------------------------------------------------------------------------------------------

    def _expected(self, traffic: Traffic) -> Tokens | None:
        """Return the tokens that each output must give; None if only a run can tell."""
        ports, _ = open_ports(self._build(new_bench()))
        outputs = [name for name, port in ports.items() if isinstance(port, Out)]
        inputs = [name for name, port in ports.items() if not isinstance(port, Out | Shared)]
        fed = {name: list(range(traffic.tokens)) for name in inputs}
        if self.behaviour is not None:
            told = {name: list(given) for name, given in self.behaviour(fed).items()}
            if sorted(told) != sorted(outputs):
                self._fail("drivable", f"has the outputs {outputs}, but behaviour= tells of {sorted(told)}")
            return told
        if outputs and not inputs:
            return None
        return {name: list(range(int(traffic.tokens * self.ratio))) for name in outputs}

    def _check_traffic(self, traffic: Traffic, expected: Tokens | None) -> None:
        if expected is None:
            expected = self._sent_unasked(traffic)
        reference = self._run(traffic, expected)
        self._check_actions(reference)
        others: list[tuple[str, EngineName, int | None, bool]] = [
            ("the same run twice is equal", "lean", None, False),
            *(("the order of starting changes nothing", "lean", shuffle, False) for shuffle in range(3)),
            ("recording changes nothing", "lean", None, True),
            ("both engines agree", "stock", None, False),
            ("both engines agree", "stock", 1 + traffic.seed, True),
        ]
        for rule, engine, shuffle, record in others:
            again = self._run(traffic, expected, engine, shuffle, record)
            if again != reference:
                self._fail(rule, f"behaves differently: {_difference(reference, again)}")

    def _sent_unasked(self, traffic: Traffic) -> Tokens:
        """Return what a component without inputs sends; from then on it is expected to."""
        bench = self._on_bench(traffic, None)
        with self._told("drivable", "could not be driven"):
            try:
                bench.run()
            except Deadlock:
                pass  # nothing comes any more, which is all that was asked
            except WatchdogError as error:
                message = f"never stops sending: {error}; {_PREPARE}"
                raise self._failure("comes to an end", message) from error
        if not any(bench.received.values()):
            self._fail("drivable", f"sends nothing by itself; {_PREPARE}")
        return bench.received

    def _on_bench(
        self,
        traffic: Traffic,
        expected: Tokens | None,
        engine: EngineName = "lean",
        shuffle: int | None = None,
        record: bool = False,
    ) -> Bench:
        bench = new_bench(engine, shuffle, record)
        component = self._build(bench)
        with self._told("drivable", "could not be connected"):
            bench.drive(component, open_ports(component)[0], traffic, expected)
        return bench

    def _run(
        self,
        traffic: Traffic,
        expected: Tokens,
        engine: EngineName = "lean",
        shuffle: int | None = None,
        record: bool = False,
    ) -> Observation:
        bench = self._on_bench(traffic, expected, engine, shuffle, record)
        with self._told("runs without errors", f"failed under traffic {traffic}"):
            try:
                observation = observe(bench)
            except Deadlock as error:
                self._check_tokens(bench.received, expected, ended=_waits_for_input_only(bench))
                raise self._failure("never gets stuck", f"got stuck: {error}") from error
            except WatchdogError as error:
                rule = "lets time pass" if "livelock" in str(error) else "comes to an end"
                raise self._failure(rule, f"has no end ({PATIENCE_S:.0f} s): {error}") from error
            except BrokenLawError as error:
                self._check_tokens(bench.received, expected, ended=False)
                rule = "accounting" if "accounting:" in str(error) else "conservation"
                raise self._failure(rule, f"breaks a law: {error}") from error
        self._check_tokens(bench.received, expected, ended=True)
        if record and (wrong := against_lasts(bench.component)):
            self._fail("lasts as long as it says", f"has a wrong lasts(): {wrong}")
        return observation

    def _check_tokens(self, received: Tokens, expected: Tokens, *, ended: bool) -> None:
        """Check what came out; tokens may still be missing from a run that did not end."""
        for port, tokens in received.items():
            surplus = Counter(tokens) - Counter(expected[port])
            missing = Counter(expected[port]) - Counter(tokens)
            came = f"at {port}: expected {_shown(expected[port])}, got {_shown(tokens)}"
            if surplus:
                self._fail("doubles no token", f"sends {_shown(list(surplus))} too often or unasked {came}")
            rest = iter(expected[port])
            if not all(token in rest for token in tokens):  # each is looked for behind the one before
                self._fail("keeps the order", f"lets tokens overtake one another {came}")
            if missing and ended:
                self._fail("loses no token", f"never sends {_shown(list(missing))} {came}")

    def _check_actions(self, observation: Observation) -> None:
        for path, actions in observation.actions.items():
            for name, number in actions.items():
                if type(number) is not int or number < 0:
                    self._fail(
                        "actions", f"counts {number!r} of {name!r} in {path}; counts are whole and at least 0"
                    )

    # -- telling ---------------------------------------------------------------------------------------------

    @contextmanager
    def _told(self, rule: str, what: str) -> Iterator[None]:
        """Turn any error into one that names the component and the rule."""
        try:
            yield
        except ConformanceError:
            raise
        except Exception as error:
            raise self._failure(rule, f"{what}: {type(error).__name__}: {error}") from error

    def _failure(self, rule: str, what: str) -> ConformanceError:
        return ConformanceError(rule, f"{self.cls.__name__} {what}")

    def _fail(self, rule: str, what: str) -> None:
        raise self._failure(rule, what)


def _waits_for_input_only(bench: Bench) -> bool:
    """Whether all tokens went in and nothing of the component waits for anything but more of them."""
    if not all(feed.done for feed in bench.feeds.values()):
        return False
    below = {id(unit) for part in parts_below(bench.component) for unit in part.units}
    ends = bench.simulation.wiring.ends
    waiting = [
        (wake, end.state) for end in ends for wake, waits in end.endpoint.parked() if waits is end.waits
    ]
    return all(state.startswith("wait-input") for wake, state in waiting if id(wake.unit) in below)


def _difference(one: Observation, other: Observation) -> str:
    """Return the first difference of two observations, in words."""
    if one.makespan != other.makespan:
        return f"{one.makespan} cycles, then {other.makespan}"
    for what in ("received", "accounts", "actions"):
        a, b = getattr(one, what), getattr(other, what)
        for key in a:
            if a[key] != b.get(key):
                return f"{what} of {key}: {_shown(a[key])}, then {_shown(b.get(key))}"
    return "other units"


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
