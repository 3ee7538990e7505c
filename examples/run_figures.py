"""All figures of a run, as a paper would show them, and how two runs differ.

    python -m examples.run_figures docs/images

draws the pictures of docs/figures.md: a residual network that streams images through `dataflow`, and the
latencies of one whose images arrive at random. Prints the comparison of docs/diff.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import imcsim
from traces import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def streamed(images: int = 8) -> imcsim.Run:
    """Return a run whose images are all there from the start."""
    return imcsim.run("digits-resnet", "dataflow", images=images, values="off")


def requested(images: int = 120) -> imcsim.Run:
    """Return a run whose images arrive at random, at three quarters of what the machine can do."""
    return imcsim.run("digits-cnn", "dataflow", images=images, values="off", arrivals="poisson:90000")


def figures(run: imcsim.Run, loaded: imcsim.Run) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of the page by the names of their files."""
    yield "figure-stalls", run.plot_stalls()
    yield "figure-critical-path", run.plot_critical_path()
    yield "figure-energy", run.plot_energy()
    yield "figure-power", run.plot_power()
    yield "figure-buffers", run.plot_buffers()
    yield "figure-roofline", run.plot_roofline()
    yield "figure-latency", loaded.plot_latency()


def compared() -> imcsim.RunDiff:
    """Return how a run differs from one with quicker arrays."""
    settings = ["core.crossbar.mvm_cycles=100"]
    runs = [imcsim.run("digits-cnn", "dataflow", images=2, settings=extra) for extra in ([], settings)]
    return imcsim.diff(*runs)


def main(folder: Path) -> None:
    """Draw all figures into a folder, and print the comparison."""
    for name, figure in figures(streamed(), requested()):
        save_figure(figure, folder / f"{name}.png")
    found = compared()
    print(found.settings)
    print(found.divergence)
    for change in found.cycles.by_cause:
        print(f"{change.difference:+9,} {change.name}")
    print(f"{found.cycles.unit_cycles.difference:+9,} in all")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
