"""The timing of the dataflow machine a second time: no events, only equations of its units, pixel by pixel.

Every unit takes a token, is busy with it and hands it on, and holds it while there is no room behind. Let
a(n) be when a unit takes its n-th token, d(n) when it is done and p(n) when it has handed it on:

    a(n) = max(p(n - 1), when the token is visible)
    d(n) = a(n) + busy
    p(n) = max(d(n), when a slot behind is free)

A register between two units has one slot, free once its reader has taken the token before; a line buffer has
a slot free once the reader has freed pixel n - depth. The equations are written from the documentation of the
components and know nothing of their processes. What is known of one unit lets others go on; if nothing can,
it is a deadlock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product
from math import ceil
from typing import Any

from arch.machines.dataflow import DataflowConfig, DataflowMap
from arch.mapping.stages import Stage
from workloads import (
    AddEmbeddingNode,
    AddNode,
    AvgPoolNode,
    ClassTokenNode,
    EmbeddingNode,
    LayerNormNode,
    LoweredNetwork,
    MatrixNode,
    MaxPoolNode,
    MixNode,
    MulNode,
    Node,
    ScoresNode,
    SelectNode,
    SoftmaxNode,
)


class Stuck(Exception):  # noqa: N818  -- what happened, not an error
    """Nothing can go on: a deadlock."""


@dataclass(frozen=True)
class Step:
    """One step of one image, as one operand sees it.

    need : pixels that must be there, counted from the image's first
    live : first pixel that this step or a later one reads
    columns : columns of the window that the step before did not have
    width : columns of the window
    reads : pixels in the window
    """

    need: int
    live: int
    columns: int = 1
    width: int = 1
    reads: tuple[int, ...] = ()


def steps_by_enumeration(window: Any, height: int, width: int, together: int = 1) -> list[Step]:
    """Return the steps of a sliding window, found by looking at every pixel that every window reads.

    together : windows of a row that a step reads at once, with all columns from their first to their last
    """
    top, left, bottom, right = window.padding
    reads: list[list[int]] = []
    columns: list[int] = []
    y = -top
    while y + window.span[0] <= height + bottom:
        held = set[int]()
        lefts = range(-left, width + right - window.span[1] + 1, window.stride[1])
        for x in lefts[::together]:
            rows = [y + i * window.dilation[0] for i in range(window.kernel[0])]
            cols = [x + i * window.dilation[1] for i in range(window.kernel[1])]
            if together > 1:
                cols = list(range(x, x + window.kernel[1] + (together - 1) * window.stride[1]))
            reads.append(
                [r * width + c for r, c in product(rows, cols) if 0 <= r < height and 0 <= c < width]
            )
            columns.append(len(set(cols) - held))
            held = set(cols)
        y += window.stride[0]
    span = window.kernel[1] + (together - 1) * window.stride[1]
    steps = steps_that_read(reads, height * width)
    return [replace(step, columns=new, width=span) for step, new in zip(steps, columns, strict=True)]


def steps_that_read(reads: list[list[int]], pixels: int) -> list[Step]:
    """Return the steps that read these of so many pixels of an image, one by one."""
    return [
        Step(
            need=max((pixel + 1 for read in reads[: n + 1] for pixel in read), default=0),
            live=min((pixel for read in reads[n:] for pixel in read), default=pixels),
            columns=len(reads[n]),
            width=len(reads[n]),
            reads=tuple(reads[n]),
        )
        for n in range(len(reads))
    ]


def picked_pixels(select: SelectNode) -> list[list[int]]:
    """Return the one pixel that each pixel of a selection is made of, or none where it is zeros."""
    _, height, width = select.in_shapes[0]
    rows = range(height) if select.rows is None else select.rows
    columns = range(width) if select.columns is None else select.columns
    return [[row * width + column] if min(row, column) >= 0 else [] for row, column in product(rows, columns)]


def in_steps(reads: list[list[int]], across: int, together: int) -> list[list[int]]:
    """Return what is read by so many pixels of a row together, rows being so many pixels across."""
    rows = [reads[start : start + across] for start in range(0, len(reads), across)]
    steps = [row[x : x + together] for row in rows for x in range(0, across, together)]
    return [[pixel for read in step for pixel in read] for step in steps]


@dataclass
class Buffer:
    """Line buffer in front of a stage; `accepted[k]` is when pixel k took its slot."""

    source: str
    depth: int | None
    pixels: int
    steps: list[Step]
    accepted: list[int] = field(default_factory=list)
    freed: list[tuple[int, int]] = field(default_factory=list)  # (tick, index below which all is free)

    def slot_free(self, pixel: int) -> int:
        """Return when there is room for a pixel; IndexError if that is not known yet."""
        if self.depth is None:
            return 0
        place = 0
        while self.freed[place][1] <= pixel - self.depth:
            place += 1
        return self.freed[place][0]

    def free(self, tick: int, image: int, step: int) -> None:
        """Free what no step behind this one reads."""
        last = step == len(self.steps) - 1
        live = self.pixels + self.steps[0].live if last else self.steps[step + 1].live
        self.freed.append((tick, image * self.pixels + live))

    def peak(self) -> int:
        """Return the most slots in use at the end of a tick."""
        most = 0
        for tick in {*self.accepted, *(t for t, _ in self.freed)}:
            there = sum(t <= tick for t in self.accepted)
            most = max(most, there - max(index for t, index in self.freed if t <= tick))
        return most


@dataclass
class Unit:
    """A unit with the slots of the register behind it; `taken` and `handed` are a(n) and p(n)."""

    busy: Callable[[int], int]
    slots: int = 1
    latency: int = 0
    taken: list[int] = field(default_factory=list)
    handed: list[int] = field(default_factory=list)

    def take(self, visible: int) -> int:
        """Return when the next token is done, which becomes visible at a tick, and note when it was taken."""
        tick = max(self.handed[-1] if self.handed else 0, visible)
        self.taken.append(tick)
        return tick + self.busy(len(self.taken) - 1)


@dataclass
class Core:
    """All units of one stage."""

    stage: Stage
    buffers: list[Buffer]
    memory: Unit
    arrays: list[list[Unit]]  # for each array: itself, and its converters where they take time
    digital: Unit
    pixels: list[range] | None = None  # of each step of an image, where it gives several
    sent: list[int] = field(default_factory=list)  # when each pixel was, where a step gives several

    @property
    def steps(self) -> int:
        return len(self.buffers[0].steps)


def phases_of(config: DataflowConfig) -> int:
    """Return the phases of a product's inputs."""
    crossbar, bits = config.core.crossbar, config.activation_bits
    phases = ceil(bits / crossbar.dac_bits) if crossbar.input_form == "bit-serial" else 1
    if crossbar.input_sign == "split":
        phases *= 2
    if crossbar.input_sign == "twos-complement":
        phases += 1
    return phases


