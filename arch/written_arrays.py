"""Arrays that are written while they work: what writes keys or values to them token by token, and its books.

A token that arrives waits in a register, takes a column (or a row) of the bank of its image, and is written
there by pulses; from then on it can be multiplied. Tokens stay until the last product of their image is done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import fsum
from typing import Any

import numpy as np

from arch.activation_memory import ActivationMemory, Entry
from arch.attention_config import TokenWritingConfig
from arch.cell_writing import Writes, pulse_energy, write_cells
from arch.crossbar import AnalogCrossbar
from arch.machine import CacheTraffic, ProgrammingReport, Values
from arch.mapping.sizes import bytes_of
from arch.mapping.stages import Attention, Stage
from arch.mapping.tiling import Tiling
from arch.mapping.written_operands import products_of_token, token_parts
from arch.tokens import Pixel
from simcore import (
    BufferIn,
    Component,
    Counter,
    MappingError,
    Operation,
    Out,
    Outcome,
    Process,
    Shared,
    process,
)
from simcore.commands import DONE
from simcore.noise import derive, stream_key


class WrittenArrays(AnalogCrossbar):
    """All arrays of keys or values of a stage, which one process drives: a product is of a whole bank.

    A token's query heads that share a key head take a product each, one behind the other. What is beyond the
    keys that a token sees is driven and converted, too, but no multiply-accumulate that counts.

    Energy: at average activity, as codes of keys are not known before they come.

    token_in : the columns, or rows, of all banks; each is taken from the begin of its write on
    banks : each either written or read
    """

    banks: Sequence[Shared] = ()
    stage: Stage

    def build(self) -> None:
        """Show where tokens take their places."""
        self.token_in = self.port(BufferIn(Pixel, doc="tokens that take a place in their bank"), "tokens")

    def lay_out(self, stage: Stage, tiling: Tiling, banks: int) -> None:
        """Set up the arrays of a stage."""
        self.stage, self.blocks = stage, tiling.blocks
        self.products = products_of_token(stage)
        self.banks = bank_ports(self, banks)

    @property
    def arrays(self) -> int:
        """Physical arrays, of all banks."""
        return len(self.blocks) * len(self.banks)

    @property
    def attention(self) -> Attention:
        """The product of two computed tensors that they do."""
        node = self.stage.attention
        assert node is not None
        return node

    @property
    def cells_of_image(self) -> int:
        """Cells that the keys or values of an image take, by the node alone."""
        node = self.attention
        return node.key_heads * node.features * node.keys * self.encoding.columns_per_weight

    @process
    def serve(self) -> Process:
        """Take a token, wait until its bank is not written, multiply in each head, hand the sums on."""
        get, put, hold, free = (
            self.window_in.get,
            self.sums_out.put,
            self.mvm.hold,
            self.token_in.connected().free,
        )
        cycles = self.product_cycles
        products, steps, keys = self.products, self.stage.steps, self.attention.keys
        banks = [port.connected() for port in self.banks]
        while True:
            window = yield get()
            image, step = divmod(window, steps)
            bank = banks[image % len(banks)]
            yield bank.acquire()
            for _ in range(products):
                yield hold(cycles)
            bank.release()
            if step == steps - 1:
                free((image + 1) * keys)
            wait = put(window)
            if wait is not DONE:
                yield wait

    def phase(self, items: int) -> tuple[int, ...]:
        """Return the product of the present image, and the bank that it lies in."""
        each = self.stage.steps * self.products
        return self.mvm.count - items * each, self.mvm.count // each % len(self.banks)

    def macs(self) -> int:
        """Return the multiply-accumulates done with keys that tokens see."""
        node = self.attention
        seen = np.repeat(node.visible, self.products)
        images, products = divmod(self.mvm.count, len(seen))
        pairs = images * int(seen.sum()) + int(seen[:products].sum())
        return node.key_heads * node.features * pairs


class TokenWriter(Component):
    """Writes tokens to the arrays of a stage, one behind the other.

    Timing: arrays that take a part of a token are written at once, for as long as the slowest takes; products
    of the same bank wait meanwhile, and so does a write for a product.
    Energy: of pulses, and of reads behind them. Registers cost nothing besides.

    entry : where tokens arrive, registers from which they are written
    parts : wordlines of an array, and cells on each, that a token takes
    token_bytes : of one
    meter : told of the time in which cells are written
    seed : of the pulses that single cells take, each stage's by its name in its network
    """

    family = "programming"

    token_out = Out(Pixel, doc="tokens, as soon as a column or row of their bank is free")
    written_out = Out(Pixel, doc="tokens that are in the cells")
    write = Operation(
        doc="pulses and verifying reads, until a token is there",
        programming=True,
        set_by=(
            "attention.writing.pulse_cycles",
            "attention.writing.verify_cycles",
            "attention.writing.pulses",
            "attention.writing.parallel",
        ),
    )

    stage: Stage
    writing: TokenWritingConfig
    cell_read_fj: float = 0.0
    parts: Sequence[tuple[int, int]] = ()
    keys: int = 1
    token_bytes: int = 0
    banks: Sequence[Shared] = ()
    meter: WritingMeter | None = None
    seed: int = 0

    def build(self) -> None:
        """Show where tokens arrive, under the name of memories' ports."""
        self.entry = self.port(BufferIn(Pixel, doc="tokens to write"), "pixel_in")
        self._drawn = Writes()

    def lay_out(
        self, stage: Stage, tiling: Tiling, writing: TokenWritingConfig, cell_read_fj: float, bits: int
    ) -> None:
        """Set up the writer of a stage.

        cell_read_fj : energy of reading a cell [fJ]
        bits : of one element of a token
        """
        node = stage.attention
        assert node is not None
        self.stage, self.writing, self.cell_read_fj = stage, writing, cell_read_fj
        self.parts, self.keys = token_parts(stage, tiling), node.keys
        self.token_bytes = bytes_of(node.key_heads * node.features * bits)
        self.banks = bank_ports(self, writing.banks)

    @process
    def program(self) -> Process:
        """Take a token, claim its place, write it there once nobody reads its bank, tell that it is there."""
        entry, claim, tell = self.entry.connected(), self.token_out.put, self.written_out.put
        banks, keys = [port.connected() for port in self.banks], self.keys
        while True:
            token = self.write.count
            wait = entry.arrived(token + 1)
            if wait is not DONE:
                yield wait
            wait = claim(token)
            if wait is not DONE:
                yield wait
            bank = banks[token // keys % len(banks)]
            yield bank.acquire()
            cycles = self._write(token)
            if self.meter is not None:
                self.meter.note(cycles * self.clock.ticks)
            yield self.write.hold(cycles)
            bank.release()
            wait = tell(token)
            if wait is not DONE:
                yield wait
            entry.free(token + 1)

    def _write(self, token: int) -> int:
        """Write a token; return the cycles."""
        if self.writing.spread == "fixed":
            return self.usual_cycles
        cycles = 0
        for number, (rows, cols) in enumerate(self.parts):
            key = derive(stream_key(self.seed, "write", self.stage.name, number), token)
            taken, drawn = write_cells(self.writing, rows, cols, key)
            cycles = max(cycles, taken)
            self._drawn += drawn
        return cycles

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of a token's write, unless pulses are drawn for each."""
        return {"write": (self.usual_cycles,)} if self.writing.spread == "fixed" else {}

    def phase(self, items: int) -> tuple[int, ...]:
        """Return the token of the present image, and its bank; or its number, by which pulses are drawn."""
        count = self.write.count
        if self.writing.spread != "fixed":
            return (count,)
        return count - items * self.keys, count // self.keys % len(self.banks)

    @cached_property
    def usual_cycles(self) -> int:
        """Cycles of a token's write, if all cells take the mean of pulses."""
        return self.writing.token_cycles(self.parts)

    @property
    def token_cells(self) -> int:
        """Cells that a token takes."""
        return sum(rows * cols for rows, cols in self.parts)

    @property
    def written(self) -> Writes:
        """What was written so far, by the number of tokens where each takes the same."""
        if self.writing.spread != "fixed":
            return self._drawn
        tokens, cells = self.write.count, self.write.count * self.token_cells
        return Writes(tokens * len(self.parts), cells, cells * self.writing.mean_pulses)

    @property
    def most_writes(self) -> int:
        """How often the cells of a bank's first token were written; others may have been once less."""
        images = -(-self.write.count // self.keys)
        return -(-images // len(self.banks))

    def actions(self) -> dict[str, int]:
        """Add pulses, reads that verify them, and cells; fractions of pulses are rounded in all."""
        written, pulses = self.written, round(self.written.pulses)
        verified = pulses if self.writing.verify else 0
        counts = {"pulse": pulses, "verify": verified, "cell write": written.cells}
        return {**super().actions(), **counts, "failed cell": written.failed}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a pulse, and of the read behind it [J]."""
        return pulse_energy(self.writing, self.cell_read_fj)


def _joules(writer: TokenWriter, outcome: Outcome) -> float:
    """Return the energy of a writer in a run [J]."""
    counts, costs = outcome.energy.actions.get(writer.path, {}), writer.action_energy()
    return fsum(counts.get(action, 0) * costs[action] for action in sorted(costs))


class WritingMeter(Component):
    """Counts the time in which some cells of a machine are written, whichever: together counts once."""

    family = "programming"

    written = Counter("tick of writing", unit="tick", doc="ticks in which cells are written")

    _until = 0

    def note(self, ticks: int) -> None:
        """Take note of a write that begins now and takes so long, unless it begins behind the run's end."""
        if self.simulation.over:
            return
        now = self.simulation.engine.now
        end = now + ticks
        self.written.add(max(0, end - max(now, self._until)))
        self._until = max(self._until, end)

    def ticks_in(self, outcome: Outcome) -> int:
        """Return the ticks of a run in which cells were written, without those behind its end."""
        skipped = 0 if outcome.fast_forward is None else outcome.fast_forward.ticks
        return self.written.count - max(0, self._until - (outcome.makespan - skipped))


def bank_ports(component: Component, banks: int) -> list[Any]:
    """Return a component's ports to the banks of arrays of a stage."""
    doc = "a bank of arrays, to write or to read it"
    return [component.port(Shared(doc=doc), f"bank[{bank}]") for bank in range(banks)]


def connect_written(
    whole: Component, writer: TokenWriter, arrays: WrittenArrays, memory: ActivationMemory
) -> None:
    """Let a writer, in front of a memory, fill the arrays of a stage, and tell the memory what is there.

    The memory's depth is that of all banks. Who waits longer for a bank gets it, a product before a write.
    """
    for number, ports in enumerate(zip(arrays.banks, writer.banks, strict=True)):
        whole.share(list(ports), f"bank[{number}]", rule="oldest")
    _, room, _, in_memory = memory.entries[0]
    whole.connect(writer.token_out, arrays.token_in, depth=room)
    whole.connect(writer.written_out, in_memory, depth=None)
    registers = writer.writing.registers
    kept = None if room is None else registers + room
    memory.entries[0] = Entry(writer.entry, registers, kept, arrays.token_in)


@dataclass(frozen=True, eq=False)
class Writing:
    """All that is written token by token on a machine, and what came of it.

    pairs : writers, each with its arrays
    """

    pairs: Sequence[tuple[TokenWriter, WrittenArrays]]

    def meet(self, meter: WritingMeter) -> None:
        """Let all writers tell a meter."""
        for writer, _ in self.pairs:
            writer.meter = meter

    def draw_by(self, seed: int) -> None:
        """Draw pulses by a seed."""
        for writer, _ in self.pairs:
            writer.seed = seed

    def check(self, values: Values) -> None:
        """Raise MappingError for device values: cells of keys and values are not computed."""
        if values.device and self.pairs:
            raise MappingError(
                f"{self.pairs[0][0].layer}: device values of arrays that are written token by token are not "
                "computed; set attention.products=digital, or values to ideal"
            )

    def law(self, images: int) -> tuple[str, int, int]:
        """Return that each token of each image was written once."""
        cells = sum(arrays.cells_of_image for _, arrays in self.pairs)
        done = sum(writer.written.cells for writer, _ in self.pairs)
        return "cells written = cells of all keys and values x images", images * cells, done

    def report(self, outcome: Outcome) -> ProgrammingReport | None:
        """Return what writing took in a run; None where nothing is written.

        A set is what a bank of a stage holds of an image.
        """
        writers = [writer for writer, _ in self.pairs]
        if not writers:
            return None
        total = sum((writer.written for writer in writers), Writes())
        meter = writers[0].meter
        assert meter is not None
        return ProgrammingReport(
            cycles=-(-meter.ticks_in(outcome) // outcome.reference.ticks),
            sets=sum(len(writer.banks) for writer in writers),
            rounds=sum(writer.write.count // writer.keys for writer in writers),
            batch=1,
            cells=total.cells,
            pulses=total.pulses,
            failed=total.failed,
            most_writes=max(writer.most_writes for writer in writers),
            images_until_worn=min(w.writing.endurance_writes * len(w.banks) for w in writers),
            energy_j=fsum(_joules(writer, outcome) for writer in writers),
        )

    @property
    def traffic(self) -> CacheTraffic | None:
        """What arrays saw of keys and values: bytes written; none are read, as they are in cells."""
        if not self.pairs:
            return None
        return CacheTraffic(
            written=sum(writer.write.count * writer.token_bytes for writer, _ in self.pairs),
            read=0,
            most_tokens=max(arrays.token_in.peak for _, arrays in self.pairs),
        )
