"""Small networks on PipeLayer: what to build, and one call that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from arch import MachineRun, RunOptions, Values
from arch.machines.pipelayer import PipeLayer, PipeLayerConfig, PipeLayerMap
from workloads import LoweredNetwork, Network, lower

#: Ticks of 30 ps in a time slot of a read, and in a spike that writes: 29.31 and 50.88 ns.
SLOT, WRITE = 977, 1696


@dataclass(frozen=True, eq=False)
class Bench:
    """A machine with a network placed on it, ready to run."""

    machine: PipeLayer
    placed: PipeLayerMap

    def run(self, images: int = 1, values: Values | None = None, **options: Any) -> MachineRun:
        return self.machine.simulate(self.placed, images, values, RunOptions(**options))

    def with_beat(self, ticks: int) -> Bench:
        """Return the same with another beat than that of the slowest layer."""
        return Bench(self.machine, replace(self.placed, beat=ticks))


def bench(network: Network | LoweredNetwork, settings: Mapping[str, Any] | None = None) -> Bench:
    """Place a network on a machine whose configuration differs from the defaults in `settings`."""
    machine = PipeLayer(PipeLayerConfig.parse(settings or {}))
    return Bench(machine, machine.map(lower(network) if isinstance(network, Network) else network))


@st.composite
def pipelayer_settings(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a machine: small arrays and chips, so that layers need several; any speeds and memories."""
    return {
        "detail": draw(st.sampled_from(("array", "group"))),
        "blocks": draw(st.integers(1, 30)),
        "read_ns": draw(st.sampled_from((29.31, 1.0))),
        "write_ns": draw(st.sampled_from((50.88, 0.3, 500.0))),
        "pipeline": draw(st.sampled_from(("layers", "layers", "none"))),
        "parallelism": draw(st.sampled_from((0.0, 0.5, 1.0, 2.0))),
        "array": {"rows": draw(st.integers(8, 40)), "cols": draw(st.integers(2, 9))},
        "memory": {
            "rows": draw(st.integers(1, 8)),
            "cols": draw(st.integers(4, 16)),
            "writes": draw(st.sampled_from(("cells", "bits"))),
            "subarrays": draw(st.sampled_from(("parallel", "capacity"))),
        },
    }
