"""Ports: where components meet. A component declares them in its class; whoever builds it connects them."""

from __future__ import annotations

from typing import Any

from simcore.accounting import Part
from simcore.errors import WiringError


class Port:
    """One port of a component, as declared in its class or made by `Component.port`.

    payload : the class that names what tokens stand for; both ends of a connection must agree on it
    name, owner : attribute and component, known once the component is built
    """

    direction = "takes"

    def __init__(self, payload: type, *, doc: str) -> None:
        self.payload = payload
        self.doc = doc
        self.name = ""
        self.owner: Part | None = None
        self.channel: Any = None

    @property
    def path(self) -> str:
        """Where the port is, for messages."""
        return f"{self.owner.path}.{self.name}" if self.owner is not None else self.name

    def of(self, owner: Part, name: str) -> Any:
        """Return this declaration's port on one component."""
        port: Any = object.__new__(type(self))  # what `copy` does, in a fifth of the time
        port.__dict__ |= self.__dict__
        port.owner, port.name = owner, name
        return port

    def bind(self, channel: Any) -> None:
        """Let the component's processes use `channel` under the port's name, in place of one before."""
        before, self.channel = self.channel, channel
        used = getattr(self.owner, self.name, None)
        if used is self or (before is not None and used is before):
            setattr(self.owner, self.name, channel)

    def connected(self) -> Any:
        """Return the channel, for a port that is kept in a list, where no channel takes its place.

        raises : WiringError if there is none
        """
        if self.channel is None:
            raise WiringError(
                f"{self.path} is used but not connected; connect it where its component is added"
            )
        return self.channel


class In(Port):
    """A port that takes tokens one by one: `token = yield self.NAME.get()`."""

    def get(self) -> Any:
        """Return the command that waits for the next token and gives it."""
        return self.connected().get()


class BufferIn(Port):
    """A port with memory: `yield self.NAME.arrived(n)` awaits n tokens, `free(i)` frees those below i."""

    def arrived(self, count: int, then: Any = None, cycles: int = 0) -> Any:
        """Return the command that waits until the first `count` tokens are there, and then holds `then`."""
        return self.connected().arrived(count, then, cycles)

    def free(self, index: int) -> None:
        """Free all tokens below `index`."""
        self.connected().free(index)

    @property
    def sent(self) -> int:
        """Tokens that have been put into the memory so far."""
        return self.channel.sent if self.channel is not None else 0

    @property
    def peak(self) -> int:
        """Most tokens held at the end of any tick."""
        return self.channel.peak if self.channel is not None else 0


class Out(Port):
    """A port that hands tokens on: `yield self.NAME.put(token)`. Connected several times it multicasts."""

    direction = "sends"

    def put(self, token: Any) -> Any:
        """Return the command that hands a token on, waiting while there is no room."""
        return self.connected().put(token)

    def put_at(self, token: Any, tick: int) -> bool:
        """Hand a token on as of a tick from now on if there is room for it already; tell whether it did."""
        done: bool = self.connected().put_at(token, tick)
        return done


class Shared(Port):
    """A port to a resource that several take turns on: `yield self.NAME.acquire()`, `self.NAME.release()`."""

    direction = "shares"

    def __init__(self, *, doc: str) -> None:
        super().__init__(object, doc=doc)

    def acquire(self, priority: int | None = None) -> Any:
        """Return the command that waits until the resource is granted."""
        return self.connected().acquire(priority)

    def release(self) -> None:
        """Give the resource back."""
        self.connected().release()
