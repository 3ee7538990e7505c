"""Training of a network whose kernels combine a shared basis: coefficients, then the basis, in turns.

    for each round: some epochs in which coefficients move, then one in which the basis moves
    fix the basis, which vectors each kernel uses, and the norms' statistics; fine-tune the coefficients

Every step computes with the integers that a machine would hold; gradients pass the rounding and the choice of
the largest coefficients as if neither were there (the straight-through estimator of Bengio et al., 2013).
Scales of kernels and biases move with coefficients. Norms take statistics of a batch until the fine-tuning;
their factors stay, as kernels have scales of their own.

A contest is two kernels of a slice that use the same vector: they must run one after the other. The loss has
a term for coefficients above the share that each vector would have if kernels spread evenly.

Source: turns, straight-through coefficients, contest-aware regularisation and the last fine-tuning are
BasisN's (Eldebiky et al., 2024); the form of the term, the optimiser and all numbers are assumed. Needs the
`train` extra (PyTorch). One thread: on one machine two runs give the same integers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil, prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.errors import ConfigError, WorkloadError
from workloads.basis.basis_fit import BasisFit, FittedLayer, matrix_nodes, unabsorbed
from workloads.basis.basis_options import TRAINING_DEFAULTS, TrainingOptions
from workloads.basis.fitting import Observer, most_code
from workloads.basis.shared_basis import Coefficients, SharedBasis
from workloads.data import Dataset
from workloads.folding import folded_matrix
from workloads.network import Network, Parameters
from workloads.nodes import MatrixNode
from workloads.zoo.torch_network import torch_forward, torch_modules

#: Images of a step at most, and label smoothing.
BATCH = 64
SMOOTHING = 0.05
#: First step of coefficients and of elements, both in units of their integers, and of scales and biases.
COEFFICIENT_RATE, ELEMENT_RATE, SCALE_RATE = 0.05, 0.05, 3e-3


def train_fit(
    network: Network,
    fit: BasisFit,
    data: Dataset,
    options: TrainingOptions = TRAINING_DEFAULTS,
    observe: Observer = lambda what: None,
) -> BasisFit:
    """Return a network's fit, trained further; as many non-zeros of a kernel slice as it has stay the most.

    network : with the weights that were fitted
    data : images with labels
    raises : WorkloadError for images that do not fit or have no labels, and for layers that are not trained
        here; ConfigError where PyTorch is not there
    """
    check_trainable(network, data)
    with _reproducibly(options.seed):
        return _Training(network, fit, data, options).run(observe)


def check_trainable(network: Network, data: Dataset) -> None:
    """Raise what `train_fit` would, before there is a fit."""
    data.check_fits(network.name, network.input_shape)
    if data.labels is None:
        raise WorkloadError(
            f"{data.name} has no labels to train {network.name} by; add an array 'labels', or do without "
            "training"
        )
    classes = prod(network.shapes[network.output])
    if data.labels.max() >= classes:
        raise WorkloadError(
            f"{data.name} has labels up to {data.labels.max()}, but {network.name} tells {classes} classes; "
            f"give labels below {classes}"
        )
    try:
        import torch
    except ImportError as error:
        raise ConfigError(
            f"training {network.name} needs PyTorch ({error}); install it with pip install 'imcsim[train]'"
        ) from None
    with torch.no_grad():  # one image meets all layers
        torch_forward(network, torch_modules(network).eval(), torch.zeros(1, *network.input_shape))


def nearest_coefficients(real: NDArray[Any], bits: int, nonzeros: int) -> NDArray[np.int8]:
    """Return the nearest integers in two's complement of the largest coefficients, and zeros for the others.

    real : (..., vectors); of equally large ones the first are taken
    """
    most = most_code(bits)
    integers: NDArray[np.int8] = np.clip(np.rint(real), -most - 1, most).astype(np.int8)
    order = np.argsort(-np.abs(real), axis=-1, kind="stable")
    np.put_along_axis(integers, order[..., nonzeros:], np.int8(0), axis=-1)
    return integers


def nearest_elements(real: NDArray[Any], bits: int) -> NDArray[np.int16]:
    """Return the nearest integers of so many bits, sign included."""
    most = most_code(bits)
    return np.asarray(np.clip(np.rint(real), -most, most), dtype=np.int16)


def contested(uses: Any, nonzeros: int) -> Any:
    """Return how many coefficients stand above their vector's share, summed over slices and vectors.

    uses : (slices, kernels, vectors), 1 where a kernel uses a vector; an array or a tensor
    """
    _, kernels, vectors = uses.shape
    return (uses.sum(1) - ceil(kernels * nonzeros / vectors)).clip(min=0).sum()


class _Layer:
    """What moves of one layer.

    coefficients : (slices, kernels, vectors) in units of their integers
    support : alike, 1 where a coefficient may be other than zero
    scales : (kernels of all groups,) logarithms of what a step of each kernel is worth before the norms
    signs : of that worth, which stay: a norm's factor may be negative, a scale behind it is not
    """

    def __init__(self, node: MatrixNode, fitted: FittedLayer, parameters: Parameters) -> None:
        import torch

        self.node = node
        self._shape = parameters[node.name]["weight"].shape
        factors, _ = _norms(node, parameters)
        scales = np.log(fitted.scales / np.abs(factors)).astype(np.float32)
        self.coefficients = torch.from_numpy(fitted.coefficients.values.astype(np.float32)).requires_grad_()
        self.support = torch.ones_like(self.coefficients)
        self.scales = torch.from_numpy(scales).requires_grad_()
        self._signs = torch.from_numpy(np.sign(factors).astype(np.float32))

    def weights(self, coefficients: Any, vectors: Any) -> Any:
        """Return weights as PyTorch has them, of integer coefficients and vectors."""
        import torch

        node = self.node
        slices = torch.einsum("skv,vl->skl", coefficients, vectors)
        rows = slices.reshape(node.groups, -1, *slices.shape[1:]).transpose(1, 2).flatten(2)
        kernels = rows[..., : node.rows].reshape(node.cols, node.window.positions, -1).transpose(1, 2)
        return (kernels * (self._signs * self.scales.exp())[:, None, None]).reshape(self._shape)

    def fitted(self, values: NDArray[np.int8], bits: int, parameters: Parameters) -> FittedLayer:
        """Return the layer with integer coefficients, the norms folded in."""
        factors, bias = _norms(self.node, parameters)
        scales = self.scales.detach().numpy().astype(np.float64)
        return FittedLayer(Coefficients(values, bits), np.exp(scales) * np.abs(factors), bias)


class _Training:
    """Modules whose weights are made anew in each step, and what they are made of."""

    def __init__(self, network: Network, fit: BasisFit, data: Dataset, options: TrainingOptions) -> None:
        import torch

        self._network, self._fit, self._data, self._options = network, fit, data, options
        self._images, self._labels = torch.tensor(data.inputs), torch.tensor(data.labels)
        self._batches = ceil(len(data) / BATCH)
        self._parameters = network.load_parameters()
        self._modules = torch_modules(network)
        for name, own in self._parameters.items():
            for parameter, array in own.items():
                getattr(self._modules[name], parameter).data.copy_(torch.tensor(array))
        self._layers = {
            name: _Layer(node, fit.layers[name], self._parameters)
            for name, node in matrix_nodes(fit.lowered).items()
        }
        for name in self._layers:
            del self._modules[name].weight  # each step sets it, to a tensor
        self._vectors = torch.from_numpy(fit.basis.vectors.astype(np.float32)).requires_grad_()

    def run(self, observe: Observer) -> BasisFit:
        """Train, and return what came of it."""
        import torch

        options, layers = self._options, self._layers.values()
        biases = [each for name, each in self._modules.named_parameters() if name.endswith("bias")]
        of_coefficients = torch.optim.Adam(
            [
                {"params": [layer.coefficients for layer in layers], "lr": COEFFICIENT_RATE},
                {"params": [*(layer.scales for layer in layers), *biases], "lr": SCALE_RATE},
            ]
        )
        of_basis = torch.optim.Adam([self._vectors], lr=ELEMENT_RATE)
        falling = self._falling(of_coefficients, options.rounds * options.epochs + options.fine_tuning)
        basis_falling = self._falling(of_basis, options.rounds)
        self._modules.train()
        for done in range(1, options.rounds + 1):
            for _ in range(options.epochs):
                self._epoch(of_coefficients, falling, options.contest)
            loss = self._epoch(of_basis, basis_falling, options.contest)
            observe(f"round {done} of {options.rounds}: loss {loss:.3f}")
        self._settle()
        for done in range(1, options.fine_tuning + 1):
            loss = self._epoch(of_coefficients, falling, contest=0.0)
            observe(f"fine-tuning, epoch {done} of {options.fine_tuning}: loss {loss:.3f}")
        return self._result()

    def _falling(self, optimizer: Any, epochs: int) -> Any:
        """Return a schedule that takes steps to zero over some epochs."""
        import torch

        return torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, max(1, epochs * self._batches))

    def _settle(self) -> None:
        """Let kernels use the vectors that they use now, and norms the statistics that they have."""
        import torch

        self._modules.eval()
        for layer in self._layers.values():
            layer.support = torch.from_numpy((self._values(layer) != 0).astype(np.float32))

    def _epoch(self, optimizer: Any, schedule: Any, contest: float) -> float:
        """Move what an optimiser holds over all images once; return the mean loss, contests left out."""
        import torch

        total = 0.0
        for batch in torch.tensor_split(torch.randperm(len(self._images)), self._batches):
            contests = self._set_weights()
            scores = torch_forward(self._network, self._modules, self._images[batch])
            loss = torch.nn.functional.cross_entropy(scores, self._labels[batch], label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            (loss + contest * contests).backward()
            optimizer.step()
            schedule.step()
            self._keep_in_range()
            total += float(loss.detach()) * len(batch)
        return total / len(self._images)

    def _set_weights(self) -> Any:
        """Make all weights of the integers as they are now; return the share of coefficients in contests."""
        vectors = _straight_through(self._vectors, self._basis().vectors)
        contests, most = 0.0, 0
        for name, layer in self._layers.items():
            values, real = self._values(layer), layer.coefficients * layer.support
            self._modules[name].weight = layer.weights(_straight_through(real, values), vectors)
            # a use is one or none; its slope is that of the coefficient's size
            uses = _straight_through(real.abs(), values != 0)
            contests = contests + contested(uses, self._fit.nonzeros)
            most += values.shape[0] * values.shape[1] * self._fit.nonzeros
        return contests / most

    def _keep_in_range(self) -> None:
        """Hold coefficients and vectors where integers are near, as no gradient brings them back."""
        import torch

        most, most_element = most_code(self._fit.bits), most_code(self._fit.basis.bits)
        with torch.no_grad():
            self._vectors.clamp_(-most_element, most_element)
            for layer in self._layers.values():
                layer.coefficients.clamp_(-most - 1, most)

    def _basis(self) -> SharedBasis:
        bits = self._fit.basis.bits
        return SharedBasis(nearest_elements(self._vectors.detach().numpy(), bits), bits)

    def _values(self, layer: _Layer) -> NDArray[np.int8]:
        real = (layer.coefficients * layer.support).detach().numpy()
        return nearest_coefficients(real, self._fit.bits, self._fit.nonzeros)

    def _result(self) -> BasisFit:
        parameters = {
            name: {
                parameter: getattr(self._modules[name], parameter).detach().numpy().copy()
                for parameter in own
            }
            for name, own in self._parameters.items()
        }
        fit, bits = self._fit, self._fit.bits
        layers = {
            name: layer.fitted(self._values(layer), bits, parameters) for name, layer in self._layers.items()
        }
        others = {name: parameters[name] for name in unabsorbed(fit.lowered, self._network)}
        origin = f"trained with {self._data.name}: {self._data.origin}"
        known = np.union1d(fit.known, self._data.digests)
        return BasisFit.of(self._network, self._basis(), layers, others, origin, known)


def _norms(node: MatrixNode, parameters: Parameters) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a layer's norms multiply its kernels by, and its biases with the norms folded in.

    A factor of zero counts as one: its kernel has no coefficients, but a scale it must have.
    """
    own = parameters[node.name]
    ones = {node.name: dict(own) | {"weight": np.ones_like(own["weight"])}}
    folded = folded_matrix(node, {**parameters, **ones})
    factors = folded.weights[:, 0].ravel().astype(np.float64)
    return np.where(factors == 0, 1.0, factors), folded.bias.astype(np.float64)


def _straight_through(real: Any, integers: NDArray[Any]) -> Any:
    """Return integers in single precision, whose gradients go to the real numbers as they are."""
    import torch

    return real + (torch.from_numpy(integers.astype(np.float32)) - real).detach()


@contextmanager
def _reproducibly(seed: int) -> Iterator[None]:
    """Let PyTorch compute the same each time, and leave it as it was."""
    import torch

    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)
