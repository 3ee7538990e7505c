"""What a network loses to another one on the same machine, and why: at the host, and on the fabric.

    python -m examples.sharing_study picture.png

prints a table for each question and draws the picture of docs/sharing.md; two minutes. digits-cnn has all of
its images there at the start, requests of digits-resnet arrive at a fixed rate, from none up to as many as
it could take alone. Layers of both lie on cores, or in tiles, of their own. The claim to look at: a mesh
keeps networks apart that lie side by side, even where its links are a bit wide; one medium or a slow host
does not.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import imcsim
from simcore.activity import category
from traces.figure_style import BUSY_COLOURS, CATEGORY_COLOURS, FAINT, MARGIN, new_figure, save_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIRST, OTHER = "digits-cnn", "digits-resnet"
IMAGES = 8
LOADS = (0.0, 0.25, 0.5, 0.75, 1.0)
#: The host sends a pixel in 20 cycles, so that a fabric whose links take a bit a cycle is what holds up.
_NARROW = ("source.pixel_cycles=20", "fabric.fidelity=link", "fabric.width_bits=1")


@dataclass(frozen=True)
class Case:
    """A machine that both share, by name and settings."""

    arch: str
    settings: tuple[str, ...] = ()


CASES = {
    "dataflow, as it is": Case("dataflow"),
    "dataflow, narrow mesh": Case("dataflow", (*_NARROW, "fabric.topology.kind=mesh")),
    "dataflow, narrow bus": Case("dataflow", (*_NARROW, "fabric.topology.kind=bus")),
    "isaac, host at 20 MB/s a link": Case("isaac", ("hypertransport.gb_per_s=0.02",)),
}
COLOURS = dict(zip(CASES, (BUSY_COLOURS[0], BUSY_COLOURS[2], "#E07B39", "#8A5FA8"), strict=True))
#: What causes are called in the picture, and their colours.
CAUSES = {
    "wait-resource": ("turns of the other at the host", CATEGORY_COLOURS["wait-resource"]),
    "blocked-output": ("full buffer in front of slower layers", CATEGORY_COLOURS["blocked-output"]),
    "behind-source": ("way from the last pixel to the last output", "#9BB7D4"),
}


def shared(case: Case, arrivals: Sequence[str] | None = None, images: Sequence[int] | int = IMAGES) -> Any:
    """Return what a run of both tells of each, by name."""
    run = imcsim.run(
        [FIRST, OTHER],
        case.arch,
        images=images,
        arrivals=arrivals,
        settings=case.settings,
        values="off",
        record=False,
    )
    return {network["workload"]: network for network in run.summary["networks"]}


def slowdowns(case: Case, full: Any, loads: Sequence[float] = LOADS) -> list[float]:
    """Return how many times as long the images of `FIRST` take, over the load of the other.

    full : what `shared` returns with all images there at the start
    loads : of the other, as a share of the requests that it takes alone
    """
    interval = {name: network["alone"]["initiation_interval_cycles"] for name, network in full.items()}
    rate = full[OTHER]["alone"]["throughput_per_s"]
    found = []
    for load in loads:
        if not load:
            found.append(1.0)
            continue
        # Requests until the first is done, were it three times as slow.
        requests = ceil(3 * load * IMAGES * interval[FIRST] / interval[OTHER])
        arrivals = [f"closed:{IMAGES}", f"fixed:{load * rate:.0f}"]
        found.append(shared(case, arrivals, [IMAGES, requests])[FIRST]["slowdown"]["cycles"])
    return found


def causes(network: Mapping[str, Any]) -> dict[str, float]:
    """Return what a network is later by, by kind of cause, as a share of its time alone."""
    shares = dict.fromkeys(CAUSES, 0.0)
    for state, cycles in network["causes"]["source"].items():
        shares[category(state) if state not in CAUSES else state] += cycles / network["alone"]["cycles"]
    return shares


def load_table(found: Mapping[str, Sequence[float]]) -> str:
    """Return a table of slowdowns."""
    lines = [f"{'slowdown of ' + FIRST:<32}" + "".join(f"{load:>8.0%}" for load in LOADS)]
    lines += [f"{name:<32}" + "".join(f"{slower:>8.3f}" for slower in row) for name, row in found.items()]
    return "\n".join(lines)


def cause_table(full: Mapping[str, Any]) -> str:
    """Return a table of causes."""
    lines = [f"{'later by [% of the time alone]':<48}{'host':>9}{'buffer':>9}{'behind':>9}  link"]
    for name, networks in full.items():
        for network, figures in networks.items():
            shares = "".join(f"{100 * share:>+9.2f}" for share in causes(figures).values())
            links = ", ".join(link["unit"] for link in figures["causes"]["links"][:1])
            lines.append(f"{name + ', ' + network:<48}{shares}  {links}")
    return "\n".join(lines)


def draw(found: Mapping[str, Sequence[float]], full: Mapping[str, Any]) -> Figure:
    """Draw slowdowns over the load of the other, and causes where both are fed all they take."""
    width, height = 10.0, 4.3
    with style():
        figure = new_figure(width, height)
        over_load = figure.add_axes((0.065, 0.13, 0.36, 0.63))
        by_cause = figure.add_axes((0.655, 0.13, 0.325, 0.63))
        for (name, row), marker in zip(found.items(), "os^D", strict=True):
            loads = [100 * load for load in LOADS]
            over_load.plot(
                loads, row, f"{marker}-", color=COLOURS[name], linewidth=1.6, markersize=4, label=name
            )
        over_load.set_xlabel(f"requests of {OTHER} [% of what it takes alone]")
        over_load.set_ylabel("time of 8 images, relative to alone")
        over_load.set_title(f"How much slower is {FIRST}?", loc="left", size=8.5)
        over_load.legend(frameon=False, loc="upper left", fontsize=7)
        _draw_causes(by_cause, full)
        over_load.grid(axis="y", color="#E4E7EB", linewidth=0.5)
        by_cause.grid(axis="x", color="#E4E7EB", linewidth=0.5)
        for axes in (over_load, by_cause):
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        title = "Two networks on one machine: what each loses to the other, and why"
        figure.text(MARGIN / width, 1 - 0.3 / height, title, size=12, weight="bold")
        told = f"{FIRST} and {OTHER}, on cores or in tiles of their own  ·  simulated"
        figure.text(MARGIN / width, 1 - 0.52 / height, told, color=FAINT)
    return figure


def _draw_causes(axes: Axes, full: Mapping[str, Any]) -> None:
    """Draw stacked causes of each network on each machine; what has become shorter counts against them."""
    rows = [(case, name, network) for case, pair in full.items() for name, network in pair.items()]
    places = [0.35 * (number // 2) + number for number in range(len(rows))]
    ahead, behind = [0.0] * len(rows), [0.0] * len(rows)
    for cause, (label, colour) in CAUSES.items():
        shares = [100 * causes(network)[cause] for _, _, network in rows]
        starts = [a if share > 0 else b for a, b, share in zip(ahead, behind, shares, strict=True)]
        axes.barh(places, shares, 0.8, starts, color=colour, label=label)
        ahead = [a + max(share, 0) for a, share in zip(ahead, shares, strict=True)]
        behind = [b + min(share, 0) for b, share in zip(behind, shares, strict=True)]
    for place, end, (_, _, network) in zip(places, ahead, rows, strict=True):
        late = network["slowdown"]["cycles"] - 1
        axes.text(end + 2, place, f"{late:+.1%}", size=6.5, va="center", color=FAINT)
    axes.set_yticks(places, [f"{case}: {name}" for case, name, _ in rows])
    axes.tick_params(axis="y", labelsize=7)
    axes.invert_yaxis()
    axes.axvline(0, color=FAINT, linewidth=0.8)
    axes.set_xlim(min(behind) - 4, 1.2 * max(ahead))
    axes.set_xlabel("time of 8 images beyond that alone [%]")
    axes.set_title("Why, if both are fed all they take", loc="left", size=8.5)
    axes.legend(frameon=False, loc="upper right", bbox_to_anchor=(1.0, 0.77), fontsize=6.5)


def main() -> None:
    """Ask both questions, print the tables, and draw the picture if a file is named."""
    full = {name: shared(case) for name, case in CASES.items()}
    print(cause_table(full), end="\n\n", flush=True)
    found = {name: slowdowns(case, full[name]) for name, case in CASES.items()}
    print(load_table(found))
    if len(sys.argv) > 1:
        save_figure(draw(found, full), sys.argv[1])


if __name__ == "__main__":
    main()
