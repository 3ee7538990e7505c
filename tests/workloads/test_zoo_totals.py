"""Every network's totals equal the published ones, or those that its published layer table gives."""

from __future__ import annotations

from math import ceil, prod
from typing import NamedTuple

import pytest

from workloads import Conv2d, Linear, MatrixNode, Network, lower, networks
from workloads.zoo.resnet import imagenet_resnet


class Totals(NamedTuple):
    layers: int  # with weights
    macs: int
    weights: int  # of convolutions and fully connected layers
    parameters: int  # with biases and batch norms
    steps: int  # matrix-vector products of an image
    largest: int  # most products of a layer
    tiles_128: int
    tiles_256: int
    tile_products: int  # products of 256 x 256 tiles


#: He et al. 2016, Huang et al. 2017, Simonyan and Zisserman 2015, Joshi et al. 2020 (361 722 weights with the
#: classifier's bias); parameters of ImageNet's networks are those that torchvision publishes.
TOTALS = {
    "resnet20": Totals(20, 40_551_040, 268_336, 269_722, 9_089, 1024, 59, 36, 11_073),
    "resnet32": Totals(32, 68_862_592, 461_872, 464_154, 14_465, 1024, 99, 60, 17_985),
    "resnet32-ibm": Totals(34, 58_700_336, 361_712, 363_922, 14_785, 1024, 82, 43, 15_361),
    "resnet18": Totals(21, 1_814_073_344, 11_678_912, 11_689_512, 30_234, 12_544, 727, 201, 77_820),
    "resnet34": Totals(37, 3_663_761_408, 21_779_648, 21_797_672, 41_308, 12_544, 1349, 371, 129_956),
    "resnet50": Totals(54, 4_089_184_256, 25_502_912, 25_557_032, 61_398, 12_544, 1576, 422, 128_804),
    "densenet121": Totals(121, 2_834_161_664, 7_894_208, 7_978_856, 84_085, 12_544, 898, 466, 237_274),
    "vgg16": Totals(16, 15_470_264_320, 138_344_128, 138_357_544, 137_791, 50_176, 8454, 2121, 466_800),
    "resnet18-cifar100": Totals(21, 555_468_800, 11_210_432, 11_220_132, 6_801, 1024, 698, 195, 22_338),
    "resnet34-cifar100": Totals(37, 1_159_448_576, 21_311_168, 21_328_292, 10_417, 1024, 1320, 365, 39_362),
    "densenet121-cifar100": Totals(121, 888_442_880, 6_964_928, 7_048_548, 24_385, 1024, 841, 454, 74_404),
}


def totals(network: Network) -> Totals:
    weight_layers = {n: layer for n, layer in network.layers.items() if isinstance(layer, Conv2d | Linear)}
    weights = {name: prod(network.parameter_shapes[name]["weight"]) for name in weight_layers}
    steps = {name: prod(network.shapes[name][1:]) for name in weight_layers}
    outputs = {name: network.shapes[name][0] for name in weight_layers}

    def tiles(name: str, size: int) -> int:
        return ceil(weights[name] / outputs[name] / size) * ceil(outputs[name] / size)

    return Totals(
        layers=len(weight_layers),
        macs=network.macs,
        weights=sum(weights.values()),
        parameters=network.parameter_count,
        steps=sum(steps.values()),
        largest=max(steps.values()),
        tiles_128=sum(tiles(name, 128) for name in weight_layers),
        tiles_256=sum(tiles(name, 256) for name in weight_layers),
        tile_products=sum(tiles(name, 256) * steps[name] for name in weight_layers),
    )


@pytest.mark.parametrize("name", TOTALS)
def test_totals_are_the_published_ones(name: str) -> None:
    network = networks[name]()
    assert network.name == name
    assert totals(network) == TOTALS[name]
    assert lower(network).macs == network.macs


def test_resnet18_scales_with_its_image() -> None:
    found = totals(imagenet_resnet("resnet18", (2, 2, 2, 2), size=256))
    assert found == Totals(21, 2_369_245_184, 11_678_912, 11_689_512, 39_489, 16_384, 727, 201, 101_640)


