"""Arrays that are written token by token: cycles, pulses and waits, by closed forms and a twin in ticks."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import ActivationMemory, ActivationMemoryConfig, AnalogCrossbarConfig, Pixel, Sums
from arch.activation_memory import Buffer
from arch.attention_config import TokenWritingConfig
from arch.mapping.stages import Stage, stages_of
from arch.mapping.tiling import Tiling, tile
from arch.mapping.written_operands import cycles_of_image, token_parts, with_arrays
from arch.written_arrays import TokenWriter, Writing, WritingMeter, WrittenArrays, connect_written
from simcore import Component, In, Out, Outcome, PartConfig
from simcore.simulation import EngineName
from tests.arch.attention_networks import attention
from tests.benches import Drain, Feed, run_component
from workloads import Network, lower


class Pixels(Feed):
    token_out = Out(Pixel, doc="pixels")


class SumsDrain(Drain):
    token_in = In(Sums, doc="sums")


@dataclass(frozen=True, eq=False)
class Written:
    """A stage with its arrays, and what came of running it."""

    stage: Stage
    writer: TokenWriter
    arrays: WrittenArrays
    meter: WritingMeter
    out_at: list[int]
    outcome: Outcome

    def cycles(self, unit: str, state: str) -> int:
        (account,) = (a for a in self.outcome.accounts if a.path == unit)
        return account.ticks.get(state, 0)


def stage_with_arrays(network: Network, name: str = "scores") -> Stage:
    stages = stages_of(lower(network), of_tokens=True)
    return with_arrays(next(stage for stage in stages if stage.name == name))


def layout(stage: Stage, rows: int = 256, cols: int = 256, columns_per_weight: int = 1) -> Tiling:
    assert stage.written is not None
    return tile(stage.written, rows, cols, columns_per_weight)


def run_written(
    stage: Stage,
    *,
    images: int = 1,
    product: int = 3,
    read: int = 1,
    cycles_between: tuple[int, int] = (0, 0),
    shape: tuple[int, int] = (256, 256),
    columns_per_weight: int = 1,
    engine: EngineName = "lean",
    shuffle: int | None = None,
    seed: int = 0,
    **writing: Any,
) -> Written:
    """Let tokens of images be written to the arrays of a stage, and others be multiplied there.

    product, read : cycles of a product of all arrays, and of reading a token from the memory
    cycles_between : from one token that is written to the next, and from one that is multiplied
    """
    config = TokenWritingConfig(**writing)
    tiling = layout(stage, *shape, columns_per_weight)
    node = stage.attention
    assert node is not None
    parts: dict[str, Any] = {}

    def build(top: Component) -> None:
        memory = top.add(ActivationMemory, "memory", ActivationMemoryConfig(column_cycles=read))
        memory.lay_out(
            stage, [Buffer("keys", config.banks * node.keys, 0), Buffer("queries", None, 1)], images
        )
        crossbar = AnalogCrossbarConfig(rows=shape[0], cols=shape[1], mvm_cycles=product)
        arrays = top.add(WrittenArrays, "arrays", crossbar)
        arrays.lay_out(stage, tiling, config.banks)
        writer = top.add(TokenWriter, "writer", PartConfig(), layer=stage.name)
        writer.lay_out(stage, tiling, config, crossbar.cell_energy_fj, 8)
        writer.seed = seed
        writer.meter = top.add(WritingMeter, "meter", PartConfig())
        connect_written(top, writer, arrays, memory)
        stored, moving = (top.add(Pixels, name, PartConfig()) for name in ("stored", "moving"))
        stored.items, moving.items = images * node.keys, images * node.tokens
        stored.cycles, moving.cycles = ((cycles,) for cycles in cycles_between)
        entry = memory.entries[0]
        top.connect(stored.token_out, entry.port, entry.depth)
        top.connect(moving.token_out, memory.pixel_in[1], depth=None)
        top.connect(memory.window_out, arrays.window_in)
        drain = top.add(SumsDrain, "drain", PartConfig())
        drain.items = images * node.tokens
        top.connect(arrays.sums_out, drain.token_in)
        parts.update(writer=writer, arrays=arrays, meter=writer.meter, drain=drain)

    outcome = run_component(build, engine=engine, shuffle=shuffle)
    drain = parts.pop("drain")
    assert drain.received == list(range(images * node.tokens))
    return Written(stage, out_at=drain.received_at, outcome=outcome, **parts)


#: A cell takes two pulses of four cycles, each with a read of one.
PULSES: dict[str, Any] = {"pulses": 2, "pulse_cycles": 4, "verify_cycles": 1}


# -- what lies where -----------------------------------------------------------------------------------------


@given(
    st.integers(1, 9), st.integers(1, 5), st.integers(1, 3), st.integers(1, 12), st.integers(1, 12),
    st.integers(1, 3), st.sampled_from(("scores", "mix")),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_a_token_takes_a_cell_for_each_feature_of_each_key_head_wherever_it_lies(
    keys: int, features: int, heads: int, rows: int, cols: int, columns: int, name: str
) -> None:
    stage = stage_with_arrays(attention(keys, features, heads), name)
    tiling = layout(stage, rows, cols * columns, columns)
    parts = token_parts(stage, tiling)
    assert sum(wordlines * cells for wordlines, cells in parts) == heads * features * columns
    assert sum(block.cells for block in tiling.blocks) == heads * features * keys
    assert all(wordlines <= rows and cells <= cols * columns for wordlines, cells in parts)


def test_small_heads_share_an_array_block_diagonally() -> None:
    stage = stage_with_arrays(attention(tokens=8, features=4, heads=3))
    tiling = layout(stage, rows=16, cols=64)
    assert len(tiling.blocks) == 1
    assert [(p.row, p.col, p.rows, p.cols) for p in tiling.blocks[0].patches] == [
        (4 * head, 8 * head, 4, 8) for head in range(3)
    ]


# -- time ----------------------------------------------------------------------------------------------------


@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 9), st.integers(1, 3), st.integers(0, 3))
@settings(deadline=None, max_examples=40)
def test_an_image_takes_a_write_for_each_key_then_a_product_for_each_query_head_of_each_token(
    tokens: int, pulse: int, product: int, heads: int, read: int
) -> None:
    """All keys are seen, so the first token waits for the last key; reading hides behind products."""
    stage = stage_with_arrays(attention(tokens, 2, heads, 1))
    run = run_written(
        stage, product=product, read=min(read, product), pulses=1, pulse_cycles=pulse, verify_cycles=0,
        parallel="crossbar",
    )  # fmt: skip
    assert run.out_at[-1] == tokens * pulse + min(read, product) + tokens * heads * product


@pytest.mark.parametrize(
    ("name", "parallel", "in_turn"),
    [
        *(("scores", "cell", 12), ("scores", "row", 6), ("scores", "crossbar", 1)),
        *(("mix", "cell", 12), ("mix", "row", 2), ("mix", "crossbar", 1)),
    ],
)
def test_cells_that_take_pulses_together_are_those_of_a_wordline(
    name: str, parallel: str, in_turn: int
) -> None:
    """Two heads of three features, two bitlines each, in one array: keys are columns, values are rows."""
    stage = stage_with_arrays(attention(tokens=4, features=3, heads=2), name)
    run = run_written(stage, columns_per_weight=2, parallel=parallel, **PULSES)
    assert run.cycles("top.writer", "programming:write") == 4 * in_turn * 2 * 5


def test_without_verifying_reads_pulses_are_all_there_is() -> None:
    stage = stage_with_arrays(attention(tokens=4))
    run = run_written(stage, parallel="crossbar", verify=False, **PULSES)
    assert run.cycles("top.writer", "programming:write") == 4 * 2 * 4
    assert run.writer.actions()["verify"] == 0
    assert run.writer.actions()["pulse"] == 4 * 4 * 2


@pytest.mark.parametrize("banks", [1, 2, 3])
def test_images_follow_as_fast_as_writes_or_products_where_banks_take_turns(banks: int) -> None:
    tokens, write, product, images = 5, 10, 3, 7
    stage = stage_with_arrays(attention(tokens, 2, 1))
    run = run_written(stage, images=images, product=product, parallel="crossbar", banks=banks, **PULSES)
    done = run.out_at[tokens - 1 :: tokens]
    whole = tokens * write + 1 + tokens * product
    interval = whole if banks == 1 else tokens * max(write, product)
    assert done == [whole + image * interval for image in range(images)]


def test_slow_products_hold_back_writes_once_all_banks_are_full() -> None:
    """A bank is free once the last product of its image is done, not when its last token was read."""
    tokens, write, product, images = 4, 10, 50, 6
    stage = stage_with_arrays(attention(tokens, 2, 1))
    run = run_written(stage, images=images, product=product, parallel="crossbar", **PULSES)
    first = tokens * write + 1 + tokens * product
    assert run.out_at[tokens - 1 :: tokens] == [first + image * tokens * product for image in range(images)]
    # The third image's keys begin when the first image is done, the fourth's when the second is.
    waits = run.cycles("top.writer", "blocked-output:token_out")
    assert waits == (first - 2 * tokens * write) + (images - 3) * tokens * (product - write)


@pytest.mark.parametrize(("tokens", "write", "product"), [(2, 10, 3), (6, 10, 3), (6, 10, 30), (9, 5, 1)])
def test_behind_a_causal_mask_writes_and_products_of_a_bank_take_turns(
    tokens: int, write: int, product: int
) -> None:
    """Write 0, write 1, product 0, write 2, product 1, ...: the bank is never at rest."""
    stage = stage_with_arrays(attention(tokens, 2, 1, causal=0))
    run = run_written(
        stage, product=product, parallel="crossbar", pulses=1, pulse_cycles=write, verify_cycles=0
    )
    assert run.out_at == [
        *((token + 2) * write + (token + 1) * product for token in range(tokens - 1)),
        tokens * (write + product),
    ]
    assert run.cycles("top.writer", "wait-resource:bank[0]") == (tokens - 2) * product
    # The first token is read in a cycle behind the first write, and then waits for the rest of the next.
    assert run.cycles("top.arrays", "wait-resource:bank[0]") == (write - 1) + (tokens - 2) * write


@dataclass
class Twin:
    """The same, tick by tick: what is written and multiplied, and who waits since when for which bank."""

    need: list[int]
    keys: int
    write: int
    product: int
    read: int
    banks: int
    images: int
    written: int = 0
    writes: int = 0  # begun
    products: int = 0
    reads: int = 0
    read_until: int | None = None
    at_register: bool = False
    at_arrays: bool = False

    def run(self) -> list[int]:
        """Return when each token's sums are there."""
        out_at: list[int] = []
        held: dict[int, tuple[str, int]] = {}  # bank -> by whom, until when
        claims: dict[str, int] = {}  # by whom, since when
        steps = len(self.need)
        now = 0
        while len(out_at) < self.images * steps:
            for bank, (who, until) in list(held.items()):
                if until == now:
                    del held[bank]
                    if who == "write":
                        self.written += 1
                    else:
                        out_at.append(now)
            busy = {who for who, _ in held.values()}
            taken = self.writes - len(out_at) // steps * self.keys
            if (
                "write" not in busy
                and self.writes < self.images * self.keys
                and taken < self.banks * self.keys
            ):
                claims.setdefault("write", now)
            while self._move_tokens(now):
                pass
            if self.at_arrays and "product" not in busy and "product" not in claims:
                self.at_arrays = False
                claims["product"] = now
                while self._move_tokens(now):
                    pass
            for who in sorted(claims, key=lambda who: (claims[who], who)):  # products first among equals
                image = self.products // steps if who == "product" else self.writes // self.keys
                if image % self.banks not in held:
                    del claims[who]
                    held[image % self.banks] = who, now + (self.product if who == "product" else self.write)
                    self.products += who == "product"
                    self.writes += who == "write"
            now += 1
        return out_at

    def _move_tokens(self, now: int) -> bool:
        """Let the memory read, and hand on, what it can; tell whether anything moved."""
        if self.read_until is not None and self.read_until <= now:
            self.read_until, self.at_register = None, True
            return True
        if self.at_register and not self.at_arrays:
            self.at_register, self.at_arrays = False, True
            return True
        image, step = divmod(self.reads, len(self.need))
        idle = self.read_until is None and not self.at_register and image < self.images
        if idle and self.written >= image * self.keys + self.need[step]:
            self.read_until = now + self.read
            self.reads += 1
            return True
        return False


