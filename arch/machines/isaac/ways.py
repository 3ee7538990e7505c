"""Ways from tile to tile: over the mesh of a chip, and by HyperTransport from chip to chip.

A tile has a link to its router and one back; routers stand in a grid, filled as a snake. The first way of
two tiles goes along a row and then along a column; others go along any one row or column of the grid. Chips
stand in a row, and half of a chip's HyperTransport links lead to each neighbour: from routers of its last
row, which have a port left, to those in the same column of the next chip's first row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from arch.fabric.topology import snake, straight
from arch.machines.isaac.configuration import IsaacConfig

#: Row and column of a router on its chip.
Spot = tuple[int, int]


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
    """All ways of a machine.

    rows, columns : of routers on a chip
    lanes : HyperTransport links from a chip to each neighbour
    """

    def __init__(self, config: IsaacConfig, tiles: int = 0) -> None:
        """Lay out chips with so many tiles in use; of a single one, only the rows that these need."""
        self._tiles, self._concentration = config.tiles, config.mesh.concentration
        routers = -(-config.tiles // self._concentration)
        self.columns = min(config.mesh.columns, routers)
        self.rows = -(-routers // self.columns)
        self.lanes = max(1, config.hypertransport.links // 2)
        self._known: dict[tuple[int, Spot, Spot], list[tuple[Leg, ...]]] = {}
        self._used, self._chips = tiles, -(-tiles // config.tiles)
        self._grid = self.rows, self.columns
        if self._chips <= 1:
            rows, few = divmod(-(-tiles // self._concentration), self.columns)
            self._grid = rows + (few > 0), self.columns if rows else few

    def first(self, source: int, target: int, lane: int) -> list[Leg]:
        """Return the links of the first way; those between chips take a lane."""
        return self._way(source, target, lane, rows_first=True)

    def others(self, source: int, target: int, lane: int) -> list[list[Leg]]:
        """Return the links of all other ways, the shortest first: between chips, the one by columns first."""
        (here, start), (there, end) = self.spot(source), self.spot(target)
        if here != there:
            return [self._way(source, target, lane, rows_first=False)]
        ends = Leg(source, self._name(here, start)), Leg(self._name(here, end), target)
        return [[ends[0], *way, ends[1]] for way in self._between(here, start, end)]

    def _between(self, chip: int, start: Spot, end: Spot) -> list[tuple[Leg, ...]]:
        """Return all ways but the first from router to router, the shortest first."""
        key = chip, start, end
        if key not in self._known:
            rows, columns = self._grid
            bends = [((row, start[1]), (row, end[1])) for row in range(rows)]
            bends += [((start[0], column), (end[0], column)) for column in range(columns)]
            ways = dict.fromkeys(tuple(self._through(chip, start, *bend, end)) for bend in bends)
            first = tuple(self._through(chip, start, (start[0], end[1]), end))
            self._known[key] = sorted((way for way in ways if way != first), key=len)
        return self._known[key]

    def legs(self) -> Iterator[Leg]:
        """Yield every link between tiles in use, routers and chips."""
        rows, columns = self._grid
        for tile in range(self._used):
            chip, spot = self.spot(tile)
            yield Leg(tile, self._name(chip, spot))
            yield Leg(self._name(chip, spot), tile)
        for chip in range(self._chips):
            for row in range(rows):
                for column in range(columns):
                    for near in ((row, column + 1), (row + 1, column)):
                        if near[0] < rows and near[1] < columns:
                            ends = self._name(chip, (row, column)), self._name(chip, near)
                            yield from (Leg(*ends), Leg(*ends[::-1]))
        for chip in range(self._chips - 1):
            for lane in range(self.lanes):
                ends = self._name(chip, self._gate(1, lane)), self._name(chip + 1, self._gate(-1, lane))
                yield from (Leg(*ends, lane), Leg(*ends[::-1], lane))

    def longest(self, senders: range, readers: range) -> Way:
        """Return the longest of the first ways between tiles of two layers."""
        if senders == readers and len(senders) == 1:
            return Way(0)
        starts, ends = self._spots(senders), self._spots(readers)
        way = Way(0)
        for here, start in starts.items():
            for there, end in ends.items():
                chips = abs(there - here)
                if not chips:
                    far = max(_links(a, b) for a in start for b in end)
                else:
                    far = max(self._far(here < there, start, end, lane) for lane in range(self.lanes))
                    far += chips + (chips - 1) * (self.rows - 1)
                way = max(way, Way(1 + far, chips), key=lambda w: (w.chips, w.routers))
        return way

    def spot(self, tile: int) -> tuple[int, Spot]:
        """Return chip and router of a tile."""
        chip, number = divmod(tile, self._tiles)
        return chip, snake(number // self._concentration, self.columns)

    def _way(self, source: int, target: int, lane: int, *, rows_first: bool) -> list[Leg]:
        if source == target:
            return []
        (here, spot), (there, end) = self.spot(source), self.spot(target)
        legs = [Leg(source, self._name(here, spot))]
        step = 1 if there > here else -1
        for chip in range(here, there, step):
            out, spot_there = self._gate(step, lane), self._gate(-step, lane)
            legs += self._bent(chip, spot, out, rows_first)
            legs.append(Leg(self._name(chip, out), self._name(chip + step, spot_there), lane))
            spot = spot_there
        return [*legs, *self._bent(there, spot, end, rows_first), Leg(self._name(there, end), target)]

    def _bent(self, chip: int, start: Spot, end: Spot, rows_first: bool) -> Iterator[Leg]:
        return self._through(chip, start, (start[0], end[1]) if rows_first else (end[0], start[1]), end)

    def _through(self, chip: int, *spots: Spot) -> Iterator[Leg]:
        """Yield the links along rows and columns through some routers."""
        for start, end in pairwise(spots):
            for here, there in pairwise([start, *_line(start, end)]):
                yield Leg(self._name(chip, here), self._name(chip, there))

    def _far(self, onward: bool, start: Iterable[Spot], end: Iterable[Spot], lane: int) -> int:
        """Return the links from routers to where a chip is left, and from where the last is entered."""
        out, into = (self._gate(step, lane) for step in ((1, -1) if onward else (-1, 1)))
        return max(_links(a, out) for a in start) + max(_links(into, b) for b in end)

    def _spots(self, tiles: range) -> dict[int, set[Spot]]:
        """Return the routers of some tiles, by chip."""
        spots: dict[int, set[Spot]] = {}
        for tile in tiles:
            chip, spot = self.spot(tile)
            spots.setdefault(chip, set()).add(spot)
        return spots

    def _gate(self, step: int, lane: int) -> Spot:
        """Return the router with a link to the next chip, or with -1 for `step` to the one before."""
        return (self.rows - 1 if step > 0 else 0), self._gate_columns[lane]

    @cached_property
    def _gate_columns(self) -> Sequence[int]:
        """Columns of the links between chips, spread over the row."""
        return [lane * (self.columns - 1) // max(1, self.lanes - 1) for lane in range(self.lanes)]

    def _name(self, chip: int, spot: Spot) -> str:
        row, column = spot
        place = self.columns - 1 - column if row % 2 else column
        return f"router[{(chip * self.rows + row) * self.columns + place}]"


def _links(a: Spot, b: Spot) -> int:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])


def _line(start: Spot, end: Spot) -> Iterator[Spot]:
    """Yield the routers behind `start` on the way to `end` in the same row or column."""
    if start[0] == end[0]:
        return ((start[0], column) for column in straight(start[1], end[1]))
    return ((row, start[1]) for row in straight(start[0], end[0]))
