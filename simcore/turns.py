"""Taking turns: one sender that deals its tokens out to several readers, one reader that collects from many.

Token k goes to, or comes from, side k mod n, whether or not another side is ready: nobody chooses, so it
needs no arbiter. Each side is a channel of its own, under the visibility rule.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from simcore.channel import Endpoint
from simcore.commands import Engine, Park, Ready, Wake
from simcore.fan import Puts


class Deal(Endpoint):
    """Writing end over several others, each of which gets every n-th token."""

    __slots__ = ("_sides", "_turn", "sides")

    def __init__(self, engine: Engine, name: str, sides: Sequence[Puts]) -> None:
        super().__init__(engine, name)
        self.sides = tuple(sides)
        self._sides = [side.put for side in sides]
        self._turn = 0

    def standing(self, now: int) -> Sequence[int]:
        """Return whose turn it is."""
        return (self._turn,)

    def put(self, token: Any, wake: Wake | None = None) -> Ready | Park:
        """Hand a token to the side whose turn it is, waiting until it has room."""
        turn = self._turn
        self._turn = turn + 1 if turn + 1 < len(self._sides) else 0
        return self._sides[turn](token, wake)


class Collect(Endpoint):
    """Reading end over several channels, each of which gives every n-th token."""

    __slots__ = ("_gets", "_turn", "channels")

    def __init__(self, engine: Engine, name: str, channels: Sequence[Any]) -> None:
        super().__init__(engine, name)
        self.channels = tuple(channels)
        self._gets: list[Callable[[], Ready | Park]] = [channel.get for channel in channels]
        self._turn = 0

    def standing(self, now: int) -> Sequence[int]:
        """Return whose turn it is."""
        return (self._turn,)

    def get(self) -> Ready | Park:
        """Take the oldest token of the side whose turn it is, waiting until there is one."""
        turn = self._turn
        self._turn = turn + 1 if turn + 1 < len(self._gets) else 0
        return self._gets[turn]()
