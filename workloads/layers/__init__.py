"""Layer kinds as a network's author writes them: shapes, operation counts and parameter shapes."""

from workloads.layers.elementwise import Activation, Clamp, LocalResponseNorm, Softmax
from workloads.layers.joins import Add, Concat, Mul
from workloads.layers.layer import Input, Layer, Shape
from workloads.layers.matrices import Affine, BatchNorm, Conv2d, Linear
from workloads.layers.picking import Places, Select, Shortcut
from workloads.layers.pools import AvgPool2d, GlobalAvgPool, MaxPool2d
from workloads.layers.tokens import (
    AddEmbedding,
    AttentionMix,
    AttentionScores,
    ClassToken,
    Embedding,
    LayerNorm,
)

__all__ = [
    "Activation",
    "Add",
    "AddEmbedding",
    "Affine",
    "AttentionMix",
    "AttentionScores",
    "AvgPool2d",
    "BatchNorm",
    "Clamp",
    "ClassToken",
    "Concat",
    "Conv2d",
    "Embedding",
    "GlobalAvgPool",
    "Input",
    "Layer",
    "LayerNorm",
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
