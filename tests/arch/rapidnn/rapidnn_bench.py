"""Small networks on RAPIDNN: what to build, and one call that runs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st
from numpy.typing import NDArray

from arch import MachineRun, RunOptions, Values
from arch.machines.rapidnn import Rapidnn, RapidnnConfig, RapidnnMap
from arch.machines.rapidnn.table import CELLS
from simcore.errors import WorkloadError
from tests.strategies import NetworkCase
from workloads import (
    Conv2d,
    Dataset,
    Input,
    Layer,
    Linear,
    LoweredNetwork,
    Network,
    Window,
    datasets,
    lower,
)
from workloads import networks as zoo
from workloads.composition import ComposedNetwork, ComposedReference, ComposeOptions, compose
from workloads.composition.codebooks import SIZES
from workloads.composition.composed_network import WIDTHS


@dataclass(frozen=True, eq=False)
class Bench:
    """A machine with a network placed on it, ready to run."""

    machine: Rapidnn
    placed: RapidnnMap

    def run(self, images: int = 1, values: Values | None = None, **options: Any) -> MachineRun:
        return self.machine.simulate(self.placed, images, values, RunOptions(**options))


def bench(network: Network | LoweredNetwork, settings: Mapping[str, Any] | None = None) -> Bench:
    """Place a network on a machine whose configuration differs from the defaults in `settings`."""
    machine = Rapidnn(RapidnnConfig.parse(settings or {}))
    return Bench(machine, machine.map(lower(network) if isinstance(network, Network) else network))


def mlp(*widths: int) -> Network:
    """Return fully connected layers."""
    first, *others = widths
    layers: list[Layer] = [Input(name="image", shape=(first, 1, 1))]
    layers += [Linear(name=f"fc{i}", out_features=width) for i, width in enumerate(others)]
    return Network("mlp", layers)


def convolution(channels: int, out: int, size: tuple[int, int], kernel: int = 1) -> Network:
    """Return one convolution."""
    return Network(
        "convolution",
        [
            Input(name="image", shape=(channels, *size)),
            Conv2d(name="conv", out_channels=out, window=Window.square(kernel)),
        ],
    )


def composed(case: NetworkCase, weights: int, inputs: int, bits: int) -> ComposedNetwork:
    """Return a drawn network composed with its own images; it is no example if it cannot be."""
    images = np.concatenate([case.images * np.float32(1 + step / 8) for step in range(5)])
    try:
        options = ComposeOptions(weights, inputs, bits)
        return compose(case.network, Dataset("drawn", images, None, "drawn"), options).at()
    except WorkloadError:
        assume(False)
        raise


def values_of(case: NetworkCase, network: ComposedNetwork, *, device: bool = False) -> Values:
    """Return what a run of the drawn images computes on."""
    codes = ComposedReference(network).encode_inputs(case.images)
    return Values(network, codes.astype(np.int32), device=device, seed=1)


@st.composite
def rapidnn_settings(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a machine: small tiles and chips, so that layers share buses or RNAs; any speeds."""
    weights, inputs, bits = draw(
        st.tuples(st.sampled_from(SIZES), st.sampled_from(SIZES), st.sampled_from(WIDTHS)).filter(
            lambda drawn: prod(drawn) <= CELLS
        )
    )
    return {
        "detail": draw(st.sampled_from(("array", "group"))),
        "replication": draw(st.sampled_from(("positions", "none"))),
        "chips": draw(st.sampled_from(("auto", 1, 2))),
        "tiles": draw(st.integers(1, 6)),
        "rnas": draw(st.integers(20, 40)),
        "clusters": {"weights": weights, "inputs": inputs},
        "bits": bits,
        "rna": {
            "lanes": draw(st.sampled_from((None, 1, 3))),
            "digits": draw(st.sampled_from(("signed", "binary"))),
            "triples": draw(st.sampled_from((None, 1, 5))),
            "copying": draw(st.sampled_from(("overlapped", "exposed"))),
            "encoding": {"rows": SIZES[-1]},
        },
        "broadcast": {"codes_per_cycle": draw(st.integers(1, 4)), "depth": draw(st.integers(1, 50))},
    }


def trained(name: str, images: int) -> tuple[NetworkCase, ComposedNetwork]:
    """Return a trained network with some images, and composed."""
    network = zoo[name]()
    data = datasets["digits-train"]()
    some: Dataset = data.first(500)
    return NetworkCase(network, some.inputs[:images]), compose(network, some, ComposeOptions()).at()


def outputs(run: MachineRun) -> NDArray[np.int32]:
    """Return what came out of a run with values."""
    assert run.outputs is not None
    return run.outputs
