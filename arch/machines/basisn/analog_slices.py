"""What crossbars with the basis in their cells add to the sums of a pixel in one pass.

`arch.machines.basisn.column_groups` says what is converted: columns joined bit plane by bit plane, or each by
itself. Every group of columns is read anew, with noise of its own, in every phase of the inputs. Converters
have one LSB while a layer is computed, the same in all crossbars; it follows from the range that so many
columns have to cover.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from arch.arrays.analog_product import CONVERTERS, READS, sensing
from arch.arrays.array_parts import largest_of_any, row_groups, transfer_of, within_64_bits
from arch.arrays.array_product import Formulation
from arch.arrays.device import UNIT as LEVEL_UNIT
from arch.arrays.ir_drop import droop
from arch.arrays.readout import Readout
from arch.arrays.transfer import Transfer, sum_range
from arch.machines.basisn.column_groups import ColumnGroups, joined_columns, single_columns
from arch.machines.basisn.products import LayerSlice, cut_layer
from arch.machines.basisn.written_basis import BasisArray, WrittenBasis
from simcore import ConfigError
from simcore.kernels.analog_read import recombine_codes
from simcore.kernels.joined_read import largest_joined, read_joined
from simcore.noise import derive, stable_hash
from workloads import MatrixNode
from workloads.basis import Coefficients

Ints = NDArray[Any]


class _Crossbar(NamedTuple):
    """One crossbar as a layer reads it.

    curves : (3, converters) float32, as `read_joined` takes them
    key : of all reads for this layer
    scale : what a code of it counts [level]
    """

    array: BasisArray
    curves: NDArray[np.float32]
    key: np.uint64
    scale: float


class AnalogSlices:
    """The passes of one layer.

    conversions : (slices,) of one pass
    largest : bound on the size of every sum, to choose integers for them
    formulation : how products are computed, and why so
    """

    def __init__(
        self,
        node: MatrixNode,
        written: WrittenBasis,
        coefficients: Coefficients,
        activation_bits: int,
        zero: int,
        *,
        slots: NDArray[np.int32] | None = None,
        samples: Ints | None = None,
    ) -> None:
        """Lay out the groups of all slices, and choose the range of the converters.

        zero : of the layer's input codes
        slots : (planes, slices, kernels) in which columns are read joined, plane by plane; None where each is
            converted by itself
        samples : (n, elements) windows, code - zero, for a `calibrated` range
        raises : ConfigError or MappingError for what cells or converters cannot do
        """
        parts = written.parts
        if slots is not None and parts.encoding.signs == "flip":
            raise ConfigError(
                "array.encoding must not be flip where columns join before conversion, for some hold the "
                "complement of their slice; set it to signed, differential or offset, or variant to digital"
            )
        self._written, self._physics = written, parts.physics
        self._slices = cut_layer(node, written.basis, coefficients)
        self._streaming = parts.crossbar.streaming(activation_bits)
        self._offset = zero if self._streaming.sign == "unsigned" else 0
        self._starts = [-self._offset * part.weights.sum(axis=0, dtype=np.int64) for part in self._slices]
        self._turns = row_groups(written.basis.length, parts.crossbar.active_rows)
        self._groups = [self._grouped(coefficients, number, slots) for number in range(len(self._slices))]
        self._transfer = self._chosen_transfer(samples)
        phases = [(on, phase) for on in self._turns for phase in self._streaming.phases]
        self._reads = np.array([(on.start, on.stop, phase.first, phase.bits) for on, phase in phases])
        self._factors = np.array([phase.factor for _, phase in phases], np.int64)
        self._lay_out_converters(stable_hash(node.name))
        self.conversions = np.array(
            [
                self._reads_of(part) * sum(len(g.converters) for g in groups)
                for part, groups in zip(self._slices, self._groups, strict=True)
            ],
            np.int64,
        )
        self.largest = self._bound(node.cols)
        self.formulation = self._told(joined=slots is not None)

    def multiply(
        self, windows: Ints, sums: Ints, slot: int, part: int, image: int, pixel: int, lane: int = 0
    ) -> int:
        """Add the products of slice `part` of a window to its sums; return how many conversions clipped.

        windows : (slots, elements) int16 or int32, code - zero
        sums : (slots, columns) int64, or int32 if `largest` fits
        image, pixel : that the window belongs to; noise depends on them
        lane : crossbars that work on it
        raises : ModelError if a user's converter does not return a finite number for every sum
        """
        wordlines, first_col, weights = self._slices[part]
        out = sums[slot, first_col : first_col + weights.shape[1]]
        out += self._starts[part]
        numbers = np.zeros(self._written.basis.length, np.int64)
        numbers[: len(wordlines)] = self._streaming.numbers(windows[slot, wordlines] + self._offset)
        reads, clipped = self._reads_of(self._slices[part]), 0
        for crossbar, groups in zip(self._lanes[lane], self._groups[part], strict=True):
            if len(groups.converters):
                clipped += self._add(numbers, reads, crossbar, groups, (image, pixel, part), out)
        return clipped

    def _reads_of(self, part: LayerSlice) -> int:
        """Return the reads of a slice: each phase, for every group of rows of which it uses some."""
        turns = self._written.parts.crossbar.turns(len(part.wordlines))
        return turns * len(self._streaming.phases)

    def _add(
        self,
        numbers: Ints,
        reads: int,
        crossbar: _Crossbar,
        groups: ColumnGroups,
        token: tuple[int, int, int],
        out: Ints,
    ) -> int:
        """Add what one crossbar gives to all kernels in so many reads; return how many codes clipped."""
        cells = crossbar.array.cells
        sensed = np.empty((reads, len(groups.converters)), np.float32)
        read_joined(
            numbers,
            self._reads[:reads],
            self._droops[:reads],
            cells.net,
            cells.squares,
            groups.begins,
            groups.members,
            self._noise[:reads],
            crossbar.key,
            token,
            groups.converters,
            crossbar.curves,
            sensed,
        )
        nothing, products = np.zeros(len(out), np.int64), np.zeros((1, len(out)), np.int64)
        clipped = recombine_codes(
            self._sense(sensed),
            self._transfer.low,
            self._transfer.high,
            self._factors[:reads],
            groups.terms,
            groups.weights * crossbar.scale,
            nothing,
            products,
            0,
        )
        out += products[0]
        return int(clipped)

    def _grouped(
        self, coefficients: Coefficients, part: int, slots: NDArray[np.int32] | None
    ) -> list[ColumnGroups]:
        """Return the groups of one slice on each crossbar of a lane."""
        g_off, sharing = self._physics.device.g_off, self._physics.sharing
        found = []
        for array in self._written.lanes[0]:
            values = coefficients.values[part][:, array.vectors]
            if slots is None:
                found.append(single_columns(array.encoded, g_off, values))
            else:
                of_slice = Coefficients(values[None], coefficients.bits)
                found.append(joined_columns(array.encoded, g_off, of_slice, slots[:, part], sharing))
        return found

    def _chosen_transfer(self, samples: Ints | None) -> Transfer:
        """Return the converters of all crossbars."""
        parts, largest_input = self._written.parts, self._streaming.largest
        encoding, rows = parts.encoding, self._written.basis.length
        g_off = 0.0 if encoding.signs == "signed" else self._physics.device.g_off  # it cancels in a pair
        most = max((int(g.sizes.max(initial=1)) for groups in self._groups for g in groups), default=1)

        def of_any() -> int:
            return most * int(largest_of_any(encoding, rows, parts.crossbar.active_rows, largest_input))

        def of_weights() -> int:
            ends = [
                sum_range(groups.joined(array.encoded.levels[on]).astype(np.int64), largest_input)
                for _, array, groups, on in self._parts_on()
            ]
            return max(int(np.maximum(above, -below).max(initial=1)) for below, above in ends)

        def of_samples() -> int:
            assert samples is not None
            largest = 1.0
            for part, array, groups, on in self._parts_on():
                cells = array.encoded.levels[on].T + g_off
                carried = self._streaming.stream(samples[:, part.wordlines[on]].T + self._offset)
                charges = cells @ np.hstack(list(carried)).astype(np.float64)  # BLAS sums exact levels
                largest = max(largest, largest_joined(charges, groups.begins, groups.members))
            return ceil(largest)

        excess = ceil(g_off * most * self._turns[0].stop * largest_input)
        return transfer_of(parts, of_any, of_weights, of_samples, excess)

    def _parts_on(self) -> Iterator[tuple[LayerSlice, BasisArray, ColumnGroups, slice]]:
        """Yield every slice on every crossbar of a lane, with each group of its rows that are on at once."""
        for part, of_part in zip(self._slices, self._groups, strict=True):
            for array, groups in zip(self._written.lanes[0], of_part, strict=True):
                for on in self._turns:
                    rows = slice(on.start, min(on.stop, len(part.wordlines)))
                    if rows.start < rows.stop:
                        yield part, array, groups, rows

    def _lay_out_converters(self, layer: int) -> None:
        """Draw the converters of all crossbars, which are the same ones for all layers.

        layer : a number of its own, below which its noise lies
        """
        config, device, phases = self._physics.wires, self._physics.device, len(self._streaming.phases)
        lengths = [on.stop - on.start for on in self._turns]
        last = self._turns[-1].stop
        droops = [droop(on.stop - on.start, config, device.full, last - on.stop) for on in self._turns]
        self._droops = np.repeat(np.array(droops), phases)
        first = self._written.lanes[0][0]
        noise = [self._readout(first, rows) for rows in lengths]
        levels = [(each.column, device.config.read.cell, each.conversion) for each in noise]
        self._noise = np.repeat(np.array(levels, np.float64), phases, axis=0)
        self._sense = sensing(self._physics, noise[0].inl, self._transfer.low)
        # so that a converter that fails does so before cycle 0
        self._sense(np.zeros((len(self._reads), 1), np.float32))
        self._lanes = [[self._crossbar(array, layer) for array in lane] for lane in self._written.lanes]

    def _crossbar(self, array: BasisArray, layer: int) -> _Crossbar:
        """Return a crossbar with its converters; what bitlines lose on the way there is not theirs."""
        curves = self._readout(array, 1).curves
        curves[1] = 0
        key = np.uint64(derive(array.key, READS, layer))
        return _Crossbar(array, curves, key, int(self._transfer.lsb) * array.cells.regained)

    def _readout(self, array: BasisArray, rows: int) -> Readout:
        """Return a crossbar's converters, one for every column and a unit bitline, with so many rows on."""
        parts, physics = self._written.parts, self._physics
        return Readout(
            physics.readout,
            physics.device,
            physics.wires,
            rows=rows,
            bitlines=parts.crossbar.cols + array.encoded.has_unit,
            lsb=int(self._transfer.lsb) / LEVEL_UNIT,
            low=self._transfer.low,
            high=self._transfer.high,
            key=np.uint64(derive(array.key, CONVERTERS)),
            sharing=physics.sharing,
            has_unit=array.encoded.has_unit,
            pairs=parts.encoding.signs == "signed",
            largest_input=self._streaming.largest,
        )

    def _bound(self, columns: int) -> int:
        """Return what no sum is larger than: all codes at an end of the range."""
        most = float(np.abs(self._factors).sum()) * max(abs(self._transfer.low), self._transfer.high)
        sums = np.zeros(columns)
        for part, start, of_part in zip(self._slices, self._starts, self._groups, strict=True):
            out = sums[part.first_col : part.first_col + len(start)]
            out += np.abs(start) + 1  # and a sum is rounded once in each pass
            for place, groups in enumerate(of_part):
                scale = max(lane[place].scale for lane in self._lanes)
                np.add.at(out, groups.terms[1], most * scale * np.abs(groups.weights))
        return within_64_bits(float(sums.max(initial=0)))

    def _told(self, *, joined: bool) -> Formulation:
        """Return how products are computed, and why so."""
        most = max(int(groups.sizes.max(initial=1)) for of_part in self._groups for groups in of_part)
        what = f"up to {most} columns joined in front of a converter" if joined else "every column by itself"
        real = ", ".join(self._physics.effects) or "cells, wires and converters are ideal"
        return Formulation("conductances", f"{what}; {real}")
