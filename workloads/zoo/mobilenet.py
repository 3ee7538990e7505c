"""MobileNetV2 (Sandler et al., CVPR 2018): depthwise convolutions between 1x1 expansions and linear 1x1s."""

from __future__ import annotations

from workloads.layers import Activation, Add, Layer
from workloads.network import Network
from workloads.zoo.blocks import classifier, conv_norm, image
from workloads.zoo.catalogue import networks
from workloads.zoo.seeded_weights import SeededNetwork

#: Expansion, output channels, blocks and stride of the first block, stage by stage (the paper's table 2).
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@networks.register("mobilenet-v2")
def mobilenet_v2() -> Network:
    """Return 17 inverted residual blocks for ImageNet."""
    channels = 32
    layers: list[Layer] = [image(224), *_conv_relu6("stem", channels, kernel=3, stride=2)]
    for stage, (expansion, out, blocks, first_stride) in enumerate(STAGES, start=1):
        for block in range(1, blocks + 1):
            name, source, inner = f"stage{stage}-block{block}", layers[-1].name, channels * expansion
            stride = first_stride if block == 1 else 1
            if expansion > 1:
                layers += _conv_relu6(f"{name}-expand", inner, kernel=1)
            layers += _conv_relu6(f"{name}-depthwise", inner, kernel=3, stride=stride, groups=inner)
            layers += conv_norm(f"{name}-project", out, kernel=1)
            if stride == 1 and channels == out:
                layers.append(Add(name=f"{name}-add", inputs=(layers[-1].name, source)))
            channels = out
    layers += _conv_relu6("last", 1280, kernel=1)
    return SeededNetwork("mobilenet-v2", [*layers, *classifier(1000)], dataset="photo")


def _conv_relu6(name: str, channels: int, *, kernel: int, stride: int = 1, groups: int = 1) -> list[Layer]:
    return [
        *conv_norm(name, channels, kernel=kernel, stride=stride, groups=groups),
        Activation(name=f"{name}-relu6", function="relu6"),
    ]
