"""What is known about the pipelined dataflow machine: a worked example, ResNet-32, and totals of networks.

The worked example is a derivation in ideal steps for one image into an empty pipeline (and several behind one
another); `dataflow-unit` must equal it exactly. The totals equal those of common model libraries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from arch import MachineRun, RunOptions
from arch.machine import machines
from arch.machines.dataflow import DataflowMap
from arch.mapping.stages import Stage
from imcsim.chip_targets import published_chips
from imcsim.job_targets import published_jobs
from imcsim.memory_targets import published_memory
from imcsim.replication_targets import replication_ladder
from imcsim.targets import Target
from imcsim.topology_targets import published_topology
from simcore.settings import overlay
from workloads import LoweredNetwork, MatrixNode, lower, networks

_DERIVED = "derived from published rules, by an independent recurrence"
_TABLES = "derived from published layer tables"

#: First step in which each core fires, and steps from its first to its last firing.
_FIRES: Mapping[str, tuple[int, int]] = {
    "c0": (33, 1024),
    **{f"s1 b{1 + n // 2} {'ab'[n % 2]}": (67 + 34 * n, 1024) for n in range(10)},
    "s2 projection": (374, 991),
    **dict(
        zip(
            (f"s2 b{1 + n // 2} {'ab'[n % 2]}" for n in range(10)),
            zip(
                (407, 474, 541, 608, 675, 742, 809, 876, 943, 1010),
                (991, 942, 893, 844, 795, 746, 697, 648, 599, 550),
                strict=True,
            ),
            strict=True,
        )
    ),
    "s3 projection": (1011, 533),
    **dict(
        zip(
            (f"s3 b{1 + n // 2} {'ab'[n % 2]}" for n in range(10)),
            zip(
                (1077, 1210, 1343, 1427, 1462, 1497, 1532, 1567, 1577, 1587),
                (484, 361, 238, 164, 139, 114, 89, 64, 64, 64),
                strict=True,
            ),
            strict=True,
        )
    ),
}
_LINE_PEAKS = {"c0": 67, "s1": 67, "s2 b1 a": 66, "s2": 35, "s3 b1 a": 34, "s3": 19}
_SKIP_PEAKS = {"s1": 68, "s2 b1": 32, "s2": 36, "s3 b1": 16, "s3": 20}


@dataclass(frozen=True)
class _Row:
    """Replication of the three stages, input pixels a step, and what the run must show."""

    copies: tuple[int, int, int]
    together: int
    interval: int
    span: int
    latency: int
    line_bytes: int
    skip_bytes: int

    @property
    def name(self) -> str:
        """How ids call it."""
        return f"{','.join(map(str, self.copies))};{self.together}"


_ROWS = (
    _Row((1, 1, 1), 1, 1024, 1024, 1651, 31_325, 15_744),
    _Row((4, 1, 1), 4, 256, 257, 619, 31_894, 16_084),
    _Row((4, 4, 4), 4, 256, 257, 435, 34_046, 18_240),
    _Row((16, 4, 1), 16, 64, 65, 242, 34_874, 18_704),
)


def published_dataflow() -> Iterator[Target]:
    """Yield core timing, memory, the worked example, the totals and what is known of mappings."""
    yield from published_chips()
    yield from published_jobs()
    yield from published_memory()
    yield from replication_ladder()
    yield from published_topology()
    yield from _worked_example()
    yield from _larger_example()
    yield from _totals()


# -- the worked example --------------------------------------------------------------------------------------


class _Pipeline:
    """One recorded run of ResNet-32 in ideal steps."""

    def __init__(self, row: _Row, images: int) -> None:
        self.network = lower(networks["resnet32-ibm"]())
        self.row = row
        preset = machines["dataflow-unit"]
        names = [node.name for node in self.network.nodes if isinstance(node, MatrixNode)]
        layers = {name: {"replication": self.copies(name)} for name in names}
        changes = {"layers": layers, "input_pixels_per_cycle": row.together}
        machine = preset.machine(preset.machine.Config.parse(overlay(preset.values, changes)))
        placed = machine.map(self.network)
        assert isinstance(placed, DataflowMap)
        self.placed = placed
        self.run: MachineRun = machine.simulate(placed, images, None, RunOptions(record=True))
        self.fires = {s.name: self._starts(s.name) for s in placed.stages if isinstance(s.head, MatrixNode)}

    def copies(self, layer: str) -> int:
        """Return the replication of a layer: c0 counts to stage 1, a projection to the stage it feeds."""
        if layer == "fc":
            return 1
        stage = 1 if layer == "stem" else int(layer.removeprefix("stage")[0])
        return self.row.copies[stage - 1]

    def _starts(self, layer: str) -> np.ndarray[Any, Any]:
        """Return the steps in which a layer's arrays fired, in order."""
        activity = self.run.outcome.activity
        assert activity is not None
        own = [
            i
            for i, path in enumerate(activity.units)
            if path.startswith(f"core[{layer}].") and "crossbar" in path
        ]
        busy = activity.state == activity.states.index("busy:mvm")
        return np.sort(activity.start[busy & np.isin(activity.unit, own)])

    def arrivals(self, source: str) -> np.ndarray[Any, Any]:
        """Return the steps from which each pixel of a tensor can be read."""
        if source == self.network.input:
            pixels = self.network.input_shape[1] * self.network.input_shape[2]
            return np.arange(pixels) // self.row.together
        return self.fires[source] + 1

    def peak(self, stage: Stage, place: int) -> int:
        """Return the most pixels in a buffer that are still to be read, arrivals before frees."""
        operand = stage.operands[place]
        last_use = np.full(operand.firing.pixels, -1)
        for step in range(stage.steps):
            last_use[_pixels_read(stage, place, step)] = step
        read = last_use >= 0
        arrive = self.arrivals(operand.source)[read]
        leave = self.fires[stage.name][last_use[read]] + 1
        steps = np.unique(arrive)
        there = np.searchsorted(np.sort(arrive), steps, side="right")
        gone = np.searchsorted(np.sort(leave), steps, side="right")
        return int((there - gone).max())


