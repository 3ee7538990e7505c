"""Machines side by side: the same workloads and figures for each, and multiples of the first one's.

Times are those of a steady stream of images and of the first one alone; energy is that of an image in the
stream. docs/comparison.md defines figures and modes.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from math import exp, fsum, log
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arch.machine import Machine
from imcsim.comparison_modes import Mode, copies_that_fit, mode_called
from imcsim.comparison_requests import compared_requests, machines_of_mode, untrainable
from imcsim.metrics import energy_of_stream
from imcsim.plugins import load_plugins
from imcsim.resolve import Setting
from imcsim.result_folder import ResultFolder
from imcsim.run_request import RunRequest
from imcsim.simulate import simulate_request
from simcore import ConfigError, MappingError, Progress
from traces import ComparedPanel, plot_comparison, save_figure
from workloads import Network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = "imcsim.comparison/1"


@dataclass(frozen=True)
class Figures:
    """What one machine does with one workload, all of its copies together.

    chips : of all copies
    copies : of what the network takes, that take images in turn
    cycles : of the reference clock, of a run of all images on one copy
    interval_cycles : from image to image, on one copy
    time_s : from image to image
    latency_s : of the first image
    energy_j : of an image in a steady stream
    power_w : of that stream
    peak_tops : of all arrays, if they were full and never at rest
    utilisation : tops over peak_tops
    """

    chips: int
    copies: int
    clock_hz: float
    cycles: float
    interval_cycles: float
    time_s: float
    latency_s: float
    throughput_per_s: float
    energy_j: float
    power_w: float
    area_mm2: float
    tops: float
    tops_per_w: float | None
    tops_per_mm2: float | None
    peak_tops: float | None
    utilisation: float | None

    def times(self, copies: int) -> Figures:
        """Return the figures of so many copies."""
        return replace(
            self,
            chips=self.chips * copies,
            copies=self.copies * copies,
            time_s=self.time_s / copies,
            throughput_per_s=self.throughput_per_s * copies,
            power_w=self.power_w * copies,
            area_mm2=self.area_mm2 * copies,
            tops=self.tops * copies,
            peak_tops=None if self.peak_tops is None else self.peak_tops * copies,
        )


#: Those whose quotients say something; a cycle is another one on each machine.
COMPARED = (
    "time_s",
    "latency_s",
    "throughput_per_s",
    "energy_j",
    "power_w",
    "area_mm2",
    "tops",
    "tops_per_w",
    "tops_per_mm2",
    "utilisation",
)


def figures_of(summary: Mapping[str, Any]) -> Figures:
    """Return the figures of one copy from the summary of its run."""
    throughput = summary["throughput_per_s"]
    if throughput is None:
        raise ConfigError(
            f"{summary['workload']} takes no time at all on {summary['machine']}, so there is nothing to "
            "compare; give its parts cycles"
        )
    energy = energy_of_stream(summary)
    interval = summary["initiation_interval_cycles"]
    return Figures(
        chips=summary["chips"],
        copies=1,
        clock_hz=summary["clock_hz"],
        cycles=summary["cycles"],
        interval_cycles=summary["cycles"] if interval is None else interval,
        time_s=1 / throughput,
        latency_s=summary["latency_s"]["first"],
        throughput_per_s=throughput,
        energy_j=energy,
        power_w=energy * throughput,
        area_mm2=summary["area_mm2"]["total"],
        tops=summary["tops"],
        tops_per_w=2 * summary["macs"] / energy / 1e12 if energy else None,
        tops_per_mm2=summary["tops_per_mm2"],
        peak_tops=summary["peak_tops"],
        utilisation=summary["utilisation"],
    )


@dataclass(frozen=True)
class Row:
    """One workload on one machine.

    figures : None where the machine cannot take it
    reason : why not
    fingerprint : of the run, as its summary has it
    """

    workload: str
    machine: str
    figures: Figures | None = None
    reason: str | None = None
    fingerprint: str | None = None


@dataclass(frozen=True)
class Comparison:
    """Workloads on machines.

    training : whether machines train, all of them; figures are then of an image forward and back
    rows : each machine's for the first workload, then for the next
    """

    mode: str
    images: int
    values: str
    workloads: tuple[str, ...]
    machines: tuple[str, ...]
    rows: tuple[Row, ...]
    training: bool = False

    def row(self, workload: str, machine: str) -> Row:
        """Return the row of a pair."""
        return self.rows[self.workloads.index(workload) * len(self.machines) + self.machines.index(machine)]

    def ratios(self, row: Row) -> dict[str, float | None]:
        """Return a row's figures over those of the first machine; None where either has none."""
        first = self.row(row.workload, self.machines[0]).figures
        if row.figures is None or first is None:
            return dict.fromkeys(COMPARED)
        pairs = {name: (getattr(row.figures, name), getattr(first, name)) for name in COMPARED}
        return {name: value / base if base and value else None for name, (value, base) in pairs.items()}

    def geometric_mean(self, machine: str) -> dict[str, float | None]:
        """Return the geometric means of a machine's ratios, over the workloads that it and the first take."""
        ratios = [self.ratios(self.row(workload, machine)) for workload in self.compared(machine)]
        known = {name: [r[name] for r in ratios] for name in COMPARED}
        return {
            name: exp(fsum(log(v) for v in values if v is not None) / len(values))
            if values and None not in values
            else None
            for name, values in known.items()
        }

    def compared(self, machine: str) -> list[str]:
        """Return the workloads that a machine and the first one take."""
        pair = (machine, self.machines[0])
        return [w for w in self.workloads if all(self.row(w, m).figures is not None for m in pair)]

    @property
    def summary(self) -> dict[str, Any]:
        """All of it in JSON's types; every key is always there."""
        return {
            "schema": SCHEMA,
            "version": version("imcsim"),
            "mode": self.mode,
            "images": self.images,
            "values": self.values,
            "training": self.training,
            "workloads": list(self.workloads),
            "machines": list(self.machines),
            "rows": [
                {
                    "workload": row.workload,
                    "machine": row.machine,
                    "fits": row.figures is not None,
                    "reason": row.reason,
                    "fingerprint": row.fingerprint,
                    **_figures_json(row.figures),
                    "ratios": self.ratios(row),
                }
                for row in self.rows
            ],
            "geometric_means": [
                {"machine": m, "workloads": self.compared(m), "ratios": self.geometric_mean(m)}
                for m in self.machines
            ],
        }

    @property
    def csv(self) -> str:
        """Rows as a table, with ratios in columns of their own, `x_` before their names."""
        text = io.StringIO()
        rows = [
            {k: v for k, v in row.items() if k != "ratios"}
            | {f"x_{name}": ratio for name, ratio in row["ratios"].items()}
            for row in self.summary["rows"]
        ]
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def plot(self) -> Figure:
        """Draw time, energy and TOPS/mm2; SimError if matplotlib is missing."""
        panels = [
            ComparedPanel(
                title,
                unit,
                tuple(
                    tuple(None if f is None else getattr(f, name) for f in self._figures(machine))
                    for machine in self.machines
                ),
            )
            for name, title, unit in (
                ("time_s", "time an image", "s"),
                ("energy_j", "energy an image", "J"),
                ("tops_per_mm2", "throughput for area", "TOPS/mm2"),
            )
        ]
        below = f"{'training, ' if self.training else ''}{self.mode}: {mode_called(self.mode).doc}"
        return plot_comparison(panels, self.workloads, self.machines, below=below)

    def _figures(self, machine: str) -> list[Figures | None]:
        return [self.row(workload, machine).figures for workload in self.workloads]

    def save(self, folder: str | Path) -> list[Path]:
        """Write `comparison.json`, `.csv` and `.png` to a directory, whole or not at all, and return them.

        raises : FileError if the directory cannot be used, or holds anything else
        """
        with ComparisonFolder(folder) as target:
            return target.write(self)


