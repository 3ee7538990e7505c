"""Input streaming: how the codes of a window become voltages or pulses, phase after phase.

A DAC of `dac_bits` drives that many bits of every input at once, lowest first, so that a product takes
ceil(bits / dac_bits) phases; pulse widths drive the whole number in one. Column sums of each phase are
converted on their own and added with the phase's factor.

Signs: codes are `unsigned`, and the zero point is taken off digitally: sum w (x - z) = sum w x - z sum w. Or
x - z itself is streamed, as `twos-complement`, whose sign bit comes last, alone, and is subtracted; or
`split` into phases of the positive parts and then of the negative ones, which are subtracted.

Source: one bit a phase and the subtracted last phase follow ISAAC (Shafiee et al., ISCA 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from simcore import ConfigError

Ints = NDArray[Any]
Form = Literal["bit-serial", "pulse-width"]
Sign = Literal["unsigned", "twos-complement", "split"]


@dataclass(frozen=True)
class Phase:
    """Inputs that are on together.

    first : lowest bit that the DACs drive; of `split` inputs, bits of the negative part follow the positive's
    bits : how many
    factor : what the column sums count, a power of two or its negative
    """

    first: int
    bits: int
    factor: int


@dataclass(frozen=True)
class Streaming:
    """How inputs reach the wordlines.

    bits : 2 to 16 of a code; the sign included for `twos-complement`, not for `split`
    dac_bits : 1 to 8, driven at once; pulse widths drive all
    """

    bits: int
    dac_bits: int = 1
    form: Form = "bit-serial"
    sign: Sign = "unsigned"

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 16:
            raise ConfigError(f"input bits must be in [2, 16] bit, got {self.bits}")
        if not 1 <= self.dac_bits <= 8:
            raise ConfigError(f"dac_bits must be in [1, 8] bit, got {self.dac_bits}")
        for name, value, known in (("form", self.form, get_args(Form)), ("sign", self.sign, get_args(Sign))):
            if value not in known:
                raise ConfigError(f"{name} of the inputs must be one of {', '.join(known)}, got {value!r}")

    @cached_property
    def phases(self) -> tuple[Phase, ...]:
        """All phases of a product, in order."""
        magnitude = self.bits - (self.sign == "twos-complement")
        at_once = self.dac_bits if self.form == "bit-serial" else magnitude
        rising = [Phase(bit, min(at_once, magnitude - bit), 2**bit) for bit in range(0, magnitude, at_once)]
        if self.sign == "twos-complement":
            rising.append(Phase(magnitude, 1, -(2**magnitude)))
        if self.sign == "split":
            rising += [Phase(magnitude + p.first, p.bits, -p.factor) for p in rising]
        return tuple(rising)

    @property
    def low(self) -> int:
        """Smallest input."""
        if self.sign == "unsigned":
            return 0
        return -self.high - (self.sign == "twos-complement")

    @property
    def high(self) -> int:
        """Largest input."""
        return int(2 ** (self.bits - (self.sign == "twos-complement")) - 1)

    @property
    def largest(self) -> int:
        """Largest number that a wordline carries in one phase."""
        return int(2 ** max(phase.bits for phase in self.phases) - 1)

    def numbers(self, inputs: Ints) -> NDArray[np.int64]:
        """Return the numbers (...) whose bits wordlines carry for inputs (...) in [low, high]."""
        numbers = inputs.astype(np.int64)
        if self.sign == "split":  # one number, with the bits of the negative part behind the positive's
            numbers = np.maximum(numbers, 0) | np.maximum(-numbers, 0) << self.bits
        return numbers

    def stream(self, inputs: Ints) -> NDArray[np.int64]:
        """Return what wordlines carry, (phases, ...), for inputs (...) in [low, high]."""
        numbers = self.numbers(inputs)
        return np.stack([(numbers >> phase.first) & (2**phase.bits - 1) for phase in self.phases])

    def recombine(self, sums: Ints) -> NDArray[np.int64]:
        """Return the sums over all phases, (...), of what each gave, (phases, ...)."""
        factors = np.array([phase.factor for phase in self.phases], np.int64)
        return np.asarray(np.tensordot(factors, sums.astype(np.int64), 1))
