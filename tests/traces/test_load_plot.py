"""The picture of what a network takes says so for any points, and is the same for the same ones."""

from __future__ import annotations

from io import BytesIO

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from traces import LoadPoint, plot_load_latency

KEPT_UP = [LoadPoint(0.1, 34.2, 69, 0.1, True), LoadPoint(0.2, 37.0, 76, 0.2, True)]
TOO_MUCH = [LoadPoint(0.4, None, None, 0.3, False), LoadPoint(0.5, None, None, 0.29, False)]


def drawn(points: list[LoadPoint]) -> tuple[bytes, list[str]]:
    """Return a picture's bytes and all that is written in it."""
    figure = plot_load_latency(points, zero_load=33.25, title="mesh", below="64 nodes")
    stream = BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    words = [text.get_text() for axes in figure.axes for text in axes.texts]
    return stream.getvalue(), words


def test_equal_points_in_any_order_make_equal_bytes() -> None:
    points = [*KEPT_UP, *TOO_MUCH]
    assert drawn(points)[0] == drawn(points[::-1])[0]


@pytest.mark.parametrize("points", [KEPT_UP, TOO_MUCH, KEPT_UP + TOO_MUCH, KEPT_UP[:1]])
def test_loads_that_are_too_much_are_shaded_and_latencies_named(points: list[LoadPoint]) -> None:
    words = drawn(points)[1]
    assert "zero load: 33.25" in words
    assert ("unstable" in words) is not all(point.stable for point in points)
    assert ("mean" in words) is any(point.stable for point in points)


@pytest.mark.parametrize("last", [1.05, 1.5])
def test_the_word_for_loads_that_are_too_much_lies_within_their_band(last: float) -> None:
    points = [LoadPoint(0.95, 34.2, 69, 0.95, True), LoadPoint(last, None, None, 1.0, False)]
    figure = plot_load_latency(points, zero_load=33.25)
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    for axes in figure.axes:
        (word,) = (text for text in axes.texts if text.get_text() == "unstable")
        box, (left, right) = (
            word.get_window_extent(renderer),
            axes.transData.transform([((0.95 + last) / 2, 0), (axes.get_xlim()[1], 0)])[:, 0],
        )
        assert left < box.x0 < box.x1 < right
        low, high = axes.get_window_extent(renderer).intervaly
        assert low < box.y0 < box.y1 < high
