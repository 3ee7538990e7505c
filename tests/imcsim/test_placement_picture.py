"""Placements as pictures: every layer, every channel in use, and nothing across a node."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.image import imread
from matplotlib.text import Text

import imcsim
from arch import fabrics
from arch.mapping.layer_graph import graph_of_edges
from arch.mapping.placement import place_layers
from imcsim.placement_picture import _tree_colours, plot_placement
from simcore import SimError
from tests.imcsim.command_bench import printed, refusal
from traces.fabric_plot import DrawnChannel, DrawnNode, _Page

MESH = ("map", "digits-resnet", "--arch", "dataflow", "--set", "fabric.topology.kind=mesh")


@pytest.mark.parametrize("kind", sorted(set(fabrics) - {"all-to-all", "edge-list"}))
def test_a_picture_names_every_layer_and_tells_the_bound(kind: str) -> None:
    placed = imcsim.map_workload("digits-resnet", "dataflow", settings=[f"fabric.topology.kind={kind}"])
    figure = plot_placement(placed, "dataflow")
    written = {text.get_text().replace("\n", "-") for text in figure.findobj(Text)}
    assert placed.placement is not None
    assert set(placed.placement.at) <= written
    assert f"digits-resnet on dataflow, {kind}" in written
    assert any(f"at least {placed.placement.least_byte_hops:,}" in words for words in written)
    in_use = [line for line in figure.axes[0].lines if line.get_linewidth() > 1.0]
    assert len(in_use) >= len(placed.placement.loads)


@pytest.mark.parametrize("kind", ["chain", "ring", "mesh", "hypercube", "h-tree", "c-mesh"])
@pytest.mark.parametrize("cores", [9, 34, 54])
def test_no_channel_runs_across_a_node(kind: str, cores: int) -> None:
    topology = fabrics[kind]()
    places = topology.layout(cores)
    kinds = ["router" if isinstance(vertex, str) else "layer" for vertex in places]
    page = _Page([DrawnNode(*at, kind) for at, kind in zip(places.values(), kinds, strict=True)])  # type: ignore[arg-type]
    number = {vertex: i for i, vertex in enumerate(places)}
    for tail, head in topology.channels(cores):
        for x, y in page.path(DrawnChannel(number[tail], number[head], 1)):
            for (a, b), (wide, high) in zip(page.places, page.halves, strict=True):
                assert abs(x - a) > wide or abs(y - b) > high


def test_relays_are_told_from_layers() -> None:
    chosen = ["fabric.topology.kind=5pp", "fabric.topology.k=2"]
    placed = imcsim.map_workload("resnet50", "dataflow", settings=chosen)
    figure = plot_placement(placed)
    written = {text.get_text() for text in figure.findobj(Text)}
    assert "relay\nstage1\nblock1\nconv3" in written
    assert any("12 relays" in words for words in written)


def test_map_draws_a_placement_where_there_is_one(tmp_path: Path) -> None:
    printed(*MESH, "--draw", str(tmp_path / "mesh.png"))
    assert imread(tmp_path / "mesh.png").shape[2] == 4
    placed = imcsim.map_workload("digits-resnet", "dataflow")
    with pytest.raises(SimError, match="any core of dataflow reaches any other; set"):
        plot_placement(placed, "dataflow")
    assert "a figure's name ends in .png or .svg" in refusal(*MESH, "--draw", str(tmp_path / "mesh.gif"))


def test_streams_that_meet_have_different_colours() -> None:
    graph = graph_of_edges([("a", "b"), ("a", "c"), ("b", "c"), ("b", "d"), ("c", "d"), ("c", "e")])
    placement = place_layers(graph, fabrics["chain"](), 60.0)
    colours = _tree_colours(placement)
    trees = [(s, {v for channel in placement.tree(s) for v in channel}) for s in graph.streams]
    for (one, first), (other, second) in pairwise(trees):
        if one in colours and other in colours and first & second:
            assert colours[one] != colours[other]
