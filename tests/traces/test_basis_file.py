"""Fits survive their files bit for bit, and no file that was tampered with becomes one."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from numpy.typing import NDArray

from simcore.errors import FileError
from tests.strategies import NetworkCase, networks
from traces import read_basis, read_composition, read_prepared, write_basis
from workloads import golden_outputs, lower
from workloads import networks as zoo
from workloads.basis import BasisFit, BasisOptions
from workloads.basis.basis_fit import matrix_nodes
from workloads.basis.fitting import fit_basis
from workloads.npz import read_npz, write_npz

Arrays = dict[str, NDArray[Any]]


@cache
def resnet() -> BasisFit:
    """Return the digits' residual network with factors that no matrix absorbs, fitted."""
    return fit_basis(zoo["digits-resnet"](), BasisOptions(rounds=0, vectors=32))


def changed(folder: Path, change: Callable[[Arrays], object]) -> Path:
    """Return a file whose arrays were changed."""
    path = folder / "changed.npz"
    write_basis(path, resnet())
    arrays = read_npz(path)
    change(arrays)
    write_npz(path, arrays)
    return path


def about(**changes: object) -> Callable[[Arrays], object]:
    """Return a change of what is no array."""

    def change(arrays: Arrays) -> None:
        content = json.loads(arrays["about"].tobytes()) | changes
        arrays["about"] = np.frombuffer(json.dumps(content, separators=(",", ":")).encode(), np.uint8)

    return change


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(networks(max_steps=4))
def test_what_is_read_computes_what_was_written_did(tmp_path: Path, case: NetworkCase) -> None:
    assume(matrix_nodes(lower(case.network)))
    fit = fit_basis(case.network, BasisOptions(length=7, vectors=5, nonzeros=3, rounds=1))
    write_basis(tmp_path / "one.npz", fit)
    read = read_prepared(tmp_path / "one.npz")
    assert isinstance(read, BasisFit)
    assert (read.origin, read.error, read.bits) == (fit.origin, fit.error, fit.bits)
    one, other = fit.quantized(case.images), read.quantized(case.images)
    assert np.array_equal(golden_outputs(one, case.images), golden_outputs(other, case.images))
    write_basis(tmp_path / "two.npz", read)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_images_that_it_was_trained_with_are_remembered(tmp_path: Path) -> None:
    fit = resnet()
    layers = {
        name: type(layer)(layer.coefficients, layer.scales, layer.bias) for name, layer in fit.layers.items()
    }
    known = np.array([3, 2**63], np.uint64)
    trained = BasisFit.of(fit.network, fit.basis, layers, fit.others, "trained", known)
    write_basis(tmp_path / "trained.npz", trained)
    read = read_basis(tmp_path / "trained.npz")
    assert np.array_equal(read.known, known)
    assert read.error is None
    assert read.origin == "trained"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda a: a.pop("about"),
            "is no basis: it lacks the array 'about'; write one with imcsim",
        ),
        (
            lambda a: a.pop("stem.scales"),
            "lacks the array 'stem.scales'; write it anew with imcsim",
        ),
        (lambda a: a.update(extra=np.zeros(1)), "nothing of the network has 'extra'; remove this array"),
        (about(schema="imcsim.basis/2"), "about - schema: "),
        (about(bits=9), "about - bits: "),
        (about(bits=2), r"stem.coefficients must hold integers of 2 bit, -2 to 1, got -"),
        (about(vector_bits=3), r"basis must hold integers of 3 bit, -3 to 3, got -7"),
        (lambda a: a["basis"].fill(-8), r"basis must hold integers of 4 bit, -7 to 7, got -8; write it anew"),
        (about(errors={"stem": 0.5}), "about must hold errors of the 7 matrices by name, got others"),
        (
            lambda a: a.update(basis=a["basis"][:, :50]),
            r"block1-conv1.coefficients must hold int8 of shape \(3, 16, 32\), got int8 of \(2, 16, 32\)",
        ),
        (
            lambda a: a.update(basis=a["basis"][:0]),
            r"basis must hold 1 to 8192 vectors of 1 to 4096 elements",
        ),
        (lambda a: a.update(basis=a["basis"].astype(float)), "basis must hold int16, two axes, got float64"),
        (
            lambda a: a.update({"fc.coefficients": a["fc.coefficients"][:, 1:]}),
            r"fc.coefficients must hold int8 of shape \(1, 10, 32\), got int8 of \(1, 9, 32\); write it anew",
        ),
        (
            lambda a: a["fc.scales"].fill(0.0),
            "fc.scales must hold positive scales of single precision, got 0",
        ),
        (lambda a: a["fc.scales"].fill(np.nan), "fc.scales must hold finite numbers"),
        (lambda a: a["fc.bias"].fill(np.inf), "fc.bias must hold finite numbers"),
        (lambda a: a.update(known=np.array([2, 1], np.uint64)), "known must hold ascending uint64, one axis"),
        (lambda a: a.update(network=a["network"][:-9]), "changed.npz"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    change: Callable[[Arrays], object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(FileError, match=message):
        read_basis(changed(tmp_path, change))


def test_a_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_basis(path, resnet())
    whole = path.read_bytes()
    for length in range(0, len(whole), 197):
        path.write_bytes(whole[:length])
        with pytest.raises(FileError, match=r"a\.npz"):
            read_prepared(path)


def test_forms_are_told_apart_by_their_schemas(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_basis(path, resnet())
    with pytest.raises(
        FileError, match=r"a.npz is a basis and no composition; imcsim compose takes the network"
    ):
        read_composition(path)
    other = changed(tmp_path, about(schema="imcsim.other/1"))
    told = r"is no composition and no basis: its array 'about' names another schema; write one"
    with pytest.raises(FileError, match=told):
        read_prepared(other)


def test_only_bases_are_written_over(tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", inputs=np.zeros(3))
    with pytest.raises(FileError, match="it is there, and no basis, so it is left alone; choose"):
        write_basis(tmp_path / "images.npz", resnet())
    with pytest.raises(FileError, match=r"a basis must be called FILE.npz, got .*a.bin; rename it"):
        write_basis(tmp_path / "a.bin", resnet())
    with pytest.raises(FileError, match=r"there is no folder .*none; create it first"):
        write_basis(tmp_path / "none" / "a.npz", resnet())
    assert [path.name for path in tmp_path.iterdir()] == ["images.npz"]
