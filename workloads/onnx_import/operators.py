"""Which function translates which operator."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from workloads.onnx_import.translation import Operator, Translation, Value

Translator = Callable[[Translation, Operator], Sequence[Value]]

#: Translators by operator; each returns what the node's outputs become.
translators: dict[str, Translator] = {}

_ANEW = ("it computes its statistics anew for each image", "train with BatchNormalization instead")
_STATE = ("it keeps a state from step to step", "use convolutions over the sequence instead")
_CHOICE = (
    "what it computes is only decided while the network runs",
    "export what is in it without the choice",
)

#: Why operators are refused that files are likely to have, and what to do instead.
refusals: dict[str, tuple[str, str]] = {
    **dict.fromkeys(("LayerNormalization", "InstanceNormalization", "GroupNormalization"), _ANEW),
    **dict.fromkeys(("RMSNormalization", "MeanVarianceNormalization"), _ANEW),
    **dict.fromkeys(("RNN", "GRU", "LSTM"), _STATE),
    **dict.fromkeys(("If", "Loop", "Scan"), _CHOICE),
}


def translates(*kinds: str) -> Callable[[Translator], Translator]:
    """Return a decorator for what translates some operators."""

    def remember(translator: Translator) -> Translator:
        translators.update(dict.fromkeys(kinds, translator))
        return translator

    return remember
