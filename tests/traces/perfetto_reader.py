"""What is in a Perfetto trace, read with Perfetto's own protobuf classes."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as protos

SLICE_BEGIN, SLICE_END, INSTANT, COUNTER = 1, 2, 3, 4


@dataclass(frozen=True)
class Slice:
    """Times in ns; annotations by name; numbers of the flows that leave from it and end at it."""

    start: int
    end: int
    name: str
    category: str
    annotations: dict[str, str | int]
    leaving: tuple[int, ...]
    arriving: tuple[int, ...]


@dataclass
class ReadTrace:
    """Tracks by their names from below the run's track on, with a dot between; the run's own is empty.

    ranks : a track's place among its siblings
    end, limits : totals of the last packet, and what it says of limits
    """

    title: str = ""
    ranks: dict[str, int] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    slices: dict[str, list[Slice]] = field(default_factory=lambda: defaultdict(list))
    counters: dict[str, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))
    end: dict[str, int] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)


def read_perfetto(path: Path) -> ReadTrace:
    """Return all that a trace tells; every packet must be of a kind that we write."""
    message = protos.Trace.FromString(path.read_bytes())
    trace = ReadTrace()
    names: dict[str, dict[int, str]] = defaultdict(dict)
    paths: dict[int, str] = {}
    opened: dict[int, Any] = {}
    for packet in message.packet:
        assert packet.trusted_packet_sequence_id == 1
        for kind, strings in packet.interned_data.ListFields():
            for string in strings:
                text = string.str.decode() if kind.name == "debug_annotation_string_values" else string.name
                assert names[kind.name].setdefault(string.iid, text) == text
        if packet.HasField("track_descriptor"):
            _add_track(trace, paths, packet.track_descriptor)
        elif packet.HasField("track_event"):
            event = packet.track_event
            track = paths[event.track_uuid]
            if event.type == SLICE_BEGIN:
                assert opened.setdefault(event.track_uuid, packet) is packet, "slices never overlap"
            elif event.type == SLICE_END:
                trace.slices[track].append(_slice(opened.pop(event.track_uuid), packet.timestamp, names))
            elif event.type == COUNTER:
                exact = event.HasField("counter_value")
                value = event.counter_value if exact else event.double_counter_value
                trace.counters[track].append((packet.timestamp, value))
            else:
                assert (event.type, event.name, track) == (INSTANT, "end of trace", "")
                assert packet is message.packet[-1]
                notes = {note.name: note for note in event.debug_annotations}
                if "limits" in notes:
                    trace.limits = json.loads(notes.pop("limits").string_value)
                trace.end = {name: note.uint_value for name, note in notes.items()}
                trace.end["at"] = packet.timestamp
    assert not opened
    return trace


def _add_track(trace: ReadTrace, paths: dict[int, str], track: Any) -> None:
    assert track.uuid not in paths
    if not track.parent_uuid:
        assert not paths, "the run's track is the only one on top"
        trace.title, paths[track.uuid] = track.name, ""
        return
    above = paths[track.parent_uuid]  # a parent comes before its children
    path = paths[track.uuid] = f"{above}.{track.name}" if above else track.name
    trace.ranks[path] = track.sibling_order_rank
    if track.HasField("counter"):
        trace.units[path] = track.counter.unit_name


def _slice(begin: Any, end: int, names: dict[str, dict[int, str]]) -> Slice:
    event = begin.track_event
    (category,) = event.category_iids
    values = names["debug_annotation_string_values"]
    return Slice(
        begin.timestamp,
        end,
        names["event_names"][event.name_iid],
        names["event_categories"][category],
        {
            names["debug_annotation_names"][note.name_iid]: (
                note.uint_value if note.HasField("uint_value") else values[note.string_value_iid]
            )
            for note in event.debug_annotations
        },
        tuple(event.flow_ids),
        tuple(event.terminating_flow_ids),
    )
