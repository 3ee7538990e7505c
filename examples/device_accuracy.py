"""What real arrays cost in accuracy: the digits networks against converters, cells, noise and time.

    python -m examples.device_accuracy picture.png

prints a table for each question and draws the picture of docs/devices.md. Ten minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import TYPE_CHECKING

import imcsim
from traces.figure_style import BUSY_COLOURS, CATEGORY_COLOURS, FAINT, MARGIN, new_figure, save_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Settings = list[tuple[str, object]]

COLOURS = {
    "digits-mlp": BUSY_COLOURS[1],
    "digits-cnn": BUSY_COLOURS[2],
    "digits-resnet": CATEGORY_COLOURS["wait-resource"],
}
DAY, YEAR = 86400.0, 3.156e7
CELL = "core.crossbar.device"


@dataclass(frozen=True)
class Question:
    """Accuracy over one parameter, in one way (solid lines) and another (dashed).

    across : what the parameter is
    points : its values
    ways : by name, the settings of the machine for a value
    """

    title: str
    across: str
    points: Sequence[float]
    ways: dict[str, Callable[[float], Settings]]
    logarithmic: bool = False
    ticks: dict[float, str] = field(default_factory=dict)


def _cells(noise: float) -> Callable[[float], Settings]:
    return lambda bits: [
        ("core.crossbar.encoding", "differential"),
        ("core.crossbar.cell_bits", int(bits)),
        (f"{CELL}.programming.sigma", (noise,)),
    ]


def _drift(compensated: bool) -> Callable[[float], Settings]:
    return lambda seconds: [
        (f"{CELL}.kind", "pcm"),
        (f"{CELL}.time_s", seconds),
        ("core.crossbar.drift_compensation", compensated),
    ]


QUESTIONS = (
    Question(
        "Converters",
        "bits of the converters",
        (3, 4, 5, 6, 7, 8, 10),
        {
            "range: weights": lambda bits: [("core.adc.bits", int(bits))],
            "range: calibrated": lambda bits: [
                ("core.adc.bits", int(bits)),
                ("core.adc.range", "calibrated"),
            ],
        },
    ),
    Question(
        "Cells in differential pairs",
        "bits of a cell",
        (1, 2, 3, 4, 5, 6, 7),
        {"programming noise 5 %": _cells(0.05), "15 %": _cells(0.15)},
    ),
    Question(
        "Programming noise",
        "standard deviation, of g_max",
        (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3),
        {
            "a signed cell a weight": lambda sigma: [(f"{CELL}.programming.sigma", (sigma,))],
            "pairs of 1-bit cells": lambda sigma: _cells(sigma)(1),
        },
    ),
    Question(
        "Drift of PCM",
        "time since programming",
        (20.0, 600.0, 3600.0, DAY, 7 * DAY, 30 * DAY, YEAR, 10 * YEAR),
        {"as it is": _drift(False), "compensated": _drift(True)},
        logarithmic=True,
        ticks={20.0: "20 s", 3600.0: "1 h", DAY: "1 day", 30 * DAY: "30 days", 10 * YEAR: "10 years"},
    ),
)


def coarse(question: Question) -> Question:
    """Return the question with its first, middle and last point only."""
    points = question.points
    return replace(question, points=(points[0], points[len(points) // 2], points[-1]))


def accuracy(network: str, settings: Settings, images: int, seeds: int) -> float:
    """Return the mean accuracy of a network over so many arrays, each programmed anew."""
    runs = (
        imcsim.run(
            network,
            "dataflow",
            images=images,
            values="device",
            settings=[("detail", "group"), *settings],
            seed=seed,
            record=False,
        )
        for seed in range(seeds)
    )
    return fmean(run.summary["accuracy"] for run in runs)


def answer(question: Question, images: int, seeds: int) -> dict[tuple[str, str], list[float]]:
    """Return the accuracies at all points, by network and way."""
    return {
        (network, way): [accuracy(network, settings(point), images, seeds) for point in question.points]
        for network in COLOURS
        for way, settings in question.ways.items()
    }


def table(question: Question, answers: dict[tuple[str, str], list[float]]) -> str:
    """Return accuracies as a table, a network and way a row."""
    head = [f"{question.title}: {question.across}", *(f"{point:g}" for point in question.points)]
    rows = [
        [f"{network}, {way}", *(f"{share:.1%}" for share in found)]
        for (network, way), found in answers.items()
    ]
    return "\n".join(f"{row[0]:<44}" + "".join(f"{cell:>11}" for cell in row[1:]) for row in [head, *rows])


def draw(found: list[tuple[Question, dict[tuple[str, str], list[float]]]]) -> Figure:
    """Draw a panel for each question."""
    width, height = 10.0, 6.6
    with style():
        figure = new_figure(width, height)
        for place, (question, answers) in enumerate(found):
            left, bottom = 0.07 + 0.5 * (place % 2), 0.1 + 0.455 * (1 - place // 2)
            axes = figure.add_axes((left, bottom, 0.4, 0.305))
            _draw_panel(axes, question, answers)
        figure.text(
            MARGIN / width, 1 - 0.3 / height, "What real arrays cost in accuracy", size=12, weight="bold"
        )
        for place, (network, colour) in enumerate(COLOURS.items()):
            figure.text(
                0.5 + 0.14 * place, 1 - 0.3 / height, f"●  {network}", size=9, color=colour, weight="bold"
            )
        figure.text(
            MARGIN / width,
            1 - 0.52 / height,
            "100 handwritten digits  ·  mean of 3 chips  ·  dataflow with --values device",
            color=FAINT,
        )
    return figure


def _draw_panel(axes: Axes, question: Question, answers: dict[tuple[str, str], list[float]]) -> None:
    styles = dict(zip(question.ways, ("o-", "s--"), strict=True))
    for (network, way), accuracies in answers.items():
        axes.plot(
            question.points,
            accuracies,
            styles[way],
            color=COLOURS[network],
            linewidth=1.4,
            markersize=3.5,
            markerfacecolor="white" if styles[way] == "s--" else COLOURS[network],
        )
    if question.logarithmic:
        axes.set_xscale("log")
    if question.ticks:
        axes.set_xticks(list(question.ticks), list(question.ticks.values()))
        axes.minorticks_off()
    axes.set_ylim(-0.03, 1.03)
    axes.yaxis.set_major_formatter(lambda value, place: f"{100 * value:.0f} %")
    axes.set_xlabel(question.across)
    axes.grid(color="#E4E7EB", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    solid, dashed = question.ways
    axes.set_title(f"{question.title}: {solid} (dashed: {dashed})", loc="left", size=8.5)


def main() -> None:
    """Ask all questions, print the tables, and draw the picture if a file is named."""
    found = []
    for question in QUESTIONS:
        found.append((question, answer(question, images=100, seeds=3)))
        print(table(*found[-1]), end="\n\n", flush=True)
    if len(sys.argv) > 1:
        save_figure(draw(found), sys.argv[1])


if __name__ == "__main__":
    main()
