"""What a pass and a step cost, action by action, and the area of all parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arch.digital_unit import last_passes, step_passes
from arch.machines.basisn.closed_forms import sparse_store_bits
from arch.machines.basisn.configuration import BasisNConfig
from arch.machines.basisn.passes import LayerPasses
from arch.machines.basisn.plan import BasisNMap
from arch.mapping.map_rows import pixel_bytes
from arch.mapping.stages import Stage
from workloads import AvgPoolNode, MaxPoolNode

_KIB = 8 * 1024


class Cost(NamedTuple):
    """What one action costs.

    family, action : the part that does it, and what that is called
    pj : energy of one [pJ]
    """

    family: str
    action: str
    pj: float


def pass_costs(config: BasisNConfig, passes: LayerPasses) -> Iterator[tuple[Cost, NDArray[np.int64]]]:
    """Yield what passes of a layer do, and how often in one of each slice: (slices,)."""
    array, digital = config.array, config.digital
    yield Cost("crossbar", "cell read", array.cell_energy_fj / 1e3), passes.cell_reads
    yield Cost("dac", "row drive", array.row_energy_fj / 1e3), passes.row_drives
    yield Cost("adc", "conversion", config.adc.conversion_pj), passes.conversions
    yield Cost("digital", "shift-add", digital.shift_add_energy_pj), passes.shift_adds
    yield Cost("switch", "column joined", config.switch_energy_fj / 1e3), passes.switched
    yield Cost("coefficients", "bit", config.coefficients.bit_energy_pj), passes.coefficient_bits
    yield Cost("buffer", "bit read", config.buffer.byte_energy_pj / 8), passes.input_bits


def pixel_costs(config: BasisNConfig, stage: Stage) -> Iterator[tuple[Cost, int]]:
    """Yield what the unit of outputs does of a stage, and how often for each finished pixel.

    It reads what is no window of a crossbar, and writes the pixel; a global pool's pixel takes all its steps.
    """
    passed = stage.steps_per_pixel * step_passes(stage) * stage.head.shape[0] + sum(last_passes(stage))
    yield Cost("digital", "channel pass", config.digital.channel_energy_pj), passed
    bits = config.activation_bits
    head, operands = stage.head, stage.operands
    read = 0
    for place, operand in enumerate(operands):
        pixels = stage.steps_per_pixel
        if place == 0 and isinstance(head, (MaxPoolNode, AvgPoolNode)) and not stage.accumulates:
            pixels = head.window.positions
        if place or stage.matrix is None:
            read += pixels * pixel_bytes(operand.shape[0], bits)
    moved = read + pixel_bytes(stage.shape[0], bits)
    yield Cost("buffer", "byte", config.buffer.byte_energy_pj), moved


def programming_j(config: BasisNConfig) -> float:
    """Return the energy of writing all cells of all crossbars once [J]: N R C pulses (E_write + E_verify)."""
    array, write = config.array, config.write
    cells = config.crossbars * array.rows * array.cols
    return cells * write.pulses * (write.write_pj + array.cell_energy_fj / 1e3) * 1e-12


def area_by_part(
    config: BasisNConfig, placed: BasisNMap, passes: Mapping[str, LayerPasses]
) -> dict[str, float]:
    """Return the area of the whole machine by what takes it [mm2].

    There is one memory of coefficients, as large as the network's, and one of maps, as large as it needs.
    """
    array, converters = config.array, config.crossbars * config.converters
    arrays = config.crossbars * array.area_mm2
    drivers = config.crossbars * array.rows * array.row_area_mm2
    adcs = converters * config.adc.area_mm2
    adders = converters * config.digital.shift_add_area_mm2
    stored = sum(
        sparse_store_bits(1, int(each.nonzeros.sum()), each.vectors, config.coefficients.bits)
        for each in passes.values()
    )
    return {
        "crossbar": arrays,
        "dac": drivers,
        "adc": adcs,
        "digital": adders,
        "switch": config.switch_share * (arrays + drivers + adcs + adders),
        "coefficients": stored / _KIB * config.memory_area_mm2,
        "buffer": placed.maps[1] / 1024 * config.memory_area_mm2,
    }
