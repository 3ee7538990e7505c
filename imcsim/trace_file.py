"""The file to which a run writes its intervals while it goes on: what is asked for, and what came of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, TracebackType
from typing import Any, Self

from imcsim.metrics import whole
from imcsim.run_folder import EXPORTED, RunFolder
from simcore import Activity, ConfigError
from simcore.units import format_si, parse_quantity
from traces import BoundedSink, IntervalSink, LimitedSink, TraceLimits, open_sink

_WINDOW = re.compile(r"(\d*):(\d*)")


@dataclass(frozen=True)
class TraceOptions:
    """A trace that a run writes while it goes on, in place of keeping all intervals in memory.

    file : where to; the ending tells the format, as `.parquet`
    budget : most that the file may take, in bytes or as "200 MB"; None: no bound
    window : cycles of the reference clock, as "1000:2000", "1000:" or ":2000"; None: all
    units : patterns over paths of units, as "core[conv1]", or a single one; none: all
    announce : called before cycle 0 with what the file will hold, in words, and how large it may become

    What is beyond budget, outside of the window or of another unit is added up exactly, by unit and state in
    bins of time.
    """

    file: str | Path
    budget: str | int | None = None
    window: str | None = None
    units: str | Sequence[str] = ()
    announce: Callable[[str], object] | None = None

    def __post_init__(self) -> None:
        """Insist on types, so that what is meant otherwise is refused with what to write.

        raises : ConfigError for any other one
        """
        for name, value, kinds, example in (
            ("file", self.file, (str, Path), "'run.parquet'"),
            ("budget", self.budget, (int, str, NoneType), "'200 MB'"),
            ("window", self.window, (str, NoneType), "'1000:2000'"),
        ):
            if not isinstance(value, kinds) or isinstance(value, bool):
                raise ConfigError(
                    f"{name} of the trace must be {_names(kinds)}, got {value!r}; write for example {example}"
                )
        units = (self.units,) if isinstance(self.units, str) else self.units
        if not isinstance(units, Sequence) or not all(isinstance(unit, str) for unit in units):
            raise ConfigError(
                f"units of the trace must be patterns over paths, got {self.units!r}; write for example "
                "['core[conv1]']"
            )
        object.__setattr__(self, "units", tuple(units))

    def limits(self) -> TraceLimits | None:
        """Return the limits, None if there are none.

        raises : ConfigError for a budget that is no size, and for a window without cycles
        """
        if self.budget is None and self.window is None and not self.units:
            return None
        return TraceLimits(self._bytes(), *self._cycles(), self.units or ("*",))

    def promise(self) -> str:
        """Return in words what the file will hold, and how large it may become."""
        limits = self.limits()
        if limits is None:
            return f"trace to {self.file}: every interval, without a budget"
        most = "without a budget" if limits.budget is None else f"{format_si(limits.budget, 'B')} at most"
        when = "" if self.window is None else f" in cycles {self.window}"
        whose = f" of {', '.join(self.units)}" if self.units else ""
        fits = "" if limits.budget is None else " as long as they fit"
        rest = "all others added up in bins of time"
        return f"trace to {self.file}, {most}: intervals{whose}{when} one by one{fits}, {rest}"

    def _bytes(self) -> int | None:
        if self.budget is None or isinstance(self.budget, int):
            return self.budget
        try:
            return int(parse_quantity(self.budget, "B"))
        except ConfigError as error:
            raise ConfigError(f"budget of the trace {error}") from None

    def _cycles(self) -> tuple[int, int | None]:
        if self.window is None:
            return 0, None
        match = _WINDOW.fullmatch(self.window)
        start, stop = (int(match[1] or 0), int(match[2]) if match[2] else None) if match else (0, 0)
        if stop is not None and stop <= start:
            raise ConfigError(
                f"window of the trace must be cycles A:B with A below B, or A: or :B, got {self.window!r}; "
                "write for example 1000:2000"
            )
        return start, stop


class TraceFile:
    """The file of one run: opened before it starts, told of stretches, closed, or else never there."""

    def __init__(self, trace: str | Path | TraceOptions, folder: RunFolder | None) -> None:
        """Take note of where to write: to the place of a result, if it is to lie among them.

        raises : ConfigError for limits that make no sense
        """
        options = trace if isinstance(trace, TraceOptions) else TraceOptions(trace)  # which checks its type
        self._options, self._limits = options, options.limits()
        self._path = self._place = Path(options.file)
        if folder is not None and self._path.name in EXPORTED and _same(self._path.parent, folder.folder):
            self._place = folder.place(self._path.name)
        self._sink: IntervalSink | None = None
        self._is_adding = False
        self._intervals = 0
        self._last: Activity | None = None

    def __enter__(self) -> Self:
        """Open the file.

        raises : UnknownNameError for an unknown ending, FileError if it cannot be written, ConfigError if its
            format takes no limits, SimError if that needs a package which is not installed
        """
        sink = open_sink(self._place)
        if self._limits is not None:
            if not isinstance(sink, BoundedSink):
                sink.abandon()
                raise ConfigError(
                    f"{self._path} is of a format without limits, got a budget, a window or units; "
                    "leave them out, or write to a .parquet file"
                )
            sink = LimitedSink(sink, self._limits)
        self._sink = sink
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sink is not None:
            self._sink.abandon()

    def add(self, stretch: Activity) -> None:
        """Take one more stretch of the run; see `traces.IntervalSink`."""
        assert self._sink is not None
        self._is_adding = True
        self._sink.add(stretch)
        if self._last is None and self._options.announce is not None:
            self._options.announce(self._options.promise())
        self._intervals += len(stretch)
        self._last = stretch
        self._is_adding = False

    def close(self, interrupted: bool = False) -> dict[str, Any] | None:
        """Put the file in its place, and return what a summary says of it.

        returns : None if there is no file, as the run never started, or was interrupted within a stretch
        """
        sink, last = self._sink, self._last
        if sink is None or last is None or self._is_adding:
            return None
        sink.close(interrupted)
        self._sink = None
        limited = sink.about if isinstance(sink, LimitedSink) else {}
        ticks = last.ticks_per_cycle
        return {
            "file": str(self._path),
            "bytes": self._place.stat().st_size,
            "budget_bytes": limited.get("budget_bytes"),
            "intervals": self._intervals,
            "aggregated": limited.get("aggregated", 0),
            "bin_cycles": whole(limited["bin_ticks"] / ticks) if limited else None,
            "complete_until_cycle": limited.get("complete_until_tick", last.makespan) // ticks,
        }


def _names(kinds: tuple[type, ...]) -> str:
    return " or ".join("None" if kind is NoneType else kind.__name__ for kind in kinds)


def _same(folder: Path, other: Path) -> bool:
    return folder.resolve() == other.resolve()