def reads_of(config: DataflowConfig) -> int:
    """Return how often an array is read for one product: in each phase, once a group of its rows."""
    crossbar = config.core.crossbar
    return phases_of(config) * ceil(crossbar.rows / (crossbar.active_rows or crossbar.rows))


def read_bytes(stage: Stage, steps: Sequence[Step], sizes: Sequence[int], *, whole: bool) -> int:
    """Return the bytes of what a step reads, as each operand sees it: new columns or all, pixels of skips.

    sizes : bytes of a pixel of each operand
    """
    head, height = stage.head, 1
    if isinstance(head, MatrixNode | MaxPoolNode | AvgPoolNode) and not stage.accumulates:
        height = head.window.kernel[0]
    window, *skips = sizes
    columns = steps[0].width if whole else steps[0].columns
    pixels = zip(steps[1:], skips, strict=True)
    return columns * height * window + sum(len(step.reads) * size for step, size in pixels)


def elements_of_tables(stage: Stage, pixel: int) -> int:
    """Return the elements of rows of tables that are read for a pixel: of ids, positions, tokens in front."""
    elements = 0
    for node in (stage.head, *stage.after):
        in_front = isinstance(node, ClassTokenNode) and pixel < node.tokens
        if in_front or isinstance(node, EmbeddingNode | AddEmbeddingNode):
            tables = len(node.layers) if isinstance(node, AddEmbeddingNode) else 1
            elements += tables * node.shape[0]
    return elements


