"""What a pass and a step cost, action by action, and the area of all parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arch.machines.basisn.closed_forms import sparse_store_bits
from arch.machines.basisn.configuration import BasisNConfig
from arch.machines.basisn.passes import LayerPasses
from arch.machines.basisn.plan import BasisNMap
from arch.mapping.buffered_maps import image_passes, moved_bytes
from arch.mapping.stages import Stage
from arch.resistive_parts import area_by_part

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
    yield Cost("shift-add", "shift-add", digital.shift_add_energy_pj), passes.shift_adds
    yield Cost("switch", "column joined", config.switch_energy_fj / 1e3), passes.switched
    yield Cost("coefficients", "bit", config.coefficients.bit_energy_pj), passes.coefficient_bits
    yield Cost("buffer", "bit read", config.buffer.byte_energy_pj / 8), passes.input_bits


def image_costs(config: BasisNConfig, stage: Stage) -> Iterator[tuple[Cost, int]]:
    """Yield what the unit of outputs does of a stage, and how often for an image."""
    yield Cost("digital", "channel pass", config.digital.channel_energy_pj), image_passes(stage)
    yield map_byte(config), moved_bytes(stage, config.activation_bits)


def map_byte(config: BasisNConfig) -> Cost:
    """Return what a byte of maps costs that is written or read."""
    return Cost("buffer", "byte", config.buffer.byte_energy_pj)


def programming_j(config: BasisNConfig) -> float:
    """Return the energy of writing all cells of all crossbars once [J]: N R C pulses (E_write + E_verify)."""
    array, write = config.array, config.write
    cells = config.crossbars * array.rows * array.cols
    return cells * write.pulses * (write.write_pj + array.cell_energy_fj / 1e3) * 1e-12


def area_of(config: BasisNConfig, placed: BasisNMap, passes: Mapping[str, LayerPasses]) -> dict[str, float]:
    """Return the area of the whole machine by what takes it [mm2].

    There is one memory of coefficients, as large as the network's, and one of maps, as large as it needs.
    """
    shared = area_by_part(
        config.crossbars, config.array, config.converter, config.digital, config.buffer, placed.maps[1]
    )
    stored = sum(
        sparse_store_bits(1, int(each.nonzeros.sum()), each.vectors, config.coefficient_bits)
        for each in passes.values()
    )
    arrays = sum(shared[part] for part in ("crossbar", "dac", "adc", "shift-add"))
    own = {
        "switch": config.switch_share * arrays,
        "coefficients": stored / _KIB * config.coefficients.area_mm2_per_kib,
    }
    return shared | own
