"""Write-verify: cycles, pulses and failures of crossbars, against closed forms and chances."""

from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import ReprogrammedConfig
from arch.cell_writing import (
    WriteConfig,
    chance_of_failure,
    drawn_pulses,
    expected_pulses,
    expected_slowest,
)
from arch.machines.reprogrammed.closed_forms import write_cycles
from arch.machines.reprogrammed.writing import WriteLedger, expected_write_cycles
from arch.mapping.tiling import Block, tile
from simcore.noise import stream_key
from workloads import Input, Linear, MatrixNode, Network, lower

CELLS = 60_000


def config(rows: int = 128, cols: int = 128, **write: Any) -> ReprogrammedConfig:
    return ReprogrammedConfig.parse({"array": {"rows": rows, "cols": cols}, "write": write})


def blocks(rows: int, cols: int, tiles: int) -> tuple[Block, ...]:
    """Return so many tiles of a layer."""
    layers = [Input(name="image", shape=(rows, 1, 1)), Linear(name="fc", out_features=cols * tiles)]
    (node,) = lower(Network("net", layers)).nodes
    assert isinstance(node, MatrixNode)
    return tile(node, rows, cols).blocks


def geometric(mean: float, most: int) -> WriteConfig:
    return WriteConfig(pulses=mean, most_pulses=most, spread="geometric")


# -- the mean ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parallel", "cycles"),
    [("cell", 128 * 128 * 510), ("row", 128 * 510), ("crossbar", 510)],
)
def test_a_crossbar_takes_the_published_time(parallel: str, cycles: int) -> None:
    """8.5 pulses of 50 cycles with a read of 10 behind each are 510 cycles for a cell."""
    assert write_cycles(config(parallel=parallel)) == cycles


@settings(deadline=None)
@given(
    st.integers(1, 300), st.integers(1, 300), st.integers(10, 99), st.integers(1, 900), st.integers(0, 99),
    st.sampled_from(("cell", "row", "crossbar")),
)  # fmt: skip
def test_fractions_of_pulses_are_rounded_once_for_all_cells(
    rows: int, cols: int, tenths: int, pulse: int, verify: int, parallel: str
) -> None:
    machine = config(
        rows, cols, pulses=tenths / 10, pulse_cycles=pulse, verify_cycles=verify, parallel=parallel
    )
    one_by_one = {"cell": rows * cols, "row": rows, "crossbar": 1}[parallel]
    assert write_cycles(machine) == ceil(one_by_one * Fraction(tenths, 10) * (pulse + verify))
    assert expected_write_cycles(machine) == write_cycles(machine)
    ledger = WriteLedger(machine, seed=0)
    for time in range(3):
        assert ledger.write("fc", blocks(rows, cols, 1), time) == write_cycles(machine)
    written = ledger.total
    assert written.cells == 3 * rows * cols
    assert written.pulses == 3 * rows * cols * Fraction(tenths, 10)
    assert written.failed == 0


# -- pulses that are drawn -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("mean", "most"), [(1.0, 5), (1.5, 3), (8.5, 64), (8.5, 8), (40.0, 100)])
def test_pulses_are_geometric_and_end_at_the_most(mean: float, most: int) -> None:
    """Within five standard deviations of each chance, and of the mean."""
    write = geometric(mean, most)
    pulses, failed = drawn_pulses(write, stream_key(3, "test"), CELLS)
    fails = 1 - 1 / mean
    for n in range(1, most + 1):
        chance = fails ** (n - 1)  # that more than n - 1 are needed
        assert abs((pulses >= n).mean() - chance) <= 5 * (chance * (1 - chance) / CELLS) ** 0.5
    assert abs(failed.mean() - fails**most) <= 5 * (fails**most / CELLS) ** 0.5
    assert (pulses[failed] == most).all()
    assert chance_of_failure(write) == pytest.approx(fails**most)
    assert abs(pulses.mean() - expected_pulses(write)) <= 5 * pulses.std() / CELLS**0.5


@settings(deadline=None)
@given(st.floats(1.0, 20.0), st.integers(1, 12), st.integers(1, 4))
def test_the_slowest_cell_is_expected_as_all_outcomes_say(mean: float, most: int, cells: int) -> None:
    """The expectation of the largest, from the chance of each number of pulses."""
    write = geometric(mean, most)
    fails = float(1 - 1 / write.mean_pulses)
    chances = [fails ** (n - 1) * (1 - fails) for n in range(1, most)] + [fails ** (most - 1)]
    below = np.cumsum(chances) ** cells
    largest = sum(n * chance for n, chance in enumerate(np.diff(below, prepend=0.0), start=1))
    assert expected_slowest(write, cells) == pytest.approx(largest)
    assert expected_pulses(write) == pytest.approx(sum(n * c for n, c in enumerate(chances, start=1)))
    assert expected_pulses(write) == pytest.approx(expected_slowest(write, 1))


@pytest.mark.parametrize("parallel", ["cell", "row", "crossbar"])
def test_crossbars_take_the_time_that_is_expected_of_their_slowest_cells(parallel: str) -> None:
    machine = config(16, 24, spread="geometric", parallel=parallel, pulse_cycles=3, verify_cycles=1)
    ledger, (block,) = WriteLedger(machine, seed=1), blocks(16, 24, 1)
    times = [ledger.write("fc", (block,), time) for time in range(1500)]
    expected = expected_write_cycles(machine)
    assert abs(np.mean(times) - expected) <= 5 * np.std(times) / len(times) ** 0.5 + 1
    assert float(ledger.total.pulses) == pytest.approx(
        1500 * 16 * 24 * expected_pulses(machine.write), rel=0.01
    )


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.integers(2, 4), st.integers(0, 99), st.integers(0, 9))
def test_what_is_written_together_waits_for_the_slowest(
    rows: int, cols: int, tiles: int, seed: int, time: int
) -> None:
    """Rows for the slowest cell of each, a set for its slowest crossbar; totals are those of crossbars."""
    found: dict[str, list[int]] = {}
    for parallel in ("cell", "row", "crossbar"):
        machine = config(rows, cols, spread="geometric", parallel=parallel)
        alone = [WriteLedger(machine, seed) for _ in range(tiles)]
        held = blocks(rows, cols, tiles)
        found[parallel] = [
            ledger.write("fc", (block,), time) for ledger, block in zip(alone, held, strict=True)
        ]
        together = WriteLedger(machine, seed)
        assert together.write("fc", held, time) == max(found[parallel])
        assert together.total.pulses == sum(ledger.total.pulses for ledger in alone)
        assert together.total.failed == sum(ledger.total.failed for ledger in alone)
    for cell, row, crossbar in zip(*found.values(), strict=True):
        assert crossbar <= row <= min(cell, rows * crossbar)


def test_each_tile_and_each_time_has_pulses_of_its_own_and_the_seed_decides() -> None:
    machine, held = config(8, 8, spread="geometric"), blocks(8, 8, 2)

    def cycles(seed: int) -> list[int]:
        ledger = WriteLedger(machine, seed)
        return [ledger.write("fc", (block,), time) for block in held for time in range(3)]

    assert cycles(1) == cycles(1)
    assert len(set(cycles(1) + cycles(2))) == 12
