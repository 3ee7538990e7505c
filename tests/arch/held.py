"""What operations of a machine's parts lasted in a run, beside what the parts say of them beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from arch import Machine, MachineRun, RunOptions
from simcore import Component, Operation, Simulation
from workloads import Network, lower


@dataclass(frozen=True)
class Kept(RunOptions):
    """Options of a run that records and whose parts can be looked at afterwards."""

    record: bool = True
    made: list[Simulation] = field(default_factory=list)

    def simulation(self, clocks: Any) -> Simulation:
        self.made.append(super().simulation(clocks))
        return self.made[-1]


@dataclass(frozen=True, eq=False)
class Held:
    """One operation of a part: what the part says it lasts, and what it did.

    told : one hold after the other and over again [cycle]; None if it says nothing
    ticks : of every hold
    """

    part: Component
    name: str
    operation: Operation
    told: tuple[int, ...] | None
    ticks: np.ndarray[Any, Any]

    @property
    def as_told(self) -> bool:
        assert self.told is not None
        return np.array_equal(
            self.ticks, np.resize(np.array(self.told) * self.part.clock.ticks, len(self.ticks))
        )


def held(parts: list[Component]) -> Iterator[Held]:
    """Yield every operation of parts that have been run recorded."""
    for part in parts:
        lasts = part.lasts()
        assert set(lasts) <= set(part._operations), f"{part.path} tells of what it has not: {lasts.keys()}"
        for name in part._operations:
            operation = getattr(part, name)
            told = tuple(lasts[name]) if name in lasts else None
            yield Held(part, name, operation, told, operation.intervals()[:, 1])


Drive = Callable[[Machine, Network, int, Kept], MachineRun]


def infer(machine: Machine, network: Network, images: int, options: Kept) -> MachineRun:
    return machine.simulate(machine.map(lower(network)), images, None, options)


def run_held(machine: Machine, network: Network, images: int = 2, drive: Drive = infer) -> list[Held]:
    """Run a network recorded, without values; return what its parts held."""
    options = Kept()
    drive(machine, network, images, options)
    return list(held(options.made[0].parts))
