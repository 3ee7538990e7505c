"""Run directories to formats that other programs open; each exporter is registered under a name."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path

from imcsim.image_way import way_of_image
from imcsim.results import Run, read_run
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

#: Takes a run and the directory to write to, and returns the files it wrote; `image`, if it follows one.
Exporter = Callable[..., list[Path]]

_POWER_BINS = 1000

exporters: Registry[Exporter] = Registry("export format")


def export_run(folder: str | Path, to: str, image: int | None = None) -> list[Path]:
    """Write a run's recorded activity in another format into its directory; return the files.

    folder : a run directory
    to : a registered format
    image : the one to follow, in formats that do
    raises : UnknownNameError, FileError, SimError for a run without a recording or without the image
    """
    exporter = exporters[to]
    if image is None:
        return exporter(read_run(folder), Path(folder))
    if "image" not in signature(exporter).parameters:
        raise SimError(f"{to} follows no single image; leave --image out, or export --to perfetto")
    return exporter(read_run(folder), Path(folder), image=image)


@exporters.register("png")
def export_png(run: Run, folder: Path) -> list[Path]:
    """Write all figures that the run has as pictures; see `imcsim.run_figures`."""
    return _figures(run, folder, ".png")


@exporters.register("svg")
def export_svg(run: Run, folder: Path) -> list[Path]:
    """Write all figures that the run has as drawings; see `imcsim.run_figures`."""
    return _figures(run, folder, ".svg")


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


def _title(run: Run) -> str:
    return f"{run.summary['workload']} on {run.summary['machine']}"


def _figures(run: Run, folder: Path, ending: str) -> list[Path]:
    paths = []
    for name, figure in run.figures():
        paths.append(folder / f"{name}{ending}")
        save_figure(figure, paths[-1])
    return paths
