"""Small layers on their arrays, drawn: any encoding, streaming, converters and turns of rows."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any, get_args

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from arch.arrays.array_parts import Placement
from arch.arrays.array_product import ArrayProduct, Method
from arch.arrays.encoding import Encoding, Signs
from arch.arrays.streaming import Form, Sign, Streaming
from arch.arrays.transfer import Transfer
from tests.arch.arrays.naive_arrays import exact_products

Array = NDArray[Any]


@dataclass(frozen=True)
class Layer:
    """A small layer on its arrays, and windows for it: code - zero, as registers hold them."""

    placements: list[Placement]
    columns: int
    encoding: Encoding
    streaming: Streaming
    transfers: list[Transfer]
    zero: int
    active_rows: int | None
    windows: Array

    def product(self, method: Method | None = None) -> ArrayProduct:
        return ArrayProduct(
            self.placements,
            self.columns,
            self.encoding,
            self.streaming,
            self.transfers,
            zero=self.zero,
            active_rows=self.active_rows,
            method=method,
        )

    def exact(self) -> Array:
        return exact_products(self.placements, self.windows, self.columns)


@st.composite
def layers(draw: st.DrawFn, most_rows: int = 80, adc: tuple[int, int] = (1, 10)) -> Layer:
    encoding = Encoding(
        draw(st.sampled_from(get_args(Signs))),
        draw(st.integers(2, 9)),
        draw(st.integers(1, 8)),
    )
    streaming = Streaming(
        draw(st.integers(2, 9)),
        draw(st.integers(1, 8)),
        draw(st.sampled_from(get_args(Form))),
        draw(st.sampled_from(get_args(Sign))),
    )
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    row_blocks, rows = draw(st.integers(1, 2)), draw(st.integers(1, most_rows))
    cols = draw(st.integers(1, 4))
    spread = rng.choice([0, encoding.low, encoding.high], (row_blocks * rows, 2 * cols))
    weights = np.where(
        rng.random(spread.shape) < draw(st.sampled_from([0.1, 0.8])),
        spread,
        rng.integers(encoding.low, encoding.high + 1, spread.shape),
    )
    elements = rng.permutation(row_blocks * rows + 3)[: row_blocks * rows]
    placements = [
        Placement(
            weights[r * rows : (r + 1) * rows, c * cols : (c + 1) * cols],
            elements[r * rows : (r + 1) * rows],
            c * cols,
        )
        for r, c in product(range(row_blocks), range(2))
    ]
    signed = encoding.signs == "signed"
    bits = max(draw(st.integers(*adc)), 1 + signed)
    bitlines = encoding.encode(placements[0].weights).levels.shape[1]
    transfers = [
        Transfer(
            bits,
            signed,
            1 if draw(st.booleans()) else np.asarray(rng.integers(1, 9, bitlines)),
        )
        for _ in placements
    ]
    zero = int(rng.integers(0, 2**streaming.bits)) if streaming.sign == "unsigned" else 0
    windows = rng.integers(streaming.low, streaming.high + 1, (3, len(elements) + 3))
    active_rows = draw(st.none() | st.integers(max(rows // 3, 1), rows + 1))
    windows = (windows - zero).astype(np.int32 if streaming.bits > 14 else np.int16)
    return Layer(placements, 2 * cols, encoding, streaming, transfers, zero, active_rows, windows)
