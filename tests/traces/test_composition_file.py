"""Compositions survive their files bit for bit, and no file that was tampered with becomes one."""

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

from simcore.errors import FileError, WorkloadError
from tests.strategies import NetworkCase, networks
from traces import read_composition, write_composition
from workloads import Dataset, datasets
from workloads import networks as zoo
from workloads.composition import ComposedReference, ComposeOptions, Composition, compose
from workloads.npz import read_npz, write_npz

Arrays = dict[str, NDArray[Any]]


@cache
def mlp() -> Composition:
    """Return the smallest of the digits networks, composed."""
    return compose(zoo["digits-mlp"](), datasets["digits-train"]().first(100), ComposeOptions(16, 8))


def changed(folder: Path, change: Callable[[Arrays], object]) -> Path:
    """Return a file whose arrays were changed."""
    path = folder / "changed.npz"
    write_composition(path, mlp())
    arrays = read_npz(path)
    change(arrays)
    write_npz(path, arrays)
    return path


def text(content: object) -> NDArray[np.uint8]:
    """Return JSON as the file holds it."""
    return np.frombuffer(json.dumps(content).encode(), np.uint8)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(networks(max_steps=3))
def test_what_is_read_computes_what_was_written_did(tmp_path: Path, case: NetworkCase) -> None:
    images = np.concatenate([case.images] * 5)
    try:
        composition = compose(case.network, Dataset("drawn", images, None, "drawn"), ComposeOptions(8, 16))
    except WorkloadError:
        assume(False)
        raise
    write_composition(tmp_path / "one.npz", composition)
    read = read_composition(tmp_path / "one.npz")
    assert (read.clusters, read.bits, read.rounds, read.labelled, read.data) == (
        composition.clusters,
        composition.bits,
        composition.rounds,
        composition.labelled,
        "drawn: drawn",
    )
    assert read.known_among(case.images) == len(case.images)
    assert read.known_among(case.images + 1) == 0
    for weights, bits in ((8, 16), (4, 32)):
        one, other = composition.at(weights, bits=bits), read.at(weights, bits=bits)
        assert one.output_scale == other.output_scale
        expected = ComposedReference(one).tensors(case.images)
        for name, tensor in ComposedReference(other).tensors(case.images).items():
            assert np.array_equal(tensor, expected[name]), name
    write_composition(tmp_path / "two.npz", read)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.pop("about"), "is no composition: it lacks the array 'about'; write one with imcsim"),
        (lambda a: a.pop("fc1.codes"), "lacks the array 'fc1.codes'"),
        (lambda a: a.update(extra=np.zeros(1)), "nothing of the network has 'extra'; remove this array"),
        (
            lambda a: a.update({"fc1.codes": a["fc1.codes"].astype(np.int64)}),
            r"fc1.codes must hold uint8 of shape \(1, 64, 64\), got int64 of \(1, 64, 64\); write it anew",
        ),
        (
            lambda a: a.update({"fc1.codes": a["fc1.codes"] + np.uint8(16)}),
            "fc1.codes must hold codes below 16, the clusters, got 31",
        ),
        (lambda a: a.update({"fc1.bias": a["fc1.bias"][:5]}), r"fc1.bias must hold float32 of shape \(64,\)"),
        (lambda a: a["fc1.bias"].fill(np.nan), "fc1.bias must hold finite numbers"),
        (lambda a: a["fc2.range"].fill(1.0), "fc2.range must hold a least sum up to 0"),
        (
            lambda a: a.update({"fc1.centres-8": a["fc1.centres-8"][:, ::-1]}),
            "fc1.centres-8 must hold ascending centres",
        ),
        (lambda a: a.update(about=text({"schema": "imcsim.composition/2"})), "about - schema: "),
        (lambda a: a.update(about=np.frombuffer(b"{", np.uint8)), "about - the text: Invalid JSON"),
        (lambda a: a.update(about=np.zeros((2, 2))), "about must hold text as uint8, one axis, got float64"),
        (lambda a: a.pop("known"), "lacks the array 'known'; write it anew with imcsim compose"),
        (lambda a: a.update(known=a["known"][::-1]), "known must hold ascending uint64, one axis"),
        (lambda a: a.update(network=a["network"][:-9]), "changed.npz"),
        (lambda a: a.update(network=np.frombuffer(b"\xff", np.uint8)), "is not UTF-8 text"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    change: Callable[[Arrays], object], message: str, tmp_path: Path
) -> None:
    with pytest.raises(FileError, match=message):
        read_composition(changed(tmp_path, change))


def test_a_network_that_cannot_be_composed_is_refused_where_it_is_read(tmp_path: Path) -> None:
    lines = [
        {"schema": "imcsim.trace/1", "name": "bad", "input": {"name": "image", "shape": [1, 4, 4]}},
        {"op": "max-pool", "name": "pool", "kernel": [2, 2]},
        {"end": {"operations": 1, "requests": 0}},
    ]
    content = "\n".join(map(json.dumps, lines)).encode()
    path = changed(tmp_path, lambda a: a.update(network=np.frombuffer(content, np.uint8)))
    with pytest.raises(FileError, match="bad ends in pool, which adds nothing up"):
        read_composition(path)


def test_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_composition(path, mlp())
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(FileError, match=r"a\.npz"):
            read_composition(path)


def test_another_name_and_no_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"a composition must be called FILE.npz, got .*a.bin; rename it"):
        write_composition(tmp_path / "a.bin", mlp())
    with pytest.raises(FileError, match=r"there is no folder .*none; create it first"):
        write_composition(tmp_path / "none" / "a.npz", mlp())
    assert not list(tmp_path.iterdir())
