"""What parts of a run cost, what channels carried, and when images came and went: tables as CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from arch.machine import MachineRun
from imcsim.metrics import whole
from simcore.energy import PartCost
from simcore.errors import FileError
from simcore.simulation import Outcome

Row = TypeVar("Row")


@dataclass(frozen=True)
class ChannelRow:
    """What one channel carried.

    sources, target : paths of the ports that it joins; sources with " + " between them
    slots : of tokens under way or waiting; None is unbounded
    latency : from put to take, in cycles of the reference clock
    tokens : handed over
    peak : most that it held at the end of any tick, None where that is not watched
    """

    sources: str
    target: str
    slots: int | None
    latency: float
    tokens: int
    peak: int | None


@dataclass(frozen=True)
class ImageRow:
    """When one image was on the machine, in cycles of the reference clock.

    workload : the network that it is for
    image : its number among those of its workload
    accepted, completed : its first input pixel, its last output pixel
    """

    workload: str
    image: int
    accepted: float
    completed: float


def channel_rows(outcome: Outcome) -> tuple[ChannelRow, ...]:
    """Return all channels of a run."""
    ticks = outcome.reference.ticks
    return tuple(
        ChannelRow(" + ".join(c.sources), c.target, c.slots, whole(c.latency / ticks), c.tokens, c.peak)
        for c in outcome.channels
    )


def image_rows(runs: Mapping[str, MachineRun]) -> tuple[ImageRow, ...]:
    """Return all images of a run, by the workloads that they are for."""
    return tuple(
        ImageRow(name, image, *(whole(tick / run.outcome.reference.ticks) for tick in times))
        for name, run in runs.items()
        for image, times in enumerate(zip(run.accepted, run.completed, strict=False))
    )


def table_text(kind: type[Row], rows: Sequence[Row]) -> str:
    """Return rows of a dataclass as CSV, a field a column; None is an empty cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_names(kind))
    writer.writerows(["" if cell is None else cell for cell in astuple(row)] for row in rows)  # type: ignore[call-overload]
    return text.getvalue()


def read_table(path: Path, kind: type[Row]) -> tuple[Row, ...]:
    """Return the rows of a dataclass that `table_text` wrote.

    raises : FileError for a file that is damaged
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return tuple(_rows(csv.reader(stream), kind))
    except (OSError, ValueError, TypeError) as error:
        raise FileError(f"{path} is damaged ({error}); run anew") from None


def _names(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind)]


def _rows(lines: Iterator[list[str]], kind: type[Row]) -> Iterator[Row]:
    if next(lines, None) != _names(kind):
        raise ValueError("its header is another")
    readers = [_READERS[str(hint)] for hint in get_type_hints(kind).values()]
    for cells in lines:
        yield kind(*(read(cell) for read, cell in zip(readers, cells, strict=True)))


def _cycles(cell: str) -> float:
    return whole(float(cell))


#: How a cell is read, by the type of its field.
_READERS: dict[str, Callable[[str], Any]] = {
    str(str): str,
    str(int): int,
    str(float): _cycles,
    str(str | None): lambda cell: cell or None,
    str(int | None): lambda cell: int(cell) if cell else None,
}

#: Tables of a run by the file that holds them.
TABLES: dict[str, type[Any]] = {"parts.csv": PartCost, "channels.csv": ChannelRow, "images.csv": ImageRow}
