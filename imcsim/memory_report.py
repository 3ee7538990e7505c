"""What memories of keys and values saw and what writing cells took, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def cache_text(cache: Mapping[str, Any]) -> str:
    """Return what memories of keys and values saw."""
    amounts = f"{cache['bytes_written']:,} bytes written, {cache['bytes_read']:,} read"
    return f"{amounts}, at most {cache['most_tokens']:,} tokens in a memory"


def written_text(p: Mapping[str, Any]) -> str:
    """Return what writing cells took during the run."""
    failed = f", {p['failed']:,} given up" if p["failed"] else ""
    until = p["images_until_worn"]
    worn = "" if until is None else f"; a cell wears out after {until:,} images"
    return (
        f"{_times(p['rounds'])} one of {p['sets']:,} set{'' if p['sets'] == 1 else 's'} of tiles, in "
        f"{p['cycles']:,} cycles: {p['cells']:,} cells by {p['pulses']:,} pulses{failed}, none more than "
        f"{_times(p['most_writes'])}{worn}"
    )


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"
