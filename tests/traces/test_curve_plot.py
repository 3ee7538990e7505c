"""Images as they come and go, and a run under its roofs."""

from __future__ import annotations

import numpy as np
import pytest

from simcore.errors import SimError
from tests.traces.test_plots import texts
from traces import ImageTimes, plot_latency, plot_roofline

BEGUN = np.array([0.0, 1e-6, 2e-6, 3e-6])
DONE = np.array([5e-6, 6e-6, 8e-6, 13e-6])


def test_each_image_has_a_dot_at_its_completion_and_its_latency() -> None:
    figure = plot_latency({"net": ImageTimes(BEGUN, DONE)}, since="of an image", begun="accepted")
    latency = next(axes for axes in figure.axes if axes.get_ylabel() == "latency of an image (µs)")
    dots = latency.lines[0]
    assert np.allclose(dots.get_xdata(), DONE * 1e6)
    assert np.allclose(dots.get_ydata(), (DONE - BEGUN) * 1e6)
    written = texts(figure)
    assert f"p50: {np.percentile(DONE - BEGUN, 50) * 1e6:.3g}" in written
    assert {"completed", "accepted", "375 k/s"} <= set(written)  # three gaps in 8 us


def test_images_in_the_machine_are_those_between_two_curves() -> None:
    figure = plot_latency({"net": ImageTimes(BEGUN, DONE)}, since="", begun="accepted")
    came, went = figure.axes[0].lines
    assert np.allclose(came.get_xdata(), [0, *BEGUN * 1e6])
    assert np.allclose(went.get_xdata(), [0, *DONE * 1e6])
    for curve in (came, went):
        assert np.asarray(curve.get_ydata()).tolist() == [0, 1, 2, 3, 4]


def test_several_networks_have_a_colour_each_and_equal_percentiles_are_written_once() -> None:
    same = ImageTimes(BEGUN, BEGUN + 2e-6)
    written = texts(plot_latency({"a": same, "b": same}, since="from arrival", begun="arrived"))
    assert {"a", "b", "arrived", "p50, p99: 2"} <= set(written)


def test_a_point_lies_at_its_intensity_and_under_the_lower_roof() -> None:
    figure = plot_roofline(operations_per_byte=1e4, tops=0.5, peak_tops=8.0, peak_bandwidth=1e8)
    roof, drop, point = figure.axes[0].lines
    x, y = np.array(roof.get_xdata()), np.array(roof.get_ydata())
    assert (x[1], y[1]) == (pytest.approx(8e12 / 1e8), pytest.approx(8.0))
    assert y[0] == pytest.approx(x[0] * 1e8 / 1e12)
    assert np.array([point.get_xdata(), point.get_ydata()]).ravel().tolist() == [1e4, 0.5]
    assert np.asarray(drop.get_ydata()).tolist() == [
        0.5,
        pytest.approx(1.0),
    ]  # what the input allows at that intensity
    written = texts(figure)
    assert {"arrays: 8 TOPS", "input: 100 MB/s", "0.5 TOPS\n50.0% of its roof"} <= set(written)


def test_nothing_to_draw_is_told() -> None:
    with pytest.raises(SimError, match="the run completed no image"):
        plot_latency({}, since="", begun="")
    with pytest.raises(SimError, match="needs positive numbers"):
        plot_roofline(operations_per_byte=0, tops=1, peak_tops=1, peak_bandwidth=1)
