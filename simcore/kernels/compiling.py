"""Decorators of kernels: `compiled`, and `threaded` for those that several threads may run at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

_cached: Any = njit(cache=True)
_threaded: Any = njit(nogil=True)
_cached_threaded: Any = njit(cache=True, nogil=True)


def compiled(kernel: F) -> F:
    """Let numba compile a kernel when it is first called, and keep the code for later runs where it can."""
    try:
        kept: F = _cached(kernel)
    except RuntimeError:  # no folder to keep it in can be written to, as in a read-only container
        kept = njit(kernel)
    return kept


def threaded(kernel: F) -> F:
    """Compile a kernel that lets other Python threads run meanwhile; it must write to its own arrays only."""
    try:
        kept: F = _cached_threaded(kernel)
    except RuntimeError:  # as above
        kept = _threaded(kernel)
    return kept
