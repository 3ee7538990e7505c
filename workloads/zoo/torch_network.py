"""A network in PyTorch, for training: modules for the layers that learn, and the way through all layers.

Only the layer kinds that trained networks here use; PyTorch is imported when a function is called.
"""

from __future__ import annotations

from typing import Any

from workloads.layers import Activation, Add, BatchNorm, Conv2d, GlobalAvgPool, Input, Linear, MaxPool2d
from workloads.network import Network


def torch_modules(network: Network) -> Any:
    """Return an untrained `torch.nn.ModuleDict` with a module for each layer that has parameters."""
    from torch import nn

    modules = nn.ModuleDict()
    for name in network.parameter_shapes:
        layer = network.layers[name]
        channels, height, width = network.in_shapes(name)[0]
        match layer:
            case Conv2d():
                window = layer.window
                modules[name] = nn.Conv2d(
                    channels,
                    layer.out_channels,
                    window.kernel,
                    window.stride,
                    window.padding[:2],  # alike on opposite sides
                    window.dilation,
                    layer.groups,
                    layer.bias,
                )
            case Linear():
                modules[name] = nn.Linear(channels * height * width, layer.out_features, layer.bias)
            case BatchNorm():
                modules[name] = nn.BatchNorm2d(channels, layer.eps)
            case _:
                raise TypeError(f"{name}: no PyTorch module for {type(layer).__name__}")
    return modules


def torch_forward(network: Network, modules: Any, images: Any) -> Any:
    """Return the scores (N, classes) of image tensors (N, C, H, W)."""
    import torch

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
            case MaxPool2d():
                tensors[name] = torch.nn.functional.max_pool2d(
                    operands[0], layer.window.kernel, layer.window.stride
                )
            case GlobalAvgPool():
                tensors[name] = operands[0].mean(dim=(2, 3), keepdim=True)
            case Add():
                tensors[name] = sum(operands)
            case _:
                raise TypeError(f"{name}: no PyTorch function for {type(layer).__name__}")
    return tensors[network.output]
