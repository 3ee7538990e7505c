from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from simcore.errors import ConfigError, WorkloadError
from simcore.kernels.cam_search import find_nearest_reference
from tests.strategies import NetworkCase, networks
from workloads import (
    AddNode,
    AvgPoolNode,
    ConcatNode,
    Dataset,
    Linear,
    MatrixNode,
    MaxPoolNode,
    Network,
    SelectNode,
    Window,
    datasets,
    float_outputs,
    lower,
)
from workloads import networks as zoo
from workloads.composition import (
    ABSENT,
    Block,
    ComposedBlock,
    ComposedNetwork,
    ComposedReference,
    ComposeOptions,
    Composition,
    compose,
    nearest_rows,
    wrapped,
)
from workloads.layers import Activation, Input

Tensor = NDArray[np.int64]
BITS = st.sampled_from((8, 16, 32))
SIZES = st.sampled_from((4, 8, 16))


def composed(case: NetworkCase, weights: int, inputs: int, bits: int) -> Composition:
    """Return a drawn network composed with its own images; it is no example if it cannot be."""
    images = np.concatenate([case.images * np.float32(1 + step / 8) for step in range(5)])
    data = Dataset("drawn", images, None, "drawn")
    try:
        return compose(case.network, data, ComposeOptions(weights, inputs, bits))
    except WorkloadError:
        assume(False)
        raise


def nearest(keys: Tensor, number: int) -> int:
    """Return the first row at the least distance."""
    return min(range(len(keys)), key=lambda row: abs(int(keys[row]) - number))


def pixels(window: Window, y: int, x: int, height: int, width: int) -> Iterator[tuple[int, int] | None]:
    """Yield where each position of a window reads, None in the padding."""
    for i, j in product(range(window.kernel[0]), range(window.kernel[1])):
        row = y * window.stride[0] - window.padding[0] + i * window.dilation[0]
        column = x * window.stride[1] - window.padding[1] + j * window.dilation[1]
        yield (row, column) if 0 <= row < height and 0 <= column < width else None


def counted_sum(block: ComposedBlock, node: MatrixNode, codes: Tensor, channel: int, y: int, x: int) -> int:
    """Return a neuron's sum as counters find it: how often each pair of codes meets, times its product."""
    assert block.products is not None
    per_group = node.in_shapes[0][0] // node.groups
    group, place = divmod(channel, node.cols_per_group)
    counts: Counter[tuple[int, int]] = Counter()
    for position, pixel in enumerate(pixels(node.window, y, x, *node.in_shapes[0][1:])):
        for own in range(per_group):
            if pixel is not None and (code := int(codes[group * per_group + own, *pixel])) != ABSENT:
                counts[int(block.products.codes[group, position * per_group + own, place]), code] += 1
    book = block.products.table[channel if len(block.products.table) > 1 else 0]
    return sum(count * int(book[pair]) for pair, count in counts.items()) + int(block.products.bias[channel])


def term_sum(block: ComposedBlock, operands: list[Tensor], channel: int, y: int, x: int) -> int:
    """Return a neuron's sum of several tensors, or of the pixels of a mean."""
    assert block.terms is not None
    node = block.block.total
    if isinstance(node, AvgPoolNode):
        places = pixels(node.window, y, x, *node.in_shapes[0][1:])
        read = [(0, int(operands[0][channel, *place])) for place in places if place is not None]
    else:
        read = [(i, int(operand[channel, y, x])) for i, operand in enumerate(operands)]
    return sum(int(block.terms[i, code]) for i, code in read if code != ABSENT)


