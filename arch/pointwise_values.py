"""Work on single pixels in a circular register of codes: what is done as one is stored, or sent.

Pixel k of a stream lies in row k mod rows of its register, and image follows image.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.layer_norm import normalize_channels
from simcore.kernels.requantize import apply_affine, look_up
from simcore.kernels.softmax import share_channels
from workloads import (
    Node,
    QuantizedAddEmbedding,
    QuantizedAffine,
    QuantizedLayerNorm,
    QuantizedNetwork,
    QuantizedSoftmax,
    QuantizedTable,
    SoftmaxNode,
)

Codes = NDArray[Any]

#: Changes one pixel of a register (rows, channels) in place, given its number.
PixelWork = Callable[[Codes, int], None]


def pixel_work(node: Node, network: QuantizedNetwork) -> PixelWork:
    """Return the work of a pointwise node.

    raises : TypeError for a node that is none
    """
    places = prod(node.shape[1:])
    match network.nodes[node.name]:
        case QuantizedTable(table=table):
            return lambda codes, pixel: look_up(codes, pixel % len(codes), table)
        case QuantizedSoftmax() as softmax:
            assert isinstance(node, SoftmaxNode)
            visible, groups = node.visible.tolist(), node.groups
            shares = (softmax.table, softmax.steps, softmax.output_zero, softmax.low, softmax.high)
            return lambda codes, pixel: share_channels(
                codes, pixel % len(codes), groups, visible[pixel % places], *shares
            )
        case QuantizedAffine() as affine:
            return _affine(affine, affine.multiplier, affine.offset[None])
        case QuantizedAddEmbedding() as added:
            offsets = np.ascontiguousarray(added.offset.reshape(node.shape[0], places).T)
            return _affine(added, np.full(node.shape[0], added.multiplier, np.float32), offsets)
        case QuantizedLayerNorm() as norm:
            normal = (float(norm.epsilon), norm.gain, norm.offset, norm.output_zero, norm.low, norm.high)
            return lambda codes, pixel: normalize_channels(codes, pixel % len(codes), *normal)
    raise TypeError(f"{node.name}: {type(node).__name__} is no work on single pixels")


def _affine(
    q: QuantizedAffine | QuantizedAddEmbedding, multiplier: NDArray[Any], offsets: NDArray[Any]
) -> PixelWork:
    """Return the work of a factor of each channel, and of an offset (places, channels) besides."""
    zero, ends, places = q.input_zero, (q.output_zero, q.low, q.high), len(offsets)
    return lambda codes, pixel: apply_affine(
        codes, pixel % len(codes), zero, multiplier, offsets, pixel % places, *ends
    )
