"""The benchmark of flit-level networks compares simulations that do the same."""

from __future__ import annotations

from benchmarks import benches
from benchmarks.fabric import CYCLES, WARM_UP, kernel, specification
from simcore.kernels.wormhole_state import NOW


def test_both_sides_simulate_the_same_cycles() -> None:
    ours, theirs = kernel()(), specification()()
    assert ours.clock[NOW] == WARM_UP + CYCLES
    for name in ("channel", "port", "fifo", "wheel", "packet", "done", "clock"):
        assert getattr(ours, name).tobytes() == getattr(theirs, name).tobytes()


def test_the_speed_up_of_flit_networks_is_bounded() -> None:
    assert (benches["fabric-flit"].figure, benches["fabric-flit"].bound) == ("speed-up", 500)