def id_bits(network: LoweredNetwork) -> dict[str, int]:
    """Return the bits of each tensor of token ids, the input's and those of what picks from it."""
    entries = [node.entries for node in network.nodes if isinstance(node, EmbeddingNode)]
    if not entries:
        return {}
    bits = max(1, len(f"{min(entries) - 1:b}"))
    found = {network.input: bits}
    for node in network.nodes:
        if isinstance(node, SelectNode) and node.inputs[0] in found:
            found[node.name] = bits
    return found


def passes_of(node: Node) -> int:
    """Return how often a digital unit passes over what a node gives, one for each pixel it takes to it."""
    if isinstance(node, SoftmaxNode | LayerNormNode):
        return 3
    if isinstance(node, AddEmbeddingNode):
        return len(node.layers)
    return len(node.inputs) - 1 if isinstance(node, AddNode | MulNode) else 1


def keys_seen(causal: int | None, keys: int, token: int) -> int:
    """Return how many keys a token sees, counted one by one."""
    return sum(causal is None or key <= token + causal for key in range(keys))


def passed_over(node: Node, pixel: int) -> int:
    """Return the channels of a pixel that one pass goes over: of scores and shares, those of keys it sees."""
    if isinstance(node, ScoresNode):
        return node.heads * keys_seen(node.causal, node.shape[0] // node.heads, pixel)
    if isinstance(node, SoftmaxNode):
        return node.groups * keys_seen(node.causal, node.shape[0] // node.groups, pixel)
    return node.shape[0]


class Recurrence:
    """A placed network on a machine, and when each of `images` comes out.

    completed : tick of each image's last output pixel
    peaks : most slots in use, by stage and operand
    raises : Stuck at a deadlock
    """

    def __init__(self, config: DataflowConfig, placed: DataflowMap, images: int) -> None:
        self.config = config
        self.images = images
        self.latency = config.fabric.latency_cycles
        self.input = placed.network.input
        self.id_bits = id_bits(placed.network)
        self.pixels = placed.network.input_shape[1] * placed.network.input_shape[2]
        self.cores = {stage.name: self._core(stage, placed) for stage in placed.stages}
        self.readers: dict[str, list[Buffer]] = {name: [] for name in (self.input, *self.cores)}
        for core in self.cores.values():
            for buffer in core.buffers:
                self.readers[buffer.source].append(buffer)
        last = placed.stages[-1]
        self.outputs = Buffer(last.name, None, last.pixels, [])
        self.readers[last.name].append(self.outputs)
        self.source = Unit(lambda n: config.source.pixel_cycles)
        self._solve()
        self.completed = [
            self.outputs.accepted[(image + 1) * last.pixels - 1] + self._hop(last.name)
            for image in range(images)
        ]
        self.peaks = {
            (name, place): buffer.peak()
            for name, core in self.cores.items()
            for place, buffer in enumerate(core.buffers)
        }

    # -- from configuration to units -------------------------------------------------------------------------

    def _core(self, stage: Stage, placed: DataflowMap) -> Core:
        config = self.config.core
        head = stage.head
        together = self._pixels_per_step(head)
        buffers = []
        for place, operand in enumerate(stage.operands):
            _, height, width = operand.shape
            if (
                place == 0
                and not stage.accumulates
                and isinstance(head, MatrixNode | MaxPoolNode | AvgPoolNode)
            ):
                steps = steps_by_enumeration(head.window, height, width, together)
            else:
                reads = [[n] for n in range(height * width)]
                if operand.picked is not None:
                    reads = picked_pixels(operand.picked)
                elif isinstance(head, ClassTokenNode):
                    reads = [[]] * head.tokens + reads
                elif isinstance(head, ScoresNode | MixNode) and place == 0:
                    reads = self._keys_read(head, height * width)
                steps = steps_that_read(in_steps(reads, stage.shape[2], together), height * width)
            depth = placed.depths[stage.name, place]
            buffers.append(Buffer(operand.source, depth, height * width, steps))
            buffers[-1].freed.append((0, steps[0].live))
        first = buffers[0].steps
        column_blocks, hops = 1, 0
        arrays: list[list[Unit]] = []
        if isinstance(head, MatrixNode):
            arrays, row_blocks, column_blocks = self._arrays(head)
            hops = row_blocks - 1
        if isinstance(head, ScoresNode | MixNode):
            arrays = [[Unit(self._multiplying(head))]]
        passes = passes_of(head)
        if isinstance(head, MaxPoolNode | AvgPoolNode) and not stage.accumulates:
            passes = head.window.positions
        if isinstance(head, AddNode | MulNode):
            passes = 1 + passes_of(head)

        def pass_cycles(channels: int) -> int:
            return ceil(ceil(channels / column_blocks) / config.digital.lanes) * config.digital.pass_cycles

        def pixel_cycles(pixel: int) -> int:
            behind = sum(passes_of(node) * pass_cycles(passed_over(node, pixel)) for node in stage.after)
            return passes * pass_cycles(passed_over(head, pixel)) + behind

        step_cycles = passes * pass_cycles(head.shape[0])
        steps_per_pixel = len(first) if stage.accumulates else 1
        pixels: list[range] | None = None
        if together > 1:
            _, height, width = stage.shape
            pixels = [
                range(row + x, row + min(x + together, width))
                for row in range(0, height * width, width)
                for x in range(0, width, together)
            ]

        def digital(n: int) -> int:
            pixel, unfinished = divmod(n + 1, steps_per_pixel)
            if unfinished:
                return step_cycles
            # Pixels of one step take the same time: nothing hides keys from what arrays give.
            return pixel_cycles(0 if together > 1 else (pixel - 1) % stage.pixels)

        for array in arrays:
            array[-1].slots, array[-1].latency = hops + 1, hops * config.partial_sum_cycles
        return Core(
            stage,
            buffers,
            Unit(
                lambda n: self._read_cycles(
                    stage, [b.steps[n % len(first)] for b in buffers], self._pixels_of(stage, n, pixels)
                )
            ),
            arrays,
            Unit(digital),
            pixels,
        )

    @staticmethod
    def _pixels_of(stage: Stage, n: int, pixels: list[range] | None) -> Sequence[int]:
        """Return the pixels of its image that are made of a window."""
        if pixels is not None:
            return pixels[n % len(pixels)]
        steps = len(stage.operands[0].firing.need)
        return [n % steps] if not stage.accumulates else [0] * ((n + 1) % steps == 0)

    @staticmethod
    def _keys_read(head: ScoresNode | MixNode, keys: int) -> list[list[int]]:
        """Return the keys, or values, that each token reads."""
        tokens = head.shape[1] * head.shape[2]
        return [list(range(keys_seen(head.causal, keys, token))) for token in range(tokens)]

    def _multiplying(self, head: ScoresNode | MixNode) -> Callable[[int], int]:
        """Return what tells for how long the multipliers are busy with a token."""
        unit = self.config.attention.unit
        channels, height, width = head.in_shapes[1]
        products = head.heads * channels // head.key_heads
        tokens = head.shape[1] * head.shape[2]

        def busy(n: int) -> int:
            seen = keys_seen(head.causal, height * width, n % tokens)
            return ceil(seen * products / unit.macs) * unit.pass_cycles

        return busy

    def _hop(self, sender: str) -> int:
        """Return how long a pixel of a stage, or of the input, takes to the memories that hold it."""
        core = self.cores.get(sender)
        pools = core is not None and isinstance(core.stage.head, MaxPoolNode | AvgPoolNode)
        return self.latency + (int(self.config.core.digital.pool_latency_cycles) if pools else 0)

    def _row_split(self, layer: str) -> str:
        own = self.config.layers.get(layer)
        return own.rows if own is not None and own.rows is not None else self.config.mapping.rows

    def _pixels_per_step(self, head: Any) -> int:
        if not isinstance(head, MatrixNode):
            return 1
        own = self.config.layers.get(head.name)
        chosen = own.pixels_per_step if own is not None else None
        return min(chosen or self.config.mapping.pixels_per_step, head.shape[2])

    def _read_cycles(self, stage: Stage, steps: Sequence[Step], pixels: Sequence[int]) -> int:
        """Return how long the memory reads for one step, as each operand sees it.

        pixels : that are made of it
        """
        memory: Any = self.config.core.memory
        if memory.port_bytes is not None:
            return -(-self._read_bytes(stage, steps, pixels) // int(memory.port_bytes))
        columns = steps[0].width if self._reads_all(stage) else steps[0].columns
        return columns * int(1 if memory.column_cycles is None else memory.column_cycles)

    def _read_bytes(self, stage: Stage, steps: Sequence[Step], pixels: Sequence[int]) -> int:
        """Return the bytes of what a step reads, with rows of tables."""
        bits = self.config.activation_bits
        sizes = [ceil(o.shape[0] * self.id_bits.get(o.source, bits) / 8) for o in stage.operands]
        rows = sum(elements_of_tables(stage, pixel) for pixel in pixels)
        return read_bytes(stage, steps, sizes, whole=self._reads_all(stage)) + ceil(rows * bits / 8)

    def _reads_all(self, stage: Stage) -> bool:
        """Whether a stage reads its whole window for each step."""
        slides = isinstance(stage.head, MatrixNode | MaxPoolNode | AvgPoolNode) and not stage.accumulates
        return slides and self.config.core.memory.window == "whole-window"

    def image_bytes(self, name: str) -> int:
        """Return the bytes that a stage reads for an image."""
        core = self.cores[name]
        steps = enumerate(zip(*(buffer.steps for buffer in core.buffers), strict=True))
        return sum(
            self._read_bytes(core.stage, each, self._pixels_of(core.stage, n, core.pixels))
            for n, each in steps
        )

    def _arrays(self, head: MatrixNode) -> tuple[list[list[Unit]], int, int]:
        """Return the arrays of a matrix, the row blocks that add up, and the blocks side by side."""
        config = self.config.core
        rows, cols = config.crossbar.rows, config.crossbar.cols
        copies = self._pixels_per_step(head)
        high, wide = head.window.kernel
        positions = high * (wide + (copies - 1) * head.window.stride[1])
        channels = head.in_shapes[0][0] // head.groups
        group_rows, group_cols = positions * channels, copies * head.cols_per_group
        together = min(rows // group_rows, cols // group_cols)
        row_blocks = 1
        widths: list[int] = []
        if together:
            groups = head.groups
            while groups > 0:
                widths.append(min(groups, together) * group_cols)
                groups -= together
        else:
            row_blocks = -(-group_rows // rows)
            if self._row_split(head.name) == "channel-aligned":
                row_blocks = ceil(channels / (rows // positions))
            for _ in range(head.groups):
                widths += [cols] * (group_cols // cols)
                widths += [group_cols % cols] if group_cols % cols else []
        if self.config.detail == "group":
            widths_of_units, repeats = [max(widths)], 1
        else:
            widths_of_units, repeats = widths, row_blocks
        arrays, reads = [], reads_of(self.config)
        for width in widths_of_units * repeats:
            units = [Unit(lambda n: config.crossbar.mvm_cycles * reads)]
            if config.adc.kind == "shared-adc":
                adc: Any = config.adc
                turns = min(adc.bitlines, width) * reads * adc.cycles
                units.append(Unit(lambda n, turns=turns: turns))  # type: ignore[misc]
            arrays.append(units)
        return arrays, row_blocks, len(widths)

    # -- the equations ---------------------------------------------------------------------------------------

    def _solve(self) -> None:
        """Work out every tick, each as soon as what it depends on is known."""
        equations: list[Callable[[], bool]] = [self._source_sends]
        for core in self.cores.values():
            of_core = (self._memory, self._arrays_multiply, self._digital)
            equations += [partial(equation, core) for equation in of_core]
        moved = True
        while moved:
            moved = False
            for known in equations:
                while known():
                    moved = True
        if len(self.outputs.accepted) < self.images * self.outputs.pixels:
            raise Stuck

    def _send(self, source: str, pixel: int, ready: int) -> int | None:
        """Let each reader of a tensor accept a pixel when it has room; return when the last one has."""
        complete = True
        for buffer in self.readers[source]:
            if len(buffer.accepted) == pixel:
                try:
                    buffer.accepted.append(max(ready, buffer.slot_free(pixel)))
                except IndexError:
                    complete = False
        if not complete:
            return None
        return max(buffer.accepted[pixel] for buffer in self.readers[source])

    def _source_sends(self) -> bool:
        pixel = len(self.source.handed)
        if pixel == self.images * self.pixels:
            return False
        ready = self.source.handed[-1] + self.config.source.pixel_cycles if pixel else 0
        sent = self._send(self.input, pixel, ready)
        if sent is not None:
            self.source.handed.append(sent)
        return sent is not None

    def _memory(self, core: Core) -> bool:
        memory = core.memory
        n = len(memory.handed)
        image, step = divmod(n, core.steps)
        if image == self.images:
            return False
        if len(memory.taken) == n:
            visible = 0
            for buffer in core.buffers:
                if need := buffer.steps[step].need:
                    pixel = image * buffer.pixels + need - 1
                    if pixel >= len(buffer.accepted):
                        return False
                    visible = max(visible, buffer.accepted[pixel] + self._hop(buffer.source))
            done = memory.take(visible)
            for buffer in core.buffers:
                buffer.free(done, image, step)
        readers = [array[0] for array in core.arrays] or [core.digital]
        if n and any(len(reader.taken) < n for reader in readers):
            return False
        room = max(reader.taken[n - 1] for reader in readers) if n else 0
        memory.handed.append(max(memory.taken[n] + memory.busy(n), room))
        return True

    def _arrays_multiply(self, core: Core) -> bool:
        moved = False
        for array in core.arrays:
            for place, unit in enumerate(array):
                n = len(unit.handed)
                before = core.memory if place == 0 else array[place - 1]
                behind = core.digital if place == len(array) - 1 else array[place + 1]
                if len(unit.taken) == n:
                    ready = self._window_there(core, unit, n) if place == 0 else self._handed(before, n)
                    if ready is None:
                        continue
                    unit.take(ready)
                full = n - unit.slots
                if full >= 0 and len(behind.taken) <= full:
                    continue
                room = behind.taken[full] if full >= 0 else 0
                unit.handed.append(max(unit.taken[n] + unit.busy(n), room))
                moved = True
        return moved

    @staticmethod
    def _handed(unit: Unit, n: int) -> int | None:
        return unit.handed[n] if n < len(unit.handed) else None

    @staticmethod
    def _window_there(core: Core, array: Unit, n: int) -> int | None:
        """Return when one array's copy of a window is there, perhaps before others have room for theirs."""
        if n >= len(core.memory.taken) or (n and len(array.taken) < n):
            return None
        room = array.taken[n - 1] if n else 0
        return max(core.memory.taken[n] + core.memory.busy(n), room)

    def _digital(self, core: Core) -> bool:
        digital = core.digital
        n = len(digital.handed)
        if len(digital.taken) == n:
            lasts = [array[-1] for array in core.arrays] or [core.memory]
            if any(len(unit.handed) <= n for unit in lasts):
                return False
            digital.take(max(unit.handed[n] + unit.latency for unit in lasts))
        if core.pixels is not None:
            return self._sends_several(core, core.pixels, n)
        done = digital.taken[n] + digital.busy(n)
        steps = core.steps if core.stage.accumulates else 1
        pixel, unfinished = divmod(n + 1, steps)
        if unfinished:
            digital.handed.append(done)
            return True
        sent = self._send(core.stage.name, pixel - 1, done)
        if sent is not None:
            digital.handed.append(sent)
        return sent is not None

    def _sends_several(self, core: Core, pixels: list[range], n: int) -> bool:
        """Work off the pixels of a step one by one, each once the one before is handed on."""
        digital, sent = core.digital, core.sent
        image, step = divmod(n, len(pixels))
        first = image * pixels[-1].stop
        for pixel in pixels[step]:
            if len(sent) == first + pixel:
                begun = digital.taken[n] if pixel == pixels[step].start else sent[-1]
                handed = self._send(core.stage.name, first + pixel, begun + digital.busy(n))
                if handed is None:
                    return False
                sent.append(handed)
        digital.handed.append(sent[-1])
        return True
