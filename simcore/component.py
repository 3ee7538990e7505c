"""Components: classes that declare ports, operations and processes, and composites that wire them.

The class says what the outside may rely on; an instance is built by its parent, which connects its ports. A
process is a method marked `@process`; it runs for ever, waits at ports and holds operations. Each process is
one unit of the accounts. A composite overrides `build`, adds children and connects them, and may show their
ports as its own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from simcore.accounting import Unit
from simcore.arbiter import Rule
from simcore.carried import CarriedEnd, Entry
from simcore.channel import Endpoint, Waits
from simcore.clocks import Clock
from simcore.commands import DONE, Engine
from simcore.config import PartConfig, part
from simcore.errors import ConfigError, WiringError
from simcore.history import Book
from simcore.laws import Law
from simcore.operation import Counter, Operation, bind_operation
from simcore.ports import Port
from simcore.registry import Registry
from simcore.relay import Relay
from simcore.wiring import Wiring

Process = Generator[Any, Any, Any]
C = TypeVar("C", bound="Component")
F = TypeVar("F", bound=Callable[..., Process])


def process(method: F) -> F:
    """Mark a method as a process: it is started at cycle 0 and has a unit of its own in the accounts."""
    vars(method)["is_process"] = True  # an attribute that type checkers need not know of
    return method


class Builder(Protocol):
    """What components ask of the simulation that they belong to; see `simcore.simulation.Simulation`."""

    engine: Engine
    wiring: Wiring
    laws: list[Law]
    recording: bool

    @property
    def over(self) -> bool:
        """Whether the makespan is reached, and what is still under way drains."""

    def clock(self, name: str | None) -> Clock:
        """Return a clock domain by name, the reference clock for None."""

    def adopt(self, component: Component) -> None:
        """Take note of a component."""

    def note_edge(self, component: Component, name: str, ticks: int, *, holds: bool) -> None:
        """Note that the running process waits for an edge, or holds an operation until one."""

    def note_event(self) -> None:
        """Note that the running process waits for an event of SimPy."""

    def charge_event(self, event: Any, resource: str) -> Any:
        """Charge the running process's wait for a SimPy event to a resource."""

    def expect(self, total: int, what: str, done: Callable[[], int]) -> None:
        """Say what the run is for."""

    def arrived(self) -> None:
        """Say that one of the expected outputs has arrived, but not the last one."""

    def finish(self, last: Unit | None = None) -> None:
        """Say that every output that the component expects has arrived, the last one at a unit."""


class ComponentRegistry(Registry[type["Component"]]):
    """Components by the name that users write as `kind`."""

    def register(self, name: str) -> Callable[[type[C]], type[C]]:
        """Return a decorator that registers a component class as `name`."""
        remember = super().register(name)

        def decorate(cls: type[C]) -> type[C]:
            cls.kind = name
            remember(cls)
            return cls

        return decorate

    def config_of(self, kind: str) -> type[PartConfig]:
        """Return the configuration class of a kind; UnknownNameError tells the nearest spelling."""
        return self[kind].Config


components = ComponentRegistry("component")


def component_part(default_kind: str, *, doc: str) -> Any:
    """Declare a configuration's field that chooses a registered component; see `simcore.config.part`."""
    return part(default_kind, lookup=components.config_of, doc=doc)


