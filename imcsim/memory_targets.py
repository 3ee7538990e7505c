"""What is known about the activation memory of networks: bytes of line buffers under each rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from arch.machine import machines
from arch.machines.dataflow import DataflowMap
from imcsim.targets import Target
from workloads import LoweredNetwork, MatrixNode, lower, networks

_TABLES = "derived from published layer tables"
_RULES = ("minimum", "lines:K", "lines:K+1", "full")
#: Bytes of one buffer for each layer with weights, at 8 bits: pools, skips and copies are not counted.
_BYTES: Mapping[str, Sequence[int]] = {
    "resnet32-ibm": (31_469, 42_820, 57_060, 310_840),
    "resnet18": (129_877, 177_696, 235_712, 2_183_168),
    "resnet34": (255_701, 349_728, 465_088, 3_437_568),
    "resnet50": (172_373, 229_792, 298_560, 10_664_448),
    "vgg16": (303_817, 422_368, 552_064, 9_115_136),
}


def published_memory() -> Iterator[Target]:
    """Yield the bytes of each network's line buffers under each rule."""
    for name, sizes in _BYTES.items():
        network = lower(networks[name]())
        for rule, size in zip(_RULES, sizes, strict=True):
            what = f"line buffers of {name}, {rule} [byte]"
            yield Target(f"A4.{name}.{rule}", what, size, _line_bytes(network, rule), "exact", _TABLES)


def _line_bytes(network: LoweredNetwork, rule: str) -> int:
    """Return the bytes of all line buffers in front of layers with weights."""
    preset = machines["dataflow"]
    placed = preset.machine(preset.machine.Config.parse({"buffers": {"rule": rule}})).map(network)
    assert isinstance(placed, DataflowMap)
    total = 0
    for stage in placed.stages:
        if isinstance(stage.head, MatrixNode):
            depth = placed.depths[stage.name, 0]
            assert depth is not None
            total += depth * stage.operands[0].shape[0]
    return total
