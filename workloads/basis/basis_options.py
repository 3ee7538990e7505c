"""How large a basis is, how kernels combine it, and how both are trained."""

from __future__ import annotations

from dataclasses import dataclass

from simcore.errors import ConfigError
from workloads.basis.shared_basis import MOST_LENGTH, MOST_VECTORS


@dataclass(frozen=True)
class BasisOptions:
    """How to fit.

    length : elements of a basis vector, 1 to 4096: the rows of a crossbar
    vectors : of the basis, 1 to 8192
    vector_bits : of an element, sign included, 2 to 8; symmetric, so that no element is -2**(bits - 1)
    bits : of a coefficient, in two's complement, 2 to 8
    nonzeros : most coefficients of a kernel slice that are not zero
    spread : part of its energy that a slice forgoes for each kernel too many on a vector, from 0
    rounds : of better bases, from 0
    """

    length: int = 128
    vectors: int = 128
    vector_bits: int = 4
    bits: int = 4
    nonzeros: int = 8
    spread: float = 0.0
    rounds: int = 8

    def __post_init__(self) -> None:
        """Raise ConfigError for what is out of bounds."""
        bounds = {
            "rows": (self.length, 1, MOST_LENGTH),
            "vectors": (self.vectors, 1, MOST_VECTORS),
            "vector bits": (self.vector_bits, 2, 8),
            "bits": (self.bits, 2, 8),
            "nonzeros": (self.nonzeros, 1, MOST_VECTORS),
            "spread": (self.spread, 0, 1),
            "rounds": (self.rounds, 0, 1000),
        }
        for name, (got, least, most) in bounds.items():
            if not least <= got <= most:
                option = f"--{name.replace(' ', '-')}"
                raise ConfigError(
                    f"{name} of a basis ({option}) must be in [{least}, {most}], got {got}; choose such"
                )
        if self.nonzeros > self.vectors:
            raise ConfigError(
                f"nonzeros of a basis (--nonzeros) must be at most its vectors, got {self.nonzeros} of "
                f"{self.vectors}; lower --nonzeros, or raise --vectors"
            )


DEFAULTS = BasisOptions()


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    rounds : of coefficients, then basis
    epochs : of coefficients, in a round; the basis has one
    fine_tuning : epochs of coefficients at the end
    contest : weight of the share of coefficients that stand above their vector's share
    seed : of the order of images
    """

    rounds: int = 8
    epochs: int = 3
    fine_tuning: int = 20
    contest: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise ConfigError for what is out of bounds."""
        for name, least in {"rounds": 0, "epochs": 1, "fine_tuning": 0, "contest": 0}.items():
            if not (got := getattr(self, name)) >= least:
                raise ConfigError(f"{name} of a training must be at least {least}, got {got}; raise it")


TRAINING_DEFAULTS = TrainingOptions()
