"""Where layers lie: arrays in IMAs, IMAs in tiles, tiles in chips.

A layer begins in a tile of its own. The arrays of its copies lie one behind the other, column block by column
block, so that an IMA holds the row blocks of few columns and partial sums go a short way; an IMA may hold
arrays of several copies. A layer has more tiles than its arrays need where its eDRAM takes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from typing import NamedTuple

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

    @cached_property
    def further_tiles(self) -> int:
        """Tiles through which a sum goes on after its first, in the column that is spread most."""
        return max(len(tiles) for tiles in self._tiles.values()) - 1

    def additions(self, level: str) -> int:
        """Return the partial sums that go from one `ima`, or `tile`, to another for one window."""
        widths = {block.col: block.cols for site in self.sites for block in site.blocks}
        return sum((len(parts) - 1) * widths[col] for col, parts in self._spread(level).items())

    @cached_property
    def outputs(self) -> dict[int, int]:
        """Columns whose sums are complete in a tile: in the last that they lie in, to which sums go on."""
        widths = {block.col: block.cols for site in self.sites for block in site.blocks}
        outputs: dict[int, int] = {}
        for col, tiles in self._tiles.items():
            outputs[max(tiles)] = outputs.get(max(tiles), 0) + widths[col]
        return outputs

    @cached_property
    def hops(self) -> list[dict[tuple[int, int], int]]:
        """Sums that go from tile to tile: what each column's first hop takes along, its second, and so on."""
        widths = {block.col: block.cols for site in self.sites for block in site.blocks}
        hops: list[dict[tuple[int, int], int]] = [{} for _ in range(self.further_tiles)]
        for col, tiles in self._tiles.items():
            for number, hop in enumerate(pairwise(sorted(tiles))):
                hops[number][hop] = hops[number].get(hop, 0) + widths[col]
        return hops

    @cached_property
    def _tiles(self) -> dict[int, set[int]]:
        return self._spread("tile")

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
