"""How commands end: exit codes, one `error:` line for whatever goes wrong, and `--debug` for the rest."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from simcore.errors import SimError

INTERNAL, INTERRUPTED = 3, 130
_DEBUG = click.Option(
    ["--debug"],
    is_flag=True,
    expose_value=False,
    help="Show the traceback of an error.",
)


class Command(click.Command):
    """A command that takes `--debug`."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Add `--debug` to the command's own parameters."""
        own = super().get_params(ctx)
        return [*own[:-1], _DEBUG, own[-1]] if own and own[-1].name == "help" else [*own, _DEBUG]


class CommandGroup(Command, click.Group):
    """The root of all commands, which turns errors into exit codes."""

    command_class = Command

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any) -> NoReturn:
        """Run a command and exit: 0, or the code of what went wrong."""
        given = list(sys.argv[1:] if args is None else args)
        try:
            with self.make_context(prog_name or "imcsim", given.copy(), **_kept(extra)) as context:
                self.invoke(context)
            sys.stdout.flush()
        except click.exceptions.Exit as ending:
            sys.exit(ending.exit_code)
        except BrokenPipeError:
            # Whoever reads has seen enough; what is still buffered must not raise again at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(0)
        except (Exception, KeyboardInterrupt) as error:
            if "--debug" in given:
                traceback.print_exc()
            text, code = _explained(error)
            click.echo(f"error: {text}", err=True)
            sys.exit(code)
        sys.exit(0)


def _kept(extra: dict[str, Any]) -> dict[str, Any]:
    """Return what a context takes of the arguments that click's own `main` would get."""
    return {name: value for name, value in extra.items() if name not in ("standalone_mode", "complete_var")}


def _explained(error: BaseException) -> tuple[str, int]:
    """Return what to print behind `error:`, and the exit code; further lines are indented."""
    match error:
        case SimError():
            first, *more = str(error).splitlines() or [type(error).__name__]
            return "\n".join([first, *(f"  {line}" for line in more)]), error.exit_code
        case click.UsageError():
            path = error.ctx.command_path if error.ctx is not None else "imcsim"
            message = " ".join(error.format_message().split()).rstrip(".")
            return f"{message}; see '{path} --help'", 2
        case click.ClickException():
            return " ".join(error.format_message().split()), 2
        case KeyboardInterrupt() | click.Abort():
            return str(error) or "interrupted", INTERRUPTED
        case _:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            return f"internal {reason}; run again with --debug to see where, and report it", INTERNAL
