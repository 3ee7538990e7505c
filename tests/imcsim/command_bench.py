"""Helpers for tests of the command: run it in this process, or as a real one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from imcsim.cli import main

MLP = ["run", "digits-mlp", "--arch", "dataflow"]


def command(*args: str | Path) -> Result:
    """Return the outcome of `imcsim ARGS`, run in this process."""
    return CliRunner().invoke(main, [str(arg) for arg in args], prog_name="imcsim")


def printed(*args: str | Path) -> Any:
    """Return what `imcsim ARGS --json` prints, once it has ended well and printed nothing else."""
    result = command(*args, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads(result.stdout)


def refusal(*args: str | Path, code: int = 2) -> str:
    """Return the error of `imcsim ARGS` behind `error: `, once it is one line and nothing else."""
    result = command(*args)
    assert (result.exit_code, result.stdout) == (code, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")


def process(*args: str | Path, **options: Any) -> subprocess.Popen[str]:
    """Start `imcsim ARGS` as a process of its own, with pipes for its output."""
    words = [sys.executable, "-m", "imcsim", *map(str, args)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
