"""The picture over a parameter has every figure at its value and leaves out what is missing; none overlap."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from simcore import SimError
from traces import ComparedPanel, plot_comparison_over

WORKLOADS = ("resnet18-cifar100", "densenet121")
TIMES = (
    ComparedPanel("time an image", "s", ((8e-4, 2e-4), (None, 6e-3))),
    ComparedPanel("time an image", "s", ((1e-4, 3e-5), (1e-3, 5e-3))),
    ComparedPanel("time an image", "s", ((2e-4, 9e-5), (4e-3, 5.5e-3))),
)
PRODUCTS = tuple(ComparedPanel("energy-delay product", "J s", panel.values) for panel in TIMES)


def picture(
    values: tuple[object, ...] = (8, 64, 16), machines: tuple[str, ...] = ("basis", "other")
) -> Figure:
    return plot_comparison_over([TIMES, PRODUCTS], WORKLOADS, machines, "crossbars", values, below="told")


def line_of(figure: Figure, panel: int, machine: int) -> tuple[list[float], list[float]]:
    """Return where the points of a line are, and how high."""
    x, y = figure.axes[panel].lines[machine].get_data()
    return np.asarray(x).tolist(), np.asarray(y).tolist()


def written(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_lines_run_through_what_is_known_in_order_of_the_values() -> None:
    figure = picture()
    first, second, *_ = figure.axes
    assert len(figure.axes) == 4
    places, heights = line_of(figure, 0, 0)
    assert [10**place for place in places] == pytest.approx([8, 16, 64])
    assert heights == [8e-4, 2e-4, 1e-4]
    assert line_of(figure, 0, 1)[1] == [4e-3, 1e-3]  # does not fit at 8
    assert [line_of(figure, 1, machine)[1] for machine in (0, 1)] == [
        [2e-4, 9e-5, 3e-5],
        [6e-3, 5.5e-3, 5e-3],
    ]
    assert first.get_ylim() == second.get_ylim()
    assert {"no point: does not fit", "basis and other over crossbars", "8", "16", "64"} <= set(
        written(figure)
    )
    assert "1 mJ s" in written(figure)


def test_values_that_are_no_numbers_or_too_near_stand_one_behind_the_other() -> None:
    for values in (("group", "array", "none"), (1, 64, 65), (0, 8, 16), (None, True, 3)):
        assert line_of(picture(values), 0, 0)[0] == [0, 1, 2]


@pytest.mark.parametrize("values", [(8, 64, 16), (1, 1000, 1e6), ("row", "cell", "crossbar")])
def test_no_words_overlap(values: tuple[object, ...]) -> None:
    figure = picture(values)
    figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in figure.findobj(Text) if t.get_text() and t.get_visible()]
    assert len(boxes) > 12
    for one, other in combinations(boxes, 2):
        across = min(one.x1, other.x1) - max(one.x0, other.x0)
        high = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert across <= 1 or high <= 1


def test_one_value_nothing_known_and_too_many_machines() -> None:
    nothing = ComparedPanel("energy", "J", ((None,),))
    figure = plot_comparison_over([[nothing]], ("a",), ("m",), "x", (3,))
    assert not figure.axes[0].lines
    with pytest.raises(SimError, match="up to 8 machines apart, got 9; compare fewer of them"):
        picture(machines=tuple("abcdefghi"))
