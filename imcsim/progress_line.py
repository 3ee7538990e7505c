"""A line on the terminal that tells how far a run has come."""

from __future__ import annotations

import shutil
from typing import TextIO

from simcore import Progress
from simcore.units import format_si

_EVERY = 0.2  # [s] between two looks of a person


class ProgressLine:
    """Observer of a run that keeps one line of a terminal up to date; `clear` wipes it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = -_EVERY

    def __call__(self, progress: Progress) -> None:
        """Show how far the run is, unless it was shown just now."""
        if progress.wall_s - self._shown < _EVERY:
            return
        self._shown = progress.wall_s
        speed = format_si(progress.tick / progress.wall_s, "Hz", 3)
        self._write(f"tick {progress.tick:,} after {progress.wall_s:.0f} s, simulating at {speed}")

    def clear(self) -> None:
        """Wipe the line, so that results start on a clean one."""
        if self._shown >= 0:
            self._write("")

    def _write(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r{text[:width].ljust(width)}\r")
        self._stream.flush()
