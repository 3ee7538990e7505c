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
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from arch.machine import MapRow, PredictedInterval
from arch.machines.pipelayer.configuration import PipeLayerConfig
from arch.machines.pipelayer.plan import PipeLayerMap, Planner
from arch.machines.pipelayer.schedule import ImageWork
from arch.mapping.balance import Load
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
    update_read, update_write : control cycles in which weights are read and changed, and written
    """

    trained: tuple[TrainedStage, ...]
    errors: Mapping[str, BackwardPlan]
    gradients: Mapping[str, BackwardPlan]
    update_read: int
    update_write: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image, forward and back."""
        return chain_macs(self.trained)

    @property
    def update_beats(self) -> int:
        """Beats that an update takes."""
        return -(-(self.update_read + self.update_write) // self.beat)


def buffers_of(level: int, levels: int) -> int:
    """Return the images of a layer's results that lie in memory, 2(L - l) + 1.

    level : layers up to this one, l; of the network's input 0
    """
    return 2 * (levels - level) + 1


def beats_of(images: int, batch: int, levels: int, *, pipelined: bool, update: int = 1) -> int:
    """Return the beats in which images are trained: of each batch 2L + B + 1, or (2L + 1) B + 1.

    update : beats of an update, 1 in the published formulas

    The last batch has the images that are left.
    """
    full, rest = divmod(images, batch)
    batches = [batch] * full + [rest] * (rest > 0)
    if pipelined:
        return sum(2 * levels + b + update for b in batches)
    return (2 * levels + 1) * images + update * len(batches)


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
        read, write = self._update_ticks()
        errors = {self.names[n]: self._error(n, copies) for n in range(1, len(self.names))}
        gradients = {name: self._gradient(n, copies) for n, name in enumerate(self.names)}
        work: list[ImageWork] = [*plain.layers.values(), *errors.values(), *gradients.values()]
        # errors of all outputs are written at once, each in a row of its subarray
        beat = max(self.config.write_ticks, *(each.ticks for each in work))
        slot = int(self.config.slot / self.config.tick)
        changed = {
            "rows": tuple(r for row in plain.rows for r in (row, *self._rows_back(row.stage, copies))),
            "beat": beat,
            "interval": PredictedInterval(max(each.steps for each in work), -(-beat // slot), 0),
        }
        return TrainingMap(
            **(vars(plain) | changed),
            trained=self.trained,
            errors=errors,
            gradients=gradients,
            update_read=read,
            update_write=write,
        )

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
            prod(stage.weights_shape),
            self.config.training.batch,
        )

    def _sources_back(self, number: int) -> dict[str, int]:
        """Return where the error of a layer comes from, and what it has read, with the images held."""
        levels = len(self.trained)
        error = f"{self.names[number + 1]}.error" if number + 1 < levels else OUTPUT_ERROR
        read = self.names[number - 1] if number else self.network.input
        return {error: 1, read: buffers_of(number, levels)}

    def _update_ticks(self) -> tuple[int, int]:
        """Return the control cycles in which the array with the most rows is read, and written.

        Old weights are read, in the time of a product in which gradients of a batch are summed, too: rows of
        memory, one for each image, are driven with spikes of one weight. Then rows are written.
        """
        config, array = self.config, self.config.array
        sums = -(-config.training.batch // array.rows)
        rows = min(array.rows, max(max(s.weights_shape) for s in self.trained))
        passes = -(-rows // config.training.rows_written)
        return sums * config.product_ticks, passes * config.write_ticks

    def _images(self, levels: Mapping[str, int]) -> dict[str, int]:
        """Return how many images are held of each tensor that goes from layer to layer."""
        number = {self.homes[stage]: 1 + levels[self.homes[stage]] for stage in self.homes}
        held = {self.stages[-1].name: 1}
        for tensor, _ in self._reads():
            level = number[self.homes[tensor]] if tensor in self.homes else 0
            held[tensor] = buffers_of(level, len(self.names))
        return held

    def _rows_back(self, stage: str, copies: Mapping[str, int]) -> Iterator[MapRow]:
        """Yield the rows of a map for the arrays of a layer's way back."""
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
                    buffers=(),
                )
