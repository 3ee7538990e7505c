"""Edge lists: files that name the channels of a topology, a line each.

    # from to
    0 1
    0 2

Two node numbers from 0 on, with blanks or a comma between them; # starts a comment. A channel leads from the
first to the second only. Machines take the list itself, so a machine file or setting that names a file in its
place is given the list here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from imcsim.strict_yaml import LARGEST
from simcore.errors import FileError
from simcore.files import read_text

_LINE = re.compile(r"\s*(\d{1,9})(?:\s*,\s*|\s+)(\d{1,9})\s*", re.ASCII)


def read_edge_list(path: str | Path) -> list[list[int]]:
    """Return the channels that a file names, in its order.

    raises : FileError, with a line for each that is no channel, or if the file cannot be read
    """
    edges, problems = [], []
    for number, line in enumerate(read_text(path, LARGEST, "an edge list").splitlines(), start=1):
        content = line.partition("#")[0]
        if match := _LINE.fullmatch(content):
            edges.append([int(match[1]), int(match[2])])
        elif content.strip():
            problems.append(f"{path}:{number} - must be two node numbers, as in 0 1, got {content.strip()!r}")
    if problems:
        raise FileError("\n".join(problems))
    return edges


def with_edge_lists(values: Mapping[str, Any], folder: str | Path = ".") -> dict[str, Any]:
    """Return a machine's raw values with the list in place of a file that `fabric.topology.edges` names.

    folder : where a relative name starts
    """
    read = deepcopy(dict(values))
    topology = read.get("fabric", {})
    topology = topology.get("topology") if isinstance(topology, Mapping) else None
    if isinstance(topology, dict) and isinstance(topology.get("edges"), str):
        topology["edges"] = read_edge_list(Path(folder) / topology["edges"])
    return read
