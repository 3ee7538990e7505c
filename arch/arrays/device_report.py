"""What runs with device values will compute, in words, before there is a network."""

from __future__ import annotations

from arch.arrays.array_parts import ArrayParts, largest_of_any
from arch.arrays.encoding import Encoding
from arch.arrays.streaming import Streaming

#: Rows that are looked at where a machine has more.
MOST_ROWS = 1024


def values_report(parts: ArrayParts, activation_bits: int) -> tuple[tuple[str, str], ...]:
    """Return what decides on device values, and how the fastest exact products will be computed.

    raises : ConfigError for parts that cannot work together
    """
    streaming = parts.crossbar.streaming(activation_bits)
    return (*parts_report(parts, activation_bits), ("products", _products(parts, streaming)))


def parts_report(
    parts: ArrayParts, activation_bits: int, held: str = "weights"
) -> tuple[tuple[str, str], ...]:
    """Return what decides on device values.

    held : what lies in the cells
    raises : ConfigError for parts that cannot work together
    """
    adc, streaming = parts.adc, parts.crossbar.streaming(activation_bits)
    span = f"steps of {adc.lsb} level" if adc.range == "fixed" else f"range {adc.range}"
    return (
        (held, _weights(parts.encoding)),
        ("inputs", _inputs(streaming)),
        ("converters", f"{adc.kind} of {adc.bits} bit, {span}"),
        ("real", ", ".join(parts.physics.effects) or "nothing: cells, wires and converters are ideal"),
    )


def _weights(encoding: Encoding) -> str:
    cells = "" if encoding.signs == "signed" else f", slices of {encoding.cell_bits} bit: {encoding.slices}"
    return f"{encoding.weight_bits} bit, {encoding.signs}{cells}, bitlines: {encoding.columns_per_weight}"


def _inputs(streaming: Streaming) -> str:
    most = max(phase.bits for phase in streaming.phases)
    phases = f"phases of {most} bit: {len(streaming.phases)}"
    return f"{streaming.bits} bit, {streaming.form}, {streaming.sign}, {phases}"


def _products(parts: ArrayParts, streaming: Streaming) -> str:
    """Return how products are computed, whatever the weights, or on what it depends."""
    crossbar, adc = parts.crossbar, parts.adc
    if parts.physics.effects:
        return "conductances: sums of conductances, read one by one"
    rows = min(crossbar.rows, MOST_ROWS)
    largest = largest_of_any(parts.encoding, rows, crossbar.active_rows, streaming.largest)
    highest = 2 ** (adc.bits - (parts.encoding.signs == "signed")) - 1
    if adc.range != "calibrated" and adc.lsb in (None, 1) and largest <= highest:
        return f"plain products: sums of {rows} rows are {largest} at most, and codes reach {highest}"
    return (
        "by the weights of each layer: plain products where no bitline can clip or round, product and errors "
        f"where some can, bit planes where most can; {rows} rows may sum up to {largest}, codes to {highest}"
    )
