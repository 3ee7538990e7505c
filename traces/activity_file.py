"""Recorded activity as a file: an `.npz` of plain columns that any numpy reads, ended by its totals.

Arrays: `format`, `units`, `states`; a row an interval in `unit`, `state`, `start`, `duration`, `cause` and
`lag`; `makespan`, `ticks_per_cycle`, `clock_hz`, `finisher`; of memories `buffer_paths`, `buffer_slots` (-1
without bound), how many entries each has in `buffer_entries`, and all of these, one memory behind the other,
in `buffer_tick` and `buffer_held`; last `end`: number of intervals, sums of their starts and durations.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.activity import CATEGORIES, NOBODY, Activity, BufferTrace, category
from simcore.errors import FileError
from simcore.files import open_regular, write_atomically

FORMAT = "imcsim.activity/2"

# What numpy and zipfile raise when fed with bytes that are not what they should be.
_DAMAGE = (
    ValueError,
    TypeError,
    AttributeError,
    EOFError,
    MemoryError,
    OverflowError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)
_COLUMNS = {
    "unit": np.int32,
    "state": np.int16,
    "start": np.int64,
    "duration": np.int64,
    "cause": np.int32,
    "lag": np.int64,
}


def save_activity(path: str | Path, activity: Activity) -> None:
    """Write the activity to `path`, whole or not at all; equal activities make equal bytes.

    raises : FileError if the disk refuses
    """
    arrays: dict[str, NDArray[Any]] = {
        "format": np.array(FORMAT),
        "units": np.array(activity.units, dtype=np.str_),
        "states": np.array(activity.states, dtype=np.str_),
        **activity.columns(),
        "makespan": np.array(activity.makespan, dtype=np.int64),
        "ticks_per_cycle": np.array(activity.ticks_per_cycle, dtype=np.int64),
        "clock_hz": np.array(activity.clock_hz, dtype=np.float64),
        "finisher": np.array(activity.finisher, dtype=np.int32),
        **_buffer_arrays(activity.buffers),
        "end": _totals(activity),
    }
    write_atomically(path, lambda stream: np.savez(stream, allow_pickle=False, **arrays))


def load_activity(path: str | Path) -> Activity:
    """Return the activity that `save_activity` wrote to `path`.

    raises : FileError if the file is missing, cut off, damaged, of another kind, or contradicts itself
    """
    try:
        with (
            open_regular(path, "the activity of a run") as stream,
            np.load(stream, allow_pickle=False) as arrays,
        ):
            if "format" not in arrays or str(arrays["format"]) != FORMAT:
                raise _refusal(path, f"expected the format {FORMAT!r}, got {arrays.get('format', 'none')}")
            activity = Activity(
                units=tuple(arrays["units"].tolist()),
                states=tuple(arrays["states"].tolist()),
                unit=arrays["unit"],
                state=arrays["state"],
                start=arrays["start"],
                duration=arrays["duration"],
                cause=arrays["cause"],
                lag=arrays["lag"],
                makespan=int(arrays["makespan"]),
                ticks_per_cycle=int(arrays["ticks_per_cycle"]),
                clock_hz=float(arrays["clock_hz"]),
                finisher=int(arrays["finisher"]),
                buffers=_buffers(arrays),
            )
            end = arrays["end"]
    except OSError as error:
        raise FileError(f"cannot read {path}: {error.strerror or error}; check the path") from error
    except KeyError as error:
        raise _refusal(path, f"it lacks a part: {error.args[0]}") from error
    except _DAMAGE as error:
        raise _refusal(path, f"it is damaged or no activity file ({error})") from error
    _check(path, activity, end)
    return activity


def _buffer_arrays(buffers: Sequence[BufferTrace]) -> dict[str, NDArray[Any]]:
    """Return what memories held, all in the same few arrays."""
    return {
        "buffer_paths": np.array([buffer.path for buffer in buffers], dtype=np.str_),
        "buffer_slots": np.array([-1 if b.slots is None else b.slots for b in buffers], dtype=np.int64),
        "buffer_entries": np.array([len(buffer.tick) for buffer in buffers], dtype=np.int64),
        "buffer_tick": np.concatenate([np.zeros(0, np.int64), *(buffer.tick for buffer in buffers)]),
        "buffer_held": np.concatenate([np.zeros(0, np.int32), *(buffer.held for buffer in buffers)]),
    }


def _buffers(arrays: Mapping[str, NDArray[Any]]) -> tuple[BufferTrace, ...]:
    """Return what memories held.

    raises : ValueError if the arrays do not go together
    """
    paths, slots, entries = (arrays[f"buffer_{name}"].tolist() for name in ("paths", "slots", "entries"))
    tick, held = arrays["buffer_tick"], arrays["buffer_held"]
    if not sum(entries) == len(tick) == len(held):
        raise ValueError("its memories have other entries than it says")
    ends = np.cumsum(entries, dtype=np.int64)[:-1]
    parts = zip(paths, slots, np.split(tick, ends), np.split(held, ends), strict=True) if paths else ()
    return tuple(BufferTrace(path, None if n < 0 else n, t, h) for path, n, t, h in parts)


def _totals(activity: Activity) -> NDArray[np.int64]:
    return np.array([len(activity), activity.start.sum(), activity.duration.sum()], dtype=np.int64)


def _check(path: str | Path, activity: Activity, end: NDArray[Any]) -> None:
    """Raise FileError unless the activity keeps all that `Activity` promises and `end` tells its totals."""
    for name, column in activity.columns().items():
        if column.dtype != _COLUMNS[name] or column.shape != activity.start.shape or column.ndim != 1:
            raise _refusal(path, f"its column {name!r} is {column.dtype} of shape {column.shape}")
    if not np.array_equal(end, _totals(activity)):
        raise _refusal(
            path, f"its totals are {end.tolist()}, its intervals add up to {_totals(activity).tolist()}"
        )
    unknown = [state for state in activity.states if category(state) not in CATEGORIES]
    if unknown:
        raise _refusal(path, f"its state {unknown[0]!r} is of no category: {', '.join(CATEGORIES)}")
    if activity.makespan < 0 or activity.ticks_per_cycle < 1 or not 0 < activity.clock_hz < np.inf:
        raise _refusal(path, "its makespan or its clock makes no sense")
    if not (_indexes(activity.unit, activity.units) and _indexes(activity.state, activity.states)):
        raise _refusal(path, "an interval names a unit or a state that the file does not list")
    if not (_indexes(activity.cause - NOBODY, (NOBODY, *activity.units)) and (activity.lag >= 0).all()):
        raise _refusal(path, "a wait was ended by a unit that the file does not list, or before its act")
    if not NOBODY <= activity.finisher < len(activity.units):
        raise _refusal(path, "the run was ended by a unit that the file does not list")
    finish = activity.start + activity.duration
    same_unit = activity.unit[1:] == activity.unit[:-1]
    in_order = np.where(same_unit, activity.start[1:] >= finish[:-1], activity.unit[1:] > activity.unit[:-1])
    in_run = (activity.start >= 0) & (activity.duration >= 0) & (finish <= activity.makespan)
    if not (in_order.all() and in_run.all()):
        raise _refusal(path, "its intervals overlap, are out of order, or leave the run")


def _indexes(column: NDArray[Any], names: Sequence[object]) -> bool:
    return bool(((column >= 0) & (column < len(names))).all())


def _refusal(path: str | Path, reason: str) -> FileError:
    return FileError(f"cannot use {path}: {reason}; record the run again")
