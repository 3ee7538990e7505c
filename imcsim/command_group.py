"""How commands end: exit codes, one `error:` line for whatever goes wrong, and `--debug` for the rest."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Any, NoReturn

import click

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

    def main(self, *args: Any, **options: Any) -> NoReturn:
        """Run a command and exit: 0, or the code of what went wrong; for arguments see click."""
        given = (args[0] if args else options.get("args")) or sys.argv[1:]
        try:
            code = super().main(*args, **{**options, "standalone_mode": False})
            if sys.stdout is not None:  # as it is where the caller closed it
                sys.stdout.flush()
        except Exception as error:
            if "--debug" in given:
                traceback.print_exc()
            text, code = _explained(error)
            if text:
                click.echo(f"error: {text}", err=True)
            if sys.stdout is not None and isinstance(error, OSError | _ReaderGoneError):
                # What is still buffered must not fail once more at exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(code or 0)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command; what click would take for its own leaves under another name."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            raise _InterruptedError(str(stop) or "interrupted") from stop
        except BrokenPipeError as gone:
            raise _ReaderGoneError from gone


class _InterruptedError(Exception):
    """Ctrl-C."""


class _ReaderGoneError(Exception):
    """Whoever read the output has seen enough."""


def _explained(error: Exception) -> tuple[str, int]:
    """Return what to print behind `error:`, and the exit code; further lines are indented."""
    from simcore.errors import SimError  # which loads all of simcore: not for --help

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
        case _ReaderGoneError() | BrokenPipeError():
            return "", 0
        case OSError():
            where = f" {error.filename}" if error.filename else ""
            return f"the system refuses to read or write{where}: {error.strerror or error}", 2
        case _InterruptedError() | click.Abort():
            return str(error) or "interrupted", INTERRUPTED
        case _:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            return f"internal {reason}; run again with --debug to see where, and report it", INTERNAL
