"""Parts: from a configuration that names a kind of component to the class to build."""

from __future__ import annotations

from typing import TypeVar

from simcore import Component, MappingError, PartConfig, components

C = TypeVar("C", bound=Component)


def chosen(config: PartConfig, base: type[C]) -> type[C]:
    """Return the class of the kind that a part's configuration names.

    raises : MappingError if it is not a `base`, whose attributes its owner sets
    """
    kind = components[config.kind]
    if not issubclass(kind, base):
        raise MappingError(
            f"{config.kind} cannot take the place of {base.kind or base.family}; derive {kind.__name__} from "
            f"{base.__name__}"
        )
    return kind
