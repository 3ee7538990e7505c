"""Networks that share a machine, for people: how much slower each one is than alone, and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from imcsim.memory_report import cache_text, written_text
from simcore.units import format_si

#: Waits that are told of each network; all are in the summary.
_SHOWN = 3


def network_lines(networks: list[dict[str, Any]]) -> Iterator[tuple[str, RenderableType]]:
    """Yield the name of each network, and its figures."""
    for network in networks:
        yield network["workload"], Group(*_figures(network))


def _figures(n: Mapping[str, Any]) -> Iterator[RenderableType]:
    alone, slower = n["alone"], n["slowdown"]
    plural = "" if n["images"] == 1 else "s"
    yield f"{n['images']} image{plural}, {n['macs']:,} MACs each" + _judged(n)
    latency = format_si(n["latency_s"]["mean"], "s"), format_si(alone["latency_s"]["mean"], "s")
    table = Table.grid(padding=(0, 2))
    for column in range(4):
        table.add_column(justify="left" if column in (0, 3) else "right", no_wrap=True)
    table.add_row("", "together", "alone", "")
    rows = [
        ("cycles to the last output", _count(n["cycles"]), _count(alone["cycles"]), slower["cycles"]),
        ("mean latency", *latency, slower["latency"]),
    ]
    if slower["interval"] is not None:
        key = "initiation_interval_cycles"
        rows.append(("cycles from image to image", _count(n[key]), _count(alone[key]), slower["interval"]))
    if n["load"] is not None:
        waits = (format_si(load["latency_s"]["mean"], "s") for load in (n["load"], alone["load"]))
        rows.append(("mean time from arrival", *waits, slower["from_arrival"]))
    for what, together, before, ratio in rows:
        table.add_row(what, together, before, "" if ratio is None else f"x {ratio:.3f}")
    yield table
    if n["cache"] is not None:
        yield f"cache: {cache_text(n['cache'])}"
    if n["programming"] is not None:
        yield f"written: {written_text(n['programming'])}"
    causes = n["causes"]
    if causes["source"]:
        terms = (f"{_signed(cycles)} {state}" for state, cycles in _sorted(causes["source"]))
        yield Text(f"later by {_count(causes['late_cycles'])} cycles: {', '.join(terms)}")
    for what, waits in (("waits longer", causes["waits"]), ("taken by others", causes["links"])):
        if waits:
            told = (f"{w['unit']} {_count(w['cycles'])} {w['state']}" for w in waits[:_SHOWN])
            yield Text(f"{what}: {', '.join(told)}")


def _sorted(causes: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(causes.items(), key=lambda cause: (-abs(cause[1]), cause[0]))


def _judged(n: Mapping[str, Any]) -> str:
    words = "" if n["accuracy"] is None else f", {100 * n['accuracy']:.4g}% right"
    if n["outputs_match_golden"] is None:
        return words
    verdict = (
        "equal the golden reference" if n["outputs_match_golden"] else "differ from the golden reference"
    )
    return f"{words}, outputs {verdict}"


def _signed(cycles: float) -> str:
    return ("+" if cycles > 0 else "") + _count(cycles)


def _count(cycles: float) -> str:
    return f"{cycles:,}" if cycles == int(cycles) else f"{cycles:,.2f}"
