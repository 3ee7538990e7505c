"""Content-addressable memories: a key on the search lines, and the rows tell which of them holds it.

RAPIDNN looks up activations and codes in such memories, of the row whose key is nearest. Its figures are
recalled, not read: see the sources of each parameter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Self

from pydantic import model_validator

from arch.cost import Cost
from arch.tokens import Token
from simcore import (
    MOST_CYCLES,
    Component,
    In,
    Operation,
    Out,
    PartConfig,
    Process,
    Shared,
    components,
    param,
    process,
)

#: What makes a row the answer; see `CAMConfig.match`.
MatchRule = Literal["exact", "ternary", "hamming", "l1", "nearest", "staged"]

#: Widest key of the rules that compare numbers [bit].
WIDEST_NUMBER = 32

_TABLE = "table of RAPIDNN's components (Imani et al., 2018), recalled"
AM_POWER = Cost(0.2, "mW", f"associative memory of 64 rows, searching: {_TABLE}")
AM_AREA = Cost(83.2e-6, "mm2", f"associative memory of 64 rows, key width unknown: {_TABLE}")
#: A share of the published power that is drawn all the time, searching or not; assumed.
IDLE_SHARE = 0.1
#: The rest of it, as a stage of eight bits on 64 rows takes 1 ns: a memory that never rests draws the whole.
CELL_SEARCH = Cost(
    (1 - IDLE_SHARE) * AM_POWER.value * 1e3 / (64 * 8),
    "fJ",
    f"{AM_POWER.source}; nine tenths, over 64 x 8 cells in 1 ns, assumed",
)
CELL_WRITE = Cost(3.2, "fJ", "largest of published simulations of SET, drivers left out")


class Key(Token):
    """One key to search for."""


class Match(Token):
    """The answer to one search, or one of several."""


class Entry(Token):
    """One row's new contents."""


class MemoryConfig(PartConfig):
    """Rows, speed, cost and device effects of one memory, whatever it compares."""

    rows: int = param(64, ge=1, le=1 << 16, unit="row", doc="entries it can hold; RAPIDNN's, recalled")
    stage_bits: int = param(8, ge=1, unit="bit", doc="compared at once, most significant first; recalled")
    stage_cycles: int = param(
        1, ge=1, le=MOST_CYCLES, unit="cycle", doc="time of a stage; 0.5 ns recalled, 1 ns assumed"
    )
    write_cycles: int = param(
        1, ge=1, le=MOST_CYCLES, unit="cycle", doc="time to write a row; 1 ns of switching, assumed"
    )
    cell_search_fj: float = param(
        CELL_SEARCH.value, ge=0, unit="fJ", doc=f"energy of one cell in one search; {CELL_SEARCH.source}"
    )
    cell_write_fj: float = param(
        CELL_WRITE.value, ge=0, unit="fJ", doc=f"energy to write one cell; {CELL_WRITE.source}"
    )
    row_idle_nw: float = param(
        IDLE_SHARE * AM_POWER.value * 1e6 / 64,
        ge=0,
        unit="nW",
        doc="power that a row draws all the time, searching or not; a tenth of the published one, assumed",
    )
    row_area_um2: float = param(AM_AREA.value * 1e6 / 64, ge=0, unit="um2", doc=f"of a row; {AM_AREA.source}")
    noise: float = param(
        0.0,
        ge=0,
        le=1 << 20,
        unit="",
        doc="standard deviation of a row's sensed distance in each search (or stage), in distances of one",
    )
    stuck_at_0: float = param(0.0, ge=0, le=1, unit="", doc="share of cells stuck at their lowest level")
    stuck_at_1: float = param(0.0, ge=0, le=1, unit="", doc="share of cells stuck at their highest level")

    @model_validator(mode="after")
    def _cells_stick_once(self) -> Self:
        if self.stuck_at_0 + self.stuck_at_1 > 1:
            raise ValueError(
                f"stuck_at_0 + stuck_at_1 must be at most 1, got {self.stuck_at_0} + {self.stuck_at_1}"
            )
        return self

    @property
    def idle_power_uw(self) -> float:
        """Power drawn all the time."""
        return self.rows * self.row_idle_nw / 1e3

    @property
    def area_mm2(self) -> float:
        """Area of all rows."""
        return self.rows * self.row_area_um2 / 1e6


