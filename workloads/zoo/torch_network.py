"""A network in PyTorch, for training: modules for the layers that learn, and the way through all layers.

The layer kinds of common convolutional networks; PyTorch is imported when a function is called.
"""

from __future__ import annotations

from typing import Any

from simcore.errors import WorkloadError
from workloads.layers import (
    Activation,
    Add,
    AvgPool2d,
    BatchNorm,
    Clamp,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Input,
    Layer,
    Linear,
    MaxPool2d,
)
from workloads.network import Network


def torch_modules(network: Network) -> Any:
    """Return an untrained `torch.nn.ModuleDict` with a module for each layer that has parameters.

    raises : WorkloadError for a kind of layer that is not trained here
    """
    from torch import nn

    modules = nn.ModuleDict()
    for name in network.parameter_shapes:
        layer = network.layers[name]
        channels, height, width = network.in_shapes(name)[0]
        match layer:
            case Conv2d(window=window) if window.padding[:2] == window.padding[2:]:
                modules[name] = nn.Conv2d(
                    channels,
                    layer.out_channels,
                    window.kernel,
                    window.stride,
                    window.padding[:2],
                    window.dilation,
                    layer.groups,
                    layer.bias,
                )
            case Linear():
                modules[name] = nn.Linear(channels * height * width, layer.out_features, layer.bias)
            case BatchNorm():
                modules[name] = nn.BatchNorm2d(channels, layer.eps)
            case _:
                raise _untrained(layer)
    return modules


def torch_forward(network: Network, modules: Any, images: Any) -> Any:
    """Return the scores (N, classes) of image tensors (N, C, H, W).

    raises : WorkloadError for a kind of layer that is not trained here
    """
    import torch

    functional = torch.nn.functional

    tensors: dict[str, Any] = {}
    for name, layer in network.layers.items():
        operands = [tensors[source] for source in layer.inputs]
        match layer:
            case Input():
                tensors[name] = images
            case Conv2d() | BatchNorm():
                tensors[name] = modules[name](operands[0])
            case Linear():
                tensors[name] = modules[name](operands[0].flatten(1))
            case Activation(function="relu"):
                tensors[name] = torch.relu(operands[0])
            case Activation(function="relu6"):
                tensors[name] = functional.relu6(operands[0])
            case Clamp():
                tensors[name] = operands[0].clip(layer.low, layer.high)
            case MaxPool2d():
                window = layer.effective_window(network.in_shapes(name)[0][1:])
                top, left, bottom, right = window.padding
                padded = functional.pad(operands[0], (left, right, top, bottom), value=-torch.inf)
                tensors[name] = functional.max_pool2d(
                    padded, window.kernel, window.stride, dilation=window.dilation
                )
            case AvgPool2d(window=window, ceil_mode=False) if not any(window.padding):
                tensors[name] = functional.avg_pool2d(operands[0], window.kernel, window.stride)
            case GlobalAvgPool():
                tensors[name] = operands[0].mean(dim=(2, 3), keepdim=True)
            case Add(signs=()):
                tensors[name] = sum(operands)
            case Concat():
                tensors[name] = torch.cat(operands, 1)
            case _:
                raise _untrained(layer)
    return tensors[network.output].flatten(1)


def _untrained(layer: Layer) -> WorkloadError:
    return WorkloadError(
        f"{layer.name}: a layer such as this {type(layer).__name__} is not trained here; replace it, or do "
        "without training"
    )
