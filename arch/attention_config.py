"""What there is to choose about products of two computed tensors: where they run, what is kept for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from arch.cell_writing import WriteConfig, expected_cycles
from arch.cost import DIGITAL_MAC, DIGITAL_MAC_AREA
from arch.mapping.stages import Attention, Stage
from simcore import MOST_CYCLES, Config, MappingError, PartConfig, component_part, param


class AttentionUnitConfig(PartConfig):
    """Width, speed and cost of the digital unit beside a memory of keys or values."""

    macs: int = param(
        256,
        ge=1,
        unit="multiplier",
        doc="multipliers that work at once; as many as a column of HERMES, assumed",
    )
    pass_cycles: int = param(
        1, ge=1, le=MOST_CYCLES, unit="cycle", doc="in which each of them does one product, assumed"
    )
    mac_energy_pj: float | None = param(
        None,
        ge=0,
        unit="pJ",
        doc=f"energy of one; null: {DIGITAL_MAC.value:g} at 8 bits, with the square of the bits; "
        f"{DIGITAL_MAC.source}",
    )
    mac_area_mm2: float | None = param(
        None,
        ge=0,
        unit="mm2",
        doc=f"area of one multiplier; null: {DIGITAL_MAC_AREA.value:g} at 8 bits, with the square of the "
        f"bits; {DIGITAL_MAC_AREA.source}",
    )

    def energy_pj(self, bits: int) -> float:
        """Return the energy of a product of so many bits each [pJ]."""
        return _at(bits, DIGITAL_MAC.value) if self.mac_energy_pj is None else self.mac_energy_pj

    def area_mm2(self, bits: int) -> float:
        """Return the area of all multipliers [mm2]."""
        each = _at(bits, DIGITAL_MAC_AREA.value) if self.mac_area_mm2 is None else self.mac_area_mm2
        return self.macs * each

    def cycles(self, node: Attention) -> list[int]:
        """Return the cycles of the products of each token."""
        return [-(-macs // self.macs) * self.pass_cycles for macs in macs_of_tokens(node)]


def macs_of_tokens(node: Attention) -> list[int]:
    """Return the products of each token: those of keys that it sees, in all heads."""
    each = node.heads * node.features
    return [each * seen for seen in node.visible.tolist()]


class TokenWritingConfig(WriteConfig):
    """How arrays are written token by token."""

    verify: bool = param(
        True, unit="", doc="whether a read behind each pulse tells if the cell is there; assumed"
    )
    banks: int = param(
        2,
        ge=1,
        le=64,
        unit="bank",
        doc="sets of arrays, which images take in turn: the next one's tokens are written to another set "
        "while this one's are multiplied; assumed",
    )
    registers: int = param(
        2,
        ge=1,
        le=1_000_000,
        unit="token",
        doc="that wait beside the arrays, the one that is being written among them; assumed",
    )

    @property
    def step_cycles(self) -> int:
        """Cycles of a pulse and the read behind it, if there is one."""
        return self.pulse_cycles + (self.verify_cycles if self.verify else 0)

    def token_cycles(self, parts: Iterable[tuple[int, int]]) -> int:
        """Return the cycles of a token's write as they are to be expected: of the array that takes longest.

        parts : wordlines of each array, and cells on each, that it takes
        """
        return max(expected_cycles(self, rows, cols) for rows, cols in parts)


class AttentionConfig(Config):
    """Where products of attention run, and how much is kept of what they read again and again."""

    products: Literal["digital", "arrays"] = param(
        "digital",
        unit="one of",
        doc="digital: by multipliers beside the memory that holds keys or values; arrays: by arrays that "
        "keys and values are written to, token by token; assumed",
    )
    cache_tokens: int | None = param(
        None,
        ge=1,
        unit="token",
        doc="of the longest sequence that is taken, a limit that changes no size and no cost; null: none",
    )
    unit: AttentionUnitConfig = component_part("attention-unit", doc="what multiplies where digital")
    writing: TokenWritingConfig = param(
        TokenWritingConfig(), unit="", doc="how keys and values get into cells where arrays multiply"
    )

    def check(self, stages: Sequence[Stage], network: str) -> None:
        """Raise MappingError for a sequence that is longer than a memory of keys or values."""
        room = self.cache_tokens
        for stage in stages:
            node = stage.attention
            if room is not None and node is not None and node.keys > room:
                raise MappingError(
                    f"attention.cache_tokens={room} is the limit, but {network}.{stage.name} reads "
                    f"{node.keys} tokens; set it to {node.keys} or more, or shorten the sequence"
                )


def _at(bits: int, of_eight: float) -> float:
    return of_eight * (bits / 8) ** 2
