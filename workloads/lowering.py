"""From a network's layers to the nodes that machines map.

A layer that changes nothing disappears; a factor and an offset for each channel (batch norm) join the matrix
before them; a clipping joins whatever produces its input, unless that moves codes whose scale the clipping
would change; zeros around a map join the convolution behind it.
All but the first need to be the only reader of what they join, and nothing but a clipping passes a clipping
or a scale that the network brings.
A selection of a selection reads what that one reads. What cannot join becomes a node of its own. Factors and
offsets also join a layer norm before them, and embeddings that are added join each other.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from simcore.errors import WorkloadError
from workloads.activation_functions import OPEN, Clip, chain_clips, holds_zero
from workloads.layers import (
    Activation,
    Add,
    AddEmbedding,
    Affine,
    AvgPool2d,
    BatchNorm,
    Clamp,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Layer,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Mul,
    Places,
    Select,
    Shape,
    Shortcut,
    Softmax,
)
from workloads.network import Network
from workloads.nodes import (
    AddNode,
    AffineNode,
    AvgPoolNode,
    ConcatNode,
    LocalResponseNormNode,
    LoweredNetwork,
    MatrixNode,
    MaxPoolNode,
    MulNode,
    Node,
    SelectNode,
    SoftmaxNode,
    TableNode,
)
from workloads.scales import GivenScales, Quantization
from workloads.token_nodes import (
    AddEmbeddingNode,
    LayerNormNode,
    MixNode,
    ScoresNode,
    token_node,
    vocabulary,
)
from workloads.window import Padding, Window


def lower(network: Network) -> LoweredNetwork:
    """Return the lowered graph of `network`; needs no weights.

    raises : WorkloadError for a layer of an unknown kind, and for token ids that not only embeddings read
    """
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
        before = nodes.get(holder[source]) if readers[source] == 1 else None
        passes = before is not None and _passes_scale(network.scales, source, layer)
        joined = _join(before, layer, network.scales) if before is not None and passes else None
        if joined is None:
            inputs = tuple(holder[source] for source in layer.inputs)
            joined = _node(layer, inputs, network.in_shapes(name), network.shapes[name])
            if before is not None and (padding := _padding(before)) and isinstance(layer, Conv2d):
                joined = _padded(joined, before, padding)
            if isinstance(joined, SelectNode) and inputs[0] in nodes:
                joined = _past(joined, nodes[inputs[0]])
        nodes[joined.name] = joined
        holder[name] = joined.name
    output = holder[tensor[network.output]]
    read = {output, *(source for node in nodes.values() for source in node.inputs)}
    nodes = {name: node for name, node in nodes.items() if name in read}  # joined selections are not
    _hide_keys(nodes, output)
    lowered = LoweredNetwork(
        network.name,
        network.input,
        network.input_shape,
        tuple(nodes.values()),
        output,
        _scales(network, tensor, holder, nodes),
    )
    vocabulary(lowered)  # which refuses ids that something else reads
    return lowered


def _hide_keys(nodes: dict[str, Node], output: str) -> None:
    """Let both products of attention leave out what the causal softmax between them hides."""
    readers = Counter(source for node in nodes.values() for source in node.inputs)
    for shares in [n for n in nodes.values() if isinstance(n, SoftmaxNode) and n.causal is not None]:
        source = nodes.get(shares.inputs[0])
        only = readers[shares.inputs[0]] == 1 and shares.inputs[0] != output
        if isinstance(source, ScoresNode) and source.heads == shares.groups and only:
            nodes[source.name] = replace(source, causal=shares.causal)
        for mix in list(nodes.values()):
            if isinstance(mix, MixNode) and mix.inputs[0] == shares.name and mix.heads == shares.groups:
                nodes[mix.name] = replace(mix, causal=shares.causal)


def _scales(
    network: Network, tensor: dict[str, str], holder: dict[str, str], nodes: dict[str, Node]
) -> GivenScales:
    """Return the given scales by node; of layers that share one, the last one's are its output's."""
    given = network.scales
    tensors: dict[str, Quantization] = {}
    for name in network.layers:
        if name in given.tensors and holder[tensor[name]] in (network.input, *nodes):
            tensors[holder[tensor[name]]] = given.tensors[name]
    return GivenScales(tensors, given.weights)


def _without_identities(network: Network) -> dict[str, str]:
    """Return for each layer the layer whose result it has: itself, unless it changes nothing."""
    tensor: dict[str, str] = {}
    for name, layer in network.layers.items():
        shapes = network.in_shapes(name)
        tensor[name] = tensor[layer.inputs[0]] if _is_identity(layer, shapes) else name
    return tensor


def _is_identity(layer: Layer, shapes: tuple[Shape, ...]) -> bool:
    match layer:
        case MaxPool2d() | AvgPool2d():
            return layer.window.is_identity
        case Shortcut():
            return layer.stride == 1 and layer.channels == shapes[0][0]
        case Select():
            picked = (layer.channels, layer.rows, layer.columns)
            return _unless_whole(picked, shapes[0]) == (None, None, None)
        case GlobalAvgPool():
            return shapes[0][1:] == (1, 1)
        case Clamp():
            return layer.low is None and layer.high is None
        case Activation():
            return layer.definition.clip == OPEN
    return False


def _join(node: Node, layer: Layer, given: GivenScales) -> Node | None:
    """Return `node` with `layer` joined to it, or None where that would change the result.

    A matrix whose weights have given scales keeps its integers, so no factors join it.
    """
    clip = _clip(layer)
    if clip is not None:
        chained = chain_clips(node.clip, clip)
        known = (None, *(given.tensors.get(name) for name in (node.name, *node.inputs)))
        scaled_alike = given.tensors.get(layer.name) in known
        if isinstance(node, MaxPoolNode | SelectNode) and not (holds_zero(chained) and scaled_alike):
            return None  # they keep their input's scale, which may not reach the bounds
        return replace(node, clip=chained)
    if node.clip != OPEN:
        return None
    if isinstance(layer, BatchNorm | Affine) and isinstance(node, MatrixNode | AffineNode | LayerNormNode):
        if node.name in given.weights:
            return None
        return replace(node, norms=(*node.norms, layer))
    if isinstance(layer, AddEmbedding) and isinstance(node, AddEmbeddingNode):
        return replace(node, layers=(*node.layers, layer))
    return None


def _past(select: SelectNode, first: Node) -> SelectNode:
    """Return the selection from what `first` reads that equals `select` behind it, if that is a selection."""
    if not isinstance(first, SelectNode) or first.clip != OPEN:
        return select
    composed = (
        _composed(first.channels, select.channels),
        _composed(first.rows, select.rows),
        _composed(first.columns, select.columns),
    )
    channels, rows, columns = _unless_whole(composed, first.in_shapes[0])
    return replace(
        select, inputs=first.inputs, in_shapes=first.in_shapes, channels=channels, rows=rows, columns=columns
    )


def _unless_whole(picked: tuple[Places, Places, Places], shape: Shape) -> tuple[Places, ...]:
    """Return the places along each axis, None where they are all of it in order."""
    return tuple(
        None if places == tuple(range(size)) else places for places, size in zip(picked, shape, strict=True)
    )


def _passes_scale(scales: GivenScales, source: str, layer: Layer) -> bool:
    """Whether `layer` gives the same if what it reads is not rounded to a given scale before."""
    before, behind = scales.tensors.get(source), scales.tensors.get(layer.name)
    return before is None or (_clip(layer) is not None and behind in (None, before))


def _clip(layer: Layer) -> Clip | None:
    """Return the bounds of a layer that only clips."""
    if isinstance(layer, Clamp):
        return (layer.low, layer.high)
    return layer.definition.clip if isinstance(layer, Activation) else None


def _composed(first: Places, second: Places) -> Places:
    """Return the places that equal picking `first` and then `second` of those."""
    if first is None or second is None:
        return second if first is None else first
    return tuple(-1 if place < 0 else first[place] for place in second)


def _padding(node: Node) -> Padding | None:
    """Return the zeros that a selection puts around its whole map, None if it does anything else."""
    if not isinstance(node, SelectNode) or node.channels is not None or node.clip != OPEN:
        return None
    _, height, width = node.in_shapes[0]
    beside, around = _zeros_around(node.rows, height), _zeros_around(node.columns, width)
    if beside is None or around is None:
        return None
    return (beside[0], around[0], beside[1], around[1])


def _zeros_around(places: Places, size: int) -> tuple[int, int] | None:
    """Return how many zeros come before and behind all `size` places in order, None if they do not."""
    if places is None:
        return (0, 0)
    if 0 not in places:
        return None
    before = places.index(0)
    behind = len(places) - before - size
    whole = (-1,) * before + tuple(range(size)) + (-1,) * behind
    return (before, behind) if places == whole else None


def _padded(matrix: Node, select: Node, padding: Padding) -> MatrixNode:
    """Return a convolution that pads by itself, in place of one behind a selection that does."""
    assert isinstance(matrix, MatrixNode)
    own = matrix.window.padding
    window = replace(
        matrix.window,
        padding=(own[0] + padding[0], own[1] + padding[1], own[2] + padding[2], own[3] + padding[3]),
    )
    return replace(matrix, inputs=select.inputs, in_shapes=select.in_shapes, window=window)


def _node(layer: Layer, inputs: tuple[str, ...], in_shapes: tuple[Shape, ...], shape: Shape) -> Node:
    """Return the node that does `layer` alone."""
    common: dict[str, Any] = {"name": layer.name, "inputs": inputs, "in_shapes": in_shapes, "shape": shape}
    _, height, width = in_shapes[0]
    whole = Window(kernel=(height, width))
    match layer:
        case Conv2d():
            return MatrixNode(
                **common, window=layer.window, groups=layer.groups, cols=layer.out_channels, biased=layer.bias
            )
        case Linear():
            return MatrixNode(**common, window=whole, groups=1, cols=layer.out_features, biased=layer.bias)
        case MaxPool2d():
            return MaxPoolNode(**common, window=layer.effective_window((height, width)))
        case AvgPool2d():
            counted = layer.counted_padding((height, width))
            return AvgPoolNode(
                **common, window=layer.effective_window((height, width)), counted_padding=counted
            )
        case GlobalAvgPool():
            return AvgPoolNode(**common, window=whole, counted_padding=(0, 0, 0, 0))
        case Select() | Shortcut():
            return _select(layer, inputs, in_shapes, shape)
        case Add():
            return AddNode(**common, signs=layer.signs if -1 in layer.signs else ())
        case Mul():
            return MulNode(**common)
        case Concat():
            return ConcatNode(**common)
        case BatchNorm() | Affine():
            return AffineNode(**common, norms=(layer,))
        case Clamp() | Activation() if (clip := _clip(layer)) is not None:
            return TableNode(**common, function="identity", clip=clip)
        case Activation():
            return TableNode(**common, function=layer.function, alpha=layer.alpha, beta=layer.beta)
        case Softmax():
            return SoftmaxNode(**common, groups=layer.groups, causal=layer.causal)
        case LocalResponseNorm():
            return LocalResponseNormNode(
                **common, size=layer.size, alpha=layer.alpha, beta=layer.beta, k=layer.k
            )
    if (node := token_node(layer, common)) is not None:
        return node
    raise WorkloadError(
        f"{layer.name}: no machine knows the layer kind {type(layer).__name__}; build it from known ones"
    )


def _select(
    layer: Select | Shortcut, inputs: tuple[str, ...], in_shapes: tuple[Shape, ...], shape: Shape
) -> SelectNode:
    """Return the selection that a layer makes.

    A shortcut's has every n-th pixel, and zeros behind its channels.
    """
    channels, height, width = in_shapes[0]
    if isinstance(layer, Select):
        picked: tuple[Places, Places, Places] = (layer.channels, layer.rows, layer.columns)
    else:
        picked = (
            (*range(channels), *[-1] * (layer.channels - channels)),
            tuple(range(0, height, layer.stride)),
            tuple(range(0, width, layer.stride)),
        )
    places = _unless_whole(picked, in_shapes[0])
    return SelectNode(
        name=layer.name,
        inputs=inputs,
        in_shapes=in_shapes,
        shape=shape,
        channels=places[0],
        rows=places[1],
        columns=places[2],
    )
