"""What runs with device values will compute, in words, before there is a network."""

from __future__ import annotations

import numpy as np

from arch.array_parts import ArrayParts, Placement, array_converters
from arch.encoding import Encoding
from arch.streaming import Streaming

#: Rows of the array that is looked at where a machine has larger ones.
MOST_ROWS = 1024


def values_report(parts: ArrayParts, activation_bits: int) -> tuple[tuple[str, str], ...]:
    """Return what decides on device values, and how the fastest exact products will be computed.

    raises : ConfigError for parts that cannot work together
    """
    crossbar, adc = parts.crossbar, parts.adc
    streaming = crossbar.streaming(activation_bits)
    span = f"steps of {adc.lsb} level" if adc.range == "fixed" else f"range {adc.range}"
    return (
        ("weights", _weights(parts.encoding)),
        ("inputs", _inputs(streaming)),
        ("converters", f"{adc.kind} of {adc.bits} bit, {span}"),
        ("real", ", ".join(parts.physics.effects) or "nothing: cells, wires and converters are ideal"),
        ("products", _products(parts, streaming)),
    )


def _weights(encoding: Encoding) -> str:
    cells = "" if encoding.signs == "signed" else f", slices of {encoding.cell_bits} bit: {encoding.slices}"
    return f"{encoding.weight_bits} bit, {encoding.signs}{cells}, bitlines: {encoding.columns_per_weight}"


def _inputs(streaming: Streaming) -> str:
    most = max(phase.bits for phase in streaming.phases)
    phases = f"phases of {most} bit: {len(streaming.phases)}"
    return f"{streaming.bits} bit, {streaming.form}, {streaming.sign}, {phases}"


def _products(parts: ArrayParts, streaming: Streaming) -> str:
    """Return how products are computed, from the worst array there can be: all weights the largest."""
    if parts.physics.effects:
        return "conductances: sums of conductances, read one by one"
    if parts.adc.range == "calibrated":
        return "chosen for each layer by its sums; the summary of a run tells which"
    rows = min(parts.crossbar.rows, MOST_ROWS)
    worst = Placement(np.full((rows, 1), parts.encoding.high), np.arange(rows), 0)
    levels = parts.encoding.encode(worst.weights).levels[: parts.crossbar.active_rows]
    if array_converters(worst, parts, streaming).is_exact(levels, streaming.largest).all():
        return f"plain products: no bitline can clip or round, not even in {rows} rows of the largest weights"
    return (
        "plain products where no bitline can clip or round; product and errors where some can; bit planes "
        f"where most can, as in {rows} rows of the largest weights"
    )
