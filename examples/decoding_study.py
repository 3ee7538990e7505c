"""A decoder that is given all tokens, and one that writes them itself: what each token takes, and reads.

    python -m examples.decoding_study picture.png

prints a table and draws the picture of docs/transformers.md, in a minute. Tokens that are given stream
through the pipeline, one close behind the other. One that is decoded enters once the output that chooses it
is out, so it takes the whole way through; and as it reads the keys and values of all tokens before it, each
takes a little longer than the last.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import imcsim
from traces.figure_style import BUSY_COLOURS, CATEGORY_COLOURS, FAINT, INK, new_figure, save_figure, style
from workloads import MixNode, ScoresNode, lower, networks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NETWORK, TOKENS = "gpt-tiny", 64
MACHINES = {"dataflow": BUSY_COLOURS[0], "isaac": CATEGORY_COLOURS["wait-resource"]}
PROMPTS = (TOKENS, TOKENS // 2, 1)


@dataclass(frozen=True)
class Decoded:
    """One sequence on one machine.

    out : when the output of each token was there, from the first one's way in on, (tokens,) [s]
    read : for each token of keys and values, (tokens,) [byte]
    bits : of a key or value
    """

    summary: Mapping[str, Any]
    bits: int
    out: NDArray[np.float64]
    read: NDArray[np.int64]

    @property
    def intervals(self) -> NDArray[np.float64]:
        """Time between the outputs of tokens n - 1 and n, (tokens - 1,) [s]."""
        return np.diff(self.out)


def decoded(machine: str, prompt: int) -> Decoded:
    """Return how a sequence fares of which so many tokens are given."""
    run = imcsim.run(NETWORK, machine, values="off", prompt=prompt, record=False)
    cache = run.summary["cache"]
    products = [n for n in lower(networks[NETWORK]()).nodes if isinstance(n, ScoresNode | MixNode)]
    size = cache["bytes_written"] // sum(prod(node.in_shapes[1]) for node in products)  # of one number
    read = size * np.sum([node.visible * node.in_shapes[1][0] for node in products], axis=0)
    assert read.sum() == cache["bytes_read"]  # what the run counted is what the formula says
    return Decoded(run.summary, 8 * size, np.array(run.summary["decoding"]["out_s"]), read)


def study() -> dict[str, dict[int, Decoded]]:
    """Return what came of each prompt, by machine."""
    return {machine: {prompt: decoded(machine, prompt) for prompt in PROMPTS} for machine in MACHINES}


def table(found: Mapping[str, Mapping[int, Decoded]]) -> str:
    """Return a line for each prompt on each machine."""
    lines = [f"{'':10}{'prompt':>8}{'first token':>14}{'every':>12}{'all tokens':>13}{'cache read':>14}"]
    for machine, runs in found.items():
        for prompt, run in runs.items():
            d = run.summary["decoding"]
            first, every = d["time_to_first_token_s"]["mean"], d["token_interval_s"]
            lines.append(
                f"{machine:10}{prompt:8}{1e6 * first:11.2f} us"
                + (f"{'-':>12}" if every is None else f"{1e6 * every['mean']:9.2f} us")
                + f"{1e6 * run.out[-1]:10.1f} us{run.summary['cache']['bytes_read']:12,} B"
            )
    return "\n".join(lines)


def draw(found: Mapping[str, Mapping[int, Decoded]]) -> Figure:
    """Draw the time of each token, how it grows with what is read, and what is read."""
    with style():
        figure = new_figure(9.6, 3.5)
        times, growth, reads = figure.subplots(1, 3)
        figure.subplots_adjust(left=0.062, right=0.985, top=0.8, bottom=0.215, wspace=0.27)
        for machine, runs in found.items():
            _draw_times(times, runs, MACHINES[machine])
            alone = runs[1].intervals
            growth.plot(np.arange(1, TOKENS), 1e9 * (alone - alone[0]), color=MACHINES[machine], lw=1.4)
            reads.plot(np.arange(TOKENS), runs[TOKENS].read / 1024, color=MACHINES[machine], lw=1.4)
        half = TOKENS // 2
        times.axvline(half - 0.5, color=FAINT, lw=0.6, ls=":")
        times.set_yscale("log")
        times.set_ylim(0.1, 60)
        times.set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
        for x, side, text in ((half - 1.5, "right", "prompt"), (half + 0.5, "left", "decoded")):
            times.text(x, 50, text, ha=side, va="top", size=7, color=FAINT)
        _words(times, "Time from output to output", "µs")
        _words(growth, "What the past adds to a decoded token", "ns more than token 1 takes")
        _words(reads, "Keys and values read, given or decoded", "KiB a token")
        handles = [growth.plot([], [], color=colour, lw=1.4)[0] for colour in MACHINES.values()]
        handles += [growth.plot([], [], color=INK, lw=1.4, ls=ls)[0] for ls in ("--", "-")]
        bits = [f"{machine}, {runs[1].bits} bit" for machine, runs in found.items()]
        names = [*bits, "all tokens are given", f"{half} are given, {half} decoded"]
        figure.legend(handles, names, loc="lower left", ncols=4, frameon=False, bbox_to_anchor=(0.05, -0.01))
        figure.text(0.015, 0.93, f"{NETWORK}: {TOKENS} tokens", size=12, weight="bold")
        growth.set_ylim(bottom=0)
        reads.set_ylim(bottom=0)
    return figure


def _draw_times(axes: Axes, runs: Mapping[int, Decoded], colour: str) -> None:
    places = np.arange(1, TOKENS)
    for prompt, dashes in ((TOKENS, "--"), (TOKENS // 2, "-")):
        axes.plot(places, 1e6 * runs[prompt].intervals, color=colour, lw=1.4, ls=dashes)


def _words(axes: Axes, title: str, unit: str) -> None:
    axes.set_title(title, loc="left", size=9)
    axes.set_ylabel(unit)
    axes.set_xlabel("place of the token")
    axes.set_xlim(0, TOKENS - 1)
    axes.set_xticks(range(0, TOKENS, 16))
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def main(path: str | None = None) -> None:
    """Print the table; draw the picture if told where."""
    found = study()
    print(table(found))
    if path is not None:
        save_figure(draw(found), path)


if __name__ == "__main__":
    main(*sys.argv[1:2])
