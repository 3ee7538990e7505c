"""What any timed fabric is to the machine around it, whatever goes on inside."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Hashable, Sequence
from typing import Protocol

from arch.fabric.configuration import FabricConfig
from arch.fabric.interconnect import Interconnect
from arch.links import LinksConfig
from simcore import Component
from simcore.carried import CarriedEnd, Entry


class StageEntry(Entry, Protocol):
    """Where the pixels of one stage enter a fabric.

    load : keeps the values of a pixel that sets out, None in a run without values
    """

    load: Callable[[int], None] | None

    @property
    def most_under_way(self) -> int:
        """Pixels of which a copy may be in the fabric at once, at most."""

    def connect(self, ends: list[CarriedEnd]) -> None:
        """Take the stage's ends, one for each reader, in the order of their ways."""


class Network(Component):
    """All links and routers of the ways between cores, and an entry for each stage that sends by them."""

    @abstractmethod
    def lay_out(self, config: FabricConfig, costs: LinksConfig, interconnect: Interconnect) -> None:
        """Build the links and routers.

        costs : of links
        """

    @abstractmethod
    def entry(self, name: str, bits: int, delay: int, ways: Sequence[Hashable]) -> StageEntry:
        """Return the entry of a stage.

        bits : of one pixel
        delay : cycles from where a pixel is sent until it is here
        ways : of its readers, keys of the interconnect
        """


def passages(
    config: FabricConfig, interconnect: Interconnect, bits: int, delay: int, ways: Sequence[Hashable]
) -> list[int]:
    """Return the cycles from where a pixel is sent to each of its readers, if nothing holds it up."""
    flits = config.flits(bits)
    return [
        delay + config.zero_load_cycles(interconnect.length(key), interconnect.routers_on(key), flits)
        for key in ways
    ]