class CAMConfig(MemoryConfig):
    """A memory, what its keys are and which row answers them."""

    key_bits: int = param(16, ge=1, unit="bit", doc="width of a key; RAPIDNN's is unknown, 16 assumed")
    cell_bits: int = param(1, ge=1, le=8, unit="bit", doc="of one cell; more than 1 with match l1 only")
    match: MatchRule = param(
        "nearest",
        unit="one of",
        doc="which row answers: one that equals the key (exact), or does in all bits that count (ternary); "
        "the one with the fewest differing bits (hamming), the smallest sum of differences over cells (l1), "
        "the smallest difference as a number (nearest), or that stage by stage with losers out (staged)",
    )

    @model_validator(mode="after")
    def _rule_fits(self) -> Self:
        """Refuse what contradicts the match rule."""
        if self.match in ("nearest", "staged") and self.key_bits > WIDEST_NUMBER:
            raise ValueError(
                f"match {self.match} compares keys of at most {WIDEST_NUMBER} bit, got key_bits "
                f"{self.key_bits}; choose hamming or l1 for wider ones"
            )
        if self.cell_bits > 1 and self.match != "l1":
            raise ValueError(
                f"match {self.match} has cells of 1 bit, got cell_bits {self.cell_bits}; set match to l1"
            )
        if self.key_bits % self.cell_bits:
            raise ValueError(
                f"key_bits must be a multiple of cell_bits {self.cell_bits}, got {self.key_bits}; "
                f"{self.key_bits // self.cell_bits * self.cell_bits + self.cell_bits} would fit"
            )
        return self

    @property
    def cells(self) -> int:
        """Cells of one row."""
        return self.key_bits // self.cell_bits

    @property
    def stages(self) -> int:
        """Stages of one search."""
        return -(-self.key_bits // self.stage_bits)

    @property
    def search_cycles(self) -> int:
        """Cycles of one search."""
        return self.stages * self.stage_cycles


@components.register("cam")
class CAM(Component):
    """A memory with fixed contents that answers one search at a time by one row, the lowest if several tie.

    Timing: a search occupies it for `config.search_cycles`; stages do not overlap.
    Energy: all rows and cells take part in every search; what switching off losers saves is left out.
    Values: see `arch.cam_values`; cells that stick and noise on what rows sense are in, anything that rows
    have in common (supply, temperature) is out.

    answer : computes the answer to one search, None in a run without values
    """

    Config = CAMConfig
    family = "cam"
    config: CAMConfig

    key_in = In(Key, doc="keys to search for")
    match_out = Out(Match, doc="the answers, in the order of the keys")
    search = Operation(
        process="serve", doc="all stages of one search", set_by=("stage_cycles", "stage_bits", "key_bits")
    )

    answer: Callable[[int], None] | None = None

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of a search, which is like any other."""
        return {"search": (self.config.search_cycles,)}

    @process
    def serve(self) -> Process:
        """Take a key, hold the memory for all stages, hand the answer on."""
        (cycles,), answer = self.lasts()["search"], self.answer
        relay = self.relay(self.search, self.key_in, self.match_out)
        key = yield relay.get()
        while True:
            if answer is not None:
                answer(key)
            key = yield relay.next(cycles, key)

    def actions(self) -> dict[str, int]:
        """Add cell searches: every cell of every row, each search."""
        cells = self.config.rows * self.config.cells
        return {**super().actions(), "cell search": self.search.count * cells}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a cell in a search [J]."""
        return {"cell search": self.config.cell_search_fj * 1e-15}

    def static_power(self) -> float:
        """Return the power drawn all the time [W]."""
        return self.config.idle_power_uw * 1e-6

    def area(self) -> float:
        """Return its area [mm2]."""
        return self.config.area_mm2


@components.register("writable-cam")
class WritableCAM(CAM):
    """A memory whose rows are rewritten while it runs, as those of a max pool.

    Timing: a write occupies it for `config.write_cycles`, a search as in `CAM`; they exclude each other. When
    both ask in one cycle the write goes first; neither interrupts the other.

    store : writes one entry's values, None in a run without values
    """

    entry_in = In(Entry, doc="new contents of a row")
    to_search = Shared(doc="the array, to search it")
    to_write = Shared(doc="the array, to write it")
    write = Operation(process="program", doc="writing one row", programming=True, set_by=("write_cycles",))

    store: Callable[[int], None] | None = None

    def build(self) -> None:
        """Let searches and writes take turns, writes first."""
        self.share([self.to_write, self.to_search], "array", rule="priority")

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Add the cycles of a write."""
        return {**super().lasts(), "write": (self.config.write_cycles,)}

    @process
    def serve(self) -> Process:
        """Take a key, hold the memory for all stages once no write is on, hand the answer on."""
        (cycles,), answer = self.lasts()["search"], self.answer
        while True:
            key = yield self.key_in.get()
            yield self.to_search.acquire()
            if answer is not None:
                answer(key)
            yield self.search.hold(cycles)
            self.to_search.release()
            yield self.match_out.put(key)

    @process
    def program(self) -> Process:
        """Take an entry, write it."""
        (cycles,), store = self.lasts()["write"], self.store
        while True:
            entry = yield self.entry_in.get()
            yield self.to_write.acquire()
            if store is not None:
                store(entry)
            yield self.write.hold(cycles)
            self.to_write.release()

    def actions(self) -> dict[str, int]:
        """Add cell writes: every cell of a row."""
        return {**super().actions(), "cell write": self.write.count * self.config.cells}

    def action_energy(self) -> dict[str, float]:
        """Return the energies of a cell [J]."""
        return {**super().action_energy(), "cell write": self.config.cell_write_fj * 1e-15}


class PriorityEncoderConfig(PartConfig):
    """How many matches a search may have."""

    matches: int = param(1, ge=1, unit="row", doc="handed on of each search, the lowest rows")
    energy_fj: float = param(0.0, ge=0, unit="fJ", doc="energy of one turn, unknown")
    area_mm2: float = param(0.0, ge=0, unit="mm2", doc="area, unknown")


@components.register("priority-encoder")
class PriorityEncoder(Component):
    """Behind a memory: hands on several matches of a search, one a cycle, the lowest row first.

    Token k of `row_out` is place k mod `matches` of search k div `matches`. A search takes all its turns, be
    there as many matches or not: time does not depend on values.
    """

    Config = PriorityEncoderConfig
    family = "cam"
    config: PriorityEncoderConfig

    match_in = In(Match, doc="searches that are done")
    row_out = Out(Match, doc="their matches, `matches` for each search")
    encode = Operation(doc="one match, in a cycle")

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycle of each turn."""
        return {"encode": (1,)}

    @process
    def serve(self) -> Process:
        """Take a search's match lines, hand on match after match."""
        (turn,), matches = self.lasts()["encode"], self.config.matches
        while True:
            search = yield self.match_in.get()
            for place in range(search * matches, (search + 1) * matches):
                yield self.encode.hold(turn)
                yield self.row_out.put(place)

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a turn [J]."""
        return {"encode": self.config.energy_fj * 1e-15}

    def area(self) -> float:
        """Return its area [mm2]."""
        return self.config.area_mm2
