"""How the command shows what others found out: tables for people, as wide as their terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from arch.machine import MapRow, NetworkMap, PredictedInterval, SharedMap
from arch.mapping.placement import Placement
from imcsim.catalogue import Description, Section
from simcore.units import format_si

if TYPE_CHECKING:
    from imcsim.fabric_run import FabricRun
    from imcsim.load_run import LoadRun


#: Columns of a stage's name that is never folded.
_SHORT_NAME = 16


def listing(entries: Mapping[str, Mapping[str, str]]) -> RenderableType:
    """Return names and what they stand for, under a heading for each kind."""
    width = max((len(name) for names in entries.values() for name in names), default=0)
    parts: list[RenderableType] = []
    for kind, names in entries.items():
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True, min_width=width)
        table.add_column()
        for name, doc in names.items():
            table.add_row(Text(name, "cyan"), Text(doc))
        parts += [Text(kind, "bold"), Padding(table, (0, 0, 0, 2))]
    return Group(*parts)


def description(described: Description) -> RenderableType:
    """Return a name's documentation and tables."""
    head = Text.assemble((described.name, "bold cyan"), f"  {described.what}")
    return Group(head, "", Text(described.doc), *map(_section, described.sections))


def _section(section: Section) -> RenderableType:
    table = _table()
    widest = max(len(cells[0]) for cells, _ in section.rows)
    for place, column in enumerate(section.columns):
        table.add_column(
            column,
            justify="right" if column in ("default", "MACs") else "left",
            no_wrap=place > 0 and column != "bounds",
            min_width=min(widest, 30) if place == 0 else None,
        )
    for cells, doc in section.rows:
        lines: list[RenderableType] = [Text(cells[0], "cyan")]
        if doc:
            lines.append(Padding(Text(doc), (0, 0, 0, 2)))
        table.add_row(Group(*lines), *map(Text, cells[1:]))
    return Group("", Text(section.title, "bold"), "", table)


def trace_table(info: Mapping[str, Any]) -> RenderableType:
    """Return what is in a workload trace."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    shape = "x".join(map(str, info["input"]["shape"]))
    table.add_row("input", f"{info['input']['name']}, {shape}")
    kinds = ", ".join(f"{count} {op}" for op, count in info["operations_by_kind"].items())
    table.add_row("operations", f"{info['operations']:,}: {kinds}")
    table.add_row("work", f"{info['macs']:,} MACs an image, {info['weights']:,} weights")
    last = f", the last at cycle {info['last_arrival_cycle']:,}" if info["requests"] else ""
    table.add_row("requests", f"{info['requests']:,}{last}")
    if (tensors := info["tensors"]) is not None:
        held = ["weights"] * tensors["weights"] + [f"{tensors['images']} images"] * bool(tensors["images"])
        table.add_row("tensors", Text(f"{tensors['file']}: {', '.join(held)}"))
    asked = {what: value for what, value in info["precisions"].items() if value}
    table.add_row("precisions", ", ".join(f"{k} {v}" for k, v in asked.items()) or "the machine's")
    if info["dataset"] is not None:
        table.add_row("made for", Text(info["dataset"]))
    for note in info["notes"]:
        table.add_row("note", Text(note))
    return Group(Text(info["name"], "bold cyan"), Padding(table, (0, 0, 0, 2)))


def map_table(placed: NetworkMap, machine: str) -> RenderableType:
    """Return a mapping as a table of stages, with totals, without the columns that are empty for all."""
    kinds = [kind for kind in placed.resources if any(kind in row.resources for row in placed.rows)]
    lines = [line for row in placed.rows for line in _map_lines(row, kinds)]
    totals = map_totals(placed)
    total = [
        "total", "", "", f"{totals['arrays']:,}", *(f"{placed.resources[kind]:,}" for kind in kinds),
        _percent(totals["utilisation"]), "", "", "", _count(totals["buffer_bytes"]),
    ]  # fmt: skip
    names = ["stage ", "work", "matrix", "arrays", *map(_plural, kinds), "used", "steps", " buffer of"]
    shown = [place for place in range(len(total)) if any(line[place] for line in lines)]
    table = _table(gap=1)  # so that the digits networks fit into 80 columns
    for place in shown:
        name = [*names, "slots", "bytes"][place]
        if name in ("stage ", " buffer of"):  # are folded where all is too wide, if long names first
            short = place == 0 and max(len(line[0]) for line in lines) <= _SHORT_NAME
            table.add_column(name, overflow="fold", no_wrap=short, style="cyan" if place == 0 else "")
        else:
            heading = name.replace("-", "-\n").replace(" ", "\n")
            table.add_column(heading, justify="left" if name == "work" else "right", no_wrap=True)
    for cells in lines:
        table.add_row(*(cells[place] for place in shown))
    table.add_section()
    table.add_row(*(total[place] for place in shown))
    head = Text.assemble(
        (placed.name or placed.network.name, "bold cyan"),
        " on ",
        (machine, "bold cyan"),
        f": {len(placed.rows)} stages",
    )
    parts: list[RenderableType] = [head]
    if words := _taken(placed.resources) + ([] if placed.interval is None else [_pace(placed.interval)]):
        parts.append(Text(", ".join(words)))
    if placed.placement is not None:
        parts.append(_ways(placed.placement))
    return Group(*parts, "", table)


def shared_map_table(placed: SharedMap, machine: str) -> RenderableType:
    """Return the mappings of networks that share a machine, one below the other, and what all take."""
    taken = _taken(placed.resources)
    parts: list[RenderableType] = []
    for own in placed.networks.values():
        parts += [map_table(own, machine), ""]
    return Group(*parts, Text(f"{' and '.join(placed.networks)} take {', '.join(taken)} together"))


def shared_map_json(placed: SharedMap, workload: str, machine: str) -> dict[str, Any]:
    """Return the mappings of networks that share a machine in JSON's types."""
    return {
        "workload": workload,
        "machine": machine,
        "networks": [map_json(own, name, machine) for name, own in placed.networks.items()],
        "resources": _resources_json(placed.resources),
    }


