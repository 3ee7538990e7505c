"""What there is to choose about ISAAC: sizes, speeds and energies of arrays, IMAs, tiles and chips."""

from __future__ import annotations

from fractions import Fraction
from math import ceil
from typing import Literal, Self

from pydantic import model_validator

from arch.arrays.encoding import Encoding, Signs
from arch.arrays.streaming import Form, Streaming
from arch.attention_config import AttentionConfig
from arch.converters import ADCConfig, Range
from arch.core import Detail
from arch.crossbar import AnalogCrossbarConfig
from arch.machines.isaac.table import CYCLE_NS, DIGITAL_GHZ, HYPERTRANSPORT, IMA, TILE
from arch.mapping.sizes import bytes_of
from arch.request_queue import QueueConfig
from simcore import MOST_CYCLES, Config, ConfigError, component_part, param

_TABLE = "power over actions of a busy cycle (Shafiee et al., ISCA 2016)"
_LIBRARY = "hwcomponents' ISAAC library has"


class IsaacArrayConfig(AnalogCrossbarConfig):
    """An array of 128 x 128 cells of 2 bits, whose inputs come bit by bit."""

    rows: int = param(128, ge=1, unit="wordline", doc="elements of an input vector")
    cols: int = param(128, ge=1, unit="bitline", doc="elements of an output vector; a unit bitline is beside")
    mvm_cycles: int = param(
        1, ge=1, le=MOST_CYCLES, unit="cycle", doc="one read, of one bit of all inputs; the cycle of ISAAC"
    )
    encoding: Signs | None = param(
        "flip",
        unit="one of",
        doc="how cells hold a signed weight; flip: biased, the complement in columns where that saves the "
        "converters a bit",
    )
    cell_bits: int | None = param(2, ge=1, le=8, unit="bit", doc="of a weight in one cell")
    input_form: Form = param("bit-serial", unit="one of", doc="how wordlines carry an input")
    cell_energy_fj: float = param(
        IMA["crossbar"].pj / 128**2 * 1e3,
        ge=0,
        unit="fJ",
        doc=f"energy of one cell in one read, used or not; {_TABLE}",
    )
    area_mm2: float = param(
        IMA["crossbar"].instance.mm2, ge=0, unit="mm2", doc="area of one array; an eighth of an IMA's"
    )


class IsaacADCConfig(ADCConfig):
    """The converter that the columns of one array share, 128 conversions a cycle."""

    range: Range = param(
        "full",
        unit="one of",
        doc="what the LSB, one an array, covers; full: sums of any weights, which 8 bits tell apart over 128 "
        "rows with encoding flip",
    )
    energy_pj: float = param(
        IMA["adc"].pj, ge=0, unit="pJ", doc=f"energy of one conversion; {_TABLE}; {_LIBRARY} 1.667"
    )
    area_mm2: float = param(
        IMA["adc"].instance.mm2, ge=0, unit="mm2", doc="area of one converter; an eighth of an IMA's"
    )


class ImaConfig(Config):
    """An IMA: arrays with a converter each, registers, and shift-and-adds."""

    arrays: int = param(8, ge=1, unit="array", doc="in one IMA")
    adc_cycles: int = param(
        1, ge=0, le=MOST_CYCLES, unit="cycle", doc="that converters are behind their arrays"
    )
    shift_add_cycles: int = param(
        2, ge=0, le=MOST_CYCLES, unit="cycle", doc="last shift-and-add, and writing the output register"
    )
    dac_pj: float = param(
        IMA["dac"].pj, ge=0, unit="pJ", doc=f"energy of driving a row with a bit; {_TABLE}; {_LIBRARY} 0.4167"
    )
    sample_pj: float = param(IMA["sample-hold"].pj, ge=0, unit="pJ", doc=f"energy of a sample; {_TABLE}")
    shift_add_pj: float = param(
        IMA["shift-add"].pj,
        ge=0,
        unit="pJ",
        doc=f"energy of adding one conversion; {_TABLE}; {_LIBRARY} 0.021",
    )
    input_register_pj: float = param(
        IMA["input-register"].pj, ge=0, unit="pJ", doc=f"energy of a cycle for one array; {_TABLE}"
    )
    output_register_pj: float = param(
        IMA["output-register"].pj, ge=0, unit="pJ", doc=f"energy of a cycle for one array; {_TABLE}"
    )


