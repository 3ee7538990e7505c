"""The account of what wordlines are driven with: kernel, twin and definition."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.kernels.wordline_drives import add_drives, add_drives_reference


@settings(deadline=None)
@given(st.integers(2, 16), st.integers(1, 200), st.integers(0, 2**32 - 1))
def test_add_drives_equals_its_twin_and_adds_what_the_table_says(bits: int, elements: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    zero = int(rng.integers(0, 2**bits))
    codes = rng.integers(0, 2**bits, (3, elements))
    windows = (codes - zero).astype(np.int16 if bits <= 15 else np.int32)
    drives = rng.integers(0, 2**40, 2**bits)
    before = rng.integers(0, 2**40, elements)
    totals = [before.copy(), before.copy()]
    add_drives(windows, 1, zero, drives, totals[0])
    add_drives_reference(windows, 1, zero, drives, totals[1])
    expected = [total + drives[code] for total, code in zip(before.tolist(), codes[1].tolist(), strict=True)]
    assert totals[0].tolist() == totals[1].tolist() == expected
