"""Neural networks as numbers: layers, graphs, quantisation, golden references and data. Knows no hardware."""

from workloads.activation_functions import ActivationFunction, Clip, activations
from workloads.data import Dataset, accuracy, datasets, read_data
from workloads.float_reference import float_outputs, float_tensors
from workloads.integer_reference import golden, golden_outputs, requantize
from workloads.layers import (
    Activation,
    Add,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Input,
    Layer,
    Linear,
    MaxPool2d,
    Shape,
)
from workloads.lowering import lower
from workloads.network import Network, Parameters
from workloads.nodes import (
    AddNode,
    AffineNode,
    AvgPoolNode,
    ConcatNode,
    LoweredNetwork,
    MatrixNode,
    MaxPoolNode,
    Node,
    TableNode,
)
from workloads.quantization import (
    Quantization,
    QuantizedAffine,
    QuantizedAvgPool,
    QuantizedJoin,
    QuantizedMatrix,
    QuantizedMaxPool,
    QuantizedNetwork,
    QuantizedNode,
    QuantizedTable,
    quantize,
)
from workloads.window import Window
from workloads.zoo import networks

__all__ = [
    "Activation",
    "ActivationFunction",
    "Add",
    "AddNode",
    "AffineNode",
    "AvgPool2d",
    "AvgPoolNode",
    "BatchNorm",
    "Clip",
    "Concat",
    "ConcatNode",
    "Conv2d",
    "Dataset",
    "GlobalAvgPool",
    "Input",
    "Layer",
    "Linear",
    "LoweredNetwork",
    "MatrixNode",
    "MaxPool2d",
    "MaxPoolNode",
    "Network",
    "Node",
    "Parameters",
    "Quantization",
    "QuantizedAffine",
    "QuantizedAvgPool",
    "QuantizedJoin",
    "QuantizedMatrix",
    "QuantizedMaxPool",
    "QuantizedNetwork",
    "QuantizedNode",
    "QuantizedTable",
    "Shape",
    "TableNode",
    "Window",
    "accuracy",
    "activations",
    "datasets",
    "float_outputs",
    "float_tensors",
    "golden",
    "golden_outputs",
    "lower",
    "networks",
    "quantize",
    "read_data",
    "requantize",
]
