"""Fitting a network to a shared basis by its weights alone, in turns: coefficients, then the basis.

    take slices of kernels as the first basis
    for each round: round the vectors; pursue coefficients on the integers' grid; solve for a better basis
    pursue the coefficients of all kernels with the best basis

What is minimised is the squared distance of all weights, each layer's in its own root mean square, so that no
layer counts for its scale. Kernels have scales of their own, so their norms cost nothing.

Source: a global basis with quantised coefficients, optimised in turns, spread for contention, is BasisN's
(Eldebiky et al., 2024). The pursuit, the start and the penalty are assumed, as they are not told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from simcore.errors import WorkloadError
from simcore.kernels.basis_pursuit import add_normals, improve, pursue
from workloads.basis.basis_fit import BasisFit, FittedLayer, Float, unabsorbed, with_own_scales
from workloads.basis.basis_options import DEFAULTS, BasisOptions
from workloads.basis.kernel_slices import LayerSlices, layer_slices
from workloads.basis.shared_basis import Coefficients, SharedBasis
from workloads.lowering import lower
from workloads.network import Network

#: Kernel slices that the basis is fitted to; of more, those of every n-th kernel.
MOST_SLICES = 2**15

#: Scales at which a kernel is pursued; see `pursue_reference`.
FRACTIONS = np.array([1.0, 0.7, 0.5])

#: Times that each vector is made the best one for the others, in a round.
SWEEPS = 3

#: Part of its energy that a slice may miss and count as explained: what single precision makes of zero.
EXPLAINED = 1e-5

#: Called with what is being done.
Observer = Callable[[str], None]


def fit_basis(
    network: Network, options: BasisOptions = DEFAULTS, observe: Observer = lambda what: None
) -> BasisFit:
    """Return a network fitted to a basis, of no more vectors than there are kernel slices.

    raises : WorkloadError for a network without kernels or weights
    """
    structure = with_own_scales(network)
    lowered = lower(structure)
    parameters = network.load_parameters()
    layers = layer_slices(lowered, parameters, options.length)
    if not layers:
        raise WorkloadError(f"{network.name} has no kernels to fit a basis to; fit another network")
    options = within(options, sum(layer.count for layer in layers.values()))
    basis = _Fitting(layers, options, observe).basis()
    observe("pursuing all coefficients")
    pursuit = _Pursuit(basis, options)
    fitted = {name: _fitted(layer, pursuit) for name, layer in layers.items()}
    others = {name: parameters[name] for name in unabsorbed(lowered, structure)}
    return BasisFit.of(structure, basis, fitted, others, "fitted to the weights alone")


def within(options: BasisOptions, slices: int) -> BasisOptions:
    """Return options of no more vectors than slices, each of which could have one of its own."""
    vectors = min(options.vectors, slices)
    return replace(options, vectors=vectors, nonzeros=min(options.nonzeros, vectors))


def rounded(vectors: Float, bits: int) -> SharedBasis:
    """Return each vector times the factor at which it is closest to integers of so many bits.

    Its largest element then takes the upper half of the codes.
    """
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    largest[largest == 0] = 1.0
    codes, least = np.zeros(vectors.shape), np.full(len(vectors), np.inf)
    for code in range(most_code(bits), most_code(bits) // 2, -1):
        scaled = vectors * (code / largest)
        missed = np.square((np.rint(scaled) - scaled) / code).sum(axis=1)
        closer = missed < least
        codes[closer], least[closer] = np.rint(scaled[closer]), missed[closer]
    return SharedBasis(codes.astype(np.int16), bits)


def most_code(bits: int) -> int:
    """Return the largest integer of so many bits, sign included."""
    return int(2 ** (bits - 1) - 1)


class _Pursuit:
    """Coefficients for one basis.

    vectors : (vectors, length) as doubles
    """

    def __init__(self, basis: SharedBasis, options: BasisOptions) -> None:
        self.options = options
        self.vectors = basis.vectors.astype(np.float64)
        self._by_element = np.ascontiguousarray(self.vectors.T)
        self._whole = self.vectors @ self.vectors.T  # of integers, so exact in any order

    def of(self, slices: NDArray[np.float32], seen: int) -> tuple[NDArray[np.int8], Float]:
        """Return coefficients (groups, slices, kernels, vectors) and scales (groups, kernels).

        slices, seen : as of `LayerSlices`
        """
        options = self.options
        groups, count, kernels, _ = slices.shape
        part = self.vectors[:, :seen]
        grams = np.stack([self._whole, part @ part.T])
        values = np.zeros((groups, count, kernels, len(part)), np.int8)
        scales = np.ones((groups, kernels))
        share = ceil(kernels * options.nonzeros / options.vectors)
        for group in range(groups):
            pursue(
                slices[group],
                self._by_element,
                grams,
                FRACTIONS,
                -most_code(options.bits) - 1,
                most_code(options.bits),
                options.nonzeros,
                options.spread,
                share,
                values[group],
                scales[group],
            )
        return values, scales


def _fitted(layer: LayerSlices, pursuit: _Pursuit) -> FittedLayer:
    """Return a layer's coefficients, and what they miss."""
    values, scales = pursuit.of(layer.slices, layer.seen)
    missed = _Sums(pursuit.vectors).add(layer.slices, layer.seen, values, scales)
    energy = float(np.square(layer.slices, dtype=np.float64).sum())
    return FittedLayer(
        Coefficients(values.reshape(-1, *values.shape[2:]), pursuit.options.bits),
        (scales * layer.unit).ravel(),
        layer.bias,
        error=float(np.sqrt(missed.sum() / energy)) if energy else 0.0,
    )


