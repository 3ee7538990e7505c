"""An explanation for people: bottlenecks in sentences, stall stacks as bars, and tables of what was used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imcsim.explanation import Explanation
from imcsim.path_shares import CriticalPathShares
from imcsim.roofline import Roofline
from imcsim.stall_stacks import WORDS, GroupStack, LayerStack
from simcore.activity import CATEGORIES
from simcore.units import format_si

#: How bars show each category: a sign for plain text, and a style for terminals.
_SIGNS = {
    "busy": ("#", "green"),
    "programming": ("%", "magenta"),
    "wait-input": (".", "dim"),
    "blocked-output": (">", "red"),
    "wait-resource": ("~", "yellow"),
    "finished": (" ", ""),
}
#: Columns of a bar: so many where there is room.
_BAR, _SHORTEST_BAR = 40, 10
#: Rows of each table at most; --json has all.
_MOST = 8


def explanation_text(found: Explanation) -> RenderableType:
    """Return an explanation as a terminal shows it."""
    seconds = found.cycles / found.clock_hz
    head = Text.assemble(
        (found.workload, "bold cyan"),
        " on ",
        (found.machine, "bold cyan"),
        f": {found.cycles:,} cycles, {format_si(seconds, 's', 4)} at {format_si(found.clock_hz, 'Hz', 4)}",
    )
    parts: list[RenderableType] = [head]
    for title, content in _sections(found):
        parts += [Text(f"\n{title}", "bold"), Padding(content, (0, 0, 0, 2))]
    return Group(*parts)


def _sections(found: Explanation) -> Iterator[tuple[str, RenderableType]]:
    """Yield what there is to tell, what matters most first."""
    yield "what it is due to", _bottlenecks(found)
    if found.critical_path is not None:
        yield "on the critical path", _critical_path(found.critical_path)
    yield f"time of layers: {_legend(found.layers)}", _Stacks([(s.layer, s) for s in found.layers])
    if _split_layers(found):
        yield "time of cores, tiles or lanes", _Stacks([(s.group, s) for s in found.groups])
    if found.buffers:
        yield "memories, the fullest", _buffers(found)
    if found.links:
        yield "links, the busiest", _links(found)
    if found.energy is not None and found.energy.total:
        yield "energy", _energy(found)
    if found.roofline.tops is not None:
        yield "roofline", Text(_roof(found.roofline))
    if found.notes:
        yield "not known", Text("\n".join(found.notes))


def _bottlenecks(found: Explanation) -> RenderableType:
    table = _grid("right", "left")
    for b in found.bottlenecks:
        words = Text.assemble(b.sentence, ("\n-> " + b.advice, "cyan"))
        table.add_row(f"{b.rank}. {b.share:.0%}", words)
    return table if found.bottlenecks else Text("no unit did anything")


def _critical_path(path: CriticalPathShares) -> RenderableType:
    table = _grid("left", "left")
    for by in ("unit", "layer", "state"):
        shares = [share for share in path.shares if share.by == by][: _MOST // 2]
        table.add_row(by, Text(", ".join(f"{s.name} {s.share:.1%}" for s in shares)))
    return table


def _legend(stacks: Sequence[LayerStack]) -> str:
    there = {kind for stack in stacks for kind in stack.cycles}
    return ", ".join(f"{_SIGNS[kind][0]} {WORDS[kind]}" for kind in CATEGORIES[:-1] if kind in there)


def _split_layers(found: Explanation) -> bool:
    """Tell whether the units of some layer lie in several groups, or those of layers in one."""
    pairs = {(unit.layer, unit.group) for unit in found.units if unit.layer is not None}
    layers, groups = ({pair[side] for pair in pairs} for side in (0, 1))
    return not len(layers) == len(groups) == len(pairs) or not pairs


@dataclass(frozen=True)
class _Stacks:
    """A bar for each layer or core that has units, of many those that work most."""

    named: Sequence[tuple[str, LayerStack | GroupStack]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        rows = self._rows()
        ends = [max(map(len, column)) for column in zip(*(texts for _, _, texts in rows), strict=True)]
        rest = (
            max((len(name) for name, _, _ in rows), default=0)
            + sum(2 + end for end in ends if end)
            + len("  ||")
        )
        bar = min(_BAR, max(options.max_width - rest, _SHORTEST_BAR))
        table = Table.grid(padding=(0, 2))
        table.add_column(overflow="fold")
        table.add_column(no_wrap=True, min_width=bar + 2)
        for end in filter(None, ends):
            table.add_column(justify="right", no_wrap=True, min_width=end)
        for name, cycles, texts in rows:
            shown = (text for text, end in zip(texts, ends, strict=True) if end)
            table.add_row(Text(name), _bar(cycles, bar), *shown)
        yield table
        if left := sum(stack.units > 0 for _, stack in self.named) - len(rows):
            yield Text(f"and {left} more")

    def _rows(self) -> list[tuple[str, Mapping[str, float], tuple[str, str, str]]]:
        """Return name, cycles and texts behind the bar of what is shown, in the given order."""
        there = [(name, stack) for name, stack in self.named if stack.units]
        working = sorted(there, key=lambda item: -item[1].busy_share - item[1].programming_share)
        kept = {name for name, _ in working[: 2 * _MOST]}
        return [
            (
                name,
                stack.cycles,
                (
                    f"{stack.busy_share:.0%} busy",
                    f"{stack.programming_share:.0%} programming" if stack.programming_share else "",
                    f"{stack.units} unit{'s' * (stack.units > 1)}",
                ),
            )
            for name, stack in there
            if name in kept
        ]


def _bar(cycles: Mapping[str, float], columns: int) -> Text:
    """Return a bar whose signs are shared out as the time was, to the nearest sign."""
    total, bar, shown, so_far = sum(cycles.values()), Text("|"), 0, 0.0
    for kind in CATEGORIES:
        so_far += cycles.get(kind, 0)
        sign, style = _SIGNS[kind]
        upto = round(columns * so_far / total) if total else 0
        bar.append(sign * (upto - shown), style)
        shown = upto
    return bar.append("|")


def _buffers(found: Explanation) -> RenderableType:
    table = _grid("left", "right", "right", "right", "right")
    table.add_row(*(Text(word, "dim") for word in ("", "slots", "peak", "mean", "full")))
    fullest = sorted(found.buffers, key=lambda b: (-(b.full_share or 0), -b.peak / (b.slots or 1e9)))
    for b in fullest[:_MOST]:
        table.add_row(
            Text(b.path),
            "no bound" if b.slots is None else f"{b.slots:,}",
            f"{b.peak:,}",
            "" if b.mean is None else f"{b.mean:.3g}",
            "" if b.full_share is None else f"{b.full_share:.0%}",
        )
    return table


def _links(found: Explanation) -> RenderableType:
    table = _grid("left", "right", "right", "right")
    table.add_row(*(Text(word, "dim") for word in ("", "busy", "blocked", "moved")))
    for link in found.links[:_MOST]:
        moved = "" if link.tokens is None else f"{link.tokens:,}"
        table.add_row(Text(link.path), f"{link.busy_share:.1%}", f"{link.blocked_share:.1%}", moved)
    return table


def _energy(found: Explanation) -> RenderableType:
    assert found.energy is not None
    table = _grid("left", "left", "right", "right")
    for part in found.energy.by_layer_and_component[:_MOST]:
        share = part.energy_j / found.energy.total
        table.add_row(part.layer, part.component, format_si(part.energy_j, "J", 4), f"{share:.1%}")
    table.add_row("all", "", format_si(found.energy.total, "J", 4), "")
    return table


def _roof(roofline: Roofline) -> str:
    """Return where the run lies under its roofs, in a sentence or two."""
    assert roofline.tops is not None
    words = f"{_tops(roofline.tops)} of"
    roofs = []
    if roofline.peak_tops is not None:
        roofs.append(f"{_tops(roofline.peak_tops)} of all arrays")
    if roofline.input_roof_tops is not None and roofline.peak_bandwidth is not None:
        roofs.append(
            f"{_tops(roofline.input_roof_tops)} of the host, which sends "
            f"{format_si(roofline.peak_bandwidth, 'B/s', 3)} at {roofline.operations_per_byte:,.0f} "
            "operations a byte"
        )
    if not roofs:
        return f"{_tops(roofline.tops)}"
    words += " " + " and ".join(roofs)
    if roofline.bound is not None and roofline.roof_share is not None:
        lower = {"arrays": "the arrays' roof", "input": "the input's roof"}[roofline.bound]
        words += f"; {lower} is the lower one, of which {roofline.roof_share:.1%} are reached"
    return words


def _tops(tops: float) -> str:
    return f"{tops:.4g} TOPS"


def _grid(*sides: str) -> Table:
    table = Table.grid(padding=(0, 2))
    for side in sides:
        table.add_column(justify=side)  # type: ignore[arg-type]
    return table
