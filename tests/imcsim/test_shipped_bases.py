"""Networks trained into a basis that come with the simulator: how large, how sparse, how well they do."""

from __future__ import annotations

import numpy as np
import pytest

import imcsim
from imcsim.inputs import CALIBRATION_IMAGES
from tests.imcsim.command_bench import printed, refusal
from traces import prepared_networks
from workloads import datasets, float_outputs, golden_outputs, lower, networks
from workloads.basis import BasisFit

NAMES = ["digits-cnn", "digits-resnet"]

#: Of 360 test images those that are right: before, and in integers; as docs/basis-training.md has it.
RIGHT = {"digits-cnn": (359, 359), "digits-resnet": (360, 359)}
#: Kernel slices with 0, 1, ... coefficients that are not zero.
HISTOGRAMS = {"digits-cnn": [8, 20, 37, 48, 115], "digits-resnet": [6, 28, 40, 71, 169]}
#: Kernels that use the busiest vector of each layer's slices.
LOADS = {"digits-cnn": [5, 5, 5, 3], "digits-resnet": [4, 5, 5, 6, 6, 4, 3]}
#: Weights, each of which would take a cell or more.
WEIGHTS = {"digits-cnn": 15_248, "digits-resnet": 19_408}


def fit_of(name: str) -> BasisFit:
    fit = prepared_networks[f"{name}-basis"]()
    assert isinstance(fit, BasisFit)
    return fit


def right(outputs: np.ndarray) -> int:
    labels = datasets["digits"]().labels
    return int(np.count_nonzero(outputs.reshape(360, -1).argmax(axis=1) == labels))


@pytest.mark.parametrize("name", NAMES)
def test_integers_do_as_well_as_the_network_within_a_point(name: str) -> None:
    network, inputs = networks[name](), datasets["digits"]().inputs
    before = right(float_outputs(lower(network), network.load_parameters(), inputs))
    quantized = fit_of(name).quantized(inputs[:CALIBRATION_IMAGES])
    found = right(golden_outputs(quantized, inputs))
    assert (before, found) == RIGHT[name]
    assert before - found <= 3.6


@pytest.mark.parametrize("name", NAMES)
def test_one_small_basis_is_shared_by_all_layers(name: str) -> None:
    fit = fit_of(name)
    assert list(fit.layers) == [node.name for node in lower(networks[name]()).nodes if hasattr(node, "cols")]
    assert fit.basis.vectors.shape == (32, 72)
    assert np.abs(fit.basis.vectors).max() <= 7
    weights = sum(
        array.size
        for own in networks[name]().load_parameters().values()
        for parameter, array in own.items()
        if parameter == "weight" and array.ndim > 1
    )
    assert weights == WEIGHTS[name]
    assert fit.basis.vectors.size * 6 < weights
    used = [layer.coefficients.values.any(axis=(0, 1)) for layer in fit.layers.values()]
    assert np.logical_or.reduce(used).all()  # no vector is idle
    assert (np.sum(used, axis=0) >= 2).all()  # nor is one a layer's own


@pytest.mark.parametrize("name", NAMES)
def test_coefficients_are_as_few_and_as_small_as_stated(name: str) -> None:
    fit = fit_of(name)
    assert fit.bits == 4
    for layer in fit.layers.values():
        values = layer.coefficients.values
        assert -8 <= values.min() < 0 < values.max() <= 7
    assert fit.histogram.tolist() == HISTOGRAMS[name]
    assert [int(layer.loads().max()) for layer in fit.layers.values()] == LOADS[name]


def test_they_are_workloads_by_name_and_shown_as_files_are() -> None:
    run = imcsim.run("digits-cnn-basis", arch="dataflow", images=4)
    assert run.summary["workload"] == "digits-cnn-basis"
    assert run.summary["outputs_match_golden"]
    assert run.summary["macs"] == networks["digits-cnn"]().macs
    shown = printed("fit-basis", "digits-resnet-basis")
    assert (shown["vectors"], shown["rows"]) == (32, 72)
    assert shown["evaluation"]["known"] == 0
    assert "is fitted already" in refusal("fit-basis", "digits-cnn-basis", "--bits", "3")
    assert refusal("run", "digits-cnn-bases", "--arch", "dataflow").endswith(
        "did you mean 'digits-cnn-basis'?"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_machine_of_bases_does_as_well_in_the_timed_run(name: str) -> None:
    run = imcsim.run(f"{name}-basis", arch="basisn", images=360)
    assert run.summary["outputs_match_golden"] is True
    assert run.outputs is not None
    assert right(run.outputs) == RIGHT[name][1]
    timed = imcsim.run(f"{name}-basis", arch="basisn", images=360, values="off")
    assert run.summary["cycles"] == timed.summary["cycles"]
