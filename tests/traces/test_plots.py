from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from simcore.activity import Activity
from simcore.errors import FileError, SimError, UnknownNameError
from tests.traces.activities import make_activity, pipeline_activity
from traces import category_totals, plot_timeline, plot_utilisation, save_figure
from traces.figure_style import BUSY_COLOURS, CATEGORY_COLOURS, cycles_text, describe, kinds_of, time_unit

SMALL = make_activity(
    ["core[a].x", "core[a].y", "core[b].x"],
    [
        (0, "busy:mvm", 0, 40),
        (0, "blocked-output:out", 40, 100),
        (1, "wait-input:in", 0, 50),
        (1, "busy:add", 50, 70),
        (2, "programming:weights", 0, 60),
        (2, "wait-resource:adc", 60, 80),
    ],
    makespan=100,
)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def pixels(figure: Figure) -> Any:
    """Return what Agg draws: (height, width, 3) integers, the first line at the top."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].astype(int)  # type: ignore[attr-defined]


def rgb(colour: str) -> list[int]:
    return [int(colour[i : i + 2], 16) for i in (1, 3, 5)]


def colour_at(figure: Figure, picture: Any, cycle: float, line: float) -> list[int]:
    x, y = figure.axes[0].transData.transform((cycle, line))
    colour: list[int] = picture[len(picture) - 1 - int(y), int(x)].tolist()
    return colour


def test_each_bar_wears_the_colour_of_its_state() -> None:
    figure = plot_timeline(SMALL)
    picture = pixels(figure)
    rows = {"core[a].x": 15, "core[a].y": 15 + 36, "core[b].x": 15 + 72 + 12}
    expected = {
        ("core[a].x", 20): BUSY_COLOURS[0],
        ("core[a].x", 70): CATEGORY_COLOURS["blocked-output"],
        ("core[a].y", 20): CATEGORY_COLOURS["wait-input"],
        ("core[a].y", 60): BUSY_COLOURS[1],
        ("core[a].y", 90): CATEGORY_COLOURS["finished"],
        ("core[b].x", 30): CATEGORY_COLOURS["programming"],
        ("core[b].x", 70): CATEGORY_COLOURS["wait-resource"],
    }
    for (unit, cycle), colour in expected.items():
        assert colour_at(figure, picture, cycle, rows[unit]) == rgb(colour), (unit, cycle)


def test_names_legend_and_title_are_written() -> None:
    written = texts(plot_timeline(SMALL, workload="digits-cnn", machine="dataflow"))
    for text in (
        "core[a]",
        "x",
        "y",
        "core[b].x",
        "digits-cnn on dataflow",
        "mvm",
        "add",
        "time (cycles)",
        "time (µs)",
    ):
        assert text in written or text == "core[b].x", text
    assert "programming" in written
    assert any(text.startswith("3 units  ·  100 cycles  ·  1 µs at 100 MHz") for text in written)


def test_legend_names_only_what_occurs() -> None:
    busy = make_activity(["a"], [(0, "busy:mvm", 0, 10)], 10)
    written = texts(plot_timeline(busy))
    assert "mvm" in written
    assert "finished" not in written
    assert "blocked by output" not in written


def test_crowded_row_is_a_stack_whose_heights_are_shares_of_time() -> None:
    period, busy = 10, 3
    count = 20_000
    intervals = [(0, "busy:mvm", i * period, i * period + busy) for i in range(count)]
    intervals += [(0, "wait-input:x", i * period + busy, (i + 1) * period) for i in range(count)]
    figure = plot_timeline(make_activity(["a"], intervals, period * count))
    picture = pixels(figure)
    column = [colour_at(figure, picture, period * count / 2, line + 0.5) for line in range(32)]
    work = [colour == rgb(BUSY_COLOURS[0]) for colour in column]
    assert sum(work) == pytest.approx(32 * busy / period, abs=1.5)
    assert work == sorted(work)  # at the bottom


@pytest.mark.parametrize("crossbars", [1, 40, 200])
def test_few_and_many_units_fit_on_a_page(crossbars: int) -> None:
    figure = plot_timeline(pipeline_activity(cores=5, images=1, pixels=16, crossbars=crossbars))
    width, height = figure.get_size_inches()
    assert width == 10
    assert 3 < height < 14
    assert [text for text in texts(figure) if text.startswith("core[")] == [
        f"core[conv{i}]" for i in range(1, 6)
    ]
    assert pixels(figure).std() > 20


def test_groups_too_flat_for_their_names_leave_some_out() -> None:
    units = [f"core[{i}].{part}" for i in range(250) for part in "ab"]
    activity = make_activity(units, [(i, "busy:mvm", i, i + 50) for i in range(500)], 600)
    names = [text for text in texts(plot_timeline(activity)) if text.startswith("core[")]
    assert 20 < len(names) < 250


def test_long_names_are_shortened_in_the_middle() -> None:
    activity = make_activity([f"{'long' * 20}.a", "b.c"], [(0, "busy:mvm", 0, 5)], 9)
    assert any("…" in text and len(text) == 30 for text in texts(plot_timeline(activity)))


def test_window_and_units_are_cut_out() -> None:
    figure = plot_timeline(pipeline_activity(), units="core[conv2]", start=100, stop=400)
    assert figure.axes[0].get_xlim() == (100, 400)
    assert [text for text in texts(figure) if text.startswith("core[")] == [
        "core[conv2].buffer",
        "core[conv2].crossbar[0,0]",
        "core[conv2].digital",
    ]
    with pytest.raises(UnknownNameError, match="no unit fits 'core\\[fc\\]'"):
        plot_timeline(pipeline_activity(), units="core[fc]")


def test_nothing_to_draw_is_told() -> None:
    for plot in (plot_timeline, plot_utilisation):
        with pytest.raises(SimError, match="nothing to draw: 1 units, 0 ticks"):
            plot(make_activity(["a"], [], 0))
        assert "finished" in texts(plot(make_activity(["a"], [], 5)))


def test_flat_rows_of_one_unit_each_are_named_too() -> None:
    activity = make_activity([f"tile[{i}].x" for i in range(400)], [(0, "busy:mvm", 0, 5)], 9)
    for figure in (plot_timeline(activity), plot_utilisation(activity)):
        assert 20 < sum(text.startswith("tile[") for text in texts(figure)) < 400


def test_bars_of_utilisation_are_as_long_as_their_time() -> None:
    activity = pipeline_activity(cores=3)
    figure = plot_utilisation(activity, workload="w", machine="m")
    bars = figure.axes[0].patches
    lengths = np.array([bar.get_width() for bar in bars]).reshape(6, -1)  # type: ignore[attr-defined]
    share = 100 * category_totals(activity) / activity.makespan
    assert np.allclose(lengths.sum(axis=0), 100)
    assert np.allclose(np.sort(lengths[0]), np.sort(share[:, 0]))
    labels = [f"{busy:.0f} %" for busy in lengths[0]]
    assert [text for text in texts(figure) if text.endswith(" %") and text[0].isdigit()] == labels


def test_utilisation_by_group_is_the_mean_of_its_units() -> None:
    activity = pipeline_activity(cores=3, crossbars=2)
    figure = plot_utilisation(activity, by="group")
    busy = [patch.get_width() for patch in figure.axes[0].patches[:3]]  # type: ignore[attr-defined]
    share = 100 * category_totals(activity)[:, 0] / activity.makespan
    assert np.allclose(busy, share.reshape(3, 4).mean(axis=1))
    assert len(plot_utilisation(activity, by="unit").axes[0].patches) == 6 * 12
    assert len(plot_utilisation(pipeline_activity(crossbars=20)).axes[0].patches) == 6 * 4  # too many units


@pytest.mark.parametrize("name", ["figure.png", "figure.svg"])
def test_equal_figures_make_equal_bytes_whatever_the_user_has_set(tmp_path: Path, name: str) -> None:
    for plot in (plot_timeline, plot_utilisation):
        save_figure(plot(SMALL), tmp_path / name)
        first = (tmp_path / name).read_bytes()
        with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "savefig.dpi": 50}):
            settings = dict(matplotlib.rcParams)
            save_figure(plot(SMALL), tmp_path / name)
            assert dict(matplotlib.rcParams) == settings
        assert (tmp_path / name).read_bytes() == first
        assert [path.name for path in tmp_path.iterdir()] == [name]


def test_other_endings_are_refused(tmp_path: Path) -> None:
    figure = plot_timeline(SMALL)
    for name in ("figure.pdf", "figure"):
        with pytest.raises(FileError, match=r"a figure's name ends in \.png or \.svg"):
            save_figure(figure, tmp_path / name)


def test_missing_matplotlib_is_told_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for plot in (plot_timeline, plot_utilisation):
        with pytest.raises(SimError, match=r"pip install 'imcsim\[plots\]'"):
            plot(SMALL)


def test_pyplot_and_its_global_figures_are_never_loaded() -> None:
    code = (
        "import sys, numpy as np; from simcore.activity import Activity; from traces import plot_timeline\n"
        "z = np.zeros(1, np.int64)\n"
        "unit, state = z.astype(np.int32), z.astype(np.int16)\n"
        "plot_timeline(Activity(('a',), ('busy:x',), unit, state, z, z + 3, unit - 1, z, 5, 1, 1e9))\n"
        "print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["True", "False"]


def test_many_operations_share_a_colour_beyond_the_palette() -> None:
    intervals = [(0, f"busy:op{i:02d}", 100 * i, 100 * i + 50 - i) for i in range(12)]
    kinds = kinds_of(make_activity(["a"], intervals, 2000), by_operation=True)
    assert kinds.labels[: len(BUSY_COLOURS)] == (*[f"op{i:02d}" for i in range(7)], "other work")
    assert kinds.of_state.tolist() == [*range(7), *[7] * 5]
    assert len(np.unique(kinds.colours, axis=0)) == len(kinds.labels)


# Machado, Oliveira and Fernandes (IEEE TVCG 2009), severity 1, on linear light.
VISIONS = {
    "full": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protan": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deutan": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}


def lab(colour: str, vision: str) -> Any:
    """Return the CIE Lab coordinates of a colour as an eye of that vision sees it."""
    srgb = np.array(rgb(colour)) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISIONS[vision]) @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    f = np.cbrt(to_xyz @ seen / [0.9505, 1.0, 1.089])
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISIONS)
def test_states_stay_apart_for_any_colour_vision(vision: str) -> None:
    colours = {**CATEGORY_COLOURS, "work": BUSY_COLOURS[0], "more work": BUSY_COLOURS[1]}
    for one, first in colours.items():
        for other, second in colours.items():
            if one < other:
                distance = np.linalg.norm(lab(first, vision) - lab(second, vision))
                assert distance > 10, (one, other)


def test_numbers_read_well() -> None:
    assert cycles_text(1234567) == "1\u2009234\u2009567"
    assert [time_unit(seconds)[1] for seconds in (2, 0.5, 3e-6, 4e-9, 0)] == ["s", "ms", "µs", "ns", "ns"]
    assert describe(two_clocks(1e9)).endswith("50 ns at 1 GHz")
    assert describe(two_clocks(32)).endswith("1.562 s at 32 Hz")


def two_clocks(clock_hz: float) -> Activity:
    return make_activity(["a"], [], makespan=100, ticks_per_cycle=2, clock_hz=clock_hz)
