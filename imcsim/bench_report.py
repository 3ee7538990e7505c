"""What `imcsim bench` says: ratios beside their requirements, as JSON or as a table."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from benchmarks import Comparison


#: How each library behind numpy's matrix products is told its number of threads.
_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS")


def run_benches(name: str | None, tell: Callable[[str], None]) -> list[Comparison]:
    """Measure one benchmark, or all, and return the comparisons in order of their names.

    tell : called with each name before it is measured
    raises : UnknownNameError for a name that no benchmark has
    """
    os.environ.update(dict.fromkeys(_THREADS, "1"))  # read when numpy is imported, which is now
    from benchmarks import benches, measure

    comparisons = []
    for bench in [benches[name]] if name is not None else benches.items().values():
        tell(bench.name)
        comparisons.append(measure(bench))
    return comparisons


def bench_json(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Return the JSON form: what was measured on, and for each ratio its two medians, ours first."""
    from benchmarks import machine_info

    return {
        "machine_info": machine_info(),
        "ratios": [
            {
                "name": c.bench.name,
                "what": c.bench.what,
                "figure": c.bench.figure,
                "ratio": c.ratio,
                "requirement": c.requirement,
                "holds": c.holds,
                "seconds": [c.ours, c.theirs] if c.bench.unit == "s" else None,
                "mebibytes": [c.ours, c.theirs] if c.bench.unit == "MiB" else None,
            }
            for c in comparisons
        ],
    }


def bench_table(comparisons: Sequence[Comparison]) -> Table:
    """Return the table that people read."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header, justify in (
        ("benchmark", "left"),
        ("ratio", "right"),
        ("required", "right"),
        ("holds", "left"),
        ("what", "left"),
    ):
        table.add_column(header, justify=justify)  # type: ignore[arg-type]
    for c in comparisons:
        table.add_row(c.bench.name, f"{c.ratio:.2f}", c.requirement, "yes" if c.holds else "NO", c.bench.what)
    return table
