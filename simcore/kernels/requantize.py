"""From exact sums back to codes, in single precision: clip(round_half_even(x) + zero).

Every multiplication and addition is one rounded float32 operation, never fused, so that kernel and twin agree
in every bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.kernels.compiling import compiled

Numbers = NDArray[Any]


def round_codes_reference(scaled: Numbers, zero: int, low: int, high: int) -> Numbers:
    """Return the codes of float32 values in steps of the output: clip(round_half_even(x) + zero)."""
    return np.clip(np.rint(scaled) + np.float32(zero), low, high).astype(np.int32)


@compiled
def round_code(scaled: Any, zero: int, low: int, high: int) -> Any:
    """Compiled twin of `round_codes_reference`, of one value."""
    code = np.rint(scaled) + np.float32(zero)
    return np.int32(min(max(code, np.float32(low)), np.float32(high)))


def clip_codes_reference(values: Numbers, low: int, high: int, codes: Numbers, slot: int) -> None:
    """Clip integers (slots, channels) to codes in the same row."""
    codes[slot] = np.clip(values[slot], low, high)


@compiled
def clip_codes(values: Numbers, low: int, high: int, codes: Numbers, slot: int) -> None:
    """Compiled twin of `clip_codes_reference`."""
    for channel in range(values.shape[1]):
        codes[slot, channel] = min(max(values[slot, channel], low), high)


def requantize_sums_reference(
    sums: Numbers,
    bias: Numbers,
    multiplier: Numbers,
    zero: int,
    low: int,
    high: int,
    codes: Numbers,
    slot: int,
) -> None:
    """Bring column sums to codes: float32(sum + bias) x multiplier, rounded, shifted and clipped.

    sums : (slots, columns) int64, or int32 where no sum, bias included, can overflow it
    bias, multiplier : (columns,) of the same integers, float32
    zero, low, high : the output's zero point and its smallest and largest code
    codes : (slots, columns) of any integers, written in row `slot`
    """
    scaled = (sums[slot] + bias).astype(np.float32) * multiplier
    codes[slot] = round_codes_reference(scaled, zero, low, high)


@compiled
def requantize_sums(
    sums: Numbers,
    bias: Numbers,
    multiplier: Numbers,
    zero: int,
    low: int,
    high: int,
    codes: Numbers,
    slot: int,
) -> None:
    """Compiled twin of `requantize_sums_reference`."""
    number = sums.dtype.type
    for col in range(len(multiplier)):
        scaled = np.float32(number(sums[slot, col] + bias[col])) * multiplier[col]
        codes[slot, col] = round_code(scaled, zero, low, high)


def scale_operand_reference(
    codes: Numbers, slot: int, zero: int, multiplier: float, first: bool, scaled: Numbers
) -> None:
    """Add one operand, float32(code - zero) x multiplier, to `scaled` (channels,) float32; or start it.

    multiplier : a float32's value; as a Python number, it is passed much faster
    """
    operand = (codes[slot].astype(np.int64) - zero).astype(np.float32) * np.float32(multiplier)
    scaled[:] = operand if first else scaled + operand


@compiled
def scale_operand(
    codes: Numbers, slot: int, zero: int, multiplier: float, first: bool, scaled: Numbers
) -> None:
    """Compiled twin of `scale_operand_reference`."""
    factor = np.float32(multiplier)
    for channel in range(len(scaled)):
        operand = np.float32(np.int32(np.int32(codes[slot, channel]) - zero)) * factor
        scaled[channel] = operand if first else scaled[channel] + operand


def join_operand_reference(
    scaled: Numbers,
    operand: Numbers,
    slot: int,
    input_zero: int,
    multiplier: float,
    zero: int,
    low: int,
    high: int,
    codes: Numbers,
    first_channel: int,
) -> None:
    """Add the last operand, float32(code - input_zero) x multiplier, to the others' sum, and round to codes.

    scaled : (channels,) float32, the sum; zeros where the operand stands alone
    operand : (slots, channels), codes
    codes : (slots, columns), written in row `slot` from column `first_channel` on
    """
    total = scaled.copy()
    scale_operand_reference(operand, slot, input_zero, multiplier, False, total)
    codes[slot, first_channel : first_channel + len(total)] = round_codes_reference(total, zero, low, high)


@compiled
def join_operand(
    scaled: Numbers,
    operand: Numbers,
    slot: int,
    input_zero: int,
    multiplier: float,
    zero: int,
    low: int,
    high: int,
    codes: Numbers,
    first_channel: int,
) -> None:
    """Compiled twin of `join_operand_reference`."""
    factor = np.float32(multiplier)
    out = codes[slot, first_channel : first_channel + len(scaled)]  # a view without offsets vectorises
    for channel in range(len(scaled)):
        code = np.int32(np.int32(operand[slot, channel]) - input_zero)
        total = scaled[channel] + np.float32(code) * factor
        out[channel] = round_code(total, zero, low, high)


def multiply_operands_reference(
    one: Numbers,
    other: Numbers,
    slot: int,
    one_zero: int,
    other_zero: int,
    multiplier: float,
    zero: int,
    low: int,
    high: int,
    codes: Numbers,
) -> None:
    """Bring products of two operands to codes: float32(product of (code - zero)) x multiplier, rounded.

    one, other, codes : (slots, channels), read and written in row `slot`; `codes` may be one of them
    """
    product = (one[slot].astype(np.int64) - one_zero) * (other[slot].astype(np.int64) - other_zero)
    codes[slot] = round_codes_reference(product.astype(np.float32) * np.float32(multiplier), zero, low, high)


@compiled
def multiply_operands(
    one: Numbers,
    other: Numbers,
    slot: int,
    one_zero: int,
    other_zero: int,
    multiplier: float,
    zero: int,
    low: int,
    high: int,
    codes: Numbers,
) -> None:
    """Compiled twin of `multiply_operands_reference`."""
    factor = np.float32(multiplier)
    for channel in range(codes.shape[1]):
        product = (np.int64(one[slot, channel]) - one_zero) * (np.int64(other[slot, channel]) - other_zero)
        codes[slot, channel] = round_code(np.float32(product) * factor, zero, low, high)


def apply_affine_reference(
    codes: Numbers,
    slot: int,
    input_zero: int,
    multiplier: Numbers,
    offsets: Numbers,
    place: int,
    zero: int,
    low: int,
    high: int,
) -> None:
    """Apply a factor and an offset for each channel: float32(code - input_zero) x factor + offset, rounded.

    codes : (slots, channels) of any integers, changed in place in row `slot`
    multiplier, offsets : (channels,) and (places, channels) float32, of which row `place` is added
    """
    scaled = (codes[slot].astype(np.int64) - input_zero).astype(np.float32) * multiplier + offsets[place]
    codes[slot] = round_codes_reference(scaled, zero, low, high)


@compiled
def apply_affine(
    codes: Numbers,
    slot: int,
    input_zero: int,
    multiplier: Numbers,
    offsets: Numbers,
    place: int,
    zero: int,
    low: int,
    high: int,
) -> None:
    """Compiled twin of `apply_affine_reference`."""
    for channel in range(len(multiplier)):
        operand = np.float32(np.int32(np.int32(codes[slot, channel]) - input_zero)) * multiplier[channel]
        scaled = operand + offsets[place, channel]
        codes[slot, channel] = round_code(scaled, zero, low, high)


def look_up_reference(codes: Numbers, slot: int, table: Numbers) -> None:
    """Replace codes (slots, channels) of one row by those that a table (codes,) has for them."""
    codes[slot] = table[codes[slot]]


@compiled
def look_up(codes: Numbers, slot: int, table: Numbers) -> None:
    """Compiled twin of `look_up_reference`."""
    for channel in range(codes.shape[1]):
        codes[slot, channel] = table[codes[slot, channel]]
