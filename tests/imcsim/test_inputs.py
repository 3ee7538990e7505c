from __future__ import annotations

import numpy as np
import pytest

from imcsim.inputs import CALIBRATION_IMAGES, run_inputs
from workloads import Embedding, Input, Linear, Network, Shape, networks


def network(shape: Shape) -> Network:
    return Network("net", [Input(name="image", shape=shape), Linear(name="fc", out_features=2)])


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 5, 9), (7, 2, 2), (3, 224, 224)])
def test_network_that_takes_pictures_gets_the_photograph_whatever_the_seed(shape: Shape) -> None:
    inputs = run_inputs(network(shape), 2, seed=1, data=None)
    again = run_inputs(network(shape), 20, seed=2, data=None)
    assert inputs.inputs.shape == (2, *shape)
    assert np.array_equal(inputs.inputs, again.inputs[:2])
    assert np.array_equal(inputs.calibration, again.inputs[:CALIBRATION_IMAGES])
    assert np.array_equal(inputs.calibration, again.calibration)
    assert inputs.labels is None
    assert inputs.origin == "first 2 of photo: seeded crops of the shipped photograph china.jpg, CC BY 2.0"


@pytest.mark.parametrize("shape", [(12, 1, 1), (3, 1, 9)])
def test_network_that_takes_no_picture_gets_noise(shape: Shape) -> None:
    inputs = run_inputs(network(shape), 20, seed=4, data=None)
    assert inputs.origin == "seeded noise, seed 4"
    assert inputs.inputs.shape == (20, *shape)
    assert len(inputs.calibration) == CALIBRATION_IMAGES


def test_network_of_token_ids_gets_seeded_ones_of_its_vocabulary() -> None:
    layers = [Input(name="ids", shape=(1, 40, 1)), Embedding(name="embed", entries=5, features=2)]
    inputs = run_inputs(Network("net", layers), 3, seed=4, data=None)
    again = run_inputs(Network("net", layers), 20, seed=4, data=None)
    assert inputs.origin == "seeded token ids below 5, seed 4"
    assert inputs.inputs.shape == (3, 1, 40, 1)
    assert set(inputs.inputs.ravel().tolist()) == {0.0, 1.0, 2.0, 3.0, 4.0}
    assert np.array_equal(inputs.inputs, again.inputs[:3])
    other = run_inputs(Network("net", layers), 3, seed=5, data=None)
    assert not np.array_equal(inputs.inputs, other.inputs)


def test_network_with_seeded_weights_runs_on_the_photograph() -> None:
    resnet = networks["resnet20"]()
    assert resnet.dataset == "photo"
    assert run_inputs(resnet, 1, seed=0, data=None).origin.startswith("first 1 of photo")
