"""Where layers lie: arrays in IMAs, IMAs in tiles, tiles in chips, and how far it is from tile to tile.

A layer begins in a tile of its own. The arrays of its copies lie one behind the other, column block by column
block, so that an IMA holds the row blocks of few columns and partial sums go a short way; an IMA may hold
arrays of several copies. A layer has more tiles than its arrays need where its eDRAM takes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import NamedTuple

from arch.fabric.topology import snake
from arch.machines.isaac.configuration import IsaacConfig
from arch.mapping.tiling import Block


class Site(NamedTuple):
    """The arrays of one copy in one IMA; IMAs and tiles are counted over all chips."""

    tile: int
    ima: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, eq=False)
class Copy:
    """One copy of a layer: its sites, by tile."""

    sites: tuple[Site, ...]

    @property
    def by_tile(self) -> dict[int, list[Site]]:
        """Its sites in each tile."""
        return {tile: list(sites) for tile, sites in groupby(self.sites, key=lambda site: site.tile)}

    @property
    def further_tiles(self) -> int:
        """Tiles through which a sum goes on after its first, in the column that is spread most."""
        return max(len(tiles) for tiles in self._spread("tile").values()) - 1

    def additions(self, level: str) -> int:
        """Return the partial sums that go from one `ima`, or `tile`, to another for one window."""
        widths = {block.col: block.cols for site in self.sites for block in site.blocks}
        return sum((len(parts) - 1) * widths[col] for col, parts in self._spread(level).items())

    def _spread(self, level: str) -> dict[int, set[int]]:
        """Return the IMAs or tiles that each column block lies in."""
        spread: dict[int, set[int]] = {}
        for site in self.sites:
            for block in site.blocks:
                spread.setdefault(block.col, set()).add(getattr(site, level))
        return spread


@dataclass(frozen=True, eq=False)
class Place:
    """Where a layer lies.

    tiles : over all chips
    copies : none where it has no weights
    """

    tiles: range
    copies: tuple[Copy, ...] = ()


def input_elements(sites: Sequence[Site]) -> int:
    """Return the elements of a window that some arrays need together: those with the same rows share them."""
    rows = {(block.groups.start, block.row): block.rows for site in sites for block in site.blocks}
    return sum(rows.values())


def laid_out(config: IsaacConfig, blocks: Sequence[Block], copies: int, first_tile: int) -> tuple[Copy, ...]:
    """Return where the copies of a layer lie, from a tile on."""
    arrays, imas = config.ima.arrays, config.tile.imas
    first_ima = first_tile * imas

    def site(ima: int, numbers: range) -> Site:
        return Site(ima // imas, ima, tuple(blocks[n % len(blocks)] for n in numbers))

    placed = []
    for copy in range(copies):
        start, stop = copy * len(blocks), (copy + 1) * len(blocks)
        ends = [start, *range((start // arrays + 1) * arrays, stop, arrays), stop]
        sites = (site(first_ima + a // arrays, range(a, b)) for a, b in pairwise(ends))
        placed.append(Copy(tuple(sites)))
    return tuple(placed)


class Way(NamedTuple):
    """The longest way between tiles of two layers.

    routers : on it; none within one tile
    chips : whether it leads from chip to chip
    """

    routers: int
    chips: bool

    def cycles(self, config: IsaacConfig, size: int) -> int:
        """Return the digital cycles in which so many bytes take it if nothing is in their way."""
        if not self.routers:
            return 0
        between = config.hypertransport_cycles(size) if self.chips else 0
        return between + config.mesh_cycles(self.routers, config.flits(size))


def longest_way(config: IsaacConfig, senders: range, readers: range) -> Way:
    """Return the way between the tiles of two layers that are farthest apart.

    HyperTransport is at the first router of a chip, which ways to another chip lead through on both sides.
    """
    if senders == readers and len(senders) == 1:
        return Way(0, False)
    way = Way(0, False)
    for from_chip, *start in _routers(config, senders):
        for to_chip, *end in _routers(config, readers):
            if from_chip == to_chip:
                here = Way(1 + abs(start[0] - end[0]) + abs(start[1] - end[1]), False)
            else:
                here = Way(2 + sum(start) + sum(end), True)
            way = max(way, here, key=lambda w: (w.chips, w.routers))
    return way


def _routers(config: IsaacConfig, tiles: range) -> set[tuple[int, int, int]]:
    """Return chip, row and column of the routers of some tiles."""
    places = (divmod(tile, config.tiles) for tile in tiles)
    return {(chip, *snake(tile // config.mesh.concentration, config.mesh.columns)) for chip, tile in places}
