"""Kernels as sparse integer combinations of integer vectors: the pursuit of coefficients, and a better basis.

Slices are (slices, kernels, length) single-precision numbers, those of a kernel behind each other; of the
last one only the first elements are `seen`, and the others are zeros. A kernel has one scale, which all its
combinations are multiplied by. Sums are of doubles in a fixed order, so that they are alike on any machine
and in any number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled

Float = NDArray[np.float64]
Numbers = NDArray[Any]

#: Steps of a pursuit, in coefficients that may differ from zero: enough to change all of them again.
STEPS = 4

#: Scales below it are none.
SMALLEST = float(np.finfo(np.float32).tiny)


def pursue_reference(
    slices: Numbers,
    vectors: Float,
    grams: Float,
    fractions: Float,
    low: int,
    high: int,
    most: int,
    spread: float,
    share: int,
    values: Numbers,
    scales: Float,
) -> None:
    """Find each kernel's coefficients and scale, kernel by kernel.

    A step changes one coefficient by an integer: the one that takes most off the squared distance of the
    slice. It ends where none does; once `most` differ from zero, no others change. A kernel is pursued at
    several scales, each then made the best one for its coefficients, and the closest one is taken.

    vectors : (length, vectors) integers, element by element
    grams : (2, vectors, vectors) products of vectors, and of what the last slice sees of them
    fractions : scales to try, in that in which the closest multiple of any vector has the coefficient `high`
    low, high : bounds of a coefficient
    spread, share : a slice forgoes this part of its energy for each kernel above `share` that uses a vector
    values, scales : (slices, kernels, vectors) int8 and (kernels,), written
    """
    count, _, length = slices.shape
    loads = np.zeros((count, vectors.shape[1]))
    for kernel in range(slices.shape[1]):
        own = slices[:, kernel].astype(np.float64)
        correlations, energies = np.zeros(loads.shape), np.zeros(count)
        for element in range(length):
            correlations += own[:, element, None] * vectors[element]
            energies += own[:, element] * own[:, element]
        seen = [grams[1 if place == count - 1 else 0] for place in range(count)]
        inverses = [np.array([1 / n if n > 0 else 0.0 for n in np.diag(gram)]) for gram in seen]
        largest = np.max(np.abs(correlations) * np.array(inverses))
        scales[kernel], values[:, kernel], closest = 1.0, 0, 0.0
        for fraction in fractions:
            scale = fraction * largest / high
            if scale < SMALLEST:
                continue
            found, moment, norm = np.zeros(loads.shape), 0.0, 0.0
            for place in range(count):
                left = correlations[place] / scale
                fine = spread * energies[place] / (scale * scale)
                tolls = fine * np.maximum(loads[place] + 1.0 - share, 0.0)
                _chase_reference(left, seen[place], inverses[place], tolls, low, high, most, found[place])
                for value, whole, rest in zip(found[place], correlations[place], left, strict=True):
                    if value:
                        moment += value * whole
                        norm += value * (whole / scale - rest)
            if moment > 0.0 and norm > 0.0 and moment * moment / norm > closest:
                closest = moment * moment / norm
                scales[kernel], values[:, kernel] = moment / norm, found
        loads += values[:, kernel] != 0


def _chase_reference(
    left: Float, gram: Float, inverse: Float, tolls: Float, low: int, high: int, most: int, found: Float
) -> None:
    """Take steps from what is `left` of the products with all vectors; coefficients are `found`."""
    for _ in range(STEPS * most):
        steps = np.minimum(np.maximum(np.rint(left * inverse), low - found), high - found)
        gains = steps * (2.0 * left - steps * np.diag(gram))
        gains[found == 0] -= tolls[found == 0]
        if np.count_nonzero(found) == most:
            gains[found == 0] = 0.0
        best = int(np.argmax(gains))
        if not gains[best] > 0.0:
            return
        found[best] += steps[best]
        left -= steps[best] * gram[best]


@compiled
def pursue(
    slices: Numbers,
    vectors: Float,
    grams: Float,
    fractions: Float,
    low: int,
    high: int,
    most: int,
    spread: float,
    share: int,
    values: Numbers,
    scales: Float,
) -> None:
    """Compiled twin of `pursue_reference`."""
    count, kernels, _ = slices.shape
    size = vectors.shape[1]
    loads, correlations, energies = np.zeros((count, size)), np.zeros((count, size)), np.zeros(count)
    found, left, tolls, work = np.zeros((count, size)), np.zeros(size), np.zeros(size), np.zeros((2, size))
    norms, inverses = np.zeros((2, size)), np.zeros((2, size))
    for view in range(2):
        for b in range(size):
            norms[view, b] = grams[view, b, b]
            inverses[view, b] = 1 / norms[view, b] if norms[view, b] > 0 else 0.0
    for kernel in range(kernels):
        largest, closest = 0.0, 0.0
        for place in range(count):
            energies[place] = _correlate(slices[place, kernel], vectors, correlations[place])
            inverse = inverses[1 if place == count - 1 else 0]
            for b in range(size):
                largest = max(largest, abs(correlations[place, b]) * inverse[b])
        scales[kernel] = 1.0
        values[:, kernel] = 0
        for fraction in fractions:
            scale = fraction * largest / high
            if scale < SMALLEST:
                continue
            moment, norm = 0.0, 0.0
            for place in range(count):
                view = 1 if place == count - 1 else 0
                own, whole = found[place], correlations[place]
                fine = spread * energies[place] / (scale * scale)
                for b in range(size):
                    own[b] = 0.0
                    left[b] = whole[b] / scale
                    tolls[b] = fine * max(loads[place, b] + 1.0 - share, 0.0)
                _chase(left, grams[view], norms[view], inverses[view], tolls, low, high, most, own, work)
                for b in range(size):
                    if own[b] != 0.0:
                        moment += own[b] * whole[b]
                        norm += own[b] * (whole[b] / scale - left[b])
            if moment > 0.0 and norm > 0.0 and moment * moment / norm > closest:
                closest = moment * moment / norm
                scales[kernel] = moment / norm
                for place in range(count):
                    for b in range(size):
                        values[place, kernel, b] = np.int8(found[place, b])
        for place in range(count):
            for b in range(size):
                if values[place, kernel, b] != 0:
                    loads[place, b] += 1.0


@compiled
def _correlate(own: Numbers, vectors: Float, products: Float) -> float:
    """Fill in a slice's products with all vectors; return its energy."""
    products[:] = 0.0
    energy = 0.0
    for element in range(len(own)):
        x = np.float64(own[element])
        energy += x * x
        for b in range(len(products)):
            products[b] += x * vectors[element, b]
    return energy


