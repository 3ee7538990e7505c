from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.traces.endless_stream import ROWS, UNITS, stretches
from tests.traces.parquet_files import named, totals_by_sql
from tests.traces.stretched import totals

BUDGET, STRETCHES = 60_000_000, 100


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_hundred_million_intervals_stay_within_their_budget_on_disk_and_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    words = [sys.executable, "-m", "tests.traces.endless_stream", path, BUDGET, STRETCHES]
    told = json.loads(subprocess.run(list(map(str, words)), check=True, capture_output=True).stdout)
    assert 0.9 * BUDGET < path.stat().st_size <= BUDGET
    # A stretch of a million and what is made of it, whatever came before.
    assert told["peak_mb"][-1] < 500
    assert told["peak_mb"][-1] < 1.3 * told["peak_mb"][len(told["peak_mb"]) // 10]
    _, one, *_ = stretches(1)
    each = named(totals(one), one.units)
    assert len(each) == 3 * UNITS
    whole = {place: (STRETCHES * count, STRETCHES * ticks) for place, (count, ticks) in each.items()}
    assert totals_by_sql(path) == whole
    assert sum(count for count, _ in whole.values()) == STRETCHES * ROWS == 10**8
    assert 0 < told["limits"]["complete_until_tick"] < STRETCHES * one.makespan
