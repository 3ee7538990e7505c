"""A fit to a basis for people: how close it comes, how well it does, and how busy vectors are."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imcsim.fitted_workload import FitReport


def fit_table(report: FitReport, path: str | None) -> RenderableType:
    """Return what fitting found, and the file at `path` if it was written."""
    fit = report.fit
    head = Text.assemble(
        (fit.network.name, "bold cyan"),
        f": {len(fit.basis.vectors)} vectors of {fit.basis.length} elements of {fit.basis.bits} bit, "
        f"coefficients of {fit.bits} bit",
    )
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="dim", no_wrap=True)
    lines.add_column()
    for label, text in _lines(report):
        lines.add_row(label, Text(text))
    if path is not None:
        lines.add_row("written", Text(f"to {path}", overflow="fold"))
    return Group(head, Padding(lines, (0, 0, 0, 2)), "", _layers(report))


def _lines(report: FitReport) -> Iterator[tuple[str, str]]:
    fit, found = report.fit, report.evaluation
    yield "origin", fit.origin
    if fit.error is not None:
        yield "error", f"{fit.error:.2%} of the weights, each layer's in its root mean square"
    counts = (f"{count:,} with {used}" for used, count in enumerate(fit.histogram.tolist()) if count)
    yield "kernel slices", f"{fit.histogram.sum():,}: {', '.join(counts)} coefficients that are not zero"
    if found is not None:
        before = "" if found.baseline_accuracy is None else f"{found.baseline_accuracy:.2%} before, "
        yield (
            "accuracy",
            f"{before}{found.accuracy:.2%} with the fitted weights, {found.integer_accuracy:.2%} in "
            f"integers, on {found.images} images of {found.data}",
        )
        if found.known:
            yield "", f"trained with {found.known} of these, which may flatter it; bring other images"


def _layers(report: FitReport) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim"
    )
    table.add_column("layer", style="cyan", overflow="fold")  # a name is told whole, however narrow it is
    for name in ("rows x kernels", "groups", "slices", "error", "non-\nzeros", "largest\nload"):
        table.add_column(name, justify="right", no_wrap=True)
    for layer in report.layers:
        table.add_row(
            layer.name,
            f"{layer.rows} x {layer.kernels}",
            str(layer.groups),
            str(layer.slices),
            "" if layer.error is None else f"{layer.error:.2%}",
            f"{layer.nonzeros:.2f}",
            str(max(layer.largest_loads)),
        )
    return table