def by_hand(network: ComposedNetwork, image: NDArray[np.float32]) -> dict[str, Tensor]:
    """Return every tensor (C, H, W) of one image, neuron by neuron, in plain integers."""
    half = 2 ** (network.bits - 1)
    steps = np.clip(np.rint(image.astype(np.float64) / network.input_scale), -half, half - 1)
    encode = np.vectorize(lambda step: nearest(network.input_encoder, int(step)), otypes=[np.int64])
    tensors: dict[str, Tensor] = {network.form.lowered.input: encode(steps)}
    for step in network.form.steps:
        if not isinstance(step, Block):
            tensors[step.name] = moved(step, [tensors[source] for source in step.inputs])
            continue
        block, node = network.blocks[step.name], step.total
        operands = [tensors[source] for source in node.inputs]
        out = np.empty(node.shape, np.int64)
        for channel, y, x in np.ndindex(*node.shape):
            if isinstance(node, MatrixNode):
                total = counted_sum(block, node, operands[0], channel, y, x)
            else:
                total = term_sum(block, operands, channel, y, x)
            value = min(max((total + half) % (2 * half) - half, block.low), block.high)
            if block.activation is not None:
                value = int(block.activation.values[nearest(block.activation.keys, value)])
            out[channel, y, x] = value if block.encoder is None else nearest(block.encoder, value)
        tensors[step.name] = out
    return tensors


def moved(node: object, operands: list[Tensor]) -> Tensor:
    """Return what a move gives, pixel by pixel."""
    if isinstance(node, ConcatNode):
        return np.concatenate(operands)
    codes = operands[0]
    assert isinstance(node, MaxPoolNode | SelectNode)
    out = np.empty(node.shape, np.int64)
    for channel, y, x in np.ndindex(*node.shape):
        if isinstance(node, MaxPoolNode):
            read = [p for p in pixels(node.window, y, x, *codes.shape[1:]) if p is not None]
            out[channel, y, x] = max((int(codes[channel, *place]) for place in read), default=ABSENT)
        else:
            wanted = zip((node.channels, node.rows, node.columns), (channel, y, x), strict=True)
            place = tuple(at if places is None else places[at] for places, at in wanted)
            out[channel, y, x] = ABSENT if -1 in place else codes[place]
    return out


@settings(deadline=None, max_examples=60)
@given(networks(max_steps=3), SIZES, SIZES, BITS)
def test_the_reference_is_what_counters_adders_and_searches_give(
    case: NetworkCase, weights: int, inputs: int, bits: int
) -> None:
    network = composed(case, weights, inputs, bits).at()
    found = ComposedReference(network).tensors(case.images)
    for i, image in enumerate(case.images):
        for name, expected in by_hand(network, image).items():
            assert np.array_equal(found[name][i], expected), name


@settings(deadline=None, max_examples=40)
@given(networks(max_steps=3), SIZES, SIZES)
def test_levels_of_a_deep_composition_are_compositions(case: NetworkCase, weights: int, inputs: int) -> None:
    deep, shallow = composed(case, 32, 64, 16).at(weights, inputs), composed(case, weights, inputs, 16).at()
    for name, block in deep.blocks.items():
        other = shallow.blocks[name]
        if block.products is not None and other.products is not None:
            assert np.array_equal(block.products.codes, other.products.codes)
    assert deep.table_bytes == shallow.table_bytes


@settings(deadline=None, max_examples=60)
@given(networks(max_steps=2, max_images=1))
def test_many_clusters_and_bits_come_near_to_real_numbers(case: NetworkCase) -> None:
    assume(not any(isinstance(layer, Activation) for layer in case.network.layers.values()))
    composition = composed(case, 256, 256, 32)
    lowered, parameters = lower(case.network), case.network.load_parameters()
    network = composition.at()
    assume(lowered.output == network.form.lowered.output)  # no softmax was left out
    images = case.images
    exact = float_outputs(lowered, parameters, images)
    found = ComposedReference(network).outputs(images) * network.output_scale
    sizes = [np.abs(centres).max() for centres in network.centres.values()]
    assert np.abs(found - exact).max() <= 0.05 * max(1.0, *sizes, float(np.abs(exact).max()))


