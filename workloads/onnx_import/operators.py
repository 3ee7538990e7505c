"""Which function translates which operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workloads.onnx_import.translation import Operator, Translation, Value

Translator = Callable[[Translation, Operator], Sequence[Value]]

#: Translators by operator; each returns what the node's outputs become.
translators: dict[str, Translator] = {}

#: What looks at a node's attributes alone, by operator; each raises UnmappableError.
checks: dict[str, list[Callable[[Operator], None]]] = {}

_ANEW = ("it computes its statistics anew for each image", "train with BatchNormalization instead")
_STATE = ("it keeps a state from step to step", "use convolutions over the sequence instead")
_FUSED = (
    "it is a whole part of attention in one",
    "export with version 22 of the operators or before, which write it as MatMul and Softmax",
)
_CHOICE = (
    "what it computes is only decided while the network runs",
    "export what is in it without the choice",
)

#: Why operators are refused that files are likely to have, and what to do instead.
refusals: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("InstanceNormalization", "GroupNormalization"), _ANEW),
    **dict.fromkeys(("RMSNormalization", "MeanVarianceNormalization"), _ANEW),
    **dict.fromkeys(("Attention", "RotaryEmbedding"), _FUSED),
    **dict.fromkeys(("RNN", "GRU", "LSTM"), _STATE),
    **dict.fromkeys(("If", "Loop", "Scan"), _CHOICE),
}


def translates(*kinds: str) -> Callable[[Translator], Translator]:
    """Return a decorator for what translates some operators."""

    def remember(translator: Translator) -> Translator:
        translators.update(dict.fromkeys(kinds, translator))
        return translator

    return remember


def checks_attributes(*kinds: str) -> Callable[[Callable[[Operator], None]], Callable[[Operator], None]]:
    """Return a decorator for what refuses some operators whatever they read."""

    def remember(check: Callable[[Operator], None]) -> Callable[[Operator], None]:
        for kind in kinds:
            checks.setdefault(kind, []).append(check)
        return check

    return remember