class Component:
    """Base of all hardware models; see the module.

    config : its frozen configuration
    path : instance path, as in `core[conv1].crossbar[0,1]`
    layer : the network layer it works for, None where it is shared
    books : whatever else it keeps that grows by the same in every period of a run that repeats
    """

    kind: ClassVar[str] = ""
    Config: ClassVar[type[PartConfig]] = PartConfig

    #: What reports call it when they add up energy and area; the family's noun, as `crossbar` or `buffer`.
    family: ClassVar[str] = "other"

    #: Whether its intervals are, in runs that record; without, its units have accounts only.
    recorded: ClassVar[bool] = True

    config: Any

    _ports: ClassVar[dict[str, Port]] = {}
    _operations: ClassVar[dict[str, Operation]] = {}
    _counters: ClassVar[dict[str, Counter]] = {}
    _processes: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._ports = cls._collect("_ports", Port)
        cls._operations = cls._collect("_operations", Operation)
        cls._counters = cls._collect("_counters", Counter)
        inherited = [name for base in reversed(cls.__mro__) for name in vars(base).get("_processes", ())]
        own = [name for name, value in vars(cls).items() if getattr(value, "is_process", False)]
        cls._processes = tuple(dict.fromkeys((*inherited, *own)))
        for name, operation in cls._operations.items():
            if cls._processes and cls._holder(operation) not in cls._processes:
                raise WiringError(
                    f"{cls.__name__}.{name} must name the process that holds it, one of "
                    f"{', '.join(cls._processes)}: Operation(..., process=...)"
                )

    @classmethod
    def _collect(cls, where: str, declaration: type) -> dict[str, Any]:
        """Move a class's declarations out of its namespace: instances then find their own faster."""
        own = {name: value for name, value in vars(cls).items() if isinstance(value, declaration)}
        for name in own:
            delattr(cls, name)
        collected: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            collected |= vars(base).get(where, {})
        return collected | own

    @classmethod
    def _holder(cls, operation: Operation) -> str:
        """Return the process that holds an operation: the declared one, or the only one there is."""
        return operation.process or (cls._processes[0] if len(cls._processes) == 1 else "")

    def __init__(
        self,
        simulation: Builder,
        path: str,
        config: PartConfig,
        layer: str | None = None,
        clock: str | None = None,
    ) -> None:
        if not isinstance(config, self.Config):
            raise ConfigError(
                f"{path} is a {type(self).__name__} and takes a {self.Config.__name__}, "
                f"got {type(config).__name__}"
            )
        self.simulation = simulation
        self.config = config
        self.path = path
        self.layer = layer
        self.clock = simulation.clock(clock)
        self.children: list[Component] = []
        for name, port in self._ports.items():
            setattr(self, name, port.of(self, name))
        self.ports: list[Port] = [getattr(self, name) for name in self._ports]
        self.counters: list[Counter] = []
        self.books: list[Book] = []
        for name, counter in self._counters.items():
            own = Counter(counter.name or name, unit=counter.unit, doc=counter.doc)
            self.counters.append(own)
            setattr(self, name, own)
        simulation.adopt(self)
        self.units = [
            Unit(path if len(self._processes) == 1 else f"{path}.{name}", self, name)
            for name in self._processes
        ]
        self.operations = [self._bind(name, declared) for name, declared in self._operations.items()]
        self.build()

    def _bind(self, name: str, declared: Operation) -> Operation:
        holder = self._holder(declared)
        unit = next((u for u in self.units if u.process == holder), None)
        if unit is None:
            raise WiringError(
                f"{self.path} declares operation {name!r} but has no process that could hold it"
            )
        siblings = sum(self._holder(other) == holder for other in self._operations.values())
        bound = bind_operation(
            name,
            declared,
            unit,
            self.simulation.engine,
            self.clock.ticks,
            alone=siblings == 1,
            record=self.simulation.recording,
        )
        setattr(self, name, bound)
        return bound

    # -- for composites --------------------------------------------------------------------------------------

    def build(self) -> None:
        """Add and connect children; a leaf has none."""

    def add(
        self,
        cls: type[C],
        name: str,
        config: PartConfig,
        *,
        layer: str | None = None,
        clock: str | None = None,
    ) -> C:
        """Build a child and return it; layer and clock are those of this component unless told otherwise."""
        path = f"{self.path}.{name}" if self.path else name
        child = cls(self.simulation, path, config, layer or self.layer, clock or self.clock.name)
        self.children.append(child)
        return child

    def port(self, declaration: Port, name: str) -> Any:
        """Return a further port of this instance, where their number depends on the configuration."""
        port = declaration.of(self, name)
        self.ports.append(port)
        return port

    def connect(self, source: Any, target: Any, depth: int | None = 1, latency: int = 0) -> None:
        """Let tokens go from an Out to an In, which they reach after `latency` cycles.

        depth : tokens that may be under way or waiting; 0 holds none, so a token goes over when both sides
            are there; None, without bound, only into a BufferIn
        """
        self.simulation.wiring.connect(source, target, depth, latency)

    def carry(self, source: Any, target: Any, depth: int | None, entry: Entry, reader: int) -> CarriedEnd:
        """Let tokens go from an Out to a BufferIn over a network that they get into by `entry`.

        reader : which of the readers of that entry this is
        returns : the sender's end, which the entry retries once it has a place again
        """
        return self.simulation.wiring.carry(source, target, depth, entry, reader)

    def account(self, endpoint: Endpoint, state: str, waits: Waits) -> None:
        """Charge a unit's waits at an endpoint that no port leads to, as to a state."""
        self.simulation.wiring.account(self, state, waits, endpoint)

    def gather(self, sources: list[Any], target: Any, depth: int = 1, latency: int = 0) -> None:
        """Let an In take tokens of which each source makes a part, `latency` cycles after the last part."""
        self.simulation.wiring.gather(sources, target, depth, latency)

    def deal(self, source: Any, groups: list[list[Any]], depth: int = 1, latency: int = 0) -> None:
        """Let groups of Ins take an Out's tokens in turn: token k goes to all Ins of group k mod n."""
        self.simulation.wiring.deal(source, groups, depth, latency)

    def collect(self, groups: list[list[Any]], target: Any, depth: int = 1, latency: int = 0) -> None:
        """Let an In take tokens of groups of Outs in turn: token k is gathered from group k mod n."""
        self.simulation.wiring.collect(groups, target, depth, latency)

    def merge(
        self, sources: list[Any], target: Any, depth: int = 1, latency: int = 0, rule: Rule = "round-robin"
    ) -> None:
        """Let an In take tokens of several Outs, one a cycle; `rule` chooses among those that wait.

        The order of `sources` is that of their turns, of their priorities, and among equals of any rule.
        """
        self.simulation.wiring.merge(sources, target, depth, latency, rule)

    def share(self, requesters: list[Any], name: str, capacity: int = 1, rule: Rule = "round-robin") -> None:
        """Let the Shared ports of several components take turns on a resource of which there are `capacity`.

        name : as in `wait-resource:NAME`, the state in which they wait for it
        """
        path = f"{self.path}.{name}" if self.path else name
        self.simulation.wiring.share(requesters, path, name, capacity, rule)

    # -- for processes ---------------------------------------------------------------------------------------

    def relay(self, operation: Operation, source: Any, target: Any) -> Relay:
        """Return the running process's way from an In over an operation to an Out, one command a token."""
        source, target = (p.connected() if isinstance(p, Port) else p for p in (source, target))
        return Relay(self.simulation.engine, operation, source, target)

    def waits_for(self, event: Any, resource: str) -> Any:
        """Return a SimPy event to be yielded; the wait is charged to `wait-resource:resource` of the unit."""
        self.simulation.note_event()
        return self.simulation.charge_event(event, resource)

    def until_edge(self, cycles: int, resource: str) -> Any:
        """Return the command that waits for the next multiple of so many cycles, which may be now.

        The wait is charged to `wait-resource:resource` of the unit.
        """
        ticks = cycles * self.clock.ticks
        engine = self.simulation.engine
        early = -engine.now % ticks
        self.simulation.note_edge(self, resource, ticks, holds=False)
        return self.simulation.charge_event(engine.timeout(early), resource) if early else DONE

    def hold_until_edge(self, operation: Operation, cycles: int) -> int:
        """Return the command that holds an operation until the next multiple of so many cycles."""
        ticks = self.clock.ticks
        command = operation.hold(-(self.simulation.engine.now // ticks) % cycles)
        self.simulation.note_edge(self, operation.name, cycles * ticks, holds=True)
        return command

    def phase(self, items: int) -> tuple[int, ...] | None:
        """Return where its processes stand in what they do for each item, relative to `items` finished.

        It is for skipping what repeats (`simcore.steady`): whatever its processes remember from one token to
        the next must be in it, as numbers that are the same when all is the same some items later. Where they
        stand in their code, and what ports and operations hold, is known. Processes that remember nothing
        return (); None, the default, says that nobody can tell.
        """
        return None

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles that operations last, one hold after the other and then over again.

        They are by the name of the operation's attribute, in cycles of this component's clock. One whose time
        is known before the run, by configuration, mapping and network, is in it; one that data, chance or
        other parts decide on is not. A process holds what this says: both read the same numbers.
        """
        return {}

    def edges(self) -> Mapping[str, int]:
        """Return the cycles between edges that it waits for, by the names that it gives `until_edge`."""
        return {}

    # -- for reports -----------------------------------------------------------------------------------------

    def actions(self) -> dict[str, int]:
        """Return how often each action was done; override it to add what follows from the counts."""
        counted: list[Operation | Counter] = [*self.operations, *self.counters]
        return {item.name: item.count for item in counted}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of one action [J] by name; actions that cost nothing may be missing."""
        return {}

    def static_power(self) -> float:
        """Return the power drawn all the time [W]."""
        return 0.0

    def area(self) -> float:
        """Return the area of this component without its children [mm2]."""
        return 0.0
