"""A line that tells how far a run has come, and what holds it up: on a terminal, or in a notebook."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, TextIO

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
        self._write(", ".join([self._what] * bool(self._what) + _parts(progress)))

    def clear(self) -> None:
        """Wipe the line, so that results start on a clean one."""
        if self._due > _FIRST:
            self._write("")

    def _write(self, text: str) -> None:
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(f"\r{text[:width].ljust(width)}\r")
        self._stream.flush()


class NotebookProgress:
    """Observer of a run that keeps one line under a notebook's cell up to date."""

    def __init__(self, show: Callable[..., Any]) -> None:
        """Show by `IPython.display.display`, or what takes the same arguments and returns such a handle."""
        self._show = show
        self._handle: Any = None
        self._due = _FIRST

    def __call__(self, progress: Progress) -> None:
        """Show how far the run is, unless it was shown just now; what is shown last stays."""
        if progress.wall_s < self._due:
            return
        self._due = progress.wall_s + _EVERY
        content = {"text/plain": ", ".join(_parts(progress))}
        if self._handle is None:
            self._handle = self._show(content, raw=True, display_id=True)
        else:
            self._handle.update(content, raw=True)


def watch() -> Callable[[Progress], None]:
    """Return an observer that shows how far a run is and its bottleneck: `imcsim.run(..., observe=watch())`.

    In a notebook it keeps a line under the cell up to date, elsewhere one on stderr.
    """
    if "ipykernel" in sys.modules:  # whoever runs a notebook has imported it
        return NotebookProgress(import_module("IPython.display").display)
    return ProgressLine(sys.stderr)


def _parts(progress: Progress) -> list[str]:
    """Return what there is to tell, what matters most first: terminals cut off what is too long."""
    parts = [f"{progress.done} of {progress.total} {progress.what}", f"cycle {progress.cycle:,}"]
    if progress.done:
        left = progress.wall_s / progress.done * (progress.total - progress.done)
        parts.append(f"{left:.0f} s left")
    if (bottleneck := progress.bottleneck) is not None:
        parts.append(f"{bottleneck.unit} {bottleneck.share:.0%} busy")
    parts.append(f"simulating at {format_si(progress.cycle / progress.wall_s, 'Hz', 3)}")
    return parts


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
