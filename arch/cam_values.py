"""The values behind a content-addressable memory's tokens: its cells, registers for keys and for answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from arch.cam import CAMConfig
from simcore import ConfigError
from simcore.kernels.cam_search import (
    find_closest,
    find_hamming,
    find_in_table,
    find_matches,
    find_nearest,
    find_nearest_noisy,
    find_staged,
    key_table,
    key_type,
    pack_bits,
    sensing_noise,
    stored_type,
)
from simcore.noise import derive, stream_key, uniform_below_reference

Ints = NDArray[Any]
#: Answers searches: keys, where to write rows, number of the first search, its slot, slot behind the last.
Find = Callable[[Ints, Ints, int, int, int], None]

#: Widest key that a table of all keys is made for [bit].
WIDEST_TABLE = 16


class CAMValues:
    """Cells and registers of one memory; its component's `answer` is `search`.

    A row's contents are a number for the rules `nearest` and `staged`, (key_bits,) zeros and ones for
    `exact`, `ternary` and `hamming`, and (cells,) levels for `l1`.

    keys : where search k's key lies in row k mod slots: (slots,) unsigned for numbers; (slots, words)
        uint64 for bits, packed by `pack_bits`; (slots, cells) uint8 for levels
    asked : (slots, words) uint64, bits of the key that the search cares about; all unless written
    found : (slots,) int32 rows that answer; for `exact` and `ternary` (slots, most), matching rows from the
        lowest on, then -1
    path : `table` looks the answer up by the key, `scan` compares all rows; where both can be, they agree
    """

    def __init__(
        self,
        config: CAMConfig,
        contents: Ints,
        slots: int,
        *,
        care: Ints | None = None,
        most: int = 1,
        path: Literal["table", "scan"] | None = None,
        seed: int = 0,
        name: str = "cam",
    ) -> None:
        """Program the rows from 0 on; those without contents never answer.

        care : (rows, key_bits) ones where a row's bit counts, for `ternary`
        most : matches of a search that are kept, for `exact` and `ternary`
        path : the faster one that is exact if left out
        seed, name : of the run and of the memory; stuck cells and noise follow from them
        raises : ConfigError if anything does not fit the configuration
        """
        rule, rows = config.match, len(contents)
        self.config = config
        self.slots = slots
        if not 1 <= rows <= config.rows:
            raise ConfigError(f"a CAM of {config.rows} rows takes contents of at least 1 of them, got {rows}")
        if slots < 1 or most < 1:
            raise ConfigError(f"a CAM's values take at least 1 slot and 1 answer, got {slots} and {most}")
        if most != 1 and rule not in ("exact", "ternary"):
            raise ConfigError(f"match {rule} has one answer, got most {most}; leave it out")
        if care is not None and rule != "ternary":
            raise ConfigError(f"match {rule} cares about every bit, got a mask; set match to ternary")
        self._stuck = self._draw_stuck(rows, stream_key(seed, name, "stuck"))
        self._stored = self._laid_out(np.stack([self._cells(row, each) for row, each in enumerate(contents)]))
        self._noise = sensing_noise(stream_key(seed, name, "sense"), config.noise)
        shape = (slots, most) if rule in ("exact", "ternary") else (slots,)
        self.found: Ints = np.full(shape, -1, np.int32)
        self.asked: Ints = np.full((slots, -(-config.key_bits // 64)), ~np.uint64(0))
        if rule in ("nearest", "staged"):
            self.keys: Ints = np.zeros(slots, key_type(config.key_bits))
        elif rule == "l1":
            self.keys = np.zeros((slots, config.cells), np.uint8)
        else:
            self.keys = np.zeros_like(self.asked)
            self._care = self._cared((rows, config.key_bits), care)
        self.path = path or ("scan" if self._why_no_table() else "table")
        if self.path == "table" and self._why_no_table():
            raise ConfigError(f"{self._why_no_table()}; leave path out or choose scan")
        self._find = self._scan()
        if self.path == "table":
            self._find = self._table(self._find)

    def search(self, token: int) -> None:
        """Answer one search."""
        slot = token % self.slots
        self._find(self.keys, self.found, token, slot, slot + 1)

    def search_slots(self, search: int, slot: int, stop: int) -> None:
        """Answer searches, the first of which has this number, whose keys lie from `slot` on."""
        self._find(self.keys, self.found, search, slot, stop)

    def write(self, row: int, contents: Any) -> None:
        """Give a row new contents.

        raises : ConfigError if answers are looked up, or if the row has none yet
        """
        if self.path == "table":
            raise ConfigError("a CAM that is written to cannot look answers up by key; set path to scan")
        rows = self._stored.shape[-1]
        if not 0 <= row < rows:
            raise ConfigError(f"a write goes to a row that has contents, 0 to {rows - 1}, got {row}")
        self._stored[..., row] = self._laid_out(self._cells(row, contents)[None])[..., 0]

    def _cells(self, row: int, contents: Any) -> Ints:
        """Return the levels that a row's cells take when they are programmed: (cells,)."""
        config = self.config
        numbers = config.match in ("nearest", "staged")
        highest = (1 << (config.key_bits if numbers else config.cell_bits)) - 1
        levels = np.asarray(contents)
        if levels.shape != (() if numbers else (config.cells,)) or levels.dtype.kind not in "biu":
            wanted = "a whole number" if numbers else f"{config.cells} whole numbers"
            raise ConfigError(f"row {row} takes {wanted} with match {config.match}, got {contents!r}")
        if levels.min() < 0 or levels.max() > highest:
            raise ConfigError(f"row {row} takes numbers in [0, {highest}], got {contents!r}")
        if numbers:
            levels = (int(levels) >> np.arange(config.key_bits)) & 1
        low, high = self._stuck
        top = (1 << config.cell_bits) - 1
        return np.where(high[row], top, np.where(low[row], 0, levels)).astype(np.uint8)

    def _cared(self, shape: tuple[int, int], care: Ints | None) -> Ints:
        """Return the bits that count as the kernels read them: (words, rows)."""
        mask = np.ones(shape, np.uint8) if care is None else np.asarray(care)
        if mask.shape != shape:
            raise ConfigError(f"care must have a bit for each of the contents, {shape}, got {mask.shape}")
        return pack_bits(mask).T.copy()

    def _draw_stuck(self, rows: int, key: np.uint64) -> tuple[Ints, Ints]:
        """Return which cells are stuck at their lowest and at their highest level: (rows, cells) of bool."""
        config, whole = self.config, 1 << 32
        draws = uniform_below_reference(derive(key, np.arange(rows))[:, None], np.arange(config.cells), whole)
        low = draws < round(config.stuck_at_0 * whole)
        return low, (draws < round((config.stuck_at_0 + config.stuck_at_1) * whole)) & ~low

    def _laid_out(self, cells: Ints) -> Ints:
        """Return cells (rows, cells) as the kernels read them, rows last."""
        rule, bits = self.config.match, self.config.key_bits
        if rule == "l1":
            return cells.T.copy()
        if rule in ("nearest", "staged"):
            numbers: Ints = (cells @ (1 << np.arange(bits))).astype(stored_type(bits))
            return numbers
        return pack_bits(cells).T.copy()

    def _why_no_table(self) -> str:
        """Return why answers cannot be looked up by key; nothing if they can."""
        config = self.config
        if config.match not in ("nearest", "staged"):
            return f"match {config.match} has no table of all keys"
        if config.noise:
            return f"noise {config.noise} is another one in each search, so no table of all keys holds"
        if config.key_bits > WIDEST_TABLE:
            return f"a table of all keys takes keys of at most {WIDEST_TABLE} bit, got {config.key_bits}"
        return ""

    def _scan(self) -> Find:
        """Return the search that compares all rows."""
        config, stored, noise, rule = self.config, self._stored, self._noise, self.config.match
        if rule == "nearest" and not config.noise:
            return lambda keys, found, search, slot, stop: find_nearest(stored, keys, found, slot, stop)
        if rule in ("nearest", "l1"):
            find = find_closest if rule == "l1" else find_nearest_noisy
            return lambda keys, found, *where: find(stored, keys, noise, where[0], found, *where[1:])
        if rule == "staged":
            bits, stage_bits = config.key_bits, config.stage_bits
            return lambda keys, found, search, slot, stop: find_staged(
                stored, keys, bits, stage_bits, noise, search, found, slot, stop
            )
        compare = find_hamming if rule == "hamming" else find_matches
        care, asked = self._care, self.asked
        return lambda keys, found, search, slot, stop: compare(
            stored, care, keys, asked, noise, search, found, slot, stop
        )

    def _table(self, scan: Find) -> Find:
        """Return the search that looks up what `scan` finds for each key."""
        rows = key_table(
            lambda keys, found, slot, stop: scan(keys, found, 0, slot, stop), self.config.key_bits
        )
        return lambda keys, found, search, slot, stop: find_in_table(rows, keys, found, slot, stop)