@given(
    st.lists(st.integers(0, 2**16 - 1), min_size=1, max_size=64).map(sorted),
    st.lists(st.integers(0, 2**16 - 1), min_size=1, max_size=50),
)
def test_the_search_is_that_of_a_nearest_distance_memory(keys: list[int], numbers: list[int]) -> None:
    """Signed keys with 2**15 added are the memory's: order, distances and ties are the same."""
    found = np.empty(len(numbers), np.int32)
    asked = np.array(numbers, np.uint16)
    find_nearest_reference(np.array(keys, np.uint32), asked, found, 0, len(numbers))
    signed_keys, signed = np.array(keys) - 2**15, np.array(numbers) - 2**15
    assert np.array_equal(nearest_rows(signed_keys, signed), found)


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1), BITS)
def test_sums_wrap_in_any_order(numbers: list[int], bits: int) -> None:
    array = np.array(numbers)
    total = 0
    for number in numbers:
        total = int(wrapped(np.array(total + number), bits))
    assert total == wrapped(array.sum(), bits)
    assert -(2 ** (bits - 1)) <= total < 2 ** (bits - 1)


def test_a_neuron_of_64_by_64_clusters_and_8_bit_holds_about_5_kilobytes() -> None:
    data = datasets["digits-train"]()
    network = compose(zoo["digits-mlp"](), data).at(bits=8)
    assert network.table_bytes == {"fc1": 64 * 64 + 64, "fc2": 64 * 64 + 64, "fc3": 64 * 64}


def test_a_function_is_a_table_of_64_rows() -> None:
    layers = [
        Input(name="image", shape=(3, 1, 1)),
        Linear(name="fc", out_features=2),
        Activation(name="tanh", function="tanh"),
        Linear(name="end", out_features=2),
    ]
    rng = np.random.default_rng(0)
    parameters = {
        name: {"weight": 3.0 * rng.normal(size=(2, rows)), "bias": rng.normal(size=2)}
        for name, rows in (("fc", 3), ("end", 2))
    }
    data = Dataset("noise", rng.normal(size=(200, 3, 1, 1)).astype(np.float32), None, "noise")
    block = compose(Network("net", layers, lambda: parameters), data).at().blocks["tanh"]
    assert block.activation is not None
    sums, values = block.activation.keys * block.sum_scale, block.activation.values * block.scale
    assert len(sums) == 64
    assert np.abs(values - np.tanh(sums)).max() < 1e-3
    gaps = np.diff(sums)
    assert gaps[[0, -1]].min() > 2 * gaps[np.abs(sums[:-1]).argmin()]  # dense where it is steep


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ({"weights": 32}, "weights must be one of 4, 8, 16 clusters, got 32"),
        ({"inputs": 5}, "inputs must be one of 4, 8 clusters, got 5"),
        ({"bits": 12}, "bits must be one of 8, 16, 32 bit, got 12"),
    ],
)
def test_levels_that_are_not_there_are_refused(level: dict[str, int], message: str) -> None:
    composition = compose(zoo["digits-mlp"](), datasets["digits-train"]().first(50), ComposeOptions(16, 8))
    with pytest.raises(ConfigError, match=message):
        composition.at(**level)


def test_images_of_another_shape_are_refused() -> None:
    network = compose(zoo["digits-mlp"](), datasets["digits-train"]()).at()
    with pytest.raises(WorkloadError, match="digits-mlp takes inputs of shape"):
        ComposedReference(network).outputs(np.zeros((1, 1, 7, 7)))


def test_adds_are_sums_of_what_codes_stand_for() -> None:
    network = compose(zoo["digits-resnet"](), datasets["digits-train"]().first(50)).at()
    block = network.blocks["block1-add"]
    assert isinstance(block.block.total, AddNode)
    assert block.terms is not None
    for source, terms in zip(block.block.total.inputs, block.terms, strict=True):
        centres = network.centres[network.form.codebook_of[source]]
        assert np.abs(terms * block.sum_scale - centres).max() <= block.sum_scale / 2
