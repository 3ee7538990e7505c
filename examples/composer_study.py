"""How many clusters a network needs, and what retraining gets back.

    python examples/composer_study.py [PICTURE.png]      # seconds
    python examples/composer_study.py --retrain          # minutes: makes the files in composed_digits anew

The digits networks are composed with as many clusters of weights as of inputs, and run on the test images,
which neither composing nor retraining sees. Retrained networks lie beside this file, in `composed_digits`, as
`imcsim compose NAME --weights N --inputs N --retrain 6 -o FILE` writes them. One thread makes the same bytes
on one machine.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from imcsim import compose_workload
from traces import read_composition
from traces.figure_style import BUSY_COLOURS, CATEGORY_COLOURS, FAINT, MARGIN, new_figure, save_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NETWORKS = ("digits-mlp", "digits-cnn", "digits-resnet")
SIZES = (4, 8, 16, 32, 64)
#: Sizes at which some network loses more than the tolerance, so that it is retrained.
RETRAINED = (4, 8)
ROUNDS = 6
FOLDER = Path(__file__).parent / "composed_digits"
COLOURS = dict(
    zip(NETWORKS, (BUSY_COLOURS[0], CATEGORY_COLOURS["blocked-output"], BUSY_COLOURS[2]), strict=True)
)

#: Baseline accuracy of a network, and the accuracy at each size: as clustered, and retrained where it is.
Found = tuple[float, dict[int, float], dict[int, float]]


def file_of(name: str, size: int) -> Path:
    """Return where a retrained network lies."""
    return FOLDER / f"{name}-{size}.npz"


def retrain() -> None:
    """Compose and retrain all that the study reads."""
    FOLDER.mkdir(exist_ok=True)
    for name in NETWORKS:
        for size in RETRAINED:
            report = compose_workload(
                name, file_of(name, size), weights=size, inputs=size, retrain=ROUNDS, observe=print
            )
            print(name, size, [f"{each.error:.2%}" for each in report.composition.rounds])


def study(name: str, sizes: tuple[int, ...] = SIZES) -> Found:
    """Return how a network does on the test images."""
    plain: dict[int, float] = {}
    baseline = 0.0
    for size in sizes:
        found = compose_workload(name, weights=size, inputs=size).evaluation
        assert found is not None
        assert found.baseline_accuracy is not None
        plain[size], baseline = found.accuracy, found.baseline_accuracy
    again = {size: compose_workload(file_of(name, size)).evaluation for size in RETRAINED if size in sizes}
    return baseline, plain, {size: found.accuracy for size, found in again.items() if found is not None}


def table(found: dict[str, Found]) -> str:
    """Return a row for each network and size: accuracy lost [percentage points]."""
    rows = [f"{'network':<14} {'w = u':>5} {'baseline':>9} {'clustered':>10} {'retrained':>10}"]
    for name, (baseline, plain, again) in found.items():
        for size, accuracy in plain.items():
            retrained = f"{again[size]:>10.2%}" if size in again else " " * 10
            rows.append(f"{name:<14} {size:>5} {baseline:>9.2%} {accuracy:>10.2%} {retrained}".rstrip())
    return "\n".join(rows)


def rounds(name: str, size: int = RETRAINED[0]) -> tuple[list[float], int]:
    """Return losses on held-out images after each round [percentage points], and which one was kept."""
    composition = read_composition(file_of(name, size))
    losses = [100 * (each.error - each.baseline_error) for each in composition.rounds]
    return losses, composition.rounds.index(composition.best)


def draw(found: dict[str, Found]) -> Figure:
    """Return a figure of the loss over the clusters, and over the rounds of retraining."""
    width, height = 9.0, 3.9
    with style():
        figure = new_figure(width, height)
        title = "A few clusters are enough, and retraining gets most of the rest back"
        figure.text(MARGIN / width, 1 - 0.3 / height, title, size=12, weight="bold")
        told = "left: 360 test images, which composing never sees  ·  right: 287 held-out images, 4 clusters"
        figure.text(MARGIN / width, 1 - 0.52 / height, told, color=FAINT)
        over_clusters, over_rounds = (figure.add_axes((left, 0.13, 0.4, 0.6)) for left in (0.075, 0.575))
        _draw_clusters(over_clusters, found)
        _draw_rounds(over_rounds)
        for axes in (over_clusters, over_rounds):
            axes.axhline(0.3, color=FAINT, linewidth=0.8, linestyle=":")
            axes.grid(axis="y", color="#E4E7EB", linewidth=0.5)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_ylim(-1.5, 18.5)
        over_clusters.text(len(SIZES) - 1, 0.5, "0.3 points, as published", ha="right", color=FAINT, size=7)
    return figure


def _draw_clusters(axes: Axes, found: dict[str, Found]) -> None:
    for name, (baseline, plain, again) in found.items():
        colour = COLOURS[name]
        loss = {size: 100 * (baseline - accuracy) for size, accuracy in plain.items()}
        places = [SIZES.index(size) for size in loss]
        axes.plot(places, list(loss.values()), "o-", color=colour, linewidth=1.6, markersize=4, label=name)
        for size, accuracy in again.items():
            after, place = 100 * (baseline - accuracy), SIZES.index(size)
            axes.plot([place], [after], "D", color="white", markeredgecolor=colour, markersize=5.5)
    axes.plot([], [], "D", color="white", markeredgecolor=FAINT, markersize=5.5, label="retrained")
    axes.set_xticks(range(len(SIZES)), [str(size) for size in SIZES])
    axes.set_xlabel("clusters of weights = clusters of inputs")
    axes.set_ylabel("accuracy lost [percentage points]")
    axes.set_title("Clusters", loc="left", size=8.5)
    axes.legend(frameon=False, loc="upper right", fontsize=7.5)


def _draw_rounds(axes: Axes) -> None:
    for name in NETWORKS:
        losses, kept = rounds(name)
        axes.plot(losses, "o-", color=COLOURS[name], linewidth=1.6, markersize=4)
        axes.plot(
            [kept], losses[kept : kept + 1], "D", color="white", markeredgecolor=COLOURS[name], markersize=6.5
        )
    axes.set_xticks(range(ROUNDS + 1))
    axes.set_xlabel("rounds of retraining; the best one, a diamond, is kept")
    axes.set_title("Rounds", loc="left", size=8.5)


def main() -> None:
    """Print the table, and draw it if asked to."""
    if sys.argv[1:] == ["--retrain"]:
        retrain()
        return
    found = {name: study(name) for name in NETWORKS}
    print(table(found))
    if sys.argv[1:]:
        save_figure(draw(found), sys.argv[1])


if __name__ == "__main__":
    main()
