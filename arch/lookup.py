"""What multiplying by lookup takes, in closed form: pairs, addends, carry-save adders, cycles of NOR logic.

A counter for each pair of codes says how often an input code meets a weight code. Each count's digits become
shifted copies of the product, which a tree of carry-save adders and one last ripple-carry addition sum up.
All triples of a level add at once, which is optimistic: whether one array can do so is not known. Reading
products and writing shifted copies is left out.

Source: RAPIDNN (Imani et al., 2018), recalled; one bit of a full adder takes 12 NOR steps and one to
initialise, as in MAGIC.
"""

from __future__ import annotations

from functools import lru_cache
from math import ceil, exp, lgamma, log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

#: Inputs up to which the fullest lane's expectation is summed up exactly.
EXACT_INPUTS = 256

#: Cycles of one carry-save level, whatever its width, and of one bit of the last addition.
ADDER_CYCLES = 13


def carry_save_levels(operands: int) -> int:
    """Return the levels of three-to-two adders that leave two of so many operands.

    >>> [carry_save_levels(n) for n in (2, 3, 4, 64, 4096)]
    [0, 1, 2, 10, 20]
    """
    levels = 0
    while operands > 2:
        operands = operands // 3 * 2 + operands % 3
        levels += 1
    return levels


def carry_save_passes(operands: int, at_once: int) -> int:
    """Return the passes of three-to-two adders if at most so many triples are added at once.

    >>> [carry_save_passes(9, triples) for triples in (1, 2, 3)]
    [7, 5, 4]
    """
    passes = 0
    while operands > 2:
        triples = operands // 3
        operands = triples * 2 + operands % 3
        passes += -(-triples // at_once)
    return passes


def addition_cycles(
    operands: int, bits: int, adder_cycles: int = ADDER_CYCLES, at_once: int | None = None
) -> int:
    """Return the cycles of adding so many operands of so many bits; one operand is its own sum.

    at_once : triples that are added at once, at most; None: all of a level
    """
    if operands < 2:
        return 0
    levels = carry_save_levels(operands) if at_once is None else carry_save_passes(operands, at_once)
    return adder_cycles * (levels + bits)


def expected_pairs(inputs: int, weight_codes: int, input_codes: int) -> float:
    """Return how many pairs occur on average, if every code is equally likely and independent."""
    pairs = weight_codes * input_codes
    return pairs * (1 - (1 - 1 / pairs) ** inputs)


def addends_of(count: int, *, signed: bool) -> int:
    """Return the shifted products that a count takes: binary ones, or digits of its non-adjacent form.

    >>> addends_of(15, signed=False), addends_of(15, signed=True)
    (4, 2)
    """
    return (3 * count ^ count if signed else count).bit_count()


@lru_cache
def expected_largest_bucket(inputs: int, lanes: int) -> float:
    """Return how many inputs the fullest lane has on average, if each is in any lane as likely as in another.

    Poisson numbers that sum up to `inputs` are multinomial, so the chance that none is above some number
    follows from that of a sum of bounded Poisson numbers: exact for up to `EXACT_INPUTS` inputs, by an
    Edgeworth series for more.

    Source: Levin, A representation for multinomial cumulative distribution functions, 1981.

    >>> round(expected_largest_bucket(784, 64), 1), expected_largest_bucket(5, 1)
    (21.2, 5.0)
    """
    if lanes == 1 or inputs <= 1:
        return float(inputs)
    mean = inputs / lanes
    numbers = np.arange(ceil(mean + 12 * sqrt(mean)) + 24)
    chances = np.exp(numbers * log(mean) - mean - np.array([lgamma(n + 1.0) for n in numbers]))
    all_in = exp(inputs * log(inputs) - inputs - lgamma(inputs + 1.0))
    least = ceil(mean)
    expected = float(least)  # the fullest lane has at least that many
    for bound in range(least, min(len(numbers), inputs)):
        bounded = chances[: bound + 1]
        sums = _sum_is if inputs > EXACT_INPUTS else _sum_is_exactly
        expected += 1 - min(max(sums(bounded, lanes, inputs) / all_in, 0.0), 1.0)
    return expected


def _sum_is_exactly(chances: NDArray[np.float64], terms: int, total: int) -> float:
    """Return the chance that so many independent numbers sum up to `total`, all below the bound."""
    power, result = chances[: total + 1], np.ones(1)
    while terms:
        if terms & 1:
            result = np.convolve(result, power)[: total + 1]
        power = np.convolve(power, power)[: total + 1]
        terms >>= 1
    return float(result[total]) if total < len(result) else 0.0


def _sum_is(chances: NDArray[np.float64], terms: int, total: int) -> float:
    """Return the same by an Edgeworth series."""
    below = float(chances.sum())
    shares, numbers = chances / below, np.arange(len(chances))
    mean = float(shares @ numbers)
    variance, third, fourth = (float(shares @ (numbers - mean) ** power) for power in (2, 3, 4))
    skew = third / variance**1.5 / sqrt(terms)
    excess = (fourth / variance**2 - 3) / terms
    z = (total - terms * mean) / sqrt(terms * variance)
    series = (
        1
        + skew / 6 * (z**3 - 3 * z)
        + excess / 24 * (z**4 - 6 * z**2 + 3)
        + skew**2 / 72 * (z**6 - 15 * z**4 + 45 * z**2 - 15)
    )
    return float(below**terms * series * exp(-z * z / 2) / sqrt(2 * pi * terms * variance))


@lru_cache
def expected_addends(inputs: int, weight_codes: int, input_codes: int, *, signed: bool) -> float:
    """Return how many shifted products there are on average if every code is equally likely."""
    pairs = weight_codes * input_codes
    if pairs == 1:
        return float(addends_of(inputs, signed=signed))
    hit, miss = -log(pairs), log(1 - 1 / pairs)
    all_orders = lgamma(inputs + 1)
    total = 0.0
    for count in range(1, inputs + 1):
        orders = all_orders - lgamma(count + 1) - lgamma(inputs - count + 1)
        total += exp(orders + count * hit + (inputs - count) * miss) * addends_of(count, signed=signed)
    return pairs * total
