"""A comparison for people: a block for each workload, a column for each machine, quotients beside figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imcsim.comparison import Comparison, Figures
from imcsim.comparison_modes import mode_called
from simcore.units import format_si

#: Columns of a terminal, of labels, of a figure, of a quotient, and between two of those.
_SCREEN, _LABEL, _FIGURE, _QUOTIENT, _GAP = 80, 15, 12, 8, 2


#: Lines of a block: what people read, its name if quotients are shown, and how its figure is written.
_LINES: tuple[tuple[str, str | None, Callable[[Figures], str]], ...] = (
    ("chips", None, lambda f: f"{f.chips:,}"),
    ("clock", None, lambda f: format_si(f.clock_hz, "Hz")),
    ("cycles an image", None, lambda f: _cycles(f.interval_cycles)),
    ("time an image", "time_s", lambda f: format_si(f.time_s, "s")),
    ("latency", "latency_s", lambda f: format_si(f.latency_s, "s")),
    ("energy an image", "energy_j", lambda f: format_si(f.energy_j, "J")),
    ("power", "power_w", lambda f: format_si(f.power_w, "W")),
    ("area", "area_mm2", lambda f: f"{_short(f.area_mm2)} mm2"),
    ("TOPS", "tops", lambda f: _short(f.tops)),
    ("TOPS/W", "tops_per_w", lambda f: _short(f.tops_per_w)),
    ("TOPS/mm2", "tops_per_mm2", lambda f: _short(f.tops_per_mm2)),
    ("utilisation", "utilisation", lambda f: "" if f.utilisation is None else f"{f.utilisation:.2%}"),
)


def comparison_table(comparison: Comparison) -> RenderableType:
    """Return all workloads, and geometric means of what machines are to the first one."""
    c = comparison
    images = f"{c.images} image{'s' if c.images > 1 else ''}"
    parts: list[RenderableType] = [
        Text.assemble((c.mode, "bold cyan"), f": {mode_called(c.mode).doc}"),
        Text(f"{images} a run, values {c.values}; multiples (x) are of {c.machines[0]}"),
    ]
    for workload in c.workloads:
        parts += ["", Text(workload, "bold cyan")]
        parts += [_block(c, workload, shown) for shown in _groups(c.machines)]
        reasons = ((m, c.row(workload, m).reason) for m in c.machines)
        parts += [
            Padding(Text(f"{m}: {reason}"), (0, 0, 0, 2)) for m, reason in reasons if reason is not None
        ]
    if len(c.machines) > 1:
        parts += ["", Text("geometric means", "bold cyan")]
        parts += [_means(c, shown) for shown in _groups(c.machines)]
    return Group(*parts)


def _groups(machines: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the first machine with as many others as a terminal has room for, at least one."""
    first, *others = machines
    group, start = [first], _GAP + _LABEL + _GAP + max(_FIGURE, len(first))
    width = start
    for machine in others:
        more = _GAP + max(_FIGURE, len(machine)) + _GAP + _QUOTIENT
        if len(group) > 1 and width + more > _SCREEN:
            yield tuple(group)
            group, width = [first], start
        group, width = [*group, machine], width + more
    yield tuple(group)


def _block(comparison: Comparison, workload: str, shown: Sequence[str]) -> RenderableType:
    rows = [comparison.row(workload, machine) for machine in shown]
    ratios = [comparison.ratios(row) for row in rows]
    table = _table(shown)
    for label, compared, write in _LINES:
        cells = []
        for place, row in enumerate(rows):
            first_line = label == _LINES[0][0]
            cells.append(
                write(row.figures) if row.figures is not None else "does not fit" if first_line else ""
            )
            if place:
                cells.append(_times(ratios[place][compared]) if compared is not None else "")
        table.add_row(label, *cells)
    return Padding(table, (0, 0, 0, 2))


def _means(comparison: Comparison, shown: Sequence[str]) -> RenderableType:
    table = _table(shown)
    counts = [f"{len(comparison.compared(machine))} of {len(comparison.workloads)}" for machine in shown[1:]]
    table.add_row("workloads", "", *(cell for count in counts for cell in ("", count)))
    means = [comparison.geometric_mean(machine) for machine in shown[1:]]
    for label, compared, _ in _LINES:
        if compared is not None:
            table.add_row(label, "", *(cell for mean in means for cell in ("", _times(mean[compared]))))
    return Padding(table, (0, 0, 0, 2))


def _table(machines: Sequence[str]) -> Table:
    """Return an empty table: a label, a figure for each machine, a quotient for all but the first."""
    table = Table.grid(padding=(0, _GAP))
    table.add_column(style="dim", no_wrap=True, min_width=_LABEL)
    for place in range(len(machines)):
        table.add_column(justify="right", no_wrap=True, min_width=_FIGURE)
        if place:
            table.add_column(justify="right", no_wrap=True, min_width=_QUOTIENT)
    heads = [machines[0], *(cell for machine in machines[1:] for cell in (machine, ""))]
    table.add_row("", *(Text(head, "cyan") for head in heads))
    return table


def _cycles(cycles: float) -> str:
    return f"{cycles:,}" if cycles == int(cycles) else f"{cycles:,.1f}"


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{_short(ratio, 3 if ratio >= 1e-3 else 2)}x"


def _short(value: float | None, digits: int = 4) -> str:
    """Return a number in so many digits, without an exponent where that is short enough."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 10 ** (digits - 1) else f"{value:.{digits}g}"
