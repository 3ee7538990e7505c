"""Reads an HTML report of a run by means of its own: the data in the page, and what its policy allows."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from traces.report_timeline import PackedTimeline

Rows = list[tuple[str, str, int, int, str | None, int]]  # unit, state, start, duration, cause, lag


@dataclass
class _Element:
    tag: str
    attributes: dict[str, str | None]
    text: str = ""


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[_Element] = []
        self.open: _Element | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open = _Element(tag, dict(attrs))
        self.elements.append(self.open)

    def handle_endtag(self, tag: str) -> None:
        self.open = None

    def handle_data(self, data: str) -> None:
        if self.open is not None:
            self.open.text += data


@dataclass
class ReportPage:
    """What is in a page.

    json : blocks of JSON by name, the summary among them
    columns : blocks of columns by name
    """

    elements: list[_Element]
    json: dict[str, Any] = field(default_factory=dict)
    columns: dict[str, dict[str, NDArray[Any]]] = field(default_factory=dict)

    def all(self, tag: str) -> list[_Element]:
        return [element for element in self.elements if element.tag == tag]

    @property
    def policy(self) -> str:
        (found,) = (
            e for e in self.all("meta") if e.attributes.get("http-equiv") == "Content-Security-Policy"
        )
        return found.attributes["content"] or ""

    def lanes(self, level: str) -> dict[tuple[int, int], NDArray[np.int64]]:
        """Return the ticks in each bin by owner and kind, of `unit-bins` or `group-bins`."""
        block, bins = self.columns[level], self.json["timeline"]["bins"][level]["bins"]
        ticks = block["ticks"].astype(np.int64).reshape(-1, bins)
        return {
            (int(owner), int(kind)): row
            for owner, kind, row in zip(block["owner"], block["kind"], ticks, strict=True)
        }

    def exact_rows(self) -> Rows:
        """Return all exact intervals, each once, however many slabs it reaches into."""
        rows: Rows = []
        about = self.json["timeline"]
        units, states = about["units"], about["states"]
        for number, slab in enumerate(about["slabs"]):
            c = {
                name: column.astype(np.int64).tolist()
                for name, column in self.columns[f"slab-{number}"].items()
            }
            at = 0
            for lane, count in enumerate(c["count"]):
                tick = slab["start"] + c["offset"][lane]
                for row in range(at, at + count):
                    tick += c["gap"][row]
                    cause = c["cause"][row]
                    if tick >= slab["start"] or number == 0:
                        by = units[cause - 1] if cause else None
                        rows.append(
                            (
                                units[lane],
                                states[c["state"][row]],
                                tick,
                                c["duration"][row],
                                by,
                                c["lag"][row],
                            )
                        )
                    tick += c["duration"][row]
                at += count
        return sorted(rows, key=lambda row: (row[0], row[2], row[3]))


def read_page(path: Path) -> ReportPage:
    """Read a report."""
    parser = _Page()
    parser.feed(path.read_text(encoding="utf-8"))
    parser.close()
    page = ReportPage(parser.elements)
    for element in page.all("script"):
        name = element.attributes.get("id") or ""
        if element.attributes.get("type") == "application/json":
            page.json[name.removesuffix("-json")] = json.loads(element.text)
        elif element.attributes.get("type") == "application/octet-stream":
            raw = zlib.decompress(b64decode(element.text, validate=True))
            columns = element.attributes.get("data-columns")
            if columns is None:
                page.json[name.removeprefix("data-")] = json.loads(raw)
            else:
                page.columns[name.removeprefix("data-")] = _columns(raw, json.loads(columns))
    return page


def unpacked(timeline: PackedTimeline) -> ReportPage:
    """Return what a page would hold of a timeline."""
    page = ReportPage([], {"timeline": json.loads(json.dumps(timeline.about))})
    for name, block in timeline.blocks.items():
        page.columns[name] = _columns(zlib.decompress(block.deflated), list(block.columns))
    return page


def _columns(raw: bytes, told: list[tuple[str, str, int]]) -> dict[str, NDArray[Any]]:
    columns, at = {}, 0
    for name, kind, length in told:
        columns[name] = np.frombuffer(raw, f"<{kind}", length, at)
        at += columns[name].nbytes
    assert at == len(raw)
    return columns
