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
from imcsim.comparison_figures import COMPARED, Figures, figures_of
from imcsim.comparison_modes import Mode, copies_that_fit, mode_called
from imcsim.comparison_over import Over, WrittenOver, over_of, value_text
from imcsim.comparison_requests import compared_requests, machines_of_mode, machines_over, untrainable
from imcsim.plugins import load_plugins
from imcsim.resolve import Setting
from imcsim.result_folder import ResultFolder
from imcsim.run_request import RunRequest
from imcsim.simulate import simulate_request
from simcore import MappingError, Progress
from traces import ComparedPanel, plot_comparison, plot_comparison_over, save_figure
from workloads import Network

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SCHEMA = "imcsim.comparison/1"


#: Figures in a picture, with titles and units.
_DRAWN = (
    ("time_s", "time an image", "s"),
    ("energy_j", "energy an image", "J"),
    ("edp_js", "energy-delay product", "J s"),
    ("tops_per_mm2", "throughput for area", "TOPS/mm2"),
)


@dataclass(frozen=True)
class Row:
    """One workload on one machine.

    figures : None where the machine cannot take it
    reason : why not
    images : of the run, whole batches
    fingerprint : of the run, as its summary has it
    over_value : of the parameter that is compared over, None without one
    """

    workload: str
    machine: str
    figures: Figures | None = None
    reason: str | None = None
    images: int | None = None
    fingerprint: str | None = None
    over_value: object = None


@dataclass(frozen=True)
class Comparison:
    """Workloads on machines.

    images : asked for; machines that compute several together do whole batches, two or more
    training : whether machines train, all of them; figures are then of an image forward and back
    rows : each machine's for the first workload, then for the next; of one workload, for the first value of
        the parameter that is compared over, then for the next
    over : that parameter, None without one
    same : machines that do not have it
    """

    mode: str
    images: int
    values: str
    workloads: tuple[str, ...]
    machines: tuple[str, ...]
    rows: tuple[Row, ...]
    training: bool = False
    over: Over | None = None
    same: tuple[str, ...] = ()

    @property
    def over_values(self) -> tuple[object, ...]:
        """Values of the parameter that is compared over; a None without one."""
        return (None,) if self.over is None else self.over.values

    def row(self, workload: str, machine: str, over_value: object = None) -> Row:
        """Return the row of a pair, at a value of the parameter that is compared over."""
        place = self.workloads.index(workload)
        for names, name in ((self.over_values, over_value), (self.machines, machine)):
            place = place * len(names) + names.index(name)
        return self.rows[place]

    def ratios(self, row: Row) -> dict[str, float | None]:
        """Return a row's figures over those of the first machine; None where either has none."""
        first = self.row(row.workload, self.machines[0], row.over_value).figures
        if row.figures is None or first is None:
            return dict.fromkeys(COMPARED)
        pairs = {name: (getattr(row.figures, name), getattr(first, name)) for name in COMPARED}
        return {name: value / base if base and value else None for name, (value, base) in pairs.items()}

    def geometric_mean(self, machine: str, over_value: object = None) -> dict[str, float | None]:
        """Return the geometric means of a machine's ratios, over the workloads that it and the first take."""
        workloads = self.compared(machine, over_value)
        ratios = [self.ratios(self.row(workload, machine, over_value)) for workload in workloads]
        known = {name: [r[name] for r in ratios] for name in COMPARED}
        return {
            name: exp(fsum(log(v) for v in values if v is not None) / len(values))
            if values and None not in values
            else None
            for name, values in known.items()
        }

    def compared(self, machine: str, over_value: object = None) -> list[str]:
        """Return the workloads that a machine and the first one take."""
        pair = (machine, self.machines[0])
        return [
            w for w in self.workloads if all(self.row(w, m, over_value).figures is not None for m in pair)
        ]

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
            "over": None if self.over is None else {"path": str(self.over), "values": list(self.over.values)},
            "rows": [
                {
                    "workload": row.workload,
                    "machine": row.machine,
                    "over_value": row.over_value,
                    "fits": row.figures is not None,
                    "reason": row.reason,
                    "images": row.images,
                    "fingerprint": row.fingerprint,
                    **_figures_json(row.figures),
                    "ratios": self.ratios(row),
                }
                for row in self.rows
            ],
            "geometric_means": [
                {
                    "machine": machine,
                    "over_value": value,
                    "workloads": self.compared(machine, value),
                    "ratios": self.geometric_mean(machine, value),
                }
                for value in self.over_values
                for machine in self.machines
            ],
        }

    @property
    def csv(self) -> str:
        """Rows as a table, with ratios in columns of their own, `x_` before their names."""
        text = io.StringIO()
        rows = [
            {k: v for k, v in row.items() if k != "ratios"}
            | {"over_value": None if self.over is None else value_text(row["over_value"])}
            | {f"x_{name}": ratio for name, ratio in row["ratios"].items()}
            for row in self.summary["rows"]
        ]
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()

    def plot(self) -> Figure:
        """Draw time, energy, their product and TOPS/mm2; SimError if matplotlib is missing."""
        below = f"{'training, ' if self.training else ''}{self.mode}: {mode_called(self.mode).doc}"
        if self.over is None:
            panels = [self._panel(*each, None) for each in _DRAWN]
            return plot_comparison(panels, self.workloads, self.machines, below=below)
        if self.same and self.over.machine is None:
            below += f"; {self.over.path} is no parameter of {', '.join(self.same)}"
        lines = [[self._panel(*each, value) for value in self.over_values] for each in _DRAWN]
        return plot_comparison_over(
            lines, self.workloads, self.machines, str(self.over), self.over.values, below=below
        )

    def _panel(self, name: str, title: str, unit: str, over_value: object) -> ComparedPanel:
        found = [[self.row(w, m, over_value).figures for w in self.workloads] for m in self.machines]
        return ComparedPanel(
            title, unit, tuple(tuple(None if f is None else getattr(f, name) for f in row) for row in found)
        )

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
    over: WrittenOver | None = None,
    out: str | Path | None = None,
    plugins: Sequence[str | Path] = (),
    observe: Callable[[str, Progress], None] | None = None,
) -> Comparison:
    """Simulate every workload on every machine, one after the other.

    workloads, arch : as `imcsim.run` takes one of each; ratios are to the first machine
    mode : what hardware machines get, see `MODES`
    images : of each run; with 2 or more an interval is known. Machines that compute batches of images do
        whole ones that hold as many, two at least
    settings : of machines, by the names that reports call them
    over : "crossbars=8,64", or path and values: all is done for each value of a parameter, set on every
        machine that has it; or on one, as by "isaac:tiles=84,168"
    out : directory to write JSON, CSV and a picture to
    plugins : Python files to import first
    observe : called now and then with the run, as "vgg16 on isaac", and its progress
    raises : SimError; a machine that cannot take a workload is no error but a row that says why
    """
    chosen = mode_called(mode)
    load_plugins(plugins)
    changes = {"images": images, "values": values, "plugins": plugins or None}
    if over is None:
        parameter, sized = None, [machines_of_mode(arch, settings or {}, mode)]
    else:
        parameter = over_of(over)
        sized = machines_over(arch, settings or {}, mode, parameter)
    same = () if parameter is None else tuple(m.name for m in sized[0] if parameter.missing_in(m) is not None)
    requests = [compared_requests(workloads, machines, changes) for machines in sized]
    first = requests[0]
    with ExitStack() as stack:
        folder = stack.enter_context(ComparisonFolder(out)) if out is not None else None
        rows = [
            row
            for each in zip(*requests, strict=True)
            for row in _rows(each, parameter, same, chosen, observe)
        ]
        comparison = Comparison(
            mode,
            images,
            values,
            workloads=tuple(each[0].name for each in first),
            machines=tuple(request.config.machine_name for request in first[0]),
            rows=tuple(rows),
            training=first[0][0].machine.training is not None,
            over=parameter,
            same=same,
        )
        if folder is not None:
            folder.write(comparison)
    return comparison


