"""Stacked bars: each is as long as what it shows, and equal causes look equal everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from numpy.typing import NDArray

from simcore.errors import SimError
from tests.traces.test_plots import texts
from traces import plot_energy, plot_stalls
from traces.figure_style import BUSY_COLOURS

SPENT = {
    "shared": {"busy:feed": 50.0, "wait-resource:arrival": 50.0},
    "conv1": {"busy:mvm": 120.0, "wait-input:pixel_in[0]": 30.0, "wait-input:pixel_in[1]": 50.0},
    "idle": {},
    "fc": {"busy:mvm": 10.0, "blocked-output:sums_out": 60.0, "programming:write": 10.0, "finished": 20.0},
}


def bars(figure: Figure, rows: int) -> NDArray[np.float64]:
    """Return the lengths of all parts: (rows, kinds)."""
    widths = [bar.get_width() for bar in figure.axes[0].patches]  # type: ignore[attr-defined]
    return np.array(widths).reshape(-1, rows).T


def test_every_bar_of_stalls_is_all_of_the_time_of_its_units() -> None:
    figure = plot_stalls(SPENT, workload="w", machine="m")
    lengths = bars(figure, 3)  # what has no units has no bar
    assert lengths.sum(axis=1) == pytest.approx([100, 100, 100])
    written = texts(figure)
    assert [text for text in written if text in SPENT] == ["shared", "conv1", "fc"]
    assert [text for text in written if text.endswith(" %")] == ["50 %", "60 %", "10 %"]
    for cause in (
        "busy: mvm", "busy: feed", "programming: write", "waiting for a resource: arrival",
        "blocked by output: sums_out", "waiting for input: pixel_in", "finished",
    ):  # fmt: skip
        assert cause in written
    waits = lengths[1][np.flatnonzero(lengths[1])[-1]]
    assert waits == pytest.approx(40)  # for either of its inputs


def test_the_largest_causes_of_a_category_are_told_apart_and_the_others_summed() -> None:
    spent = {f"wait-input:port{n}": float(10 - n) for n in range(8)}
    figure = plot_stalls({"a": spent})
    written = [text for text in texts(figure) if text.startswith("waiting")]
    assert written == [f"waiting for input: {name}" for name in ("port0", "port1", "other")]
    total = sum(spent.values())
    assert bars(figure, 1)[0] == pytest.approx([1000 / total, 900 / total, 100 * (total - 19) / total])


def test_energy_is_stacked_by_component_and_summed_at_the_end() -> None:
    joules = {"conv1": {"adc": 3e-9, "crossbar": 1e-9}, "fc": {"adc": 0.5e-9, "link": 0.25e-9}, "none": {}}
    figure = plot_energy(joules, workload="w", machine="m")
    assert bars(figure, 2).tolist() == [[3.0, 1.0, 0.0], [0.5, 0.0, 0.25]]
    assert figure.axes[0].get_xlabel() == "energy (nJ)"
    written = texts(figure)
    assert [text for text in written if text.endswith("J")] == ["4 nJ", "750 pJ"]
    assert [text for text in written if text in ("adc", "crossbar", "link")] == ["adc", "crossbar", "link"]


def test_many_families_share_the_last_colour() -> None:
    figure = plot_energy({"a": {f"family{n}": float(20 - n) for n in range(15)}})
    lengths = bars(figure, 1)[0]
    assert len(lengths) == len(BUSY_COLOURS)
    assert lengths[-1] == pytest.approx(sum(20 - n for n in range(7, 15)))
    assert "other" in texts(figure)


@pytest.mark.parametrize("count", [3, 3000])
def test_few_and_thousands_of_bars_fit_on_a_page(count: int) -> None:
    stacks = {f"layer{n}": {"busy:mvm": 1.0 + n, "wait-input:x": 5.0} for n in range(count)}
    figure = plot_stalls(stacks)
    assert figure.get_size_inches()[0] == 7.16
    assert 1.5 < figure.get_size_inches()[1] < 10
    longest = bars(figure, min(count, 300)).sum(axis=1)
    assert longest == pytest.approx(np.full(min(count, 300), 100.0))


def test_nothing_to_draw_is_told() -> None:
    for plot in (plot_stalls, plot_energy):
        with pytest.raises(SimError, match="nothing to draw"):
            plot({"a": {}})
