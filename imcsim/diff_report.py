"""Two runs side by side, for people: what was asked otherwise, where they part, what became more and less."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imcsim.run_diff import Change, RunDiff, Setting, SplitChange
from simcore.units import format_si
from traces.divergence import Event

_ROWS = 6  # of a table that are written; all are in the JSON
_STATES = 2  # of a layer or unit that are written
_NAME = 26  # characters of a name
_NAMES = 4  # units of one run alone that are named
_TIMES = 3  # as much, and more of it, is told as a multiple
_UNITS = {"time_s": "s", "latency_s.mean": "s", "power_w.mean": "W", "power_w.peak": "W"}

_Write = Callable[[float], str]


def _count(value: float) -> str:
    return f"{value:,}" if value == int(value) else f"{value:,.2f}"


def diff_table(diff: RunDiff) -> RenderableType:
    """Return how two runs differ."""
    parts: list[RenderableType] = [_verdict(diff), _indented(_facts(diff))]
    if not diff.equal:
        parts += [part for table in _changes(diff) for part in ("", _indented(table))]
    return Group(*parts)


def _verdict(diff: RunDiff) -> Text:
    """Return in a line what was compared, and what came of it."""
    names = [f"{run.workload} on {run.machine}" for run in (diff.a, diff.b)]
    makespan = diff.cycles.makespan
    if diff.equal:
        verdict = "equal, event by event" if diff.same_history else "equal, as far as it is known of both"
    elif diff.a.clock_hz != diff.b.clock_hz:
        times = (format_si(run.cycles / run.clock_hz, "s") for run in (diff.a, diff.b))
        verdict = "{} and {}".format(*times)
    elif makespan.difference:
        share = f", {relative(makespan.b / makespan.a)}" if makespan.a else ""
        verdict = f"B takes {_signed(makespan.difference, _count)} cycles{share}"
    else:
        verdict = "both take the same cycles, but differ"
    what = names[0] if names[0] == names[1] else f"A {names[0]}, B {names[1]}"
    return Text.assemble((what, "bold cyan"), f": {verdict}")


def relative(ratio: float) -> str:
    """Return what became of a number as a share of what it was, as a multiple where that reads better."""
    if ratio >= _TIMES:
        return f"x {ratio:,.1f}" if ratio < 100 else f"x {ratio:,.0f}"
    return f"{ratio - 1:+.1%}"


def _facts(diff: RunDiff) -> Table:
    """Return what was asked otherwise, and where the runs part."""
    table = _grid()
    for setting in _told(diff.settings):
        table.add_row("asked", Text(setting))
    same = diff.same_fingerprint
    prints = [run.fingerprint[:16] for run in (diff.a, diff.b)]
    table.add_row("fingerprint", f"{prints[0]}, the same" if same else f"{prints[0]} and {prints[1]}")
    if diff.same_history is not None:
        table.add_row("history", "the same intervals" if diff.same_history else "other intervals")
    for name, units in (("only in A", diff.units_only_in_a), ("only in B", diff.units_only_in_b)):
        if units:
            more = f" and {len(units) - _NAMES} more" if len(units) > _NAMES else ""
            table.add_row(name, Text(", ".join(units[:_NAMES]) + more))
    if (parted := diff.divergence) is not None:
        table.add_row("they part", Text(f"at cycle {_count(parted.cycle)}, {parted.unit}"))
        table.add_row("  in A", Text(_event(parted.a)))
        table.add_row("  in B", Text(_event(parted.b)))
    for what in diff.untold:
        table.add_row("not told", Text(what))
    return table


def _told(settings: Sequence[Setting]) -> Iterator[str]:
    """Yield what was asked otherwise; of two kinds of machine only how many parameters differ."""
    if not settings:
        yield "the same of both"
    two_kinds = any(setting.path == "machine.extends" for setting in settings)
    for setting in settings:
        if not (two_kinds and setting.of == "machine"):
            values = ("none" if value is None else str(value) for value in (setting.a, setting.b))
            yield f"{setting.path}: {' -> '.join(values)}"
    if two_kinds and (count := sum(setting.of == "machine" for setting in settings)):
        yield f"{count} parameters that only one of the machines has, or that differ"


def _event(event: Event | None) -> str:
    if event is None:
        return "nothing more"
    return f"{event.state} from {_count(event.start)} on, {_count(event.cycles)} cycles"


def _changes(diff: RunDiff) -> Iterator[Table]:
    """Yield tables of what became more and less."""
    cycles, energy, total = diff.cycles, diff.energy, diff.cycles.unit_cycles
    yield from _numbers("cycles", [cycles.makespan])
    if (path := diff.critical_path) is not None:
        yield from _numbers("critical path, by unit", path.by_unit, total=cycles.makespan)
        yield from _numbers("critical path, by state", path.by_state, total=cycles.makespan)
    yield from _numbers("of all units, by cause", cycles.by_cause, total=total)
    yield from _splits("by layer", cycles.by_layer, total)
    yield from _splits("by unit", cycles.by_unit, total)
    yield from _numbers("energy, by component", energy.by_component, _joules, total=energy.total)
    yield from _numbers("most tokens held", diff.buffers)
    yield from _numbers("other figures", diff.figures, None)


def _numbers(
    title: str, changes: Sequence[Change], write: _Write | None = _count, total: Change | None = None
) -> Iterator[Table]:
    """Yield the largest changes, the sum of all others, and their total; nothing if none changed.

    write : how numbers are written; None if that goes by their names
    """
    changed = [change for change in changes if change.difference]
    if not changed:
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=_NAME, max_width=_NAME, no_wrap=True)
    for _ in range(3):
        table.add_column(justify="right", min_width=11, no_wrap=True)
    table.add_row(Text(title, "bold"), *(Text(head, "dim") for head in ("A", "B", "B - A")))
    most = len(changed) if write is None or len(changed) <= _ROWS + 1 else _ROWS
    rows = changed[:most]
    rest = [change for change in changes if change not in rows]
    if total is not None:
        if rest:
            sums = (sum(getattr(change, key) for change in rest) for key in ("a", "b", "difference"))
            rows.append(Change(_others(rest), *sums))
        rows.append(Change("all", total.a, total.b, total.difference))
    for row in rows:
        text = write or _by_name(row.name)
        table.add_row(_short(row.name), text(row.a), text(row.b), _signed(row.difference, text))
    yield table


def _splits(title: str, changes: Sequence[SplitChange], total: Change) -> Iterator[Table]:
    """Yield the largest changes with the states of which they are made, the sum of all others, the total."""
    changed = [change for change in changes if change.by_state]
    if not changed:
        return
    table = Table.grid(padding=(0, 2))
    table.add_column(min_width=_NAME, max_width=_NAME, no_wrap=True)
    table.add_column(justify="right", min_width=11, no_wrap=True)
    table.add_column(style="dim")
    table.add_row(Text(title, "bold"), Text("B - A", "dim"), "")
    most = len(changed) if len(changed) <= _ROWS + 1 else _ROWS
    rest = [change for change in changes if change not in changed[:most]]
    for change in changed[:most]:
        largest = sorted(change.by_state.items(), key=lambda item: -abs(item[1]))
        states = (f"{_signed(cycles, _count)} {state}" for state, cycles in largest[:_STATES])
        table.add_row(_short(change.name), _signed(change.difference, _count), Text("\n".join(states)))
    if rest:
        table.add_row(_others(rest), _signed(sum(change.difference for change in rest), _count), "")
    table.add_row("all", _signed(total.difference, _count), "")
    yield table


def _others(rest: Sequence[object]) -> str:
    return f"{len(rest)} other{'s' if len(rest) > 1 else ''}"


def _short(name: str) -> Text:
    """Return a name that fits its column, its middle left out if need be."""
    half = _NAME // 2
    return Text(name if len(name) <= _NAME else f"{name[: half - 2]}..{name[-half:]}")


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    return table


def _indented(table: Table) -> Padding:
    return Padding(table, (0, 0, 0, 2))


def _by_name(name: str) -> _Write:
    unit = _UNITS.get(name)
    return _rounded if unit is None else lambda value: format_si(value, unit)


def _rounded(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _joules(value: float) -> str:
    return format_si(value, "J")


def _signed(value: float, write: _Write) -> str:
    return f"+{write(value)}" if value > 0 else write(value)
