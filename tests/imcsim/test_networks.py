"""Known networks with their real shapes on the pipelined machine: laws hold, outputs are golden."""

from pathlib import Path

import numpy as np
import pytest

import imcsim

SMALL = ("resnet20", "resnet32", "resnet32-ibm", "densenet121-cifar100", "cifar10-cnn", "cifar100-cnn")
VECTORS = ("mnist-mlp", "isolet-mlp", "har-mlp")
LARGE = (
    "resnet18",
    "resnet34",
    "resnet50",
    "vgg16",
    "densenet121",
    "resnet18-cifar100",
    "resnet34-cifar100",
    "alexnet",
    "googlenet",
    "mobilenet-v2",
)


@pytest.mark.parametrize("name", [*SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)])
def test_a_network_runs_with_golden_outputs(name: str) -> None:
    run = imcsim.run(name, arch="dataflow", settings=["detail=group"])
    assert run.summary["outputs_match_golden"] is True
    assert run.summary["inputs"].startswith("first 1 of photo")
    assert run.outputs is not None
    assert len(set(run.outputs.ravel().tolist())) > 1


@pytest.mark.parametrize("name", VECTORS)
def test_a_network_of_vectors_takes_noise_or_a_users_own(name: str, tmp_path: Path) -> None:
    own = imcsim.run(name, arch="dataflow")
    assert own.summary["outputs_match_golden"] is True
    assert own.summary["inputs"] == "seeded noise, seed 0"
    features = {"mnist-mlp": 784, "isolet-mlp": 617, "har-mlp": 561}[name]
    inputs = np.random.default_rng(0).random((3, features), dtype=np.float32)
    np.savez(tmp_path / "given.npz", inputs=inputs, labels=np.zeros(3, np.int64))
    given = imcsim.run(name, arch="isaac", data=tmp_path / "given.npz", images=3)
    assert given.summary["outputs_match_golden"] is True
    assert given.summary["inputs"].startswith("first 3 of given.npz")
    assert given.summary["accuracy"] is not None


@pytest.mark.parametrize(("columns_per_weight", "arrays"), [(1, 422), (4, 1_595), (8, 3_190)])
def test_resnet50_takes_as_many_arrays_as_its_weights_are_sliced(
    columns_per_weight: int, arrays: int
) -> None:
    placed = imcsim.map_workload(
        "resnet50", arch="dataflow", settings=[f"columns_per_weight={columns_per_weight}"]
    )
    assert sum(row.arrays for row in placed.rows) == arrays


@pytest.mark.slow
def test_resnet50_takes_equal_cycles_with_every_array_a_process_and_in_lock_step() -> None:
    each, together = (
        imcsim.run(
            "resnet50", arch="dataflow", values="off", settings=["columns_per_weight=8", f"detail={detail}"]
        ).summary
        for detail in ("array", "group")
    )
    assert each["cycles"] == together["cycles"]
    assert each["energy_j"]["total"] == pytest.approx(together["energy_j"]["total"], rel=1e-12)
    assert each["units"] - together["units"] == 3_190 - 54
