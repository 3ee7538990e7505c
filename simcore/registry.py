"""Names that users may write, and the classes behind them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Generic, TypeVar

from simcore.errors import UnknownNameError

T = TypeVar("T")


def near_miss(name: str, known: list[str]) -> str:
    """Return the hint that ends an error about an unknown `name`: the nearest spelling, else all of them."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'none'}"


class Registry(Generic[T]):
    """Classes or functions by kebab-case name; registering a name again replaces it, as notebooks need."""

    def __init__(self, what: str) -> None:
        """Name what is registered, for error messages ("component", "machine")."""
        self.what = what
        self._entries: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers its target as `name`."""

        def remember(entry: T) -> T:
            self._entries[name] = entry
            return entry

        return remember

    def __getitem__(self, name: str) -> T:
        """Return what is registered as `name`; UnknownNameError tells the nearest spelling."""
        try:
            return self._entries[name]
        except KeyError:
            hint = near_miss(name, self.names())
            raise UnknownNameError(f"no {self.what} is called {name!r}; {hint}") from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self._entries)

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        return sorted(self._entries)

    def items(self) -> Mapping[str, T]:
        """Return a copy of the registered entries by name, sorted."""
        return {name: self._entries[name] for name in self.names()}
