"""What there is to choose about RAPIDNN: clusters and widths, RNAs, tiles, chips, and buses."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Literal, Self

from pydantic import model_validator

from arch.cam import IDLE_SHARE, CAMConfig, MemoryConfig
from arch.core import Detail
from arch.lookup import ADDER_CYCLES, addition_cycles
from arch.machines.rapidnn.table import BUFFER, CELLS, RNA, RNAS, TILES
from simcore import MOST_CYCLES, Config, param
from workloads.composition.activation_tables import ROWS
from workloads.composition.codebooks import SIZES
from workloads.composition.composed_network import WIDTHS

_TABLE = "table of RAPIDNN's components (Imani et al., 2018), recalled"

#: Clusters of weights and of inputs, and bits, of a network that is not composed yet; the bits are assumed.
CLUSTERS, BITS = 64, 16


class ClustersConfig(Config):
    """How many codes there are."""

    weights: int | None = param(
        None, ge=4, le=256, unit="code", doc="of weights; null: 64, or what a network is composed for"
    )
    inputs: int | None = param(
        None, ge=4, le=256, unit="code", doc="of inputs; null: 64, or what a network is composed for"
    )

    @model_validator(mode="after")
    def _levels(self) -> Self:
        for what, clusters in (("weights", self.weights), ("inputs", self.inputs)):
            if clusters is not None and clusters not in SIZES:
                raise ValueError(f"must have {what} of {', '.join(map(str, SIZES))} codes, got {clusters}")
        return self


class NearestMemoryConfig(MemoryConfig):
    """An associative memory that the nearest key answers; its keys are as wide as the machine's sums."""

    match: Literal["nearest", "staged"] = param(
        "staged",
        unit="one of",
        doc="with device values; nearest: the smallest difference, as ideal values always have it; staged: "
        "byte by byte from the most significant on, losers out",
    )

    def of_keys(self, bits: int) -> CAMConfig:
        """Return the memory with keys so wide."""
        return CAMConfig(key_bits=bits, **self.canonical())


class RnaConfig(Config):
    """An RNA: an array with products, counters, and two associative memories."""

    lanes: int | None = param(
        None,
        ge=1,
        le=256,
        unit="lane",
        doc="buffers from each of which an input is counted in a cycle; null: one for each code of weights, "
        "recalled",
    )
    digits: Literal["signed", "binary"] = param(
        "signed",
        unit="one of",
        doc="addends of a count; signed: digits of its non-adjacent form, 15 p = 16 p - p; binary: its ones",
    )
    adder_cycles: int = param(
        ADDER_CYCLES,
        ge=1,
        le=MOST_CYCLES,
        unit="cycle",
        doc="of NOR logic, for a level of three-to-two adders and for a bit of the last addition; recalled",
    )
    triples: int | None = param(
        None,
        ge=1,
        unit="",
        doc="of operands that are added at once; null: all of a level, which is optimistic; unknown",
    )
    copying: Literal["overlapped", "exposed"] = param(
        "overlapped",
        unit="one of",
        doc="shifted copies of products are written, a cycle each; overlapped: while inputs are counted; "
        "exposed: behind that; unknown, overlapped assumed",
    )
    crossbar_pj: float = param(
        RNA["crossbar"].mw, ge=0, unit="pJ", doc=f"energy of a cycle of additions; {_TABLE}, at 1 ns"
    )
    counter_pj: float = param(
        (1 - IDLE_SHARE) * RNA["counter"].mw,
        ge=0,
        unit="pJ",
        doc=f"energy of a cycle of counting, besides idle power; {_TABLE}, nine tenths of it at 1 ns",
    )
    counter_idle_uw: float = param(
        RNA["counter"].mw * 1e3 * IDLE_SHARE,
        ge=0,
        unit="uW",
        doc="power drawn all the time by counters of RNAs in use; a tenth of the table's, assumed",
    )
    crossbar_um2: float = param(RNA["crossbar"].um2, ge=0, unit="um2", doc=f"area; {_TABLE}")
    counter_um2: float = param(RNA["counter"].um2, ge=0, unit="um2", doc=f"area; {_TABLE}")
    activation: NearestMemoryConfig = param(
        NearestMemoryConfig(), unit="", doc="memory of sums, whose row says the function's value"
    )
    encoding: NearestMemoryConfig = param(
        NearestMemoryConfig(), unit="", doc="memory of the next codebook, whose row is the code"
    )


class BroadcastConfig(Config):
    """Buffers and buses by which codes get to the RNAs of the next layer."""

    codes_per_cycle: int = param(
        1, ge=1, unit="code", doc="that a tile's bus carries; width and speed are unknown, 1 assumed"
    )
    depth: int = param(1000, ge=1, unit="code", doc="that a buffer holds; 1K registers, recalled")
    code_pj: float = param(
        BUFFER.mw, ge=0, unit="pJ", doc=f"energy of a code in a tile; power of its buffer in 1 ns; {_TABLE}"
    )
    area_mm2: float = param(BUFFER.um2 / 1e6, ge=0, unit="mm2", doc=f"area of a tile's buffer; {_TABLE}")


class LayerConfig(Config):
    """What a user may set for one layer."""

    replication: int | None = param(
        None, ge=1, unit="copy", doc="of its RNAs, which take positions in turn; null: by the rule"
    )


