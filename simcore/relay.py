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

from simcore.commands import PARK, Engine, Park, Ready, Wake
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
        self._token: Any = None
        self._putting = Wake(self._hand_on)
        self._blocked = Wake(self._take_next)  # waits in the process's place until its token is accepted
        self._blocked.unit = wake.unit
        self._fetching = wake.fetching = Wake(self._take_next)

    def get(self) -> Ready | Park:
        """Return the command that waits for the first token."""
        reply: Ready | Park = self._get()
        return reply

    def next(self, cycles: int, token: Any) -> Ready | Park:
        """Return the command that holds for `cycles`, hands `token` on, and waits for the next one."""
        engine = self._engine
        end = engine.now + self._hold(cycles)
        if self._put_at(token, end):
            if self._await_from(self._wake, end):
                return PARK
            engine.at(end, self._fetching)
            return PARK
        self._token = token
        engine.at(end, self._putting)
        return PARK

    def swallow(self, cycles: int) -> Ready | Park:
        """Return the command that holds for `cycles`, hands nothing on, and waits for the next token."""
        engine = self._engine
        end = engine.now + self._hold(cycles)
        if not self._await_from(self._wake, end):
            engine.at(end, self._fetching)
        return PARK

    def _hand_on(self, _: Any) -> Park:
        """Put the token at the end of its operation, as there was no room when it started."""
        # Should it have to wait, the accounts look when the process began to.
        self._wake.since = self._engine.now
        if self._put(self._token, self._blocked) is not PARK:
            self._take_next(None)
        return PARK

    def _take_next(self, _: Any) -> Park:
        """Take the next token in the process's name, and wake it if there is one."""
        wake = self._wake
        self._engine.active = wake
        reply = self._get()
        if reply is not PARK:
            wake.value = reply.value
            self._engine.soon(wake)
        return PARK
