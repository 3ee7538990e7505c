"""Which function translates which operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workloads.onnx_import.translation import Operator, Translation, Value

Translator = Callable[[Translation, Operator], Sequence[Value]]

#: Translators by operator; each returns what the node's outputs become.
translators: dict[str, Translator] = {}


def translates(*kinds: str) -> Callable[[Translator], Translator]:
    """Return a decorator for what translates some operators."""

    def remember(translator: Translator) -> Translator:
        translators.update(dict.fromkeys(kinds, translator))
        return translator

    return remember