#: Layers with weights, MACs and parameters. torchvision publishes the parameters (GoogLeNet's without
#: auxiliary classifiers) and 0.714, 1.498 and 0.301 "GFLOPS", which are MACs; the exact ones follow from its
#: layer tables.
TORCHVISION = {
    "alexnet": (8, 714_188_480, 61_100_840),
    "googlenet": (58, 1_498_376_192, 6_624_904),
    "mobilenet-v2": (53, 300_774_272, 3_504_872),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvisions_networks_have_its_totals(name: str) -> None:
    found = totals(networks[name]())
    assert (found.layers, found.macs, found.parameters) == TORCHVISION[name]


#: MACs of an image, and parameters with a bias an output; the perceptrons' MACs follow from RAPIDNN's table.
RAPIDNN = {
    "mnist-mlp": (3, 668_672, 669_706),
    "isolet-mlp": (3, 591_360, 592_410),
    "har-mlp": (3, 559_104, 560_147),
    "cifar10-cnn": (5, 23_434_240, 8_450_570),
    "cifar100-cnn": (5, 23_480_320, 8_496_740),
}


@pytest.mark.parametrize("name", RAPIDNN)
def test_rapidnns_networks_have_the_widths_of_its_table(name: str) -> None:
    network = networks[name]()
    found = totals(network)
    assert (found.layers, found.macs, found.parameters) == RAPIDNN[name]
    widths = [
        network.shapes[n][0] for n, layer in network.layers.items() if isinstance(layer, Conv2d | Linear)
    ]
    classes = {"mnist-mlp": 10, "isolet-mlp": 26, "har-mlp": 19, "cifar10-cnn": 10, "cifar100-cnn": 100}[name]
    assert widths == ([512, 512, classes] if name.endswith("mlp") else [32, 64, 64, 512, classes])


#: Convolutions in order as (size, channels in, channels out, kernel, stride), with how many alike.
Rows = list[tuple[tuple[int, int, int, int, int], int]]


def basic_stages(counts: list[int], widths: list[int], size: int, *, project: bool) -> Rows:
    rows: Rows = []
    for stage, (count, width) in enumerate(zip(counts, widths, strict=True)):
        before = widths[max(stage - 1, 0)]
        if stage:
            rows += [
                ((size, before, width, 3, 2), 1),
                *([((size, before, width, 1, 2), 1)] if project else []),
            ]
            size //= 2
        rows.append(((size, width, width, 3, 1), 2 * count - bool(stage)))
    return rows


TABLES: dict[str, Rows] = {
    "resnet32": [
        ((32, 3, 16, 3, 1), 1),
        ((32, 16, 16, 3, 1), 10),
        ((32, 16, 32, 3, 2), 1),
        ((16, 32, 32, 3, 1), 9),
        ((16, 32, 64, 3, 2), 1),
        ((8, 64, 64, 3, 1), 9),
    ],
    "resnet32-ibm": [
        ((32, 3, 16, 3, 1), 1),
        *basic_stages([5, 5, 5], [16, 28, 56], 32, project=True),
    ],
    "resnet18": [((224, 3, 64, 7, 2), 1), *basic_stages([2] * 4, [64, 128, 256, 512], 56, project=True)],
    "resnet34": [((224, 3, 64, 7, 2), 1), *basic_stages([3, 4, 6, 3], [64, 128, 256, 512], 56, project=True)],
    "resnet18-cifar100": [
        ((32, 3, 64, 3, 1), 1),
        *basic_stages([2] * 4, [64, 128, 256, 512], 32, project=True),
    ],
}


@pytest.mark.parametrize("name", TABLES)
def test_layer_tables_are_the_published_ones(name: str) -> None:
    network = networks[name]()
    found: dict[tuple[int, ...], int] = {}
    for layer in network.layers.values():
        if isinstance(layer, Conv2d):
            channels, size, _ = network.in_shapes(layer.name)[0]
            row = (size, channels, layer.out_channels, layer.window.kernel[0], layer.window.stride[0])
            found[row] = found.get(row, 0) + 1
    expected: dict[tuple[int, ...], int] = {}
    for row, count in TABLES[name]:
        expected[row] = expected.get(row, 0) + count
    assert found == expected


def test_dense_blocks_grow_by_32_channels_and_transitions_halve_them() -> None:
    network = lower(networks["densenet121"]())
    read = [
        network[f"block{block}-unit{unit}-conv1"].in_shapes[0][0]
        for block, units in enumerate((6, 12, 24, 16), start=1)
        for unit in range(1, units + 1)
    ]
    starts = {64: 6, 128: 12, 256: 24, 512: 16}
    assert read == [start + 32 * unit for start, units in starts.items() for unit in range(units)]
    assert network.shapes["norm"] == (1024, 7, 7)


def test_resnet50_strides_in_its_3x3_convolutions() -> None:
    network = lower(networks["resnet50"]())
    strided = [n.name for n in network.nodes if isinstance(n, MatrixNode) and n.window.stride == (2, 2)]
    blocks = [f"stage{stage}-block1" for stage in (2, 3, 4)]
    assert strided == ["stem", *(f"{b}-{end}" for b in blocks for end in ("conv2", "project"))]
