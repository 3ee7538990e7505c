"""Two small plots of one run: its images as they come and go, and where it lies under its roofs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from simcore.errors import SimError
from traces.figure_style import (
    BUSY_COLOURS,
    COLUMN,
    FAINT,
    INK,
    Frame,
    Legend,
    Palette,
    rgb,
    style,
    time_unit,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DOTS = 2000  # images beyond which dots are a picture within the drawing
_PANEL = 1.45  # [inch] height of each plot
_COMING = "#9EABB8"


@dataclass(frozen=True, eq=False)
class ImageTimes:
    """When the images of one network came and went [s]."""

    begun: NDArray[np.float64]
    completed: NDArray[np.float64]


def plot_latency(
    streams: Mapping[str, ImageTimes],
    *,
    since: str,
    begun: str,
    workload: str = "",
    machine: str = "",
    below: str = "",
    width: float = COLUMN,
) -> Figure:
    """Draw how long each image took when it was done, and how many were done by when.

    streams : the images of each network that shared the machine, or of the only one
    since, begun : what latencies count from, and what images did then, in words
    workload, machine, below : for the title and the line under it
    width : [inch]
    raises : SimError if matplotlib is missing or there is no image
    """
    if not streams or not all(len(stream.completed) for stream in streams.values()):
        raise SimError("nothing to draw: the run completed no image; run it to its end")
    names = [*(streams if len(streams) > 1 else ["completed"]), begun]
    colours = [BUSY_COLOURS[n % len(BUSY_COLOURS)] for n in range(len(streams))]
    with style():
        legend = Legend(Palette(tuple(names), rgb([*colours, _COMING])), np.ones(len(names), bool), width)
        frame = Frame(width, round(_PANEL * 200), left=0.62, right=0.85, top=_PANEL + 0.9, legend=legend)
        latency = frame.add_axes(frame.height - 0.75 - _PANEL, _PANEL)
        end = max(stream.completed.max() for stream in streams.values())
        unit, sign = time_unit(end)
        _draw_latency(latency, streams, colours, unit, since)
        _draw_progress(frame.axes, streams, colours, unit)
        for axes in (latency, frame.axes):
            axes.set_xlim(0, 1.03 * end / unit)
            axes.spines[["right", "top"]].set_visible(False)
        latency.set_xticklabels([])
        frame.axes.set_xlabel(f"time ({sign})")
        frame.title(workload, machine, below)
    return frame.figure


def _draw_latency(
    axes: Axes, streams: Mapping[str, ImageTimes], colours: Sequence[str], unit: float, since: str
) -> None:
    """Draw a dot an image, and lines below which half of all lie, and 99 of 100."""
    latencies = {name: stream.completed - stream.begun for name, stream in streams.items()}
    every = np.concatenate(list(latencies.values()))
    scale, sign = time_unit(every.max())
    for (name, stream), colour in zip(streams.items(), colours, strict=True):
        axes.plot(stream.completed / unit, latencies[name] / scale, ".", color=colour, markersize=4,
                  markeredgewidth=0, rasterized=len(every) > _DOTS, clip_on=False)  # fmt: skip
    top = 1.12 * every.max() / scale
    axes.set_ylim(0, top)
    axes.set_ylabel(f"latency {since} ({sign})")
    marks: dict[str, list[str]] = {}
    for share in (50, 99):
        value = float(np.percentile(every, share)) / scale
        axes.axhline(value, color=FAINT, linewidth=0.6, linestyle=(0, (4, 3)), zorder=1)
        marks.setdefault(f"{value:.3g}", []).append(f"p{share}")
    right = axes.get_yaxis_transform()
    for text, shares in marks.items():
        name = ", ".join(shares)
        axes.text(1.01, float(text), f"{name}: {text}", transform=right, va="center", size=7)


def _draw_progress(
    axes: Axes, streams: Mapping[str, ImageTimes], colours: Sequence[str], unit: float
) -> None:
    """Draw how many images had come and gone by each time, and how fast they went from first to last."""
    from matplotlib.ticker import MaxNLocator

    most = 0
    for stream, colour in zip(streams.values(), colours, strict=True):
        for moments, shade, width in ((stream.begun, _COMING, 1.0), (stream.completed, colour, 1.4)):
            moments = np.sort(moments) / unit
            count = np.arange(len(moments) + 1)
            axes.plot([0, *moments], count, drawstyle="steps-post", color=shade, linewidth=width)
        done = np.sort(stream.completed)
        most = max(most, len(done))
        if len(done) > 1 and done[-1] > done[0]:
            rate = (len(done) - 1) / (done[-1] - done[0])
            axes.text(1.01, len(done), f"{_rate(rate)}/s", transform=axes.get_yaxis_transform(),
                      va="top", size=7, color=colour)  # fmt: skip
    axes.set_ylim(0, 1.05 * most)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_ylabel("images")


def _rate(rate: float) -> str:
    """Return a rate in short: 120 k."""
    for scale, prefix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if rate >= scale:
            return f"{rate / scale:.3g} {prefix}"
    return f"{rate:.3g} "


def plot_roofline(
    *,
    operations_per_byte: float,
    tops: float,
    peak_tops: float,
    peak_bandwidth: float,
    workload: str = "",
    machine: str = "",
    below: str = "",
    width: float = COLUMN,
) -> Figure:
    """Draw what a run computed under the roofs of its arrays and of its input.

    operations_per_byte : done for each byte of input
    tops, peak_tops : attained [TOPS], and of all arrays if they were full and never at rest
    peak_bandwidth : of the input [byte/s]
    workload, machine, below : for the title and the line under it
    width : [inch]
    raises : SimError if matplotlib is missing or a number is not positive
    """
    known = (operations_per_byte, tops, peak_tops, peak_bandwidth)
    if not all(value > 0 for value in known):
        raise SimError(f"nothing to draw: a roofline needs positive numbers, got {known}")
    ridge = peak_tops * 1e12 / peak_bandwidth
    low, high = min(ridge, operations_per_byte) / 20, max(ridge, operations_per_byte) * 20
    with style():
        legend = Legend(Palette((), np.zeros((0, 3))), np.zeros(0, bool), width)
        frame = Frame(width, round(2.1 * 200), left=0.62, right=0.25, top=0.75, legend=legend)
        axes = frame.axes
        axes.set_xscale("log")
        axes.set_yscale("log")
        x = np.array([low, ridge, high])
        axes.plot(x, np.minimum(peak_tops, x * peak_bandwidth / 1e12), color=INK, linewidth=1.4)
        roof = min(peak_tops, operations_per_byte * peak_bandwidth / 1e12)
        axes.plot([operations_per_byte] * 2, [tops, roof], color=FAINT, linewidth=0.8, linestyle=(0, (2, 2)))
        axes.plot([operations_per_byte], [tops], "o", color=BUSY_COLOURS[0], markersize=5)
        bottom = min(tops, low * peak_bandwidth / 1e12) / 3
        axes.set_xlim(low, high)
        axes.set_ylim(bottom, peak_tops * 4)
        axes.annotate(f"arrays: {peak_tops:.3g} TOPS", (high, peak_tops), xytext=(-2, 4),
                      textcoords="offset points", ha="right", size=7)  # fmt: skip
        axes.annotate(f"{tops:.3g} TOPS\n{tops / roof:.1%} of its roof", (operations_per_byte, tops),
                      xytext=(6, -3), textcoords="offset points", va="top", size=7)  # fmt: skip
        axes.set_xlabel("operations per byte of input")
        axes.set_ylabel("TOPS")
        axes.spines[["right", "top"]].set_visible(False)
        _name_slope(axes, ridge, peak_tops, peak_bandwidth)
        frame.title(workload, machine, below)
    return frame.figure


def _name_slope(axes: Axes, ridge: float, peak_tops: float, peak_bandwidth: float) -> None:
    """Write the bandwidth along the slope of the input's roof."""
    low = axes.get_xlim()[0]
    place = (4.5 * low, 4.5 * low * peak_bandwidth / 1e12)
    along = axes.transData.transform([(low, low * peak_bandwidth / 1e12), (ridge, peak_tops)])
    angle = float(np.degrees(np.arctan2(*(along[1] - along[0])[::-1])))
    axes.annotate(f"input: {_rate(peak_bandwidth)}B/s", place, xytext=(-4, 4), textcoords="offset points",
                  rotation=angle, rotation_mode="anchor", ha="center", size=7)  # fmt: skip
