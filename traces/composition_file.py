"""Compositions in .npz files, `imcsim.composition/1`: a network's structure, its codes and its codebooks.

    about      schema, clusters, bits, rounds, data, whether errors are of labels
    network    the structure
    known      numbers that tell which images the network was composed with
    NAME.codes, NAME.bias, NAME.errors, NAME.centres-4, -8, ...     of every matrix block
    NAME.range                                                      of every block
    NAME.input-errors, NAME.inputs-4, -8, ...                       of every codebook of inputs

A file is checked against its own network before anything is made of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from simcore.errors import FileError, SimError
from traces.checked_arrays import Arrays, CheckedArrays, FileForm, StrictRecord, first_arrays
from workloads import lower
from workloads.composition.block_graph import composable
from workloads.composition.codebooks import SIZES, CodebookTree
from workloads.composition.composed_network import WIDTHS
from workloads.composition.composition import Composition, Round
from workloads.composition.weight_codes import WeightCodes
from workloads.nodes import MatrixNode
from workloads.npz import read_npz, write_npz

COMPOSITION_FILE = FileForm("composition", "imcsim.composition/1", "imcsim compose")

Share = Annotated[float, Field(ge=0, le=1)]


class _RoundRecord(StrictRecord):
    retrained: int = Field(ge=0, le=2**20)
    error: Share
    baseline_error: Share


class _About(StrictRecord):
    """What is no array."""

    schema_: Literal["imcsim.composition/1"] = Field(alias="schema")
    weights: Literal[SIZES]  # type: ignore[valid-type]
    inputs: Literal[SIZES]  # type: ignore[valid-type]
    bits: Literal[WIDTHS]  # type: ignore[valid-type]
    labelled: bool
    data: str = Field(min_length=1, max_length=2**16)
    rounds: list[_RoundRecord] = Field(min_length=1, max_length=2**16)


def write_composition(path: str | Path, composition: Composition) -> None:
    """Write a composition, whole or not at all; equal ones give equal bytes.

    raises : FileError if the disk refuses, the name does not end in .npz or is another file's, WorkloadError
        for a network that a trace cannot hold
    """
    COMPOSITION_FILE.check_place(path)
    about = _About.model_validate(
        {
            "schema": COMPOSITION_FILE.schema,
            "weights": composition.clusters[0],
            "inputs": composition.clusters[1],
            "bits": composition.bits,
            "labelled": composition.labelled,
            "data": composition.data,
            "rounds": [vars(each) for each in composition.rounds],
        }
    )
    arrays = first_arrays(about, composition.network, path) | {"known": composition.known}
    for name in composition.form.blocks:
        if (own := composition.weights.get(name)) is not None:
            arrays |= {
                f"{name}.codes": own.codes,
                f"{name}.bias": own.bias,
                f"{name}.errors": own.tree.errors,
            }
            arrays |= _levels(f"{name}.centres", own.tree)
        arrays[f"{name}.range"] = np.array(composition.ranges[name])
    for name, tree in composition.codebooks.items():
        arrays |= {f"{name}.input-errors": tree.errors} | _levels(f"{name}.inputs", tree)
    write_npz(path, arrays)


def read_composition(path: str | Path) -> Composition:
    """Return the composition that a file holds; FileError for whatever is wrong with it."""
    return composition_of(read_npz(path), path)


def composition_of(arrays: Arrays, path: str | Path) -> Composition:
    """Return the composition that the arrays of a file at `path` are; FileError for what is wrong."""
    try:
        return _Reading(CheckedArrays(arrays, path, COMPOSITION_FILE)).composition()
    except FileError:
        raise
    except SimError as error:
        raise FileError(f"{path}: {error}") from None


class _Reading:
    """A file being read."""

    def __init__(self, file: CheckedArrays) -> None:
        self._file, self._about = file, file.about(_About)

    def composition(self) -> Composition:
        """Return the whole."""
        about = self._about
        network = self._file.network()
        form = composable(lower(network))
        weights = {
            name: self._weights(name, block.total, shared=block.is_fully_connected)
            for name, block in form.blocks.items()
            if isinstance(block.total, MatrixNode)
        }
        codebooks = {
            name: self._tree(name, "inputs", "input-errors", (), about.inputs) for name in form.read_by_blocks
        }
        ranges = {name: self._range(name) for name in form.blocks}
        known = self._file.known()
        self._file.finish()
        return Composition(
            network=network,
            form=form,
            weights=weights,
            codebooks=codebooks,
            ranges=ranges,
            clusters=(about.weights, about.inputs),
            bits=about.bits,
            rounds=tuple(Round(**dict(each)) for each in about.rounds),
            labelled=about.labelled,
            data=about.data,
            known=known,
        )

    def _weights(self, name: str, node: MatrixNode, *, shared: bool) -> WeightCodes:
        shape = (node.groups, node.rows, node.cols_per_group)
        codes = self._file.array(f"{name}.codes", np.uint8, shape)
        if int(codes.max()) >= self._about.weights:
            raise self._file.wrong(
                f"{name}.codes", f"codes below {self._about.weights}, the clusters", f"{codes.max()}"
            )
        books = (1 if shared else node.cols,)
        tree = self._tree(name, "centres", "errors", books, self._about.weights)
        return WeightCodes(tree, codes, self._file.array(f"{name}.bias", np.float32, (node.cols,)))

    def _tree(self, name: str, what: str, errors: str, books: tuple[int, ...], clusters: int) -> CodebookTree:
        sizes = SIZES[: SIZES.index(clusters) + 1]
        levels = tuple(
            self._file.array(f"{name}.{what}-{size}", np.float64, (*books, size)) for size in sizes
        )
        for size, centres in zip(sizes, levels, strict=True):
            if (np.diff(centres) < 0).any():
                raise self._file.wrong(f"{name}.{what}-{size}", "ascending centres", "others")
        return CodebookTree(levels, self._file.array(f"{name}.{errors}", np.float64, (*books, len(sizes))))

    def _range(self, name: str) -> tuple[float, float]:
        low, high = self._file.array(f"{name}.range", np.float64, (2,)).tolist()
        if not low <= 0.0 <= high:
            raise self._file.wrong(
                f"{name}.range", "a least sum up to 0 and a largest one from 0", f"{low}, {high}"
            )
        return low, high


def _levels(name: str, tree: CodebookTree) -> dict[str, NDArray[Any]]:
    return {f"{name}-{centres.shape[-1]}": centres for centres in tree.levels}
