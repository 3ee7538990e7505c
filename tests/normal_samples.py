"""What a sample of normal numbers must be like: moments, tails and independence, with a stated confidence.

Each bound is one that a right model keeps with 99.99 %. Seeds are fixed: a test that passes goes on passing.
"""

from __future__ import annotations

from math import exp, fsum, lgamma, log, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

NORMAL = NormalDist()
CONFIDENCE = 0.9999
#: Standard deviations from its mean within which a normal number lies with that confidence.
CONFIDENT = NORMAL.inv_cdf((1 + CONFIDENCE) / 2)


def assert_normal(sample: Array, mean: float, deviation: float, rounding: float = 0.0) -> None:
    """Check mean and variance; `rounding` is the variance that rounding adds."""
    variance = deviation**2 + rounding
    assert abs(sample.mean() - mean) < CONFIDENT * sqrt(variance / sample.size)
    assert abs(sample.var() / variance - 1) < CONFIDENT * sqrt(2 / sample.size)


def assert_tails(z: Array) -> None:
    """Check how many of standard normal numbers lie beyond 1 to 4 standard deviations, on either side."""
    for bound in (1, 2, 3, 4):
        expected = z.size * NORMAL.cdf(-bound)
        for beyond in (z > bound, z < -bound):
            count = int(np.count_nonzero(beyond))
            assert _poisson(count, expected) > (1 - CONFIDENCE) / 2
            assert 1 - _poisson(count - 1, expected) > (1 - CONFIDENCE) / 2


def _poisson(count: int, expected: float) -> float:
    """Return the probability of at most `count` events where so many are expected."""
    return fsum(exp(k * log(expected) - expected - lgamma(k + 1)) for k in range(count + 1))


def assert_independent(z: Array) -> None:
    """Check standard normal numbers (tokens, columns): no two columns, no two tokens go together.

    For each pair n r^2 of its correlation r over n numbers has mean 1 and variance 2. Summed over all pairs
    this finds a weak tie of many, the largest r a strong one of few; neighbours' squares, spreads that go
    together.
    """
    for rows in (z, z.T):
        n, of = rows.shape
        r = (rows.T @ rows / n)[np.triu_indices(of, 1)]
        assert abs(n * (r**2).sum() - r.size) < CONFIDENT * sqrt(2 * r.size)
        assert abs(r).max() < NORMAL.inv_cdf(1 - (1 - CONFIDENCE) / 2 / r.size) / sqrt(n)
        squares = (rows**2 - 1) / sqrt(2)
        assert abs((squares[:, 1:] * squares[:, :-1]).mean()) < CONFIDENT / sqrt(n * (of - 1))


def assert_uncorrelated(a: Array, b: Array) -> None:
    """Check that two samples, element by element, have no correlation."""
    assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < CONFIDENT / sqrt(a.size)
