"""What a run gives back, with pictures of it; from memory, or from a run directory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from imcsim.explanation import Explanation, explain
from imcsim.run_config import config_text
from imcsim.run_folder import RunFolder, read_folder
from imcsim.run_record import RunRecord
from simcore import Activity, BrokenLawError, SimError
from simcore.activity import NOBODY
from traces import critical_path_of, plot_timeline, plot_utilisation, write_html_report

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Run(RunRecord):
    """One simulated run: its record, pictures of it, and a way to keep it."""

    def __repr__(self) -> str:
        s = self.summary
        return f"Run({s['workload']!r} on {s['machine']!r}, {s['images']} images, {s['cycles']} cycles)"

    def plot_timeline(self, **options: Any) -> Figure:
        """Draw what each unit did; `options` are those of `traces.plot_timeline`."""
        return plot_timeline(
            self.recorded, workload=self.summary["workload"], machine=self.summary["machine"], **options
        )

    def plot_utilisation(self, by: Literal["auto", "unit", "group"] = "auto", **options: Any) -> Figure:
        """Draw how units spend their time; `options` are those of `traces.plot_utilisation`."""
        return plot_utilisation(
            self.recorded,
            by=by,
            workload=self.summary["workload"],
            machine=self.summary["machine"],
            **options,
        )

    def explain(self) -> Explanation:
        """Return why the run took as long as it did; see `imcsim.explanation.explain`."""
        return explain(self)

    def save_report(self, path: str | Path) -> None:
        """Write a report of the run to an HTML file that needs nothing else; see `traces.write_html_report`.

        raises : FileError if the disk refuses, SimError for a run that was interrupted
        """
        explanation = self.explain()
        known = self.activity is not None and self.activity.finisher != NOBODY
        write_html_report(
            path,
            summary=self.summary,
            explanation=explanation.summary,
            activity=self.activity,
            path_through=critical_path_of(self.recorded) if known else None,
            channels=[vars(channel) for channel in self.channels],
            images=[vars(image) for image in self.images],
            configuration=config_text(self.config),
        )

    def save(self, folder: str | Path) -> None:
        """Write the run to a directory, whole or not at all; an earlier result there is replaced.

        raises : FileError if the directory cannot be used, or holds anything else
        """
        with RunFolder(folder) as target:
            target.write(self)

    def insist_on_golden(self) -> None:
        """Raise BrokenLawError if ideal values were computed that differ from the golden reference."""
        if self.summary["values"] == "ideal" and self.summary["outputs_match_golden"] is False:
            raise BrokenLawError(
                "the machine's outputs differ from the golden reference, which ideal values must equal; "
                "look for a component that works on a value too early, too late or twice"
            )

    @property
    def recorded(self) -> Activity:
        """The activity of a run that was recorded; SimError otherwise."""
        if self.activity is None:
            raise SimError(
                "the run holds no recorded activity; run it anew with record=True, or with --out DIR"
            )
        return self.activity


def read_run(folder: str | Path) -> Run:
    """Return the run that a directory holds.

    raises : FileError if it is no run's directory, or damaged
    """
    return Run(**vars(read_folder(Path(folder))))
