"""Training on PipeLayer: the loss over batches, and what every part does in one batch.

    python -m examples.pipelayer_training picture.png

prints a row for each learning rate and draws the picture of docs/training.md. The machine trains `digits-mlp`
on 640 handwritten digits in 16 bit fixed point; losses, outputs and weights are what its arrays compute.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

import imcsim
from traces.figure_style import BUSY_COLOURS, CATEGORY_COLOURS, FAINT, MARGIN, new_figure, save_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NETWORK = "digits-mlp"
#: Learning rates are 2**-shift; the middle one is the default.
SHIFTS = (1, 2, 3)
SMALL_BATCH = 8

#: Parts from top to bottom, with the colour of what they do.
PARTS = {
    **{f"layer[fc{n}]": BUSY_COLOURS[0] for n in (1, 2, 3)},
    "output-error": BUSY_COLOURS[4],
    **{f"error[fc{n}]": BUSY_COLOURS[2] for n in (3, 2)},
    **{f"gradient[fc{n}]": BUSY_COLOURS[6] for n in (3, 2, 1)},
    **{f"update[fc{n}]": CATEGORY_COLOURS["programming"] for n in (3, 2, 1)},
}


def trained(shift: int = 2, images: int = 640, batch: int = 32) -> imcsim.Run:
    """Return a run that trains with a learning rate of 2**-shift."""
    settings = ["mode=training", f"training.learning_rate_shift={shift}", f"training.batch={batch}"]
    return imcsim.run(NETWORK, arch="pipelayer", images=images, settings=settings)


def table(runs: Mapping[int, imcsim.Run]) -> str:
    """Return a row for each learning rate."""
    rows = [f"{'rate':>6} {'first loss':>10} {'last loss':>10} {'unseen digits right':>20}"]
    for shift, run in runs.items():
        told = run.summary["training"]
        right = told["unseen_accuracy"]["after"]
        rows.append(f"{2.0**-shift:>6.3f} {told['loss'][0]:>10.3f} {told['loss'][-1]:>10.3f} {right:>20.1%}")
    return "\n".join(rows)


def draw(runs: Mapping[int, imcsim.Run], batch: imcsim.Run) -> Figure:
    """Draw losses by learning rate, and the intervals of one batch."""
    width, height = 10.0, 4.0
    with style():
        figure = new_figure(width, height)
        losses = figure.add_axes((0.06, 0.13, 0.27, 0.62))
        timeline = figure.add_axes((0.47, 0.13, 0.51, 0.62))
        _draw_losses(losses, runs)
        _draw_batch(timeline, batch)
        title = f"{NETWORK} learns on PipeLayer"
        figure.text(MARGIN / width, 1 - 0.3 / height, title, size=12, weight="bold")
        told = "640 digits in batches of 32 (left), one batch of 8 (right)  ·  16 bit fixed point, simulated"
        figure.text(MARGIN / width, 1 - 0.52 / height, told, color=FAINT)
    return figure


def _draw_losses(axes: Axes, runs: Mapping[int, imcsim.Run]) -> None:
    colours = (BUSY_COLOURS[1], BUSY_COLOURS[0], BUSY_COLOURS[5])
    for (shift, run), colour in zip(runs.items(), colours, strict=True):
        told = run.summary["training"]
        right = told["unseen_accuracy"]["after"]
        label = f"rate {2.0**-shift:g}: {right:.0%} of unseen right"
        batches = range(1, 1 + len(told["loss"]))
        axes.plot(batches, told["loss"], color=colour, linewidth=1.8, label=label)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("batch")
    axes.set_ylabel("loss [nat]")
    axes.set_title("The loss falls", loc="left", size=8.5)
    axes.legend(frameon=False, loc="lower left", fontsize=7)
    axes.grid(axis="y", color="#E4E7EB", linewidth=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_batch(axes: Axes, run: imcsim.Run) -> None:
    """Draw what the parts do in each beat, with the number of the image; writing is paler."""
    activity, told = run.recorded, run.summary["training"]
    beat = told["update_cycles"][-1] * activity.ticks_per_cycle / told["beats"]
    starts, lengths = activity.start / beat, activity.duration / beat
    for row, (part, colour) in enumerate(PARTS.items()):
        beats = set()
        for place, unit in enumerate(activity.units):
            for state, name in enumerate(activity.states):
                if not unit.startswith(part) or not name.startswith(("busy", "programming")):
                    continue
                here = (activity.unit == place) & (activity.state == state)
                pale = 0.55 if name == "busy:write" else 1.0
                axes.barh(row, lengths[here], left=starts[here], height=0.78, color=colour, alpha=pale)
                beats |= set((starts[here] + 1e-6).astype(int).tolist())
        if not part.startswith("update"):
            for image, start in enumerate(sorted(beats)):
                axes.text(start + 0.12, row, str(image), va="center", size=6.5, color="white")
    axes.set_yticks(range(len(PARTS)), list(PARTS), size=7)
    axes.set_xticks(range(told["beats"] + 1))
    axes.set_xlim(0, told["beats"])
    axes.set_ylim(len(PARTS) - 0.5, -0.5)
    axes.grid(axis="x", color="#E4E7EB", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.set_xlabel("beat; numbers are images, what is pale is written to memory")
    axes.set_title(f"2 L + B + 1 = {told['beats']} beats: forward, back, update", loc="left", size=8.5)
    axes.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Print a row for each learning rate, and draw the picture if a path is given."""
    runs = {shift: trained(shift) for shift in SHIFTS}
    print(table(runs))
    if len(sys.argv) > 1:
        save_figure(draw(runs, trained(images=SMALL_BATCH, batch=SMALL_BATCH)), sys.argv[1])


if __name__ == "__main__":
    main()
