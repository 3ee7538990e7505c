"""The conformance kit: honest components pass, and each planted bug is caught by the name of its rule."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from imcsim.testing import ConformanceError, check_component
from simcore import Component, Counter, In, ModelError, Operation
from tests.imcsim.honest_components import (
    Box,
    BusStage,
    Closed,
    Consumer,
    Final,
    Foretold,
    Generator,
    Joiner,
    Passive,
    Pool,
    Splitter,
    Stage,
    StageConfig,
    Window,
)
from tests.imcsim.planted_bugs import (
    Cancelling,
    Crashing,
    Doubling,
    DoublingTheLast,
    Dropping,
    Eager,
    Forgetful,
    Greedy,
    Held,
    Inventing,
    Lying,
    Partisan,
    Random,
    Required,
    Stuck,
    Swapping,
    Timeless,
    Unbounded,
    Unexplained,
    Vain,
    Waiting,
    declared,
    giving,
)


@pytest.mark.parametrize(
    "cls", [Stage, Foretold, Box, Joiner, BusStage, Generator, Consumer, Passive, Closed]
)
def test_honest_components_pass(cls: type[Component]) -> None:
    check_component(cls)


def test_a_component_passes_in_any_configuration() -> None:
    for cycles in (0, 1, 20):
        check_component(Stage, StageConfig(cycles=cycles))


def test_an_operation_may_be_set_by_a_parameter_of_a_machine() -> None:
    check_component(declared(work=Operation(doc="serving a token", set_by=("cycles", "core.adc.bits"))))


def test_other_ratios_and_behaviours_can_be_declared() -> None:
    check_component(Pool, ratio=Fraction(1, 4), tokens=18)
    check_component(Window, behaviour=lambda fed: {"window_out": fed["pixel_in"][:-2]})
    check_component(
        Splitter,
        behaviour=lambda fed: {"even_out": fed["token_in"][::2], "odd_out": fed["token_in"][1::2]},
    )


def test_what_a_machine_would_set_can_be_set() -> None:
    def shorten(window: Window) -> None:
        window.pixels = 10

    windows = {"window_out": list(range(8))}
    check_component(Window, prepare=shorten, tokens=10, behaviour=lambda fed: windows)


def caught(cls: type[Component], **options: Any) -> tuple[str, str]:
    """Return the rule that a component breaks, and the whole message."""
    with pytest.raises(ConformanceError) as caught:
        check_component(cls, **options)
    assert isinstance(caught.value, ModelError)
    assert cls.__name__ in str(caught.value)
    assert caught.value.rule in str(caught.value)
    return caught.value.rule, str(caught.value)


@pytest.mark.parametrize(
    ("cls", "rule", "says"),
    [
        (Dropping, "loses no token", "never sends [7] at token_out"),
        (Doubling, "doubles no token", "sends [7] too often or unasked at token_out"),
        (DoublingTheLast, "doubles no token", "sends [23] too often"),
        (Inventing, "doubles no token", "sends [99] too often or unasked"),
        (Swapping, "keeps the order", "lets tokens overtake one another at token_out: expected [0, 1, 2"),
        (Stuck, "loses no token", "never sends [23]"),
        (Held, "never gets stuck", "the circle of waits (2 units)"),
        (Waiting, "accounting", "an uncharged wait (a bare timeout or event) in Waiting.serve"),
        (Lying, "accounting", "a hold that lies (not yielded) in Lying.serve"),
        (Forgetful, "accounting", "a hold that lies (not yielded) in Forgetful.serve"),
        (Cancelling, "accounting", "was charged busy:work until 38, but blocked-output:token_out from 35"),
        (Timeless, "lets time pass", "livelock at tick"),
        (Crashing, "runs without errors", "ZeroDivisionError"),
        (Random, "the same run twice is equal", "behaves differently: "),
        (Eager, "the order of starting changes nothing", "behaves differently: "),
        (Partisan, "both engines agree", "behaves differently: "),
        (Vain, "recording changes nothing", "behaves differently: "),
        (Greedy, "never gets stuck", "is blocked by nobody that still runs"),
    ],
)
def test_a_planted_bug_in_behaviour_is_caught_by_name(cls: type[Component], rule: str, says: str) -> None:
    broken, message = caught(cls)
    assert broken == rule
    assert says in message


@pytest.mark.parametrize(
    ("cls", "rule", "says"),
    [
        (declared(__doc__=""), "documented", "has no docstring"),
        (declared(spare_in=In(int, doc=" ")), "documented", "declares spare_in without a doc"),
        (declared(work=Operation(doc="")), "documented", "declares work without a doc"),
        (
            declared(work=Operation(doc="work", set_by=("cycels",))),
            "names what sets its time",
            "says that work is set by 'cycels', which is no parameter of StageConfig",
        ),
        (
            giving(lasts={"work": (3, 4)}),
            "lasts as long as it says",
            "says that work lasts 4 ticks at its hold 1, but held it for 3",
        ),
        (giving(lasts={"wrok": (3,)}), "lasts as long as it says", "tells of 'wrok', which is no operation"),
        (giving(lasts={"work": ()}), "lasts as long as it says", "tells nothing of 'work'"),
        (declared(moved=Counter(unit="", doc="bytes")), "documented", "counts moved without a unit"),
        (declared(Config=Unexplained), "documented", "has a parameter size without a doc"),
        (declared(Config=Unbounded), "bounded parameters", "has a number size without bounds"),
        (declared(Config=Required), "drivable", "needs a configuration: Required.size is missing"),
        (giving(actions={"work": -1}), "actions", "counts -1 of 'work' in bench.it"),
        (giving(actions={"work": 1.5}), "actions", "counts 1.5 of 'work'"),
        (giving(action_energy={"work": -1e-12}), "energy and area", "give -1e-12 for work; it is at least 0"),
        (
            giving(action_energy={"wrok": 1e-12}),
            "energy and area",
            "'wrok', which its actions() never counts",
        ),
        (giving(area=float("nan")), "energy and area", "give nan for area"),
        (giving(static_power=float("inf")), "energy and area", "give inf for static_power"),
        (
            declared(Box, token_in=In(int, doc="tokens"), build=lambda self: None),
            "shows its ports",
            "behind token_in",
        ),
        (
            declared(Box, build=lambda self: self.add(Stage, "stage", StageConfig())),
            "shows its ports",
            "neither",
        ),
        (declared(build=lambda self: self.rows), "builds", "could not be built alone; pass prepare="),
        (declared(Generator, items=0), "drivable", "sends nothing by itself; pass prepare="),
        (
            declared(Final, build=lambda self: None),
            "conservation",
            "were never taken",
        ),
    ],
)
def test_a_planted_bug_in_declarations_is_caught_by_name(cls: type[Component], rule: str, says: str) -> None:
    broken, message = caught(cls)
    assert broken == rule
    assert says in message


def test_a_source_without_end_is_told_to_be_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imcsim.conformance_bench.PATIENCE_S", 0.0)
    rule, message = caught(declared(Generator, items=10**9))
    assert rule == "comes to an end"
    assert "never stops sending" in message


def test_a_behaviour_that_tells_of_other_ports_is_refused() -> None:
    rule, message = caught(Stage, behaviour=lambda fed: {"out": fed["token_in"]})
    assert rule == "drivable"
    assert "has the outputs ['token_out'], but behaviour= tells of ['out']" in message


def test_only_component_classes_are_taken() -> None:
    wrong: Any = StageConfig
    with pytest.raises(ConformanceError, match="check_component takes a Component's class, got"):
        check_component(wrong)
