"""The usual process as one command: hold an operation, hand the token on, take the next one.

    token = yield self.relay.get()
    while True:
        token = yield self.relay.next(cycles, token)

says the same, tick for tick, as `hold`, `put` and `get` one after the other, but the process wakes once for
each token instead of up to three times: where a token goes is settled when it is taken, as far as it is known
by then. There is room if there is room now, since nobody else fills the channel; and a reader that is not
there yet is noted as one that comes later.
"""

from __future__ import annotations

from typing import Any

from simcore.commands import PARK, Engine, Park, Ready, Wake, describe, not_a_command
from simcore.errors import WiringError
from simcore.operation import Operation


class Relay:
    """One process's way from an In over an operation to an Out; made by `Component.relay`.

    It uses the ports alone: a process that has a relay neither gets nor puts there by itself.
    """

    __slots__ = (
        "_await_from",
        "_blocked",
        "_engine",
        "_fetching",
        "_get",
        "_hold",
        "_put",
        "_put_at",
        "_putting",
        "_token",
        "_wake",
    )

    def __init__(self, engine: Engine, operation: Operation, source: Any, target: Any) -> None:
        self._engine = engine
        self._hold = operation.hold
        self._get = source.get
        self._await_from = source.await_from
        self._put = target.put
        self._put_at = target.put_at
        self._wake = wake = engine.active
        if wake.unit is None:
            raise WiringError("a relay is made outside of a component's process; make it in the method")
        self._token: Any = None
        self._putting = Wake(self._hand_on)
        self._blocked = Wake(self._take_next)  # waits in the process's place until its token is accepted
        self._fetching = Wake(self._take_next)
        for own in (self._putting, self._blocked, self._fetching):
            own.unit = wake.unit

    def get(self) -> Ready | Park:
        """Return the command that waits for the first token."""
        self._wake.fetching = self._fetching
        reply: Ready | Park = self._get()
        return reply

    def next(self, cycles: int, token: Any) -> Park:
        """Return the command that holds for `cycles`, hands `token` on, and waits for the next one."""
        engine, wake = self._engine, self._wake
        if wake.waiting or wake.value is not None:
            raise _not_yielded(wake)
        if type(cycles) is not int or cycles < 0:
            raise not_a_command(wake, cycles)
        wake.fetching = self._fetching  # another relay's until now, if the process has two
        end = engine.now + self._hold(cycles)
        if not self._put_at(token, end):
            self._token = token
            self._go_on(end, self._putting)
        elif not self._await_from(wake, end):
            self._go_on(end, self._fetching)
        return PARK

    def swallow(self, cycles: int) -> Park:
        """Return the command that holds for `cycles`, hands nothing on, and waits for the next token."""
        engine, wake = self._engine, self._wake
        if wake.waiting or wake.value is not None:
            raise _not_yielded(wake)
        if type(cycles) is not int or cycles < 0:
            raise not_a_command(wake, cycles)
        wake.fetching = self._fetching
        end = engine.now + self._hold(cycles)
        if not self._await_from(wake, end):
            self._go_on(end, self._fetching)
        return PARK

    def _go_on(self, end: int, step: Wake) -> None:
        """Leave the rest to the end of the operation."""
        wake = self._wake
        wake.waiting = True
        wake.since = end  # should it have to wait then, the accounts look since when
        self._engine.at(end, step)

    def _hand_on(self, _: Any) -> Park:
        """Put the token at the end of its operation, as its way was not known when it started."""
        if self._put(self._token, self._blocked) is not PARK:
            self._take_next(None)
        return PARK

    def _take_next(self, _: Any) -> Park:
        """Take the next token in the process's name, and wake it if there is one."""
        wake = self._wake
        wake.waiting = False
        self._engine.active = wake
        reply = self._get()
        if reply is not PARK:
            wake.value = reply.value
            self._engine.soon(wake)
        return PARK


def _not_yielded(wake: Wake) -> WiringError:
    return WiringError(
        f"{describe(wake)} called its relay before its last call was yielded; "
        "write `token = yield relay.next(cycles, token)`"
    )
