"""`imcsim fit-basis`: what it writes is what it shows, and a workload of any machine."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import imcsim
from simcore import SimError
from tests.imcsim.command_bench import command, printed, refusal
from traces import read_basis, write_basis
from workloads import Dataset, Network, datasets, float_outputs, golden_outputs, lower, networks, quantize
from workloads.basis import BasisFit
from workloads.basis.basis_options import TrainingOptions

IN, CHOOSE = "must be in", "choose such"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fitted") / "cnn.npz"
    imcsim.fit_workload("digits-cnn", path, rounds=3)
    return path


def test_what_is_written_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "cnn.npz"
    options = "--rows 64 --vectors 100 --vector-bits 5 --bits 3 --nonzeros 4 --spread 0.01 --rounds 2"
    found = printed("fit-basis", "digits-cnn", "-o", path, *options.split())
    assert (found["rows"], found["vectors"], found["vector_bits"], found["bits"]) == (64, 100, 5, 3)
    assert found["kernel_slices"] == sum(found["nonzeros_histogram"]) == 16 + 3 * 32 + 5 * 32 + 2 * 10
    assert len(found["nonzeros_histogram"]) <= 5
    assert [layer["slices"] for layer in found["layers"]] == [1, 3, 5, 2]
    assert [len(layer["largest_loads"]) for layer in found["layers"]] == [1, 3, 5, 2]
    assert found["evaluation"]["images"] == 360
    assert found["evaluation"]["baseline_accuracy"] > 0.99
    shown = printed("fit-basis", path)
    assert shown["evaluation"].pop("baseline_accuracy") is None  # of the weights before nothing is known
    found["evaluation"].pop("baseline_accuracy")
    assert shown == found


def test_the_table_tells_of_errors_accuracy_and_loads() -> None:
    result = command("fit-basis", "digits-resnet", "--rounds", "1")
    assert result.exit_code == 0
    assert result.stderr == ""
    text = " ".join(result.stdout.split())
    for words in ("128 vectors of 128 elements of 4 bit", "kernel slices 282", "100.00% before", "largest"):
        assert words in text
    assert "…" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert all(f"\n{name} " in result.stdout for name in ("stem", "block2-project", "fc"))


def test_images_that_it_was_trained_with_are_told_of(file: Path, tmp_path: Path) -> None:
    known = np.unique(datasets["digits"]().digests[:7])
    write_basis(tmp_path / "known.npz", replace(read_basis(file), known=known))
    assert printed("fit-basis", tmp_path / "known.npz")["evaluation"]["known"] == 7
    table = " ".join(command("fit-basis", tmp_path / "known.npz").stdout.split())
    assert "trained with 7 of these, which may flatter it; bring other images" in table


def test_a_network_without_test_images_is_not_judged() -> None:
    assert printed("fit-basis", "resnet20", "--vectors", "16", "--rounds", "0")["evaluation"] is None


def test_machines_that_read_no_bases_compute_on_the_weights_that_it_amounts_to(file: Path) -> None:
    images = datasets["digits"]().inputs
    fit = read_basis(file)
    run = imcsim.run(file, "dataflow", images=6)
    expected = quantize(fit.lowered, fit.network.load_parameters(), images[:16])
    assert run.quantised is not None
    assert np.array_equal(run.quantised, golden_outputs(expected, images[:6]))
    assert run.summary["outputs_match_golden"]
    real = float_outputs(fit.lowered, fit.network.load_parameters(), images)
    own = networks["digits-cnn"]()
    before = float_outputs(lower(own), own.load_parameters(), images)
    assert not np.allclose(real, before)
    off = [imcsim.run(w, "isaac", values="off").summary["fingerprint"] for w in (file, "digits-cnn")]
    assert off[0] == off[1]  # the same graph takes the same time


def test_a_run_directory_of_a_basis_repeats_it(file: Path, tmp_path: Path) -> None:
    first = imcsim.run(file, "dataflow", images=2, out=tmp_path / "run")
    again = imcsim.run(tmp_path / "run" / "config.yaml")
    assert again.summary["fingerprint"] == first.summary["fingerprint"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["digits-cn"], "no workload is called 'digits-cn'; did you mean 'digits-cnn'?"),
        (["digits-cnn", "--bits", "9"], f"bits of a basis (--bits) {IN} [2, 8], got 9; {CHOOSE}"),
        (["digits-cnn", "--rows", "0"], f"rows of a basis (--rows) {IN} [1, 4096], got 0; {CHOOSE}"),
        (
            ["digits-cnn", "--vector-bits", "1"],
            f"vector bits of a basis (--vector-bits) {IN} [2, 8], got 1; {CHOOSE}",
        ),
        (
            ["digits-cnn", "--vectors", "4"],
            "nonzeros of a basis (--nonzeros) must be at most its vectors, got 8 of 4; lower --nonzeros, or "
            "raise --vectors",
        ),
        (["digits-cnn", "--spread", "2"], f"spread of a basis (--spread) {IN} [0, 1], got 2.0; {CHOOSE}"),
        ([""], "a workload must have a name, got ''; see imcsim list workloads"),
        (["digits-cnn", "-o", "a.bin"], "a basis must be called FILE.npz, got a.bin; rename it"),
    ],
)
def test_what_cannot_be_is_refused(args: list[str], message: str) -> None:
    assert refusal("fit-basis", *args) == message


def test_networks_without_weights_and_files_of_other_kinds_are_refused(file: Path, tmp_path: Path) -> None:
    assert command("trace", "capture", "digits-cnn", "-o", tmp_path / "bare.jsonl").exit_code == 0
    assert refusal("fit-basis", tmp_path / "bare.jsonl") == (
        "digits-cnn is structure only, so it has no weights to fit; give it some, as trace capture --tensors "
        "writes them beside a trace"
    )
    composed = tmp_path / "composed.npz"
    imcsim.compose_workload("digits-mlp", composed, weights=4, inputs=4)
    assert refusal("fit-basis", composed) == (
        f"{composed} is a composition and no basis; imcsim fit-basis takes the network that it was made "
        "from, or a basis"
    )
    assert refusal("compose", file) == (
        f"{file} is a basis and no composition; imcsim compose takes the network that it was made from, or a "
        "composition"
    )
    np.savez(tmp_path / "images.npz", inputs=np.zeros((1, 1, 8, 8), np.float32))
    assert refusal("fit-basis", tmp_path / "images.npz") == (
        f"{tmp_path / 'images.npz'} is no basis: it lacks the array 'about'; write one with imcsim fit-basis"
    )
    (tmp_path / "cut.npz").write_bytes(file.read_bytes()[:-99])
    for words in (("fit-basis",), ("compose",), ("run", "--arch", "basisn")):
        told = refusal(words[0], tmp_path / "cut.npz", *words[1:])
        assert told.startswith(f"{tmp_path / 'cut.npz'} is no intact .npz file: ")


def test_a_fit_is_written_before_it_is_judged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fails(*args: object) -> None:
        raise SimError("no judge")

    monkeypatch.setattr("imcsim.fitted_workload.own_data", fails)
    with pytest.raises(SimError, match="no judge"):
        imcsim.fit_workload("digits-mlp", tmp_path / "mlp.npz", rounds=0)
    assert read_basis(tmp_path / "mlp.npz").network.name == "digits-mlp"


def test_two_fits_of_a_network_are_compared_with_it_by_their_files(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.npz"
    other.write_bytes(file.read_bytes())
    found = imcsim.compare([file, "digits-cnn", other], ["dataflow"])
    assert found.workloads == ("cnn.npz", "digits-cnn", "other.npz")
    assert len({row.fingerprint for row in found.rows}) == 1
    assert imcsim.compare([file], ["dataflow"]).workloads == ("digits-cnn",)
    assert refusal("compare", file, file, "--arch", "dataflow") == (
        "workload 'cnn.npz' is given twice; leave one out, or give it another name"
    )


def test_a_trace_of_a_fit_tells_that_it_has_no_basis(file: Path, tmp_path: Path) -> None:
    trace = tmp_path / "cnn.jsonl"
    result = command("trace", "capture", file, "-o", trace, "--tensors")
    note = f"{file} is a basis, which a trace does not hold: this one is of its network alone"
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", f"note: {note}\n")
    assert note in printed("trace", "info", trace)["notes"]
    assert note in imcsim.run(trace, "dataflow", values="off").summary["notes"]
    direct, replay = (imcsim.run(each, "dataflow", images=4) for each in (file, trace))
    assert np.array_equal(direct.quantised, replay.quantised)  # type: ignore[arg-type]


def test_a_run_that_fits_on_the_spot_tells_how_close_and_how_to_keep_it(file: Path) -> None:
    (note,) = imcsim.run("digits-mlp", "basisn").summary["notes"]
    error = imcsim.fit_workload("digits-mlp").fit.error
    assert note == (
        f"digits-mlp was fitted to a basis for this run, its weights {error:.2%} off; imcsim fit-basis -o "
        "FILE.npz keeps a fit, and trains it with --train"
    )
    assert imcsim.run(file, "basisn").summary["notes"] == []
    assert imcsim.run("digits-mlp", "basisn", values="off").summary["notes"] == []


def test_files_are_shown_as_they_are(file: Path, tmp_path: Path) -> None:
    for args in (["--bits", "3"], ["--spread", "0"], ["-o", tmp_path / "b.npz"]):
        assert refusal("fit-basis", file, *args).endswith(
            "is fitted already: it can be shown, but not be written or fitted otherwise; fit its network anew"
        )
    assert refusal("fit-basis", tmp_path / "none.npz").startswith("cannot read")


def test_training_is_asked_for_with_what_it_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[float, str]] = []

    def train_fit(
        network: Network, fit: BasisFit, data: Dataset, options: TrainingOptions, *_: object
    ) -> BasisFit:
        asked.append((options.contest, data.name))
        return replace(fit, known=np.unique(data.digests), origin="trained")

    monkeypatch.setattr("workloads.basis.basis_training.check_trainable", lambda network, data: None)
    monkeypatch.setattr("workloads.basis.basis_training.train_fit", train_fit)
    quick = ("fit-basis", "digits-mlp", "--rounds", "0", "--train")
    assert printed(*quick)["origin"] == "trained"
    own = datasets["digits-train"]()
    assert own.labels is not None
    np.savez(tmp_path / "some.npz", inputs=own.inputs[:9], labels=own.labels[:9])
    path = tmp_path / "trained.npz"
    printed(*quick, "--contest", "2", "--data", tmp_path / "some.npz", "-o", path)
    assert asked == [(TrainingOptions().contest, "digits-train"), (2.0, "some.npz")]
    assert read_basis(path).known_among(own.inputs) == 9
    printed(*quick, "-o", path)
    assert read_basis(path).known_among(own.inputs) == 0  # the network itself was trained with these before


def test_training_needs_torch_and_what_is_of_it_needs_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    told = refusal("fit-basis", "digits-cnn", "--train")
    assert told.startswith("training digits-cnn needs PyTorch (")
    assert told.endswith("install it with pip install 'imcsim[train]'")
    assert refusal("fit-basis", "resnet20", "--train").startswith("images has no labels to train resnet20 by")
    for option in (("--contest", "1"), ("--data", "none.npz")):
        assert refusal("fit-basis", "digits-cnn", *option).startswith("contest and data are of training")
