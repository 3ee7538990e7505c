"""Which layers send pixels to which, and how many bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from arch import LayerGraph, Stream, graph_of_edges
from arch.mapping.layer_graph import graph_of_stages
from arch.mapping.stages import stages_of
from simcore import MappingError
from tests.strategies import NetworkCase, networks
from workloads import (
    Add,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Input,
    Layer,
    MatrixNode,
    MaxPool2d,
    Network,
    Window,
    lower,
)
from workloads import networks as shipped

SAME = Window.square(3, padding=1)


def conv(name: str, *inputs: str, channels: int = 2) -> Conv2d:
    return Conv2d(name=name, inputs=inputs, out_channels=channels, window=SAME)


def graph_of(*layers: Layer, bits: int = 8) -> LayerGraph:
    """Return the graph of layers behind an image of two channels."""
    image = Input(name="image", shape=(2, 6, 6))
    return graph_of_stages(stages_of(lower(Network("drawn", [image, *layers]))), bits)


def test_a_chain_sends_its_channels_to_the_next_and_the_image_is_no_core() -> None:
    graph = graph_of(conv("a", channels=3), conv("b", channels=5), conv("c"))
    assert graph.cores == ("a", "b", "c")
    assert graph.streams == (Stream("a", "a", ("b",), 3), Stream("b", "b", ("c",), 5))


@pytest.mark.parametrize(("bits", "expected"), [(2, 1), (4, 2), (8, 3), (16, 6)])
def test_a_pixels_bytes_are_those_of_all_its_bits(bits: int, expected: int) -> None:
    assert graph_of(conv("a", channels=3), conv("b"), bits=bits).streams[0].pixel_bytes == expected


def test_a_sum_is_done_where_its_block_ends() -> None:
    graph = graph_of(conv("x"), conv("a"), conv("b"), Add(name="sum", inputs=("b", "x")), conv("y"))
    assert graph.edges == (("x", "a"), ("x", "b"), ("a", "b"), ("b", "y"))


def test_a_pool_is_done_in_the_core_that_feeds_it() -> None:
    graph = graph_of(conv("a"), MaxPool2d(name="pool", window=Window.square(2)), conv("b"))
    assert graph.streams == (Stream("pool", "a", ("b",), 2),)


def test_a_concatenation_is_forwarded_by_the_last_core_that_feeds_it() -> None:
    graph = graph_of(
        conv("x"), conv("a"), conv("b"), Concat(name="all", inputs=("b", "x")), conv("c"), conv("d")
    )
    assert graph.edges == (("x", "a"), ("x", "b"), ("a", "b"), ("b", "c"), ("c", "d"))
    assert {stream.name: stream.pixel_bytes for stream in graph.streams}["b"] == 4


def test_a_stage_without_arrays_that_reads_the_image_alone_is_a_core() -> None:
    assert graph_of(GlobalAvgPool(name="pool"), conv("a")).edges == (("pool", "a"),)


@given(networks())
@settings(deadline=None)
def test_every_layer_with_weights_is_a_core_behind_all_it_reads(case: NetworkCase) -> None:
    stages = stages_of(lower(case.network))
    graph = graph_of_stages(stages, 8)
    assert {s.name for s in stages if isinstance(s.head, MatrixNode)} <= set(graph.cores)
    assert len(set(graph.cores)) == len(graph.cores)
    place = {core: i for i, core in enumerate(graph.cores)}
    assert all(place[source] < place[reader] for source, reader in graph.edges)


def test_resnet32_has_34_layers_and_48_edges() -> None:
    graph = graph_of_stages(stages_of(lower(shipped["resnet32-ibm"]())), 8)
    assert (len(graph.cores), len(graph.edges), graph.reach) == (34, 48, 2)
    assert {stream.pixel_bytes for stream in graph.streams} == {16, 28, 56}


def test_edges_are_put_in_order_and_circles_refused() -> None:
    graph = graph_of_edges([("b", "c"), ("a", "b"), ("a", "c")], pixel_bytes=7)
    assert graph.cores == ("a", "b", "c")
    assert graph.streams == (Stream("a", "a", ("b", "c"), 7), Stream("b", "b", ("c",), 7))
    with pytest.raises(MappingError, match=r"the edges run in a circle: .* leave one out"):
        graph_of_edges([("a", "b"), ("b", "a")])
    with pytest.raises(MappingError, match="b reads a, which is not before it; put cores behind all"):
        graph.in_order(["b", "a", "c"])