class TileConfig(Config):
    """A tile: IMAs at a bus, eDRAM, and digital units."""

    imas: int = param(12, ge=1, unit="ima", doc="in one tile")
    edram_kib: int = param(64, ge=1, unit="KiB", doc="eDRAM, which holds inputs of layers")
    edram_banks: int = param(2, ge=1, unit="bank", doc="that are read in turn, each word in one")
    edram_cycles: int = param(
        2,
        ge=1,
        le=MOST_CYCLES,
        unit="cycle",
        doc="of the digital clock for a word as wide as the bus, in one bank; PUMA's fit, assumed",
    )
    bus_bits: int = param(
        256, ge=8, unit="bit", doc="wires of the bus that carry data, a word each digital cycle"
    )
    write_cycles: int = param(
        1, ge=1, le=MOST_CYCLES, unit="cycle", doc="of the pipeline in which results are written to eDRAM"
    )
    sigmoid_units: int = param(
        2, ge=1, unit="unit", doc="that finish a value each digital cycle; speed assumed, never limiting"
    )
    pool_units: int = param(
        1, ge=1, unit="unit", doc="that take a value each digital cycle; speed assumed, never limiting"
    )
    edram_pj: float = param(
        TILE["edram"].pj,
        ge=0,
        unit="pJ",
        doc=f"energy of a byte; {_TABLE}, with 1 KiB a cycle; {_LIBRARY} 0.639",
    )
    bus_pj: float = param(
        TILE["bus"].pj,
        ge=0,
        unit="pJ",
        doc=f"energy of a byte; {_TABLE}, with 1 KiB a cycle; {_LIBRARY} 0.432",
    )
    sigmoid_pj: float = param(TILE["sigmoid"].pj, ge=0, unit="pJ", doc=f"energy of a value; {_TABLE}")
    adder_pj: float = param(TILE["tile-adder"].pj, ge=0, unit="pJ", doc=f"energy of a value; {_TABLE}")
    pool_pj: float = param(TILE["max-pool"].pj, ge=0, unit="pJ", doc=f"energy of a value; {_TABLE}")
    register_pj: float = param(
        TILE["tile-register"].pj, ge=0, unit="pJ", doc=f"energy of a byte of the output register; {_TABLE}"
    )


class MeshConfig(Config):
    """The concentrated mesh of a chip's tiles, statically scheduled: a packet goes when its way is free."""

    fidelity: Literal["ideal", "link"] = param(
        "ideal",
        unit="one of",
        doc="ideal: each packet as if nothing else was under way; link: it waits until its way is free, and "
        "links and routers are units",
    )
    ways: int = param(
        4,
        ge=1,
        unit="way",
        doc="that a packet chooses from, the shortest along any one row or column: it takes the one on which "
        "it is there first; 1: along its row first; assumed",
    )
    columns: int = param(6, ge=1, unit="router", doc="in a row; 14 x 12 tiles, 2 x 2 at a router, assumed")
    concentration: int = param(4, ge=1, unit="tile", doc="at one router")
    link_ghz: float = param(1.0, gt=0, le=1e6, unit="GHz", doc="of a link, which takes a flit each cycle")
    link_bits: int = param(32, ge=1, unit="bit", doc="of a flit")
    router_cycles: int = param(1, ge=0, le=MOST_CYCLES, unit="cycle", doc="a router takes; assumed")
    link_cycles: int = param(1, ge=0, le=MOST_CYCLES, unit="cycle", doc="a link takes; assumed")
    flit_pj: float = param(
        TILE["router"].pj,
        ge=0,
        unit="pJ",
        doc=f"energy of a flit in a router; {_TABLE}, with 8 flits a digital cycle; {_LIBRARY} 2.59",
    )


class HyperTransportConfig(Config):
    """Links from chip to chip, half of a chip's to each neighbour in a row of chips, assumed."""

    links: int = param(4, ge=1, unit="link", doc="of one chip; at least one to each neighbour")
    gb_per_s: float = param(6.4, gt=0, unit="GB/s", doc="of one link, in each direction, assumed")
    watts: float = param(
        HYPERTRANSPORT.mw / 1e3, ge=0, unit="W", doc="of all links of a chip, all the time; read"
    )
    area_mm2: float = param(HYPERTRANSPORT.mm2, ge=0, unit="mm2", doc="of all links of a chip; read")


class LayerConfig(Config):
    """What a user may set for one layer."""

    replication: int | None = param(
        None, ge=1, unit="copy", doc="copies of its arrays, which take windows in turn; null: by the rule"
    )


