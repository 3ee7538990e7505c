"""Ways from tile to tile: over the mesh of a chip, and by HyperTransport from chip to chip.

A tile has a link to its router and one back; routers stand in a grid, filled as a snake, and ways go along a
row first. Chips stand in a row, and half of a chip's HyperTransport links lead to each neighbour: from routers
of its last row, whose ports nothing else takes, to those in the same column of the next chip's first row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from arch.fabric.grids import Mesh
from arch.fabric.topology import snake
from arch.machines.isaac.configuration import IsaacConfig


class Leg(NamedTuple):
    """One link of a way; tiles and routers are counted over all chips.

    source, target : tiles are numbers, routers names
    lane : of the HyperTransport links between two chips, which one; None within a chip
    """

    source: int | str
    target: int | str
    lane: int | None = None


class Way(NamedTuple):
    """How long a way is.

    routers : on it; none within one tile
    chips : that it goes on to
    """

    routers: int
    chips: int = 0

    def cycles(self, config: IsaacConfig, size: int) -> int:
        """Return digital cycles in which so many bytes have passed if nothing is in their way, or more."""
        if not self.routers:
            return 0
        between = self.chips * config.hypertransport_cycles(size)
        return between + config.mesh_cycles(self.routers, config.flits(size))


class Ways:
    """All ways of a machine."""

    def __init__(self, config: IsaacConfig) -> None:
        self._tiles, self._concentration = config.tiles, config.mesh.concentration
        routers = -(-config.tiles // self._concentration)
        self.columns = min(config.mesh.columns, routers)
        self.rows = -(-routers // self.columns)
        self.lanes = max(1, config.hypertransport.links // 2)
        self._grid = Mesh(rows=self.rows, columns=self.columns)

    def legs(self, source: int, target: int, lane: int) -> list[Leg]:
        """Return the links from one tile to another; ways between chips take a lane."""
        if source == target:
            return []
        here, router = divmod(source, self._tiles)
        there, last = divmod(target, self._tiles)
        legs = [Leg(source, self._name(here, router // self._concentration))]
        router //= self._concentration
        step = 1 if there > here else -1
        for chip in range(here, there, step):
            legs += self._within(chip, router, self._gate(step, lane))
            router = self._gate(-step, lane)
            legs.append(Leg(legs[-1].target, self._name(chip + step, router), lane))
        legs += self._within(there, router, last // self._concentration)
        return [*legs, Leg(legs[-1].target, target)]

    def longest(self, senders: range, readers: range) -> Way:
        """Return the longest way between tiles of two layers."""
        if senders == readers and len(senders) == 1:
            return Way(0)
        starts, ends = self._routers(senders), self._routers(readers)
        way = Way(0)
        for here, start in starts.items():
            for there, end in ends.items():
                if here == there:
                    far = max(abs(y - v) + abs(x - u) for y, x in start for v, u in end)
                else:
                    far = max(self._far(here, start, there, end, lane) for lane in range(self.lanes))
                way = max(way, Way(1 + far, abs(there - here)), key=lambda w: (w.chips, w.routers))
        return way

    def _far(
        self, here: int, start: set[tuple[int, int]], there: int, end: set[tuple[int, int]], lane: int
    ) -> int:
        """Return the links from router to router on the longest way between chips."""
        step = 1 if there > here else -1
        (out, column), (into, _) = (snake(self._gate(s, lane), self.columns) for s in (step, -step))
        first = max(abs(y - out) + abs(x - column) for y, x in start)
        last = max(abs(y - into) + abs(x - column) for y, x in end)
        return first + last + abs(there - here) + (abs(there - here) - 1) * (self.rows - 1)

    def _routers(self, tiles: range) -> dict[int, set[tuple[int, int]]]:
        """Return row and column of the routers of some tiles, by chip."""
        places: dict[int, set[tuple[int, int]]] = {}
        for tile in tiles:
            chip, number = divmod(tile, self._tiles)
            places.setdefault(chip, set()).add(snake(number // self._concentration, self.columns))
        return places

    def _within(self, chip: int, source: int, target: int) -> Iterator[Leg]:
        """Yield the links from one router of a chip to another."""
        route = self._grid.route(self.rows * self.columns, source, target)
        for here, there in pairwise(route):
            yield Leg(self._name(chip, int(here)), self._name(chip, int(there)))

    def _gate(self, step: int, lane: int) -> int:
        """Return the router with a link to the next chip, or with -1 for `step` to the one before."""
        row, column = (self.rows - 1 if step > 0 else 0), self._columns[lane]
        return row * self.columns + (self.columns - 1 - column if row % 2 else column)

    @cached_property
    def _columns(self) -> Sequence[int]:
        """Columns of the links between chips, spread over the row."""
        return [lane * (self.columns - 1) // max(1, self.lanes - 1) for lane in range(self.lanes)]

    def _name(self, chip: int, router: int) -> str:
        return f"router[{chip * self.rows * self.columns + router}]"
