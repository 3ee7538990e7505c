"""Parquet files of intervals as two independent readers see them: pyarrow and DuckDB."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow.parquet as pq

from simcore.activity import NOBODY, Activity
from tests.traces.stretched import Totals


def about(path: Path) -> dict[str, Any]:
    """Return what the file says of itself."""
    return dict(json.loads(pq.read_metadata(path).metadata[b"imcsim"]))


def totals_by_sql(path: Path) -> dict[tuple[str, str], tuple[int, int]]:
    """Return intervals and ticks by unit and state, as DuckDB adds them up, whatever rows stand for."""
    query = "select unit, state, sum(count)::bigint, sum(duration)::bigint from read_parquet(?) group by 1, 2"
    rows = duckdb.execute(query, [str(path)]).fetchall()
    return {(unit, state): (count, ticks) for unit, state, count, ticks in rows}


def named(totals: Totals, units: tuple[str, ...]) -> dict[tuple[str, str], tuple[int, int]]:
    """Return totals by the names of units."""
    return {(units[unit], state): told for (unit, state), told in totals.items()}


def intervals(path: Path) -> Activity:
    """Return the rows that are intervals, sorted as those of any activity, as pyarrow reads them."""
    told = about(path)
    table = pq.read_table(path)
    columns = {name: table[name].to_pylist() for name in table.column_names}
    single = np.array([width is None for width in columns["bin"]], bool)
    assert all(count == 1 for count, one in zip(columns["count"], single, strict=True) if one)
    number = {path: index for index, path in enumerate(told["units"])} | {None: NOBODY}
    state = {name: index for index, name in enumerate(told["states"])}
    unit = np.array([number[name] for name in columns["unit"]], np.int32)[single]
    start = np.array(columns["start"], np.int64)[single]
    order = np.lexsort((start, unit))
    return Activity(
        units=tuple(told["units"]),
        states=tuple(told["states"]),
        unit=unit[order],
        state=np.array([state[name] for name in columns["state"]], np.int16)[single][order],
        start=start[order],
        duration=np.array(columns["duration"], np.int64)[single][order],
        cause=np.array([number[name] for name in columns["cause"]], np.int32)[single][order],
        lag=np.array(columns["lag"], np.int64)[single][order],
        makespan=told["makespan"],
        ticks_per_cycle=told["ticks_per_cycle"],
        clock_hz=told["clock_hz"],
        finisher=number[told["finisher"]],
    )
