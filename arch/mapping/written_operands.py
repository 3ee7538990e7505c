"""Stages whose keys or values lie in arrays: the matrix that cells hold, and what of it a token takes.

Keys of a head are columns: features on the wordlines, a column for each token. Values are rows: tokens on the
wordlines, a column for each feature. Either way a token takes as many cells of each head, and heads that fit
several into one array lie block-diagonally, as groups of a convolution do.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from arch.mapping.firing import Firing
from arch.mapping.stages import Stage
from arch.mapping.tiling import Tiling
from workloads import MatrixNode, ScoresNode, Window


def with_arrays(stage: Stage) -> Stage:
    """Return a product of attention whose keys or values lie in arrays, a group of a matrix for each head.

    Of what is in cells the memory reads nothing: each step reads its own token only.
    """
    node = stage.attention
    assert node is not None
    keys, features = node.keys, node.features
    rows, cols = (features, keys) if isinstance(node, ScoresNode) else (keys, features)
    written = MatrixNode(
        name=node.name,
        inputs=node.inputs[:1],
        in_shapes=((node.key_heads * rows, *node.shape[1:]),),
        shape=(node.key_heads * cols, *node.shape[1:]),
        window=Window.square(1),
        groups=node.key_heads,
        cols=node.key_heads * cols,
    )
    stored, *moving = stage.operands
    firing = stored.firing
    unread = Firing(firing.pixels, firing.need, firing.live, np.ones_like(firing.columns))
    return replace(stage, written=written, operands=[replace(stored, firing=unread, in_cells=True), *moving])


def products_of_token(stage: Stage) -> int:
    """Return the products of a stage's arrays for one token: one for each query head of a key head."""
    node = stage.attention
    assert node is not None
    return node.heads // node.key_heads


def token_parts(stage: Stage, tiling: Tiling) -> list[tuple[int, int]]:
    """Return the cells that a token takes in each array that it is written to: wordlines, and cells on each.

    tiling : of the arrays that hold the keys or values of an image
    """
    written = stage.written
    assert written is not None
    parts = []
    for block in tiling.blocks:
        heads, columns = len(block.groups), block.columns_per_weight
        if isinstance(stage.head, ScoresNode):
            if block.first_col == block.groups.start * written.cols_per_group:  # the first column of a head
                parts.append((block.rows, columns))
        elif block.matrix_rows[0] == 0:  # the first row
            parts.append((heads, block.cols // heads * columns))
    return parts


def cycles_of_image(stage: Stage, multiplying: int, write: int, product: int, banks: int) -> int:
    """Return the cycles from image to image of a stage whose keys or values are written to banks of arrays.

    Writing and multiplying go on at once, in different banks, and with one bank one behind the other, at
    least. Behind a causal mask tokens that see neither of the last two keys may come between writes to their
    own bank: then products hold up writes, and these hold up products. All of them do if writing is still the
    slower one with that, and otherwise as many as make both equally slow.

    multiplying : cycles of all tokens of an image, in the slowest part
    write, product : cycles of one token, to write it and to multiply it
    """
    stored = stage.operands[0].firing
    writing = stored.pixels * write
    if banks == 1:
        return multiplying + writing
    early = int(np.count_nonzero(stored.need < stored.pixels - 1))
    longer, gap = writing - multiplying, write - product
    settled = longer // gap if longer > 0 and gap > 0 else 0
    between = early if longer >= early * gap else settled
    return max(multiplying, writing + between * product)