def _pixels_read(stage: Stage, place: int, step: int) -> list[int]:
    """Return the pixels of an operand that one step reads."""
    head = stage.head
    if place > 0 or not isinstance(head, MatrixNode):
        return [step]
    window = head.window
    _, height, width = head.in_shapes[0]
    row, col = divmod(step, head.shape[2])
    ys = [row * window.stride[0] - window.padding[0] + i for i in range(window.kernel[0])]
    xs = [col * window.stride[1] - window.padding[1] + j for j in range(window.kernel[1])]
    return [y * width + x for y in ys for x in xs if 0 <= y < height and 0 <= x < width]


def _core(name: str) -> str:
    """Return the layer that the worked example calls `name`, as `s1 b2 a`."""
    if name == "c0":
        return "stem"
    stage, block, *which = name.split()
    if block == "projection":
        return f"stage{stage[1]}-block1-project"
    return f"stage{stage[1]}-block{block[1]}-conv{'ab'.index(which[0]) + 1}"


def _exact(name: str, what: str, published: int, simulated: int) -> Target:
    return Target(f"A9.{name}", what, published, int(simulated), "exact", _DERIVED)


def _worked_example() -> Iterator[Target]:
    pipelines = {row.name: _Pipeline(row, images=1) for row in _ROWS}
    one = pipelines[_ROWS[0].name]
    fires = {name: one.fires[_core(name)] for name in _FIRES}
    for name, (first, _) in _FIRES.items():
        yield _exact(f"first-fire.{_slug(name)}", f"first step of {name}", first, fires[name][0])
    for name, (_, span) in _FIRES.items():
        steps = fires[name][-1] - fires[name][0] + 1
        yield _exact(f"span.{_slug(name)}", f"steps from first to last firing of {name}", span, steps)
    yield from _peaks(one)
    for row in _ROWS:
        pipeline = pipelines[row.name]
        last = max(int(f[-1]) for name, f in pipeline.fires.items() if name != "fc") + 1
        spans = [int(f[-1] - f[0]) + 1 for f in pipeline.fires.values()]
        label = f"replication {row.name}"
        yield _exact(f"{row.name}.latency", f"{label}: step of the last stage-3 pixel", row.latency, last)
        yield _exact(
            f"{row.name}.makespan", f"{label}: step of the output", row.latency + 1, pipeline.run.completed[0]
        )
        yield _exact(f"{row.name}.span", f"{label}: longest span of a core", row.span, max(spans))
        line, skip = _buffer_bytes(pipeline)
        yield _exact(f"{row.name}.line-bytes", f"{label}: line buffers [byte]", row.line_bytes, line)
        yield _exact(f"{row.name}.skip-bytes", f"{label}: skip buffers [byte]", row.skip_bytes, skip)
        for images in (2, 3):
            completed = _Pipeline(row, images).run.completed
            gap = completed[-1] - completed[-2]
            yield _exact(
                f"{row.name}.interval.{images}", f"{label}: interval of {images} images", row.interval, gap
            )


#: Copies of the stem and of the four stages of ResNet-18, input pixels a step, interval and latency [step].
_LARGER = (
    ((1, 1, 1, 1, 1), 4, 12_544, 13_113),
    ((16, 4, 1, 1, 1), 64, 784, 1_045),
    ((64, 16, 4, 1, 1), 256, 196, 332),
)


def _larger_example() -> Iterator[Target]:
    """Yield ResNet-18 at 224 x 224: latency with pools that take no step or one, and the interval."""
    network = lower(networks["resnet18"]())
    preset = machines["dataflow-unit"]
    names = [node.name for node in network.nodes if isinstance(node, MatrixNode) and node.name != "fc"]
    for copies, together, interval, latency in _LARGER:
        # a stage's layers, as stage2-block1-conv1, have the copies of that stage
        of_stage = [0 if name == "stem" else int(name.removeprefix("stage")[0]) for name in names]
        layers = {n: {"replication": copies[stage]} for n, stage in zip(names, of_stage, strict=True)}
        label = f"resnet18.{','.join(map(str, copies))};{together}"
        for pools in (0, 1):
            changes = {
                "detail": "group",
                "layers": layers,
                "input_pixels_per_cycle": together,
                "core": {"digital": {"pool_latency_cycles": pools}},
            }
            machine = preset.machine(preset.machine.Config.parse(overlay(preset.values, changes)))
            completed = machine.simulate(machine.map(network), 2, None, RunOptions()).completed
            what = f"ResNet-18, pools of {pools} steps: step of the output"
            yield _exact(f"{label}.latency.{pools}", what, latency + 2 * pools, completed[0])
            gap = completed[1] - completed[0]
            yield _exact(f"{label}.interval.{pools}", "ResNet-18: interval of 2 images", interval, gap)


