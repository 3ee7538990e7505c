"""From a network's layers to the nodes that machines map.

Three rewrites: a layer that changes nothing disappears; a batch norm joins the matrix before it; a clipping
activation joins whatever produces its input. The last two need to be the only reader of what they join, and a
batch norm cannot pass a clipping. What cannot join becomes a node of its own: an affine, or a table.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from simcore.errors import WorkloadError
from workloads.activation_functions import OPEN, chain_clips
from workloads.layers import (
    Activation,
    Add,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Layer,
    Linear,
    MaxPool2d,
    Shape,
    Shortcut,
)
from workloads.network import Network
from workloads.nodes import (
    AddNode,
    AffineNode,
    AvgPoolNode,
    ConcatNode,
    LoweredNetwork,
    MatrixNode,
    MaxPoolNode,
    Node,
    ShortcutNode,
    TableNode,
)
from workloads.window import Window


def lower(network: Network) -> LoweredNetwork:
    """Return the lowered graph of `network`; needs no weights."""
    tensor = _without_identities(network)
    readers = Counter(
        tensor[source] for name in set(tensor.values()) for source in network.layers[name].inputs
    )
    nodes: dict[str, Node] = {}
    holder = {network.input: network.input}  # the node that now gives a layer's result
    for name in network.layers:
        if name == network.input or tensor[name] != name:
            continue
        layer = replace(
            network.layers[name], inputs=tuple(tensor[source] for source in network.layers[name].inputs)
        )
        source = layer.inputs[0]
        joined = (
            _join(nodes[holder[source]], layer) if readers[source] == 1 and holder[source] in nodes else None
        )
        if joined is None:
            inputs = tuple(holder[source] for source in layer.inputs)
            joined = _node(layer, inputs, network.in_shapes(name), network.shapes[name])
        nodes[joined.name] = joined
        holder[name] = joined.name
    return LoweredNetwork(
        network.name,
        network.input,
        network.input_shape,
        tuple(nodes.values()),
        holder[tensor[network.output]],
    )


def _without_identities(network: Network) -> dict[str, str]:
    """Return for each layer the layer whose result it has: itself, unless it changes nothing."""
    tensor: dict[str, str] = {}
    for name, layer in network.layers.items():
        if isinstance(layer, MaxPool2d | AvgPool2d):
            idle = layer.window.is_identity
        elif isinstance(layer, Shortcut):
            idle = network.shapes[name] == network.in_shapes(name)[0]
        else:
            idle = isinstance(layer, GlobalAvgPool) and network.in_shapes(name)[0][1:] == (1, 1)
        tensor[name] = tensor[layer.inputs[0]] if idle else name
    return tensor


def _join(node: Node, layer: Layer) -> Node | None:
    """Return `node` with `layer` joined to it, or None where that would change the result."""
    if isinstance(layer, BatchNorm) and isinstance(node, MatrixNode | AffineNode) and node.clip == OPEN:
        return replace(node, norms=(*node.norms, layer))
    if isinstance(layer, Activation) and layer.definition.clip is not None:
        return replace(node, clip=chain_clips(node.clip, layer.definition.clip))
    return None


def _node(layer: Layer, inputs: tuple[str, ...], in_shapes: tuple[Shape, ...], shape: Shape) -> Node:
    """Return the node that does `layer` alone."""
    common: dict[str, Any] = {"name": layer.name, "inputs": inputs, "in_shapes": in_shapes, "shape": shape}
    _, height, width = in_shapes[0]
    whole = Window(kernel=(height, width))
    match layer:
        case Conv2d():
            return MatrixNode(**common, window=layer.window, groups=layer.groups, cols=layer.out_channels)
        case Linear():
            return MatrixNode(**common, window=whole, groups=1, cols=layer.out_features)
        case MaxPool2d():
            return MaxPoolNode(**common, window=layer.effective_window((height, width)))
        case AvgPool2d():
            counted = layer.counted_padding((height, width))
            return AvgPoolNode(
                **common, window=layer.effective_window((height, width)), counted_padding=counted
            )
        case GlobalAvgPool():
            return AvgPoolNode(**common, window=whole, counted_padding=(0, 0, 0, 0))
        case Shortcut():
            return ShortcutNode(**common, window=Window.square(1, stride=layer.stride))
        case Add():
            return AddNode(**common)
        case Concat():
            return ConcatNode(**common)
        case BatchNorm():
            return AffineNode(**common, norms=(layer,))
        case Activation():
            return TableNode(**common, function=layer.function, alpha=layer.alpha)
    raise WorkloadError(
        f"{layer.name}: no machine knows the layer kind {type(layer).__name__}; build it from known ones"
    )
