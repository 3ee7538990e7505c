"""A composition for people: how well it does, and what each block holds."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from arch.machines.rapidnn.configuration import NearestMemoryConfig
from imcsim.composed_workload import ComposeReport

#: Tables of a neuron that suffice, as RAPIDNN's authors say.
PUBLISHED_BYTES = "about 5 KB"


def compose_table(report: ComposeReport, path: str | None) -> RenderableType:
    """Return what composing found, and the file at `path` if it was written."""
    composed = report.composed
    head = Text.assemble(
        (report.composition.network.name, "bold cyan"),
        f": {composed.weights} clusters of weights, {composed.inputs} of inputs, {composed.bits} bit",
    )
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column()
    for label, text in _lines(report):
        lines.add_row(label, Text(text))
    if path is not None:
        lines.add_row("written", Text(f"to {path}", overflow="fold"))
    return Group(head, Padding(lines, (0, 0, 0, 2)), "", _blocks(report))


def _lines(report: ComposeReport) -> Iterator[tuple[str, str]]:
    composition, found = report.composition, report.evaluation
    yield "data", composition.data
    at = composition.clusters
    what = "right" if composition.labelled else "of the class that the network itself finds"
    for each in composition.rounds:
        chosen = ", taken" if each is composition.best and len(composition.rounds) > 1 else ""
        before = f"{1 - each.baseline_error:.2%} before, " if composition.labelled else ""
        yield (
            f"round {each.retrained}",
            f"{before}{1 - each.error:.2%} of the held-out images {what} "
            f"with {at[0]} and {at[1]} clusters{chosen}",
        )
    if found is not None:
        before = "" if found.baseline_accuracy is None else f" ({found.baseline_accuracy:.2%} before)"
        yield "accuracy", f"{found.accuracy:.2%}{before} on {found.images} images of {found.data}"
        if found.known:
            yield "", f"composed with {found.known} of these, which may flatter it; bring other images"
        yield "overflows", f"{found.overflows:,} sums that wrapped on these images"
    most = max(report.composed.table_bytes.values())
    yield "tables", f"{most:,} bytes in the largest neuron; published: {PUBLISHED_BYTES} suffice"
    if report.composed.inputs > (rows := NearestMemoryConfig().rows):
        setting = f"--set rna.encoding.rows={report.composed.inputs}"
        yield "to run", f"on rapidnn: {setting}, as its memories have {rows} rows unless told otherwise"


def _blocks(report: ComposeReport) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim"
    )
    table.add_column("block", style="cyan", overflow="fold")  # a name is told whole, however narrow it is
    table.add_column("sum", no_wrap=True)
    for name in ("weights", "code-\nbooks", "weight\nerror", "input\nerror", "bytes a\nneuron"):
        table.add_column(name, justify="right", no_wrap=True)
    for block in report.blocks:
        matrix = block.weight_error is not None
        table.add_row(
            block.name,
            block.kind,
            f"{block.rows} x {block.columns}" if matrix else "",
            str(block.codebooks) if matrix else "",
            "" if block.weight_error is None else f"{block.weight_error:.2%}",
            f"{block.input_error:.2%}",
            f"{block.table_bytes:,}",
        )
    return table
