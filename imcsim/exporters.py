"""Run directories to formats that other programs open; each exporter is registered under a name."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

from imcsim.image_way import way_of_image
from imcsim.results import Run, read_run
from imcsim.run_figures import NEED_RECORDING
from simcore import Registry, SimError
from traces import (
    bin_edges,
    by_group,
    power_over_time,
    save_figure,
    write_chrome_trace,
    write_parquet,
    write_perfetto,
    write_vcd,
)

#: Takes a run and the directory to write to, and returns the files it wrote; `image`, if it follows one, and
#: `announce`, if there may be something to say about what it does not write.
Exporter = Callable[..., list[Path]]
#: Takes what there is to say to whoever waits.
Announce = Callable[[str], object]

_POWER_BINS = 1000

exporters: Registry[Exporter] = Registry("export format")


def export_run(
    folder: str | Path,
    to: str,
    image: int | None = None,
    announce: Announce | None = None,
) -> list[Path]:
    """Write a run in another format into its directory; return the files.

    folder : a run directory
    to : a registered format
    image : the one to follow, in formats that do
    announce : called with what is left out and why, in words, if anything is
    raises : UnknownNameError, FileError, SimError for a run without the recording that the format needs,
        without the image, or that was interrupted
    """
    exporter = exporters[to]
    takes = signature(exporter).parameters
    options: dict[str, Any] = {}
    if image is not None:
        if "image" not in takes:
            raise SimError(f"{to} follows no single image; leave --image out, or export --to perfetto")
        options["image"] = image
    if announce is not None and "announce" in takes:
        options["announce"] = announce
    return exporter(read_run(folder), Path(folder), **options)


@exporters.register("png")
def export_png(run: Run, folder: Path, announce: Announce | None = None) -> list[Path]:
    """Write all figures that the run has as pictures; see `imcsim.run_figures`."""
    return _figures(run, folder, ".png", announce)


@exporters.register("svg")
def export_svg(run: Run, folder: Path, announce: Announce | None = None) -> list[Path]:
    """Write all figures that the run has as drawings; see `imcsim.run_figures`."""
    return _figures(run, folder, ".svg", announce)


@exporters.register("chrome")
def export_chrome(run: Run, folder: Path) -> list[Path]:
    """Write a trace for Perfetto, chrome://tracing and Speedscope."""
    path = folder / "trace.json"
    write_chrome_trace(run.recorded, path)
    return [path]


@exporters.register("parquet")
def export_parquet(run: Run, folder: Path) -> list[Path]:
    """Write every interval as a row of a table, for pandas, Polars, DuckDB and the like."""
    path = folder / "trace.parquet"
    write_parquet(run.recorded, path)
    return [path]


@exporters.register("perfetto")
def export_perfetto(run: Run, folder: Path, image: int | None = None) -> list[Path]:
    """Write a native trace for ui.perfetto.dev, with what memories hold and what groups of units draw.

    image : whose way is shown in arrows, the last one if left out
    """
    activity, path = run.recorded, folder / "trace.pftrace"
    edges = bin_edges(0, activity.makespan, _POWER_BINS)
    write_perfetto(
        activity,
        path,
        title=_title(run),
        layers={unit.path: unit.layer for unit in run.units if unit.layer is not None},
        power=power_over_time(activity, run.parts, edges, by_group(activity)),
        arrows=way_of_image(run, image),
    )
    return [path]


@exporters.register("vcd")
def export_vcd(run: Run, folder: Path) -> list[Path]:
    """Write states and what memories hold as waveforms, for GTKWave and Surfer."""
    path = folder / "waves.vcd"
    write_vcd(run.recorded, path, title=_title(run))
    return [path]


@exporters.register("html")
def export_html(run: Run, folder: Path) -> list[Path]:
    """Write a report that any browser opens, in one file."""
    path = folder / "report.html"
    run.save_report(path)
    return [path]


def _title(run: Run) -> str:
    return f"{run.summary['workload']} on {run.summary['machine']}"


def _figures(run: Run, folder: Path, ending: str, announce: Announce | None) -> list[Path]:
    paths = []
    for name, figure in run.figures():
        paths.append(folder / f"{name}{ending}")
        save_figure(figure, paths[-1])
    if run.activity is None and announce is not None:
        *most, last = NEED_RECORDING
        announce(f"not drawn: {', '.join(most)} and {last} need a recording; run it anew {run.way_to_record}")
    return paths
