from __future__ import annotations

import io
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.errors import FileError, WorkloadError
from workloads import Dataset, accuracy, datasets, read_data
from workloads.npz import read_npz, write_npz

IMAGES = np.arange(24, dtype=np.uint8).reshape(2, 3, 2, 2)


def saved(folder: Path, **arrays: Any) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


def test_users_images_become_single_precision_and_keep_their_order(tmp_path: Path) -> None:
    data = read_data(saved(tmp_path, inputs=IMAGES, labels=np.array([7, 1])))
    assert data.inputs.dtype == np.float32
    assert np.array_equal(data.inputs, IMAGES)
    assert data.labels is not None
    assert data.labels.tolist() == [7, 1]
    assert len(data) == 2


def test_vectors_become_maps_of_one_pixel_and_labels_may_be_missing(tmp_path: Path) -> None:
    data = read_data(saved(tmp_path, inputs=np.ones((5, 617))))
    assert data.inputs.shape == (5, 617, 1, 1)
    assert data.labels is None
    assert data.first(2).labels is None


def test_sequences_become_maps_of_one_row(tmp_path: Path) -> None:
    sequences = np.arange(30).reshape(2, 3, 5)
    data = read_data(saved(tmp_path, inputs=sequences))
    assert np.array_equal(data.inputs, sequences[:, :, None, :])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"labels": np.arange(2)}, "must hold an array 'inputs', got labels"),
        (
            {"inputs": IMAGES, "label": np.arange(2)},
            "array 'label', which nothing reads; did you mean 'labels'?",
        ),
        (
            {"inputs": IMAGES[0, 0, 0]},
            r"inputs must be \(images, .* got \(2,\); bring them into such a shape",
        ),
        ({"inputs": IMAGES[:0]}, r"none empty, got \(0, 3, 2, 2\)"),
        ({"inputs": IMAGES.astype(str)}, "inputs must be real numbers, got <U"),
        ({"inputs": IMAGES * 1j}, "inputs must be real numbers, got complex128"),
        ({"inputs": np.full((1, 2), np.nan)}, "inputs must be finite"),
        ({"inputs": np.full((1, 2), 1e39)}, "inputs must be finite single-precision numbers"),
        (
            {"inputs": IMAGES, "labels": np.arange(3)},
            "labels must be 2 integers from 0, .* got int64 of shape",
        ),
        ({"inputs": IMAGES, "labels": np.ones(2)}, "labels must be 2 integers from 0, .* got float64"),
        ({"inputs": IMAGES, "labels": np.array([0, -1])}, "labels must be 2 integers from 0"),
        ({"inputs": np.array([[{}]], dtype=object)}, "inputs.npy holds Python objects, not numbers"),
    ],
)
def test_wrong_arrays_say_what_is_wrong(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(FileError, match=message):
        read_data(saved(tmp_path, **arrays))


def test_file_that_expands_beyond_the_budget_is_refused_before_it_does(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    write_npz(path, {"inputs": np.zeros((1, 1, 1000, 1000))})
    assert path.stat().st_size < 20_000
    with pytest.raises(FileError, match=r"bomb.npz expands to 8000\d+ bytes, at most 1000000 are allowed"):
        read_data(path, budget=1_000_000)


def npy_header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("inputs.npy", npy_header((10**6, 1, 10**3, 10**3)), "claims shape .* more than it holds"),
        ("inputs.npy", npy_header((-1, -1)), "claims shape .* more than it holds"),
        ("inputs.npy", b"not an array", "no intact .npz file"),
        ("inputs.npy", b"\x93NUMPY\x03\x00" + b"\0" * 100, r"has .npy version \(3, 0\)"),
    ],
)
def test_archive_that_lies_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / "lie.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    with pytest.raises(FileError, match=message):
        read_npz(path)


def test_missing_or_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"cannot read .*none\.npz: No such file"):
        read_data(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(FileError, match=r"text\.npz is no intact \.npz file: File is not a zip file"):
        read_data(tmp_path / "text.npz")


@settings(deadline=None)
@given(st.data())
def test_damaged_file_is_refused_or_read_but_never_crashes(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "data.npz"
    write_npz(path, {"inputs": IMAGES, "labels": np.arange(2)})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with suppress(FileError):
        read_data(path)


def test_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        write_npz(tmp_path / name, {"inputs": IMAGES})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert np.array_equal(read_npz(tmp_path / "a.npz")["inputs"], IMAGES)


def test_data_must_fit_the_network_and_the_request() -> None:
    data = Dataset("mine", IMAGES.astype(np.float32), np.array([0, 1]), "made up")
    data.check_fits("net", (3, 2, 2))
    with pytest.raises(
        WorkloadError, match=r"net takes images of shape \(1, 8, 8\) .* got \(3, 2, 2\) from mine"
    ):
        data.check_fits("net", (1, 8, 8))
    assert np.array_equal(data.first(1).inputs, data.inputs[:1])
    with pytest.raises(WorkloadError, match="mine holds 2 images, got a request for 3; ask for fewer"):
        data.first(3)


@pytest.mark.parametrize(
    ("given", "wanted", "order"),
    [
        ((2, 8, 9, 3), (3, 8, 9), (0, 3, 1, 2)),
        ((2, 8, 8, 3), (3, 8, 8), (0, 3, 1, 2)),  # the one that does not mirror
        ((2, 3, 9, 8), (3, 8, 9), (0, 1, 3, 2)),
        ((2, 1, 32, 9), (9, 1, 32), (0, 3, 1, 2)),
        ((2, 32, 9), (9, 1, 32), (0, 2, 1)),
    ],
)
def test_images_whose_axes_are_in_another_order_are_to_be_transposed(
    tmp_path: Path, given: tuple[int, ...], wanted: tuple[int, int, int], order: tuple[int, ...]
) -> None:
    inputs = np.zeros(given)
    with pytest.raises(WorkloadError) as refused:
        read_data(saved(tmp_path, inputs=inputs)).check_fits("net", wanted)
    sizes = ", ".join(map(str, given[1:]))
    assert str(refused.value).endswith(f"; transpose the data, (images, {sizes}), by {order}")
    read_data(saved(tmp_path, inputs=inputs.transpose(order))).check_fits("net", wanted)


@pytest.mark.parametrize(
    ("given", "wanted", "remedy"),
    [
        ((2, 8, 9), (1, 8, 9), "reshape the data to (images, 1, 8, 9)"),
        ((2, 72), (1, 1, 72), "reshape the data to (images, 1, 1, 72)"),
        ((2, 72), (1, 8, 9), "bring the data into this shape, or choose another network"),
        ((2, 3, 8, 9), (1, 8, 9), "choose other data or another network"),
    ],
)
def test_only_images_that_keep_the_order_of_their_pixels_are_to_be_reshaped(
    tmp_path: Path, given: tuple[int, ...], wanted: tuple[int, int, int], remedy: str
) -> None:
    with pytest.raises(WorkloadError) as refused:
        read_data(saved(tmp_path, inputs=np.zeros(given))).check_fits("net", wanted)
    assert str(refused.value).endswith(f"; {remedy}")


def test_accuracy_is_the_share_of_largest_outputs_at_the_label() -> None:
    outputs = np.array([[1, 5, 2], [9, 0, 0], [0, 0, 1], [3, 2, 1]]).reshape(4, 3, 1, 1)
    assert accuracy(outputs, np.array([1, 0, 0, 0])) == 0.75


def test_every_registered_dataset_has_a_label_for_each_image() -> None:
    for name, load in datasets.items().items():
        data = load()
        assert data.name == name
        assert data.labels is not None
        assert data.labels.shape == (len(data),)
