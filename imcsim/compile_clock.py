"""How long numba takes to load and to compile, so that it can be told apart from simulating."""

from __future__ import annotations

import time
from importlib import import_module
from types import TracebackType
from typing import Any

_LOCK = "numba:compiler_lock"  # held while a kernel is compiled, or read from numba's cache


class CompileClock:
    """Adds up, within its `with` block, the time numba spends; loading numba itself counts, too."""

    def __init__(self) -> None:
        self._loading = 0.0
        self._events: Any = None
        self._listener: Any = None

    @property
    def seconds(self) -> float:
        """Wall seconds so far."""
        compiling = self._listener.duration if self._listener is not None and self._listener.done else 0.0
        return self._loading + float(compiling)

    def __enter__(self) -> CompileClock:
        begin = time.perf_counter()
        self._events = import_module("numba.core.event")
        self._loading = time.perf_counter() - begin
        self._listener = self._events.TimingListener()
        self._events.register(_LOCK, self._listener)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._events.unregister(_LOCK, self._listener)
