"""A comparison for people: a block for each workload, a column for each machine, quotients beside figures.

Over several values of a parameter there is a block for each figure instead, with a row for each workload and
value, as one reads down how a figure goes with the parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imcsim.comparison import Comparison, Row
from imcsim.comparison_figures import Figures
from imcsim.comparison_modes import mode_called
from imcsim.comparison_over import Over, value_text
from simcore.units import format_si

#: Columns of a terminal, of labels, of a figure, of a quotient, and between two of those.
_SCREEN, _LABEL, _FIGURE, _QUOTIENT, _GAP = 80, 15, 12, 8, 2
_MEAN = "geometric mean"

#: What people read of a figure, its name if quotients are shown, and how it is written.
_Line = tuple[str, str | None, Callable[[Figures], str]]
_LINES: tuple[_Line, ...] = (
    ("chips", None, lambda f: f"{f.chips:,}"),
    ("clock", None, lambda f: format_si(f.clock_hz, "Hz")),
    ("cycles an image", None, lambda f: _cycles(f.interval_cycles)),
    ("time an image", "time_s", lambda f: format_si(f.time_s, "s")),
    ("latency", "latency_s", lambda f: format_si(f.latency_s, "s")),
    ("energy an image", "energy_j", lambda f: format_si(f.energy_j, "J")),
    ("EDP", "edp_js", lambda f: format_si(f.edp_js, "J s")),
    ("power", "power_w", lambda f: format_si(f.power_w, "W")),
    ("area", "area_mm2", lambda f: f"{_short(f.area_mm2)} mm2"),
    ("TOPS", "tops", lambda f: _short(f.tops)),
    ("TOPS/W", "tops_per_w", lambda f: _short(f.tops_per_w)),
    ("TOPS/mm2", "tops_per_mm2", lambda f: _short(f.tops_per_mm2)),
    ("utilisation", "utilisation", lambda f: "" if f.utilisation is None else f"{f.utilisation:.2%}"),
)

#: Those of them that are told over a parameter; files have all.
_OVER = ("cycles an image", "time an image", "energy an image", "EDP")


def comparison_table(comparison: Comparison) -> RenderableType:
    """Return all workloads, and geometric means of what machines are to the first one."""
    c = comparison
    images = f"{'training on ' if c.training else ''}{c.images} image{'s' if c.images > 1 else ''}"
    parts: list[RenderableType] = [
        Text.assemble((c.mode, "bold cyan"), f": {mode_called(c.mode).doc}"),
        Text(f"{images} a run, values {c.values}; multiples (x) are of {c.machines[0]}"),
    ]
    parts += [Text(line) for line in _whole_batches(c)]
    parts += _by_workload(c) if c.over is None else _by_figure(c)
    return Group(*parts)


def _whole_batches(c: Comparison) -> Iterator[str]:
    """Yield a line for each machine whose batches take other numbers of images than were asked for."""
    for machine in c.machines:
        images = sorted({row.images for row in c.rows if row.machine == machine and row.images is not None})
        if images and images != [c.images]:
            yield f"{machine} in whole batches: {', '.join(f'{n:,}' for n in images)} images a run"


def _by_workload(c: Comparison) -> list[RenderableType]:
    """Return a block for each workload, with what does not fit, and one of geometric means."""
    parts: list[RenderableType] = []
    for workload in c.workloads:
        parts += ["", Text(workload, "bold cyan")]
        parts += [_block(c, workload, shown) for shown in _groups(c.machines, _LABEL)]
        parts += _reasons({m: c.row(workload, m).reason for m in c.machines})
    if len(c.machines) > 1:
        parts += ["", Text("geometric means", "bold cyan")]
        parts += [_means(c, shown) for shown in _groups(c.machines, _LABEL)]
    return parts


def _by_figure(c: Comparison) -> list[RenderableType]:
    """Return a block for each figure, then what does not fit."""
    assert c.over is not None
    values = [value_text(value) for value in c.over_values]
    told = f"over {c.over}: {', '.join(values)}"
    told += f"; not a parameter of {', '.join(c.same)}" if c.same and c.over.machine is None else ""
    parts: list[RenderableType] = [Text(told)]
    label = max(map(len, [*c.workloads, _MEAN])) + _GAP + max(map(len, [*values, _head(c.over)]))
    for line in _LINES:
        if line[0] in _OVER:
            parts += ["", Text(line[0], "bold cyan")]
            parts += [_over_block(c, line, shown) for shown in _groups(c.machines, label)]
    reasons = {
        f"{row.workload} on {row.machine}, {c.over}={value_text(row.over_value)}": row.reason
        for row in c.rows
    }
    return [*parts, *_reasons(reasons)]


def _reasons(reasons: Mapping[str, str | None]) -> list[RenderableType]:
    """Return lines of those that have a reason why they do not fit."""
    return [Padding(Text(f"{what}: {why}"), (0, 0, 0, 2)) for what, why in reasons.items() if why is not None]


def _groups(machines: Sequence[str], label: int) -> Iterator[tuple[str, ...]]:
    """Yield the first machine with as many others as a terminal has room for, at least one.

    label : columns of what stands in front of figures
    """
    first, *others = machines
    group, start = [first], _GAP + label + _GAP + max(_FIGURE, len(first))
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
    table = _table(shown)
    for line in _LINES:
        missing = "does not fit" if line is _LINES[0] else ""
        table.add_row(line[0], *_cells(comparison, line, rows, missing))
    return Padding(table, (0, 0, 0, 2))


def _over_block(comparison: Comparison, line: _Line, shown: Sequence[str]) -> RenderableType:
    """Return a figure at each value of the parameter, and geometric means of several workloads."""
    assert comparison.over is not None
    table = _table(shown, _head(comparison.over))
    for workload in comparison.workloads:
        for place, value in enumerate(comparison.over_values):
            rows = [comparison.row(workload, machine, value) for machine in shown]
            cells = _cells(comparison, line, rows, "does not fit")
            table.add_row("" if place else workload, value_text(value), *cells)
    if line[1] is not None and len(shown) > 1 and len(comparison.workloads) > 1:
        for place, value in enumerate(comparison.over_values):
            means = [
                comparison.geometric_mean(machine, value)[line[1]]
                if len(comparison.compared(machine, value)) == len(comparison.workloads)
                else None  # of other workloads than the means beside it
                for machine in shown[1:]
            ]
            cells = ["", *(cell for mean in means for cell in ("", _times(mean)))]
            table.add_row("" if place else _MEAN, value_text(value), *cells)
    return Padding(table, (0, 0, 0, 2))


def _cells(comparison: Comparison, line: _Line, rows: Sequence[Row], missing: str) -> list[str]:
    """Return a figure of each machine, and its quotient for all but the first."""
    _, compared, write = line
    cells = []
    for place, row in enumerate(rows):
        cells.append(missing if row.figures is None else write(row.figures))
        if place:
            cells.append("" if compared is None else _times(comparison.ratios(row)[compared]))
    return cells


def _means(comparison: Comparison, shown: Sequence[str]) -> RenderableType:
    table = _table(shown)
    counts = [f"{len(comparison.compared(machine))} of {len(comparison.workloads)}" for machine in shown[1:]]
    table.add_row("workloads", "", *(cell for count in counts for cell in ("", count)))
    means = [comparison.geometric_mean(machine) for machine in shown[1:]]
    for label, compared, _ in _LINES:
        if compared is not None:
            table.add_row(label, "", *(cell for mean in means for cell in ("", _times(mean[compared]))))
    return Padding(table, (0, 0, 0, 2))


def _head(over: Over) -> str:
    """Return what stands over the values of a parameter."""
    return over.path.rpartition(".")[2]


def _table(machines: Sequence[str], *second: str) -> Table:
    """Return an empty table: a label, a figure for each machine, a quotient for all but the first.

    second : head of a column behind the labels, if there is one
    """
    table = Table.grid(padding=(0, _GAP))
    table.add_column(style="dim", no_wrap=True, min_width=_LABEL)
    for _ in second:
        table.add_column(style="dim", justify="right", no_wrap=True)
    for place in range(len(machines)):
        table.add_column(justify="right", no_wrap=True, min_width=_FIGURE)
        if place:
            table.add_column(justify="right", no_wrap=True, min_width=_QUOTIENT)
    heads = [machines[0], *(cell for machine in machines[1:] for cell in (machine, ""))]
    table.add_row("", *second, *(Text(head, "cyan") for head in heads))
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
