from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.errors import WorkloadError
from tests.strategies import NetworkCase, networks
from workloads import (
    Activation,
    Add,
    BatchNorm,
    Conv2d,
    Input,
    Layer,
    Linear,
    Network,
    Parameters,
    Window,
)

IMAGE = Input(name="image", shape=(2, 4, 4))


def relu(name: str, *inputs: str) -> Activation:
    return Activation(name=name, inputs=inputs, function="relu")


def test_a_layer_without_inputs_reads_the_one_before_it() -> None:
    network = Network("chain", [IMAGE, relu("a"), relu("b"), Add(name="sum", inputs=("a", "b"))])
    assert [layer.inputs for layer in network.layers.values()] == [(), ("image",), ("a",), ("a", "b")]
    assert (network.input, network.output) == ("image", "sum")


def test_totals_are_sums_over_layers_and_need_no_weights() -> None:
    network = Network(
        "counted",
        [
            IMAGE,
            Conv2d(name="conv", out_channels=3, window=Window.square(3, padding=1), bias=False),
            BatchNorm(name="norm"),
            Linear(name="fc", out_features=5),
        ],
    )
    assert network.shapes == {"image": (2, 4, 4), "conv": (3, 4, 4), "norm": (3, 4, 4), "fc": (5, 1, 1)}
    assert network.macs == 9 * 2 * 3 * 16 + 48 * 5
    assert network.parameter_count == 9 * 2 * 3 + 2 * 3 + (48 * 5 + 5)  # running statistics are not learned


@settings(deadline=None)
@given(networks(), st.randoms(use_true_random=False))
def test_any_order_of_the_list_gives_a_working_order(case: NetworkCase, random: Random) -> None:
    listed = list(case.network.layers.values())
    random.shuffle(listed)
    network = Network("shuffled", listed)
    seen: set[str] = set()
    for name, layer in network.layers.items():
        assert seen.issuperset(layer.inputs)
        seen.add(name)
    assert network.shapes == case.network.shapes
    assert network.macs == case.network.macs


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([IMAGE, relu("act", "imgae")], "net.act reads 'imgae', which is no layer; did you mean 'image'?"),
        ([IMAGE, relu("act"), relu("act")], "net: 2 layers are called 'act'; give each its own name"),
        ([IMAGE, relu("a.b")], r"net: layer names consist of .* got 'a\.b'; rename it"),
        (
            [IMAGE, Add(name="add", inputs=("image", "b")), relu("a"), relu("b")],
            "net: layers read each other in a circle: a <- add <- b <- a; cut it",
        ),
        ([IMAGE, relu("a"), relu("b", "image")], "net must have exactly one output, but nobody reads a, b"),
        ([IMAGE, Input(name="other", shape=(1, 1, 1))], "exactly one Input layer, got image, other"),
        ([relu("a", "b"), relu("b", "a")], "net: layers read each other in a circle"),
        ([relu("a"), IMAGE, relu("b")], "net.a reads nothing; name its inputs"),
        ([], "exactly one Input layer, got none"),
        (
            [IMAGE, Conv2d(name="conv", out_channels=1, window=Window.square(5))],
            "net.conv: the window spans 5x5 pixels",
        ),
    ],
)
def test_malformed_graphs_say_what_is_wrong(layers: list[Layer], message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        Network("net", layers)


FC = Linear(name="fc", out_features=3)
GOOD = {"weight": np.ones((3, 32)), "bias": np.ones(3)}


def test_weights_are_read_only_when_asked_for() -> None:
    calls = []

    def load() -> Parameters:
        calls.append("load")
        return {"fc": GOOD}

    network = Network("lazy", [IMAGE, FC], parameters=load)
    assert network.has_parameters
    assert network.parameter_count == 99
    assert not calls
    assert network.load_parameters() == {"fc": GOOD}
    assert calls == ["load"]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({}, "net: parameters lack fc; got none"),
        ({"fc": GOOD, "fcc": GOOD}, "net: parameters hold 'fcc', which no layer takes; did you mean 'fc'?"),
        ({"fc": {"weight": GOOD["weight"]}}, "net: fc's parameters lack bias; got weight"),
        ({"fc": GOOD | {"bias": np.ones(4)}}, r"net.fc: bias must be of shape \(3,\), got \(4,\)"),
        ({"fc": GOOD | {"bias": np.full(3, np.inf)}}, "net.fc: bias holds values that are not finite"),
    ],
)
def test_wrong_weights_say_what_is_wrong(parameters: Parameters, message: str) -> None:
    with pytest.raises(WorkloadError, match=message):
        Network("net", [IMAGE, FC], parameters=lambda: parameters).load_parameters()


def test_structure_alone_has_no_weights_to_give() -> None:
    network = Network("net", [IMAGE, FC])
    assert not network.has_parameters
    with pytest.raises(WorkloadError, match="net is structure only; give it parameters"):
        network.load_parameters()
