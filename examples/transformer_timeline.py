"""A causal block on `dataflow`, token by token: products of attention take longer the more a token sees.

    python -m examples.transformer_timeline picture.png

draws the picture of docs/transformers.md: two sequences of 16 tokens, few multipliers, so that they are seen.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import imcsim
from traces.figure_style import save_figure
from workloads.zoo.transformers import decoder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CORES = ("query", "key", "value", "scores", "mix", "out")


def block(multipliers: int = 16) -> imcsim.Run:
    """Return a run of a decoder of one block."""
    network = decoder("decoder", tokens=16, blocks=1, features=64, heads=2, vocabulary=64)
    settings = [("attention.unit.macs", multipliers)]
    return imcsim.run(network, "dataflow", images=2, values="off", settings=settings)


def draw(run: imcsim.Run) -> Figure:
    """Draw what all parts of attention do, from the input on."""
    return run.plot_timeline(units=["source", *(f"core[block1-{core}]" for core in CORES)])


if __name__ == "__main__":
    save_figure(draw(block()), sys.argv[1])
