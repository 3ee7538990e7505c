"""A run's summary for people: what came out, how fast, at what cost, and why units stood idle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from imcsim.memory_report import cache_text, written_text
from imcsim.occupancy import link_uses
from imcsim.results import Run
from imcsim.shared_report import network_lines
from imcsim.shared_request import JOINT
from imcsim.stall_stacks import WORDS, WORKING, Cause, category_shares, causes
from simcore.units import format_si

#: Reasons to be idle that are told.
_CAUSES = 4


def report_table(run: Run, folder: str | None) -> RenderableType:
    """Return the summary of a run whose files are in `folder`, if it was written."""
    s = run.summary
    plural = "" if s["images"] == 1 else "s"
    head = Text.assemble(
        (" and ".join(s["workload"].split(JOINT) if s["networks"] else [s["workload"]]), "bold cyan"),
        " on ",
        (s["machine"], "bold cyan"),
        f": {s['images']} image{plural}",
    )
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for label, text in _lines(run):
        table.add_row(label, text)
    if folder is not None:
        where = f"to {folder}; why it took this long: imcsim explain {folder}"
        table.add_row("written", Text(where, overflow="fold"))  # a path may be longer than a line
    return Group(head, Padding(table, (0, 0, 0, 2)))


def _lines(run: Run) -> Iterator[tuple[str, RenderableType]]:
    """Yield label and text of each line."""
    s = run.summary
    for note in s["notes"]:
        yield "note", Text(note)
    if s["inputs"] is not None:
        yield "inputs", Text(s["inputs"])
    if s["accuracy"] is not None:
        shares = {"golden reference": s["golden_accuracy"], "floating point": s["float_accuracy"]}
        known = {name: share for name, share in shares.items() if share is not None}
        others = ", ".join(f"{name} {100 * share:.4g}%" for name, share in known.items())
        when = "" if s["training"] is None else " while it learned"
        yield "accuracy", f"{100 * s['accuracy']:.4g}%{when} ({others})"
    if s["outputs_match_golden"] is not None:
        match = s["outputs_match_golden"]
        whose = "" if s["training"] is None else "and weights "
        yield (
            "outputs",
            f"{whose}equal the golden reference bit for bit"
            if match
            else Text(
                f"{whose}differ from the golden reference", "bold red" if s["values"] == "ideal" else ""
            ),
        )
    if s["training"] is not None:
        yield from _training(s["training"])
    if s["conversions"] is not None:
        share = 100 * s["clipped_conversions"] / max(s["conversions"], 1)
        yield "conversions", f"{s['conversions']:,}, {share:.3g} % of them clipped"
        ways = Counter(layer["method"] for layer in s["formulations"].values())
        yield "computed by", ", ".join(f"{way} in {n} layers" for way, n in ways.items())
    if s["neuron_cycles"]:
        yield "neurons", _neurons(s["neuron_cycles"])
    yield "time", f"{s['cycles']:,} cycles, {_si(s['time_s'], 's')} at {_si(s['clock_hz'], 'Hz')}"
    if s["networks"] is not None:
        yield from network_lines(s["networks"])
    else:
        yield from _stream(s)
    if s["load"] is not None:
        yield from _load(s["load"])
    if s["decoding"] is not None:
        yield from _decoding(s["decoding"])
    if s["cache"] is not None:
        yield "cache", cache_text(s["cache"])
    each = "" if s["macs"] is None else f"{s['macs']:,} MACs an image; "
    yield "compute", each + ", ".join(_rates(s))
    yield "energy", _energy(s)
    if s["programming"] is not None and s["programming"]["rounds"]:
        yield "written", written_text(s["programming"])
    if s["programming_j"] is not None:
        yield (
            "programming",
            f"{_si(s['programming_j'], 'J')} to write what it holds once, not among the above",
        )
    yield "area", _area(s["area_mm2"])
    found = causes(run.units)
    yield "machine time", ", ".join(f"{s:.1%} {WORDS[kind]}" for kind, s in category_shares(found).items())
    yield "most idle", _idle(found)
    if links := link_uses(run):
        link = links[0]
        yield "busiest link", f"{link.path}: {link.busy_share:.1%} busy, {link.blocked_share:.1%} blocked"
    if (skip := s["fast_forward"]) is not None:
        yield "skipped", f"{skip['skipped_images']} of {s['images']} images: {skip['told']}"
    if s["trace"] is not None:
        yield "trace", Text(_trace(s["trace"]), overflow="fold")
    took = {"simulating": s["wall_s"], "setting up": s["setup_s"], "compiling": s["compile_s"]}
    took_text = ", ".join(f"{_si(seconds, 's', 3)} {name}" for name, seconds in took.items() if seconds)
    yield "took", f"{took_text}; {s['events']:,} events of {s['units']} units"


def _trace(trace: Mapping[str, Any]) -> str:
    """Return what a trace holds."""
    whole = f"{trace['intervals']:,} intervals in {_si(trace['bytes'], 'B')}: {trace['file']}"
    if not trace["aggregated"]:
        return whole
    return (
        f"{whole}; {trace['aggregated']:,} of them in sums over {_number(trace['bin_cycles'])} cycles, "
        f"the others one by one until cycle {trace['complete_until_cycle']:,}"
    )


def _stream(s: dict[str, Any]) -> Iterator[tuple[str, RenderableType]]:
    """Yield how long images take, and how many come out."""
    latency = {name: _si(value, "s") for name, value in s["latency_s"].items()}
    few = len(set(latency.values())) == 1
    spread = f", p50 {latency['p50']}, p99 {latency['p99']}, at most {latency['max']}"
    yield "latency", latency["first"] + ("" if few else f" first{spread}")
    interval = s["initiation_interval_cycles"]
    every = "" if interval is None else f", one every {_number(interval)} cycles"
    rate = s["throughput_per_s"]
    warmup = f", {s['warmup']} of {s['images']} images left out" if s["warmup"] else ""
    if rate is not None:
        yield "throughput", f"{_rate(rate)} images/s{every}{warmup}"


def _load(load: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield how requests came, how long they took from their arrival, and how long they waited."""
    rates = (("offered", load["offered_per_s"]), ("completed", load["completed_per_s"]))
    words = [f"{_rate(rate)} requests/s {what}" for what, rate in rates if rate is not None]
    used = load["utilisation"]
    words += [f"{load['in_system_mean']:.3g} in the system", f"{used['unit']} busy {used['share']:.1%}"]
    yield "load", f"{load['arrivals']}: {', '.join(words)}"
    yield "from arrival", _spread(load["latency_s"])
    yield "of it waiting", _spread(load["queueing_s"])
    for queue in load["queues"]:
        yield (
            "queue",
            f"{queue['name']}: {queue['mean_length']:.3g} waiting on average, {queue['most']:,} at most",
        )


