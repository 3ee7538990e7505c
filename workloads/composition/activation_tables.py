"""Activation tables: a function as pairs of a sum and its value, of which the nearest sum answers.

Rows lie dense where the function is steep and sparse where it saturates: their density goes with the slope to
the power of two thirds, which gives the least mean square error that a step function of so many rows can
(Panter and Dite, 1951). That RAPIDNN's rows are so spaced, and that 64 do, is recalled.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workloads.activation_functions import apply_clip
from workloads.float_reference import apply_function
from workloads.nodes import TableNode

Float = NDArray[np.float64]

ROWS = 64

#: Where the slope is looked at.
POINTS = 2**12

#: Density of rows in saturation, in that of the steepest place: what lies there needs some row, too.
LEAST_DENSITY = 0.01


def activation_rows(node: TableNode, low: float, high: float, rows: int = ROWS) -> tuple[Float, Float]:
    """Return ascending sums (rows,) from `low` to `high`, and the function's values there.

    >>> node = TableNode(name="f", inputs=("x",), in_shapes=((1, 1, 1),), shape=(1, 1, 1), function="tanh")
    >>> sums, values = activation_rows(node, -4.0, 4.0, rows=8)
    >>> bool(np.diff(sums).min() == np.diff(sums)[3])  # the steepest place is in the middle
    True
    """
    x = np.linspace(low, high, POINTS)
    slope = np.abs(np.gradient(_values(node, x)))
    density = (slope / max(float(slope.max()), np.finfo(float).tiny)) ** (2 / 3)
    share = np.concatenate([[0.0], np.cumsum(np.maximum(density, LEAST_DENSITY))])
    places = (np.arange(rows) + 0.5) / rows * share[-1]
    edges = np.linspace(low, high, POINTS + 1)
    sums = np.interp(places, share, edges)
    return sums, _values(node, sums)


def _values(node: TableNode, x: Float) -> Float:
    return apply_clip(apply_function(node, x), node.clip)
