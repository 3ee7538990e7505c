"""What multiplying by lookup takes, in closed form: pairs, addends, carry-save adders, cycles of NOR logic.

A counter for each pair of codes says how often an input code meets a weight code. Each count's digits become
shifted copies of the product, which a tree of carry-save adders and one last ripple-carry addition sum up.
All triples of a level add at once, which is optimistic: whether one array can do so is not known. Reading
products and writing shifted copies is left out.

Source: RAPIDNN (Imani et al., 2018), recalled; one bit of a full adder takes 12 NOR steps and one to
initialise, as in MAGIC.
"""

from __future__ import annotations

from math import exp, lgamma, log

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


def carry_save_triples(operands: int) -> int:
    """Return the three-to-two adders in all levels: each takes one operand away."""
    return max(operands - 2, 0)


def addition_cycles(operands: int, bits: int) -> int:
    """Return the cycles of adding so many operands of so many bits."""
    return ADDER_CYCLES * (carry_save_levels(operands) + bits)


def most_pairs(inputs: int, weight_codes: int, input_codes: int) -> int:
    """Return the most pairs of codes that can occur among so many inputs."""
    return min(inputs, weight_codes * input_codes)


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