@st.composite
def cases(draw: st.DrawFn) -> tuple[Stage, dict[str, Any]]:
    key_heads = draw(st.integers(1, 2))
    network = attention(
        draw(st.integers(1, 5)),
        draw(st.integers(1, 3)),
        key_heads * draw(st.integers(1, 2)),
        key_heads,
        causal=draw(st.none() | st.integers(0, 2)),
        more_keys=draw(st.integers(0, 2)),
    )
    stage = stage_with_arrays(network, draw(st.sampled_from(("scores", "mix"))))
    return stage, {
        "images": draw(st.integers(1, 4)),
        "product": draw(st.integers(1, 9)),
        "read": draw(st.integers(0, 12)),
        "banks": draw(st.integers(1, 3)),
        "pulses": draw(st.integers(1, 3)),
        "pulse_cycles": draw(st.integers(1, 4)),
        "verify_cycles": draw(st.integers(0, 2)),
        "parallel": draw(st.sampled_from(("cell", "row", "crossbar"))),
        "shape": (draw(st.integers(1, 6)), draw(st.integers(2, 6))),
    }


@given(cases(), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_any_run_takes_the_cycles_of_its_twin_on_both_engines_and_writes_each_cell_once_an_image(
    case: tuple[Stage, dict[str, Any]], shuffle: int
) -> None:
    stage, given_ = case
    run = run_written(stage, **given_, shuffle=shuffle)
    node, images = stage.attention, given_["images"]
    assert node is not None
    write = run.writer.usual_cycles
    twin = Twin(
        node.visible.tolist(),
        node.keys,
        write,
        given_["product"] * node.heads // node.key_heads,
        given_["read"],
        given_["banks"],
        images,
    )
    assert run.out_at == twin.run()
    stock = run_written(stage, **given_, engine="stock")
    assert stock.out_at == run.out_at
    assert [a.ticks for a in stock.outcome.accounts] == [a.ticks for a in run.outcome.accounts]
    # Laws: products of keys that are seen, and every cell once an image.
    assert run.arrays.macs() == images * node.macs
    cells = node.key_heads * node.features * node.keys
    actions = run.writer.actions()
    assert actions["cell write"] == images * cells
    assert actions["pulse"] == images * cells * given_["pulses"]
    assert run.writer.most_writes == -(-images // given_["banks"])
    # What is written behind the end of the run counts for no time of it.
    spent = sum(account.ticks.get("programming:write", 0) for account in run.outcome.accounts)
    assert run.meter.ticks_in(run.outcome) == spent <= images * node.keys * write
    assert run.arrays.mvm.count == images * node.tokens * (node.heads // node.key_heads)


@st.composite
def masks(draw: st.DrawFn) -> Stage:
    """Draw scores of any numbers of tokens and keys, behind any mask."""
    network = attention(
        draw(st.integers(1, 5)),
        causal=draw(st.none() | st.integers(0, 3)),
        more_keys=draw(st.integers(0, 8)),
        more_queries=draw(st.integers(0, 8)),
    )
    return stage_with_arrays(network)


@given(masks(), st.integers(2, 30), st.integers(2, 30))
@settings(deadline=None, max_examples=80)
def test_the_cycles_from_image_to_image_are_those_that_a_twin_settles_at(
    stage: Stage, write: int, product: int
) -> None:
    """Of three banks, so that reading a token costs nothing where writes and products take equally long."""
    node, images, banks = stage.attention, 60, 3
    assert node is not None
    out_at = Twin(node.visible.tolist(), node.keys, write, product, 1, banks, images).run()
    done = out_at[node.tokens - 1 :: node.tokens]
    expected = cycles_of_image(stage, node.tokens * product, write, product, banks)
    assert done[-1] - done[-21] == 20 * expected


def test_a_token_that_is_written_to_too_few_arrays_breaks_the_law() -> None:
    """Cells that are due follow from keys, heads and features, not from what the writer takes a token for."""
    stage = stage_with_arrays(attention(tokens=6, features=4, heads=3, key_heads=1))
    run = run_written(stage, images=2, shape=(3, 5))
    writing = Writing([(run.writer, run.arrays)])
    assert writing.law(2)[1:] == (2 * 6 * 4,) * 2
    run.writer.parts = run.writer.parts[1:]
    _, due, done = writing.law(2)
    assert done < due == 2 * 6 * 4


# -- pulses that are drawn -----------------------------------------------------------------------------------


def test_drawn_pulses_depend_on_the_seed_alone_and_the_slowest_array_sets_the_pace() -> None:
    stage = stage_with_arrays(attention(tokens=6, features=4, heads=2))
    settings_: dict[str, Any] = {
        "spread": "geometric",
        "pulses": 3.0,
        "shape": (3, 5),
        "pulse_cycles": 1,
        "verify_cycles": 0,
    }
    first, again, other = (run_written(stage, seed=seed, **settings_) for seed in (1, 1, 2))
    assert first.out_at == again.out_at
    assert first.writer.written == again.writer.written
    assert first.writer.written.pulses != other.writer.written.pulses
    # In each array one cell behind the other, so that all arrays together take no less than their mean.
    total, arrays = first.writer.written.pulses, len(first.writer.parts)
    assert total / arrays <= first.cycles("top.writer", "programming:write") <= total


def test_writes_that_drain_behind_the_end_are_no_cycles_of_the_run() -> None:
    """A token that sees the first key only is out long before the others are written."""
    stage = stage_with_arrays(attention(1, causal=0, more_keys=9))
    run = run_written(stage, product=3, pulses=1, pulse_cycles=50, verify_cycles=0, parallel="crossbar")
    # Written, and read meanwhile, then multiplied behind the second write, as that has the bank.
    assert run.out_at == [50 + 50 + 3]
    assert run.meter.written.count >= 100
    assert run.meter.ticks_in(run.outcome) == 100


# -- what it costs -------------------------------------------------------------------------------------------


def test_writing_is_in_the_ledger_pulse_by_pulse() -> None:
    stage = stage_with_arrays(attention(tokens=5, features=2, heads=2))
    run = run_written(stage, images=2, columns_per_weight=2, pulses=8.5, write_pj=5.0)
    cells = 2 * 5 * 2 * 2 * 2
    assert run.writer.written.pulses == Fraction(17, 2) * cells
    pulse, verify = run.writer.action_energy()["pulse"], run.writer.action_energy()["verify"]
    assert pulse == 5.0e-12
    assert verify == AnalogCrossbarConfig().cell_energy_fj * 1e-15
    expected = run.writer.actions()["pulse"] * (pulse + verify)
    assert run.outcome.energy.by_component["programming"] == pytest.approx(expected, rel=1e-12)


def test_two_banks_are_twice_the_arrays() -> None:
    stage = stage_with_arrays(attention(tokens=5))
    one, two = (run_written(stage, banks=banks) for banks in (1, 2))
    assert two.arrays.area() == 2 * one.arrays.area()
    assert np.isclose(one.arrays.area(), AnalogCrossbarConfig().area_mm2)
