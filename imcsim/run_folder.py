"""Run directories: results as files, put in place together or not at all, and read back.

`summary.json`, `config.yaml` (repeats the run), `units.csv` (a row a unit, cycles by state), and of runs that
have them `activity.npz` (every interval), `outputs.npz` (`outputs` in float32, `quantised` codes) and
`weights.npz` (what was trained, an array `layer.parameter` each).
"""

from __future__ import annotations

import csv
import io
import json
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from imcsim.run_config import config_text, read_run_file
from imcsim.run_record import SUMMARY_SCHEMA, RunRecord, UnitTimes, empty_summary
from simcore.activity import CATEGORIES, category
from simcore.errors import FileError
from simcore.files import write_atomically
from traces import load_activity, save_activity
from workloads.npz import read_npz, write_npz
from workloads.zoo.catalogue import read_parameters, write_parameters

SUMMARY, CONFIG, UNITS, ACTIVITY, OUTPUTS, WEIGHTS = (
    "summary.json",
    "config.yaml",
    "units.csv",
    "activity.npz",
    "outputs.npz",
    "weights.npz",
)
#: What exporters add; it belongs to the run and goes with it.
EXPORTED = (
    *(
        f"{name}.{ending}"
        for name in ("timeline", "timeline-start", "utilisation")
        for ending in ("png", "svg")
    ),
    "trace.json",
)
_OURS = (SUMMARY, CONFIG, UNITS, ACTIVITY, OUTPUTS, WEIGHTS, *EXPORTED)
_STAGE = ".imcsim-"
_COLUMNS = ("path", "kind", "family", "layer")


class RunFolder:
    """A directory claimed for a run's files before it starts; what is not written leaves no trace.

    raises : FileError on entry if the directory cannot be made or written to, or holds anything but a result
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._made: list[Path] = []
        self._stage = self.folder / f"{_STAGE}{secrets.token_hex(8)}.tmp"

    def __enter__(self) -> RunFolder:
        try:
            self._make(self.folder)
            self._check_content()
            self._stage.mkdir()
        except OSError as error:
            self._leave()
            reason = error.strerror or str(error)
            raise FileError(f"cannot write to {self.folder}: {reason}; choose another directory") from None
        except FileError:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    @property
    def holds_complete_run(self) -> bool:
        """Whether an earlier run lies here that was not interrupted."""
        return is_run_folder(self.folder) and not _summary(self.folder)["interrupted"]

    def write(self, run: RunRecord) -> None:
        """Write all files of a run and put them in place of those of an earlier one."""
        stage = self._stage
        _write_text(stage / CONFIG, config_text(run.config))
        if run.units:
            _write_text(stage / UNITS, _units_text(run.units))
        if run.activity is not None:
            save_activity(stage / ACTIVITY, run.activity)
        if run.outputs is not None and run.quantised is not None:
            write_npz(stage / OUTPUTS, {"outputs": run.outputs, "quantised": run.quantised})
        if run.parameters is not None:
            write_parameters(stage / WEIGHTS, run.parameters)
        _write_text(stage / SUMMARY, json.dumps(run.summary, indent=2) + "\n")
        try:
            # Without a summary no reader takes the directory for a result: it goes first and comes last.
            for name in _OURS:
                (self.folder / name).unlink(missing_ok=True)
            for name in reversed(_OURS):
                if (stage / name).exists():
                    os.replace(stage / name, self.folder / name)
        except OSError as error:
            raise FileError(
                f"cannot write to {self.folder}: {error.strerror}; choose another directory"
            ) from None
        self._made = []

    def _make(self, folder: Path) -> None:
        """Create the directory with its parents, and remember which are new."""
        if not folder.exists():
            self._make(folder.parent)
            folder.mkdir()
            self._made.append(folder)
        elif not folder.is_dir():
            raise FileError(f"cannot write to {self.folder}: {folder} is a file; choose another directory")

    def _check_content(self) -> None:
        # What a killed run left on its stage is nobody's work.
        content = sorted(path.name for path in self.folder.iterdir() if not path.name.startswith(_STAGE))
        if content and not is_run_folder(self.folder):
            raise FileError(
                f"{self.folder} holds {content[0]!r}{' and more' if len(content) > 1 else ''} but no earlier "
                "result; choose a new or an empty directory"
            )

    def _leave(self) -> None:
        shutil.rmtree(self._stage, ignore_errors=True)
        for folder in reversed(self._made):
            folder.rmdir()
        self._made = []


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
    return RunRecord(
        summary=summary,
        config=config,
        units=_if_there(folder / UNITS, lambda path: _read_units(path, summary)) or (),
        activity=_if_there(folder / ACTIVITY, load_activity),
        outputs=arrays.get("outputs"),
        quantised=arrays.get("quantised"),
        parameters=_if_there(folder / WEIGHTS, read_parameters),
    )


def _summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / SUMMARY).read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def _if_there(path: Path, read: Callable[[Path], Any]) -> Any:
    return read(path) if path.exists() else None


def _write_text(path: Path, text: str) -> None:
    write_atomically(path, lambda stream: stream.write(text.encode()))


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
