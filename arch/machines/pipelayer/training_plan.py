"""How training lies on the machine: arrays for errors and gradients beside those of the layers, and memories.

In a beat each layer multiplies the activations of one image, the error of another one with its transposed
weights, which lie in arrays of their own, and that error with the activations that were stored on the way
forward. With L layers an image takes L beats forward, one for the error of the outputs, and L backward. What
layer l gives is read for the last time 2(L - l) + 1 beats after it was written, so as many images of it lie
in memory: rows of the oldest one are read ahead of those of the newest, which are written over them.

Source: Song et al., HPCA 2017, as far as it could be read in notes on it. How gradients are laid out, and how
many copies of arrays they have, is not known: wordlines carry the error of one channel at all pixels,
bitlines hold elements of the window, in the memory where they lie; copies follow the rule of the layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from arch.machine import MapRow
from arch.machines.pipelayer.configuration import PipeLayerConfig
from arch.machines.pipelayer.plan import PipeLayerMap, Planner
from arch.machines.pipelayer.schedule import ImageWork
from arch.mapping.balance import Load
from arch.mapping.sizes import bytes_of
from arch.mapping.tiling import Tiling, tile
from workloads import LoweredNetwork, MatrixNode, Window
from workloads.training import TrainedStage, chain_macs, trained_stages

#: Where the last layer's error comes from.
OUTPUT_ERROR = "output error"


@dataclass(frozen=True, eq=False)
class BackwardPlan(ImageWork):
    """Products of one layer on the way back: for the error of what it read, or for its gradient.

    tiling : of what one copy of its arrays holds
    results : values of an image that are written to memory, evenly as windows are done
    held : images of these that lie in memory
    """

    config: PipeLayerConfig
    name: str
    sources: Mapping[str, int]
    tiling: Tiling
    products: int
    copies: int
    results: int
    held: int

    @property
    def windows(self) -> int:
        """Windows of an image."""
        return self.products

    @property
    def images(self) -> int:
        """Images of its results that lie in memory at most."""
        return self.held

    @property
    def values(self) -> NDArray[np.int64]:
        """Values that are written behind each step, (steps,)."""
        ends = np.minimum(self.windows, self.copies * (1 + np.arange(self.steps)))
        return np.diff(self.results * ends // self.windows, prepend=0)


@dataclass(frozen=True, eq=False)
class TrainingMap(PipeLayerMap):
    """Layers, and what goes back through them.

    trained : the layers, in their order
    errors : of what each layer but the first reads, by its name
    gradients : of each layer, by its name
    """

    config: PipeLayerConfig
    trained: tuple[TrainedStage, ...]
    errors: Mapping[str, BackwardPlan]
    gradients: Mapping[str, BackwardPlan]

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image, forward and back."""
        return chain_macs(self.trained)

    def update_read(self, images: int) -> int:
        """Return the control cycles in which old weights are read behind a batch of so many images.

        In the time of a product gradients are added up, too: rows of memory, one for each image, are driven
        with spikes of one weight. Images beyond the rows of an array take another product.
        """
        return -(-images // self.config.array.rows) * self.config.product_ticks

    @property
    def update_write(self) -> int:
        """Control cycles in which the array with the most rows is written."""
        config = self.config
        rows = min(config.array.rows, max(max(s.trained_rows, s.matrix.cols) for s in self.trained))
        return -(-rows // config.training.rows_written) * config.write_ticks

    def update_beats(self, images: int) -> int:
        """Return the beats that an update behind a batch of so many images takes."""
        return -(-(self.update_read(images) + self.update_write) // self.beat)


def buffers_of(level: int, levels: int) -> int:
    """Return the images of a layer's results that lie in memory, 2(L - l) + 1.

    level : layers up to this one, l; of the network's input 0
    """
    return 2 * (levels - level) + 1


def beats_of(images: int, levels: int, *, pipelined: bool, update: int = 1) -> int:
    """Return the beats in which a batch of so many images is trained: 2L + B + 1, or (2L + 1) B + 1.

    update : beats of its update, 1 in the published formulas
    """
    return (2 * levels + images if pipelined else (2 * levels + 1) * images) + update


def map_training(config: PipeLayerConfig, network: LoweredNetwork) -> TrainingMap:
    """Give every layer its arrays forward and back, copies of them, and its memory.

    raises : WorkloadError for a network that cannot be trained, MappingError for one that does not fit
    """
    return _TrainingPlanner(config, network).map()


def _matrix(name: str, rows: int, cols: int) -> MatrixNode:
    """Return a plain matrix, to be laid onto arrays."""
    return MatrixNode(
        name=name,
        inputs=("",),
        in_shapes=((rows, 1, 1),),
        shape=(cols, 1, 1),
        window=Window.square(1),
        groups=1,
        cols=cols,
    )


class _TrainingPlanner(Planner):
    """All arrays share the chips by the rule of the layers: as few steps for each as fit."""

    def __init__(self, config: PipeLayerConfig, network: LoweredNetwork) -> None:
        super().__init__(config, network)
        self.trained = trained_stages(network)
        self.names = [stage.name for stage in self.trained]
        self.matrices: dict[str, MatrixNode] = {}
        for number, stage in enumerate(self.trained):
            matrix = stage.matrix
            pixels = prod(matrix.shape[1:])
            if number:
                self._add(f"{stage.name}.error", matrix.cols, matrix.rows, pixels)
            self._add(f"{stage.name}.gradient", pixels, matrix.rows, matrix.cols)

    def _add(self, name: str, rows: int, cols: int, products: int) -> None:
        """Note arrays of so many rows and columns, which take so many products an image."""
        array, slices = self.config.array, self.config.arrays_per_block
        self.matrices[name] = matrix = _matrix(name, rows, cols)
        self.tilings[name] = tile(matrix, array.rows, array.cols * slices, slices)
        self.loads[name] = Load(products, len(self.tilings[name].blocks))

    def map(self) -> TrainingMap:
        """Return the mapping with the copies of the rule."""
        plain, (_, copies) = super().map(), self._copies()
        errors = {self.names[n]: self._error(n, copies) for n in range(1, len(self.names))}
        gradients = {name: self._gradient(n, copies) for n, name in enumerate(self.names)}
        work: list[ImageWork] = [*plain.layers.values(), *errors.values(), *gradients.values()]
        # errors of all outputs are written at once, each in a row of its subarray
        beat = max(self.config.write_ticks, *(each.ticks for each in work))
        rows = tuple(r for row in plain.rows for r in (row, *self._rows_back(row.stage, copies)))
        memory = sum(each.memory_subarrays for each in work) + self._loss_subarrays
        taken = {"array": sum(row.arrays for row in rows), "memory subarray": memory}
        changed = {"rows": rows, "beat": beat, "resources": {**plain.resources, **taken}}
        placed = TrainingMap(
            **(vars(plain) | changed),
            config=self.config,
            trained=self.trained,
            errors=errors,
            gradients=gradients,
        )
        batch = self.config.training.batch
        pipelined, update = self.config.pipeline == "layers", placed.update_beats(batch)
        beats = beats_of(batch, placed.levels, pipelined=pipelined, update=update)
        return replace(placed, interval=self._interval(work, beat, beats, batch))

    def _error(self, number: int, copies: Mapping[str, int]) -> BackwardPlan:
        """Return the products for the error that layer `number`, not the first, sends back."""
        name = f"{self.names[number]}.error"
        return BackwardPlan(
            self.config,
            name,
            self._sources_back(number),
            self.tilings[name],
            self.loads[name].steps,
            copies[name],
            prod(self.trained[number - 1].matrix.shape),
            1,
        )

    def _gradient(self, number: int, copies: Mapping[str, int]) -> BackwardPlan:
        """Return the products for the gradient of layer `number`."""
        stage, name = self.trained[number], f"{self.names[number]}.gradient"
        return BackwardPlan(
            self.config,
            name,
            self._sources_back(number),
            self.tilings[name],
            self.loads[name].steps,
            copies[name],
            stage.weights,
            self.config.training.batch,
        )

    def _sources_back(self, number: int) -> dict[str, int]:
        """Return where the error of a layer comes from, and what it has read, with the images held."""
        levels = len(self.trained)
        error = f"{self.names[number + 1]}.error" if number + 1 < levels else OUTPUT_ERROR
        read = self.names[number - 1] if number else self.network.input
        return {error: 1, read: buffers_of(number, levels)}

    @property
    def _loss_subarrays(self) -> int:
        """Memory subarrays that take the errors of all outputs at once."""
        return -(-self.trained[-1].shape[0] // self.config.values_per_row)

    def _images(self, levels: Mapping[str, int]) -> dict[str, int]:
        """Return how many images are held of each tensor that goes from layer to layer."""
        number = {self.homes[stage]: 1 + levels[self.homes[stage]] for stage in self.homes}
        held = {self.stages[-1].name: 1}
        for tensor, _ in self._reads():
            level = number[self.homes[tensor]] if tensor in self.homes else 0
            held[tensor] = buffers_of(level, len(self.names))
        return held

    def _rows_back(self, stage: str, copies: Mapping[str, int]) -> Iterator[MapRow]:
        """Yield the rows of a map for the arrays of a layer's way back.

        The error that both products read, and the gradients of a batch, are told with the latter.
        """
        for way in ("error", "gradient"):
            if (name := f"{stage}.{way}") in self.loads:
                matrix, tiling, steps = self.matrices[name], self.tilings[name], self.loads[name].steps
                yield MapRow(
                    stage=name,
                    work=way,
                    shape=matrix.shape,
                    rows=matrix.rows,
                    cols=matrix.cols,
                    copies=copies[name],
                    arrays=len(tiling.blocks) * copies[name] * self.config.arrays_per_block,
                    utilisation=tiling.utilisation,
                    steps=steps,
                    buffers=() if way == "error" else self._buffers_back(stage),
                )

    def _buffers_back(self, stage: str) -> tuple[tuple[str, int, int], ...]:
        """Return the error of a layer's sums in memory, by pixels, and a batch's gradients, by rows."""
        number, batch = self.names.index(stage), self.config.training.batch
        trained, bits = self.trained[number], self.config.activation_bits
        error, _ = self._sources_back(number)
        pixels, rows = prod(trained.matrix.shape[1:]), trained.trained_rows * batch
        each = bytes_of(trained.matrix.cols * bits)
        return ((error, pixels, pixels * each), (f"{stage}.gradient", rows, rows * each))
