"""Intervals as a Parquet file, which pandas, Polars, DuckDB, Spark and Arrow read: a row an interval.

Columns: `unit` and `state` by name, `start` and `duration` [tick]; `cause`, the unit whose act ended a wait,
null where none did, and `lag` [tick] from that act to the end of the wait; `count`, which is 1, and `bin`,
null. A row in which `bin` [tick] is not null adds intervals up: `count` of them begin within so many ticks
from `start` on, and for `duration` of these ticks the unit was in the state. So sums of `count` and
`duration` by unit and state are those of all intervals, whatever the file holds one by one.

The metadata `imcsim` is JSON: `format`, `units`, `states`, `ticks_per_cycle`, `clock_hz`, `makespan`,
`finisher`, whether the run was `interrupted`, `totals` (by state, intervals and ticks), and `limits`, null or
what is complete and what was added up; see `traces.trace_limits`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.activity import NOBODY, Activity
from simcore.errors import SimError
from simcore.files import PendingFile
from traces.aggregate import AggregateRows
from traces.sinks import sinks, write_through

FORMAT = "imcsim.intervals/1"

#: Rows of a group, which is in memory until it is written.
_GROUP = 1 << 19
#: No row takes more, even if nothing in it can be compressed [byte].
_ROW = 40
#: No group takes more besides its rows and names [byte]: headers of pages, and its part of the file's end.
_GROUP_BESIDES = 4096
#: No file takes more besides its groups and the names of units [byte]: schema, states, totals, limits.
_FILE_BESIDES = 1 << 15


@sinks.register(".parquet")
class ParquetSink:
    """Writes intervals to a Parquet file, a group of rows at a time; memories are left out.

    raises : SimError if pyarrow is not installed, FileError if the file cannot be written
    """

    def __init__(self, path: str | Path) -> None:
        try:
            import pyarrow.parquet
        except ImportError:
            raise SimError(
                "Parquet files need pyarrow, which is not installed; pip install 'imcsim[results]'"
            ) from None
        self._arrow, self._parquet = pyarrow, pyarrow.parquet
        self._output = _Output(PendingFile(path))
        self._writer: Any = None
        self._groups = 0
        self._held: list[Activity] = []  # not yet written
        self._told: Activity | None = None  # the last stretch
        self._totals: dict[str, list[int]] = {}
        self._limits: Mapping[str, Any] | None = None
        self._names: int | None = None  # of all units [byte]

    def add(self, stretch: Activity) -> None:
        """Take one more stretch.

        raises : FileError if the disk refuses
        """
        self._told = stretch
        if len(stretch):
            self._count(stretch.state, np.ones(len(stretch), np.int64), stretch.duration)
            self._held.append(stretch)
        if sum(map(len, self._held)) >= _GROUP:
            self._write_held()

    def size(self) -> int:
        """Return how large the file would be if it were closed now [byte], or somewhat more."""
        self._write_held()
        return self._output.written + self._groups * _GROUP_BESIDES + self._names_bytes() + _FILE_BESIDES

    def most(self, rows: int) -> int:
        """Return by how much so many more rows make the file larger at most [byte]."""
        groups = -(-rows // _GROUP) + 1
        # Units are named in two columns, both of which list them in each group.
        return rows * _ROW + groups * (_GROUP_BESIDES + 2 * self._names_bytes())

    def summarise(self, rows: AggregateRows, about: Mapping[str, Any]) -> None:
        """Take what was not told one by one, and what the file says of it."""
        self._write_held()
        self._count(rows.state, rows.count, rows.ticks)
        columns: dict[str, NDArray[Any]] = {
            "unit": rows.unit,
            "state": rows.state,
            "start": rows.start,
            "duration": rows.ticks,
            "cause": np.full(len(rows), NOBODY, np.int32),
            "lag": np.zeros(len(rows), np.int64),
        }
        self._write(columns, rows.count, about["bin_ticks"])
        self._limits = about

    def close(self, interrupted: bool = False) -> None:
        """Write what is held, tell of the whole, and put the file in its place."""
        self._write_held()
        told = self._told
        assert told is not None
        about = {
            "format": FORMAT,
            "units": told.units,
            "states": told.states,
            "ticks_per_cycle": told.ticks_per_cycle,
            "clock_hz": told.clock_hz,
            "makespan": told.makespan,
            "finisher": None if told.finisher == NOBODY else told.units[told.finisher],
            "interrupted": interrupted,
            "totals": {
                state: dict(zip(("count", "ticks"), n, strict=True)) for state, n in self._totals.items()
            },
            "limits": self._limits,
        }
        writer = self._opened()
        writer.add_key_value_metadata({"imcsim": json.dumps(about)})
        writer.close()
        self._output.file.put()

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._output.file.discard()

    def _names_bytes(self) -> int:
        """Return what the names of all units take at most, once [byte]."""
        assert self._told is not None
        if self._names is None:
            self._names = len(json.dumps(self._told.units)) + 8 * len(self._told.units)
        return self._names

    def _count(self, state: NDArray[np.int16], count: NDArray[np.int64], ticks: NDArray[np.int64]) -> None:
        """Add to the totals."""
        assert self._told is not None
        for number in np.unique(state).tolist():
            own = state == number
            total = self._totals.setdefault(self._told.states[number], [0, 0])
            total[0] += int(count[own].sum())
            total[1] += int(ticks[own].sum())

    def _write_held(self) -> None:
        """Write what is held, in a group or several."""
        held, self._held = self._held, []
        if held:
            columns = {name: np.concatenate([a.columns()[name] for a in held]) for name in held[0].columns()}
            self._write(columns, np.ones(len(columns["unit"]), np.int64), None)

    def _write(
        self, columns: Mapping[str, NDArray[Any]], count: NDArray[np.int64], bin_ticks: int | None
    ) -> None:
        """Write rows, in a group or several.

        bin_ticks : width of the bins in which they add intervals up, None if they are intervals
        """
        arrow, told = self._arrow, self._told
        assert told is not None
        schema, rows = self._opened().schema, len(count)
        units, states = arrow.array(told.units, arrow.string()), arrow.array(told.states, arrow.string())
        named = arrow.DictionaryArray.from_arrays
        table_columns = {
            **columns,
            "unit": named(arrow.array(columns["unit"]), units),
            "state": named(arrow.array(columns["state"]), states),
            "cause": named(arrow.array(columns["cause"], mask=columns["cause"] == NOBODY), units),
            "count": count,
            "bin": arrow.repeat(arrow.scalar(bin_ticks, arrow.int64()), rows),
        }
        table = arrow.table(table_columns, schema=schema)
        self._opened().write_table(table, row_group_size=_GROUP)
        self._groups += -(-rows // _GROUP)

    def _opened(self) -> Any:
        """Return the writer."""
        if self._writer is None:
            arrow = self._arrow
            whole, names = arrow.int64(), arrow.string()
            schema = arrow.schema(
                [
                    arrow.field("unit", arrow.dictionary(arrow.int32(), names), nullable=False),
                    arrow.field("state", arrow.dictionary(arrow.int16(), names), nullable=False),
                    arrow.field("start", whole, nullable=False),
                    arrow.field("duration", whole, nullable=False),
                    arrow.field("cause", arrow.dictionary(arrow.int32(), names)),
                    arrow.field("lag", whole, nullable=False),
                    arrow.field("count", whole, nullable=False),
                    arrow.field("bin", whole),
                ]
            )
            self._writer = self._parquet.ParquetWriter(
                self._output,
                schema,
                compression="zstd",
                use_dictionary=["unit", "state", "cause", "count", "bin"],
                dictionary_pagesize_limit=1 << 30,  # names of however many units stay a dictionary
                column_encoding=dict.fromkeys(("start", "duration", "lag"), "DELTA_BINARY_PACKED"),
                write_statistics=["start"],
            )
        return self._writer


class _Output:
    """A pending file as pyarrow writes to it."""

    closed = False

    def __init__(self, file: PendingFile) -> None:
        self.file = file
        self.written = 0

    def write(self, data: bytes) -> None:
        """Append bytes; FileError if the disk refuses."""
        self.file.write(data)
        self.written += len(data)

    def tell(self) -> int:
        """Return where the next byte goes."""
        return self.written

    def flush(self) -> None:
        """Leave that to the end."""


def write_parquet(activity: Activity, path: str | Path) -> None:
    """Write the activity to `path` as a Parquet file, whole or not at all.

    raises : FileError if the disk refuses, SimError if pyarrow is not installed
    """
    write_through(ParquetSink(path), activity)
