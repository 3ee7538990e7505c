"""Recorded activity as a value change dump (VCD), which waveform viewers such as GTKWave and Surfer open.

Scopes are nested as paths are. A unit has three variables: `state`, a string, which is `finished` while it
does nothing and waits for nothing; `busy`, a bit; and `count`, how many operations it has begun, by which one
that follows another at once can be told from it. A memory is a scope with the number of tokens `held`.

The timescale is the largest in which a tick is a whole number, so that all times are exact. Where not even a
tick in femtoseconds is one, a tick is told as one nanosecond, and a comment says so.

Source: IEEE 1364-2005, section 18; strings are GTKWave's extension of it. Written with pyvcd.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from simcore.activity import Activity, category
from simcore.errors import SimError
from simcore.files import write_atomically
from traces.timeline import unit_groups, whole_tick
from traces.unit_paths import segments

if TYPE_CHECKING:
    from vcd import VCDWriter

_OPERATIONS = ("busy", "programming")
_PREFIXES = ("", "m", "u", "n", "p", "f")

#: A change: when [tick], of which variable, to what.
_Change = tuple[int, Any, Any]


def write_vcd(activity: Activity, path: str | Path, *, title: str = "run") -> None:
    """Write the activity to `path` as a VCD, whole or not at all; equal activities make equal bytes.

    title : what the comment calls the run
    raises : SimError if pyvcd is not installed, FileError if the disk refuses
    """
    try:
        from vcd import VCDWriter
    except ImportError:
        raise SimError(
            "value change dumps need pyvcd, which is not installed; pip install 'imcsim[wave]'"
        ) from None
    timescale, step = _timescale(activity)
    tick = 1e9 / (activity.clock_hz * activity.ticks_per_cycle)
    comment = title if step else f"{title}; 1 ns here is a tick of {tick:.6g} ns"

    def write(stream: BinaryIO) -> None:
        text = io.TextIOWrapper(stream, encoding="utf-8", newline="\n", write_through=True)
        with VCDWriter(text, timescale, date="", comment=comment, version="imcsim") as writer:
            for time, variable, value in sorted(_changes(activity, writer), key=lambda change: change[0]):
                writer.change(variable, time * (step or 1), value)
            writer.close(activity.makespan * (step or 1))
        text.detach()

    write_atomically(path, write)


def _timescale(activity: Activity) -> tuple[str, int | None]:
    """Return the timescale, and how many of its units a tick is; None if a tick is told as one nanosecond."""
    for power in range(3 * len(_PREFIXES) - 2):
        if step := whole_tick(activity, 10**power):
            prefix, factor = divmod(power + 2, 3)
            return f"{10 ** (2 - factor)} {_PREFIXES[prefix]}s", step
    return "1 ns", None


def _changes(activity: Activity, writer: VCDWriter) -> Iterator[_Change]:
    """Introduce all variables, and yield their changes, those of each in order."""
    for group in unit_groups(activity):
        for unit in group.units:
            yield from _of_unit(activity, unit, writer)
    for buffer in activity.buffers:
        held = writer.register_var(_scope(buffer.path), "held", "integer", size=32, init=0)
        yield from (
            (tick, held, n) for tick, n in zip(buffer.tick.tolist(), buffer.held.tolist(), strict=True)
        )


def _of_unit(activity: Activity, unit: int, writer: VCDWriter) -> Iterator[_Change]:
    scope = _scope(activity.units[unit])
    state = writer.register_var(scope, "state", "string", init="finished")
    busy = writer.register_var(scope, "busy", "wire", size=1, init=0)
    count = writer.register_var(scope, "count", "integer", size=32, init=0)
    first, last = np.searchsorted(activity.unit, [unit, unit + 1])
    begun, past = 0, 0
    for number, start, duration in zip(
        activity.state[first:last].tolist(),
        activity.start[first:last].tolist(),
        activity.duration[first:last].tolist(),
        strict=True,
    ):
        if start > past:
            yield past, state, "finished"
            yield past, busy, 0
        name = activity.states[number]
        works = category(name) in _OPERATIONS
        begun += works
        yield start, state, _word(name)
        yield start, busy, int(works)
        yield start, count, begun
        past = start + duration
    yield past, state, "finished"
    yield past, busy, 0


def _scope(path: str) -> tuple[str, ...]:
    return tuple(map(_word, segments(path)))


def _word(name: str) -> str:
    """Return a name without spaces, which would end it."""
    return "_".join(name.split())