def _map_lines(row: MapRow, kinds: Sequence[str]) -> Iterator[list[str]]:
    """Yield the cells of one stage: a line for each kind of work and each buffer."""
    figures = [
        f"{row.stage} " if row.copies == 1 else f"{row.stage} x{row.copies} ",
        "" if row.rows is None else f"{row.rows}x{row.cols}",
        f"{row.arrays:,}" if row.arrays else "",
        *(f"{row.resources[kind]:,}" if kind in row.resources else "" for kind in kinds),
        _percent(row.utilisation),
        f"{row.steps:,}",
    ]
    buffers = [(f" {source}", _count(slots), _count(size)) for source, slots, size in row.buffers]
    for work, buffer in zip_longest(row.work.split(" + "), buffers):
        yield [figures[0], work or "", *figures[1:], *(buffer or ("", "", ""))]
        figures = [""] * len(figures)


def _taken(resources: Mapping[str, int]) -> list[str]:
    return [f"{n:,} {kind if n == 1 else _plural(kind)}" for kind, n in resources.items()]


def _plural(word: str) -> str:
    return f"{word}s"


def _pace(interval: PredictedInterval) -> str:
    """Return how often images are taken."""
    steps = f"{interval.steps:,} step{'' if interval.steps == 1 else 's'}"
    if interval.beats > 1:
        images = f"{interval.images:,} image{'' if interval.images == 1 else 's'}"
        steps = f"{interval.beats:,} beats of {steps} for {images}"
    layers = f"{interval.bound}{interval.layer_cycles:,} cycles ({steps})"
    if interval.input_cycles <= interval.layer_cycles:
        return f"an image every {layers}"
    return (
        f"an image every {interval.cycles:,} cycles, as fast as its pixels come in; "
        f"the layers could take one every {layers}"
    )


def _ways(placement: Placement) -> Text:
    """Return where layers lie and how much their channels carry."""
    relays = f" and {placement.relays} relays" if placement.relays else ""
    hops = f"{placement.longest_way} hop{'s' if placement.longest_way > 1 else ''}"
    streams = f"{placement.most_streams} stream{'s' if placement.most_streams > 1 else ''}"
    return Text(
        f"{placement.topology.kind}: {len(placement.at) - placement.relays} layers{relays} on "
        f"{placement.size} nodes, up to {hops} apart; a channel carries up to {streams}, "
        f"{placement.most_bytes:,} bytes a step, all together {placement.byte_hops:,}, of which no placement "
        f"takes fewer than {placement.least_byte_hops:,}"
    )


def _placement_json(placement: Placement | None) -> dict[str, Any] | None:
    if placement is None:
        return None
    return {
        "topology": placement.topology.kind,
        "size": placement.size,
        "relays": placement.relays,
        "longest_way": placement.longest_way,
        "most_streams": placement.most_streams,
        "most_bytes": placement.most_bytes,
        "byte_hops": placement.byte_hops,
        "least_byte_hops": placement.least_byte_hops,
        "nodes": dict(placement.at),
    }


