"""Intervals as the slices of a Perfetto trace: two packets each, with names, units and layers by number.

Source: `trace_packet.proto`, `track_event.proto`, `debug_annotation.proto` and `interned_data.proto` of
Perfetto.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from simcore.activity import CATEGORIES, NOBODY, Activity, category
from traces.protobuf_rows import Column, fixed64s, message, messages, rows_of, text, uint, uints, where
from traces.timeline import category_of_states

#: Pairs of rows, an interval and a later one that it let begin: (n, 2).
Arrows = NDArray[np.int64]

NO_ARROWS: Arrows = np.zeros((0, 2), np.int64)

#: All packets are of one sequence, whose strings are numbered.
SEQUENCE = uint(10, 1)

_BLOCK = 1 << 13  # intervals encoded at once: few enough for the cache, enough to forget the call
_DONE = ("busy", "programming")  # categories of operations; all others are of waits
_ANNOTATIONS = _DETAIL, _LAYER, _CAUSE, _COUNT = 1, 2, 3, 4
_BEGIN, _END = 1, 2  # TrackEvent.Type
_NUMBERED_ANEW, _CALLS_BY_NUMBER = 1, 2  # TracePacket.SequenceFlags
_FLOW, _END_OF_FLOW = 47, 48  # fields of TrackEvent


def slice_name(state: str) -> str:
    """Return what an interval is called: what is done, or that it waits; viewers colour slices by name."""
    kind, _, detail = state.partition(":")
    return detail if kind in _DONE else kind


class Slices:
    """Makes the packets of intervals, and of the strings that they call by number.

    units : of the run
    layers : of the network, by unit
    track : (units,) int64, on which the slices of each unit are
    ns : in a tick
    """

    def __init__(
        self, units: Sequence[str], layers: Mapping[str, str], track: NDArray[np.int64], ns: int
    ) -> None:
        self._units, self._track, self._ns = units, track, ns
        self._layers = sorted(set(layers.values()))
        numbers = {name: number for number, name in enumerate(self._layers, start=1)}
        self._layer = np.array([numbers.get(layers.get(unit, ""), 0) for unit in units], np.int64)
        # Values of annotations are numbered, too: layers, units, and last what may become more.
        self._first_unit = len(self._layers) + 1
        self._first_detail = self._first_unit + len(units)
        self._category = np.zeros(0, np.int64)  # of each state that has been named
        self._is_wait = np.zeros(0, bool)
        self._named_units = np.zeros(len(units), bool)
        self._arrows = 0

    def head(self) -> bytes:
        """Return the first packet of the sequence: what is called by number from the start."""
        return message(
            1,
            SEQUENCE,
            uint(13, _NUMBERED_ANEW),
            uint(87, 1),
            message(
                12,
                *(_string(1, number, name) for number, name in enumerate(CATEGORIES, start=1)),
                *(
                    _string(3, n, name)
                    for n, name in zip(_ANNOTATIONS, ("detail", "layer", "cause", "count"), strict=True)
                ),
                *(_string(29, number, name) for number, name in enumerate(self._layers, start=1)),
            ),
        )

    def packets(
        self,
        stretch: Activity,
        arrows: Arrows = NO_ARROWS,
        track: NDArray[np.int64] | None = None,
        count: NDArray[np.int64] | None = None,
    ) -> Iterator[bytes | memoryview]:
        """Yield the packets of all intervals of a stretch.

        track : (units,) where to put them, instead of where the units' intervals are
        count : (rows,) how many intervals each stands for, if they are no intervals
        """
        track = self._track if track is None else track
        if strings := self._new_strings(stretch):
            yield message(1, SEQUENCE, uint(13, _CALLS_BY_NUMBER), message(12, *strings))
        number = self._arrows + 1 + np.arange(len(arrows))
        self._arrows += len(arrows)
        for begin in range(0, len(stretch), _BLOCK):
            end = min(begin + _BLOCK, len(stretch))
            more = [
                *([] if count is None else messages(4, Column(uint(1, _COUNT)), uints(3, count[begin:end]))),
                *_flows(_FLOW, arrows[:, 0] - begin, number, end - begin),
                *_flows(_END_OF_FLOW, arrows[:, 1] - begin, number, end - begin),
            ]
            yield self._block(stretch, begin, end, track, more).data

    def _block(
        self, stretch: Activity, begin: int, end: int, track: NDArray[np.int64], more: Sequence[Column]
    ) -> NDArray[np.uint8]:
        """Return the two packets of each of some intervals.

        more : fields of their beginnings
        """
        unit, state = stretch.unit[begin:end], stretch.state[begin:end]
        start = stretch.start[begin:end] * self._ns
        layer, cause = self._layer[unit], stretch.cause[begin:end]
        on_track = uints(11, track[unit])
        belongs = Column(SEQUENCE + uint(13, _CALLS_BY_NUMBER))
        columns = [
            *messages(
                1,
                uints(8, start),
                belongs,
                *messages(
                    11,
                    Column(uint(9, _BEGIN)),
                    on_track,
                    uints(10, state + 1),
                    uints(3, self._category[state] + 1),
                    *_annotation(_DETAIL, self._first_detail + state, self._is_wait[state]),
                    *_annotation(_LAYER, layer, layer > 0),
                    *_annotation(_CAUSE, self._first_unit + cause, cause != NOBODY),
                    *more,
                ),
            ),
            *messages(
                1,
                uints(8, start + stretch.duration[begin:end] * self._ns),
                belongs,
                *messages(11, Column(uint(9, _END)), on_track),
            ),
        ]
        return rows_of(end - begin, columns)

    def _new_strings(self, stretch: Activity) -> list[bytes]:
        """Return the strings that no packet has introduced so far."""
        strings = []
        for number in range(len(self._category), len(stretch.states)):
            state = stretch.states[number]
            strings.append(_string(2, number + 1, slice_name(state)))
            strings.append(_string(29, self._first_detail + number, state.partition(":")[2]))
        self._category = category_of_states(stretch)
        self._is_wait = np.array([category(state) not in _DONE for state in stretch.states], bool)
        causes = np.zeros(len(self._units), bool)
        causes[stretch.cause[stretch.cause != NOBODY]] = True
        new = np.flatnonzero(causes & ~self._named_units)
        self._named_units |= causes
        return strings + [_string(29, self._first_unit + unit, self._units[unit]) for unit in new.tolist()]


def _string(kind: int, number: int, name: str) -> bytes:
    """Return a field of InternedData: a string, and the number that stands for it."""
    return message(kind, uint(1, number), text(2, name))


def _annotation(name: int, string: NDArray[np.integer], there: NDArray[np.bool_]) -> list[Column]:
    """Return an annotation of those rows that have it; name and value are called by number."""
    if not there.any():
        return []
    return where(there, messages(4, Column(uint(1, name)), uints(17, string)))


def _flows(field: int, row: NDArray[np.int64], number: NDArray[np.int64], rows: int) -> Iterator[Column]:
    """Yield the ends of arrows on one side, as many columns as a row has at most.

    row : of each arrow; those outside [0, rows) are elsewhere
    number : of each arrow
    """
    here = (row >= 0) & (row < rows)
    row, number = row[here], number[here]
    while len(row):
        _, first = np.unique(row, return_index=True)
        numbers = np.zeros(rows, np.int64)
        numbers[row[first]] = number[first]
        yield from where(numbers > 0, [fixed64s(field, numbers)])
        row, number = np.delete(row, first), np.delete(number, first)
