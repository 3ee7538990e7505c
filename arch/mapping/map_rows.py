"""What `imcsim map` tells of each stage, on any machine that streams pixels."""

from __future__ import annotations

from collections.abc import Mapping

from arch.machine import MapRow
from arch.mapping.stages import Stage
from arch.mapping.tiling import Tiling
from workloads import AddEmbeddingNode, ClassTokenNode, LayerNormNode, Node

#: What nodes are called whose names are two words, or too long.
_WORDS: Mapping[type[Node], str] = {
    LayerNormNode: "layer norm",
    AddEmbeddingNode: "add rows",
    ClassTokenNode: "class token",
}


def taken_by(amounts: Mapping[str, int]) -> str:
    """Return what each of several networks takes, in words."""
    *others, last = (f"{amount:,} for {name}" for name, amount in amounts.items())
    return f"{', '.join(others)} and {last}"


def map_row(
    stage: Stage,
    tiling: Tiling | None,
    copies: int,
    depths: Mapping[tuple[str, int], int | None],
    bits: int,
    resources: Mapping[str, int] | None = None,
    banks: int = 1,
) -> MapRow:
    """Return the mapping's figures of one stage.

    resources : what it takes besides arrays, as `MapRow` has it
    banks : of arrays that are written token by token, which images take in turn
    """
    matrix = stage.matrix or stage.written
    buffers = []
    for place, operand in enumerate(stage.operands):
        depth = depths[stage.name, place]
        size = None if depth is None else depth * operand.pixel_bytes(bits)
        buffers.append((operand.source, depth, size))
    return MapRow(
        stage=stage.name,
        work=" + ".join(_word(node) for node in stage.nodes),
        shape=stage.shape,
        rows=matrix.rows if matrix is not None else None,
        cols=matrix.cols_per_group if matrix is not None else None,
        copies=copies,
        arrays=len(tiling.blocks) * copies * banks if tiling else 0,
        utilisation=tiling.utilisation if tiling else None,
        steps=stage.steps,
        pixels_per_step=stage.pixels_per_step,
        buffers=tuple(buffers),
        resources=resources or {},
    )


def _word(node: Node) -> str:
    """Return what a node does, in a word or two."""
    return _WORDS.get(type(node)) or type(node).__name__.removesuffix("Node").lower()
