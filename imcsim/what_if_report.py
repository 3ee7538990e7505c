"""Answers to what-if questions for people: a table, and what there is to say of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imcsim.predictions import WhatIf

#: Characters of a line that tells a change: the rest of 80 columns is for its numbers.
_WIDTH = 30


def what_if_text(answers: Sequence[WhatIf]) -> RenderableType:
    """Return answers as a terminal shows them."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("what if", overflow="fold", min_width=_WIDTH)
    for column in ("cycles", "predicted", "confirmed", "error"):
        table.add_column(column, justify="right")
    table.add_column("order kept")
    for answer in answers:
        table.add_row(
            Text("\n".join(line for change in answer.changes for line in _lines(change.told))),
            f"{answer.cycles:,}",
            _number(answer.predicted),
            _number(answer.confirmed),
            error_text(answer) or "-",
            {True: "yes", False: "no", None: "-"}[answer.order_kept],
        )
    return Group(table, *(part for answer in answers for part in _said(answer)))


def error_text(answer: WhatIf) -> str:
    """Return by how much a prediction is off, in words; "" where there are not both to compare."""
    return "" if answer.error is None else f"{answer.error:+.2%}" if answer.error else "exact"


def _lines(told: str) -> Iterator[str]:
    """Yield a change in lines that are short enough, broken behind dots of its path and between words."""
    line = ""
    for piece in re.split(r"(?<=\.)(?=[^\W\d])|(?<= )", told):
        if line and len(line) + len(piece.rstrip()) > _WIDTH:
            yield line.rstrip()
            line = "  "
        line += piece
    yield line


def _said(answer: WhatIf) -> list[RenderableType]:
    """Return what there is to say of one answer, under its changes."""
    lines = list(answer.reasons)
    if answer.bound_by:
        shares = (f"{bound.family} {bound.state} {bound.share:.0%}" for bound in answer.bound_by[:3])
        lines.append(f"bound by {', '.join(shares)}")
    if not lines:
        return []
    head = Text("\n" + ", ".join(change.told for change in answer.changes), "bold")
    return [head, *(Padding(Text(line), (0, 0, 0, 2)) for line in lines)]


def _number(cycles: int | None) -> str:
    return "-" if cycles is None else f"{cycles:,}"
