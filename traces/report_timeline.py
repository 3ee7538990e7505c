"""A run's activity as a page carries it: bins that are always there, and exact intervals as far as they fit.

Lanes are units in the order in which the page lists them, those of a group side by side. Time in bins is kept
by group, finely, and by unit, as finely as their number allows: for each kind of state how many ticks of a
bin. Exact intervals come in slabs, stretches of time that hold about as many intervals each; an interval
that reaches over several slabs is in all of them, so that each can be drawn alone. Slabs are packed from the
first one on until the page is full.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simcore.activity import NOBODY, Activity
from traces.critical_path import CriticalPath
from traces.figure_style import CATEGORY_COLOURS, kinds_of
from traces.packed_columns import Packed, pack_columns
from traces.timeline import unit_groups

_GROUP_CELLS, _UNIT_CELLS = 1 << 21, 3 << 20  # of bins, all kinds of all lanes
_MOST_BINS, _LEAST_BINS = 2048, 16
_SLAB = 1 << 17  # intervals, about
_SHORTEST_SLABS = 4096  # in a run


@dataclass(frozen=True)
class TimeBins:
    """Ticks that owners, as units or groups, spent in each kind of state, bin by bin.

    width : of a bin [tick]; the last one may reach beyond the run
    owner, kind : (rows,) of which each row is; only what occurs has one, and no row is of time not recorded
    ticks : (rows, bins) int64
    """

    width: int
    owner: NDArray[np.int64]
    kind: NDArray[np.int64]
    ticks: NDArray[np.int64]


def time_bins(activity: Activity, owner: NDArray[np.int64], kind: NDArray[np.int64], cells: int) -> TimeBins:
    """Return the time of owners in equal bins, as many of them as `cells` allows for all rows together.

    owner : (units,) the owner that each unit counts for
    kind : (states,) the kind that each state counts for
    """
    kinds = int(kind.max(initial=0)) + 1
    row_of = owner[activity.unit] * kinds + kind[activity.state]
    present = np.flatnonzero(np.bincount(row_of))
    rank = np.zeros(int(present.max(initial=0)) + 1, dtype=np.int64)
    rank[present] = np.arange(len(present))
    row = rank[row_of]
    bins = int(np.clip(cells // max(len(present), 1), _LEAST_BINS, _MOST_BINS))
    width = max(-(-activity.makespan // bins), 1)
    bins = max(-(-activity.makespan // width), 1)
    end = activity.start + activity.duration
    first = activity.start // width
    first = np.minimum(first, bins - 1)  # an interval without length at the very end
    last = np.maximum(-(-end // width) - 1, first)
    place = row * bins + first
    # The first bin holds it up to the bin's edge; of those that span more, the last one holds the rest, and
    # those between are full.
    inside = np.minimum(end, (first + 1) * width) - activity.start
    ticks = np.bincount(place, weights=inside, minlength=len(present) * bins)
    spans = np.flatnonzero(last > first)
    row, first, last, end = row[spans], first[spans], last[spans], end[spans]
    ticks += np.bincount(row * bins + last, weights=end - last * width, minlength=len(ticks))
    edges = len(present) * (bins + 1)
    opened = np.bincount(row * (bins + 1) + first + 1, minlength=edges)
    closed = np.bincount(row * (bins + 1) + last, minlength=edges)
    full = np.cumsum((opened - closed).reshape(-1, bins + 1), axis=1)[:, :bins]
    exact = ticks.astype(np.int64).reshape(-1, bins) + full * width
    return TimeBins(width, present // kinds, present % kinds, exact)


@dataclass(frozen=True)
class Lanes:
    """Units in the order in which the page lists them.

    order : (units,) index into the activity's units of each lane
    place : (units,) the lane of each of the activity's units
    groups : name and number of lanes of each group, from the top
    """

    order: NDArray[np.int64]
    place: NDArray[np.int64]
    groups: tuple[tuple[str, int], ...]


def lanes_of(activity: Activity, group_of: Mapping[str, str], groups: Sequence[str]) -> Lanes:
    """Return the lanes: groups in the order given, in each of them units in the order of their first work.

    group_of : the group of each of the activity's units, by its path
    """
    rank = {name: number for number, name in enumerate(groups)}
    listed = [unit for group in unit_groups(activity) for unit in group.units]
    listed.sort(key=lambda unit: rank[group_of[activity.units[unit]]])
    order = np.array(listed, dtype=np.int64)
    place = np.zeros(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    counts = groupby(listed, key=lambda unit: group_of[activity.units[unit]])
    return Lanes(order, place, tuple((name, len(list(units))) for name, units in counts))


@dataclass(frozen=True)
class PackedTimeline:
    """All that the page needs to draw what units did.

    about : in JSON: lanes, kinds, states, widths of bins, slabs, and up to which tick intervals are exact
    blocks : by name, of which `about` tells
    """

    about: dict[str, Any]
    blocks: dict[str, Packed]


def pack_timeline(
    activity: Activity,
    group_of: Mapping[str, str],
    groups: Sequence[str],
    most_bytes: int,
    path: CriticalPath | None = None,
) -> PackedTimeline:
    """Return the activity for the page.

    group_of, groups : as for `lanes_of`
    most_bytes : that it may take in the page; exact intervals get what bins and the path leave of it
    path : the critical path
    """
    lanes = lanes_of(activity, group_of, groups)
    kinds = kinds_of(activity, by_operation=True)
    group_of_lane = np.repeat(np.arange(len(lanes.groups)), [count for _, count in lanes.groups])
    blocks = {}
    widths = {}
    for name, owner, cells in (
        ("group-bins", group_of_lane[lanes.place], _GROUP_CELLS),
        ("unit-bins", lanes.place, _UNIT_CELLS),
    ):
        bins = time_bins(activity, owner, kinds.of_state, cells)
        widths[name] = {"width": bins.width, "bins": bins.ticks.shape[1]}
        blocks[name] = pack_columns({"owner": bins.owner, "kind": bins.kind, "ticks": bins.ticks.reshape(-1)})
    if path is not None:
        blocks["path"] = _pack_path(path, lanes)
    slabs: list[dict[str, int]] = []
    used, exact_until = sum(map(len, blocks.values())), 0
    for start, stop, rows in _slabs(activity):
        block = _pack_slab(activity, lanes, start, rows)
        if used + len(block) > most_bytes:
            break
        blocks[f"slab-{len(slabs)}"] = block
        slabs.append({"start": start, "stop": stop, "intervals": len(rows)})
        used, exact_until = used + len(block), stop
    categories = ["busy"] * (len(kinds.labels) - len(CATEGORY_COLOURS)) + list(CATEGORY_COLOURS)
    about = {
        "makespan": activity.makespan,
        "ticks_per_cycle": activity.ticks_per_cycle,
        "intervals": len(activity),
        "units": [activity.units[unit] for unit in lanes.order],
        "groups": [{"name": name, "units": count} for name, count in lanes.groups],
        "states": list(activity.states),
        "kind_of_state": kinds.of_state.tolist(),
        "path_states": [] if path is None else list(path.states),
        "kinds": [
            {"label": label, "category": kind, "colour": _hex(colour)}
            for label, kind, colour in zip(kinds.labels, categories, kinds.colours, strict=True)
        ],
        "bins": widths,
        "slabs": slabs,
        "exact_until": exact_until,
    }
    return PackedTimeline(about, blocks)


def _hex(colour: NDArray[np.float64]) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colour)


def _slabs(activity: Activity) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Yield begin and end of each slab [tick], and the intervals that reach into it, by unit and start."""
    most = max(_SLAB, 8 * len(activity.units))  # few are in more than one slab then
    step = max(-(-activity.makespan // _SHORTEST_SLABS), 1)
    steps = max(-(-activity.makespan // step), 1)
    end = activity.start + activity.duration
    begins = np.minimum(activity.start // step, steps - 1)
    begun = np.cumsum(np.bincount(begins, minlength=steps))
    slab_of = np.concatenate([[0], begun[:-1]]) // most
    opens = np.flatnonzero(np.diff(slab_of, prepend=-1))
    slab_of = np.searchsorted(opens, np.arange(steps), side="right") - 1  # those without a begin are in none
    first = slab_of[begins].astype(np.int32)
    last = np.maximum(slab_of[np.maximum(-(-end // step) - 1, 0)], first)
    order = np.argsort(first, kind="stable")
    borders = np.searchsorted(first[order], np.arange(len(opens) + 1))
    long = np.flatnonzero(last > first)
    edges = [*(opens * step).tolist(), activity.makespan]
    for slab in range(len(opens)):
        reaching = long[(first[long] < slab) & (last[long] >= slab)]
        rows = np.concatenate([order[borders[slab] : borders[slab + 1]], reaching])
        yield edges[slab], edges[slab + 1], np.sort(rows)


def _pack_path(path: CriticalPath, lanes: Lanes) -> Packed:
    """Return the steps of the critical path: `lane`, `state` (of the path's own) and `duration` of each.

    They follow each other without a gap from tick 0 on.
    """
    return pack_columns({"lane": lanes.place[path.unit], "state": path.state, "duration": path.duration})


def _pack_slab(activity: Activity, lanes: Lanes, start: int, rows: NDArray[np.int64]) -> Packed:
    """Return the intervals `rows` of a slab from tick `start` on, lane by lane.

    `count` and `offset` of each lane: how many it has, and where the first one starts, from `start`. Of each
    interval: `gap` from the end of the one before (0 for a lane's first), `duration`, `state`, `lag`, and
    `cause`, which is a lane counted from 1, or 0.
    """
    lane = lanes.place[activity.unit[rows]]
    by_lane = np.argsort(lane, kind="stable")
    rows, lane = rows[by_lane], lane[by_lane]
    begin, duration, cause = activity.start[rows], activity.duration[rows], activity.cause[rows]
    leads = np.diff(lane, prepend=-1) != 0
    gap = begin - np.concatenate([[0], (begin + duration)[:-1]])
    gap[leads] = 0
    offset = np.zeros(len(lanes.order), dtype=np.int64)
    offset[lane[leads]] = begin[leads] - start
    return pack_columns(
        {
            "count": np.bincount(lane, minlength=len(lanes.order)),
            "offset": offset,
            "gap": gap,
            "duration": duration,
            "state": activity.state[rows],
            "cause": np.where(cause == NOBODY, 0, lanes.place[cause] + 1),
            "lag": activity.lag[rows],
        }
    )
