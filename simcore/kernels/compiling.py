"""`compiled`, the decorator of all kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

F = TypeVar("F", bound=Callable[..., Any])

_cached: Any = njit(cache=True)


def compiled(kernel: F) -> F:
    """Let numba compile a kernel when it is first called, and keep the code for later runs where it can."""
    try:
        kept: F = _cached(kernel)
    except RuntimeError:  # no folder to keep it in can be written to, as in a read-only container
        kept = njit(kernel)
    return kept
