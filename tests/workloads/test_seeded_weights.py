from __future__ import annotations

import math
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from tests.workloads.seeded_check import check
from workloads import (
    BatchNorm,
    Input,
    Linear,
    Network,
    lower,
    networks,
)
from workloads.zoo import seeded_weights
from workloads.zoo.seeded_weights import SeededNetwork

ROOT = Path(__file__).parents[2]
#: They are run in a process of their own, with the memory [MB] that it may take at most.
LARGEST = [("resnet50", 500), ("vgg16", 1200)]
SMALL = ["resnet20", "resnet32", "resnet32-ibm", "cifar10-cnn", "cifar100-cnn"]
LARGE = [
    "resnet18-cifar100",
    "densenet121-cifar100",
    "mobilenet-v2",
    "resnet34-cifar100",
    "resnet18",
    "resnet34",
    "densenet121",
    "googlenet",
    "alexnet",
]


def test_weights_are_the_same_everywhere() -> None:
    """Whole numbers, one rounding to single precision each: a digest is the same on every machine."""
    weights = networks["resnet20"]().load_parameters()
    assert digest(weights["stage3-block1-conv1"]["weight"]) == "3ae2424de2657a5e"
    assert digest(weights["fc"]["weight"]) == "cb4fe8b7fc7dddc6"


def digest(array: np.ndarray) -> str:
    return sha256(array.astype("<f4").tobytes()).hexdigest()[:16]


def test_layers_draw_alone_and_the_same_at_each_reading() -> None:
    weights = networks["resnet20"]().load_parameters()
    first = weights["fc"]["weight"]
    assert first is not weights["fc"]["weight"]
    assert np.array_equal(first, weights["fc"]["weight"])
    other = networks["resnet32"]().load_parameters()["fc"]["weight"]
    assert first.shape == other.shape
    assert not np.array_equal(first, other)


def test_weights_fit_the_layers_and_are_finite() -> None:
    network = networks["mobilenet-v2"]()
    weights = network.load_parameters()
    checked = Network("copy", network.layers.values(), parameters=lambda: weights).load_parameters()
    assert set(checked) == set(network.parameter_shapes)
    assert len(weights) == len(network.parameter_shapes)
    assert all(array.dtype == np.float32 for own in weights.values() for array in own.values())
    assert all(
        (weights[n]["running_var"] > 0.0).all()
        for n, layer in network.layers.items()
        if isinstance(layer, BatchNorm)
    )


def test_filters_are_scaled_to_what_they_read() -> None:
    layers = [Input(name="image", shape=(3, 1, 1)), Linear(name="fc", out_features=40_001)]
    weight = SeededNetwork("net", layers).load_parameters()["fc"]["weight"]
    assert math.isclose(weight.std(), 1.0 / math.sqrt(3.0), rel_tol=0.01)
    assert abs(weight.mean()) < 0.01
    assert weight.max() <= 3.46 / math.sqrt(3.0)


def test_structure_alone_draws_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(*_: object) -> None:
        raise AssertionError("drew a weight")

    monkeypatch.setattr(seeded_weights, "WeightStream", draw)
    network = networks["vgg16"]()
    assert network.has_parameters
    assert lower(network).macs == network.macs
    assert network.parameter_count == 138_357_544
    assert len(network.load_parameters()) == 16


@pytest.mark.parametrize("name", SMALL)
def test_reals_keep_a_sensible_range_and_integers_follow_them(name: str) -> None:
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_reals_of_large_networks_keep_a_sensible_range_and_integers_follow_them(name: str) -> None:
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "limit_mb"), LARGEST)
def test_the_largest_do_so_in_bounded_memory_however_many_images_calibrate(name: str, limit_mb: int) -> None:
    code = f"""
from pathlib import Path
from tests.workloads.seeded_check import check
check({name!r}, calibration_images=16)
# unlike getrusage's, this peak does not begin with the parent's
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert int(run.stdout) / 1024 < limit_mb


@pytest.mark.parametrize(
    ("layer", "kept"),
    [("stage4-block1-expand", 1.0), ("stage4-block1-project", 0.5), ("stage4-block1-depthwise", 1.0)],
)
def test_filters_behind_a_relu_lose_half_of_their_mean_unless_depthwise(layer: str, kept: float) -> None:
    weight = networks["mobilenet-v2"]().load_parameters()[layer]["weight"]
    filters = weight.reshape(len(weight), -1)
    spread = filters.mean(axis=1).std() * math.sqrt(filters.shape[1]) / filters.std()
    assert math.isclose(spread, kept, rel_tol=0.25)