class RapidnnConfig(Config):
    """The whole machine."""

    cycle_ns: float = param(1.0, gt=0, unit="ns", doc="of the clock: a step of NOR logic; unknown, 1 assumed")
    detail: Detail = param(
        "group", unit="one of", doc="array: a process for each RNA; group: one for those of a layer's copy"
    )
    chips: int | Literal["auto"] = param(
        "auto", ge=1, unit="chip", doc="there are; auto: the fewest that hold each layer once"
    )
    tiles: int = param(TILES, ge=1, unit="tile", doc="of one chip; recalled")
    rnas: int = param(RNAS, ge=1, unit="rna", doc="of one tile; 1K, which the printed sums make 1000")
    sharing: int | Literal["auto"] = param(
        "auto",
        ge=1,
        unit="",
        doc="neurons of a layer that an RNA does one behind the other; auto: the fewest with which the chips "
        "hold each layer once",
    )
    clusters: ClustersConfig = param(ClustersConfig(), unit="", doc="how many codes there are")
    bits: int | None = param(
        None, ge=8, le=32, unit="bit", doc="of products, sums and keys: 8, 16 or 32; null: 16, assumed"
    )
    replication: Literal["positions", "none"] = param(
        "positions",
        unit="one of",
        doc="copies of layers; positions: as many as make the slowest layer fast while RNAs remain and buses "
        "are no slower; none: one of each",
    )
    layers: dict[str, LayerConfig] = param({}, unit="", doc="what differs for single layers, by name")
    rna: RnaConfig = param(RnaConfig(), unit="", doc="the RNAs")
    broadcast: BroadcastConfig = param(BroadcastConfig(), unit="", doc="buffers and buses between layers")
    cell_write_fj: float = param(
        3.2, ge=0, unit="fJ", doc="energy to write a cell of a table; largest published SET, drivers left out"
    )

    @property
    def cycle(self) -> Fraction:
        """Period of the clock [s]."""
        return Fraction(str(self.cycle_ns)) / 10**9

    @property
    def weight_codes(self) -> int:
        """Clusters of weights."""
        return self.clusters.weights or CLUSTERS

    @property
    def input_codes(self) -> int:
        """Clusters of inputs."""
        return self.clusters.inputs or CLUSTERS

    @property
    def code_bits(self) -> int:
        """Bits of a code of inputs."""
        return (self.input_codes - 1).bit_length()

    @property
    def width(self) -> int:
        """Bits of products, sums and keys."""
        return self.bits or BITS

    @property
    def lanes(self) -> int:
        """Inputs that are counted in a cycle, at most."""
        return min(self.rna.lanes or self.weight_codes, self.weight_codes)

    @property
    def signed(self) -> bool:
        """Whether digits of counts are signed."""
        return self.rna.digits == "signed"

    @property
    def activation(self) -> CAMConfig:
        """The memory of sums, with keys as wide as these."""
        return self.rna.activation.of_keys(self.width)

    @property
    def encoding(self) -> CAMConfig:
        """The memory of codes, with keys as wide as values."""
        return self.rna.encoding.of_keys(self.width)

    @property
    def pool_search_cycles(self) -> int:
        """Cycles in which the largest of some codes is found."""
        memory = self.rna.encoding
        return -(-self.code_bits // memory.stage_bits) * memory.stage_cycles

    # -- time ------------------------------------------------------------------------------------------------

    def addition_cycles(self, operands: int) -> int:
        """Return the cycles from counts to a sum of so many shifted products; none for one operand."""
        copies = operands if self.rna.copying == "exposed" and operands > 1 else 0
        return copies + addition_cycles(operands, self.width, self.rna.adder_cycles, self.rna.triples)

    def send_cycles(self, codes: int) -> int:
        """Return the cycles in which so many codes pass a bus."""
        return ceil(codes / self.broadcast.codes_per_cycle)

    # -- area ------------------------------------------------------------------------------------------------

    @property
    def area_by_part(self) -> dict[str, float]:
        """Area of a chip by what takes it [mm2]."""
        rnas, rna = self.tiles * self.rnas, self.rna
        return {
            "crossbar": rnas * rna.crossbar_um2 / 1e6,
            "counter": rnas * rna.counter_um2 / 1e6,
            "cam": rnas * (rna.activation.area_mm2 + rna.encoding.area_mm2),
            "buffer": self.tiles * self.broadcast.area_mm2,
        }

    @model_validator(mode="after")
    def _tables_fit(self) -> Self:
        if self.width not in WIDTHS:
            raise ValueError(f"must have bits of {', '.join(map(str, WIDTHS))}, got {self.bits}")
        if self.input_codes > self.rna.encoding.rows:
            raise ValueError(
                f"has {self.input_codes} codes of inputs, but a memory of {self.rna.encoding.rows} rows to "
                f"find them in; set rna.encoding.rows to {self.input_codes}, or take fewer codes"
            )
        if self.rna.activation.rows < ROWS:
            raise ValueError(
                f"has tables of functions of {ROWS} rows, but a memory of {self.rna.activation.rows} rows "
                f"for them; set rna.activation.rows to {ROWS} or more"
            )
        products = self.weight_codes * self.input_codes * self.width
        if products > CELLS:
            raise ValueError(
                f"has {self.weight_codes} x {self.input_codes} products of {self.width} bit, {products} "
                f"cells, but arrays of {CELLS}; take fewer codes or bits"
            )
        for name, memory in (("activation", self.rna.activation), ("encoding", self.rna.encoding)):
            if memory.stage_bits > self.width:
                raise ValueError(
                    f"has keys of {self.width} bit, but compares {memory.stage_bits} of them at once; set "
                    f"rna.{name}.stage_bits to {self.width} or less"
                )
        return self
