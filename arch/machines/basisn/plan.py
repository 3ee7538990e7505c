"""From a network to layers cut into slices, as the length of basis vectors has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from arch.machine import MapRow, NetworkMap
from arch.machines.basisn.closed_forms import LayerCounts, layer_counts, packed_slots
from arch.machines.basisn.configuration import BasisNConfig
from arch.mapping.buffered_maps import most_held
from arch.mapping.map_rows import map_row
from arch.mapping.slots import Words, share_slots, support_words
from arch.mapping.stages import Stage, stages_to_map
from arch.mapping.tiling import tile
from simcore import MappingError
from workloads import LoweredNetwork, MatrixNode
from workloads.basis import Coefficients, SharedBasis


@dataclass(frozen=True, eq=False)
class LoadedBasis:
    """A basis, and the coefficients of each layer by name."""

    basis: SharedBasis
    coefficients: Mapping[str, Coefficients]


@dataclass(frozen=True, eq=False)
class SlicedLayer:
    """A layer with weights.

    rows : elements of each slice, over all groups
    """

    counts: LayerCounts
    rows: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class BasisNMap(NetworkMap):
    """Stages in an order in which each comes behind all it reads, one at work at a time.

    layers : those with weights, by name
    vectors, length : of the basis
    loaded : None where supports are drawn
    maps : most that lies in the buffer of maps at once, (pixels, bytes)
    """

    stages: tuple[Stage, ...]
    layers: Mapping[str, SlicedLayer]
    vectors: int
    length: int
    loaded: LoadedBasis | None
    maps: tuple[int, int]


def map_network(config: BasisNConfig, network: LoweredNetwork, loaded: LoadedBasis | None) -> BasisNMap:
    """Cut all layers into slices.

    raises : MappingError for a network without layers, or one that the loaded coefficients are not of
    """
    stages = tuple(stages_to_map(network, ()))
    length = config.array.rows if loaded is None else loaded.basis.length
    vectors = config.vectors if loaded is None else len(loaded.basis.vectors)
    layers = {stage.name: sliced(stage.matrix, length) for stage in stages if stage.matrix is not None}
    if loaded is not None:
        check_coefficients(network, layers, loaded)
    slots = {name: _slots(config, name, layer, vectors, loaded) for name, layer in layers.items()}
    # drawn at random, supports are known in a run only
    known = loaded is not None or config.coefficients.drawn == "packed"
    word = "slot" if known else "least slot"
    rows = tuple(_row(config, stage, layers, {word: slots.get(stage.name, 0)}) for stage in stages)
    array = config.array
    read = array.product_cycles(config.streaming)
    return BasisNMap(
        network,
        rows,
        stages,
        layers,
        vectors,
        length,
        loaded,
        most_held(network, stages, config.activation_bits),
        resources={
            "crossbar": config.crossbars,
            "tile": sum(_tiles(config, stage.matrix) for stage in stages if stage.matrix is not None),
            "kernel slice": sum(layer.counts.kernel_slices for layer in layers.values()),
            "pixel-slice": sum(layer.counts.passes for layer in layers.values()),
            word: sum(slots.values()),
        },
        peak_macs=float(config.crossbars * array.rows * config.vectors_per_array * config.hertz / read),
    )


def sliced(node: MatrixNode, length: int) -> SlicedLayer:
    """Cut a layer's kernels into slices of a length, the last of each group as long as what is left."""
    counts = layer_counts(node, length)
    of_group = [min(length, node.rows - first) for first in range(0, node.rows, length)]
    return SlicedLayer(counts, tuple(of_group * node.groups))


def _tiles(config: BasisNConfig, node: MatrixNode) -> int:
    """Return the arrays that a layer's weights would fill without a basis, a bitline each, groups packed."""
    return len(tile(node, config.array.rows, config.array.cols).blocks)


def check_coefficients(
    network: LoweredNetwork, layers: Mapping[str, SlicedLayer], loaded: LoadedBasis
) -> None:
    """Refuse coefficients that are not those of a network's layers."""
    for name, layer in layers.items():
        expected = (layer.counts.slices, layer.counts.kernels, len(loaded.basis.vectors))
        coefficients = loaded.coefficients.get(name)
        got = None if coefficients is None else coefficients.values.shape
        if got != expected:
            raise MappingError(
                f"{name}: {network.name} needs coefficients (slices, kernels, vectors) of {expected}, got "
                f"{'none' if got is None else got}; load the basis that this network was fitted to"
            )


def loaded_supports(config: BasisNConfig, coefficients: Coefficients) -> Words:
    """Return the columns that kernels take, by bit plane if analog: (sets, slices, kernels, words)."""
    digital = config.variant == "digital"
    return support_words((coefficients.values != 0)[None] if digital else coefficients.planes)


def _slots(
    config: BasisNConfig, name: str, layer: SlicedLayer, vectors: int, loaded: LoadedBasis | None
) -> int:
    """Return the slots of an image in all bit planes: those of loaded coefficients, or of packed kernels."""
    counts = layer.counts
    if loaded is not None:
        slot_of = share_slots(loaded_supports(config, loaded.coefficients[name]), config.capacity)
        return counts.pixels * int((slot_of.max(axis=-1, initial=-1) + 1).sum())
    slots = packed_slots(counts.kernels, config.nonzeros, vectors, config.capacity)
    return counts.passes * slots * (1 if config.variant == "digital" else config.coefficient_bits)


def _row(
    config: BasisNConfig, stage: Stage, layers: Mapping[str, SlicedLayer], slots: Mapping[str, int]
) -> MapRow:
    """Return the figures of one stage, with its slots by what they are called."""
    depths = {(stage.name, place): o.firing.pixels for place, o in enumerate(stage.operands)}
    row = map_row(stage, None, 1, depths, config.activation_bits)
    if stage.name not in layers:
        return row
    return replace(row, resources={"pixel-slice": layers[stage.name].counts.passes, **slots})
