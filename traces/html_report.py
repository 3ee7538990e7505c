"""A run as one HTML page that needs nothing else: no network, no server, no other file.

The page is `assets/report/report.html` with its style, its scripts one behind the other, and blocks of data
(`packed_columns`). All figures that it shows are those of two JSON objects in it, the run's summary and its
explanation. Its policy allows its own script and style, by their digests, and nothing from anywhere else.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any, BinaryIO

from simcore.activity import Activity
from simcore.files import write_atomically
from traces.critical_path import CriticalPath
from traces.figure_style import BUSY_COLOURS, CATEGORY_COLOURS
from traces.packed_columns import Packed, pack_json
from traces.report_buffers import pack_buffers
from traces.report_timeline import pack_timeline
from traces.unit_paths import home, segments

ASSETS = Path(__file__).parent / "assets" / "report"
#: Of a page, about; exact intervals fill it up.
PAGE_BYTES = 18_000_000
#: In the order in which they stand in the page.
SCRIPTS = (
    "data",
    "format",
    "tables",
    "timeline_data",
    "canvas",
    "painter",
    "timeline_drawing",
    "timeline_tips",
    "timeline",
    "summary",
    "stacks",
    "machine",
    "links",
    "buffers",
    "energy",
    "path",
    "main",
)


def write_html_report(
    path: str | Path,
    *,
    summary: Mapping[str, Any],
    explanation: Mapping[str, Any],
    activity: Activity | None = None,
    path_through: CriticalPath | None = None,
    channels: Sequence[Mapping[str, Any]] = (),
    images: Sequence[Mapping[str, Any]] = (),
    configuration: str = "",
    page_bytes: int = PAGE_BYTES,
) -> None:
    """Write a run as an HTML page, whole or not at all; equal runs make equal bytes.

    summary, explanation : what `imcsim run --json` and `imcsim explain --json` print
    activity : the recorded intervals; without them the page has no timeline, and says so
    path_through : the critical path of the activity, None where it is not known
    channels : `sources` (with " + " between them), `target`, `slots`, `latency`, `tokens`, `peak` of each
    images : `completed` of each [cycle]
    configuration : what repeats the run, as text
    page_bytes : that the page may take, about; of a run that needs more, only the first intervals are exact,
        and bins tell of the rest
    raises : FileError if the disk refuses
    """
    blocks = {
        "style": pack_json({"colours": {"busy": BUSY_COLOURS[0], "work": BUSY_COLOURS, **CATEGORY_COLOURS}}),
        "explanation": pack_json(explanation),
        "channels": pack_json([*map(_with_groups, channels)]),
        "images": pack_json(list(images)),
        "configuration": pack_json(configuration),
    }
    if activity is not None:
        buffers, held = pack_buffers(activity.buffers, activity.makespan)
        blocks |= {"buffers-about": pack_json(buffers), "buffers": held}
        group_of = {unit["path"]: unit["group"] for unit in explanation["units"]}
        groups = [group["group"] for group in explanation["groups"]]
        room = page_bytes - sum(map(len, blocks.values()))
        timeline = pack_timeline(activity, group_of, groups, room, path_through)
        blocks |= {"timeline": pack_json(timeline.about), **timeline.blocks}
    title = " on ".join(name for name in (summary["workload"], summary["machine"]) if name)
    write_atomically(path, lambda stream: _write(stream, title, summary, blocks))


def _with_groups(channel: Mapping[str, Any]) -> dict[str, Any]:
    """Return a channel with the groups that it joins."""
    return {
        **channel,
        "source_groups": [_group_of_port(port) for port in channel["sources"].split(" + ")],
        "target_group": _group_of_port(channel["target"]),
    }


def _group_of_port(path: str) -> str:
    return home(".".join(segments(path)[:-1]))


def _write(stream: BinaryIO, title: str, summary: Mapping[str, Any], blocks: Mapping[str, Packed]) -> None:
    style = _asset("report.css")
    script = "".join(_asset(f"{name}.js") for name in SCRIPTS)
    parts = {
        "TITLE": lambda: iter([escape(title)]),
        "POLICY": lambda: iter([_policy(style, script)]),
        "STYLE": lambda: iter([style]),
        "SCRIPT": lambda: iter([script]),
        "FOOTER": lambda: iter([escape(_footer(summary))]),
        "DATA": lambda: _data(summary, blocks),
    }
    for n, text in enumerate(re.split("@@([A-Z]+)@@", _asset("report.html"))):
        for piece in parts[text]() if n % 2 else [text]:
            stream.write(piece.encode())


def _data(summary: Mapping[str, Any], blocks: Mapping[str, Packed]) -> Iterator[str]:
    """Yield the elements that hold the data; the summary is there in plain text, for whoever looks."""
    text = json.dumps(summary, allow_nan=False)
    for sign in "<>&":  # so that nothing in it ends the element
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    yield f'<script type="application/json" id="summary-json">{text}</script>\n'
    for name, block in blocks.items():
        columns = f" data-columns='{escape(json.dumps(block.columns))}'" if block.columns else ""
        yield f'<script type="application/octet-stream" id="data-{name}"{columns}>{block.text}</script>\n'


def _policy(style: str, script: str) -> str:
    digests = (b64encode(sha256(text.encode()).digest()).decode() for text in (style, script))
    return "default-src 'none'; base-uri 'none'; form-action 'none'; " + "; ".join(
        f"{what}-src 'sha256-{digest}'" for what, digest in zip(("style", "script"), digests, strict=True)
    )


def _footer(summary: Mapping[str, Any]) -> str:
    return f"imcsim {summary['version']}  ·  run {summary['fingerprint'] or 'without a fingerprint'}"


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