@compiled
def _chase(
    left: Float,
    gram: Float,
    norms: Float,
    inverse: Float,
    tolls: Float,
    low: int,
    high: int,
    most: int,
    found: Float,
    work: Float,
) -> None:
    """Compiled twin of `_chase_reference`; `work` is (2, vectors) of anything."""
    used = 0
    steps, gains = work[0], work[1]
    for _ in range(STEPS * most):
        full = used == most
        for b in range(len(left)):
            step = min(max(np.rint(left[b] * inverse[b]), low - found[b]), high - found[b])
            gain = step * (2.0 * left[b] - step * norms[b])
            if found[b] == 0.0:
                gain = 0.0 if full else gain - tolls[b]
            steps[b], gains[b] = step, gain
        best = 0
        for b in range(1, len(left)):
            if gains[b] > gains[best]:
                best = b
        if not gains[best] > 0.0:
            return
        step = steps[best]
        used -= found[best] != 0.0
        found[best] += step
        used += found[best] != 0.0
        for b in range(len(left)):
            left[b] -= step * gram[best, b]


def add_normals_reference(
    slices: Numbers,
    seen: int,
    basis: Float,
    values: Numbers,
    scales: Float,
    normals: Float,
    moments: Float,
    missed: Float,
) -> None:
    """Add up what a better basis for these coefficients solves: normals x basis = moments.

    What nobody sees of the last slice is taken to be as it is now.

    seen : elements of the last slice
    basis : (vectors, length)
    values, scales : as `pursue` writes them
    normals, moments : (vectors, vectors) and (vectors, length), added to
    missed : (slices, kernels), written: squared distance of each slice from its combination
    """
    for place, kernel in np.ndindex(*slices.shape[:2]):
        weights = scales[kernel] * values[place, kernel].astype(np.float64)
        wanted = slices[place, kernel].astype(np.float64)
        made = np.zeros(len(wanted))
        used = np.flatnonzero(weights)
        for b in used:
            made += weights[b] * basis[b]
        elements = seen if place == len(slices) - 1 else len(wanted)
        wanted[elements:] = made[elements:]
        total = 0.0
        for element in range(elements):
            miss = wanted[element] - made[element]
            total += miss * miss  # a power is rounded otherwise on some processors
        missed[place, kernel] = total
        for b in used:
            normals[b] += weights[b] * weights
            moments[b] += weights[b] * wanted


@compiled
def add_normals(
    slices: Numbers,
    seen: int,
    basis: Float,
    values: Numbers,
    scales: Float,
    normals: Float,
    moments: Float,
    missed: Float,
) -> None:
    """Compiled twin of `add_normals_reference`."""
    count, kernels, length = slices.shape
    size = len(basis)
    used, weights = np.zeros(size, np.int64), np.zeros(size)
    wanted, made = np.zeros(length), np.zeros(length)
    for place in range(count):
        elements = seen if place == count - 1 else length
        for kernel in range(kernels):
            most = 0
            made[:] = 0.0
            for b in range(size):
                if values[place, kernel, b] != 0:
                    used[most], weights[most] = b, scales[kernel] * values[place, kernel, b]
                    for element in range(length):
                        made[element] += weights[most] * basis[b, element]
                    most += 1
            total = 0.0
            for element in range(length):
                wanted[element] = slices[place, kernel, element] if element < elements else made[element]
                miss = wanted[element] - made[element]
                total += miss * miss
            missed[place, kernel] = total
            for i in range(most):
                for j in range(most):
                    normals[used[i], used[j]] += weights[i] * weights[j]
                for element in range(length):
                    moments[used[i], element] += weights[i] * wanted[element]


def improve_reference(normals: Float, moments: Float, basis: Float) -> None:
    """Make each vector in turn the best one for the others; one that nobody uses stays.

    normals, moments : as `add_normals` adds them up
    basis : (vectors, length), changed
    """
    for b in range(len(basis)):
        if normals[b, b] > 0.0:
            left = moments[b].copy()
            for other in range(len(basis)):
                if other != b:
                    left -= normals[b, other] * basis[other]
            basis[b] = left / normals[b, b]


@compiled
def improve(normals: Float, moments: Float, basis: Float) -> None:
    """Compiled twin of `improve_reference`."""
    size, length = basis.shape
    left = np.zeros(length)
    for b in range(size):
        if normals[b, b] > 0.0:
            left[:] = moments[b]
            for other in range(size):
                if other != b:
                    for element in range(length):
                        left[element] -= normals[b, other] * basis[other, element]
            for element in range(length):
                basis[b, element] = left[element] / normals[b, b]
