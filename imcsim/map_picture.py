"""A mapping as a picture: the arrays of every layer, and what their cells hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from arch.machine import MapRow, NetworkMap
from arch.mapping.tiling import Block, Tiling
from imcsim.tables import map_totals
from simcore import SimError
from traces import ArrayUse, LayerArrays, plot_arrays

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_map(placed: NetworkMap, machine: str = "") -> Figure:
    """Draw which cells of each layer's arrays hold weights; see `traces.plot_arrays`.

    machine : name for the title
    raises : SimError if matplotlib is missing or there are no arrays to draw
    """
    layers = [_layer(row, placed.tilings[row.stage]) for row in placed.rows if row.stage in placed.tilings]
    if not layers:
        raise SimError(f"nothing to draw: {placed.network.name} takes no arrays; choose one with weights")
    tiling = next(iter(placed.tilings.values()))
    rows, cols = tiling.array_rows, tiling.array_cols
    totals = map_totals(placed)
    words = [
        f"{totals['arrays']:,} arrays of {rows:,} x {cols:,}",
        f"{totals['utilisation']:.1%} of their cells hold weights",
    ]
    if placed.interval is not None:
        words.append(f"an image every {placed.interval.bound}{placed.interval.cycles:,} cycles")
    title = " on ".join(name for name in (placed.network.name, machine) if name)
    return plot_arrays(layers, rows=rows, cols=cols, title=title, below="  ·  ".join(words))


def _layer(row: MapRow, tiling: Tiling) -> LayerArrays:
    """Return one copy of a layer's arrays, and its figures in words."""
    groups = 1 + max(max(block.groups) for block in tiling.blocks)
    figures = f"{groups:,} x " * (groups > 1) + f"{row.rows:,} x {row.cols:,}  ·  {tiling.utilisation:.1%}"
    if row.pixels_per_step > 1:
        figures += f"  ·  {row.pixels_per_step} pixels a step"
    if row.copies > 1:
        figures += f"  ·  {row.copies} copies"
    return LayerArrays(row.stage, figures, tuple(map(_array, tiling.blocks)))


def _array(block: Block) -> ArrayUse:
    """Return what an array's cells do; a weight may take several bitlines."""
    each = block.columns_per_weight
    held = tuple((p.row, p.col * each, p.rows, p.cols * each) for p in block.patches)
    return ArrayUse(block.row, block.col, block.rows, block.bitlines, held)
