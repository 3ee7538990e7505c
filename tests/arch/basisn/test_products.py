"""Passes over a shared basis: exact, and on crossbars that are ideal, coarse or real."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arch.machines.basisn.products import ExactSlices
from tests.arch.arrays.naive_arrays import Converter, cells_of, waves
from tests.arch.basisn.basis_layers import VECTOR_BITS, BasisLayer, basis_layers, returned

Array = NDArray[Any]


@settings(deadline=None)
@given(basis_layers(), st.sampled_from([np.int32, np.int64]))
def test_exact_passes_add_up_to_the_products_of_the_weights(layer: BasisLayer, number: type[Any]) -> None:
    slices = ExactSlices(layer.node, layer.basis, layer.coefficients)
    sums = np.full((3, layer.node.cols), 5, number)
    for part in range(len(layer.coefficients.values)):
        assert slices.multiply(layer.windows, sums, 1, part, 0, 0) == 0
    np.testing.assert_array_equal(sums[1], layer.exact()[1] + 5)
    assert (sums[[0, 2]] == 5).all()


@settings(deadline=None)
@given(basis_layers(), st.integers(0, 2))
def test_perfect_crossbars_with_wide_converters_are_exact(layer: BasisLayer, lane: int) -> None:
    slices = layer.analog()
    sums, clipped = returned(slices, layer, lane % len(layer.written.lanes))
    np.testing.assert_array_equal(sums, layer.exact())
    assert clipped == 0
    assert np.abs(sums).max() <= slices.largest


def bit_by_bit(layer: BasisLayer, lsb: int) -> tuple[Array, int, int]:
    """Return sums, and conversions in all and clipped, from one converter of integers at a time."""
    encoding, crossbar, bits = layer.parts.encoding, layer.parts.crossbar, layer.activation_bits
    signed = encoding.signs == "signed"
    converter = Converter(layer.parts.adc.bits, signed, [])
    form = (
        bits + (crossbar.input_sign == "twos-complement"),
        crossbar.dac_bits,
        crossbar.input_form,
        crossbar.input_sign,
    )
    offset = layer.zero if crossbar.input_sign == "unsigned" else 0
    vectors, length = layer.basis.vectors.shape
    held = -(-vectors // layer.crossbars) if layer.distinct else vectors
    held = crossbar.cols // encoding.columns_per_weight if layer.distinct else held
    coded = (str(encoding.signs), VECTOR_BITS, encoding.cell_bits, encoding.slices)
    cells = np.array([[cells_of(int(v), *coded) for v in vector] for vector in layer.basis.vectors])
    kinds = cells.shape[2]
    if encoding.signs == "differential":
        worth = [(-1) ** part * 2 ** (encoding.cell_bits * (part // 2)) for part in range(kinds)]
    else:
        worth = [2 ** (encoding.cell_bits * part) for part in range(kinds)]
    has_unit = encoding.signs == "offset"
    sums = np.zeros((len(layer.windows), layer.node.cols), np.int64)
    conversions = 0
    channels = layer.node.in_shapes[0][0] // layer.node.groups
    slices = len(layer.coefficients.values) // layer.node.groups
    turn = crossbar.active_rows or length
    for n, window in enumerate(layer.windows.astype(int)):
        by_group = window.reshape(-1, layer.node.groups, channels).transpose(1, 0, 2)
        for part, values in enumerate(layer.coefficients.values.astype(int)):
            group, own = divmod(part, slices)
            inputs = by_group[group].ravel()[own * length : (own + 1) * length]
            inputs = np.pad(inputs + offset, (0, length - len(inputs)))  # padded rows carry nothing
            carried = [waves(int(x), *form) for x in inputs]
            for kernel, row in enumerate(values):
                column = group * layer.node.cols_per_group + kernel
                weights = row @ layer.basis.vectors.astype(int)
                within = slice(0, min(length, layer.node.rows - own * length))
                sums[n, column] -= offset * weights[within].sum()
            for array in range(0, vectors, held):
                mine = range(array, min(array + held, vectors))
                for first in range(0, min(length, layer.node.rows - own * length), turn):
                    on = range(first, min(first + turn, length))
                    for phase, (_, factor) in enumerate(carried[0]):
                        x = np.array([carried[r][phase][0] for r in on])
                        if has_unit:
                            conversions += 1
                            unit = converter.convert(int(x.sum()), lsb) * -(2 ** (VECTOR_BITS - 1))
                            for kernel, row in enumerate(values):
                                column = group * layer.node.cols_per_group + kernel
                                sums[n, column] += factor * unit * int(row[list(mine)].sum())
                        if not layer.joined:
                            conversions += len(mine) * kinds
                            p = {
                                b: sum(
                                    w * converter.convert(int(x @ cells[b, on, kind]), lsb)
                                    for kind, w in enumerate(worth)
                                )
                                for b in mine
                            }
                            for kernel, row in enumerate(values):
                                column = group * layer.node.cols_per_group + kernel
                                sums[n, column] += factor * sum(int(row[b]) * p[b] for b in mine)
                            continue
                        for plane in range(layer.coefficients.bits):
                            top = plane == layer.coefficients.bits - 1
                            for kernel, row in enumerate(values):
                                ones = [b for b in mine if row[b] // 2**plane % 2]
                                if not ones:
                                    continue
                                conversions += kinds
                                total = sum(
                                    w * converter.convert(sum(int(x @ cells[b, on, kind]) for b in ones), lsb)
                                    for kind, w in enumerate(worth)
                                )
                                column = group * layer.node.cols_per_group + kernel
                                sums[n, column] += factor * total * (-(2**plane) if top else 2**plane)
    return sums, conversions, len(converter.clipped)


@settings(deadline=None, max_examples=60)
@given(basis_layers(flips=False), st.integers(2, 6), st.integers(1, 30))
def test_coarse_converters_do_it_bit_plane_by_bit_plane(layer: BasisLayer, bits: int, lsb: int) -> None:
    adc: Any = layer.parts.adc.model_copy(update={"bits": bits, "range": "fixed", "lsb": lsb})
    coarse = replace(layer, parts=replace(layer.parts, adc=adc))
    slices = coarse.analog()
    sums, clipped = returned(slices, coarse)
    expected, conversions, out_of_range = bit_by_bit(coarse, lsb)
    np.testing.assert_array_equal(sums, expected)
    assert clipped == out_of_range
    assert len(coarse.windows) * slices.conversions.sum() == conversions
    assert np.abs(sums).max() <= slices.largest
