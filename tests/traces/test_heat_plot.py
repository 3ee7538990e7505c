"""Power and memories over time, drawn: what is in a picture is what the run holds."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import fsum

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.activity import Activity, BufferTrace
from simcore.energy import PartCost
from simcore.errors import SimError
from tests.traces.activities import make_activity, pipeline_activity
from tests.traces.test_plots import pixels, texts
from traces import bin_edges, held_in_bins, plot_buffers, plot_power


def costs(activity: Activity) -> list[PartCost]:
    return [PartCost(path, "part", path.split(".")[1], None, 1e-9, 1e-4, 1.0) for path in activity.units]


def with_buffers(activity: Activity, count: int, slots: int | None = 4) -> Activity:
    tick = np.arange(0, activity.makespan, 50, dtype=np.int64)
    held = np.arange(len(tick), dtype=np.int32) % 4
    paths = [f"core[{n}].memory.pixel_in" for n in range(count)]
    return replace(activity, buffers=tuple(BufferTrace(path, slots, tick, held) for path in paths))


def test_the_area_under_the_power_of_the_machine_is_its_energy() -> None:
    activity = pipeline_activity(cores=3)
    parts = costs(activity)
    seconds = activity.makespan / activity.clock_hz
    figure = plot_power(activity, parts, workload="w", machine="m")
    panel = next(axes for axes in figure.axes if axes.get_ylabel().startswith("power ("))
    layers = [patch.get_data() for patch in panel.patches]  # type: ignore[attr-defined]
    drawn = fsum(
        float(((top - below) * np.diff(edges)).sum()) for top, edges, below in layers
    )  # mW, as the label says, over cycles
    assert panel.get_ylabel() == "power (mW)"
    energy = fsum(part.energy(seconds) for part in parts)
    assert drawn * 1e-3 / activity.clock_hz == pytest.approx(energy, rel=1e-9)
    assert [text for text in texts(figure) if text.startswith("core[")] == [
        f"core[conv{n}]" for n in (1, 2, 3)
    ]


def test_shades_leave_out_what_is_drawn_all_the_time() -> None:
    activity = make_activity(["core[a].x", "core[b].x"], [(0, "busy:mvm", 0, 500)], 1000)
    parts = [
        PartCost("core[a].x", "k", "array", None, 5e-9, 0.0, 1.0),
        PartCost("core[b].x", "k", "link", None, 0.0, 2.0, 1.0),
    ]
    figure = plot_power(activity, parts)
    shades = figure.axes[0].images[0].get_array()
    assert shades is not None
    assert np.nanmax(shades) == pytest.approx(1.0)  # mW in the first half
    rows = [shades[16], shades[16 + 36]]
    assert [float(row.sum()) for row in rows] == [pytest.approx(shades.shape[1] / 2, abs=1), 0.0]
    written = texts(figure)
    assert "500 µW" in written  # on average
    assert "2 W" in written
    assert any("at most 2 W at any moment" in text for text in written)


@pytest.mark.parametrize("crossbars", [1, 700])
def test_power_of_few_and_of_thousands_of_units_fits_on_a_page(crossbars: int) -> None:
    activity = pipeline_activity(cores=4, images=1, pixels=4, crossbars=crossbars)
    figure = plot_power(activity, costs(activity))
    assert figure.get_size_inches()[0] == 7.16
    assert 3 < figure.get_size_inches()[1] < 9
    assert pixels(figure).std() > 20


def test_power_of_thousands_of_cores_fits_on_a_page() -> None:
    units = [f"core[{n}].x" for n in range(3000)]
    activity = make_activity(units, [(n, "busy:mvm", n, n + 50) for n in range(3000)], 3050)
    height = plot_power(activity, costs(activity)).get_size_inches()[1]
    assert height < 11
    assert plot_buffers(with_buffers(activity, 3000)).get_size_inches()[1] < 11


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9)), max_size=12, unique_by=lambda entry: entry[0]),
    st.integers(1, 7),
)
def test_tokens_held_are_those_of_every_tick(entries: list[tuple[int, int]], bins: int) -> None:
    entries.sort()
    tick = np.array([at for at, _ in entries], dtype=np.int64)
    held = np.array([count for _, count in entries], dtype=np.int32)
    by_tick = [next((count for at, count in reversed(entries) if at <= now), 0) for now in range(61)]
    edges = bin_edges(0, 61, bins)
    integral = held_in_bins(BufferTrace("a", None, tick, held), edges)
    assert integral.tolist() == [sum(by_tick[low:high]) for low, high in pairwise(edges)]


def test_memories_are_named_shaded_by_what_fits_and_told_their_peaks() -> None:
    activity = with_buffers(pipeline_activity(), 3)
    figure = plot_buffers(activity, workload="w", machine="m")
    written = texts(figure)
    assert [text for text in written if text.startswith("core[")] == ["core[0]", "core[1]", "core[2]"]
    assert written.count("3 of 4") == 3
    shades = figure.axes[0].images[0].get_array()
    assert shades is not None
    tokens = held_in_bins(activity.buffers[0], np.array([0, activity.makespan]))[0] / activity.makespan
    assert float(shades[16].mean()) == pytest.approx(25 * tokens, rel=0.02)
    assert "3 of ∞" in texts(plot_buffers(with_buffers(pipeline_activity(), 1, slots=None)))


def test_memories_in_one_core_go_by_their_ports() -> None:
    activity = pipeline_activity()
    tick, held = np.zeros(1, np.int64), np.ones(1, np.int32)
    paths = ("core[a].memory.pixel_in[0]", "core[a].memory.pixel_in[1]", "sink.pixel_in")
    buffers = tuple(BufferTrace(path, 2, tick, held) for path in paths)
    written = texts(plot_buffers(replace(activity, buffers=buffers)))
    for name in ("core[a] pixel_in[0]", "core[a] pixel_in[1]", "sink.pixel_in"):
        assert name in written


def test_nothing_to_draw_is_told() -> None:
    activity = pipeline_activity()
    with pytest.raises(SimError, match="nothing to draw: no part of the run spent any energy"):
        plot_power(activity, [])
    with pytest.raises(SimError, match="nothing to draw: no memory was watched"):
        plot_buffers(activity)
