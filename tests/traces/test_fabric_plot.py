"""Pictures of topologies: what is drawn where."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.text import Text

from simcore.errors import SimError
from traces import DrawnChannel, DrawnNode, plot_fabric
from traces.fabric_plot import IDLE, LAYER, RELAY, TREES

NODES = (
    DrawnNode(0, 0, "layer", "stem"),
    DrawnNode(1, 0, "relay", "relay-stem"),
    DrawnNode(2, 0, "layer", "conv"),
    DrawnNode(0, 1, "free"),
)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def lines(figure: Figure) -> list[Any]:
    return list(figure.axes[0].lines)


def test_a_channel_is_as_wide_and_dark_as_it_carries_much() -> None:
    figure = plot_fabric(NODES, [DrawnChannel(0, 1, 8), DrawnChannel(1, 2, 4), DrawnChannel(0, 3, 0)])
    idle, some, most = lines(figure)
    assert idle.get_color() == IDLE
    assert idle.get_linewidth() < some.get_linewidth() < most.get_linewidth()
    assert sum(most.get_color()[:3]) < sum(some.get_color()[:3])
    assert len(figure.findobj(Polygon)) >= 2  # arrows, on channels in use only
    assert "bytes a step on a channel" in texts(figure)


def test_names_stand_in_boxes_with_a_word_a_line_and_only_what_is_there_is_explained() -> None:
    figure = plot_fabric(NODES, [DrawnChannel(0, 1, 8)], title="net", below="4 nodes")
    assert {"stem", "relay\nstem", "conv", "net", "4 nodes", "dashed: a relay  ·  grey: no layer"} <= set(
        texts(figure)
    )
    fills = [patch.get_facecolor() for patch in figure.axes[0].patches]
    assert len(set(fills)) == len({LAYER, RELAY, "free", "arrow"})


def test_channels_of_both_directions_lie_side_by_side() -> None:
    there, back = lines(plot_fabric(NODES, [DrawnChannel(0, 1, 1), DrawnChannel(1, 0, 1)]))
    assert max(back.get_ydata()) < min(there.get_ydata())  # the right hand side is down there, and up back


def test_a_channel_goes_around_a_node_on_its_line_and_is_left_out_if_it_carries_nothing() -> None:
    used, unused = DrawnChannel(0, 2, 3), DrawnChannel(2, 0, 0)
    (line,) = lines(plot_fabric(NODES, [used, unused]))
    middle = len(line.get_xdata()) // 2
    assert line.get_ydata()[middle] > max(line.get_ydata()[0], line.get_ydata()[-1]) + 0.2


def test_a_channel_that_wraps_around_leaves_and_comes_back() -> None:
    row = [DrawnNode(x, 0, "layer", f"conv{x}") for x in range(3)]
    out, back = lines(plot_fabric(row, [DrawnChannel(2, 0, 3, wraps=True)]))
    assert min(out.get_xdata()) > max(back.get_xdata()) + 1
    assert back.get_xdata()[0] < back.get_xdata()[-1] < out.get_xdata()[0] < out.get_xdata()[-1]


def test_streams_with_several_readers_have_colours_of_their_own() -> None:
    figure = plot_fabric(NODES, [DrawnChannel(0, 1, 8, trees=(0, 1)), DrawnChannel(1, 2, 4, trees=(1,))])
    thin = [line.get_color() for line in lines(figure) if line.get_color() in TREES]
    assert sorted(thin) == sorted([TREES[0], TREES[1], TREES[1]])


def test_no_nodes_are_no_picture() -> None:
    with pytest.raises(SimError, match="nothing to draw: the topology has no nodes"):
        plot_fabric([], [])
