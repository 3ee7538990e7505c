"""How large a network read from a file may be; checked before anything is allocated for it.

All are well above what runs in a day, and low enough for whatever looks through a network to end soon.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from simcore.errors import WorkloadError
from workloads.layers import Layer, Shape

MOST_LAYERS = 2**14
#: Of any size that a file writes: of an axis, a kernel, a stride, padding.
MOST_ALONG_AN_AXIS = 2**20
MOST_PIXELS = 2**22
MOST_ELEMENTS = 2**32
#: Of a layer; sums over networks of any depth that a file can write stay numbers of 64 bits.
MOST_WEIGHTS = 2**34
MOST_MACS = 2**48


def bounded_shape(layer: Layer, in_shapes: Sequence[Shape], before: int) -> Shape:
    """Return the shape of a layer's output.

    before : layers that the network has already
    raises : WorkloadError where it cannot work, or where the network, a tensor, the weights or the work are
        out of bounds
    """
    if before >= MOST_LAYERS:
        raise WorkloadError(f"a network may have {MOST_LAYERS} layers at most; split it")
    shape = layer.output_shape(in_shapes)
    weights = sum(prod(parameter) for parameter in layer.parameter_shapes(in_shapes).values())
    for what, size, most in (
        ("pixels", prod(shape[1:]), MOST_PIXELS),
        ("elements", prod(shape), MOST_ELEMENTS),
        ("weights", weights, MOST_WEIGHTS),
        ("MACs an image", layer.macs(in_shapes), MOST_MACS),
    ):
        if size > most:
            raise WorkloadError(
                f"{layer.name}: a layer may have {most} {what} at most, got {size}; make it smaller"
            )
    return shape
