from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from simcore.errors import FileError
from workloads import accuracy, datasets, float_outputs, golden_outputs, lower, networks, quantize
from workloads.data import ASSETS
from workloads.npz import read_npz, write_npz
from workloads.zoo import train_digits
from workloads.zoo.catalogue import read_parameters, write_parameters

NAMES = ["digits-cnn", "digits-mlp", "digits-resnet"]
#: Least share of the 360 test images that each network gets right in floating point.
LEAST = {"digits-mlp": 0.97, "digits-cnn": 0.99, "digits-resnet": 0.99}


def test_shipped_images_are_scikit_learns_and_those_for_tests_are_not_trained_on() -> None:
    original = load_digits()
    train, test = train_digits.split(len(original.images))
    for name, part in (("train", train), ("test", test)):
        shipped = read_npz(ASSETS / f"digits-{name}.npz")
        assert np.array_equal(shipped["index"], part)
        assert np.array_equal(shipped["images"], original.images[part])
        assert np.array_equal(shipped["labels"], original.target[part])
    assert sorted([*train, *test]) == list(range(len(original.images)))


def test_digits_are_360_small_pictures_between_0_and_1() -> None:
    data = datasets["digits"]()
    assert data.inputs.shape == (360, 1, 8, 8)
    assert (data.inputs.min(), data.inputs.max()) == (0.0, 1.0)
    assert datasets["digits-train"]().inputs.shape == (1437, 1, 8, 8)


@pytest.mark.parametrize("name", NAMES)
def test_trained_networks_read_digits_in_reals_and_in_integers(name: str) -> None:
    network, data = networks[name](), datasets["digits"]()
    assert network.dataset == "digits"
    data.check_fits(name, network.input_shape)
    assert data.labels is not None
    lowered, parameters = lower(network), network.load_parameters()
    exact = accuracy(float_outputs(lowered, parameters, data.inputs), data.labels)
    assert exact >= LEAST[name]
    codes = golden_outputs(quantize(lowered, parameters, data.inputs[:16]), data.inputs)
    assert accuracy(codes, data.labels) >= exact - 0.01
    assert accuracy(codes[:100], data.labels[:100]) >= 0.96


def test_residual_network_has_an_identity_skip_and_a_strided_projection() -> None:
    lowered = lower(networks["digits-resnet"]())
    assert lowered["block1-add"].inputs == ("block1-conv2", "stem")
    assert lowered["block2-add"].inputs == ("block2-conv2", "block2-project")
    assert lowered.shapes["block1-add"] == (16, 8, 8)
    assert lowered.shapes["block2-add"] == (32, 4, 4)


def test_built_in_names_are_these() -> None:
    assert set(NAMES) <= set(networks.names())


def test_assets_are_small() -> None:
    assert sum(path.stat().st_size for path in ASSETS.iterdir()) < 450_000
    assert "CC BY 4.0" in (ASSETS / "NOTICE.md").read_text()


def test_weights_survive_their_file(tmp_path: Path) -> None:
    parameters = networks["digits-cnn"]().load_parameters()
    write_parameters(tmp_path / "w.npz", parameters)
    assert (tmp_path / "w.npz").read_bytes() == (ASSETS / "digits-cnn.npz").read_bytes()
    again = read_parameters(tmp_path / "w.npz")
    assert all(
        np.array_equal(array, again[layer][name])
        for layer, arrays in parameters.items()
        for name, array in arrays.items()
    )


@pytest.mark.parametrize("arrays", [{"weight": np.ones(3)}, {"fc.weight": np.ones(3, dtype=int)}])
def test_file_of_something_else_than_weights_is_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray]
) -> None:
    write_npz(tmp_path / "w.npz", arrays)
    with pytest.raises(FileError, match=r"arrays must be called layer\.parameter and hold floating-point"):
        read_parameters(tmp_path / "w.npz")


def test_workloads_load_nothing_heavy() -> None:
    heavy = ("numba", "networkx", "matplotlib", "sklearn", "torch", "arch", "traces", "imcsim")
    code = "import sys, workloads, workloads.zoo.train_digits as t; t.split(1797); " + (
        f"sys.exit(' '.join(set({heavy!r}) & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.stderr.strip() == ""
