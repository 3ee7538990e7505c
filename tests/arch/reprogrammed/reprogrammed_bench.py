"""Small networks on too few crossbars: what to build, and one call that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from arch import MachineRun, Reprogrammed, ReprogrammedConfig, RunOptions, Values
from arch.machines.reprogrammed import ReprogrammedMap
from workloads import LoweredNetwork, Network, lower


@dataclass(frozen=True, eq=False)
class Bench:
    """A machine with a network placed on it, ready to run."""

    machine: Reprogrammed
    placed: ReprogrammedMap

    def run(self, images: int = 1, values: Values | None = None, **options: Any) -> MachineRun:
        return self.machine.simulate(self.placed, images, values, RunOptions(**options))


def bench(network: Network | LoweredNetwork, settings: Mapping[str, Any] | None = None) -> Bench:
    """Place a network on a machine whose configuration differs from the defaults in `settings`."""
    machine = Reprogrammed(ReprogrammedConfig.parse(settings or {}))
    return Bench(machine, machine.map(lower(network) if isinstance(network, Network) else network))


@st.composite
def reprogrammed_settings(draw: st.DrawFn, spreads: tuple[str, ...] = ("fixed",)) -> dict[str, Any]:
    """Draw a machine: few small crossbars, so that layers lie in several sets; any order, batch and speed."""
    overlap = draw(st.booleans())
    return {
        "detail": draw(st.sampled_from(("array", "group"))),
        "crossbars": draw(st.integers(1 + overlap, 6) | st.just(100)),
        "batch": draw(st.integers(1, 3)),
        "overlap": overlap,
        "tile_order": draw(st.sampled_from(("layer", "greedy", "optimal"))),
        "array": {
            "rows": draw(st.integers(4, 24)),
            "cols": draw(st.integers(1, 9)),
            "mvm_cycles": draw(st.integers(1, 3)),
        },
        "write": {
            "pulses": draw(st.sampled_from((1, 2.5, 8.5))),
            "pulse_cycles": draw(st.integers(1, 9)),
            "verify_cycles": draw(st.integers(0, 3)),
            "parallel": draw(st.sampled_from(("cell", "row", "crossbar"))),
            "spread": draw(st.sampled_from(spreads)),
        },
        "buffer": {"port_bits": draw(st.none() | st.integers(1, 320))},
        "digital": {"channels_per_cycle": draw(st.none() | st.integers(1, 8))},
    }
