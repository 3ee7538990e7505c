"""What RAPIDNN's neurons cost: counted and added by what the data are, and as expectations.

A network for MNIST, 784-512-512-10 with drawn weights, is composed once; 100 images run with values and with
times that follow from them. Times are wall seconds of the events alone.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arch import Rapidnn, RapidnnConfig, RunOptions, Values
from benchmarks.compare import Bench, benches
from benchmarks.isaac import simulated
from simcore.kernels.lookup_neuron import addend_steps, count_neurons, count_neurons_reference
from workloads import Activation, Dataset, Input, Layer, Linear, Network, lower
from workloads.composition import ComposedReference, ComposeOptions, compose

WIDTHS = (784, 512, 512, 10)
IMAGES = 100
#: Columns of the layer whose neurons are compared with their specification.
COLUMNS = 8


@cache
def _network() -> Network:
    """Return the network with drawn weights."""
    random = np.random.default_rng(0)
    layers: list[Layer] = [Input(name="image", shape=(WIDTHS[0], 1, 1))]
    parameters = {}
    for number, (inputs, outputs) in enumerate(pairwise(WIDTHS)):
        layers.append(Linear(name=f"fc{number}", out_features=outputs))
        weights = random.normal(0, inputs**-0.5, (outputs, inputs))
        parameters[f"fc{number}"] = {"weight": weights, "bias": random.normal(0, 0.1, outputs)}
        if outputs != WIDTHS[-1]:
            layers.append(Activation(name=f"relu{number}", function="relu"))
    return Network("784-512-512-10", layers, parameters=lambda: parameters)


@cache
def _values() -> Values:
    """Return the composed network, and 100 drawn images."""
    images = np.random.default_rng(1).random((IMAGES, WIDTHS[0], 1, 1), np.float32)
    composed = compose(_network(), Dataset("drawn", images, None, "drawn"), ComposeOptions()).at()
    return Values(composed, ComposedReference(composed).encode_inputs(images).astype(np.int32))


def run() -> float:
    """Return how long the events of 100 images take [s]."""
    machine = Rapidnn(RapidnnConfig())
    return machine.simulate(machine.map(lower(_network())), IMAGES, _values(), RunOptions()).outcome.wall_s


def products() -> float:
    """Return how long the same multiply-accumulates take in single precision, all images at once [s]."""
    operands = _operands()
    start = perf_counter()
    for windows, weights, out in operands:
        np.matmul(windows, weights, out=out)
    return perf_counter() - start


@cache
def _operands() -> list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]:
    random = np.random.default_rng(2)
    sizes = pairwise(WIDTHS)
    pairs = [(random.random((IMAGES, i), np.float32), random.random((i, o), np.float32)) for i, o in sizes]
    return [(windows, weights, windows @ weights) for windows, weights in pairs]


@cache
def _neurons() -> tuple[list[Any], list[Any]]:
    """Return the operands of the compiled neurons, and of their specification."""
    random = np.random.default_rng(3)
    rows, codes = WIDTHS[0], 64
    window = random.integers(1, codes + 1, rows).astype(np.int16)
    weights = random.integers(0, codes, (COLUMNS, rows)).astype(np.uint8)
    table = random.integers(-(2**12), 2**12, (1, codes, codes)).astype(np.int32)
    fullest = np.array([np.bincount(own).max() for own in weights])
    counts = np.zeros(codes**2, np.uint16)
    shared = [window, 1, weights, 1, table]
    compiled = [*shared, addend_steps(rows, True), fullest, codes, 0, 1, counts, *_results()]
    return compiled, [*shared, True, codes, 0, 1, *_results()]


def _results() -> list[NDArray[np.int64]]:
    return [np.zeros(COLUMNS, np.int64) for _ in range(3)]


def neurons() -> tuple[float, float]:
    """Return how long a layer's neurons take, compiled and as specified [s]."""
    compiled, specified = _neurons()
    start = perf_counter()
    for _ in range(100):
        count_neurons(*compiled)
    between = perf_counter()
    count_neurons_reference(*specified)
    return (between - start) / 100, perf_counter() - between


for _bench in (
    Bench(
        "rapidnn-mlp",
        "784-512-512-10 on `rapidnn`, 100 images, values, times by what is counted, against its MACs in BLAS",
        "cost",
        600,
        lambda: (run(), products()),
        rounds=3,
    ),
    Bench(
        "rapidnn-neurons",
        "neurons of 784 inputs, 64 x 64 codes: pairs counted, products added, against the specification in "
        "numpy",
        "speed-up",
        50,
        neurons,
    ),
    Bench(
        "rapidnn-vgg16",
        "VGG-16 on `rapidnn`, RNAs in lock-step, values off, against `dataflow`, crossbars in lock-step",
        "cost",
        5,
        lambda: (simulated("rapidnn"), simulated("dataflow", detail="group")),
        rounds=3,
    ),
):
    benches.register(_bench.name)(_bench)