class ComparisonFolder(ResultFolder):
    """A directory claimed for a comparison."""

    files = ("comparison.json", "comparison.csv", "comparison.png")

    def holds_result(self) -> bool:
        """Tell whether an earlier comparison lies here."""
        try:
            found = json.loads((self.folder / self.files[0]).read_text(encoding="utf-8"))
            return bool(found["schema"] == SCHEMA)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def write(self, comparison: Comparison) -> list[Path]:
        """Write all files, put them in place of those of an earlier comparison, and return them."""
        table, rows, picture = self.files
        self.write_text(rows, comparison.csv)
        save_figure(comparison.plot(), self.place(picture))
        self.write_text(table, json.dumps(comparison.summary, indent=2) + "\n")
        self.put()
        return [self.folder / name for name in self.files]


def compare(
    workloads: Sequence[str | Path | Network],
    arch: Sequence[str | Path | Machine],
    *,
    mode: str = "per-network",
    images: int = 2,
    values: str = "off",
    settings: Mapping[str, Sequence[Setting]] | None = None,
    out: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    observe: Callable[[str, Progress], None] | None = None,
) -> Comparison:
    """Simulate every workload on every machine, one after the other.

    workloads, arch : as `imcsim.run` takes one of each; ratios are to the first machine
    mode : what hardware machines get, see `MODES`
    images : of each run; with 2 or more an interval is known
    settings : of machines, by the names that reports call them
    out : directory to write JSON, CSV and a picture to
    plugins : Python files to import first
    observe : called now and then with the run, as "vgg16 on isaac", and its progress
    raises : SimError; a machine that cannot take a workload is no error but a row that says why
    """
    chosen = mode_called(mode)
    load_plugins(plugins)
    changes = {"images": images, "values": values, "plugins": plugins or None}
    requests = compared_requests(workloads, machines_of_mode(arch, settings or {}, mode), changes)
    with ExitStack() as stack:
        folder = stack.enter_context(ComparisonFolder(out)) if out is not None else None
        rows = [row for each in requests for row in _rows(each, chosen, observe)]
        comparison = Comparison(
            mode,
            images,
            values,
            workloads=tuple(each[0].name for each in requests),
            machines=tuple(request.config.machine_name for request in requests[0]),
            rows=tuple(rows),
            training=requests[0][0].machine.training is not None,
        )
        if folder is not None:
            folder.write(comparison)
    return comparison


