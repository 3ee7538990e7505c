"""Content-addressable memories as components: time, energy, conformance, and values behind tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import (
    CAM,
    CAMConfig,
    PriorityEncoder,
    PriorityEncoderConfig,
    WritableCAM,
)
from arch.cam import AM_POWER, Entry, Key
from arch.cam_values import CAMValues
from imcsim.testing import check_component
from simcore import Component, ConfigError, InvalidConfigError, Out, Outcome, PartConfig
from simcore.kernels.cam_search import find_nearest, pack_bits, stored_type
from simcore.simulation import EngineName
from tests.benches import Drain, Feed, run_component


class Keys(Feed):
    token_out = Out(Key, doc="keys")


class Entries(Feed):
    token_out = Out(Entry, doc="entries")


class Chain(Component):
    """Keys, a memory, perhaps entries for it and an encoder behind it, and whoever takes the answers."""

    def lay_out(
        self,
        config: CAMConfig,
        searches: int,
        *,
        entries: Sequence[int] | None = None,
        matches: int = 0,
        prepare: Callable[[Any], None] = lambda cam: None,
    ) -> Drain:
        """Connect everything; `entries` are the times before each of them."""
        kind = CAM if entries is None else WritableCAM
        cam = self.add(kind, "cam", config)
        prepare(cam)
        keys = self.add(Keys, "keys", PartConfig())
        keys.items = searches
        self.connect(keys.token_out, cam.key_in)
        if isinstance(cam, WritableCAM) and entries is not None:
            feed = self.add(Entries, "entries", PartConfig())
            feed.items, feed.cycles = len(entries), entries
            self.connect(feed.token_out, cam.entry_in)
        answers: Any = cam.match_out
        if matches:
            encoder = self.add(PriorityEncoder, "encoder", PriorityEncoderConfig(matches=matches))
            self.connect(answers, encoder.match_in)
            answers = encoder.row_out
        drain = self.add(Drain, "drain", PartConfig())
        drain.items = searches * max(matches, 1)
        self.connect(answers, drain.token_in)
        return drain


def run(
    config: CAMConfig, searches: int, *, engine: EngineName = "lean", **how: Any
) -> tuple[Outcome, list[int], list[int]]:
    """Return what a run gave, the answers, and when they came."""
    drains = []

    def build(top: Component) -> None:
        drains.append(top.add(Chain, "chain", PartConfig()).lay_out(config, searches, **how))

    outcome = run_component(build, engine=engine)
    return outcome, drains[0].received, drains[0].received_at


def account(outcome: Outcome, name: str) -> dict[str, int]:
    """Return the states of one unit of the chain."""
    (found,) = [each for each in outcome.accounts if each.path == f"top.chain.{name}"]
    return found.ticks


# -- time and energy -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["lean", "stock"])
@pytest.mark.parametrize(
    ("key_bits", "stage_bits", "stage_cycles", "expected"),
    [(16, 8, 1, 2), (16, 8, 3, 6), (8, 8, 1, 1), (20, 8, 2, 6), (12, 32, 5, 5), (32, 8, 1, 4)],
)
def test_a_search_takes_a_stage_for_each_group_of_bits(
    key_bits: int, stage_bits: int, stage_cycles: int, expected: int, engine: EngineName
) -> None:
    config = CAMConfig(key_bits=key_bits, stage_bits=stage_bits, stage_cycles=stage_cycles)
    assert config.search_cycles == expected
    outcome, answers, at = run(config, 5, engine=engine)
    assert answers == list(range(5))
    assert at == [expected * (k + 1) for k in range(5)]
    assert outcome.cycles == 5 * expected


def test_matches_leave_one_a_cycle_while_the_next_search_runs() -> None:
    for cycles, matches in ((2, 5), (7, 3)):
        config = CAMConfig(match="exact", key_bits=8, stage_cycles=cycles)
        outcome, answers, at = run(config, 4, matches=matches)
        assert answers == list(range(4 * matches))
        slower = max(cycles, matches)
        assert at == [cycles + slower * k + place + 1 for k in range(4) for place in range(matches)]
        assert outcome.cycles == cycles + 3 * slower + matches


def test_a_write_goes_before_a_search_that_asks_in_the_same_cycle_and_excludes_others() -> None:
    # Entries ask at 0 and at 10, keys as soon as they can; a search takes 4 cycles, a write 3.
    # 0 write, 3 search, 7 search, (10 write asked while searching) 11 write, 14 search.
    config = CAMConfig(stage_cycles=2, write_cycles=3)
    outcome, _, at = run(config, 3, entries=[0, 10])
    assert at == [7, 11, 18]
    assert account(outcome, "cam.program")["programming:write"] == 6
    assert account(outcome, "cam.serve")["busy:search"] == 12
    assert account(outcome, "cam.serve")["wait-resource:array"] == 3 + 3


def test_every_cell_takes_part_in_a_search_and_one_row_in_a_write() -> None:
    config = CAMConfig(rows=10, key_bits=12, cell_search_fj=2.0, cell_write_fj=5.0, row_idle_nw=0.0)
    outcome, _, _ = run(config, 7, entries=[0] * 3)
    assert outcome.energy.actions["top.chain.cam"] == {
        "search": 7,
        "cell search": 7 * 120,
        "write": 3,
        "cell write": 3 * 12,
    }
    assert outcome.energy.by_component["cam"] == pytest.approx((7 * 120 * 2.0 + 3 * 12 * 5.0) * 1e-15)


def test_cells_of_several_bits_are_fewer() -> None:
    config = CAMConfig(rows=10, match="l1", key_bits=12, cell_bits=4, cell_search_fj=2.0, row_idle_nw=0.0)
    outcome, _, _ = run(config, 7)
    assert outcome.energy.actions["top.chain.cam"]["cell search"] == 7 * 10 * 3


def test_by_default_64_rows_that_never_rest_draw_what_their_source_says_and_not_more() -> None:
    searches = 20_000
    outcome, _, _ = run(CAMConfig(), searches)
    assert outcome.energy.total / (outcome.cycles * 1e-9) == pytest.approx(AM_POWER.value * 1e-3, rel=1e-3)
    assert outcome.area.by_component == {"cam": pytest.approx(83.2e-6)}


def test_area_and_idle_power_are_those_of_all_rows() -> None:
    config = CAMConfig(rows=20, cell_search_fj=0.0, row_idle_nw=2500.0, row_area_um2=3.0, stage_cycles=100)
    outcome, _, _ = run(config, 4)
    assert outcome.energy.by_component["cam"] == pytest.approx(50e-6 * outcome.cycles * 1e-9)
    assert outcome.area.by_component == {"cam": pytest.approx(60e-6)}


@pytest.mark.parametrize("cls", [CAM, WritableCAM])
@pytest.mark.parametrize("stage_cycles", [1, 9])
def test_memories_keep_the_rules(cls: type[CAM], stage_cycles: int) -> None:
    check_component(cls, CAMConfig(stage_cycles=stage_cycles, write_cycles=4))


@pytest.mark.parametrize("matches", [1, 5])
def test_the_encoder_keeps_the_rules(matches: int) -> None:
    check_component(PriorityEncoder, PriorityEncoderConfig(matches=matches), ratio=Fraction(matches))


# -- configuration -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"match": "nearest", "key_bits": 33}, "compares keys of at most 32 bit, got key_bits 33; choose"),
        ({"match": "staged", "key_bits": 64}, "match staged compares keys of at most 32 bit"),
        ({"cell_bits": 2}, "match nearest has cells of 1 bit, got cell_bits 2; set match to l1"),
        ({"match": "l1", "key_bits": 10, "cell_bits": 4}, "multiple of cell_bits 4, got 10; 12 would fit"),
        ({"stuck_at_0": 0.6, "stuck_at_1": 0.5}, r"must be at most 1, got 0.6 \+ 0.5"),
        ({"rows": 0}, r"rows must be in \[1, 65536\] row, got 0"),
        ({"match": "closest"}, "match must be one of"),
    ],
)
def test_what_contradicts_the_match_rule_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidConfigError, match=message):
        CAMConfig.parse(values)


# -- values --------------------------------------------------------------------------------------------------


def searched(values: CAMValues, keys: Any) -> list[Any]:
    """Search for each key in turn, as the component does."""
    found = []
    for token, key in enumerate(keys):
        values.keys[token % values.slots] = key
        values.search(token)
        found.append(values.found[token % values.slots].tolist())
    return found


numbers = st.lists(st.integers(0, 2**16 - 1), min_size=1, max_size=40)


@settings(deadline=None, max_examples=30)
@given(numbers, numbers, st.sampled_from(["nearest", "staged"]), st.integers(1, 5))
def test_table_and_scan_find_the_same_rows(
    contents: list[int], keys: list[int], rule: Any, slots: int
) -> None:
    config = CAMConfig(match=rule)
    table = CAMValues(config, np.array(contents), slots)
    scan = CAMValues(config, np.array(contents), slots, path="scan")
    assert (table.path, scan.path) == ("table", "scan")
    assert searched(table, keys) == searched(scan, keys)
    if rule == "nearest":
        distances = [[abs(key - each) for each in contents] for key in keys]
        assert searched(table, keys) == [row.index(min(row)) for row in distances]


@pytest.mark.parametrize("rule", ["nearest", "staged"])
@pytest.mark.parametrize(("bits", "widest"), [(3, 2**8 - 1), (8, 2**8 - 1), (9, 2**16 - 1), (16, 2**16 - 1)])
def test_a_table_has_an_answer_to_whatever_its_register_holds(rule: Any, bits: int, widest: int) -> None:
    config = CAMConfig(match=rule, key_bits=bits)
    table = CAMValues(config, np.array([1, 0, 6]), 1)
    scan = CAMValues(config, np.array([1, 0, 6]), 1, path="scan")
    assert np.iinfo(table.keys.dtype).max == widest
    keys = [0, 2**bits - 1, widest]
    assert searched(table, keys) == searched(scan, keys)


def test_the_fast_path_is_taken_only_where_it_is_exact() -> None:
    for settings_, path in (
        ({}, "table"),
        ({"match": "staged"}, "table"),
        ({"stuck_at_0": 0.1}, "table"),
        ({"noise": 0.5}, "scan"),
        ({"key_bits": 32}, "scan"),
        ({"match": "hamming"}, "scan"),
    ):
        config = CAMConfig.parse(settings_)
        contents = np.zeros((3, 16) if config.match == "hamming" else 3, np.int64)
        assert CAMValues(config, contents, 1).path == path
    with pytest.raises(ConfigError, match="another one in each search, so no table of all keys"):
        CAMValues(CAMConfig(noise=0.5), np.zeros(3, np.int64), 1, path="table")
    with pytest.raises(ConfigError, match="at most 16 bit, got 32"):
        CAMValues(CAMConfig(key_bits=32), np.zeros(3, np.int64), 1, path="table")


@pytest.mark.parametrize("rule", ["exact", "ternary", "hamming"])
def test_bits_are_matched_by_rule(rule: Any) -> None:
    contents = np.array([[1, 0, 1, 0], [1, 1, 1, 1], [1, 0, 1, 0]])
    many: dict[str, Any] = {} if rule == "hamming" else {"most": 3}
    care = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 1]]) if rule == "ternary" else None
    values = CAMValues(CAMConfig(match=rule, key_bits=4), contents, 2, care=care, **many)
    keys = pack_bits(np.array([[1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 0, 1]]))
    expected = {
        "exact": [[0, 2, -1], [-1, -1, -1], [-1, -1, -1]],
        "ternary": [[0, 2, -1], [1, -1, -1], [-1, -1, -1]],
        "hamming": [0, 0, 1],
    }
    assert searched(values, keys) == expected[rule]
    values.asked[:] = pack_bits(np.array([[1, 0, 0, 0]]))
    assert searched(values, keys[:1]) == [0 if rule == "hamming" else [0, 1, 2]]


def test_levels_are_matched_by_the_sum_of_their_differences() -> None:
    config = CAMConfig(match="l1", key_bits=8, cell_bits=4)
    values = CAMValues(config, np.array([[15, 0], [0, 15], [7, 8]]), 1)
    assert searched(values, [[15, 1], [0, 9], [8, 8], [0, 0]]) == [0, 1, 2, 0]


def test_writes_change_what_is_found() -> None:
    values = CAMValues(CAMConfig(), np.array([10, 20, 30]), 1, path="scan")
    assert searched(values, [26]) == [2]
    values.write(0, 27)
    assert searched(values, [26]) == [0]
    values = CAMValues(CAMConfig(match="hamming", key_bits=3), np.array([[0, 0, 0], [1, 1, 1]]), 1)
    values.write(0, [1, 1, 0])
    assert searched(values, pack_bits(np.array([[1, 0, 0], [1, 1, 1]]))) == [0, 1]


def test_a_run_writes_and_searches_in_the_cycle_of_the_event() -> None:
    # As in the test of its times: the write of 0 comes before all searches, that of 10 before the last.
    values = CAMValues(CAMConfig(), np.array([100, 200]), 3, path="scan")
    values.keys[:] = [190, 190, 190]
    written = [(1, 300), (0, 191)]

    def prepare(cam: Any) -> None:
        cam.answer, cam.store = values.search, lambda entry: values.write(*written[entry])

    run(CAMConfig(stage_cycles=2, write_cycles=3), 3, entries=[0, 10], prepare=prepare)
    assert values.found.tolist() == [0, 0, 0]
    values.keys[:] = [290, 290, 250]
    values.write(0, 100)
    values.write(1, 200)
    written = [(1, 280), (1, 0)]
    run(CAMConfig(stage_cycles=2, write_cycles=3), 3, entries=[0, 10], prepare=prepare)
    assert values.found.tolist() == [1, 1, 0]


def test_stuck_cells_are_as_many_as_asked_for_and_stay_through_writes() -> None:
    rows, bits = 500, 16
    config = CAMConfig(rows=rows, stuck_at_0=0.1, stuck_at_1=0.05)
    zeros = CAMValues(config, np.zeros(rows, np.int64), 1, path="scan", seed=3)
    ones = CAMValues(config, np.full(rows, 2**bits - 1), 1, path="scan", seed=3)
    share = np.bitwise_count(zeros._stored).sum() / (rows * bits)
    # Four standard deviations of 8 000 cells.
    assert share == pytest.approx(0.05, abs=4 * (0.05 * 0.95 / 8000) ** 0.5)
    share = 1 - np.bitwise_count(ones._stored).sum() / (rows * bits)
    assert share == pytest.approx(0.1, abs=4 * (0.1 * 0.9 / 8000) ** 0.5)
    for row in range(rows):
        zeros.write(row, 2**bits - 1)
    assert (zeros._stored == ones._stored).all()
    other = CAMValues(config, np.zeros(rows, np.int64), 1, path="scan", seed=4)
    assert (other._stored != CAMValues(config, np.zeros(rows, np.int64), 1, seed=3)._stored).any()


def test_all_cells_stuck_leave_no_choice() -> None:
    values = CAMValues(CAMConfig(stuck_at_1=1.0), np.array([1, 2, 3]), 1)
    assert values._stored.tolist() == [2**16 - 1] * 3
    assert searched(values, [0, 9]) == [0, 0]


def test_stuck_cells_change_the_search_as_if_other_numbers_were_stored() -> None:
    contents = np.arange(64) * 1000
    values = CAMValues(CAMConfig(stuck_at_0=0.05, stuck_at_1=0.05), contents, 200, seed=1)
    keys = np.arange(200) * 320
    expected = np.zeros(200, np.int32)
    find_nearest(values._stored.astype(stored_type(16)), keys.astype(np.uint16), expected, 0, 200)
    assert searched(values, keys) == expected.tolist()
    assert (expected != searched(CAMValues(CAMConfig(), contents, 200), keys)).any()


def test_noise_belongs_to_the_search_and_to_the_memory() -> None:
    contents, keys = np.arange(40) * 10, np.full(50, 205)
    config = CAMConfig(noise=10.0)
    runs = [
        searched(CAMValues(config, contents, slots, seed=seed, name=name), keys)
        for slots, seed, name in ((1, 0, "a"), (50, 0, "a"), (1, 1, "a"), (1, 0, "b"))
    ]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert runs[0] != runs[3]
    assert len(set(runs[0])) > 1


@pytest.mark.parametrize(
    ("config", "contents", "how", "message"),
    [
        ({}, [], {}, "a CAM of 64 rows takes contents of at least 1 of them, got 0"),
        ({"rows": 2}, [1, 2, 3], {}, "a CAM of 2 rows .* got 3"),
        ({"key_bits": 8}, [1, 256], {}, r"row 1 takes numbers in \[0, 255\], got .*256"),
        ({}, [-1], {}, r"row 0 takes numbers in \[0, 65535\]"),
        ({}, [1.5], {}, "row 0 takes a whole number with match nearest"),
        ({"match": "exact"}, [[1, 0]], {}, "row 0 takes 16 whole numbers with match exact"),
        ({"match": "exact", "key_bits": 2}, [[1, 2]], {}, r"row 0 takes numbers in \[0, 1\]"),
        ({}, [1], {"most": 2}, "match nearest has one answer, got most 2"),
        ({"match": "exact", "key_bits": 1}, [[1]], {"most": 0}, "at least 1 slot and 1 answer, got 1 and 0"),
        ({}, [1], {"slots": 0}, "at least 1 slot and 1 answer, got 0 and 1"),
        ({"match": "exact", "key_bits": 1}, [[1]], {"care": [[1]]}, "cares about every bit, got a mask; set"),
        (
            {"match": "ternary", "key_bits": 1},
            [[1]],
            {"care": [1]},
            r"care must have a bit for each of the contents, \(1, 1\), got \(1,\)",
        ),
    ],
)
def test_contents_that_do_not_fit_are_refused(
    config: dict[str, object], contents: list[Any], how: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        CAMValues(CAMConfig.parse(config), np.array(contents), **{"slots": 1, **how})


def test_a_write_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="written to cannot look answers up by key; set path to scan"):
        CAMValues(CAMConfig(), np.array([1]), 1).write(0, 2)
    with pytest.raises(ConfigError, match="a row that has contents, 0 to 1, got 2"):
        CAMValues(CAMConfig(), np.array([1, 2]), 1, path="scan").write(2, 2)
