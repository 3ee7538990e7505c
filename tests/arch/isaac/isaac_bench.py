"""Small networks on ISAAC: what to build, and one call that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st

from arch import MachineRun, RunOptions, Values
from arch.machines.isaac import Isaac, IsaacConfig, IsaacMap
from workloads import Conv2d, Input, Layer, Linear, LoweredNetwork, Network, Window, lower


@dataclass(frozen=True, eq=False)
class Bench:
    """A machine with a network placed on it, ready to run."""

    machine: Isaac
    placed: IsaacMap

    def run(self, images: int = 1, values: Values | None = None, **options: Any) -> MachineRun:
        return self.machine.simulate(self.placed, images, values, RunOptions(**options))


def bench(network: Network | LoweredNetwork, settings: Mapping[str, Any] | None = None) -> Bench:
    """Place a network on a machine whose configuration differs from the defaults in `settings`."""
    machine = Isaac(IsaacConfig.parse(settings or {}))
    return Bench(machine, machine.map(lower(network) if isinstance(network, Network) else network))


def placed_if_any(network: LoweredNetwork, settings: Mapping[str, Any]) -> Bench | None:
    """Place a network that may have no layers at all; None if so."""
    return bench(network, settings) if network.nodes else None


def mlp(*widths: int) -> Network:
    """Return fully connected layers."""
    first, *others = widths
    layers: list[Layer] = [Input(name="image", shape=(first, 1, 1))]
    layers += [Linear(name=f"fc{i}", out_features=width) for i, width in enumerate(others)]
    return Network("mlp", layers)


def convolution(
    channels: int = 1, out: int = 1, size: tuple[int, int] = (8, 8), kernel: int = 1, **window: Any
) -> Network:
    """Return one convolution."""
    return Network(
        "convolution",
        [
            Input(name="image", shape=(channels, *size)),
            Conv2d(name="conv", out_channels=out, window=Window.square(kernel, **window)),
        ],
    )


@st.composite
def isaac_settings(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a machine: small arrays, IMAs, tiles and chips, so that layers need several; any speeds."""
    return {
        "detail": draw(st.sampled_from(("array", "group"))),
        "replication": draw(st.sampled_from(("positions", "none"))),
        "tiles": draw(st.integers(1, 40)),
        "array": {"rows": draw(st.integers(4, 32)), "cols": draw(st.integers(8, 40))},
        "activation_bits": draw(st.sampled_from((3, 16))),
        "ima": {
            "arrays": draw(st.integers(1, 4)),
            "adc_cycles": draw(st.integers(0, 20)),
            "shift_add_cycles": draw(st.integers(0, 20)),
        },
        "tile": {
            "imas": draw(st.integers(1, 3)),
            "edram_kib": draw(st.integers(1, 4)),
            "bus_bits": draw(st.sampled_from((8, 32, 256))),
            "edram_banks": draw(st.integers(1, 2)),
            "edram_cycles": draw(st.integers(1, 40)),
            "sigmoid_units": draw(st.integers(1, 2)),
        },
        "mesh": {
            "fidelity": draw(st.sampled_from(("ideal", "link"))),
            "ways": draw(st.integers(1, 5)),
            "router_cycles": draw(st.integers(0, 50)),
            "link_cycles": draw(st.integers(0, 2)),
            "columns": draw(st.integers(1, 4)),
            "concentration": draw(st.integers(1, 4)),
            "link_bits": draw(st.sampled_from((1, 8, 32))),
        },
        "hypertransport": {
            "links": draw(st.integers(1, 6)),
            "gb_per_s": draw(st.sampled_from((0.064, 6.4))),
        },
    }


def starts(run: MachineRun, path: str, state: str) -> np.ndarray[Any, Any]:
    """Return when a recorded unit began what it did in a state [tick]."""
    activity = run.outcome.activity
    assert activity is not None
    unit = list(activity.units).index(path)
    mask = (activity.unit == unit) & (activity.state == activity.states.index(state))
    return np.sort(activity.start[mask])
