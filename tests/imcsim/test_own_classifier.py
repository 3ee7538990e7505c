"""From an ONNX file and a sample of inputs to tables, a run of them, and a comparison: a command for each."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tests.imcsim.command_bench import command, printed, refusal
from tests.workloads.onnx_import.models import model, node


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work where a classifier lies, and images with the classes that it finds itself."""
    rng = np.random.default_rng(0)
    first, second = (rng.normal(size=shape).astype(np.float32) for shape in ((20, 16), (16, 4)))
    layers = [node("MatMul", "x first", "h"), node("Relu", "h", "r"), node("MatMul", "r second")]
    onnx.save(model(layers, ["N", 20], {"first": first, "second": second}), tmp_path / "my.onnx")
    images = rng.normal(size=(200, 20)).astype(np.float32)
    labels = (np.maximum(images @ first, 0) @ second).argmax(axis=1)
    np.savez(tmp_path / "my_data.npz", inputs=images, labels=labels)
    monkeypatch.chdir(tmp_path)
    return tmp_path


DATA = ("--data", "my_data.npz")


@pytest.mark.usefixtures("folder")
def test_three_commands_take_a_classifier_of_ones_own_to_a_comparison() -> None:
    composed = printed("compose", "my.onnx", "-o", "my.npz", *DATA)
    assert composed["composed_for"]["held_out"]["accuracy"] > 0.9
    run = printed("run", "my.npz", "--arch", "rapidnn", *DATA, "--images", "100")
    assert run["outputs_match_golden"] is True
    assert run["accuracy"] > 0.9
    compared = printed("compare", "my.onnx", "--arch", "rapidnn,isaac,pipelayer")
    assert [row["fits"] for row in compared["rows"]] == [True] * 3
    assert all(row["ratios"]["energy_j"] > 0 for row in compared["rows"])


@pytest.mark.usefixtures("folder")
def test_what_people_read_says_what_was_done() -> None:
    shown = command("compose", "my.onnx", "-o", "my.npz", *DATA).stdout
    assert "my: 64 clusters of weights, 64 of inputs, 16 bit" in shown
    assert "written  to my.npz" in shown
    shown = command("run", "my.npz", "--arch", "rapidnn", *DATA).stdout
    assert "equal the golden reference bit for bit" in shown
    shown = command("compare", "my.onnx", "--arch", "rapidnn,isaac,pipelayer").stdout
    assert "multiples (x) are of rapidnn" in shown


@pytest.mark.usefixtures("folder")
def test_tables_are_compared_as_the_network_they_are_of() -> None:
    command("compose", "my.onnx", "-o", "my.npz", *DATA)
    tables, network = (
        [{**row, "fingerprint": None} for row in printed("compare", name, "--arch", "rapidnn,isaac")["rows"]]
        for name in ("my.npz", "my.onnx")
    )
    assert tables == network


@pytest.mark.usefixtures("folder")
def test_data_of_another_shape_are_refused_with_both_shapes() -> None:
    np.savez("images.npz", inputs=np.zeros((50, 4, 5), np.float32))
    told = refusal("compose", "my.onnx", "-o", "my.npz", "--data", "images.npz")
    assert "my takes images of shape (20, 1, 1)" in told
    assert "from images.npz" in told
    assert not Path("my.npz").exists()


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        ("mnist-mlp", (784,)),
        ("isolet-mlp", (617,)),
        ("har-mlp", (561,)),
        ("cifar10-cnn", (3, 32, 32)),
        ("cifar100-cnn", (3, 32, 32)),
    ],
)
def test_networks_of_known_datasets_take_them_as_the_readme_says(
    network: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    images = np.random.default_rng(0).random((5, *shape)).astype(np.float32)
    np.savez(tmp_path / "data.npz", inputs=images, labels=np.zeros(5, np.int64))
    run = printed("run", network, "--arch", "rapidnn", "--data", tmp_path / "data.npz", "--set", "bits=8")
    assert run["outputs_match_golden"] is True
