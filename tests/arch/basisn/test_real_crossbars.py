"""Crossbars with the basis in real cells: written once, read with noise of known moments, in range."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from arch.arrays.analog_product import CONVERTERS, AnalogProduct
from arch.arrays.array_parts import Placement
from arch.arrays.encoding import Encoding
from arch.arrays.ir_drop import IRDropConfig, droop
from arch.arrays.readout import Readout
from arch.arrays.transfer import Transfer
from arch.machines.basisn.written_basis import write_crossbars
from simcore import ConfigError, MappingError
from simcore.noise import derive, stream_key
from tests.arch.basisn.basis_layers import BasisLayer, basis_layers, grouped_conv, parts_of, returned
from tests.normal_samples import CONFIDENT, assert_independent
from workloads.basis import Coefficients, SharedBasis

Array = NDArray[Any]

REAL = {
    "device": {
        "on_off_ratio": 50.0,
        "programming": {"sigma": (0.05,)},
        "stuck": {"on": 0.05, "off": 0.05},
        "drift": {"nu": {"value": 0.05, "high": 0.1}},
        "time_s": 1e4,
    },
    "wires": {"wordline": 1e-3, "bitline": 1e-3},
}
COARSE = {
    "bits": 8,
    "range": "fixed",
    "lsb": 2,
    "readout": {"gain_sigma": 0.05, "offset_sigma": 0.5, "inl_polynomial": (0.0, 2.0, -2.0)},
}


@settings(deadline=None, max_examples=40)
@given(basis_layers(joined=False, crossbar=REAL, adc=COARSE))
def test_columns_by_themselves_are_an_array_that_holds_the_vectors(layer: BasisLayer) -> None:
    """Its products, an `AnalogProduct`, times coefficients; it rounds each of them, a pass only the sum."""
    layer = replace(layer, distinct=False, crossbars=2)
    parts, (vectors, length) = layer.parts, layer.basis.vectors.shape
    cols = layer.parts.encoding.columns_per_weight * vectors
    parts = replace(parts, crossbar=parts.crossbar.model_copy(update={"cols": cols}))
    layer = replace(layer, parts=parts)
    written = layer.written
    sums, _ = returned(layer.analog(written), layer, lane=1)
    streaming = parts.crossbar.streaming(layer.activation_bits)
    array = AnalogProduct(
        [Placement(layer.basis.vectors.T, np.arange(length), 0)],
        vectors,
        parts.encoding,
        streaming,
        [Transfer(8, parts.encoding.signs == "signed", 2)],
        parts.physics,
        [written.lanes[1][0].key],
        active_rows=parts.crossbar.active_rows,
    )
    offset = layer.zero if streaming.sign == "unsigned" else 0
    per_group, kernels = len(layer.coefficients.values) // layer.node.groups, layer.node.cols_per_group
    channels = layer.node.in_shapes[0][0] // layer.node.groups
    products, idle = np.zeros((2, 1, vectors), np.int64)
    array.multiply(np.zeros((1, length), np.int16), idle, 0, 5, 0)
    turns = parts.crossbar.turns
    expected, slack = np.zeros(sums.shape), np.zeros(sums.shape)
    for n, window in enumerate(layer.windows.astype(int)):
        by_group = window.reshape(-1, layer.node.groups, channels).transpose(1, 0, 2)
        for part, values in enumerate(layer.coefficients.values.astype(int)):
            group, own = divmod(part, per_group)
            inputs = by_group[group].ravel()[own * length : (own + 1) * length]
            carried = np.zeros((1, length), np.int16)
            carried[0, : len(inputs)] = inputs + offset
            array.multiply(carried, products, 0, 5, n)
            columns = slice(group * kernels, (group + 1) * kernels)
            unread = 1 - turns(len(inputs)) / turns(length)  # groups of rows, which add what idle ones do
            expected[n, columns] += values @ (
                products[0]
                - unread * idle[0]
                - offset * layer.basis.vectors[:, : len(inputs)].astype(int).sum(axis=1)
            )
            slack[n, columns] += (0.5 + 0.5 * unread) * np.abs(values).sum(axis=1) + 1
    assert (np.abs(sums - expected) <= slack).all()


def one_slice(kernels: Array, *, signs: Any = "signed", joined: bool = True, **parts: Any) -> BasisLayer:
    """Return a layer of one slice of 32 rows and many equal windows, for (kernels, vectors) of 4 bits."""
    rng = np.random.default_rng(3)
    node = grouped_conv(1, 8, len(kernels))
    vectors = kernels.shape[1]
    encoding = Encoding(signs, 4, 3)
    return BasisLayer(
        node,
        SharedBasis(rng.integers(-7, 8, (vectors, 32)).astype(np.int16), 4),
        Coefficients(kernels[None].astype(np.int8), 4),
        parts_of(32, 2 * vectors * encoding.columns_per_weight, encoding, **parts),
        2,
        False,
        joined,
        4,
        0,
        np.tile(rng.integers(0, 16, 32), (600, 1)).astype(np.int16),
    )


def errors(layer: BasisLayer, lane: int = 0) -> Array:
    return returned(layer.analog(), layer, lane)[0] - layer.exact()


def noisy(sigma: float, cell: float = 0.0) -> dict[str, Any]:
    return {"device": {"read": {"column": sigma, "cell": cell}}}


@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize(("column", "cell"), [(0.02, 0.0), (0.0, 0.05)])
def test_noise_of_all_joined_columns_adds_up(joined: bool, column: float, cell: float) -> None:
    """Kernels of 1, 3 and 6 columns; where these join, each bit plane has noise of its own."""
    kernels = np.zeros((3, 10), np.int64)
    kernels[0, 0], kernels[1, 1:4], kernels[2, 4:] = 5, [1, -2, 7], 3
    layer = one_slice(kernels, joined=joined, crossbar=noisy(column, cell), adc={"range": "weights"})
    inputs = layer.windows[0].astype(np.int64)
    carried = np.array([inputs >> bit & 1 for bit in range(4)])
    own = cell**2 * carried @ layer.basis.vectors.T.astype(float) ** 2  # of cells that are on, by phase
    own += (column * 7) ** 2 * 32 * 2  # of a pair of bitlines of 32 cells, 7 levels at most
    worth = 4.0 ** np.arange(4)
    planes = layer.coefficients.planes[:, 0].astype(float)
    for kernel, found in enumerate(errors(layer).T):
        if joined:  # a code is rounded to a level
            reads = own @ planes[:, kernel].T + planes[:, kernel].any(axis=1) / 12
            expected = worth @ reads @ worth
        else:
            expected = worth @ (own + 1 / 12) @ kernels[kernel].astype(float) ** 2
        assert abs(found.mean()) < CONFIDENT * sqrt(expected / len(found))
        assert abs(found.var() / expected - 1) < CONFIDENT * sqrt(2 / len(found))


def test_kernels_on_one_column_are_read_one_after_the_other() -> None:
    """Their noise is independent where columns join; it is one number where they share its conversion."""
    same = np.zeros((64, 4), np.int64)
    same[:, 0] = 1
    joined, single = (
        errors(one_slice(same, joined=on, crossbar=noisy(0.1), adc={"range": "weights"}))
        for on in (True, False)
    )
    assert_independent(joined / joined.std())
    assert (single == single[:, :1]).all()
    assert single.any()


def test_cells_are_those_of_the_crossbar_and_reads_those_of_the_layer() -> None:
    kernels = np.eye(6, dtype=np.int64)
    programmed = one_slice(kernels, crossbar={"device": {"programming": {"sigma": (0.1,)}}})
    other_layer = replace(programmed, node=grouped_conv(1, 8, 6, name="other"))
    assert (errors(programmed) != 0).any()
    np.testing.assert_array_equal(errors(programmed), errors(other_layer))
    assert (errors(programmed) != errors(programmed, lane=1)).any()
    reseeded = replace(programmed, parts=replace(programmed.parts, seed=1))
    assert (errors(programmed) != errors(reseeded)).any()

    read = one_slice(kernels, crossbar=noisy(0.1))
    for differs in (
        errors(replace(read, node=grouped_conv(1, 8, 6, name="other"))),
        errors(read, lane=1),
        np.roll(errors(read), 1, axis=0),  # of the pixel before, with equal inputs
    ):
        assert (errors(read) != differs).mean() > 0.5
    np.testing.assert_array_equal(errors(read), errors(read))


@pytest.mark.parametrize("joined", [True, False])
def test_each_column_loses_by_its_own_charge_where_idle_rows_are_cut_off(joined: bool) -> None:
    wires = IRDropConfig(bitline=0.002, gated=True)
    kernels = np.zeros((1, 6), np.int64)
    kernels[0, :4] = [1, 2, 4, -8]
    kernels[0, 4] = 1
    layer = one_slice(kernels, signs="differential", joined=joined, crossbar={"wires": wires.model_dump()})
    layer = replace(layer, windows=layer.windows[:1])
    found, _ = returned(layer.analog(), layer)
    inputs, vectors = layer.windows[0].astype(int), layer.basis.vectors.astype(int)
    expected = 0.0
    for bit in range(4):
        for sign in (1, -1):
            sums = (inputs >> bit & 1) @ np.maximum(sign * vectors, 0).T
            left = sums / (1 + droop(32, wires, 7 * 256) * 256 * sums)
            for together in [[0, 4], [1], [2], [3]] if joined else [[0], [1], [2], [3], [4]]:
                code = np.floor(left[together].sum() + 0.5)
                expected += 2**bit * sign * kernels[0, together[0]] * code
    assert found[0, 0] == expected
    assert layer.exact()[0, 0] - expected > 100


def test_kernels_have_the_converters_of_their_places_in_a_slot() -> None:
    """Kernels that share no column are in one slot, those that share one in slots of their own, all first."""
    real: dict[str, Any] = {"adc": {"range": "fixed", "lsb": 1, "readout": {"offset_sigma": 5.0}}}
    apart = one_slice(np.eye(6, dtype=np.int64), **real)
    offsets = np.floor(converter_offsets(apart)[::2] + 0.5)  # two columns a converter
    assert len(set(offsets)) > 3
    assert (errors(apart) == 15 * offsets).all()
    contested = one_slice(np.ones((6, 6), np.int64), **real)
    assert (errors(contested) == 15 * offsets[0]).all()
    by_itself = one_slice(np.eye(6, dtype=np.int64), joined=False, **real)
    assert (errors(by_itself) == 15 * offsets[[0, 0, 1, 1, 2, 2]]).all()


def converter_offsets(layer: BasisLayer) -> Array:
    """Return the offsets of the first crossbar's converters [LSB], at each of its columns."""
    parts = layer.parts
    drawn = Readout(
        parts.adc.readout,
        parts.physics.device,
        parts.crossbar.wires,
        rows=32,
        bitlines=parts.crossbar.cols,
        lsb=256.0,
        low=-(2**15),
        high=2**15 - 1,
        key=np.uint64(derive(stream_key(0, "basis", 0), CONVERTERS)),
        sharing=2,
    )
    offsets: Array = drawn.curves[2].astype(float)
    return offsets


