"""Compositions as workloads: files that hold tables, on machines that compute on them and on others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import imcsim
from imcsim.composed_workload import compose_workload
from imcsim.inputs import COMPOSING_IMAGES, composing_data
from simcore import ConfigError, FileError, WorkloadError
from traces import read_composition
from workloads import Network, datasets, networks
from workloads.composition import ComposedReference


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("composed") / "mlp.npz"
    compose_workload("digits-mlp", path, weights=16, inputs=32)
    return path


def test_a_run_of_a_composition_is_one_of_its_tables(file: Path) -> None:
    run = imcsim.run(file, "rapidnn", images=20)
    reference = ComposedReference(read_composition(file).at())
    assert run.quantised is not None
    assert np.array_equal(run.quantised, reference.outputs(datasets["digits"]().inputs[:20]))
    assert run.summary["values"] == "ideal"
    assert run.summary["outputs_match_golden"]
    assert run.summary["float_accuracy"] is None  # of its weights nothing is known but tables
    assert run.config.machine["clusters"] == {"weights": 16, "inputs": 32}
    assert run.config.machine["bits"] == 16


def test_levels_that_it_has_may_be_asked_for_and_no_others(file: Path) -> None:
    settings = ["clusters.weights=4", "clusters.inputs=8", "bits=32"]
    run = imcsim.run(file, "rapidnn", images=5, settings=settings)
    reference = ComposedReference(read_composition(file).at(4, 8, 32))
    assert run.quantised is not None
    assert np.array_equal(run.quantised, reference.outputs(datasets["digits"]().inputs[:5]))
    told = r"mlp.npz: weights must be one of 4, 8, 16 clusters, got 64; see clusters.weights, clusters.inputs"
    with pytest.raises(ConfigError, match=told):
        imcsim.run(file, "rapidnn", settings=["clusters.weights=64"])


def test_without_values_a_run_has_the_levels_of_the_file(file: Path) -> None:
    composed = imcsim.run(file, "rapidnn", values="off").summary
    network = imcsim.run(
        "digits-mlp",
        "rapidnn",
        values="off",
        settings=["clusters.weights=16", "clusters.inputs=32", "bits=16"],
    ).summary
    assert composed["fingerprint"] == network["fingerprint"]


def test_a_run_directory_of_a_composition_repeats_it(file: Path, tmp_path: Path) -> None:
    first = imcsim.run(file, "rapidnn", images=2, out=tmp_path / "run")
    again = imcsim.run(tmp_path / "run" / "config.yaml")
    assert again.summary["fingerprint"] == first.summary["fingerprint"]


def test_machines_without_tables_run_its_structure(file: Path) -> None:
    summary = imcsim.run(file, "isaac").summary
    assert summary["values"] == "off"
    assert summary["notes"] == ["the workload brings no weights, so no values can be computed"]


def test_tables_are_no_values_to_machines_that_do_not_read_them(file: Path) -> None:
    told = r"is a composition, which says nothing to isaac; run it without values, on rapidnn, or the network"
    with pytest.raises(WorkloadError, match=told):
        imcsim.run(file, "isaac", values="ideal")


def test_other_arrays_are_no_compositions(tmp_path: Path) -> None:
    np.savez(tmp_path / "images.npz", inputs=np.zeros((1, 1, 8, 8), np.float32))
    with pytest.raises(FileError, match=r"is no composition and no basis: its array 'about' is not there"):
        imcsim.run(tmp_path / "images.npz", "rapidnn")


def test_data_of_a_run_do_not_change_what_a_network_is_composed_with(tmp_path: Path) -> None:
    images = datasets["digits"]().inputs[:10]
    np.savez(tmp_path / "some.npz", inputs=images)
    summary = imcsim.run("digits-mlp", "rapidnn", images=10, data=tmp_path / "some.npz").summary
    own = imcsim.run("digits-mlp", "rapidnn", images=10).summary
    assert summary["fingerprint"] == own["fingerprint"]


def test_a_run_tells_of_images_that_the_network_was_composed_with(file: Path, tmp_path: Path) -> None:
    test, training = (datasets[name]() for name in ("digits", "digits-train"))
    images = np.concatenate([test.inputs[:6], training.inputs[:4]])
    np.savez(tmp_path / "mixed.npz", inputs=images, labels=np.arange(10))
    note = (
        "the network was made with {} of the {} images, which may flatter its accuracy; "
        "bring other images to judge it by"
    )
    for workload in (file, "digits-mlp"):
        found = imcsim.run(workload, "rapidnn", images=10, data=tmp_path / "mixed.npz").summary
        assert found["notes"] == [note.format(4, 10)]
        assert imcsim.run(workload, "rapidnn", images=6, data=tmp_path / "mixed.npz").summary["notes"] == []
    np.savez(tmp_path / "unlabelled.npz", inputs=images)
    assert not imcsim.run(file, "rapidnn", images=10, data=tmp_path / "unlabelled.npz").summary["notes"]


def net(dataset: str | None) -> Network:
    """Return a network of the digits' shape that names some data."""
    known = networks["digits-mlp"]()
    return Network("net", list(known.layers.values()), known.load_parameters, dataset=dataset)


def test_images_to_compose_with_are_given_or_for_training_or_of_the_run_or_made() -> None:
    given, of_run = (datasets["digits-train"]().first(count) for count in (7, 9))
    known = net("digits")
    assert composing_data(known, given, of_run) is given
    assert len(composing_data(known, None, of_run)) == len(datasets["digits-train"]())
    assert composing_data(net(None), None, of_run) is of_run
    assert len(composing_data(net(None))) == COMPOSING_IMAGES


def test_no_network_is_composed_with_the_images_that_it_is_tested_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """One with test images only gets made ones, from both commands the same."""
    monkeypatch.setitem(datasets._entries, "only-tests", datasets["digits"])
    run = imcsim.run(net("only-tests"), "rapidnn", images=10)
    composed = compose_workload(net("only-tests")).composition
    assert run.summary["notes"] == []
    assert not composed.known_among(datasets["digits"]().inputs)
    assert len(composed.known) == COMPOSING_IMAGES
    assert run.quantised is not None
    reference = ComposedReference(composed.at())
    assert np.array_equal(run.quantised, reference.outputs(datasets["digits"]().inputs[:10]))


def test_machines_that_need_weights_are_not_compared_on_tables(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def begun(*request: object) -> None:
        raise AssertionError("a run was begun")

    monkeypatch.setattr("imcsim.comparison.simulate_request", begun)
    with pytest.raises(WorkloadError, match="is a composition, which says nothing to isaac; compare"):
        imcsim.compare([file], ["rapidnn", "isaac"], values="ideal")
    monkeypatch.undo()
    found = imcsim.compare([file], ["rapidnn"], values="ideal").rows[0]
    assert found.fingerprint == imcsim.run(file, "rapidnn", images=2).summary["fingerprint"]
