"""What the HTML report of an ImageNet network costs: from a run in memory to a file, beside the run's events.

Both are wall seconds; of the run `wall_s`, from its first event to its last, without set-up.
"""

from __future__ import annotations

import subprocess
import sys

from benchmarks.compare import Bench, benches

#: Runs in a process of its own, as a user's: twice, so that kernels are loaded; it prints the second times.
REPORT = """
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
import imcsim
for _ in range(2):
    run = imcsim.run("resnet50", "dataflow", values="off", settings=["columns_per_weight=8"], record=True)
    with TemporaryDirectory() as folder:
        start = perf_counter()
        run.save_report(Path(folder) / "report.html")
        took = perf_counter() - start
print(took, run.summary["wall_s"])
"""


def report_and_run() -> tuple[float, float]:
    """Return how long the report of a recorded run takes, explained anew, and how long its events [s]."""
    command = [sys.executable, "-c", REPORT]
    took, ran = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.split()
    return float(took), float(ran)


benches.register("html-report")(
    Bench(
        "html-report",
        "ResNet-50, every crossbar a process, values off, recorded: its HTML report against its events",
        "cost",
        1,
        report_and_run,
        rounds=3,
        warm_up=False,
    )
)
