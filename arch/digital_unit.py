"""The digital unit of a core: scale, activate, pool and add, a vector of channels at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from arch.cost import COLUMN_FINISH, DIGITAL_AREA
from arch.mapping.adjacent_pixels import AdjacentPixels
from arch.mapping.stages import Stage
from arch.mapping.tiling import Tiling
from arch.tokens import Pixel, Token
from simcore import (
    MOST_CYCLES,
    Component,
    In,
    Operation,
    Out,
    PartConfig,
    Process,
    components,
    param,
    process,
)
from workloads import (
    AddEmbeddingNode,
    AddNode,
    AvgPoolNode,
    LayerNormNode,
    MaxPoolNode,
    MulNode,
    Node,
    ScoresNode,
    SoftmaxNode,
)

#: Passes of a softmax over a pixel's channels: exponentials, their sum, the share of each; assumed.
SOFTMAX_PASSES = 3

#: Passes of a layer norm: sums of codes and of their squares, differences over the root, gain and offset;
#: assumed.
LAYER_NORM_PASSES = 3


class DigitalUnitConfig(PartConfig):
    """Width, speed and cost of one core's unit."""

    lanes: int = param(
        64, ge=1, unit="channel", doc="channels in one pass; 64 units of four columns each (NMPU, 2024)"
    )
    pass_cycles: int = param(
        1,
        ge=0,
        le=MOST_CYCLES,
        unit="cycle",
        doc="time of one pass over the lanes, assumed; 0 hides it in the product",
    )
    pool_latency_cycles: int = param(
        0,
        ge=0,
        le=MOST_CYCLES,
        unit="cycle",
        doc="from the last pass of a pool until its pixel is sent, pipelined; none, assumed",
    )
    channel_energy_pj: float = param(
        COLUMN_FINISH.value, ge=0, unit="pJ", doc=f"energy of one pass of one channel; {COLUMN_FINISH.source}"
    )
    area_mm2: float = param(
        DIGITAL_AREA.value, ge=0, unit="mm2", doc=f"area of a core's unit; {DIGITAL_AREA.source}"
    )

    def cycles_of_pass(self, channels: int, units: int = 1) -> int:
        """Return the cycles of one pass over so many channels of a pixel, which units share."""
        return -(-channels // (units * self.lanes)) * self.pass_cycles

    def step_cycles(self, stage: Stage, units: int = 1) -> int:
        """Return the cycles of a step that completes no pixel."""
        return step_passes(stage) * self.cycles_of_pass(stage.head.shape[0], units)

    def finish_cycles(self, stage: Stage, units: int = 1) -> list[int]:
        """Return the cycles of the step that completes each pixel of an image; one if all are alike."""
        return [
            sum(self.cycles_of_pass(channels, units) for channels in passes_of_pixel(stage, pixel))
            for pixel in unlike_pixels(stage)
        ]


def step_passes(stage: Stage) -> int:
    """Return the passes over its head's channels that a stage takes in every step."""
    head = stage.head
    if isinstance(head, (MaxPoolNode, AvgPoolNode)) and not stage.accumulates:
        return head.window.positions
    return _passes(head)


def last_passes(stage: Stage, pixel: int = -1) -> list[int]:
    """Return the channels of each further pass in a step that completes a pixel.

    There is one for each operand that a sum adds or a product takes; other nodes pass by themselves.

    pixel : of an image; the last one, for which no pass has fewer channels than for others, if left out
    """
    head = stage.head
    passes: list[int] = []
    if isinstance(head, (AddNode, MulNode)):
        passes += head.shape[:1] * (len(head.inputs) - 1)
    before = head
    for node in stage.after:
        further = sum(name != before.name for name in node.inputs)
        times = further if isinstance(node, (AddNode, MulNode)) else _passes(node)
        passes += [channels_of(node, pixel)] * times
        before = node
    return passes


def passes_of_pixel(stage: Stage, pixel: int = -1) -> list[int]:
    """Return the channels of each pass of a step that completes a pixel; see `last_passes`."""
    return [channels_of(stage.head, pixel)] * step_passes(stage) + last_passes(stage, pixel)


def channels_of(node: Node, pixel: int = -1) -> int:
    """Return the channels of one pass of a node: all, or those of keys that the token sees in its heads."""
    if isinstance(node, ScoresNode):
        return node.heads * int(node.visible[pixel])
    if isinstance(node, SoftmaxNode):
        return node.groups * int(node.visible[pixel])
    return node.shape[0]


def unlike_pixels(stage: Stage) -> Sequence[int]:
    """Return the pixels of an image if some passes have fewer channels for some of them, or else one."""
    nodes = (stage.head, *stage.after)
    unlike = any(isinstance(node, (ScoresNode, SoftmaxNode)) and node.causal is not None for node in nodes)
    return range(stage.pixels) if unlike else (-1,)


def _passes(node: Node) -> int:
    """Return the passes that a node takes for a pixel of one operand."""
    if isinstance(node, LayerNormNode):
        return LAYER_NORM_PASSES
    if isinstance(node, AddEmbeddingNode):
        return len(node.layers)
    return SOFTMAX_PASSES if isinstance(node, SoftmaxNode) else 1


@components.register("digital-unit")
class DigitalUnit(Component):
    """Finishes output pixels: bias, scale and clip; residuals; pools; lookups. One kind of work, one pass.

    Timing: each pass takes ceil(channels / lanes) x `pass_cycles`; a stage on several column blocks or with
    replicas has as many units, which share the channels of each pixel. A pool passes once for each pixel of
    its window, a sum or a product once for each further operand, a softmax or a layer norm three times, a
    concatenation over all its channels; a selection passes once where it is a stage of its own, and not where
    its readers pick. Of scores, and the softmax behind them, only those of keys that a token sees are passed
    over. What stands behind a global pool passes once an image. The sums of several pixels are there at once,
    and its lanes finish and send one pixel after the other.

    stage, cores, sharing : what it works for; cores of the stage (0 without arrays), units that share its
        channels
    finish : computes the values of one step, None in a run without values
    """

    Config = DigitalUnitConfig
    family = "digital"
    config: DigitalUnitConfig

    sums_in = In(Token, doc="column sums of an array, or a window where the stage has none")
    pixel_out = Out(Pixel, doc="finished pixels, in order, to every reader's activation memory")
    work = Operation(
        "finish", doc="all passes of one step, or of each of its pixels", set_by=("pass_cycles", "lanes")
    )

    stage: Stage
    cores: int = 0
    sharing: int = 1
    finish: Callable[[int], None] | None = None

    def lay_out(self, stage: Stage, tiling: Tiling | None, replicas: int) -> None:
        """Set up the units of a stage."""
        self.stage = stage
        if tiling is not None:
            self.cores = len(tiling.blocks) * replicas
            self.sharing = len(tiling.blocks) // tiling.row_blocks * replicas

    @property
    def latency_cycles(self) -> int:
        """Cycles from the last pass until the pixel is sent."""
        pools = isinstance(self.stage.head, (MaxPoolNode, AvgPoolNode))
        return self.config.pool_latency_cycles if pools else 0

    @property
    def pixels(self) -> int:
        """Pixels finished so far."""
        return self.work.count // self.stage.steps_per_pixel

    @property
    def passes(self) -> int:
        """Passes over the head's channels in every step."""
        return step_passes(self.stage)

    @property
    def step_cycles(self) -> int:
        """Cycles of a step that completes no pixel."""
        return self.config.step_cycles(self.stage, self.sharing)

    @property
    def finish_cycles(self) -> int:
        """Cycles of a step that completes a pixel, the longest."""
        return self.pixel_cycles[-1]

    @property
    def pixel_cycles(self) -> list[int]:
        """Cycles of the step that completes each pixel of an image; one if all are alike."""
        return self.config.finish_cycles(self.stage, self.sharing)

    def lasts(self) -> Mapping[str, Sequence[int]]:
        """Return the cycles of each step, or pixel, of an image; fewer where they repeat within it."""
        unfinished = [self.step_cycles] * (self.stage.steps_per_pixel - 1)
        return {"work": [cycles for last in self.pixel_cycles for cycles in (*unfinished, last)]}

    @process
    def serve(self) -> Process:
        """Take sums, pass over their channels, hand the pixel on; a global pool hands on one an image."""
        cycles, finish = self.lasts()["work"], self.finish
        if self.stage.adjacent is not None:
            yield from self._serve_several(self.stage.adjacent)
            return
        steps_per_pixel, alike = self.stage.steps_per_pixel, len(cycles)
        relay = self.relay(self.work, self.sums_in, self.pixel_out)
        step = yield relay.get()
        while True:
            if finish is not None:
                finish(step)
            if steps_per_pixel == 1:
                step = yield relay.next(cycles[step % alike], step)
                continue
            pixels, unfinished = divmod(step + 1, steps_per_pixel)
            if unfinished:
                step = yield relay.swallow(cycles[step % alike])
            else:
                step = yield relay.next(cycles[step % alike], pixels - 1)

    def _serve_several(self, adjacent: AdjacentPixels) -> Process:
        """Take the sums of several pixels, pass over the channels of one after the other, hand each on."""
        cycles, finish = self.lasts()["work"], self.finish
        while True:
            step = yield self.sums_in.get()
            if finish is not None:
                finish(step)
            for pixel in adjacent.pixels_of(step):
                yield self.work.hold(cycles[pixel % len(cycles)])
                yield self.pixel_out.put(pixel)

    def phase(self, items: int) -> tuple[int, ...]:
        """Return the step of the present image, or its pixel where each is a pass of its own."""
        of_image = self.stage.steps if self.stage.adjacent is None else self.stage.pixels
        return (self.work.count - items * of_image,)

    def actions(self) -> dict[str, int]:
        """Add channel passes."""
        stage = self.stage
        sizes = [sum(passes_of_pixel(stage, pixel)) for pixel in unlike_pixels(stage)]
        rounds, further = divmod(self.pixels, len(sizes))
        unfinished = self.work.count - self.pixels
        channels = rounds * sum(sizes) + sum(sizes[:further]) + unfinished * self.passes * stage.head.shape[0]
        return {**super().actions(), "channel pass": channels}

    def action_energy(self) -> dict[str, float]:
        """Return the energy of a channel pass [J]."""
        return {"channel pass": self.config.channel_energy_pj * 1e-12}

    def area(self) -> float:
        """Return the area of the stage's units [mm2]; a stage without arrays uses its producer's."""
        return self.cores * self.config.area_mm2
