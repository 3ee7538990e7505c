"""A run has one fingerprint and one history, whichever supported version of Python simulates it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.pythons import ROOT, built, other_versions

RUNS = """
import json, sys, imcsim
runs = [
    imcsim.run("digits-cnn", "dataflow", images=2),
    imcsim.run("digits-mlp", "dataflow", images=2, values="device", seed=3,
               settings=["core.crossbar.device.kind=pcm"]),
    imcsim.run("digits-cnn", "isaac", images=5, arrivals="poisson:100000", engine="stock"),
]
told = [[run.summary["fingerprint"], run.summary["history"]] for run in runs]
print(json.dumps({"version": "{}.{}".format(*sys.version_info), "runs": told}))
"""


def told_by(python: Path) -> dict[str, Any]:
    """Return what the runs come to with an interpreter, and its version."""
    done = subprocess.run(
        [str(python), "-c", RUNS], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_two_python_versions_make_one_fingerprint_and_one_history() -> None:
    other = built()
    if other is None:
        pytest.skip(f"no environment of Python {' or '.join(other_versions())}; make pythons builds one")
    here, there = told_by(Path(sys.executable)), told_by(other)
    assert here["version"] != there["version"]
    assert here["runs"] == there["runs"]
    digests = {digest for run in here["runs"] for digest in run}
    assert len(digests) == 2 * len(here["runs"])
    assert all(len(digest) == 64 for digest in digests)
