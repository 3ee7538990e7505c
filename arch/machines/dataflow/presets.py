"""Machines that are the pipelined dataflow machine with other numbers.

`dataflow-64core` is the 64-core chip of Le Gallo et al. (Nature Electronics 2023) in its fast read mode, and
`dataflow-64core-4phase` in the accurate one, which reads in four phases. Its 63.1 and 16.1 TOPS are those of
64 cores of 256 x 256 cells with a product every 132.9 and 521 ns. Energy and die are published as a whole:
they are split as a core's are, and memories, links and routers, which are part of them, cost nothing besides.

`dataflow-512` has as many cores as the system of Bruschi et al. (arXiv 2211.12877) has clusters, copies of
layers for the shortest interval that fits, and an input that is as fast.
"""

from __future__ import annotations

from typing import Any

from arch.cost import (
    ADC_SHARE,
    ARRAY_SHARE,
    DIGITAL_SHARE,
    HERMES_COLS,
    HERMES_ROWS,
    PCM64_CORE,
    PCM64_MVM,
    PCM64_MVM_4_PHASES,
    Cost,
)
from arch.machine import register_machine
from arch.machines.dataflow.machine import Dataflow

#: One cycle is one step: a layer is one unbounded array, a product takes a step, nothing else takes time.
_UNIT: dict[str, Any] = {
    "core": {
        "memory": {"kind": "direct-memory", "column_cycles": 0},
        "crossbar": {"rows": 2**24, "cols": 2**24, "mvm_cycles": 1},
        "digital": {"pass_cycles": 0},
        "partial_sum_cycles": 0,
    },
    "attention": {"unit": {"macs": 2**24}},
    "buffers": {"rule": "unbounded"},
    "fabric": {"latency_cycles": 0},
    "source": {"pixel_cycles": 1},
}


def _pcm64(mvm_cycles: int, product: Cost) -> dict[str, Any]:
    """Return what the 64-core chip differs in.

    mvm_cycles : of one product
    product : energy of one product with all that the chip spends besides [nJ]
    """
    cells = HERMES_ROWS * HERMES_COLS
    return {
        "balance": {"cores": 64},
        "core": {
            "memory": {"byte_energy_pj": 0.0, "area_mm2_per_kib": 0.0},
            "crossbar": {
                "mvm_cycles": mvm_cycles,
                "cell_energy_fj": product.value * ARRAY_SHARE / cells * 1e6,
                "area_mm2": PCM64_CORE.value * ARRAY_SHARE,
            },
            "adc": {
                "energy_pj": product.value * ADC_SHARE / HERMES_COLS * 1e3,
                "area_mm2": PCM64_CORE.value * ADC_SHARE / HERMES_COLS,
            },
            "digital": {
                "channel_energy_pj": product.value * DIGITAL_SHARE / HERMES_COLS * 1e3,
                "area_mm2": PCM64_CORE.value * DIGITAL_SHARE,
            },
            "links": {"bit_energy_pj_per_mm": 0.0},
            "partial_sum_cycles": mvm_cycles,
        },
        "fabric": {"router_bit_energy_pj": 0.0, "router_area_mm2": 0.0},
        "source": {"pixel_cycles": mvm_cycles},
    }


for name, doc, values in (
    ("dataflow-unit", "the same pipeline in ideal steps, for golden values: one cycle is one step", _UNIT),
    (
        "dataflow-64core",
        "the 64-core chip of phase-change memory, reading in one phase (Le Gallo et al. 2023)",
        _pcm64(133, PCM64_MVM),
    ),
    (
        "dataflow-64core-4phase",
        "the same chip, reading in four phases",
        _pcm64(521, PCM64_MVM_4_PHASES),
    ),
    (
        "dataflow-512",
        "512 cores with copies of layers for the shortest interval that fits (Bruschi et al. 2022)",
        {"balance": {"strategy": "budget", "cores": 512}, "input_pixels_per_cycle": 2},
    ),
):
    register_machine(name, doc, values)(Dataflow)
