"""Layer kinds as a network's author writes them: shapes, operation counts and parameter shapes."""

from workloads.layers.elementwise import Activation
from workloads.layers.joins import Add, Concat
from workloads.layers.layer import Input, Layer, Shape
from workloads.layers.matrices import BatchNorm, Conv2d, Linear
from workloads.layers.picking import Shortcut
from workloads.layers.pools import AvgPool2d, GlobalAvgPool, MaxPool2d

__all__ = [
    "Activation",
    "Add",
    "AvgPool2d",
    "BatchNorm",
    "Concat",
    "Conv2d",
    "GlobalAvgPool",
    "Input",
    "Layer",
    "Linear",
    "MaxPool2d",
    "Shape",
    "Shortcut",
]
