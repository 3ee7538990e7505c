"""What a run's time may be due to, before it is ranked; and how sentences about that are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imcsim.evidence import Alike
from imcsim.relief import Setting, relieving

#: Least weight of what is told.
LEAST = 0.05


@dataclass(frozen=True)
class Limit:
    """One thing that a run's time may be due to.

    weight : what it ranks by
    where, what, sentence, advice : as in `imcsim.bottlenecks.Bottleneck`
    ticks : of the makespan that it accounts for
    parameter : what would relieve it; None if that is not known
    """

    weight: float
    where: str
    what: str
    ticks: int
    sentence: str
    parameter: str | None
    advice: str


def relieving_path(settings: Sequence[Setting]) -> str | None:
    """Return the path of the parameter that helps, None if none does."""
    helps = relieving(settings)
    return None if helps is None else helps.path


def set_by(settings: Sequence[Setting], what: str) -> str:
    """Return which parameters decide on something, as the end of a sentence; "" if none are known.

    They are those that somebody chose, or else the one that helps, or does most.
    """
    own = [setting for setting in settings if setting.is_own]
    helps = relieving(settings)
    told = own[:2] or ([helps] if helps is not None else settings[:1])
    return f"; {' and '.join(map(str, told))} set{'s' * (len(told) == 1)} {what}" if told else ""


def listed(names: Sequence[str], most: int) -> str:
    """Return names with commas, of many the first."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def called(alike: Alike) -> str:
    """Return how sentences call units that do the same."""
    others = alike.members[1:]
    return alike.members[0] + (f" (like {listed(others, 2)})" if others else "")


def operation_of(state: str) -> str:
    """Return the operation that a state is named by: `mvm` of `busy:mvm`."""
    return state.partition(":")[2]
