"""The neurons of a block: sums of table entries, what it takes to add them, and what becomes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch.cam import CAMConfig
from arch.cam_values import CAMValues
from arch.machine import Values
from arch.machines.rapidnn.configuration import RapidnnConfig
from arch.mapping.stages import Stage
from simcore.kernels.lookup_neuron import addend_steps, count_neurons
from workloads import AvgPoolNode, MatrixNode
from workloads.composition.composed_network import ComposedBlock, ComposedNetwork, nearest_rows, wrapped

Ints = NDArray[Any]


class Neurons:
    """All neurons of a block: sums of their tables' entries, and what becomes of them."""

    def __init__(
        self,
        config: RapidnnConfig,
        stage: Stage,
        block: ComposedBlock,
        network: ComposedNetwork,
        values: Values,
        read: list[Ints],
    ) -> None:
        self.block, self.read, self.bits = block, read, network.bits
        self._offset = network.offset
        columns = stage.shape[0]
        self._sums = tuple(np.zeros(columns, np.int64) for _ in range(3))
        most = self._prepare(config, stage)
        self._add_cycles = np.array([config.addition_cycles(n) for n in range(most + 1)])
        self._memories: dict[str, Searches] = {}
        if values.device:
            tables = {
                "activation": (config.activation, None if block.activation is None else block.activation.keys)
            }
            tables["encoding"] = (config.encoding, block.encoder)
            self._memories = {
                name: Searches(memory, keys + self._offset, columns, values.seed, f"{stage.name}.{name}")
                for name, (memory, keys) in tables.items()
                if keys is not None
            }

    def _prepare(self, config: RapidnnConfig, stage: Stage) -> int:
        """Lay the tables out; return the most operands of an addition."""
        head, products = stage.head, self.block.products
        if products is None:
            assert self.block.terms is not None
            # Row 0 is what absent codes add.
            self._terms = np.pad(self.block.terms, ((0, 0), (1, 0))).astype(np.int64)
            self._positions = head.window.positions if isinstance(head, AvgPoolNode) else 0
            return max(self._positions, len(self._terms))
        assert isinstance(head, MatrixNode)
        self._weights = np.ascontiguousarray(products.codes.transpose(0, 2, 1).reshape(head.cols, head.rows))
        lanes = config.lanes
        fullest = [np.bincount(own.astype(np.int64) % lanes).max() for own in self._weights]
        pairs = products.table.shape[1] * products.table.shape[2]
        counts = np.zeros(pairs, np.uint16 if head.rows < 1 << 16 else np.uint32)
        self._matrix = (
            head.window.positions,
            self._weights,
            head.groups,
            np.ascontiguousarray(products.table),
            addend_steps(head.rows, config.signed),
            np.array(fullest, np.int64),
            lanes,
        )
        self._counts, self._bias = counts, products.bias
        return head.rows + 1

    def compute(self, slot: int, window: int, first: int, step: int) -> tuple[Ints, Ints, Ints]:
        """Return codes of every `step`-th neuron from `first` on, and cycles of counting and of adding."""
        sums, addends, buckets = self._sums
        chosen = slice(first, None, step)
        if self.block.products is not None:
            count_neurons(
                self.read[0][slot], *self._matrix, first, step, self._counts, sums, addends, buckets
            )
            total, operands = sums[chosen] + self._bias[chosen], addends[chosen] + 1
            count = buckets[chosen].copy()
        else:
            total, operands = self._summed(slot, chosen)
            count = np.zeros_like(operands)
        return self._finished(total, window, chosen), count, self._add_cycles[operands]

    def _summed(self, slot: int, chosen: slice) -> tuple[Ints, Ints]:
        """Return the sums of terms, and how many there are in each."""
        if self._positions:
            codes = self.read[0][slot].reshape(self._positions, -1)[:, chosen]
            return self._terms[0][codes].sum(axis=0), (codes > 0).sum(axis=0)
        operands = [read[slot, chosen] + 1 for read in self.read]
        total = sum(table[codes] for table, codes in zip(self._terms, operands, strict=True))
        return np.asarray(total), np.sum([codes > 0 for codes in operands], axis=0)

    def _finished(self, sums: Ints, window: int, chosen: slice) -> Ints:
        """Return what becomes of sums: clipped, looked up, encoded."""
        block = self.block
        numbers = np.clip(wrapped(sums, self.bits), block.low, block.high)
        if block.activation is not None:
            numbers = block.activation.values[
                self._rows("activation", block.activation.keys, numbers, window, chosen)
            ]
        if block.encoder is not None:
            numbers = self._rows("encoding", block.encoder, numbers, window, chosen)
        return numbers

    def _rows(self, memory: str, keys: Ints, numbers: Ints, window: int, chosen: slice) -> Ints:
        """Return the row that answers each number: the nearest, or what the real memory finds."""
        if memory not in self._memories:
            return nearest_rows(keys, numbers)
        return self._memories[memory].rows(numbers + self._offset, window, chosen)


class Searches:
    """The memories of all neurons of a block, each with its own stuck cells and noise."""

    def __init__(self, config: CAMConfig, keys: Ints, columns: int, seed: int, name: str) -> None:
        self._columns = columns
        stuck = config.stuck_at_0 + config.stuck_at_1 > 0
        wide = config.model_copy(update={"rows": max(config.rows, len(keys))})
        self._own = (
            [
                CAMValues(wide, keys, 1, seed=seed, name=f"{name}[{column}]", path="scan")
                for column in range(columns)
            ]
            if stuck
            else []
        )
        self._common = None if stuck else CAMValues(wide, keys, columns, seed=seed, name=name)

    def rows(self, keys: Ints, window: int, chosen: slice) -> Ints:
        """Return the answers of the chosen neurons' memories."""
        columns = range(*chosen.indices(self._columns))
        search = window * self._columns
        if self._common is not None:
            self._common.keys[chosen] = keys
            for column in columns if len(columns) < self._columns else ():
                self._common.search_slots(search + column, column, column + 1)
            if len(columns) == self._columns:
                self._common.search_slots(search, 0, self._columns)
            return self._common.found[chosen].astype(np.int64)
        found = []
        for key, column in zip(keys, columns, strict=True):
            memory = self._own[column]
            memory.keys[0] = key
            memory.search_slots(search + column, 0, 1)
            found.append(int(memory.found[0]))
        return np.array(found)