def _peaks(pipeline: _Pipeline) -> Iterator[Target]:
    stages = {name: pipeline.placed.stage(_core(name)) for name in _FIRES if not name.endswith("projection")}
    for name, stage in stages.items():
        peak = _LINE_PEAKS.get(name) or _LINE_PEAKS[name[:2]]
        yield _exact(
            f"line-peak.{_slug(name)}", f"line buffer of {name} [pixel]", peak, pipeline.peak(stage, 0)
        )
    for name, stage in stages.items():
        if len(stage.operands) > 1:
            peak = _SKIP_PEAKS.get(name[:5]) or _SKIP_PEAKS[name[:2]]
            yield _exact(
                f"skip-peak.{_slug(name)}", f"skip buffer of {name} [pixel]", peak, pipeline.peak(stage, 1)
            )


def _slug(name: str) -> str:
    return name.replace(" ", "-")


def _buffer_bytes(pipeline: _Pipeline) -> tuple[int, int]:
    """Return bytes of line buffers (projections, classifier left out) and of skip buffers, at their peaks."""
    line = skip = 0
    for stage in pipeline.placed.stages:
        if not isinstance(stage.head, MatrixNode) or stage.name == "fc" or stage.name.endswith("project"):
            continue
        line += pipeline.peak(stage, 0) * stage.operands[0].shape[0]
        if len(stage.operands) > 1:
            skip += pipeline.peak(stage, 1) * stage.operands[1].shape[0]
    return line, skip


# -- totals --------------------------------------------------------------------------------------------------

#: MACs, weights, parameters, products, largest map [pixel], arrays of 128 and of 256 at a bitline a weight.
_TOTALS: Mapping[str, Sequence[int]] = {
    "resnet20": (40_551_040, 268_336, 269_722, 9_089, 1_024, 59, 36),
    "resnet32": (68_862_592, 461_872, 464_154, 14_465, 1_024, 99, 60),
    "resnet32-ibm": (58_700_336, 361_712, 363_922, 14_785, 1_024, 82, 43),
    "resnet18": (1_814_073_344, 11_678_912, 11_689_512, 30_234, 12_544, 727, 201),
    "resnet34": (3_663_761_408, 21_779_648, 21_797_672, 41_308, 12_544, 1_349, 371),
    "resnet50": (4_089_184_256, 25_502_912, 25_557_032, 61_398, 12_544, 1_576, 422),
    "densenet121": (2_834_161_664, 7_894_208, 7_978_856, 84_085, 12_544, 898, 466),
    "vgg16": (15_470_264_320, 138_344_128, 138_357_544, 137_791, 50_176, 8_454, 2_121),
    "resnet18-cifar100": (555_468_800, 11_210_432, 11_220_132, 6_801, 1_024, 698, 195),
    "resnet34-cifar100": (1_159_448_576, 21_311_168, 21_328_292, 10_417, 1_024, 1_320, 365),
    "densenet121-cifar100": (888_442_880, 6_964_928, 7_048_548, 24_385, 1_024, 841, 454),
}
_FIGURES = ("macs", "weights", "params", "steps", "largest-map", "tiles128", "tiles256")


def _totals() -> Iterator[Target]:
    for name, published in _TOTALS.items():
        network = networks[name]()
        lowered = lower(network)
        found = (
            network.macs,
            sum(node.rows * node.cols for node in _matrices(lowered)),
            network.parameter_count,
            sum(node.shape[1] * node.shape[2] for node in _matrices(lowered)),
            max(node.shape[1] * node.shape[2] for node in _matrices(lowered)),
            _arrays(lowered, 128),
            _arrays(lowered, 256),
        )
        for figure, expected, simulated in zip(_FIGURES, published, found, strict=True):
            what = f"{figure} of {name}"
            yield Target(
                f"C.{name}.{figure}",
                what,
                expected,
                simulated,
                "exact",
                _TABLES,
            )


def _matrices(network: LoweredNetwork) -> list[MatrixNode]:
    return [node for node in network.nodes if isinstance(node, MatrixNode)]


def _arrays(network: LoweredNetwork, size: int) -> int:
    """Return the arrays that the machine's mapping uses."""
    preset = machines["dataflow"]
    machine = preset.machine(
        preset.machine.Config.parse({"core": {"crossbar": {"rows": size, "cols": size}}})
    )
    return sum(row.arrays for row in machine.map(network).rows)
