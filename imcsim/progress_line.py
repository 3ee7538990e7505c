"""A line on the terminal that tells how far a run has come."""

from __future__ import annotations

import shutil
from typing import TextIO

from simcore import Progress
from simcore.units import format_si

_FIRST, _EVERY = 1.0, 0.2  # [s] before people wonder, and between two of their looks


class ProgressLine:
    """Observer of a run that keeps one line of a terminal up to date; `clear` wipes it."""

    def __init__(self, stream: TextIO, what: str = "") -> None:
        """Write to a terminal, `what` runs in front."""
        self._stream, self._what = stream, what
        self._due = _FIRST

    def __call__(self, progress: Progress) -> None:
        """Show how far the run is, unless it was shown just now."""
        if progress.wall_s < self._due:
            return
        self._due = progress.wall_s + _EVERY
        speed = format_si(progress.cycle / progress.wall_s, "Hz", 3)
        parts = [
            f"{progress.done} of {progress.total} {progress.what}",
            f"cycle {progress.cycle:,}",
            f"simulating at {speed}",
        ]
        if progress.done:
            left = progress.wall_s / progress.done * (progress.total - progress.done)
            parts.append(f"{left:.0f} s left")
        self._write(", ".join([self._what] * bool(self._what) + parts))

    def clear(self) -> None:
        """Wipe the line, so that results start on a clean one."""
        if self._due > _FIRST:
            self._write("")

    def _write(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r{text[:width].ljust(width)}\r")
        self._stream.flush()


class ProgressLines:
    """Observer of several runs, one after the other."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: dict[str, ProgressLine] = {}

    def __call__(self, what: str, progress: Progress) -> None:
        """Show how far the run is that is called `what`."""
        self._lines.setdefault(what, ProgressLine(self._stream, what))(progress)

    def clear(self) -> None:
        """Wipe the line."""
        for line in self._lines.values():
            line.clear()
