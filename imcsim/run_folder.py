"""Run directories: results as files, put in place together or not at all, and read back.

`summary.json`, `config.yaml` (repeats the run), `units.csv` (a row a unit, cycles by state), and of runs that
have them `activity.npz` (every interval), `outputs.npz` (`outputs` in float32, `quantised` codes, `tokens`
that were decoded; where networks shared the machine, `NAME.outputs` and `NAME.quantised` of each) and
`weights.npz` (what was trained, an array `layer.parameter` each); `requests.csv` (a row a request: when it
arrived, was let in and was done, in cycles) of those with arrivals. `parts.csv`, `channels.csv`, `images.csv`
tell what each component costs, what each channel carried, and when each image was on the machine.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from imcsim.load_figures import RequestRow, read_requests, requests_text
from imcsim.result_folder import ResultFolder
from imcsim.run_config import config_text, read_run_file
from imcsim.run_record import SUMMARY_SCHEMA, NetworkOutputs, RunRecord, UnitTimes, empty_summary
from imcsim.run_tables import TABLES, read_table, table_text
from simcore.activity import CATEGORIES, category
from simcore.errors import FileError
from traces import load_activity, save_activity
from workloads.npz import read_npz, write_npz
from workloads.zoo.catalogue import read_parameters, write_parameters

SUMMARY, CONFIG, UNITS, ACTIVITY, OUTPUTS, WEIGHTS, REQUESTS = (
    "summary.json",
    "config.yaml",
    "units.csv",
    "activity.npz",
    "outputs.npz",
    "weights.npz",
    "requests.csv",
)
#: Figures that a run may have, in the order in which they tell of it.
FIGURES = (
    "timeline",
    "timeline-start",
    "utilisation",
    "stalls",
    "energy",
    "power",
    "buffers",
    "latency",
    "roofline",
)
#: What exporters add; it belongs to the run and goes with it.
EXPORTED = (
    *(f"{name}.{ending}" for name in FIGURES for ending in ("png", "svg")),
    "trace.json",
    "trace.parquet",
    "trace.pftrace",
    "waves.vcd",
)
_COLUMNS = ("path", "kind", "family", "layer")


class RunFolder(ResultFolder):
    """A directory claimed for a run's files before it starts."""

    files = (SUMMARY, CONFIG, UNITS, ACTIVITY, OUTPUTS, WEIGHTS, REQUESTS, *TABLES, *EXPORTED)

    def holds_result(self) -> bool:
        """Tell whether an earlier run lies here."""
        return is_run_folder(self.folder)

    @property
    def holds_complete_run(self) -> bool:
        """Whether an earlier run lies here that was not interrupted."""
        return self.holds_result() and not _summary(self.folder)["interrupted"]

    def write(self, run: RunRecord) -> None:
        """Write all files of a run and put them in place of those of an earlier one."""
        self.write_text(CONFIG, config_text(run.config))
        if run.units:
            self.write_text(UNITS, _units_text(run.units))
        if run.requests:
            self.write_text(REQUESTS, requests_text(run.requests))
        for (name, kind), rows in zip(TABLES.items(), (run.parts, run.channels, run.images), strict=True):
            if rows:
                self.write_text(name, table_text(kind, rows))
        if run.activity is not None:
            save_activity(self.place(ACTIVITY), run.activity)
        if arrays := _outputs(run):
            write_npz(self.place(OUTPUTS), arrays)
        if run.parameters is not None:
            write_parameters(self.place(WEIGHTS), run.parameters)
        self.write_text(SUMMARY, json.dumps(run.summary, indent=2) + "\n")
        self.put()