def test_drift_compensation_makes_up_for_what_a_crossbar_lost() -> None:
    drift = {"drift": {"start_s": 1.0, "nu": {"value": 0.05, "high": 0.05}}, "time_s": 1e6}
    raw, compensated = (
        one_slice(np.full((1, 10), 7), crossbar={"device": drift, "drift_compensation": on})
        for on in (False, True)
    )
    positive = SharedBasis(np.abs(raw.basis.vectors), 4)
    raw, compensated = replace(raw, basis=positive), replace(compensated, basis=positive)
    exact = raw.exact()
    left = 1e6**-0.05
    # a code is off by half a level, a cell by 2^-9 of one; inputs count 15 in all phases, coefficients 7
    most = 15 * 7 * (0.5 + 10 * 32 / 512)
    np.testing.assert_allclose(returned(raw.analog(), raw)[0], exact * left, atol=most)
    np.testing.assert_allclose(returned(compensated.analog(), compensated)[0], exact, atol=most / left)
    assert abs(errors(raw)).max() > 100 * most


# -- ranges --------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(basis_layers(adc={"bits": 5}), st.sampled_from(["full", "weights"]))
def test_what_any_inputs_give_fits_into_the_range(layer: BasisLayer, span: str) -> None:
    """Tried on the largest and the smallest inputs of every row."""
    ends = np.stack(
        [np.full(layer.windows.shape[1], code - layer.zero) for code in (0, 2**layer.activation_bits - 1)]
    )
    adc: Any = layer.parts.adc.model_copy(update={"range": span})
    tried = replace(layer, parts=replace(layer.parts, adc=adc), windows=ends.astype(np.int16))
    assert returned(tried.analog(), tried)[1] == 0


