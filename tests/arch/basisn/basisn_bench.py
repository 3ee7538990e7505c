"""Small networks on BasisN: what to build, integers of a random basis, and one call that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from arch import MachineRun, RunOptions, Values
from arch.arrays.encoding import Encoding, Signs
from arch.machines.basisn import BasisN, BasisNConfig, BasisNMap, LoadedBasis
from arch.machines.basisn.passes import LayerPasses, layer_passes
from tests.arch.dataflow_bench import Quantized, quantized
from tests.strategies import NetworkCase
from workloads import LoweredNetwork, MatrixNode, Network, QuantizedMatrix, golden_outputs, lower
from workloads.basis import BasisNetwork, Coefficients, SharedBasis, matrix_of, slices_per_group


@dataclass(frozen=True, eq=False)
class Bench:
    """A machine with a network placed on it, ready to run."""

    machine: BasisN
    placed: BasisNMap

    def run(self, images: int = 1, values: Values | None = None, **options: Any) -> MachineRun:
        return self.machine.simulate(self.placed, images, values, RunOptions(**options))

    def passes(self, seed: int = 0) -> dict[str, LayerPasses]:
        """Return what the passes of each layer take where no values are computed."""
        placed = self.placed
        return {
            name: layer_passes(self.machine.config, placed, name, seed, placed.loaded)
            for name in placed.layers
        }


def bench(
    network: Network | LoweredNetwork,
    settings: Mapping[str, Any] | None = None,
    loaded: LoadedBasis | None = None,
) -> Bench:
    """Place a network on a machine whose configuration differs from the defaults in `settings`."""
    machine = BasisN(BasisNConfig.parse(settings or {}))
    machine.loaded_basis = loaded
    return Bench(machine, machine.map(lower(network) if isinstance(network, Network) else network))


def on_basis(
    case: NetworkCase,
    config: BasisNConfig,
    seed: int,
    vectors: int,
    length: int,
    densities: Sequence[float] = (0.0, 0.1, 0.5, 1.0),
) -> Quantized:
    """Return a network whose weights are random combinations of a random basis, and its golden outputs.

    densities : of coefficients that are not zero, one of which is taken
    """
    rng = np.random.default_rng(seed)
    plain = quantized(case, 8, config.activation_bits)
    network = plain.network
    half, most = 2 ** (config.element_bits - 1), 2 ** (config.coefficient_bits - 1)
    basis = SharedBasis(rng.integers(1 - half, half, (vectors, length)).astype(np.int16), config.element_bits)
    density = rng.choice(densities)
    coefficients: dict[str, Coefficients] = {}
    nodes = dict(network.nodes)
    for node in network.lowered.nodes:
        if not isinstance(node, MatrixNode):
            continue
        shape = (node.groups * slices_per_group(node, length), node.cols_per_group, vectors)
        values = rng.integers(-most, most, shape) * (rng.random(shape) < density)
        coefficients[node.name] = Coefficients(values.astype(np.int8), config.coefficient_bits)
        own = nodes[node.name]
        assert isinstance(own, QuantizedMatrix)
        weights: Any = matrix_of(basis, coefficients[node.name], node)
        scale = np.float32(np.abs(own.weights).max(initial=1) / max(np.abs(weights).max(initial=1), 1))
        nodes[node.name] = replace(own, weights=weights, multiplier=own.multiplier * scale)
    combined = BasisNetwork(
        **{**vars(network), "nodes": nodes, "weight_bits": config.coefficient_bits},
        basis=basis,
        coefficients=coefficients,
    )
    values_of_run = replace(plain.values, network=combined)
    return Quantized(combined, values_of_run, golden_outputs(combined, case.images))


def loaded_of(network: Any) -> LoadedBasis:
    """Return what a file would hold of a network's basis."""
    return LoadedBasis(network.basis, network.coefficients)


@st.composite
def basisn_settings(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a machine: small crossbars, so that kernels have several slices; nothing that lanes share."""
    rows, cols, crossbars = draw(st.integers(2, 12)), draw(st.integers(2, 24)), draw(st.integers(1, 9))
    variant = draw(st.sampled_from(("analog", "digital")))
    basis = draw(st.sampled_from(("replicated", "replicated", "distinct")))
    kinds: tuple[Signs | None, ...] = (None, None, "differential", "offset")
    signs = draw(st.sampled_from(kinds))
    each = Encoding.chosen(4, signs, None, None).columns_per_weight
    vectors = cols * (crossbars if basis == "distinct" else 1)
    adc = {} if variant == "digital" else {"columns_per_adc": draw(st.integers(1, min(9, cols)))}
    array = {
        "rows": rows,
        "cols": cols * each,
        "mvm_cycles": draw(st.integers(1, 3)),
        "encoding": signs,
        "dac_bits": draw(st.integers(1, 2)),
        "active_rows": draw(st.none() | st.integers(1, rows)),
    }
    return {
        "crossbars": crossbars,
        "array": array,
        "adc": adc,
        "variant": variant,
        "basis": basis,
        "activation_bits": draw(st.sampled_from((2, 4, 8))),
        "coefficients": {
            "bits": draw(st.integers(2, 5)),
            "nonzeros": draw(st.integers(1, min(vectors, 10))),
            "drawn": draw(st.sampled_from(("random", "packed"))),
        },
    }


@st.composite
def rates(draw: st.DrawFn) -> dict[str, Any]:
    """Draw how fast sums are taken over and outputs made, which no two lanes share."""
    some = st.none() | st.integers(1, 8)
    return {"digital": {"sums_per_cycle": draw(some), "channels_per_cycle": draw(some)}}


@st.composite
def ports(draw: st.DrawFn) -> dict[str, Any]:
    """Draw ports that lanes share."""
    some = st.none() | st.integers(1, 40)
    return {"buffer": {"port_bits": draw(some)}, "digital": {"port_sums": draw(some)}}
