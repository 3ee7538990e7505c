"""Layer kinds as a network's author writes them: shapes, operation counts and parameter shapes."""

from workloads.layers.elementwise import Activation, Clamp, LocalResponseNorm, Softmax
from workloads.layers.joins import Add, Concat, Mul
from workloads.layers.layer import Input, Layer, Shape
from workloads.layers.matrices import Affine, BatchNorm, Conv2d, Linear
from workloads.layers.picking import Places, Select, Shortcut
from workloads.layers.pools import AvgPool2d, GlobalAvgPool, MaxPool2d

__all__ = [
    "Activation",
    "Add",
    "Affine",
    "AvgPool2d",
    "BatchNorm",
    "Clamp",
    "Concat",
    "Conv2d",
    "GlobalAvgPool",
    "Input",
    "Layer",
    "Linear",
    "LocalResponseNorm",
    "MaxPool2d",
    "Mul",
    "Places",
    "Select",
    "Shape",
    "Shortcut",
    "Softmax",
]
