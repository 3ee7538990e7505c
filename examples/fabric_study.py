"""Which fabric a pipelined dataflow accelerator needs, and how exactly it must be simulated to tell.

    python -m examples.fabric_study picture.png

prints a table for each question and draws the picture of docs/fabric-study.md. Ten minutes, most of them flit
by flit. Networks are ResNet-32 on CIFAR's images and ResNet-18 and ResNet-50 on ImageNet's; fabrics are
B(5), which stands for 5 Parallel Prism, and its rivals. The claim to look at: every edge of a network finds a
channel of its own in 5 Parallel Prism, so that it needs the least bandwidth a channel (Dazzi et al., arXiv
1906.03474).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import TYPE_CHECKING

import imcsim
from traces.figure_style import BUSY_COLOURS, CATEGORY_COLOURS, FAINT, MARGIN, new_figure, save_figure, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IMAGES = 3
ROUTER_CYCLES = 4  # of the flit-level router's stages, so that all fidelities agree where nothing contends
#: Networks, and the interval [step] for which layers have copies.
INTERVALS = {"resnet32-ibm": 64, "resnet18": 784, "resnet50": 784}
SMALL = "resnet32-ibm"
FABRICS = ("5pp", "mesh", "torus", "ring")
FIDELITIES = ("ideal", "link", "flit")
WIDTHS = (8, 12, 16, 20, 24, 32, 48, 64)
COLOURS = {
    "5pp": CATEGORY_COLOURS["wait-resource"],
    "mesh": BUSY_COLOURS[1],
    "torus": BUSY_COLOURS[2],
    "ring": BUSY_COLOURS[0],
}
DASHES = ("-", "-", "--", ":")  # as equal lines hide one another
STATES = ("busy", "wait-input", "blocked-output", "finished")


@dataclass(frozen=True)
class Outcome:
    """A few images on one machine.

    makespan : [cycle]
    interval : at which images follow; None for one image [cycle]
    busiest : share of the time in which the busiest link is taken; None where there are no links to count
    arrays : share of the time of all arrays in each of `STATES`
    energy : of links and routers [uJ]
    """

    makespan: int
    interval: float | None
    busiest: float | None
    arrays: Mapping[str, float]
    energy: float


@cache
def full_speed(network: str) -> tuple[int, int]:
    """Return what keeps the slowest layer busy all the time: cycles between input pixels, and bits a cycle.

    The latter are what the stream with most bits an image needs of a channel of its own.
    """
    placed = imcsim.map_workload(network, "dataflow", settings=_copies(network))
    assert placed.interval is not None
    cycles = placed.interval.layer_cycles
    bits = max(8 * prod(row.shape) for row in placed.rows)
    return cycles // prod(placed.network.input_shape[1:]), -(-bits // cycles)


def needed_bytes(networks: Iterable[str] = tuple(INTERVALS)) -> dict[str, dict[str, int]]:
    """Return the bytes a step on the busiest channel, by network and fabric."""
    return {
        network: {
            fabric: placed.most_bytes
            for fabric in FABRICS
            if (placed := imcsim.map_workload(network, "dataflow", settings=[_topology(fabric)]).placement)
        }
        for network in networks
    }


def simulated(network: str, fabric: str, fidelity: str, width: int, images: int = 1) -> Outcome:
    """Return how images fare that come as fast as the slowest layer takes them."""
    settings = [
        *_copies(network),
        _topology(fabric),
        "detail=group",
        "buffers.rule=unbounded",  # so that nothing but the fabric holds cores up
        f"fabric.fidelity={fidelity}",
        f"fabric.width_bits={width}",
        f"fabric.router_cycles={ROUTER_CYCLES}",
        f"source.pixel_cycles={full_speed(network)[0]}",
    ]
    run = imcsim.run(network, "dataflow", values="off", images=images, settings=settings, record=False)
    makespan = run.summary["cycles"]
    arrays = dict.fromkeys(STATES, 0.0)
    own = [unit for unit in run.units if unit.family == "crossbar"]
    for unit in own:
        for state, cycles in unit.cycles.items():
            arrays[state.partition(":")[0]] += cycles / makespan / len(own)
    links = [unit.cycles.get("busy:transfer", 0) for unit in run.units if unit.path.startswith("fabric.link")]
    energy = run.summary["energy_j"]["by_component"]
    return Outcome(
        makespan,
        run.summary["initiation_interval_cycles"],
        max(links) / makespan if links else None,
        arrays,
        1e6 * (energy["link"] + energy.get("router", 0.0)),
    )


def _topology(fabric: str) -> str:
    return f"fabric.topology.kind={fabric}"


def _copies(network: str) -> list[str]:
    return ["balance.strategy=interval", f"balance.interval={INTERVALS[network]}"]


def by_width(
    network: str,
    fidelity: str,
    widths: Sequence[int],
    fabrics: Sequence[str] = FABRICS,
    images: int = IMAGES,
) -> dict[str, list[Outcome]]:
    """Return an outcome for each width of links [bit/cycle], by fabric."""
    return {
        fabric: [simulated(network, fabric, fidelity, width, images) for width in widths]
        for fabric in fabrics
    }


def by_fidelity(
    networks: Sequence[str] = tuple(INTERVALS),
    fabrics: Sequence[str] = FABRICS,
    fidelities: Sequence[str] = FIDELITIES,
) -> dict[tuple[str, str, str], Outcome]:
    """Return outcomes with links just wide enough for a stream each, by network, fabric and fidelity."""
    return {
        (network, fabric, fidelity): simulated(network, fabric, fidelity, full_speed(network)[1])
        for network in networks
        for fabric in fabrics
        for fidelity in fidelities
    }


def fidelity_table(outcomes: Mapping[tuple[str, str, str], Outcome]) -> str:
    """Return a table of outcomes, with the error of cheaper fidelities' makespans against the dearest."""
    lines = [
        f"{'network':<14}{'fabric':<8}{'fidelity':<10}{'makespan':>12}{'error':>9}{'busiest link':>14}"
        f"{'arrays busy':>13}{'waiting':>9}{'blocked':>9}{'fabric':>12}"
    ]
    for (network, fabric, fidelity), found in outcomes.items():
        exact = next(
            outcomes[network, fabric, f] for f in reversed(FIDELITIES) if (network, fabric, f) in outcomes
        )
        error = "" if found is exact else f"{found.makespan / exact.makespan - 1:+.1%}"
        busiest = "" if found.busiest is None else f"{found.busiest:.0%}"
        busy, waiting, blocked, _ = (f"{found.arrays[state]:.1%}" for state in STATES)
        lines.append(
            f"{network:<14}{fabric:<8}{fidelity:<10}{found.makespan:>12,}{error:>9}{busiest:>14}"
            f"{busy:>13}{waiting:>9}{blocked:>9}{found.energy:>9.2f} uJ"
        )
    return "\n".join(lines)


