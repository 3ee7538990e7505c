"""Small layers whose kernels combine a basis, drawn: any shape, encoding, streaming and converters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from arch.arrays.array_parts import ArrayParts
from arch.arrays.encoding import Encoding, Signs
from arch.arrays.streaming import Form, Sign
from arch.converters import SharedADCConfig
from arch.crossbar import AnalogCrossbarConfig
from arch.machines.basisn.analog_slices import AnalogSlices
from arch.machines.basisn.products import ExactSlices
from arch.machines.basisn.written_basis import WrittenBasis, write_crossbars
from arch.mapping.slots import share_slots, support_words
from workloads import Conv2d, Input, MatrixNode, Network, Window, lower
from workloads.basis import Coefficients, SharedBasis, matrix_of

Array = NDArray[Any]
VECTOR_BITS, COLUMNS_PER_ADC = 4, 2


def grouped_conv(
    groups: int, of_inputs: int, kernels: int, kernel: int = 2, name: str = "conv"
) -> MatrixNode:
    """Return a convolution of so many inputs and kernels a group, over an image of 3 x 4."""
    conv = Conv2d(
        name=name, out_channels=groups * kernels, window=Window.square(kernel), groups=groups, bias=False
    )
    (node,) = lower(Network("drawn", (Input(name="image", shape=(groups * of_inputs, 3, 4)), conv))).nodes
    assert isinstance(node, MatrixNode)
    return node


@dataclass(frozen=True)
class BasisLayer:
    """A layer, crossbars for it, and windows: code - zero, as registers hold them.

    joined : whether columns join in front of converters
    """

    node: MatrixNode
    basis: SharedBasis
    coefficients: Coefficients
    parts: ArrayParts
    crossbars: int
    distinct: bool
    joined: bool
    activation_bits: int
    zero: int
    windows: Array

    @property
    def slots(self) -> Array | None:
        """The slots of all kernels in each bit plane, where columns join."""
        if not self.joined:
            return None
        kinds = self.parts.encoding.columns_per_weight
        capacity = self.parts.crossbar.cols // COLUMNS_PER_ADC // kinds
        return share_slots(support_words(self.coefficients.planes), capacity)

    @property
    def written(self) -> WrittenBasis:
        return write_crossbars(self.basis, self.parts, self.crossbars, distinct=self.distinct)

    def analog(self, written: WrittenBasis | None = None, samples: Array | None = None) -> AnalogSlices:
        return AnalogSlices(
            self.node,
            written or self.written,
            self.coefficients,
            self.activation_bits,
            self.zero,
            slots=self.slots,
            samples=samples,
        )

    def exact(self) -> Array:
        """Return the products of all windows (windows, columns) with the layer's weights."""
        matrix = matrix_of(self.basis, self.coefficients, self.node).astype(np.int64)
        channels = self.node.in_shapes[0][0]
        positions = self.windows.reshape(
            len(self.windows), -1, self.node.groups, channels // self.node.groups
        )
        by_group = positions.transpose(2, 0, 1, 3).reshape(self.node.groups, len(self.windows), -1)
        return np.concatenate(list(by_group.astype(np.int64) @ matrix), axis=1)


def returned(slices: AnalogSlices | ExactSlices, layer: BasisLayer, lane: int = 0) -> tuple[Array, int]:
    """Return the sums of all windows, window n at pixel n of image 5, and how many conversions clipped."""
    sums = np.zeros((len(layer.windows), layer.node.cols), np.int64)
    parts = range(len(layer.coefficients.values))
    clipped = sum(
        slices.multiply(layer.windows, sums, window, part, 5, window, lane)
        for window in range(len(layer.windows))
        for part in parts
    )
    return sums, clipped


def parts_of(
    rows: int,
    cols: int,
    encoding: Encoding,
    crossbar: dict[str, Any] | None = None,
    adc: dict[str, Any] | None = None,
    seed: int = 0,
) -> ArrayParts:
    """Return parts of crossbars, perfect but for what is given, with inputs bit by bit."""
    array = {"rows": rows, "cols": cols, "input_form": "bit-serial", **(crossbar or {})}
    shared = {"kind": "shared-adc", "bitlines": COLUMNS_PER_ADC, "bits": 16, "range": "full", **(adc or {})}
    return ArrayParts(
        encoding,
        AnalogCrossbarConfig.parse(array),
        SharedADCConfig.parse(shared),
        seed,
    )


@st.composite
def basis_layers(
    draw: st.DrawFn,
    *,
    joined: bool | None = None,
    flips: bool = True,
    crossbar: dict[str, Any] | None = None,
    adc: dict[str, Any] | None = None,
) -> BasisLayer:
    """Draw a layer of several groups, slices and short slices.

    joined : whether columns join, unless they are flipped; drawn if left out
    flips : whether columns may hold the complement of their slice
    crossbar, adc : what is not drawn
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    node = grouped_conv(
        draw(st.integers(1, 3)), draw(st.integers(1, 5)), draw(st.integers(1, 5)), draw(st.integers(1, 2))
    )
    signs: Signs = draw(st.sampled_from(get_args(Signs)).filter(lambda one: flips or one != "flip"))
    together = signs != "flip" and (draw(st.booleans()) if joined is None else joined)
    encoding = Encoding(signs, VECTOR_BITS, draw(st.integers(1, 3)))
    vectors, length = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    distinct = draw(st.booleans())
    crossbars = draw(st.integers(1, 3))
    each = -(-vectors // crossbars) if distinct else vectors
    basis = SharedBasis(rng.integers(-7, 8, (vectors, length)).astype(np.int16), VECTOR_BITS)
    bits = draw(st.integers(2, 5))
    shape = (node.groups * -(-node.rows // length), node.cols_per_group, vectors)
    values = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), shape)
    values[rng.random(shape) < draw(st.sampled_from([0.2, 0.7]))] = 0
    activation_bits = draw(st.integers(2, 6))
    zero = draw(st.integers(0, 2**activation_bits - 1))
    array = {
        "input_form": draw(st.sampled_from(get_args(Form))),
        "input_sign": draw(st.sampled_from(get_args(Sign))),
        "dac_bits": draw(st.integers(1, 2)),
        "active_rows": draw(st.none() | st.integers(1, length)),
    }
    kinds = encoding.columns_per_weight
    cols = kinds * max(each + each % COLUMNS_PER_ADC, COLUMNS_PER_ADC)
    elements = node.window.positions * node.in_shapes[0][0]
    return BasisLayer(
        node,
        basis,
        Coefficients(values.astype(np.int8), bits),
        parts_of(length, cols, encoding, {**array, **(crossbar or {})}, adc),
        crossbars,
        distinct,
        together,
        activation_bits,
        zero,
        (rng.integers(0, 2**activation_bits, (3, elements)) - zero).astype(np.int16),
    )
