"""What takes long to import is left until somebody needs it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {"numba", "networkx", "matplotlib", "scipy", "torch", "safetensors", "pyarrow"}
#: Further modules that only some commands may load.
RICH = {"rich"}
COMMAND = (
    "import sys; sys.argv[1:] = {args}; from imcsim.cli import main\ntry: main()\nexcept SystemExit: pass\n"
)


def loaded(code: str) -> set[str]:
    """Return the top-level modules that are loaded once `code` has run in a fresh interpreter."""
    report = (
        "import sys, json; print(); print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True
    )
    modules: list[str] = json.loads(done.stdout.splitlines()[-1])
    return set(modules)


@pytest.mark.parametrize("package", ["simcore", "workloads", "traces", "arch", "imcsim"])
def test_importing_a_package_loads_nothing_heavy(package: str) -> None:
    assert not loaded(f"import {package}") & (HEAVY | RICH)


def test_importing_the_application_loads_nothing_but_python() -> None:
    assert not loaded("import imcsim") & {"numpy", "pydantic", "click", "simcore"}


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["run", "--help"],
        ["list"],
        ["list", "--json"],
        ["describe", "dataflow"],
        ["describe", "5pp"],
        ["map", "digits-mlp", "--arch", "dataflow"],
        ["map", "digits-mlp", "--arch", "dataflow", "--set", "fabric.topology.kind=mesh"],
        ["run", "no-such", "--arch", "dataflow"],
        ["fabric", "no-such", "--load", "0.1"],
        ["compose", "digits-mlp", "--weights", "4", "--inputs", "4", "--retrain", "1"],
        ["fit-basis", "--help"],
        ["run", "digits-mlp", "--arch", "dataflow", "--values", "off", "--json"],
        ["compare", "digits-mlp", "--arch", "dataflow,isaac"],
    ],
)
def test_commands_load_only_what_they_need(args: list[str]) -> None:
    assert not loaded(COMMAND.format(args=args)) & HEAVY


def test_help_is_there_at_once() -> None:
    assert not loaded(COMMAND.format(args=["--help"])) & {"numpy", "pydantic", *RICH}
