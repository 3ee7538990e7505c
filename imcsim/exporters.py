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
    """Write a run in another format into its directory; return the files.

    folder : a run directory
    to : a registered format
    raises : UnknownNameError, FileError, SimError for a run without a recording
    """
    exporter = exporters[to]
    return exporter(read_run(folder), Path(folder))


@exporters.register("png")
def export_png(run: Run, folder: Path) -> list[Path]:
    """Write timeline (of a long run the first images, too) and utilisation as pictures."""
    return _figures(run, folder, ".png")


@exporters.register("svg")
def export_svg(run: Run, folder: Path) -> list[Path]:
    """Write timeline (of a long run the first images, too) and utilisation as drawings."""
    return _figures(run, folder, ".svg")


@exporters.register("chrome")
def export_chrome(run: Run, folder: Path) -> list[Path]:
    """Write a trace for Perfetto, chrome://tracing and Speedscope."""
    path = folder / "trace.json"
    write_chrome_trace(run.recorded, path)
    return [path]


@exporters.register("html")
def export_html(run: Run, folder: Path) -> list[Path]:
    """Write a report that any browser opens, in one file."""
    path = folder / "report.html"
    run.save_report(path)
    return [path]


def _first_images(run: Run) -> int:
    """Return the cycle at which three images or so have come out, where a long run is worth a closer look."""
    summary = run.summary
    streams = summary["networks"] or [summary]  # of several networks the slowest is in view
    intervals = [stream["initiation_interval_cycles"] or stream["cycles"] for stream in streams]
    first = max(stream["latency_s"]["first"] for stream in streams)
    return int(first * summary["clock_hz"] + 2.5 * max(intervals))


def _figures(run: Run, folder: Path, ending: str) -> list[Path]:
    figures = {"timeline": run.plot_timeline(), "utilisation": run.plot_utilisation()}
    start = _first_images(run)
    if start < run.summary["cycles"] // 2:
        figures["timeline-start"] = run.plot_timeline(stop=start)
    paths = []
    for name, figure in figures.items():
        paths.append(folder / f"{name}{ending}")
        save_figure(figure, paths[-1])
    return paths
