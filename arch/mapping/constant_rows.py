"""Tables that stages read rows of, token by token: embeddings, positions, tokens in front.

They lie in the memory of the stage's core, an activation an element, and a step reads a whole row of each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from arch.mapping.stages import Stage
from workloads import AddEmbeddingNode, ClassTokenNode, EmbeddingNode


def row_elements(stage: Stage) -> NDArray[np.int64]:
    """Return the elements of tables that each step of an image reads, (steps,)."""
    elements = np.zeros(stage.steps, np.int64)
    for node in (stage.head, *stage.after):
        if isinstance(node, EmbeddingNode | AddEmbeddingNode):
            tables = len(node.layers) if isinstance(node, AddEmbeddingNode) else 1
            np.add.at(elements, stage.finishing_steps, tables * node.shape[0])
        elif isinstance(node, ClassTokenNode):
            elements[: node.tokens] += node.shape[0]
    return elements


def table_elements(stage: Stage) -> int:
    """Return the elements of all tables of a stage."""
    elements = 0
    for node in (stage.head, *stage.after):
        match node:
            case EmbeddingNode():
                elements += node.entries * node.shape[0]
            case AddEmbeddingNode():
                elements += sum(layer.entries for layer in node.layers) * node.shape[0]
            case ClassTokenNode():
                elements += node.tokens * node.shape[0]
    return elements
