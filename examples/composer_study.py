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
from typing import Any

from imcsim import compose_workload
from traces import save_figure

NETWORKS = ("digits-mlp", "digits-cnn", "digits-resnet")
SIZES = (4, 8, 16, 32, 64)
#: Sizes at which some network loses more than the tolerance, so that it is retrained.
RETRAINED = (4, 8)
ROUNDS = 6
FOLDER = Path(__file__).parent / "composed_digits"
COLOURS = dict(zip(NETWORKS, ("tab:blue", "tab:orange", "tab:green"), strict=True))

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


def draw(found: dict[str, Found]) -> Any:
    """Return a figure of the loss over the clusters."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for name, (baseline, plain, again) in found.items():
        colour = COLOURS[name]
        loss = {size: 100 * (baseline - accuracy) for size, accuracy in plain.items()}
        after = loss | {size: 100 * (baseline - accuracy) for size, accuracy in again.items()}
        axes.plot(list(loss), list(loss.values()), "o--", color=colour, label=f"{name}, clustered only")
        axes.plot(
            list(after), list(after.values()), "s-", color=colour, label=f"{name}, retrained at 4 and 8"
        )
    axes.axhline(0.3, color="black", lw=0.8, ls=":")
    axes.text(64, 0.35, "0.3 points, as published", ha="right", va="bottom", fontsize=8)
    axes.set_xscale("log", base=2)
    axes.set_xticks(SIZES, [str(size) for size in SIZES])
    axes.set_xlabel("clusters of weights = clusters of inputs")
    axes.set_ylabel("accuracy lost on test images [percentage points]")
    axes.legend(fontsize=8, frameon=False)
    return figure


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
