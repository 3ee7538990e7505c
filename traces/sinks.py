"""Where the intervals of a run go while it makes them: sinks, opened by the ending of a file's name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from simcore.activity import Activity
from simcore.errors import UnknownNameError
from simcore.registry import Registry
from traces.aggregate import AggregateRows


class IntervalSink(Protocol):
    """Takes the intervals of a run stretch by stretch, while it runs or from a recording.

    A stretch is an `Activity` of some intervals. Its `units`, and the paths of its `buffers`, are the same in
    all stretches of a run; `states` only grow at their end, so that numbers keep their meaning. Its
    `makespan` is the tick up to which all is told by then: what ended later, or changed later in a memory, is
    in a later stretch. So the intervals of each unit come in order. A run's first stretch comes before
    anything has happened and has no intervals; the last one has the makespan of the run, and its `finisher`.
    A recording may come as a single one.

    Files appear under their name when they are closed, whole or not at all.
    """

    def add(self, stretch: Activity) -> None:
        """Take one more stretch.

        raises : FileError if the disk refuses
        """

    def close(self, interrupted: bool = False) -> None:
        """Put the file in its place; called once, behind the last stretch.

        interrupted : whether the run did not get to its end, which the file then says
        """

    def abandon(self) -> None:
        """Leave nothing behind; called in place of `close` when something failed."""


@runtime_checkable
class BoundedSink(IntervalSink, Protocol):
    """A sink whose file can be kept within a size, as the rest is added up; see `traces.trace_limits`."""

    def size(self) -> int:
        """Return how large the file would be if it were closed now [byte], or somewhat more."""

    def most(self, rows: int) -> int:
        """Return by how much so many more rows make the file larger at most [byte]."""

    def summarise(self, rows: AggregateRows, about: Mapping[str, Any]) -> None:
        """Take what was not told one by one; called once, behind the last stretch.

        about : what of the trace is complete, and how wide bins are, for whoever opens the file
        """


#: Opens a file to write to; FileError if it cannot be written.
SinkMaker = Callable[[Path], IntervalSink]

#: By the ending of a file's name, with its dot.
sinks: Registry[SinkMaker] = Registry("format of traces by its ending")


def open_sink(path: str | Path) -> IntervalSink:
    """Return a sink for a file, of the format that its name's ending tells.

    raises : UnknownNameError if no format has such an ending, FileError if the file cannot be written
    """
    ending = next((ending for ending in sinks if str(path).endswith(ending)), None)
    if ending is None:
        raise UnknownNameError(
            f"a trace goes to a file whose name ends in {', '.join(sinks)}, which tells its form, got {path}"
        )
    return sinks[ending](Path(path))


def write_through(sink: IntervalSink, activity: Activity) -> None:
    """Give a whole recording to a sink, and close it; nothing is left behind if that fails."""
    try:
        sink.add(activity)
        sink.close()
    except BaseException:
        sink.abandon()
        raise
