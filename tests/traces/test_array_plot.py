from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from simcore.errors import SimError
from traces import ArrayUse, LayerArrays, plot_arrays
from traces.array_plot import HELD, UNUSED, ZERO


def one_array(*held: tuple[int, int, int, int], rows: int = 8, cols: int = 8) -> LayerArrays:
    return LayerArrays("conv", "8 x 8", (ArrayUse(0, 0, rows, cols, held),))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text)]


def shares(figure: Figure) -> dict[str, float]:
    """Return how much of the drawn arrays has each colour."""
    figure.canvas.draw()
    picture = np.asarray(figure.canvas.buffer_rgba())[..., :3].reshape(-1, 3)  # type: ignore[attr-defined]
    colours: dict[str, float] = {}
    for colour in (HELD, ZERO, UNUSED):
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        colours[colour] = int((picture == wanted).all(axis=1).sum())
    total = sum(colours.values())
    return {colour: count / total for colour, count in colours.items()}


def test_cells_wear_the_colour_of_what_they_hold() -> None:
    """A diagonal of two blocks in the upper half of an array: a quarter weights, a quarter zeros."""
    figure = plot_arrays([one_array((0, 0, 2, 4), (2, 4, 2, 4), rows=4)], rows=8, cols=8)
    found = shares(figure)
    assert found[HELD] == pytest.approx(0.25, abs=0.03)
    assert found[ZERO] == pytest.approx(0.25, abs=0.03)
    assert found[UNUSED] == pytest.approx(0.5, abs=0.03)


def test_names_figures_and_only_the_colours_that_are_there_are_told() -> None:
    full = plot_arrays([one_array((0, 0, 8, 8))], rows=8, cols=8, title="net on machine", below="1 array")
    assert {"conv", "8 x 8", "net on machine", "1 array", "weights", "not in use"} <= set(texts(full))
    assert "zeros between them" not in texts(full)
    assert "zeros between them" in texts(plot_arrays([one_array((0, 0, 4, 8))], rows=8, cols=8))


@settings(deadline=None, max_examples=20, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(st.lists(st.tuples(st.integers(1, 100), st.integers(1, 6)), min_size=1, max_size=9))
def test_arrays_of_any_layers_are_on_the_page_and_apart(sizes: list[tuple[int, int]]) -> None:
    """Every array has its square, none touches another, and none leaves the page."""
    use = (8, 8, ((0, 0, 8, 8),))
    layers = [
        LayerArrays("conv", "", tuple(ArrayUse(r, c, *use) for r in range(down) for c in range(across)))
        for down, across in sizes
    ]
    axes = plot_arrays(layers, rows=8, cols=8).axes[0]
    squares: list[Any] = []
    collections: list[Any] = list(axes.collections)
    for drawn in collections:
        colours = drawn.get_facecolor()
        if len(colours) and to_hex(colours[0]).upper() == UNUSED:
            squares += [path.vertices[:4] for path in drawn.get_paths()]
    assert len(squares) == sum(down * across for down, across in sizes)
    lows, highs = np.min(squares, axis=1), np.max(squares, axis=1)
    assert (lows >= 0).all()
    assert (highs <= [axes.get_xlim()[1], axes.get_ylim()[0] + 1e-9]).all()
    for i, (low, high) in enumerate(zip(lows[:300], highs[:300], strict=True)):
        apart = (lows[i + 1 :] >= high).any(axis=1) | (highs[i + 1 :] <= low).any(axis=1)
        assert apart.all()


def test_no_arrays_are_no_picture() -> None:
    with pytest.raises(SimError, match="nothing to draw: no layer has arrays"):
        plot_arrays([], rows=8, cols=8)
