"""Networks as tables from the command line: composed, written, looked into at every level."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import imcsim
from imcsim.inputs import COMPOSING_IMAGES
from simcore.errors import ConfigError
from tests.imcsim.command_bench import command, printed, refusal
from tests.strategies import random_parameters
from traces import read_composition
from workloads import (
    Activation,
    Add,
    Conv2d,
    GlobalAvgPool,
    Input,
    Linear,
    Network,
    Window,
    datasets,
    lower,
    networks,
)
from workloads.composition.block_graph import composable
from workloads.npz import write_npz

#: Loss that RAPIDNN reports, as a share of images.
PUBLISHED_LOSS = 0.003

SIZES = "4, 8, 16, 32, 64, 128, 256"


def data_file(folder: Path, images: int, **arrays: NDArray[Any] | None) -> Path:
    """Return a file with the first training images of the digits, with other arrays or, if None, without."""
    data = datasets["digits-train"]().first(images)
    content = {"inputs": data.inputs, "labels": data.labels} | arrays
    write_npz(folder / "data.npz", {name: array for name, array in content.items() if array is not None})
    return folder / "data.npz"


@pytest.mark.parametrize("name", ["digits-mlp", "digits-cnn", "digits-resnet"])
def test_64_clusters_lose_less_than_published(name: str) -> None:
    """Below 0.3 points with w = u = 64, on images that composing does not see."""
    found = imcsim.compose_workload(name).evaluation
    assert found is not None
    assert found.images == 360
    assert found.baseline_accuracy is not None
    assert found.baseline_accuracy - found.accuracy < PUBLISHED_LOSS
    assert found.overflows == 0


def test_retraining_gets_back_most_of_what_few_clusters_lose() -> None:
    report = imcsim.compose_workload("digits-mlp", weights=4, inputs=4, retrain=4)
    first, best = report.composition.rounds[0], report.composition.best
    assert first.loss > 0.05
    assert best.loss < first.loss / 2
    assert best.error == min(each.error for each in report.composition.rounds)


def test_rounds_end_once_the_loss_is_small_enough() -> None:
    report = imcsim.compose_workload("digits-mlp", weights=32, inputs=32, retrain=4)
    *before, last = report.composition.rounds
    assert last.loss <= PUBLISHED_LOSS
    assert all(each.loss > PUBLISHED_LOSS for each in before)


def test_the_same_twice_is_the_same_bytes(tmp_path: Path) -> None:
    data = data_file(tmp_path, 60)
    for name in ("one.npz", "two.npz"):
        imcsim.compose_workload("digits-mlp", tmp_path / name, weights=4, inputs=4, retrain=1, data=data)
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()


def test_the_command_prints_what_it_wrote(tmp_path: Path) -> None:
    path = tmp_path / "mlp.npz"
    found = printed("compose", "digits-mlp", "-o", path, "--weights", "16", "--inputs", "8")
    assert found["schema"] == "imcsim.compose/1"
    assert (found["weights"], found["inputs"], found["bits"]) == (16, 8, 16)
    assert [block["name"] for block in found["blocks"]] == ["fc1", "fc2", "fc3"]
    assert found["most_table_bytes"] == (16 * 8 + 8) * 2
    assert found["evaluation"]["images"] == 360
    composition = read_composition(path)
    assert composition.clusters == (16, 8)
    shown = printed("compose", path)
    assert shown["blocks"] == found["blocks"]
    assert shown["evaluation"]["accuracy"] == found["evaluation"]["accuracy"]
    assert shown["evaluation"]["baseline_accuracy"] is None
    assert shown.keys() == found.keys()
    assert shown["data"] == found["data"]
    assert shown["data"].startswith("digits-train: ")
    coarse = printed("compose", path, "--weights", "4", "--bits", "8")
    assert coarse["most_table_bytes"] == 4 * 8 + 8
    assert (coarse["weights"], coarse["bits"]) == (4, 8)
    assert coarse["composed_for"] == found["composed_for"]  # what was held out is said of this level only
    assert coarse["composed_for"]["held_out"]["accuracy"] > coarse["evaluation"]["accuracy"]
    for fine, rough in zip(shown["blocks"], coarse["blocks"], strict=True):
        assert rough["weight_error"] > fine["weight_error"]
        assert rough["input_error"] == fine["input_error"]


def test_the_table_tells_of_rounds_accuracy_and_bytes(tmp_path: Path) -> None:
    result = command("compose", "digits-mlp", "--weights", "4", "--inputs", "4", "--retrain", "1")
    assert result.exit_code == 0
    assert result.stderr == ""
    for text in ("round 0", "round 1", "accuracy", "40 bytes in the largest neuron", "fc3", "64 x 64"):
        assert text in result.stdout


def test_names_of_blocks_are_told_whole_in_80_columns() -> None:
    output = command("compose", "digits-resnet", "--weights", "4", "--inputs", "4").stdout
    assert "…" not in output
    assert max(map(len, output.splitlines())) <= 80
    form = composable(lower(networks["digits-resnet"]()))
    assert all(f"\n{name} " in output for name in form.blocks)


def test_ones_own_images_compose_and_are_shown(tmp_path: Path) -> None:
    data, path = data_file(tmp_path, 100), tmp_path / "mlp.npz"
    found = printed("compose", "digits-mlp", "--data", data, "-o", path)
    assert found["evaluation"] is None
    assert found["labelled"]
    shown = printed("compose", path, "--data", data)
    assert shown["evaluation"]["images"] == 100
    assert shown["evaluation"]["accuracy"] > 0.9
    assert shown["evaluation"]["known"] == 100
    assert printed("compose", path)["evaluation"]["known"] == 0  # its own test images
    table = command("compose", path, "--data", data).stdout
    assert "composed with 100 of these, which may flatter it; bring other images" in " ".join(table.split())


def test_without_labels_the_networks_own_classes_count(tmp_path: Path) -> None:
    found = printed("compose", "digits-mlp", "--data", data_file(tmp_path, 100, labels=None))
    assert not found["labelled"]
    assert found["composed_for"]["held_out"]["baseline_accuracy"] == 1.0
    assert found["composed_for"]["held_out"]["accuracy"] > 0.9


def test_a_network_without_data_is_composed_on_the_photograph() -> None:
    layers = [
        Input(name="image", shape=(3, 9, 9)),
        Conv2d(name="conv", out_channels=4, window=Window.square(3, padding=1)),
        Activation(name="relu", function="relu"),
        Conv2d(name="second", out_channels=4, window=Window.square(1)),
        Add(name="add", inputs=("second", "relu")),
        GlobalAvgPool(name="pool"),
        Linear(name="fc", out_features=3),
    ]
    parameters = random_parameters(Network("net", layers), np.random.default_rng(0))
    report = imcsim.compose_workload(Network("net", layers, lambda: parameters))
    assert "photograph" in report.composition.data
    assert len(report.composition.known) == COMPOSING_IMAGES
    assert [block.kind for block in report.blocks] == ["matrix", "matrix", "add", "avgpool", "matrix"]
    assert report.evaluation is None


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["digits-mpl"], "no workload is called 'digits-mpl'; did you mean 'digits-mlp'?"),
        (
            ["digits-mlp", "--weights", "5"],
            f"weights must be one of {SIZES} clusters, got 5",
        ),
        (
            ["digits-mlp", "--inputs", "-4"],
            f"inputs must be one of {SIZES} clusters, got -4",
        ),
        (
            ["digits-mlp", "--weights", "0"],
            f"weights must be one of {SIZES} clusters, got 0",
        ),
        (["digits-mlp", "--bits", "12"], "bits must be one of 8, 16, 32 bit, got 12"),
        (["digits-mlp", "--retrain", "-1"], "rounds of retraining must be at least 0, got -1"),
        (["digits-mlp", "-o", "a.bin"], "a composition must be called FILE.npz, got a.bin; rename it"),
        (
            ["resnet20", "--retrain", "1"],
            "images has no labels to retrain resnet20 by; add an array 'labels', or leave retraining out",
        ),
    ],
)
def test_what_cannot_be_is_refused(args: list[str], message: str) -> None:
    assert refusal("compose", *args) == message


def test_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "mlp.npz"
    imcsim.compose_workload("digits-mlp", path, weights=8, inputs=8, data=data_file(tmp_path, 20))
    again = refusal("compose", path, "-o", tmp_path / "b.npz")
    assert again.endswith(
        "is composed already: it can be shown, but not be written or retrained; compose its network anew"
    )
    assert refusal("compose", path, "--weights", "16") == (
        f"{path}: weights must be one of 4, 8 clusters, got 16; see --weights, --inputs and --bits"
    )
    few = refusal("compose", "digits-mlp", "--data", data_file(tmp_path, 4))
    assert few == "data.npz holds 4 images, but one in 5 is held out to estimate errors; bring 5 or more"
    wide = refusal("compose", "digits-mlp", "--data", data_file(tmp_path, 20, inputs=np.ones((20, 7))))
    assert "digits-mlp takes images of shape (1, 8, 8)" in wide
    classes = refusal(
        "compose", "digits-mlp", "--data", data_file(tmp_path, 20, labels=np.arange(20)), "--retrain", "1"
    )
    assert classes == "data.npz has labels up to 19, but digits-mlp tells 10 classes; give labels below 10"
    missing = refusal("compose", tmp_path / "none.npz")
    assert missing.startswith("cannot read")


def test_only_compositions_are_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, data = tmp_path / "mlp.npz", data_file(tmp_path, 20)
    imcsim.compose_workload("digits-mlp", path, weights=8, inputs=8, data=data)
    imcsim.compose_workload("digits-mlp", path, weights=4, inputs=4, data=data)
    assert read_composition(path).clusters == (4, 4)
    (tmp_path / "link.npz").symlink_to(data)
    (tmp_path / "text.npz").write_text("mine")
    before = {name: (tmp_path / name).read_bytes() for name in ("data.npz", "text.npz")}

    def begun(*anything: object) -> None:
        raise AssertionError("composing was begun")

    monkeypatch.setattr("imcsim.composed_workload.compose", begun)
    for name in ("data.npz", "link.npz", "text.npz"):
        found = refusal("compose", "digits-mlp", "--data", data, "-o", tmp_path / name)
        assert found == (
            f"cannot write {tmp_path / name}: it is there, and no composition, so it is left alone; "
            "choose another name, or remove it first"
        )
    (tmp_path / "folder.npz").mkdir()
    assert "it is a folder" in refusal("compose", "digits-mlp", "-o", tmp_path / "folder.npz")
    assert refusal("compose", "digits-mlp", "-o", "/proc/foo.npz").startswith("cannot write /proc/foo.npz: ")
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_more_codes_than_rows_are_told_of_where_they_are_composed_and_where_they_are_run(
    tmp_path: Path,
) -> None:
    path, data = tmp_path / "mlp.npz", data_file(tmp_path, 60)
    output = command("compose", "digits-mlp", "--data", data, "--inputs", "128", "-o", path).stdout
    assert "on rapidnn: --set rna.encoding.rows=128, as its memories have 64 rows" in " ".join(output.split())
    found = refusal("run", path, "--arch", "rapidnn")
    assert found.startswith(
        f"{path}: rapidnn is inconsistent: has 128 codes of inputs, but a memory of 64 rows"
    )
    run = printed("run", path, "--arch", "rapidnn", "--set", "rna.encoding.rows=128")
    assert run["outputs_match_golden"]
    assert "to run" not in command("compose", path, "--inputs", "64").stdout


def test_composing_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kmeans1d", None)
    with pytest.raises(ConfigError, match=r"needs the kmeans1d package .* pip install 'imcsim\[compose\]'"):
        imcsim.compose_workload("digits-mlp")