def _spread(seconds: Mapping[str, float]) -> str:
    names = {"mean": "mean", "p50": "p50", "p90": "p90", "p99": "p99", "p999": "p99.9", "max": "at most"}
    return ", ".join(f"{word} {_si(seconds[name], 's')}" for name, word in names.items())


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 1000 else f"{rate:.4g}"


def _training(t: dict[str, Any]) -> Iterator[tuple[str, RenderableType]]:
    """Yield what training did, and what came of it."""
    updates = f"{t['batches']} batch{'es' if t['batches'] > 1 else ''}"
    yield "training", f"{updates} of {t['batch']} in {t['beats']:,} beats, {t['images_per_s']:,.0f} images/s"
    if t["loss"] is not None:
        yield "loss", f"{t['loss'][0]:.4g} in the first batch, {t['loss'][-1]:.4g} in the last"
        for label, gain in (("learned", t["accuracy"]), ("unseen", t["unseen_accuracy"])):
            if gain is not None:
                yield label, f"{100 * gain['before']:.4g}% right before, {100 * gain['after']:.4g}% after"


def _decoding(d: dict[str, Any]) -> Iterator[tuple[str, RenderableType]]:
    """Yield how fast tokens came."""
    yield "first token", f"{_mostly(d['time_to_first_token_s'])} behind a prompt of {d['prompt']}"
    if (interval := d["token_interval_s"]) is not None:
        rate = "" if d["tokens_per_s"] is None else f"; {d['tokens_per_s']:,.0f} tokens/s"
        yield "tokens", f"{d['generated']} a sequence, one every {_mostly(interval)}{rate}"


def _mostly(times: Mapping[str, float]) -> str:
    """Return the mean of some times, and how much longer some of them were, if any."""
    mean, p99, most = (_si(times[name], "s") for name in ("mean", "p99", "max"))
    return mean if mean == most else f"{mean} (p99 {p99}, at most {most})"


def _neurons(layers: Mapping[str, Mapping[str, list[int]]]) -> str:
    """Return how long neurons took, over all layers."""
    counted = Counter[int]()
    for times in layers.values():
        for cycles, neurons in zip(times["cycles"], times["neurons"], strict=True):
            counted[cycles] += neurons
    mean = sum(cycles * n for cycles, n in counted.items()) / counted.total()
    return f"{counted.total():,} of {min(counted):,} to {max(counted):,} cycles, mean {mean:.4g}"


def _rates(s: dict[str, Any]) -> Iterator[str]:
    for name, unit in (("tops", "TOPS"), ("tops_per_w", "TOPS/W"), ("tops_per_mm2", "TOPS/mm2")):
        if s[name] is not None:
            yield f"{s[name]:.4g} {unit}"
    if s["utilisation"] is not None:
        yield f"{s['utilisation']:.1%} of the arrays' peak"


def _energy(s: dict[str, Any]) -> RenderableType:
    """Return the total and its split by component, the largest first."""
    energy = s["energy_j"]
    each, power = energy["total"] / s["images"], s["power_w"]["mean"]
    watts = "" if power is None else f", {_si(power, 'W')}"
    total = f"{_si(energy['total'], 'J')}, {_si(each, 'J')} an image{watts}"
    split = Table.grid(padding=(0, 2))
    split.add_column()
    split.add_column(justify="right")
    split.add_column(justify="right")
    for name, joules in sorted(energy["by_component"].items(), key=lambda item: -item[1]):
        split.add_row(name, _si(joules, "J"), f"{joules / energy['total']:.1%}")
    return Group(total, split)


def _area(area: dict[str, Any]) -> str:
    total, parts = area["total"], sorted(area["by_component"].items(), key=lambda item: -item[1])
    return f"{total:.4g} mm2" + (": " if parts else "") + ", ".join(f"{k} {v / total:.1%}" for k, v in parts)


def _idle(found: Sequence[Cause]) -> RenderableType:
    """Return the largest reasons to be idle, a line each."""
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="right")
    table.add_column(no_wrap=True)
    table.add_column()
    for cause in [c for c in found if c.category not in WORKING][:_CAUSES]:
        mostly = "" if cause.family is None else f", mostly its {cause.family}"
        table.add_row(f"{cause.share:.1%}", Text(cause.where), Text(WORDS[cause.category] + mostly))
    return table


def _number(value: float) -> str:
    return f"{value:,}" if value == int(value) else f"{value:,.2f}"


def _si(value: float, unit: str, digits: int = 4) -> str:
    return format_si(value, unit, digits)
