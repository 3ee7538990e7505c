"""Holding a machine to its targets, and telling how it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

from imcsim.basisn_targets import published_basisn
from imcsim.dataflow_targets import published_dataflow
from imcsim.isaac_targets import published_isaac
from imcsim.pipelayer_targets import published_pipelayer
from imcsim.rapidnn_targets import published_rapidnn
from imcsim.targets import Target
from simcore import ModelError, Registry

if TYPE_CHECKING:
    from rich.table import Table

#: Figures with a tolerance that one row tells of.
MANY = 10

#: Yields the targets of one machine, one by one as they are simulated.
Validation = Callable[[], Iterator[Target]]

validations: Registry[Validation] = Registry("validation")
validations.register("basisn")(published_basisn)
validations.register("dataflow")(published_dataflow)
validations.register("isaac")(published_isaac)
validations.register("pipelayer")(published_pipelayer)
validations.register("rapidnn")(published_rapidnn)


def validate(name: str) -> list[Target]:
    """Return all targets of a machine; UnknownNameError if none are known for it."""
    return list(validations[name]())


def validated_machines() -> list[str]:
    """Return the machines for which targets are known."""
    return validations.names()


class FailedValidationError(ModelError):
    """A gating target does not hold."""


def insist(name: str, targets: list[Target]) -> None:
    """Raise FailedValidationError with every gating target that does not hold."""
    failed = [t for t in targets if t.gates and not t.holds]
    if failed:
        lines = [f"{t.id}: published {t.published:g}, simulated {t.simulated:g} ({t.what})" for t in failed]
        raise FailedValidationError(
            f"validation of {name} failed: {len(failed)} of {len(targets)} targets do not hold\n"
            + "\n".join(lines)
        )


def validation_json(name: str, targets: list[Target]) -> dict[str, Any]:
    """Return the JSON form of a machine's targets."""
    return {
        "machine": name,
        "targets": [{**asdict(t), "error": t.error, "holds": t.holds} for t in targets],
    }


def validation_table(targets: list[Target]) -> Table:
    """Return the table that people read.

    A group of exact figures that all hold is one row, and so is one of ten or more with a tolerance.
    """
    from rich import box
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("target")
    for header in ("published", "simulated", "error"):
        table.add_column(header, justify="right", no_wrap=True)
    for header in ("kind", "holds"):
        table.add_column(header, no_wrap=True)

    def add(name: str, what: str, *cells: str) -> None:
        table.add_row(Group(Text(name, "cyan", overflow="fold"), Padding(Text(what), (0, 0, 0, 2))), *cells)

    for group, members in groupby(targets, key=lambda t: t.id.rpartition(".")[0]):
        rows = list(members)
        if len(rows) > 1 and all(t.kind == "exact" and t.holds for t in rows):
            add(f"{group}.*", f"{rows[0].what}, ...", f"{len(rows)} figures", "the same", "0", "exact", "yes")
            continue
        if len(rows) >= MANY and all(t.gates and t.holds for t in rows):
            most = max(abs(t.error) for t in rows)
            errors = f"at most {most:.2%}"
            add(f"{group}.*", f"{rows[0].what}, ...", f"{len(rows)} figures", "near", errors, "band", "yes")
            continue
        for t in rows:
            holds = "yes" if t.holds else ("NO" if t.gates else "no")
            figures = [
                f"{figure:,}" if figure == int(figure) else f"{figure:,.4g}"
                for figure in (t.published, t.simulated)
            ]
            add(t.id, t.what, *figures, f"{t.error:+.2%}" if t.error else "0", t.kind, holds)
    return table
