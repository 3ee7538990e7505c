"""What a run is made of, as a run directory's `config.yaml` holds it and `imcsim run config.yaml` repeats it.

schema: imcsim.run/1
workload: digits-cnn
images: 16
machine:
  extends: dataflow
  detail: group
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from imcsim.machine_files import MachineFile, located
from imcsim.strict_yaml import LARGEST, YamlError, read_yaml
from simcore.config import Config, InvalidConfigError, param
from simcore.errors import ConfigError, FileError
from simcore.files import read_text

SCHEMA = "imcsim.run/1"
LARGEST_SEED = 2**63 - 1


class NetworkConfig(Config):
    """What is run of one of several networks that share a machine."""

    workload: str = param(unit="", doc="name of a workload, or a file that holds one")
    images: int = param(1, ge=1, unit="image", doc="how many to run, the first of the data")
    warmup: int = param(0, ge=0, unit="image", doc="first images that metrics leave out")
    arrivals: str | None = param(None, unit="", doc="how its requests arrive, as in the whole run")
    data: str | None = param(
        None, unit="", doc="an .npz file with inputs and labels; null: the workload's own"
    )


class RunConfig(Config):
    """Everything that decides what a run computes; options that only watch it are not here."""

    workload: str = param(unit="", doc="name of a workload, or a file that holds one")
    images: int = param(
        1, ge=1, unit="image", doc="how many to run, the first of the data; left out, those a trace asks for"
    )
    values: Literal["ideal", "device", "off"] = param(
        "ideal",
        unit="one of",
        doc="ideal: exact; device: as slices, inputs and converters have it; off: none, and so by default "
        "where weights are unknown",
    )
    seed: int = param(0, ge=0, le=LARGEST_SEED, unit="", doc="of noise; it never changes weights")
    warmup: int = param(0, ge=0, unit="image", doc="first images that metrics leave out")
    engine: Literal["lean", "stock"] = param("lean", unit="one of", doc="stock is plain SimPy, the reference")
    fast_forward: bool = param(
        False, unit="", doc="skip whole periods of the run once its state repeats; only without values"
    )
    prompt: int | None = param(
        None,
        ge=1,
        unit="token",
        doc="of each sequence that are given, where its outputs choose the others; null: all",
    )
    arrivals: str | None = param(
        None,
        unit="",
        doc="how requests arrive: closed:K, fixed:R, poisson:R (R a second) or a .csv file; null: all are "
        "there from the start",
    )
    data: str | None = param(
        None, unit="", doc="an .npz file with inputs and labels; null: the workload's own"
    )
    plugins: tuple[str, ...] = param((), unit="", doc="Python files to import first")
    networks: dict[str, NetworkConfig] = param(
        {},
        unit="",
        doc="those that share the machine, by the names that reports call them; where there are any, "
        "`workload` names all, `images` are theirs together, `warmup` is 0, and `arrivals` and `data` "
        "are null",
    )
    machine_name: str = param("", unit="", doc="what reports call the machine")
    machine: dict[str, Any] = param(
        {}, unit="", doc="`extends`, the machine to start from, and its parameters"
    )


@dataclass(frozen=True)
class RunFile:
    """A `config.yaml` as it was read: the run's settings, checked, and the machine's, raw with places."""

    config: RunConfig
    machine: MachineFile


def check_together(config: RunConfig) -> None:
    """Raise ConfigError where parts of a run do not go together."""
    if config.warmup >= config.images:
        raise ConfigError(
            f"warmup must leave at least one image, got warmup {config.warmup} of {config.images}; "
            "run more images"
        )
    if config.fast_forward and config.values != "off":
        raise ConfigError(
            "values must be off with fast_forward, as images that are skipped would have none, got "
            f"{config.values}; add --values off"
        )
    if config.fast_forward and config.prompt is not None:
        raise ConfigError(
            "fast_forward skips sequences, but each of their tokens waits for the one before it, got prompt "
            f"{config.prompt}; leave out --fast-forward"
        )


def read_run_file(path: str | Path, changes: Mapping[str, Any]) -> RunFile:
    """Read a `config.yaml`.

    changes : settings that replace the file's
    raises : FileError if it cannot be read or is no run's, ConfigError for what is wrong in it
    """
    text = read_text(path, LARGEST, "a workload or a run's config.yaml")
    document = read_yaml(text, str(path))
    values = document.value
    if not isinstance(values, dict) or values.pop("schema", None) != SCHEMA:
        raise FileError(
            f"{path} - is no configuration of a run: it must hold `schema: {SCHEMA}`; "
            "to run a workload on a machine file, write `imcsim run WORKLOAD --arch FILE`"
        )
    machine = values.get("machine")
    if not isinstance(machine, dict) or not isinstance(machine.get("extends"), str):
        raise FileError(f"{path} - must hold `machine` with a key `extends`")
    lines = {key.removeprefix("machine."): place for key, place in document.lines.items()}
    written = {k: v for k, v in machine.items() if k != "extends"}
    machine_file = MachineFile(str(path), machine["extends"], written, lines)
    try:
        config = RunConfig.parse({**values, **changes}, where="")
    except InvalidConfigError as error:
        whole = MachineFile(str(path), "", values, document.lines)
        own = [p for p in error.problems if p.path.partition(".")[0] in changes]
        raise error if own else located(error, whole) from None
    return RunFile(config, machine_file)


def config_text(config: RunConfig) -> str:
    """Return the content of a `config.yaml`."""
    values = {"schema": SCHEMA, **config.canonical()}
    text: str = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)
    return f"# Repeat this run: imcsim run config.yaml\n{text}"


class _Dumper(yaml.SafeDumper):
    """Quotes text that `strict_yaml` would take for something else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    try:
        plain = read_yaml(text, "").value == text
    except YamlError:
        plain = False
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if plain else '"')


_Dumper.add_representer(str, _represent_text)