def fabric_table(run: FabricRun) -> RenderableType:
    """Return what a fabric did at each load."""
    config = run.config
    table = _table()
    for name in ("load", "accepted", "mean latency", "99 % within", "routers", "cycles/s"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for report in run.reports:
        table.add_row(
            f"{report.load:g}",
            f"{report.accepted:.4f}",
            "" if report.mean_latency is None else f"{report.mean_latency:.2f}",
            "" if report.p99_latency is None else f"{report.p99_latency:,}",
            "" if report.mean_routers is None else f"{report.mean_routers:.2f}",
            f"{report.cycles / report.wall_s:,.0f}",
            "" if report.stable else "unstable",
        )
    head = Text.assemble(
        (run.graph, "bold cyan"),
        f": {config.cores} nodes, {run.traffic} traffic, {config.fidelity} fidelity",
    )
    size = f"{config.packet_flits} flit{'s' if config.packet_flits > 1 else ''}"
    zero = f"packets of {size}; {run.zero_load_latency:.4g} cycles without contention"
    return Group(head, Text(zero), "", table)


def load_table(run: LoadRun) -> RenderableType:
    """Return what a machine did at each load."""
    table = _table()
    for name in ("load", "completed/s", "mean", "p50", "p99", "theory", "in system"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for point in run.points:
        found, latency = point.summary["load"], point.summary["load"]["latency_s"]
        shown = [format_si(latency[name], "s") if point.stable else "" for name in ("mean", "p50", "p99")]
        table.add_row(
            f"{point.load:g}",
            "" if found["completed_per_s"] is None else f"{found['completed_per_s']:,.0f}",
            *shown,
            format_si(run.reference(point.load), "s") if point.load < 1 else "",
            f"{found['in_system_mean']:.3g}" if point.stable else "",
            "" if point.stable else "unstable",
        )
    head = Text.assemble(
        (run.workload, "bold cyan"), " on ", (run.machine, "bold cyan"), f": {run.arrivals} arrivals"
    )
    saturated = (
        f"{float(run.saturated):,.0f} requests/s at most, one every {float(run.interval):,.6g} cycles; "
        f"{format_si(run.alone, 's')} without load"
    )
    return Group(head, Text(saturated), "", table)


def map_totals(placed: NetworkMap) -> dict[str, Any]:
    """Return arrays, the share of their cells that hold weights, and bytes of buffers (None: unbounded)."""
    arrays = sum(row.arrays for row in placed.rows)
    used = sum(row.arrays * row.utilisation for row in placed.rows if row.utilisation is not None)
    told = any(row.utilisation is not None for row in placed.rows)
    sizes = [size for row in placed.rows for _, _, size in row.buffers]
    known = [size for size in sizes if size is not None]
    return {
        "arrays": arrays,
        "utilisation": used / arrays if arrays and told else None,
        "buffer_bytes": sum(known) if len(known) == len(sizes) else None,
    }


def _interval_json(interval: PredictedInterval | None) -> dict[str, Any] | None:
    return None if interval is None else {**asdict(interval), "cycles": interval.cycles}


def map_json(placed: NetworkMap, workload: str, machine: str) -> dict[str, Any]:
    """Return a mapping in JSON's types."""
    return {
        "workload": workload,
        "machine": machine,
        "stages": [_row_json(row) for row in placed.rows],
        "totals": map_totals(placed),
        "resources": _resources_json(placed.resources),
        "interval": _interval_json(placed.interval),
        "placement": _placement_json(placed.placement),
    }


def _row_json(row: MapRow) -> dict[str, Any]:
    buffers = [{"from": source, "slots": slots, "bytes": size} for source, slots, size in row.buffers]
    own = {"shape": list(row.shape), "buffers": buffers, "resources": _resources_json(row.resources)}
    return {**asdict(row), **own}


def _resources_json(resources: Mapping[str, int]) -> dict[str, int]:
    return {_plural(kind).lower(): count for kind, count in resources.items()}


def _count(number: int | None) -> str:
    return "unbounded" if number is None else f"{number:,}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"


def _table(gap: int = 2) -> Table:
    """Return an empty table with a line under its head and so many columns between its own."""
    return Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap - 1, 0, 0), header_style="dim"
    )
