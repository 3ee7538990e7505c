"""The formulas against published work counts, and against counting one by one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import Reprogrammed, ReprogrammedConfig
from arch.machines.basisn import BasisN, BasisNConfig
from arch.machines.basisn.closed_forms import (
    basisn_cycles,
    column_conversions,
    grouped_conversions,
    layer_counts,
    network_counts,
    packed_slots,
    sparse_store_bits,
)
from workloads import Conv2d, Input, MatrixNode, Network, Window, lower, networks

#: Kernel slices, pixel-slices, slots of dense kernels and of 16, 8 and 4 non-zeros [millions], and the
#: store of 8 non-zeros of 4 bits [MB], for arrays of R x R: work counts of BasisN, re-derived by hand.
TABLE = {
    ("resnet34", 128): (170_528, 223_836, 30.01, 3.751, 1.876, 0.938, 1.88),
    ("resnet34", 256): (86_288, 125_050, 16.11, 1.007, 0.503, 0.252, 1.04),
    ("densenet121", 128): (64_512, 423_172, 24.44, 3.055, 1.528, 0.764, 0.71),
    ("densenet121", 256): (34_976, 236_478, 13.79, 0.862, 0.431, 0.300, 0.42),
    ("resnet18-cifar100", 128): (87_888, 36_100, 4.555, 0.569, 0.285, 0.142, 0.97),
    ("resnet34-cifar100", 128): (166_864, 65_924, 9.339, 1.167, 0.584, 0.292, 1.84),
    ("densenet121-cifar100", 128): (57_248, 131_016, 7.521, 0.940, 0.470, 0.235, 0.63),
}


@pytest.mark.parametrize(("name", "size"), TABLE)
def test_work_counts_are_those_of_the_table(name: str, size: int) -> None:
    layers = network_counts(lower(networks[name]()), size).values()
    kernel_slices, passes, dense, *packed, megabytes = TABLE[name, size]
    assert sum(layer.kernel_slices for layer in layers) == kernel_slices
    assert sum(layer.passes for layer in layers) == passes
    found = sum(layer.passes * packed_slots(layer.kernels, size, size) for layer in layers)
    assert found / 1e6 == pytest.approx(dense, abs=0.006)
    for nonzeros, slots in zip((16, 8, 4), packed, strict=True):
        found = sum(layer.passes * packed_slots(layer.kernels, nonzeros, size) for layer in layers)
        assert found / 1e6 == pytest.approx(slots, abs=0.0006)
    assert sparse_store_bits(kernel_slices, 8, size, 4) / 8e6 == pytest.approx(megabytes, abs=0.006)


#: Cycles of one image on 64 and on 8 crossbars of 128 x 128, 8 non-zeros, 4 bits, inputs of 8 bits.
CYCLES = {
    "resnet34": (949_984, 7_507_936),
    "densenet121": (774_752, 6_115_040),
    "resnet34-cifar100": (293_088, 2_334_944),
    "densenet121-cifar100": (237_536, 1_880_288),
}


@pytest.mark.parametrize("name", CYCLES)
def test_cycles_are_those_of_the_worked_examples(name: str) -> None:
    layers = network_counts(lower(networks[name]()), 128).values()
    pairs = [(layer, packed_slots(layer.kernels, 8, 128)) for layer in layers]
    assert tuple(basisn_cycles(pairs, crossbars, 4, 8) for crossbars in (64, 8)) == CYCLES[name]


@pytest.mark.parametrize(
    ("name", "size", "tiles"),
    [
        ("resnet34", 128, 1349),
        ("resnet34", 256, 371),
        ("densenet121", 128, 898),
        ("densenet121", 256, 466),
        ("resnet18-cifar100", 128, 698),
        ("resnet34-cifar100", 128, 1320),
        ("densenet121-cifar100", 128, 841),
        ("mobilenet-v2", 128, 816),  # groups lie beside each other
    ],
)
def test_tiles_are_those_of_the_same_weights_on_crossbars_of_their_own(
    name: str, size: int, tiles: int
) -> None:
    network = lower(networks[name]())
    machine = {"array": {"rows": size, "cols": size}}
    assert BasisN(BasisNConfig.parse(machine)).map(network).resources["tile"] == tiles
    assert Reprogrammed(ReprogrammedConfig.parse(machine)).map(network).tiles == tiles


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(1, 3), st.integers(1, 12))
def test_groups_have_kernels_and_slices_of_their_own(
    groups: int, of_inputs: int, of_outputs: int, kernel: int, length: int
) -> None:
    """Counted one by one: groups, then each group's rows in runs of a slice, kernels and pixels."""
    conv = Conv2d(
        name="conv", out_channels=groups * of_outputs, window=Window.square(kernel), groups=groups, bias=False
    )
    network = lower(Network("grouped", (Input(name="image", shape=(groups * of_inputs, 4, 5)), conv)))
    (node,) = network.nodes
    assert isinstance(node, MatrixNode)
    counted = layer_counts(node, length)
    cut = [range(0, node.rows, length) for _ in range(groups)]
    pixels = (5 - kernel) * (6 - kernel)
    assert counted.slices == sum(len(slices) for slices in cut)
    assert counted.products == pixels * sum(len(slices) * of_outputs for slices in cut)
    assert counted.passes == pixels * counted.slices
    assert counted.kernel_slices == counted.slices * of_outputs
    conversions = grouped_conversions([counted], 4, 8)
    assert conversions == sum(4 * 8 for _ in range(pixels) for slices in cut for _ in slices) * of_outputs
    assert column_conversions([counted], 16, 8) == counted.passes * 16 * 8


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 64), st.integers(1, 64), st.integers(1, 16))
def test_packed_slots_fill_columns_and_converters_first(
    kernels: int, nonzeros: int, vectors: int, converters: int
) -> None:
    vectors = max(vectors, nonzeros)
    slots, columns, used = 0, 0, 0  # left of the slot that is being filled
    for _ in range(kernels):
        if columns < nonzeros or not used:
            slots, columns, used = slots + 1, vectors, converters
        columns, used = columns - nonzeros, used - 1
    assert packed_slots(kernels, nonzeros, vectors, converters) == slots
    assert packed_slots(kernels, nonzeros, vectors) == packed_slots(kernels, nonzeros, vectors, vectors)
    if vectors % nonzeros == 0:
        assert packed_slots(kernels, nonzeros, vectors) == -(-kernels * nonzeros // vectors)
