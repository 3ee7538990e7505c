"""Components: what a class declares, how instances are wired, and what is said when that cannot work."""

from __future__ import annotations

import pytest

from simcore import (
    Component,
    ConfigError,
    Counter,
    In,
    Operation,
    Out,
    PartConfig,
    Process,
    Simulation,
    WiringError,
    clock,
    component_part,
    components,
    param,
    process,
)
from simcore.simulation import EngineName
from tests.benches import ENGINES, Drain, Feed, Stage, StageConfig, build_top, run_component


class Converter(Component):
    """Two processes that share a register: one takes tokens, one hands them on in pairs."""

    token_in = In(int, doc="tokens")
    pair_out = Out(int, doc="the second of each two")
    sample = Operation(doc="sampling", process="take")
    settle = Operation(doc="settling", process="take")
    convert = Operation(doc="converting", process="give")
    lost = Counter(unit="token", doc="firsts of pairs")

    @process
    def take(self) -> Process:
        while True:
            yield self.token_in.get()
            yield self.sample.hold(1)
            yield self.settle.hold(2)

    @process
    def give(self) -> Process:
        for token in range(1, 6, 2):
            yield self.convert.hold(5)
            self.lost.add(1)
            yield self.pair_out.put(token)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_process_is_a_unit_and_holds_its_own_operations(engine: EngineName) -> None:
    def build(top: Component) -> None:
        feed = top.add(Feed, "feed", PartConfig())
        feed.items = 6
        converter = top.add(Converter, "converter", PartConfig())
        drain = top.add(Drain, "drain", PartConfig())
        drain.items = 3
        top.connect(feed.token_out, converter.token_in)
        top.connect(converter.pair_out, drain.token_in)
        parts.append(converter)

    parts: list[Converter] = []
    outcome = run_component(build, engine=engine)
    ticks = {account.path: account.ticks for account in outcome.accounts}
    assert ticks["top.converter.take"] == {"busy:sample": 5, "busy:settle": 10}
    assert ticks["top.converter.give"] == {"busy:convert": 15}
    (converter,) = parts
    assert converter.actions() == {"sample": 6, "settle": 6, "convert": 3, "lost": 3}


def test_a_component_is_asked_once_what_it_did() -> None:
    asked: list[str] = []

    class Asked(Stage):
        def actions(self) -> dict[str, int]:
            asked.append(self.path)
            return {**super().actions(), "asked": len(asked)}

        def action_energy(self) -> dict[str, float]:
            return {"asked": 2.0}

    def build(top: Component) -> None:
        feed, drain = top.add(Feed, "feed", PartConfig()), top.add(Drain, "drain", PartConfig())
        feed.items = drain.items = 3
        stage = top.add(Asked, "stage", StageConfig())
        top.connect(feed.token_out, stage.token_in)
        top.connect(stage.token_out, drain.token_in)

    outcome = run_component(build)
    assert asked == ["top.stage"]
    assert outcome.energy.actions["top.stage"]["asked"] == 1
    assert {part.path: part.dynamic_j for part in outcome.parts}["top.stage"] == 2.0


def test_an_instance_has_its_own_copy_of_what_the_class_declares() -> None:
    top = build_top()
    first, second = (top.add(Converter, name, PartConfig()) for name in ("first", "second"))
    assert first.token_in is not second.token_in
    assert first.sample is not second.sample
    first.lost.add(2)
    assert (first.lost.count, second.lost.count) == (2, 0)
    assert [port.path for port in second.ports] == ["top.second.token_in", "top.second.pair_out"]
    assert [operation.name for operation in second.operations] == ["sample", "settle", "convert"]
    assert [unit.path for unit in first.units] == ["top.first.take", "top.first.give"]


def test_a_subclass_inherits_replaces_and_adds_declarations() -> None:
    class Doubler(Stage):
        work = Operation("double", doc="doubling")
        extra = Counter(unit="token", doc="tokens doubled")

    part = build_top().add(Doubler, "doubler", StageConfig())
    assert [operation.name for operation in part.operations] == ["double"]
    assert [port.name for port in part.ports] == ["token_in", "token_out"]
    assert [unit.path for unit in part.units] == ["top.doubler"]


def test_declarations_of_several_bases_come_together() -> None:
    class Logs(Component):
        logged = Counter(unit="token", doc="tokens logged")

    class LoggingStage(Stage, Logs):
        pass

    part = build_top().add(LoggingStage, "stage", StageConfig())
    assert [counter.name for counter in part.counters] == ["logged"]
    assert [port.name for port in part.ports] == ["token_in", "token_out"]


