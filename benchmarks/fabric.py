"""How fast a network is simulated flit by flit: an 8 x 8 mesh at a load of 0.1, in the midst of its traffic.

The other side is the kernel's specification in Python, on the same cycles.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from benchmarks.compare import Bench, benches, cpu_times

SIDE, VCS, LOAD = 8, 2, 0.1
WARM_UP, CYCLES = 300, 20


@cache
def _traffic() -> tuple[Any, Any, Any]:
    """Return a network's shape, its state with traffic under way, and counts."""
    from arch import Mesh
    from arch.fabric.flit_config import FlitConfig
    from arch.fabric.flit_network import FlitNetwork
    from arch.fabric.interconnect import Interconnect

    nodes = range(SIDE * SIDE)
    network = FlitNetwork(Interconnect(Mesh(), len(nodes), product(nodes, nodes)), FlitConfig(vcs=VCS))
    random = np.random.default_rng(0)
    cycle, sender = np.nonzero(random.random((WARM_UP + CYCLES, len(nodes))) < LOAD)
    network.offer(sender * len(nodes) + random.integers(0, len(nodes), len(sender)), 1, cycle, 0)
    network.advance(WARM_UP)
    return network.shape, network.state, network.counts


def kernel() -> Callable[[], Any]:
    """Return what simulates the cycles by the kernel, and returns the state behind them."""
    from simcore.kernels.wormhole import advance

    shape, state, counts = _traffic()
    state, counts = deepcopy(state), deepcopy(counts)
    return lambda: (advance(shape, state, counts, WARM_UP + CYCLES, False), state)[1]


def specification() -> Callable[[], Any]:
    """Return the same by the specification."""
    from simcore.kernels.wormhole_reference import advance_reference

    shape, state, counts = _traffic()
    state, counts = deepcopy(state), deepcopy(counts)
    return lambda: (advance_reference(shape, state, counts, WARM_UP + CYCLES, False), state)[1]


benches.register("fabric-flit")(
    Bench(
        "fabric-flit",
        f"{SIDE} x {SIDE} mesh at load {LOAD}, flit by flit: the kernel against its specification in Python",
        "speed-up",
        500,
        cpu_times(kernel, specification),
    )
)
