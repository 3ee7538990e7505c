from __future__ import annotations

import json
from collections.abc import Sequence
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings

from simcore.errors import WorkloadError
from tests.strategies import NetworkCase, networks
from tests.workloads.network_twins import forward_layers
from workloads import (
    Activation,
    Add,
    AddNode,
    AffineNode,
    AvgPool2d,
    AvgPoolNode,
    BatchNorm,
    Conv2d,
    GlobalAvgPool,
    Input,
    Layer,
    Linear,
    LoweredNetwork,
    MatrixNode,
    MaxPool2d,
    Network,
    Shape,
    TableNode,
    Window,
    float_outputs,
    float_reference,
    float_tensors,
    lower,
)
from workloads import (
    networks as built_in,
)

IMAGE = Input(name="image", shape=(4, 6, 6))


def lowered(*layers: Layer) -> LoweredNetwork:
    return lower(Network("net", [IMAGE, *layers]))


def conv(name: str, *inputs: str) -> Conv2d:
    return Conv2d(name=name, inputs=inputs, out_channels=4, window=Window.square(3, padding=1))


def act(name: str, function: str, *inputs: str) -> Activation:
    return Activation(name=name, inputs=inputs, function=function)


def kinds(network: LoweredNetwork) -> list[tuple[str, type]]:
    return [(node.name, type(node)) for node in network.nodes]


@pytest.mark.parametrize(("elements", "pixels"), [(2**19, 512), (1, 3)])
@settings(deadline=None)
@given(networks())
def test_lowering_changes_no_value(elements: int, pixels: int, case: NetworkCase) -> None:
    parameters = case.network.load_parameters()
    with patch.multiple(float_reference, BLOCK_ELEMENTS=elements, BLOCK_PIXELS=pixels):
        outputs = float_outputs(lower(case.network), parameters, case.images)
    for image, output in zip(case.images, outputs, strict=True):
        expected = forward_layers(case.network, parameters, image)[case.network.output]
        np.testing.assert_allclose(output, expected, rtol=1e-9, atol=1e-9)


def test_values_that_are_held_stay_as_they_are() -> None:
    network = built_in["digits-resnet"]()
    lowered, parameters = lower(network), network.load_parameters()
    images = np.random.default_rng(0).random((2, *network.input_shape))
    held = dict(float_tensors(lowered, parameters, images))
    for name, values in float_tensors(lowered, parameters, images):
        assert np.array_equal(held[name], values)


@settings(deadline=None)
@given(networks())
def test_lowering_keeps_macs_and_the_shape_of_the_result(case: NetworkCase) -> None:
    network = lower(case.network)
    assert network.macs == case.network.macs
    assert network.shapes[network.output] == case.network.shapes[case.network.output]
    for node in network.nodes:
        assert node.in_shapes == tuple(network.shapes[source] for source in node.inputs)


def test_batch_norms_and_clipping_join_the_matrix_before_them() -> None:
    network = lowered(conv("a"), BatchNorm(name="n1"), BatchNorm(name="n2"), act("relu", "relu"))
    (node,) = network.nodes
    assert isinstance(node, MatrixNode)
    assert [norm.name for norm in node.norms] == ["n1", "n2"]
    assert node.clip == (0.0, None)
    assert network.output == "a"


def test_clippings_chain_to_their_common_range() -> None:
    network = lowered(Add(name="add", inputs=("image", "image")), act("a", "relu6"), act("b", "relu"))
    assert kinds(network) == [("add", AddNode)]
    assert network["add"].clip == (0.0, 6.0)


def test_a_second_reader_keeps_a_result_as_it_is() -> None:
    network = lowered(conv("a"), BatchNorm(name="norm"), Add(name="add", inputs=("a", "norm")))
    assert kinds(network) == [("a", MatrixNode), ("norm", AffineNode), ("add", AddNode)]
    assert network.consumers == {"image": ("a",), "a": ("norm", "add"), "norm": ("add",), "add": ()}


def test_batch_norm_cannot_pass_a_clipping() -> None:
    network = lowered(conv("a"), act("relu", "relu"), BatchNorm(name="norm"), act("r2", "relu"))
    assert kinds(network) == [("a", MatrixNode), ("norm", AffineNode)]
    assert network["norm"].clip == (0.0, None)


def test_clipping_straight_behind_the_input_becomes_a_table() -> None:
    assert kinds(lowered(act("relu", "relu"))) == [("relu", TableNode)]


def test_layers_that_change_nothing_disappear_without_hiding_who_reads_what() -> None:
    network = lowered(
        conv("a"),
        MaxPool2d(name="same", window=Window.square(1)),
        act("relu", "relu"),
        Add(name="add", inputs=("relu", "a")),
        AvgPool2d(name="end", window=Window.square(1)),
    )
    assert kinds(network) == [("a", MatrixNode), ("relu", TableNode), ("add", AddNode)]
    assert network.output == "add"


def test_network_of_nothing_gives_its_input() -> None:
    network = lowered(MaxPool2d(name="same", window=Window.square(1)))
    assert network.nodes == ()
    assert network.output == "image"


def test_linear_and_global_pool_are_windows_over_the_whole_map() -> None:
    network = lowered(conv("a"), Linear(name="fc", out_features=5))
    node = network["fc"]
    assert isinstance(node, MatrixNode)
    assert node.window == Window(kernel=(6, 6))
    assert (node.rows, node.cols, node.macs) == (4 * 36, 5, 4 * 36 * 5)
    pool = lowered(GlobalAvgPool(name="pool"))["pool"]
    assert isinstance(pool, AvgPoolNode)
    assert pool.counts.tolist() == [[36]]


def test_average_counts_padding_only_if_asked_and_never_what_ceil_mode_adds() -> None:
    window = Window.square(2, stride=2, padding=1)
    plain, counted = (
        lowered(AvgPool2d(name="pool", window=window, ceil_mode=True, count_include_pad=include))["pool"]
        for include in (False, True)
    )
    assert isinstance(plain, AvgPoolNode)
    assert isinstance(counted, AvgPoolNode)
    assert plain.counts[0].tolist() == [1, 2, 2, 1]
    assert counted.counts[0].tolist() == [4, 4, 4, 4]
    odd = lowered(AvgPool2d(name="pool", window=Window.square(4, stride=3), ceil_mode=True))["pool"]
    assert isinstance(odd, AvgPoolNode)
    assert odd.counts.tolist() == [[16, 12], [12, 9]]


def test_canonical_form_knows_work_but_no_names() -> None:
    first = lowered(conv("a"), BatchNorm(name="norm"), act("relu", "relu")).canonical()
    renamed = lowered(conv("b"), act("clip", "relu")).canonical()
    other = lowered(conv("a")).canonical()
    assert json.dumps(first) == json.dumps(renamed) != json.dumps(other)


def test_every_built_in_network_lowers_without_weights() -> None:
    for name, build in built_in.items().items():
        network = build()
        structure = Network(name, network.layers.values())
        assert lower(structure).canonical() == lower(network).canonical()


def test_layer_kinds_of_ones_own_say_that_no_machine_knows_them() -> None:
    class Magic(BatchNorm):
        pass

    class Unknown(Layer):
        def output_shape(self, inputs: Sequence[Shape]) -> Shape:
            return inputs[0]

    assert kinds(lowered(Magic(name="magic"))) == [("magic", AffineNode)]
    with pytest.raises(WorkloadError, match="unknown: no machine knows the layer kind Unknown; build"):
        lowered(Unknown(name="unknown"))