def _rows(
    requests: Sequence[RunRequest], mode: Mode, observe: Callable[[str, Progress], None] | None
) -> Iterator[Row]:
    """Yield what each machine does with one workload."""
    rows = [_row(request, observe) for request in requests]
    taken = {row.machine: row.figures for row in rows if row.figures is not None}
    copies = dict.fromkeys(taken, 1)
    if mode.equal is not None:
        copies = copies_that_fit({machine: getattr(f, mode.equal) for machine, f in taken.items()})
    for row in rows:
        if row.figures is None:
            yield row
        else:
            yield replace(row, figures=row.figures.times(copies[row.machine]))


def _row(request: RunRequest, observe: Callable[[str, Progress], None] | None) -> Row:
    """Run one workload on one machine, or tell why that cannot be."""
    machine = request.config.machine_name
    what = f"{request.name} on {machine}"
    if (reason := untrainable(request)) is not None:
        return Row(request.name, machine, reason=reason)
    try:
        run = simulate_request(request, None if observe is None else lambda progress: observe(what, progress))
    except MappingError as error:
        return Row(request.name, machine, reason=str(error))
    run.insist_on_golden()
    return Row(request.name, machine, figures_of(run.summary), fingerprint=run.summary["fingerprint"])


def _figures_json(figures: Figures | None) -> dict[str, Any]:
    return dict.fromkeys(f.name for f in fields(Figures)) if figures is None else asdict(figures)
