"""IR drop: the wires of an array have resistance, so cells far from drivers and converters see less voltage.

Wordlines are driven at the side of column 0, bitlines are held at 0 V by converters below the last row; a
stretch of wire lies in front of every cell and behind the last one of a bitline. With wires of resistance r a
stretch and cells of conductance g the first-order solution of Kirchhoff's equations takes from the current of
cell (i, j) the share

    load(i, j) = r_w * sum over k of (min(j, k) + 1) * g(i, k)      along its wordline
               + r_b * sum over m of (rows - max(i, m)) * g(m, j)   along its bitline

The model is 1 / (1 + load), which is of the same order as 1 - load and stays positive. As the network is
linear it folds into the conductances once, at no cost a product.

Range of validity, against the solved network in arrays of 16 to 128 rows and columns with wires of 1e-5 to
1e-3 of a cell's resistance (docs/devices.md): for random levels and inputs the error is below 0.2 % of the
sums where the wires take less than 15 % of them, and 1 % where they take 36 %; the worst sum is off by four
times as much. 1 - load is off by 3 % and 34 % there. Arrays full of g_max, or full in one half only, and
inputs of a single row stay within three times that. Where idle rows are cut off, `droop` is right to 0.8 % at
a drop of 12 % and to 2 % at 30 %. Beyond, neither the models nor such an array are of use. Capacitance, the
resistance of drivers and cells whose conductance depends on the voltage are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore import Config, ConfigError, param

Reals = NDArray[np.float64]
Integers = NDArray[Any]

#: Unknowns of the largest network that `solve_network` takes: two nodes a cell.
MOST_NODES = 2 * 256 * 256


class IRDropConfig(Config):
    """Wires of one array; 0 switches the effect off.

    Wires of 1 to 3 Ohm a cell (assumed for 22 nm) are 2e-4 to 5e-4 of RRAM's 6 kOhm (DNN+NeuroSim 1.3) and
    2e-5 to 8e-5 of PCM's 40 kOhm (25 uS, Joshi et al., Nature Communications 2020).
    """

    wordline: float = param(
        0.0,
        ge=0,
        le=1,
        unit="",
        doc="resistance from a cell to the next in its row, over that of a cell at g_max",
    )
    bitline: float = param(
        0.0,
        ge=0,
        le=1,
        unit="",
        doc="resistance from a cell to the next in its column, over that of a cell at g_max",
    )
    gated: bool = param(
        False,
        unit="",
        doc="transistors cut idle rows off: what bitlines lose then depends on the input, and the readout "
        "takes it off the sums; otherwise idle wordlines are at 0 V",
    )

    @property
    def effects(self) -> tuple[str, ...]:
        """What tells the wires from ideal ones, in words; nothing where they are ideal."""
        return ("IR drop",) if self.wordline + self.bitline > 0 else ()


def attenuate(conductances: Integers, config: IRDropConfig, full: int) -> Integers:
    """Return the conductances that an array with ideal wires would need for the same sums.

    conductances : (rows, bitlines) integers in any unit, as from `DeviceModel.program`
    full : g_max in that unit
    returns : the same shape, unit and type; bit for bit the same on every machine
    """
    return np.rint(conductances / (1.0 + wire_load(conductances, config, full))).astype(conductances.dtype)


def wire_load(conductances: Integers, config: IRDropConfig, full: int) -> Reals:
    """Return the load of each cell, see the module; without that of the bitlines where rows are gated."""
    cells = conductances.astype(np.int64)
    load = config.wordline / full * _shared_stretches(cells).astype(np.float64)
    if not config.gated:
        load += config.bitline / full * _shared_stretches(cells[::-1].T).T[::-1]
    return load


def droop(rows: int, config: IRDropConfig, full: int, below: int = 0) -> float:
    """Return what a sum v loses along its bitline where idle rows are cut off: v becomes v / (1 + droop * v).

    rows : that are on at once
    full : g_max in the unit of the sums
    below : rows between them and the converters
    returns : [1 / that unit]; 0 if rows are not gated

    Active cells share the load as if they were spread evenly over the rows: rows - max(i, m) is
    (rows + 1)(2 rows + 1) / (6 rows) in the mean. The load is that of the rows that are on, which is the sum
    itself for inputs of one bit only.
    """
    if not config.gated:
        return 0.0
    return config.bitline * (below + (rows + 1) * (2 * rows + 1) / (6 * rows)) / full


def solve_network(conductances: Reals, volts: Reals, wordline: float, bitline: float) -> Reals:
    """Return the currents out of the bitlines by nodal analysis: the reference of the closed forms.

    conductances : (rows, bitlines) [of g_max]; 0 cuts a cell off
    volts : (n, rows), an input vector a row
    wordline, bitline : resistance of a stretch of wire [of 1 / g_max]
    returns : (n, bitlines) [volts times g_max]
    raises : ConfigError if the array has more than 256 x 256 cells or one that is no number

    Each row's wordline is eliminated, and the bitlines solved row by row as a block tridiagonal system: dense
    systems of one row's size, two a row.
    """
    rows, cols = conductances.shape
    if 2 * rows * cols > MOST_NODES:
        raise ConfigError(
            f"the solved network takes {MOST_NODES // 2} cells, got {rows} x {cols}; use attenuate() for "
            "larger arrays"
        )
    if not np.isfinite(conductances).all():
        i, j = np.argwhere(~np.isfinite(conductances))[0]
        raise ConfigError(
            f"conductance at row {i}, bitline {j} must be a finite number, got {conductances[i, j]}; 0 cuts "
            "a cell off"
        )
    unit = np.eye(cols)
    chain = 2 * unit - np.eye(cols, k=1) - np.eye(cols, k=-1)
    chain[-1, -1] = 1  # the far end of a wordline is open
    # Wordline nodes of row i are seen[i] @ (wordline * g * bitline nodes) + seen[i, :, 0] * volts.
    seen = np.linalg.inv(chain + wordline * conductances[:, :, None] * unit)
    inverses, sources = [], []
    inverse, source = np.zeros((cols, cols)), np.zeros((cols, len(volts)))
    for row, g in enumerate(conductances):
        ends = 1 if row == 0 else 2  # the upper end of a bitline is open, the lower one at 0 V
        block = ends * unit + bitline * (np.diag(g) - wordline * g[:, None] * seen[row] * g) - inverse
        source = bitline * np.outer(g * seen[row][:, 0], volts[:, row]) + inverse @ source
        inverse = np.linalg.inv(block)
        inverses.append(inverse)
        sources.append(source)
    currents = np.zeros((cols, len(volts)))
    nodes = np.zeros((cols, len(volts)))
    for row in range(rows - 1, -1, -1):
        g = conductances[row][:, None]
        nodes = inverses[row] @ (sources[row] + nodes)
        driven = seen[row] @ (wordline * g * nodes) + np.outer(seen[row][:, 0], volts[:, row])
        currents += g * (driven - nodes)
    return currents.T


def _shared_stretches(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sum over k of (min(j, k) + 1) * cells[i, k] at every (i, j)."""
    behind = np.cumsum(cells[:, ::-1], axis=1)[:, ::-1]  # current through the stretch in front of each cell
    return np.cumsum(behind, axis=1)
