"""How fast recorded intervals become a Perfetto trace, against the builder of Perfetto's own package.

The same packets, field by field, with names that are called by number: ours are made a block of rows at a
time, theirs one by one with `StreamingTraceProtoBuilder`, which is the faster one of the two that there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.compare import Bench, benches, cpu_times
from benchmarks.engine import MIXED, Pipeline
from simcore import Activity, PartConfig, Simulation, clock

INTERVALS = 100_000

_folder = TemporaryDirectory()


@cache
def recording() -> Activity:
    """Return the first intervals of the 32-stage pipeline."""
    simulation = Simulation([clock("core", 10**9)], record=True)
    simulation.build(Pipeline, PartConfig()).lay_out(MIXED)
    activity = simulation.run().activity
    assert activity is not None
    columns: dict[str, Any] = {name: column[:INTERVALS] for name, column in activity.columns().items()}
    return replace(activity, **columns)


def ours() -> Callable[[], object]:
    """Return what writes the recording."""
    from traces import write_perfetto

    activity, path = recording(), Path(_folder.name) / "ours.pftrace"
    return lambda: write_perfetto(activity, path)


def theirs() -> Callable[[], object]:
    """Return what writes the same with the official package."""
    from perfetto.trace_builder.proto_builder import StreamingTraceProtoBuilder

    activity, path = recording(), Path(_folder.name) / "theirs.pftrace"
    end = activity.start + activity.duration
    columns = (column.tolist() for column in (activity.unit, activity.state, activity.start, end))
    rows = list(zip(*columns, strict=True))
    categories = list(range(1, len(activity.states) + 1))
    is_wait = [not state.startswith("busy") for state in activity.states]

    def write() -> None:
        with path.open("wb") as stream:
            builder = StreamingTraceProtoBuilder(stream)
            for unit, state, start, stop in rows:
                packet = builder.create_packet()
                packet.timestamp = start
                packet.trusted_packet_sequence_id = 1
                packet.sequence_flags = 2
                event = packet.track_event
                event.type = 1
                event.track_uuid = unit + 1
                event.name_iid = state + 1
                event.category_iids.append(categories[state])
                if is_wait[state]:
                    note = event.debug_annotations.add()
                    note.name_iid = 1
                    note.string_value_iid = state + 1
                builder.write_packet(packet)
                packet = builder.create_packet()
                packet.timestamp = stop
                packet.trusted_packet_sequence_id = 1
                packet.sequence_flags = 2
                packet.track_event.type = 2
                packet.track_event.track_uuid = unit + 1
                builder.write_packet(packet)

    return write


benches.register("perfetto-writer")(
    Bench(
        "perfetto-writer",
        "100 000 intervals to a Perfetto trace, against the builder of Perfetto's own package",
        "speed-up",
        3,
        cpu_times(ours, theirs),
        rounds=3,
    )
)