def test_siblings_may_hold_an_inherited_operation_in_processes_of_different_names() -> None:
    class Abstract(Component):
        work = Operation(doc="whatever the subclass does")

    class Serving(Abstract):
        @process
        def serve(self) -> Process:
            yield self.work.hold(1)

    class Running(Abstract):
        @process
        def run(self) -> Process:
            yield self.work.hold(1)

    top = build_top()
    for cls in (Serving, Running):
        assert top.add(cls, cls.__name__, PartConfig()).operations[0].process in ("serve", "run")


def test_an_operation_beside_several_processes_must_name_its_own() -> None:
    with pytest.raises(WiringError, match=r"Vague.work must name the process that holds it, one of a, b: Op"):

        class Vague(Component):
            work = Operation(doc="work")

            @process
            def a(self) -> Process:
                yield self.work.hold(1)

            @process
            def b(self) -> Process:
                yield self.work.hold(1)


def test_an_operation_without_a_process_is_refused() -> None:
    class Idle(Component):
        work = Operation(doc="work")

    with pytest.raises(
        WiringError, match=r"top.idle declares operation 'work' but has no process that could"
    ):
        build_top().add(Idle, "idle", PartConfig())


def test_a_component_takes_its_own_configuration_only() -> None:
    with pytest.raises(ConfigError, match=r"top\.stage is a Stage and takes a StageConfig, got PartConfig"):
        build_top().add(Stage, "stage", PartConfig())


def test_two_children_of_one_name_are_refused() -> None:
    top = build_top()
    top.add(Stage, "stage", StageConfig())
    with pytest.raises(WiringError, match=r"two components are called 'top.stage'; number them"):
        top.add(Stage, "stage", StageConfig())


def test_a_registered_component_is_found_by_kind() -> None:
    @components.register("test-stage")
    class Registered(Stage):
        pass

    class Machine(PartConfig):
        stage: StageConfig = component_part("test-stage", doc="a part that is a choice")

    assert Registered.kind == "test-stage"
    assert components["test-stage"] is Registered
    assert components.config_of("test-stage") is StageConfig
    assert Machine.parse({"stage": {"cycles": [3]}}).stage.cycles == (3,)


def test_ports_may_be_as_many_as_the_configuration_says() -> None:
    class FanConfig(PartConfig):
        ways: int = param(2, ge=1, unit="port", doc="outputs")

    class Fan(Component):
        Config = FanConfig

        token_in = In(int, doc="tokens")

        def build(self) -> None:
            self.token_out = [
                self.port(Out(int, doc="every second, third, ... token"), f"token_out[{i}]")
                for i in range(self.config.ways)
            ]

        @process
        def serve(self) -> Process:
            while True:
                for port in self.token_out:
                    token = yield self.token_in.get()
                    yield port.put(token)

    drains: list[Drain] = []

    def build(top: Component) -> None:
        feed = top.add(Feed, "feed", PartConfig())
        feed.items = 9
        fan = top.add(Fan, "fan", FanConfig(ways=3))
        top.connect(feed.token_out, fan.token_in)
        for i, port in enumerate(fan.token_out):
            drain = top.add(Drain, f"drain[{i}]", PartConfig())
            drain.items = 3
            drains.append(drain)
            top.connect(port, drain.token_in, depth=3)

    run_component(build)
    assert [drain.received for drain in drains] == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


def test_an_operation_names_what_sets_its_time_and_each_instance_may_have_more() -> None:
    class Timed(Component):
        Config = StageConfig

        work = Operation(doc="work", set_by=("cycles",))

        @process
        def serve(self) -> Process:
            yield self.work.hold(self.config.cycles)

    one, other = (Simulation([clock("core", 10**9)]).build(Timed, StageConfig(), "it") for _ in range(2))
    other.work.set_by += ("machine.cycles",)
    assert one.work.set_by == ("cycles",)
    assert other.work.set_by == ("cycles", "machine.cycles")
    assert one.lasts() == {}


def test_a_name_alone_is_no_list_of_names() -> None:
    with pytest.raises(
        WiringError, match=r"set_by must be a tuple of names, got 'cycles'; write \('cycles',\)"
    ):
        Operation(doc="work", set_by="cycles")
