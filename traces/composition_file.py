"""Compositions in .npz files, `imcsim.composition/1`: a network's structure, its codes and its codebooks.

    about      JSON text as bytes: schema, clusters, bits, rounds, data, whether errors are of labels
    network    the lines of a workload trace as bytes: structure only, no weights, no requests
    known      numbers that tell which images the network was composed with
    NAME.codes, NAME.bias, NAME.errors, NAME.centres-4, -8, ...     of every matrix block
    NAME.range                                                      of every block
    NAME.input-errors, NAME.inputs-4, -8, ...                       of every codebook of inputs

A file is checked against its own network before anything is made of it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from simcore.errors import FileError, SimError
from simcore.files import check_writable
from traces.trace_reader import parse_trace
from traces.trace_writer import structure_lines
from workloads import lower
from workloads.composition.block_graph import composable
from workloads.composition.codebooks import SIZES, CodebookTree
from workloads.composition.composed_network import WIDTHS
from workloads.composition.composition import Composition, Round
from workloads.composition.weight_codes import WeightCodes
from workloads.nodes import MatrixNode
from workloads.npz import read_npz, write_npz
from workloads.scales import LARGEST_SCALE

SCHEMA = "imcsim.composition/1"

Share = Annotated[float, Field(ge=0, le=1)]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class _RoundRecord(_Record):
    retrained: int = Field(ge=0, le=2**20)
    error: Share
    baseline_error: Share


class _About(_Record):
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
    check_composition_place(path)
    about = _About.model_validate(
        {
            "schema": SCHEMA,
            "weights": composition.clusters[0],
            "inputs": composition.clusters[1],
            "bits": composition.bits,
            "labelled": composition.labelled,
            "data": composition.data,
            "rounds": [vars(each) for each in composition.rounds],
        }
    )
    arrays: dict[str, NDArray[Any]] = {
        "about": _bytes(about.model_dump_json(by_alias=True).encode()),
        "network": _bytes(structure_lines(composition.network, path)),
        "known": composition.known,
    }
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
    arrays = read_npz(path)
    for name in ("about", "network"):
        if name not in arrays:
            raise FileError(
                f"{path} is no composition: it lacks the array {name!r}; write one with imcsim compose"
            )
    try:
        return _Reading(arrays, Path(path)).composition()
    except FileError:
        raise
    except SimError as error:
        raise FileError(f"{path}: {error}") from None


def check_composition_place(path: str | Path) -> None:
    """Raise FileError unless a composition may be written there: at most over another one."""
    if Path(path).suffix.lower() != ".npz":
        raise FileError(f"a composition must be called FILE.npz, got {path}; rename it")
    if not Path(path).parent.is_dir():
        raise FileError(f"cannot write {path}: there is no folder {Path(path).parent}; create it first")
    check_writable(path)
    if Path(path).exists() and not _says_composition(path):
        raise FileError(
            f"cannot write {path}: it is there, and no composition, so it is left alone; "
            "choose another name, or remove it first"
        )


def _says_composition(path: str | Path) -> bool:
    """Tell whether a file says of itself that it is a composition, of this or another version."""
    try:
        about = read_npz(path).get("about")
    except FileError:
        return False
    return about is not None and SCHEMA.partition("/")[0].encode() in about.tobytes()


class _Reading:
    """A file being checked; every array is asked for once, and none may be left."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], path: Path) -> None:
        self._arrays, self._path = dict(arrays), path
        try:
            self._about = _About.model_validate_json(self._text("about"))
        except ValidationError as error:
            first = error.errors(include_url=False, include_context=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "the text"
            raise FileError(f"{path}: about - {place}: {first['msg']}; write it anew") from None

    def composition(self) -> Composition:
        """Return the whole."""
        about = self._about
        network = parse_trace(io.BytesIO(self._text("network")), self._path).network
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
        known = self._known()
        if self._arrays:
            extra = next(iter(self._arrays))
            raise FileError(f"{self._path}: no block of the network has {extra[:80]!r}; remove this array")
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

    def _known(self) -> NDArray[np.uint64]:
        known = self._take("known")
        if known.dtype != np.uint64 or known.ndim != 1 or (known[1:] <= known[:-1]).any():
            raise self._wrong("known", "ascending uint64, one axis", f"{known.dtype} of {known.shape}")
        return known

    def _weights(self, name: str, node: MatrixNode, *, shared: bool) -> WeightCodes:
        shape = (node.groups, node.rows, node.cols_per_group)
        codes = self._array(f"{name}.codes", np.uint8, shape)
        if int(codes.max()) >= self._about.weights:
            raise self._wrong(
                f"{name}.codes", f"codes below {self._about.weights}, the clusters", f"{codes.max()}"
            )
        books = (1 if shared else node.cols,)
        tree = self._tree(name, "centres", "errors", books, self._about.weights)
        return WeightCodes(tree, codes, self._array(f"{name}.bias", np.float32, (node.cols,)))

    def _tree(self, name: str, what: str, errors: str, books: tuple[int, ...], clusters: int) -> CodebookTree:
        sizes = SIZES[: SIZES.index(clusters) + 1]
        levels = tuple(self._array(f"{name}.{what}-{size}", np.float64, (*books, size)) for size in sizes)
        for size, centres in zip(sizes, levels, strict=True):
            if (np.diff(centres) < 0).any():
                raise self._wrong(f"{name}.{what}-{size}", "ascending centres", "others")
        return CodebookTree(levels, self._array(f"{name}.{errors}", np.float64, (*books, len(sizes))))

    def _range(self, name: str) -> tuple[float, float]:
        low, high = self._array(f"{name}.range", np.float64, (2,)).tolist()
        if not low <= 0.0 <= high:
            raise self._wrong(
                f"{name}.range", "a least sum up to 0 and a largest one from 0", f"{low}, {high}"
            )
        return low, high

    def _array(self, name: str, kind: type[np.generic], shape: tuple[int, ...]) -> NDArray[Any]:
        """Return an array of this type and shape, its numbers finite and within single precision."""
        array = self._take(name)
        if array.dtype != kind or array.shape != shape:
            raise self._wrong(name, f"{np.dtype(kind)} of shape {shape}", f"{array.dtype} of {array.shape}")
        if array.dtype.kind == "f" and not (np.abs(array) <= LARGEST_SCALE).all():
            raise self._wrong(name, "finite numbers of single precision's range", "others")
        return array

    def _take(self, name: str) -> NDArray[Any]:
        """Return an array, which is none of those left then."""
        if name not in self._arrays:
            raise FileError(f"{self._path} lacks the array {name!r}; compose its network anew")
        return self._arrays.pop(name)

    def _text(self, name: str) -> bytes:
        array = self._arrays.pop(name)
        if array.dtype != np.uint8 or array.ndim != 1:
            raise self._wrong(name, "text as uint8, one axis", f"{array.dtype} of {array.shape}")
        return array.tobytes()

    def _wrong(self, name: str, wanted: str, got: str) -> FileError:
        return FileError(f"{self._path}: {name} must hold {wanted}, got {got}; write it anew")


def _levels(name: str, tree: CodebookTree) -> dict[str, NDArray[Any]]:
    return {f"{name}-{centres.shape[-1]}": centres for centres in tree.levels}


def _bytes(text: bytes) -> NDArray[np.uint8]:
    return np.frombuffer(text, np.uint8)
