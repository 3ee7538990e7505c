"""Errors a user may meet, by whose fault they are.

A message says where, what was expected, what came, and what to do next. The command line prints it after
`error:` and exits with the class's `exit_code`: 2 where the input is at fault, 3 where the model is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class SimError(Exception):
    """Base of every error this project raises on purpose."""

    exit_code = 2


class ConfigError(SimError):
    """A parameter is unknown, out of bounds or of the wrong unit."""


class UnknownNameError(SimError):
    """A name that a user wrote is not registered."""


class WiringError(SimError):
    """Components, ports or processes are declared or connected in a way that cannot work."""


class WorkloadError(SimError):
    """A network, its parameters or its data are malformed."""


class MappingError(SimError):
    """A network cannot be placed on a machine."""


class FileError(SimError):
    """A file or folder cannot be read, understood or written."""


class ModelError(SimError):
    """The simulated machine is at fault, not the input."""

    exit_code = 3


class Deadlock(ModelError):  # noqa: N818  -- the field's word for it
    """No event is left, yet expected outputs are missing.

    circle : units that wait for one another, each for the next, see `simcore.deadlock.Parked`; of a network
        of flits, the names of its virtual channels that do
    """

    def __init__(self, explanation: str, circle: Sequence[Any] = ()) -> None:
        super().__init__(explanation)
        self.circle = tuple(circle)


class WatchdogError(ModelError):
    """The run makes no progress or passes a limit that the user asked for."""


class BrokenLawError(ModelError):
    """A conservation law does not hold at the end of a run."""
