"""Runs that train: their summary, their files, their data, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import imcsim
from imcsim.training_run import training_inputs
from simcore.errors import WorkloadError
from tests.imcsim.command_bench import command, printed, refusal
from tests.workloads.training.chains import digits, mlp
from workloads import Dataset, Network, accuracy, float_outputs, lower, networks
from workloads.zoo.catalogue import read_parameters

TRAIN = ("run", "digits-mlp", "--arch", "pipelayer", "--set", "mode=training")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("runs") / "trained"
    return folder, printed(*TRAIN, "--images", "640", "--out", folder)


def test_over_twenty_batches_the_loss_halves_and_all_equals_the_reference(
    saved: tuple[Path, dict[str, Any]],
) -> None:
    _, summary = saved
    training = summary["training"]
    assert summary["outputs_match_golden"] is True
    assert (training["batch"], training["batches"]) == (32, 20)
    assert training["beats"] == 20 * (2 * 3 + 32 + 1)
    assert len(training["loss"]) == len(training["update_cycles"]) == 20
    assert training["loss"][-1] < training["loss"][0] / 2
    assert summary["cycles"] == np.ceil(training["update_cycles"][-1])
    for which in ("accuracy", "unseen_accuracy"):
        assert training[which]["after"] > training[which]["before"] + 0.4
    assert training["images_held"]["fc1"] == {"most": 5, "room": 5}
    assert training["images_per_s"] == pytest.approx(640 / summary["time_s"])
    assert summary["accuracy"] == summary["golden_accuracy"]
    assert summary["macs"] == 2 * 64 * 64 + 3 * (64 * 32 + 32 * 10)


def test_trained_weights_lie_beside_the_run_and_are_a_network_of_their_own(
    saved: tuple[Path, dict[str, Any]],
) -> None:
    folder, summary = saved
    parameters = read_parameters(folder / "weights.npz")
    network = Network("trained", networks["digits-mlp"]().layers.values(), parameters=lambda: parameters)
    unseen, labels = digits(360, "digits")
    told = accuracy(float_outputs(lower(network), network.load_parameters(), unseen), labels)
    assert told == pytest.approx(summary["training"]["unseen_accuracy"]["after"], abs=0.02)
    run = imcsim.run(network, arch="pipelayer", images=1)
    assert run.summary["outputs_match_golden"] is True
    back = imcsim.read_run(folder)
    assert back.parameters is not None
    assert {name: set(arrays) for name, arrays in back.parameters.items()} == {
        name: {"weight", "bias"} for name in ("fc1", "fc2", "fc3")
    }


def test_a_run_that_trained_is_repeated_by_its_configuration(saved: tuple[Path, dict[str, Any]]) -> None:
    folder, summary = saved
    assert printed("run", folder / "config.yaml")["fingerprint"] == summary["fingerprint"]


def test_the_fingerprint_knows_the_last_update() -> None:
    """A batch of all images: outputs are those of the start, weights are not."""
    rates = (0, 1)
    runs = [printed(*TRAIN, "--images", "8", "--set", f"training.learning_rate_shift={r}") for r in rates]
    plain, other = (run["training"] for run in runs)
    assert plain["loss"] == other["loss"]
    assert plain["accuracy"]["before"] == other["accuracy"]["before"]
    assert runs[0]["fingerprint"] != runs[1]["fingerprint"]


def test_without_values_there_are_beats_but_no_losses(tmp_path: Path) -> None:
    options = ("--values", "off", "--images", "64")
    summary = printed(*TRAIN, *options, "--out", tmp_path / "run")
    training = summary["training"]
    assert training["beats"] == 2 * (2 * 3 + 32 + 1)
    assert {training[name] for name in ("loss", "accuracy", "unseen_accuracy")} == {None}
    assert not (tmp_path / "run" / "weights.npz").exists()
    assert summary["outputs_match_golden"] is None


def test_the_report_tells_losses_and_what_was_learned() -> None:
    text = command(*TRAIN, "--images", "32").stdout
    for told in ("1 batch of 32 in 39 beats", "in the first batch", "right before", "unseen"):
        assert told in text
    assert "and weights equal the golden reference" in text


def test_a_network_without_weights_trains_on_a_file_with_labels(tmp_path: Path) -> None:
    inputs, labels = digits(12)
    path = tmp_path / "mine.npz"
    np.savez(path, inputs=inputs, labels=labels)
    run = imcsim.run(
        mlp([12, 10]),
        arch="pipelayer",
        images=12,
        values="ideal",
        data=path,
        settings=["mode=training", "training.batch=6"],
    )
    assert run.summary["outputs_match_golden"] is True
    assert run.summary["inputs"] == f"first 12 of mine.npz: read from {path}"
    assert run.summary["training"]["unseen_accuracy"] is None
    np.savez(path, inputs=inputs)
    assert "training needs labels, but mine.npz holds none" in refusal(*TRAIN, "--data", path)


def test_what_cannot_be_trained_on_is_refused_with_a_remedy() -> None:
    network = mlp([10])
    with pytest.raises(WorkloadError, match=r"chain brings none; give it --data FILE\.npz"):
        training_inputs(network, 1, None)
    inputs, labels = digits(3)
    few = Dataset("few", inputs, labels, "three digits")
    with pytest.raises(WorkloadError, match="few holds 3 images, got --images 4"):
        training_inputs(network, 4, few)
    other = Dataset("other", inputs[:, :, :4], labels, "halves")
    with pytest.raises(WorkloadError, match=r"takes images of shape \(1, 8, 8\)"):
        training_inputs(network, 1, other)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--values", "device"), "values must be ideal or off where pipelayer trains"),
        (("--images", "1438"), "digits-train holds 1437 images"),
        (("--set", "weight_bits=8"), "mode training computes with 16"),
        (("--set", "training.batch=0"), "training.batch"),
        (("--values", "off", "--fast-forward"), "leave out --fast-forward"),
    ],
)
def test_options_that_do_not_go_with_training_are_refused(options: tuple[str, ...], told: str) -> None:
    assert told in refusal(*TRAIN, *options)


def test_a_network_that_cannot_be_trained_is_refused_by_the_layer_in_the_way() -> None:
    told = refusal("run", "digits-cnn", *TRAIN[2:])
    assert "digits-cnn.conv1-norm is a BatchNorm" in told


def test_maps_show_the_arrays_of_the_way_back() -> None:
    placed = printed("map", *TRAIN[1:])
    stages = [row["stage"] for row in placed["stages"] if row["stage"].startswith("fc2")]
    assert stages == ["fc2", "fc2.error", "fc2.gradient"]