class _Sums:
    """What a better basis solves, added up layer by layer."""

    def __init__(self, vectors: Float) -> None:
        self._vectors = vectors
        self.normals = np.zeros((len(vectors), len(vectors)))
        self.moments = np.zeros_like(vectors)

    def add(self, slices: NDArray[np.float32], seen: int, values: NDArray[np.int8], scales: Float) -> Float:
        """Return the squared distance of each slice (groups, slices, kernels) from its combination."""
        missed = np.zeros(slices.shape[:3])
        for group in range(len(slices)):
            add_normals(
                slices[group],
                seen,
                self._vectors,
                values[group],
                scales[group],
                self.normals,
                self.moments,
                missed[group],
            )
        return missed

    def improved(self) -> Float:
        """Return the better basis."""
        vectors = self._vectors.copy()
        for _ in range(SWEEPS):
            improve(self.normals, self.moments, vectors)
        return vectors


class _Fitting:
    """The rounds, on as many kernels as are needed."""

    def __init__(self, layers: Mapping[str, LayerSlices], options: BasisOptions, observe: Observer) -> None:
        self._options, self._observe = options, observe
        step = ceil(sum(layer.count for layer in layers.values()) / MOST_SLICES)
        self._layers = [(layer.every(step), layer.seen) for layer in layers.values()]
        self._all = np.concatenate([slices.reshape(-1, options.length) for slices, _ in self._layers])
        self._energies = np.square(self._all, dtype=np.float64).sum(axis=1)

    def basis(self) -> SharedBasis:
        """Return the basis of the round that missed least."""
        options = self._options
        self._observe("choosing the first vectors")
        vectors = self._first_vectors()
        best, least = rounded(vectors, options.vector_bits), np.inf
        for done in range(options.rounds + 1):
            basis = rounded(vectors, options.vector_bits)
            vectors, missed = self._better(basis)
            error = np.sqrt(missed / max(float(self._energies.sum()), 1.0))
            self._observe(f"round {done} of {options.rounds}: misses {error:.2%} of the weights")
            if missed < least:
                best, least = basis, missed
        return best

    def _better(self, basis: SharedBasis) -> tuple[Float, float]:
        """Return better vectors, and the squared distance that these miss."""
        pursuit = _Pursuit(basis, self._options)
        sums = _Sums(pursuit.vectors)
        missed = np.concatenate(
            [sums.add(slices, seen, *pursuit.of(slices, seen)).ravel() for slices, seen in self._layers]
        )
        vectors = sums.improved()
        unused = np.flatnonzero(np.diag(sums.normals) == 0)
        worst = np.argsort(-missed, kind="stable")[: len(unused)]
        worst = worst[missed[worst] > EXPLAINED * self._energies[worst]]
        vectors[unused[: len(worst)]] = self._all[worst]
        return vectors, float(missed.sum())

    def _first_vectors(self) -> Float:
        """Return slices drawn one by one, each in proportion to what no multiple of those before explains.

        So all are taken where there are no more than vectors, and none twice; k-means++ by lines (Arthur and
        Vassilvitskii, 2007).
        """
        options, slices = self._options, self._all
        seen = np.concatenate([self._seen(part, seen) for part, seen in self._layers])
        lengths, of_slice = np.unique(seen, return_inverse=True)
        vectors = np.zeros((options.vectors, options.length))
        left = self._energies.copy()
        draws = np.random.Generator(np.random.PCG64(0)).random(options.vectors)
        for place, draw in enumerate(draws):
            shares = np.cumsum(left)
            if not shares[-1] > 0.0:
                break
            drawn = int(np.searchsorted(shares, draw * shares[-1], side="right"))
            vectors[place] = slices[drawn]
            # einsum adds up in one order in any number of threads, where a product of matrices does not
            products = np.einsum("nl,l->n", slices, slices[drawn]).astype(np.float64)
            norms = np.cumsum(np.square(vectors[place]))[lengths - 1][of_slice]
            explained = np.divide(products**2, norms, out=np.zeros_like(products), where=norms > 0)
            left = np.minimum(left, self._energies - explained)
            left[left < EXPLAINED * self._energies] = 0.0
            left[drawn] = 0.0
        return vectors

    def _seen(self, slices: NDArray[np.float32], seen: int) -> NDArray[np.int64]:
        """Return how many elements count of each slice of a layer."""
        elements = np.full(slices.shape[:3], self._options.length)
        elements[:, -1] = seen
        return elements.ravel()
