"""From a network in composed form to the stages of a pipeline: each block and each move of codes is one."""

from __future__ import annotations

from arch.mapping.firing import Firing, elementwise, picking, sliding
from arch.mapping.stages import Operand, Stage
from simcore import MappingError
from workloads import AvgPoolNode, LoweredNetwork, MatrixNode, MaxPoolNode, Node, SelectNode, Shape
from workloads.composition.block_graph import MOVES, Block, Composable, composable


def composed_form(network: LoweredNetwork) -> Composable:
    """Return a network in the form that RNAs compute.

    raises : MappingError for a network without layers, WorkloadError for what tables cannot do
    """
    if not network.nodes:
        raise MappingError(f"{network.name} has no layers, so there is nothing to map; give it at least one")
    return composable(network)


def stages_of_form(form: Composable) -> list[Stage]:
    """Return the stages in an order in which each comes behind all it reads.

    A block's stage is headed by its sum, and its function comes after; pools read whole windows, even one
    that is the whole map.
    """
    lowered = form.lowered
    sender = {lowered.input: lowered.input}
    stages = []
    for step in form.steps:
        node, after = (step.total, step.function) if isinstance(step, Block) else (step, None)
        operands = [
            Operand(sender[name], _firing(node, lowered.shapes[name]), lowered.shapes[name])
            for name in node.inputs
        ]
        stage = Stage(node, operands, [after] if after is not None and after is not node else [])
        sender[step.name] = stage.name
        stages.append(stage)
    return stages


def has_rnas(stage: Stage) -> bool:
    """Whether RNAs do a stage: all but to pick codes, or to put them side by side."""
    return isinstance(stage.head, MaxPoolNode) or not isinstance(stage.head, MOVES)


def _firing(node: Node, shape: Shape) -> Firing:
    """Return how a stage reads a tensor."""
    if isinstance(node, MatrixNode | MaxPoolNode | AvgPoolNode):
        return sliding(node.window, shape[1:])
    return picking(node) if isinstance(node, SelectNode) else elementwise(shape[1] * shape[2])
