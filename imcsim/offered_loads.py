"""Loads that a command names, and what is written of a measurement over them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imcsim.decimals import read_decimal
from simcore import ConfigError, FileError
from simcore.files import write_atomically
from traces import check_figure_name, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PICTURE = "load-latency.png"
_MOST_LOADS = 1000


def read_loads(text: str) -> list[float]:
    """Return the loads that a command line names: one, several with commas, or first:last:step.

    >>> read_loads("0.1"), read_loads("0.05,0.2"), read_loads("0.1:0.3:0.1")
    ([0.1], [0.05, 0.2], [0.1, 0.2, 0.3])
    """
    try:
        loads = [float(load) for part in text.split(",") for load in _range(part)]
    except (ArithmeticError, ValueError):
        raise ConfigError(
            f"--load must be a number, several with commas, or first:last:step, got {text!r}; "
            "as in 0.1 or 0.05:0.4:0.05"
        ) from None
    if len(loads) > _MOST_LOADS:
        raise ConfigError(
            f"--load names {len(loads)} loads, of which {_MOST_LOADS} may be; take larger steps"
        )
    return loads


def _range(part: str) -> Iterator[Decimal]:
    """Yield the loads of one part, in exact steps."""
    first, *rest = (read_decimal(number.strip()) for number in part.split(":"))
    if not rest:
        yield first
        return
    last, step = rest
    if not (step > 0 and last >= first and (last - first) / step < 10 * _MOST_LOADS):
        raise ValueError
    while first <= last:
        yield first
        first += step


def check_out(out: str | Path, name: str) -> None:
    """Raise FileError for what `save_measured` would not write to, before anything is measured."""
    out = Path(out)
    if _is_picture(out):
        check_figure_name(out)
        if not out.parent.is_dir():
            raise FileError(f"cannot write {out}: there is no directory {out.parent}; make it")
    elif out.is_dir() and any(out.iterdir()) and not (out / name).exists():
        raise FileError(f"cannot write to {out}: it holds other files; name a new or empty directory")
    elif out.exists() and not out.is_dir():
        raise FileError(f"cannot write to {out}: it is a file; name a directory, or a picture (.png, .svg)")


def _is_picture(out: Path) -> bool:
    return bool(out.suffix) and not out.is_dir()


def save_measured(
    out: str | Path, name: str, summary: Mapping[str, Any], plot: Callable[[], Figure]
) -> list[Path]:
    """Write the picture, if `out` has an ending; else both it and `name` into that directory.

    name : of the file that holds the summary
    returns : the files written
    raises : FileError if the directory holds anything but an earlier result, or no picture ends like that
    """
    out = Path(out)
    check_out(out, name)
    if _is_picture(out):
        save_figure(plot(), out)
        return [out]
    table, picture = out / name, out / PICTURE
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"cannot write to {out}: {error.strerror}; name another directory") from None
    content = json.dumps(summary, indent=2).encode()
    write_atomically(table, lambda stream: stream.write(content))
    save_figure(plot(), picture)
    return [table, picture]