class IsaacConfig(Config):
    """The whole machine, as ISAAC-CE."""

    cycle_ns: float = param(CYCLE_NS, gt=0, unit="ns", doc="of the reference clock: one read of an array")
    digital_ghz: float = param(DIGITAL_GHZ, gt=0, le=1e6, unit="GHz", doc="clock of all digital parts")
    detail: Detail = param(
        "group",
        unit="one of",
        doc="array: a process for each array, and one for its converter; group: one for those of an IMA",
    )
    chips: int | Literal["auto"] = param(
        "auto", ge=1, unit="chip", doc="there are; auto: the fewest that hold each layer once"
    )
    tiles: int = param(168, ge=1, unit="tile", doc="of one chip")
    weight_bits: int = param(16, ge=2, le=16, unit="bit", doc="of a weight")
    activation_bits: int = param(16, ge=2, le=16, unit="bit", doc="of an activation, one a cycle")
    replication: Literal["positions", "none"] = param(
        "positions",
        unit="one of",
        doc="copies of layers; positions: as many as keep the last one busy, scaled down by one factor until "
        "the chips hold them; none: one of each",
    )
    layers: dict[str, LayerConfig] = param({}, unit="", doc="what differs for single layers, by name")
    array: IsaacArrayConfig = component_part("isaac-array", doc="the arrays")
    adc: IsaacADCConfig = component_part("isaac-adc", doc="the converter of each array")
    ima: ImaConfig = param(ImaConfig(), unit="", doc="what an IMA has besides")
    tile: TileConfig = param(TileConfig(), unit="", doc="the tiles")
    mesh: MeshConfig = param(MeshConfig(), unit="", doc="links and routers of a chip")
    hypertransport: HyperTransportConfig = param(HyperTransportConfig(), unit="", doc="links of a chip")
    attention: AttentionConfig = param(
        AttentionConfig(),
        unit="",
        doc="products of two computed tensors; ISAAC as published has no unit for them, ours are in tiles "
        "that hold keys or values",
    )
    queue: QueueConfig = component_part("queue", doc="where requests wait, in runs with arrivals")

    @property
    def encoding(self) -> Encoding:
        """How cells hold weights."""
        return Encoding.chosen(self.weight_bits, self.array.encoding, self.array.cell_bits, None)

    @property
    def token_encoding(self) -> Encoding:
        """How cells hold keys and values, which have the bits of activations."""
        return Encoding.chosen(self.activation_bits, self.array.encoding, self.array.cell_bits, None)

    @property
    def streaming(self) -> Streaming:
        """How windows reach the wordlines."""
        return self.array.streaming(self.activation_bits)

    @property
    def interval(self) -> int:
        """Cycles from one operation of an array to the next: one for each bit of the inputs."""
        return self.array.product_cycles(self.streaming)

    @property
    def weights_per_array(self) -> int:
        """Weights that one array holds if it is full."""
        return self.array.rows * (self.array.cols // self.encoding.columns_per_weight)

    @property
    def arrays_per_tile(self) -> int:
        """Arrays of all its IMAs."""
        return self.tile.imas * self.ima.arrays

    @property
    def output_bytes(self) -> int:
        """Bytes of the output register of an IMA; a tile has as many for each of its IMAs."""
        return self.ima.arrays * (self.weights_per_array // self.array.rows) * self.value_bytes

    @property
    def value_bytes(self) -> int:
        """Bytes of an activation in eDRAM."""
        return bytes_of(self.activation_bits)

    @property
    def stored_bits(self) -> int:
        """Bits that an activation takes in eDRAM."""
        return 8 * self.value_bytes

    @property
    def digital_hz(self) -> Fraction:
        """Frequency of all digital parts [Hz]."""
        return Fraction(str(self.digital_ghz)) * 10**9

    @property
    def cycle(self) -> Fraction:
        """Period of the reference clock [s]."""
        return Fraction(str(self.cycle_ns)) / 10**9

    @property
    def digital_cycles(self) -> int:
        """Cycles of the digital clock in one of the reference clock."""
        return int(self.cycle * self.digital_hz)

    # -- speed of digital parts, in cycles of their clock ----------------------------------------------------

    def edram_cycles(self, size: int) -> int:
        """Return the cycles in which so many bytes pass eDRAM and bus, whichever is slower."""
        words = -(-8 * size // self.tile.bus_bits)
        return max(words, -(-words * self.tile.edram_cycles // self.tile.edram_banks))

    def flits(self, size: int) -> int:
        """Return the flits of so many bytes."""
        return -(-8 * size // self.mesh.link_bits)

    def mesh_cycles(self, routers: int, flits: int) -> int:
        """Return the cycles until a packet has passed so many routers, which no other one holds up."""
        mesh = self.mesh
        return self.link_cycles(routers * mesh.router_cycles + (routers + 1) * mesh.link_cycles + flits - 1)

    def link_cycles(self, cycles: int) -> int:
        """Return the digital cycles in which so many of the mesh are over."""
        return ceil(cycles * self.digital_hz / (Fraction(str(self.mesh.link_ghz)) * 10**9))

    def hypertransport_cycles(self, size: int) -> int:
        """Return the cycles in which so many bytes go from chip to chip, over one link."""
        return ceil(size * self.digital_hz / (Fraction(str(self.hypertransport.gb_per_s)) * 10**9))

    @model_validator(mode="after")
    def _clocks_fit(self) -> Self:
        ratio = self.cycle * self.digital_hz
        if ratio.denominator != 1:
            raise ValueError(
                f"has cycle_ns {self.cycle_ns:g} and digital_ghz {self.digital_ghz:g}, which makes "
                f"{float(ratio):g} digital cycles in a cycle; choose them so that it is a whole number"
            )
        return self

    @model_validator(mode="after")
    def _arrays_can_do_it(self) -> Self:
        try:
            _ = self.encoding, self.streaming
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return self