def bytes_table(needed: Mapping[str, Mapping[str, int]]) -> str:
    """Return a table of bytes a step on the busiest channel."""
    lines = [f"{'busiest channel [byte/step]':<30}" + "".join(f"{fabric:>8}" for fabric in FABRICS)]
    lines += [
        f"{network:<30}" + "".join(f"{found[fabric]:>8,}" for fabric in FABRICS)
        for network, found in needed.items()
    ]
    return "\n".join(lines)


def width_table(widths: Sequence[int], outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    """Return a table of intervals and makespans by width."""
    lines = []
    for what in ("interval", "makespan"):
        lines.append(f"{what + ' [cycle] at bits/cycle':<30}" + "".join(f"{width:>10}" for width in widths))
        for name, row in outcomes.items():
            lines.append(f"{name:<30}" + "".join(f"{getattr(found, what):>10,.0f}" for found in row))
    return "\n".join(lines)


def draw(
    needed: Mapping[str, Mapping[str, int]],
    widths: Sequence[int],
    climbs: Mapping[str, Sequence[Outcome]],
    exact: Mapping[str, Sequence[Outcome]],
    narrow: Mapping[tuple[str, str, str], Outcome],
) -> Figure:
    """Draw what channels must carry, time against their width, where arrays spend it, and what models miss.

    climbs : outcomes at each width with `link`, by fabric
    exact : those on the mesh at each fidelity
    narrow : outcomes with links just wide enough for a stream each
    """
    width, height = 10.0, 7.0
    with style():
        figure = new_figure(width, height)
        places = [(0.075 + 0.5 * (i % 2), 0.085 + 0.46 * (1 - i // 2), 0.39, 0.31) for i in range(4)]
        channels, speed, time, error = (figure.add_axes(place) for place in places)
        _draw_needs(channels, needed)
        for (fabric, row), dashes in zip(climbs.items(), DASHES, strict=True):
            rates = [1e9 / found.interval for found in row if found.interval is not None]
            speed.plot(widths, rates, dashes, color=COLOURS[fabric], linewidth=1.8, label=fabric)
        speed.legend(frameon=False, loc="lower right", fontsize=7)
        speed.set_title("So its links may be half as wide: ResNet-32", loc="left", size=8.5)
        speed.set_xlabel("width of a link [bit/cycle]")
        speed.set_ylabel("images / s")
        _draw_states(time, narrow)
        flit = [found.makespan for found in exact["flit"]]
        for name, colour in (("ideal", "#9BB7D4"), ("link", "#2A5B93")):
            off = [100 * (cheap.makespan / dear - 1) for cheap, dear in zip(exact[name], flit, strict=True)]
            error.plot(widths, off, "o-", color=colour, linewidth=1.4, markersize=3.5, label=name)
        error.axhline(0, color=FAINT, linewidth=0.8)
        error.legend(frameon=False, loc="lower right", fontsize=7)
        error.set_title("What cheaper models miss: ResNet-32 on a mesh, against flits", loc="left", size=8.5)
        error.set_xlabel("width of a link [bit/cycle]")
        error.set_ylabel("error of the makespan [%]")
        for axes in (speed, error):
            axes.set_xscale("log")
            axes.set_xticks(list(widths), [str(w) for w in widths])
            axes.minorticks_off()
        for axes in (channels, speed, time, error):
            axes.grid(axis="y", color="#E4E7EB", linewidth=0.5)
            axes.set_axisbelow(True)
            axes.spines[["top", "right"]].set_visible(False)
        title = "Fabrics of a pipelined dataflow accelerator: what a channel of its own is worth"
        figure.text(MARGIN / width, 1 - 0.3 / height, title, size=12, weight="bold")
        told = "a node a layer, 130 cycles a step  ·  simulated"
        figure.text(MARGIN / width, 1 - 0.52 / height, told, color=FAINT)
    return figure


def _draw_needs(axes: Axes, needed: Mapping[str, Mapping[str, int]]) -> None:
    for number, fabric in enumerate(FABRICS):
        across = [place + 0.2 * (number - 1.5) for place in range(len(needed))]
        relative = [found[fabric] / found["5pp"] for found in needed.values()]
        bars = axes.bar(across, relative, 0.17, color=COLOURS[fabric], label=fabric)
        labels = [f"{found[fabric]:,}" for found in needed.values()]
        axes.bar_label(bars, labels, size=6, padding=1.5, color=FAINT)
    axes.set_xticks(range(len(needed)), list(needed))
    axes.set_ylabel("busiest channel, relative to B(5)")
    axes.set_title(
        "B(5) needs the least bandwidth a channel (bytes a step on the bars)", loc="left", size=8.5
    )
    axes.set_ylim(0, 2.3)
    axes.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.1), fontsize=7)


def _draw_states(axes: Axes, narrow: Mapping[tuple[str, str, str], Outcome]) -> None:
    """Draw the time of all arrays of ResNet-32 by state, with links just wide enough for a stream each."""
    found = {fabric: narrow[SMALL, fabric, "link"] for fabric in FABRICS}
    longest = max(outcome.makespan for outcome in found.values())
    shades = dict(zip(STATES, (BUSY_COLOURS[1], "#C9D3DF", "#F0A04B", "#EEF1F4"), strict=True))
    base = [0.0] * len(found)
    for state in STATES:
        parts = [outcome.arrays[state] * outcome.makespan / longest for outcome in found.values()]
        axes.bar(range(len(found)), parts, 0.6, base, color=shades[state], label=state)
        base = [low + part for low, part in zip(base, parts, strict=True)]
    axes.set_xticks(range(len(found)), list(found))
    axes.set_ylabel("mean time of an array, of the longest run")
    axes.set_title(
        f"Shared links make arrays wait: ResNet-32, {full_speed(SMALL)[1]} bits a cycle",
        loc="left",
        size=8.5,
    )
    axes.legend(frameon=False, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.1), fontsize=7)


def main() -> None:
    """Ask all questions, print the tables, and draw the picture if a file is named."""
    needed = needed_bytes()
    print(bytes_table(needed), end="\n\n", flush=True)
    climbs = by_width(SMALL, "link", WIDTHS)
    print(width_table(WIDTHS, climbs), end="\n\n", flush=True)
    mesh = {f: by_width(SMALL, f, WIDTHS, ["mesh"])["mesh"] for f in FIDELITIES}
    print(width_table(WIDTHS, mesh), end="\n\n", flush=True)
    narrow = by_fidelity()
    print(fidelity_table(narrow))
    if len(sys.argv) > 1:
        save_figure(draw(needed, WIDTHS, climbs, mesh, narrow), sys.argv[1])


if __name__ == "__main__":
    main()