def _rows(
    requests: Sequence[Sequence[RunRequest]],
    over: Over | None,
    same: Sequence[str],
    mode: Mode,
    observe: Callable[[str, Progress], None] | None,
) -> Iterator[Row]:
    """Yield what each machine does with one workload, at each value of what is compared over.

    same : machines that need one run for all values
    """
    known: dict[str, Row] = {}
    for value, machines in zip((None,) if over is None else over.values, requests, strict=True):
        at = "" if over is None else f", {over}={value_text(value)}"
        rows = [known.get(r.config.machine_name) or _row(r, at, observe) for r in machines]
        known.update((row.machine, row) for row in rows if row.machine in same)
        for row in _with_copies(rows, mode):
            yield replace(row, over_value=value)


def _with_copies(rows: Sequence[Row], mode: Mode) -> Iterator[Row]:
    """Yield rows of single copies with as many as each machine has."""
    taken = {row.machine: row.figures for row in rows if row.figures is not None}
    copies = dict.fromkeys(taken, 1)
    if mode.equal is not None:
        copies = copies_that_fit({machine: getattr(f, mode.equal) for machine, f in taken.items()})
    for row in rows:
        if row.figures is None:
            yield row
        else:
            yield replace(row, figures=row.figures.times(copies[row.machine]))


def _row(request: RunRequest, at: str, observe: Callable[[str, Progress], None] | None) -> Row:
    """Run one workload on one machine, or tell why that cannot be.

    at : value of what is compared over, in words
    """
    machine = request.config.machine_name
    what = f"{request.name} on {machine}{at}"
    if (reason := untrainable(request)) is not None:
        return Row(request.name, machine, reason=reason)
    try:
        run = simulate_request(request, None if observe is None else lambda progress: observe(what, progress))
    except MappingError as error:
        return Row(request.name, machine, reason=str(error))
    run.insist_on_golden()
    return Row(
        request.name,
        machine,
        figures_of(run.summary),
        images=run.summary["images"],
        fingerprint=run.summary["fingerprint"],
    )


def _figures_json(figures: Figures | None) -> dict[str, Any]:
    return dict.fromkeys(f.name for f in fields(Figures)) if figures is None else asdict(figures)
