"""The preset of ideal steps against the rules it is defined by, worked out pixel by pixel."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arch import RunOptions
from arch.machine import MachineRun, machines
from arch.machines.dataflow import DataflowMap
from arch.mapping.stages import Stage
from simcore.settings import overlay
from tests.arch.pipeline_recurrence import picked_pixels
from tests.strategies import NetworkCase, networks
from workloads import (
    AvgPoolNode,
    LoweredNetwork,
    MatrixNode,
    MaxPoolNode,
    Node,
    lower,
)

UNIT = machines["dataflow-unit"]


@dataclass(frozen=True)
class Pace:
    """How fast it may go: copies of each layer with weights, by name, and input pixels a step."""

    replication: dict[str, int] = field(default_factory=dict)
    together: int = 1


def simulated(network: LoweredNetwork, images: int, pace: Pace) -> tuple[DataflowMap, MachineRun]:
    layers = {name: {"replication": copies} for name, copies in pace.replication.items()}
    changes = {"layers": layers, "input_pixels_per_cycle": pace.together}
    machine = UNIT.machine(UNIT.machine.Config.parse(overlay(UNIT.values, changes)))
    placed = machine.map(network)
    assert isinstance(placed, DataflowMap)
    return placed, machine.simulate(placed, images, None, RunOptions(record=True))


def pixels_read(node: Node, shape: tuple[int, int, int], output: int) -> list[int]:
    """Return the pixels of a map that output pixel `output` reads, by brute force."""
    _, height, width = shape
    if not isinstance(node, MatrixNode | MaxPoolNode | AvgPoolNode):
        return [output]
    window = node.window
    row, col = divmod(output, node.shape[2])
    ys = [
        row * window.stride[0] - window.padding[0] + i * window.dilation[0] for i in range(window.kernel[0])
    ]
    xs = [
        col * window.stride[1] - window.padding[1] + j * window.dilation[1] for j in range(window.kernel[1])
    ]
    return [y * width + x for y in ys for x in xs if 0 <= y < height and 0 <= x < width]


def recurrence(placed: DataflowMap, images: int, pace: Pace) -> tuple[dict[str, list[int]], list[int]]:
    """Return when each layer with weights fires, and when each image's last output pixel can be read.

    need(n) : the step in which all that output pixel n reads can be read
    fire(n) : max(need(n), fire(n - copies) + 1), in order; without weights as soon as it can
    readable : fire + 1, without weights at once
    """
    source = placed.network
    size = source.input_shape[1] * source.input_shape[2]
    readable = {source.input: [k // pace.together for k in range(images * size)]}
    fires: dict[str, list[int]] = {}
    for stage in placed.stages:
        fired: list[int] = []
        copies = pace.replication.get(stage.name, 1)
        for n in range(images * stage.pixels):
            image, output = divmod(n, stage.pixels)
            need = max(
                fired[-1:]
                + [0]
                + [
                    step
                    for o in range(len(stage.operands))
                    for step in reads(stage, o, image, output, readable)
                ]
            )
            if isinstance(stage.head, MatrixNode) and n >= copies:
                need = max(need, fired[n - copies] + 1)
            fired.append(need)
        fires[stage.name] = fired
        readable[stage.name] = [step + isinstance(stage.head, MatrixNode) for step in fired]
    last = placed.stages[-1]
    done = readable[last.name]
    return fires, [done[(image + 1) * last.pixels - 1] for image in range(images)]


def reads(stage: Stage, place: int, image: int, output: int, readable: dict[str, list[int]]) -> list[int]:
    """Return when each pixel of one operand that output pixel `output` needs can be read."""
    operand = stage.operands[place]
    head = stage.head if place < len(stage.head.inputs) else None
    pixels = [output] if head is None else pixels_read(head, operand.shape, output)
    if operand.picked is not None:
        pixels = picked_pixels(operand.picked)[output]
    total = operand.shape[1] * operand.shape[2]
    # rows arrive in order, so the last pixel decides; a window in the padding follows the one before it
    return [readable[operand.source][image * total + pixel] for pixel in pixels]


def check(network: LoweredNetwork, images: int, pace: Pace) -> None:
    placed, run = simulated(network, images, pace)
    fires, completed = recurrence(placed, images, pace)
    assert run.completed == completed
    activity = run.outcome.activity
    assert activity is not None
    mvm = activity.states.index("busy:mvm") if "busy:mvm" in activity.states else -1
    for stage in placed.stages:
        if isinstance(stage.head, MatrixNode):
            own = [
                i
                for i, path in enumerate(activity.units)
                if path.startswith(f"core[{stage.name}].") and "crossbar" in path
            ]
            starts = activity.start[np.isin(activity.unit, own) & (activity.state == mvm)]
            # what no output waits for may fire after the last output, and is not recorded
            assert sorted(starts.tolist()) == [step for step in fires[stage.name] if step < completed[-1]]


@given(networks(), st.integers(1, 3), st.data())
@settings(max_examples=60, deadline=None)
def test_any_network_fires_by_the_rules_whatever_its_replication_and_input(
    case: NetworkCase, images: int, data: st.DataObject
) -> None:
    network = lower(case.network)
    assume(network.nodes)
    names = [node.name for node in network.nodes if isinstance(node, MatrixNode)]
    copies = {name: data.draw(st.integers(1, 5), label=name) for name in names}
    check(network, images, Pace(copies, data.draw(st.integers(1, 6), label="together")))
