"""Topologies in a plane: meshes and tori whose cores are filled as a snake, and meshes of shared routers."""

from __future__ import annotations

from collections.abc import Iterator
from math import cos, isqrt, pi, sin
from typing import Literal

from arch.fabric.topology import (
    Channel,
    Point,
    Topology,
    Vertex,
    around,
    both_ways,
    fabrics,
    snake,
    straight,
)
from simcore import MappingError, param


@fabrics.register("mesh")
class Mesh(Topology):
    """Rows and columns of cores with channels both ways between neighbours, filled as a snake."""

    rows: int | None = param(None, ge=1, unit="core", doc="cores in a column; null: as many as it takes")
    columns: int | None = param(
        None, ge=1, unit="core", doc="cores in a row; null: of the smallest square that has enough"
    )
    first: Literal["row", "column"] = param("row", unit="one of", doc="what a route goes along first")

    def grid(self, cores: int) -> tuple[int, int]:
        """Return rows and columns; the last row is there as a whole.

        raises : MappingError if both are given, and are too few
        """
        if self.rows and self.columns and self.rows * self.columns < cores:
            raise MappingError(
                f"fabric.topology: {self.rows} rows of {self.columns} are {self.rows * self.columns} places, "
                f"but {cores} are needed; set rows to {-(-cores // self.columns)}, or leave it out"
            )
        if self.rows:
            return self.rows, self.columns or -(-cores // self.rows)
        columns = self.columns or isqrt(cores - 1) + 1
        return -(-cores // columns), columns

    def size(self, cores: int) -> int:
        """Return the cores of all rows."""
        rows, columns = self.grid(cores)
        return rows * columns

    def channels(self, cores: int) -> Iterator[Channel]:
        """Yield the links of neighbours."""
        rows, columns = self.grid(cores)
        for row in range(rows):
            for column in range(columns):
                here = _core(row, column, columns)
                if self.has_next(column, columns):
                    yield from both_ways(here, _core(row, (column + 1) % columns, columns))
                if self.has_next(row, rows):
                    yield from both_ways(here, _core((row + 1) % rows, column, columns))

    def route(self, cores: int, source: int, target: int) -> list[Vertex]:
        """Return the way along one dimension, then along the other."""
        rows, columns = self.grid(cores)
        row, column = snake(source, columns)
        to_row, to_column = snake(target, columns)
        along_row, along_column = self.way(column, to_column, columns), self.way(row, to_row, rows)
        if self.first == "row":
            way = [(row, x) for x in along_row] + [(y, to_column) for y in along_column]
        else:
            way = [(y, column) for y in along_column] + [(to_row, x) for x in along_row]
        return [source, *(_core(y, x, columns) for y, x in way)]

    def layout(self, cores: int) -> dict[Vertex, Point]:
        """Return the grid."""
        rows, columns = self.grid(cores)
        places = (snake(core, columns) for core in range(rows * columns))
        return {core: (float(x), float(y)) for core, (y, x) in enumerate(places)}

    def transposed(self, cores: int, core: int) -> int:
        """Return the core with row and column exchanged.

        raises : MappingError if the grid is no square
        """
        rows, columns = self.grid(cores)
        if rows != columns:
            raise MappingError(
                f"transpose needs as many rows as columns, but {self.kind} has {rows} x {columns}; "
                "take a square number of nodes, and columns=null"
            )
        row, column = snake(core, columns)
        return _core(column, row, columns)

    def has_next(self, place: int, length: int) -> bool:
        """Tell whether a place in a row or column has a link to the one behind it."""
        return place + 1 < length

    def way(self, start: int, end: int, length: int) -> Iterator[int]:
        """Yield the places behind `start` on the way to `end` along a row or column."""
        return straight(start, end)


@fabrics.register("torus")
class Torus(Mesh):
    """A mesh whose rows and columns are closed to rings."""

    def has_next(self, place: int, length: int) -> bool:
        """Tell whether there is a link; two cores have one link, not two."""
        return place + 1 < length or length > 2

    def way(self, start: int, end: int, length: int) -> Iterator[int]:
        """Yield the places on the shorter way around."""
        return around(start, end, length)


@fabrics.register("c-mesh")
class ConcentratedMesh(Mesh):
    """A mesh of routers with several cores each; `rows` and `columns` are of routers. As in ISAAC."""

    concentration: int = param(4, ge=1, unit="core", doc="cores at each router; 4 as in ISAAC (2016)")

    @property
    def routed(self) -> bool:
        """The routers of the mesh are all there are."""
        return False

    def routers(self, cores: int) -> int:
        """Return the routers that so many cores need."""
        return -(-cores // self.concentration)

    def size(self, cores: int) -> int:
        """Return the cores of all routers."""
        return self.concentration * super().size(self.routers(cores))

    def channels(self, cores: int) -> Iterator[Channel]:
        """Yield the links of cores to their router, and of routers to their neighbours."""
        for core in range(self.size(cores)):
            yield from both_ways(core, _router(core // self.concentration))
        for source, target in super().channels(self.routers(cores)):
            yield _router(source), _router(target)

    def transposed(self, cores: int, core: int) -> int:
        """Return the core of the same number at the router with row and column exchanged."""
        router, place = divmod(core, self.concentration)
        return super().transposed(self.routers(cores), router) * self.concentration + place

    def route(self, cores: int, source: int, target: int) -> list[Vertex]:
        """Return the way from the source's router to the target's, one dimension after the other."""
        if source == target:
            return [source]
        ends = source // self.concentration, target // self.concentration
        return [source, *map(_router, super().route(self.routers(cores), *ends)), target]

    def layout(self, cores: int) -> dict[Vertex, Point]:
        """Return the grid of routers, with the cores of each around it."""
        radius = max(0.5**0.5, self.concentration / (2 * pi))
        places: dict[Vertex, Point] = {}
        for router, (column, row) in super().layout(self.routers(cores)).items():
            x, y = (place * (2 * radius + 0.6) for place in (column, row))
            places[_router(router)] = x, y
            for i in range(self.concentration):
                angle = 2 * pi * (i + 0.5) / self.concentration
                core = int(router) * self.concentration + i
                places[core] = x + radius * sin(angle), y - radius * cos(angle)
        return places


def _core(row: int, column: int, columns: int) -> int:
    """Return the core at a place of the grid; odd rows are filled backward."""
    return row * columns + (columns - 1 - column if row % 2 else column)


def _router(index: Vertex) -> Vertex:
    return f"router[{index}]"
