"""The command `imcsim`: each subcommand parses, calls, prints. Only this file prints."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from imcsim.command_group import CommandGroup

F = TypeVar("F", bound=Callable[..., Any])


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="imcsim", message="%(prog)s %(version)s")
def main() -> None:
    """Simulate in-memory-computing accelerators, cycle by cycle."""


def _machine_options(required: bool) -> Callable[[F], F]:
    """Return a decorator for what every command that builds a machine takes."""

    def decorate(command: F) -> F:
        for option in (
            click.option(
                "--plugin", "plugins", multiple=True, metavar="FILE.py", help="Python file to import first."
            ),
            click.option(
                "--set", "settings", multiple=True, metavar="PATH=VALUE", help="Set a parameter of the machine."
            ),
            click.option(
                "--arch", "machine", required=required, metavar="MACHINE", help="A machine's name or a YAML file."
            ),
        ):
            command = option(command)
        return command

    return decorate


_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


@main.command("run")
@click.argument("workload")
@_machine_options(required=False)
@click.option("--images", type=int, metavar="N", help="How many images, the first of the data.  [default: 1]")
@click.option("--values", metavar="ideal|off", help="Whether to compute values.  [default: ideal]")
@click.option("--data", metavar="FILE.npz", help="Images to run: `inputs` and, optionally, `labels`.")
@click.option("--seed", type=int, metavar="N", help="Of all noise; never of weights.  [default: 0]")
@click.option("--warmup", type=int, metavar="N", help="First images that metrics leave out.  [default: 0]")
@click.option("--engine", metavar="lean|stock", help="stock is plain SimPy, the reference.  [default: lean]")
@click.option("--out", metavar="DIR", help="Where to write results; without it nothing is written.")
@_json_option
def run_command(machine: str | None, as_json: bool, out: str | None, **options: Any) -> None:
    """Simulate WORKLOAD, a name or an earlier run's config.yaml, and print what came of it."""
    from imcsim.simulate import run

    result = run(options.pop("workload"), machine, out=out, record=out is not None, **options)
    click.echo(json.dumps(result.summary, indent=2) if as_json else result.summary)