@settings(deadline=None, max_examples=40)
@given(basis_layers(adc={"bits": 6, "range": "calibrated"}))
def test_converters_calibrated_on_windows_do_not_clip_these(layer: BasisLayer) -> None:
    calibrated = layer.analog(samples=layer.windows.astype(np.int32))
    assert returned(calibrated, layer)[1] == 0


def test_a_calibrated_range_is_finer_than_that_of_the_weights() -> None:
    rng = np.random.default_rng(1)
    kernels = rng.integers(-8, 8, (6, 12)) * (rng.random((6, 12)) < 0.5)
    lost = {}
    for span in ("full", "weights", "calibrated"):
        layer = one_slice(kernels, adc={"range": span, "bits": 6})
        layer = replace(layer, windows=layer.windows[:1])
        found, clipped = returned(layer.analog(samples=layer.windows), layer)
        assert clipped == 0
        lost[span] = np.abs(found - layer.exact()).mean()
    assert lost["calibrated"] < lost["weights"] < lost["full"]


# -- what cannot be ------------------------------------------------------------------------------------------


def test_a_basis_that_crossbars_have_no_room_for_is_refused() -> None:
    encoding = Encoding("differential", 4, 3)
    ones = SharedBasis(np.ones((8, 16), np.int16), 4)
    with pytest.raises(
        MappingError, match=r"at most 8 elements, one a wordline, got 16; .* raise array.rows"
    ):
        write_crossbars(ones, parts_of(8, 16, encoding), 2, distinct=False)
    with pytest.raises(MappingError, match=r"at most 7 vectors, .* of a crossbar hold, got 8; .*array.cols"):
        write_crossbars(ones, parts_of(16, 14, encoding), 2, distinct=False)
    assert len(write_crossbars(ones, parts_of(16, 14, encoding), 2, distinct=True).lanes[0]) == 2
    with pytest.raises(MappingError, match=r"at most 6 vectors, .* of 2 crossbars hold, got 8"):
        write_crossbars(ones, parts_of(16, 6, encoding), 2, distinct=True)
    wide = SharedBasis(np.full((8, 16), -8, np.int16), 4)
    with pytest.raises(
        MappingError, match=r"basis: differential weights of 4 bit must be in \[-7, 7\], got -8"
    ):
        write_crossbars(wide, parts_of(16, 16, encoding), 2, distinct=False)


def test_columns_that_hold_complements_cannot_join() -> None:
    layer = one_slice(np.eye(4, dtype=np.int64), signs="flip")
    with pytest.raises(ConfigError, match=r"encoding must not be flip where columns join"):
        layer.analog()
    assert replace(layer, joined=False).analog().conversions.sum() == 4 * (
        2 * 4 + 1
    )  # two slices of each vector, and a unit


def test_coefficients_of_another_layer_are_refused() -> None:
    layer = one_slice(np.eye(4, dtype=np.int64))
    other = replace(layer, node=grouped_conv(1, 9, 4))
    with pytest.raises(
        MappingError, match=r"conv: coefficients must be .* = \(2, 4, 4\), got \(1, 4, 4\); fit"
    ):
        other.analog()


def test_signed_cells_need_converters_with_a_sign() -> None:
    layer = one_slice(np.eye(4, dtype=np.int64), adc={"bits": 1})
    with pytest.raises(ConfigError, match=r"bits must be in \[2, 16\] bit for signed cells"):
        layer.analog()
