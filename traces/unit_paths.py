"""Instance paths such as `core[conv1].crossbar[0,1].serve`: parts, natural order, patterns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from simcore.errors import UnknownNameError
from simcore.registry import near_miss

_SEGMENT = re.compile(r"(?:\[[^\]]*\]|[^.\[])+")  # a dot within brackets belongs to a layer's name
_NUMBER = re.compile(r"(\d+)")
_INDEX = re.compile(r"\[[\d, ]*\]")


def segments(path: str) -> list[str]:
    """Return the parts between the dots.

    >>> segments("core[layer1.0.conv1].crossbar[0,1].serve")
    ['core[layer1.0.conv1]', 'crossbar[0,1]', 'serve']
    """
    return _SEGMENT.findall(path)


def natural_key(path: str) -> list[tuple[int, int, str]]:
    """Return a sort key that counts: tile[2] comes before tile[10]."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in _NUMBER.split(path) if part]


def family(path: str) -> str:
    """Return the path without its indices: all crossbars of a core are one family."""
    return _INDEX.sub("[]", path)


def group_depth(paths: Sequence[str]) -> int:
    """Return how many leading segments tell groups apart: those that all paths share, and one more."""
    split = [segments(path) for path in paths]
    shortest = min(map(len, split), default=1)
    depth = 1
    while depth < shortest and len({tuple(parts[:depth]) for parts in split}) == 1:
        depth += 1
    return depth


def group_name(path: str, depth: int) -> str:
    """Return the first `depth` segments of `path`."""
    return ".".join(segments(path)[:depth])


def home(path: str) -> str:
    """Return the core, tile or lane that a unit is part of: all up to the first index that has more below it.

    >>> [home(path) for path in ("core[conv1].crossbar[0,1]", "net.core[fc1].digital", "fabric.link[0,1]")]
    ['core[conv1]', 'net.core[fc1]', 'fabric']
    """
    parts = segments(path)
    inner = next((n for n, part in enumerate(parts[:-1], 1) if part.endswith("]")), None)
    if inner is None:
        inner = len(parts) - 1 if len(parts) > 1 and parts[-1].endswith("]") else len(parts)
    return ".".join(parts[:inner])


def match(paths: Sequence[str], patterns: str | Sequence[str]) -> list[int]:
    """Return the indices of the paths that fit one of the patterns at least.

    In a pattern `*` stands for anything and `?` for one character; brackets stand for themselves. A pattern
    covers all that lies below it: `core[conv1]` selects every unit of that core.

    raises : UnknownNameError if a pattern fits nothing
    """
    chosen: set[int] = set()
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        literal = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
        fits = re.compile(rf"{literal}(\..*)?").fullmatch
        hits = [index for index, path in enumerate(paths) if fits(path)]
        if not hits:
            raise UnknownNameError(f"no unit fits {pattern!r}; {near_miss(pattern, _some(paths))}")
        chosen.update(hits)
    return sorted(chosen)


def _some(paths: Sequence[str]) -> list[str]:
    """Return names an error may list without flooding the screen: the units, or the groups of many."""
    depth = group_depth(paths)
    return (
        list(paths)
        if len(paths) <= 12
        else list(dict.fromkeys(group_name(path, depth) for path in paths))[:40]
    )
