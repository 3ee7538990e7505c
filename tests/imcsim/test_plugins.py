"""Plugins register what they bring, come back with a run's configuration, and fail in one line."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

import imcsim
from imcsim import plugins
from imcsim.plugins import load_plugins
from simcore import FileError
from tests.imcsim.command_bench import command, printed, refusal
from workloads import networks

NETWORK = """
from __future__ import annotations
from dataclasses import dataclass
import numpy as np
from workloads import Input, Linear, Network, networks

@dataclass
class Sizes:  # needs its module to be known
    width: int = 5

@networks.register("plug-net")
def plug_net() -> Network:
    "Return a single layer."
    weights = {"fc": {"weight": np.eye(Sizes().width, 12), "bias": np.zeros(Sizes().width)}}
    layers = [Input(name="image", shape=(12, 1, 1)), Linear(name="fc", out_features=Sizes().width)]
    return Network("plug-net", layers, parameters=lambda: weights)
"""


@pytest.fixture(autouse=True)
def _forget_networks() -> Iterator[None]:
    known = dict(networks._entries)
    yield
    networks._entries.clear()
    networks._entries.update(known)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "my plug-in.py"
    path.write_text(NETWORK)
    return path


def test_a_plugin_is_there_in_every_command(plugin: Path) -> None:
    names = [entry["name"] for entry in printed("list", "workloads", "--plugin", plugin)["workloads"]]
    assert "plug-net" in names
    assert "A single layer." in command("describe", "plug-net", "--plugin", plugin).stdout
    assert printed("map", "plug-net", "--arch", "dataflow", "--plugin", plugin)["totals"]["arrays"] == 1


def test_a_network_without_data_gets_seeded_noise(plugin: Path, tmp_path: Path) -> None:
    def outputs(images: int, seed: int) -> np.ndarray:
        run = imcsim.run("plug-net", "dataflow", images=images, seed=seed, plugins=[plugin])
        assert (run.summary["inputs"], run.summary["accuracy"]) == (f"seeded noise, seed {seed}", None)
        assert run.quantised is not None
        return run.quantised

    assert np.array_equal(outputs(3, seed=0)[:2], outputs(2, seed=0))
    assert not np.array_equal(outputs(2, seed=0), outputs(2, seed=1))


def test_a_run_directory_remembers_its_plugins(plugin: Path, tmp_path: Path) -> None:
    first = printed("run", "plug-net", "--arch", "dataflow", "--plugin", plugin, "--out", tmp_path / "r")
    del networks._entries["plug-net"]
    assert printed("run", tmp_path / "r" / "config.yaml")["fingerprint"] == first["fingerprint"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x = 1\n1 / 0\n", ":2 failed: ZeroDivisionError: division by zero; correct it, or leave it out"),
        ("x = 1\n\ndef f(:\n", ":3 failed: SyntaxError: "),
        ("import no_such_module\n", ":1 failed: ModuleNotFoundError: "),
        (
            "from simcore import components\ncomponents['adcc']\n",
            ":2 failed: no component is called 'adcc'; ",
        ),
        ("def f():\n  raise ValueError\nf()\n", ":2 failed: ValueError: no message; "),
        ("import sys\nsys.exit(5)\n", ":2 failed: SystemExit: 5; "),
    ],
)
def test_a_plugin_that_fails_is_one_line_that_says_where(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.py"
    path.write_text(content)
    assert refusal("list", "--plugin", path).startswith(f"plugin {path}{message}")


def test_a_plugin_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert refusal("list", "--plugin", tmp_path / "none.py") == (
        f"plugin {tmp_path / 'none.py'} does not exist; name a Python file"
    )
    assert "is a folder" in refusal("list", "--plugin", tmp_path)
    (tmp_path / "text.txt").write_text("x = 1")
    assert "must end in .py" in refusal("list", "--plugin", tmp_path / "text.txt")


def test_installed_packages_offer_plugins(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(plugin.parent)
    plugin.rename(plugin.with_name("installed_plugin_of_a_test.py"))
    group = plugins.ENTRY_POINTS
    offered = [EntryPoint("mine", "installed_plugin_of_a_test", group)]
    monkeypatch.setattr(plugins, "entry_points", lambda group: offered)
    load_plugins()
    assert "plug-net" in networks
    offered[0] = EntryPoint("broken", "no_such_module_anywhere", group)
    with pytest.raises(FileError, match=r"plugin broken \(no_such_module_anywhere\) failed: ModuleNotFound"):
        load_plugins()