def is_run_folder(folder: Path) -> bool:
    """Tell whether a directory holds a result of ours."""
    try:
        return bool(_summary(folder)["schema"] == SUMMARY_SCHEMA)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def read_folder(folder: Path) -> RunRecord:
    """Return the run in a directory; FileError if it is no run's, or damaged."""
    if not folder.is_dir():
        raise FileError(f"cannot read {folder}: it is no directory; name one that `imcsim run --out` wrote")
    if not is_run_folder(folder):
        raise FileError(
            f"{folder} is no run's directory: it lacks a {SUMMARY} of ours; "
            "name one that `imcsim run --out` wrote"
        )
    summary: dict[str, Any] = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    config = read_run_file(folder / CONFIG, {}).config
    if missing := [key for key in empty_summary(config) if key not in summary]:
        raise FileError(f"{folder / SUMMARY} is damaged (it lacks {missing[0]!r}); run anew")
    arrays = _if_there(folder / OUTPUTS, read_npz) or {}
    tables = (_if_there(folder / name, partial(read_table, kind=kind)) or () for name, kind in TABLES.items())
    parts, channels, images = tables
    return RunRecord(
        summary=summary,
        config=config,
        units=_if_there(folder / UNITS, lambda path: _read_units(path, summary)) or (),
        activity=_if_there(folder / ACTIVITY, load_activity),
        outputs=arrays.get("outputs"),
        quantised=arrays.get("quantised"),
        parameters=_if_there(folder / WEIGHTS, read_parameters),
        tokens=arrays.get("tokens"),
        networks={name: _outputs_of(name, arrays, folder / OUTPUTS) for name in config.networks if arrays},
        requests=_if_there(folder / REQUESTS, lambda path: _read_requests(path, summary)) or (),
        parts=parts,
        channels=channels,
        images=images,
    )


def _outputs_of(name: str, arrays: Mapping[str, NDArray[Any]], path: Path) -> NetworkOutputs:
    """Return what one of several networks computed."""
    keys = f"{name}.outputs", f"{name}.quantised"
    if missing := [key for key in keys if key not in arrays]:
        raise FileError(f"{path} is damaged (it lacks {missing[0]!r}); run anew")
    outputs, quantised = (arrays[key] for key in keys)
    return NetworkOutputs(outputs, quantised)


def _read_requests(path: Path, summary: Mapping[str, Any]) -> tuple[RequestRow, ...]:
    """Return the rows of `requests.csv`, checked against the summary."""
    try:
        requests = int(summary["load"]["requests"])
    except (TypeError, KeyError, ValueError):
        raise FileError(
            f"{path.parent / SUMMARY} is damaged (its load tells no requests, but {REQUESTS} is there); "
            "run anew"
        ) from None
    return read_requests(path, requests)


def _outputs(run: RunRecord) -> dict[str, NDArray[Any]]:
    """Return what `outputs.npz` holds; of several networks each has its own, behind its name."""
    arrays: dict[str, NDArray[Any]] = {}
    if run.outputs is not None and run.quantised is not None:
        arrays |= {"outputs": run.outputs, "quantised": run.quantised}
    if run.tokens is not None:
        arrays["tokens"] = run.tokens
    for name, own in run.networks.items():
        arrays |= {f"{name}.outputs": own.outputs, f"{name}.quantised": own.quantised}
    return arrays


def _summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / SUMMARY).read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def _if_there(path: Path, read: Callable[[Path], Any]) -> Any:
    return read(path) if path.exists() else None


def _units_text(units: tuple[UnitTimes, ...]) -> str:
    """Return `units.csv`: states in the order of their categories."""
    states = sorted({s for u in units for s in u.cycles}, key=lambda s: (CATEGORIES.index(category(s)), s))
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow([*_COLUMNS, *states])
    for u in units:
        rows.writerow([u.path, u.kind, u.family, u.layer or "", *(u.cycles.get(s, 0) for s in states)])
    return text.getvalue()


def _read_units(path: Path, summary: dict[str, Any]) -> tuple[UnitTimes, ...]:
    """Return the rows of `units.csv`, checked against the summary's totals."""
    try:
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
        units = tuple(
            UnitTimes(
                row["path"],
                row["kind"],
                row["family"],
                row["layer"] or None,
                {s: _number(t) for s, t in row.items() if s not in _COLUMNS and t != "0"},
            )
            for row in rows
        )
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise FileError(f"{path} is damaged ({error}); run anew") from None
    if len(units) != summary["units"]:
        raise FileError(f"{path} holds {len(units)} units, but the run had {summary['units']}; run anew")
    return units


def _number(text: str) -> float:
    return float(text) if "." in text or "e" in text else int(text)
