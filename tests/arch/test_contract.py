"""Every built-in component keeps the rules that users' components are held to."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

import arch  # registers the built-in components
from arch.activation_memory import Buffer
from arch.arrays.encoding import Encoding
from arch.machines.basisn.lane import LaneWork
from arch.mapping.stages import stages_of
from arch.mapping.tiling import tile
from imcsim.testing import check_component
from simcore import components
from workloads import AttentionScores, Conv2d, Input, MatrixNode, Network, Softmax, Window, lower

# One image of 4 x 6 pixels, as many as the kit sends tokens, through a 3 x 3 convolution.
IMAGE = 24
STAGE = stages_of(
    lower(
        Network(
            "one-conv",
            (
                Input(name="image", shape=(2, 4, 6)),
                Conv2d(name="conv", out_channels=3, window=Window.square(3, padding=1)),
            ),
        )
    )
)[0]
assert isinstance(STAGE.head, MatrixNode)
# As many tokens, each of which sees itself and those before it.
ATTENTION = stages_of(
    lower(
        Network(
            "self-attention",
            (
                Input(name="tokens", shape=(2, IMAGE, 1)),
                AttentionScores(name="scores", inputs=("tokens", "tokens"), heads=2),
                Softmax(name="shares", groups=2, causal=0),
            ),
        )
    ),
    of_tokens=True,
)[0]
TILING = tile(STAGE.head, 8, 2)
BUFFERS = [Buffer("image", 15, 2)]


def fed(component: Any) -> None:
    component.images, component.pixels = 2, IMAGE // 2


def lay_out_core(component: Any) -> None:
    component.lay_out(STAGE, TILING, BUFFERS, 1, "array", 8, Encoding("offset", 8))
    component.pixel_in, component.pixel_out = component.memory.pixel_in[0], component.digital.pixel_out


def lay_out_passes(component: Any) -> None:
    component.images, component.done = 1, [[0]]
    component.works = [LaneWork(range(IMAGE), cycles=[3])]


PREPARE: Mapping[str, Callable[[Any], None]] = {
    "activation-memory": lambda component: component.lay_out(STAGE, BUFFERS, 1),
    "analog-crossbar": lambda component: setattr(component, "blocks", TILING.blocks),
    "attention-unit": lambda component: component.lay_out(ATTENTION, 8),
    "basis-crossbar": lay_out_passes,
    "core": lay_out_core,
    "spiking-array": lambda component: setattr(component, "blocks", TILING.blocks),
    "direct-memory": lambda component: component.lay_out(STAGE, BUFFERS, 1),
    "job-core": lay_out_core,
    "streamed-memory": lambda component: component.lay_out(STAGE, BUFFERS, 1),
    "digital-unit": lambda component: component.lay_out(STAGE, TILING, 1),
    "sink": fed,
    "source": fed,
}


@pytest.mark.parametrize(
    "kind", [name for name, cls in components.items().items() if cls.__module__.startswith(arch.__name__)]
)
def test_every_built_in_component_keeps_the_rules(kind: str) -> None:
    check_component(components[kind], prepare=PREPARE.get(kind), tokens=IMAGE)
