"""What a run gives back, with pictures of it; from memory, or from a run directory."""

from __future__ import annotations

from pathlib import Path

from imcsim.explanation import Explanation, explain
from imcsim.run_figures import RunFigures
from imcsim.run_folder import RunFolder, read_folder
from simcore import BrokenLawError


class Run(RunFigures):
    """One simulated run: its record, pictures of it, and a way to keep it."""

    def __repr__(self) -> str:
        s = self.summary
        return f"Run({s['workload']!r} on {s['machine']!r}, {s['images']} images, {s['cycles']} cycles)"

    def explain(self) -> Explanation:
        """Return why the run took as long as it did; see `imcsim.explanation.explain`."""
        return explain(self)

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


def read_run(folder: str | Path) -> Run:
    """Return the run that a directory holds.

    raises : FileError if it is no run's directory, or damaged
    """
    return Run(**vars(read_folder(Path(folder))))
