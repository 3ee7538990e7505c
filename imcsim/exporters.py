"""Run directories to formats that other programs open; each exporter is registered under a name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from imcsim.results import Run, read_run
from simcore import Registry
from traces import save_figure, write_chrome_trace

#: Takes a run and the directory to write to, and returns the files it wrote.
Exporter = Callable[[Run, Path], list[Path]]

exporters: Registry[Exporter] = Registry("export format")


def export_run(folder: str | Path, to: str) -> list[Path]:
    """Write a run's recorded activity in another format into its directory; return the files.

    folder : a run directory
    to : a registered format
    raises : UnknownNameError, FileError, SimError for a run without a recording
    """
    exporter = exporters[to]
    return exporter(read_run(folder), Path(folder))


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


def _figures(run: Run, folder: Path, ending: str) -> list[Path]:
    paths = []
    for name, figure in run.figures():
        paths.append(folder / f"{name}{ending}")
        save_figure(figure, paths[-1])
    return paths
