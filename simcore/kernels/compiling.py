"""Decorators of kernels: `compiled`, `threaded` for those that several threads may run at once, `borrowing`.

Numba counts references to arrays, one by one for each that a function is handed in a tuple. A kernel of many
small functions on many arrays spends most of its time so; `borrowing` leaves the counting out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

_cached: Any = njit(cache=True)
_threaded: Any = njit(nogil=True)
_cached_threaded: Any = njit(cache=True, nogil=True)
#: Numba's switch for its counting of references; its own tests use it, its manual does not name it.
_UNCOUNTED: dict[str, Any] = {"_nrt": False}
_borrowing: Any = njit(**_UNCOUNTED)
_cached_borrowing: Any = njit(cache=True, **_UNCOUNTED)


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


def borrowing(kernel: F) -> F:
    """Compile a kernel that makes no arrays and keeps none: it works on what its caller holds."""
    try:
        kept: F = _cached_borrowing(kernel)
    except RuntimeError:  # as above
        kept = _borrowing(kernel)
    return kept
