"""The picture of machines side by side shows every figure, names what is missing, and nothing overlaps."""

from __future__ import annotations

from io import BytesIO
from itertools import combinations

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from simcore import SimError
from traces import ComparedPanel, plot_comparison

WORKLOADS = ("vgg16", "alexnet", "resnet18", "cifar10-cnn", "mnist-mlp")
PANELS = (
    ComparedPanel("time an image", "s", ((8e-4, 2e-4, 1e-4, 3e-6, 1e-6), (None, 6e-3, 6e-3, 1e-4, 1.3e-7))),
    ComparedPanel(
        "throughput for area", "TOPS/mm2", ((0.09, 0.04, 0.4, 0.2, 0.01), (None, 4e-4, 5e-3, 4e-3, 1.2))
    ),
)


def picture(
    panels: tuple[ComparedPanel, ...] = PANELS, machines: tuple[str, ...] = ("isaac", "dataflow")
) -> Figure:
    return plot_comparison(panels, WORKLOADS, machines, below="equal-chip")


def written(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def test_equal_figures_make_equal_bytes() -> None:
    streams = BytesIO(), BytesIO()
    for stream in streams:
        picture().savefig(stream, format="png", metadata={"Software": None})
    assert streams[0].getvalue() == streams[1].getvalue()


def test_every_bar_is_as_high_as_its_figure_and_what_is_missing_is_told() -> None:
    figure = picture()
    for axes, panel in zip(figure.axes, PANELS, strict=True):
        known = [value for values in panel.values for value in values if value is not None]
        tops = [bar.get_y() + bar.get_height() for bar in axes.patches if isinstance(bar, Rectangle)]
        assert tops == pytest.approx(known)
        assert [text.get_text() for text in axes.texts].count("×") == 1
        assert axes.get_yscale() == "log"
    assert "×  does not fit" in written(figure)
    whole = (ComparedPanel("energy", "J", ((1e-3,) * 5, (1e-6,) * 5)),)
    assert "×  does not fit" not in written(picture(whole))


def test_words_name_workloads_machines_and_units() -> None:
    words = written(picture())
    assert {*WORKLOADS, "isaac", "dataflow", "isaac and dataflow", "equal-chip"} <= set(words)
    assert {"800 µs", "6 ms", "130 ns", "400 G", "1.2 T"} <= set(words)
    assert "throughput for area, in each mm2" in words


@pytest.mark.parametrize(
    "machines", [("a",), ("isaac", "dataflow"), ("isaac", "dataflow", "pipelayer", "rapidnn")]
)
def test_no_words_overlap(machines: tuple[str, ...]) -> None:
    panels = tuple(
        ComparedPanel(p.title, p.unit, tuple(p.values[n % 2] for n in range(len(machines)))) for p in PANELS
    )
    figure = picture(panels, machines)
    figure.draw_without_rendering()
    boxes = [t.get_window_extent() for t in figure.findobj(Text) if t.get_text() and t.get_visible()]
    assert len(boxes) > len(WORKLOADS)
    for one, other in combinations(boxes, 2):
        across = min(one.x1, other.x1) - max(one.x0, other.x0)
        high = min(one.y1, other.y1) - max(one.y0, other.y0)
        assert across <= 1 or high <= 1


def test_a_panel_without_figures_is_drawn_and_colours_have_an_end() -> None:
    nothing = ComparedPanel("energy", "J", ((None,) * 5,))
    assert written(picture((nothing,), ("a",))).count("×") == 5
    many = tuple(f"machine-{n}" for n in range(9))
    with pytest.raises(SimError, match="up to 8 machines apart, got 9; compare fewer of them"):
        picture((ComparedPanel("energy", "J", ((1.0,) * 5,) * 9),), many)
