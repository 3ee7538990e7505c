"""The least depths of all buffers together, found by running: to keep moving, and to lose no cycle.

From depths that do, each edge in turn is made as shallow as goes with the others as they are by then. With
parts that only wait, shallower buffers never help, so none of the depths that come out can be one slot less:
what failed beside deeper buffers fails beside shallower ones. Other sets may be as small, where what one
branch holds another need not. docs/decisions/0007-least-depths.md has more.

One image shows whether a pipeline deadlocks: if nothing is left of it, all is as it was before, and the next
one goes the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arch.machine import Machine, NetworkMap
from arch.machines.dataflow import DataflowMap
from imcsim.depth_trials import DepthTrials, least_depth
from imcsim.resolve import Setting
from imcsim.run_request import resolve_request
from simcore import ConfigError, Deadlock
from workloads import Network, lower

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class EdgeDepths:
    """What is known of one edge's depth [pixel].

    slots : as mapped; None is unbounded
    needed : less stops the pipeline, whatever the others hold
    moving, full_speed : one slot less, beside all others like this, stops the pipeline, or costs time
    safe : what every rule gives at least
    """

    edge: str
    slots: int | None
    needed: int
    moving: int
    full_speed: int
    safe: int


@dataclass(frozen=True)
class LeastDepths:
    """Least depths of every edge.

    images : whose completion `full_speed` does not delay, against buffers without bounds
    runs : that were needed
    """

    edges: tuple[EdgeDepths, ...]
    images: int
    runs: int


def find_least_depths(
    workload: str | Path | Network,
    arch: str | Path | Machine | None = None,
    *,
    images: int = 3,
    settings: Sequence[Setting] = (),
    plugins: Sequence[str | Path] | None = None,
) -> LeastDepths:
    """Return the least depths of all buffers of a workload on a machine; see `imcsim.run` for the arguments.

    images : in the runs that find what full speed takes
    """
    request = resolve_request(workload, arch, settings, {"plugins": plugins})
    return least_depths_of(request.machine, request.machine.map(lower(request.network)), images)


def least_depths_of(machine: Machine, placed: NetworkMap, images: int) -> LeastDepths:
    """Return the least depths of a mapping's buffers.

    raises : ConfigError if there are no images, or no depths that could be set
    """
    if images < 1:
        raise ConfigError(f"depths must be found with at least 1 image, got {images}")
    if not isinstance(placed, DataflowMap):
        raise ConfigError(
            f"depths are found by running with others, but those of {machine.name} follow from the "
            "network and cannot be set; leave out --depths, or choose a dataflow machine"
        )
    once = DepthTrials(machine, placed, 1)
    moving = _shallowest({edge: once.safe(edge) for edge in placed.edges}, once, once.ends)
    often = DepthTrials(machine, placed, images)
    unbounded = often.at(dict.fromkeys(placed.edges))
    assert not isinstance(unbounded, Deadlock), "nothing is ever blocked without bounds"

    def as_fast(depths: Mapping[str, int | None]) -> bool:
        run = often.at(depths)
        return not isinstance(run, Deadlock) and run.completed == unbounded.completed

    held = {edge: max(often.needed(edge), often.peak(unbounded, edge)) for edge in placed.edges}
    while not as_fast(held):  # a pixel that comes and goes in one cycle is in no peak
        held = {edge: 2 * depth for edge, depth in held.items()}
    full_speed = _shallowest(held, often, as_fast)
    edges = (
        EdgeDepths(e, once.depth_of(e), once.needed(e), moving[e], full_speed[e], once.safe(e))
        for e in placed.edges
    )
    return LeastDepths(tuple(edges), images, once.runs + often.runs)


def _shallowest(
    depths: Mapping[str, int], trials: DepthTrials, good: Callable[[Mapping[str, int | None]], bool]
) -> dict[str, int]:
    """Return depths of which none could be less; `depths` are good."""
    found = dict(depths)
    for edge, depth in depths.items():
        found[edge] = least_depth(
            lambda less, edge=edge: good({**found, edge: less}),  # type: ignore[misc]
            min(depth, trials.needed(edge)),
            depth,
        )
    return found


def depths_json(depths: LeastDepths | None) -> dict[str, Any] | None:
    """Return least depths in JSON's types."""
    if depths is None:
        return None
    return {**asdict(depths), "edges": [asdict(edge) for edge in depths.edges]}


def depths_table(depths: LeastDepths) -> Table:
    """Return the table that people read."""
    from rich import box
    from rich.table import Table

    images = f"{depths.images} image{'s' if depths.images > 1 else ''}"
    table = Table(
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        header_style="dim",
        title=f"least slots, by {depths.runs:,} runs; full speed as unbounded for {images}",
        title_justify="left",
    )
    table.add_column("buffer", overflow="fold", style="cyan")
    for name in ("slots", "needed", "moving", "full speed", "safe"):
        table.add_column(name, justify="right", no_wrap=True)
    for e in depths.edges:
        slots = "unbounded" if e.slots is None else f"{e.slots:,}"
        figures = (e.needed, e.moving, e.full_speed, e.safe)
        table.add_row(e.edge, slots, *(f"{figure:,}" for figure in figures))
    return table
