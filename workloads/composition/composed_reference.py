"""The composed network's golden reference: what machines must give bit for bit.

A block adds up table entries, wraps the sum, clips it, looks a function up, and searches for the code: see
`composed_network`. To count how often each pair of codes meets, and to add each product that often, gives the
same sum, as additions of integers have no order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workloads.composition.block_graph import Block
from workloads.composition.composed_network import (
    ABSENT,
    ComposedBlock,
    ComposedNetwork,
    Ints,
    Products,
    nearest_rows,
    wrapped,
)
from workloads.nodes import AvgPoolNode, MatrixNode, MaxPoolNode, Node, SelectNode
from workloads.quantization import check_inputs

#: Finds the row of a memory for each number, given its keys.
Search = Callable[[Ints, Ints], NDArray[np.intp]]

#: Elements that the windows of a block of images may have.
ELEMENTS_AT_ONCE = 2**22


class ComposedReference:
    """Runs a composed network on images.

    overflows : sums of all runs so far that did not fit into the width of sums
    """

    def __init__(self, network: ComposedNetwork, search: Search = nearest_rows) -> None:
        """Take the network.

        search : of sums and values in blocks; images always get the nearest code
        """
        self.network = network
        self._search = search
        self.overflows = 0

    def tensors(self, inputs: NDArray[Any]) -> dict[str, Ints]:
        """Return every tensor (N, C, H, W) by name: codes, -1 for zeros put in, and the output's numbers.

        raises : WorkloadError for images that do not fit
        """
        check_inputs(self.network.form.lowered, inputs)
        parts = [dict(self._tensors(part)) for part in self.network.form.lowered.batches(inputs)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def outputs(self, inputs: NDArray[Any]) -> Ints:
        """Return the output's numbers (N, C, H, W) only; memory does not grow with the images."""
        lowered = self.network.form.lowered
        check_inputs(lowered, inputs)
        parts = (dict(self._tensors(part, keep=False)) for part in lowered.batches(inputs))
        return np.concatenate([part[lowered.output] for part in parts])

    def encode_inputs(self, inputs: NDArray[Any]) -> Ints:
        """Return the codes of images."""
        network, half = self.network, self.network.offset
        steps = np.rint(inputs.astype(np.float64) / network.input_scale)
        return nearest_rows(network.input_encoder, np.clip(steps, -half, half - 1).astype(np.int64))

    def sums(self, block: ComposedBlock, operands: list[Ints]) -> Ints:
        """Return a block's exact sums (N, C, H, W) of the codes it reads, before they wrap."""
        node = block.block.total
        if block.products is not None:
            assert isinstance(node, MatrixNode)
            return np.concatenate(
                [_matrix_sums(node, block.products, part) for part in _parts(operands[0], node)]
            )
        assert block.terms is not None
        terms = _with_absent(block.terms)
        if isinstance(node, AvgPoolNode):
            added = [terms[0][tap] for tap in node.window.taps(operands[0], ABSENT)]
        else:
            added = [table[codes] for table, codes in zip(terms, operands, strict=True)]
        total: Ints = np.add.reduce(added, dtype=np.int64)
        return total

    def values(self, block: ComposedBlock, sums: Ints) -> Ints:
        """Return what becomes of a block's sums, before it is encoded."""
        clipped: Ints = np.clip(wrapped(sums, self.network.bits), block.low, block.high)
        if block.activation is None:
            return clipped
        return block.activation.values[self._search(block.activation.keys, clipped)]

    def move(self, node: Node, operands: list[Ints]) -> Ints:
        """Return the codes that a max pool, a selection or a concatenation passes on."""
        match node:
            case MaxPoolNode():
                largest: Ints = np.maximum.reduce(list(node.window.taps(operands[0], ABSENT)))
                return largest
            case SelectNode():
                picked = operands[0]
                for axis, places in enumerate((node.channels, node.rows, node.columns), start=1):
                    if places is not None:
                        picked = picked.take(places, axis)
                        picked[(slice(None),) * axis + (np.array(places) < 0,)] = ABSENT
                return picked
        return np.concatenate(operands, axis=1)

    def _tensors(self, inputs: NDArray[Any], *, keep: bool = True) -> Iterator[tuple[str, Ints]]:
        """Yield tensors in order; the output only unless they are to be kept."""
        form = self.network.form
        held = {form.lowered.input: self.encode_inputs(inputs)}
        last = {source: step.name for step in form.steps for source in _reads(step)}
        if keep:
            yield form.lowered.input, held[form.lowered.input]
        for step in form.steps:
            operands = [held[source] for source in _reads(step)]
            tensor = self._block(step, operands) if isinstance(step, Block) else self.move(step, operands)
            held[step.name] = tensor
            if keep or step.name == form.lowered.output:
                yield step.name, tensor
            for source in set(_reads(step)):
                if last[source] == step.name:
                    del held[source]

    def _block(self, block: Block, operands: list[Ints]) -> Ints:
        composed = self.network.blocks[block.name]
        sums = self.sums(composed, operands)
        half = self.network.offset
        self.overflows += int(np.count_nonzero((sums < -half) | (sums >= half)))
        values = self.values(composed, sums)
        return values if composed.encoder is None else self._search(composed.encoder, values)


def _reads(step: Block | Node) -> tuple[str, ...]:
    return step.total.inputs if isinstance(step, Block) else step.inputs


def _with_absent(table: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return tables of terms with a zero behind the last code, which is where `ABSENT` reads."""
    return np.concatenate([table, np.zeros_like(table[..., :1])], axis=-1)


def _parts(codes: Ints, node: MatrixNode) -> Iterator[Ints]:
    """Yield the images whose windows are laid out together."""
    elements = node.groups * node.rows * node.shape[1] * node.shape[2]
    images = max(1, ELEMENTS_AT_ONCE // elements)
    for start in range(0, len(codes), images):
        yield codes[start : start + images]


def _matrix_sums(node: MatrixNode, products: Products, codes: Ints) -> Ints:
    """Return the sums of a matrix (N, C, H, W): a product of each row's code, and the bias."""
    images, channels = codes.shape[:2]
    _, height, width = node.shape
    by_group = codes.reshape(images, node.groups, channels // node.groups, *codes.shape[2:])
    taps = np.stack(list(node.window.taps(by_group, ABSENT)))  # (positions, N, groups, channels, H, W)
    rows = taps.transpose(2, 0, 3, 1, 4, 5).reshape(node.groups, node.rows, -1)
    entries = products.table.shape[2] + 1
    places = np.where(rows < 0, entries - 1, rows) + entries * np.arange(node.rows)[:, None]
    sums = np.empty((node.cols, images * height * width), np.int64)
    for column in range(node.cols):
        flat = _with_absent(products.column(column)).ravel()
        group = column // node.cols_per_group
        sums[column] = flat[places[group]].sum(axis=0, dtype=np.int64) + products.bias[column]
    return sums.reshape(node.cols, images, height, width).swapaxes(0, 1)
