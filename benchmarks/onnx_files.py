"""What it costs to read a network from a real-size ONNX file: ResNet-50 with its weights, about 100 MB.

The file is written anew for each run of the benchmarks, and read back on one thread. Reading and mapping is
compared with what the onnx package itself takes to load, fully check and infer the shapes of the same file.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.compare import Bench, benches, cpu_times
from workloads import (
    Activation,
    Add,
    BatchNorm,
    Conv2d,
    GlobalAvgPool,
    Input,
    Layer,
    Linear,
    MaxPool2d,
    networks,
)

#: Maps a file in a process of its own, or only loads what that needs. It prints the peak memory [KiB].
MAPPING = """
import sys
from pathlib import Path
import imcsim, workloads.onnx_import
from arch import Dataflow, DataflowConfig
machine = Dataflow(DataflowConfig())
if len(sys.argv) > 1:
    from workloads import lower
    machine.map(lower(workloads.onnx_import.read_onnx(sys.argv[1])))
print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""

_folder = TemporaryDirectory()


@cache
def resnet50_file() -> Path:
    """Return a file of ResNet-50 with its weights."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    network = networks["resnet50"]()
    parameters = network.load_parameters()
    nodes = []
    constants: dict[str, NDArray[Any]] = {}
    for layer in network.layers.values():
        own = parameters[layer.name] if layer.name in network.parameter_shapes else {}
        constants |= {f"{layer.name}.{name}": array for name, array in own.items()}
        nodes += list(_nodes(layer))
    shape: list[str | int | None] = ["N", *network.input_shape]
    graph = helper.make_graph(
        nodes,
        "resnet50",
        [helper.make_tensor_value_info(network.input, TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(network.output, TensorProto.FLOAT, ["N", 1000])],
        [numpy_helper.from_array(np.asarray(array, np.float32), name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = Path(_folder.name) / "resnet50.onnx"
    onnx.save(model, path)
    return path


def _nodes(layer: Layer) -> Iterator[Any]:
    """Yield the nodes of one layer; the kinds that ResNet-50 has."""
    from onnx import helper

    def node(
        kind: str, *parameters: str, reads: str = layer.inputs[0] if layer.inputs else "", **attributes: Any
    ) -> Any:
        names = [reads, *(f"{layer.name}.{name}" for name in parameters)]
        return helper.make_node(kind, names, [layer.name], layer.name, **attributes)

    match layer:
        case Input():
            return
        case Conv2d():
            window = layer.window
            names = ("weight", "bias") if layer.bias else ("weight",)
            yield node(
                "Conv",
                *names,
                strides=window.stride,
                pads=window.padding,
                kernel_shape=window.kernel,
                group=layer.groups,
            )
        case BatchNorm():
            yield node(
                "BatchNormalization", "weight", "bias", "running_mean", "running_var", epsilon=layer.eps
            )
        case Activation(function="relu"):
            yield node("Relu")
        case MaxPool2d():
            window = layer.window
            yield node("MaxPool", kernel_shape=window.kernel, strides=window.stride, pads=window.padding)
        case GlobalAvgPool():
            yield node("GlobalAveragePool")
        case Add():
            yield helper.make_node("Add", layer.inputs, [layer.name], layer.name)
        case Linear():
            yield helper.make_node("Flatten", [layer.inputs[0]], [f"{layer.name}.flat"])
            yield node("Gemm", "weight", "bias", reads=f"{layer.name}.flat", transB=1)
        case _:
            raise TypeError(f"{layer.name}: no operator for {type(layer).__name__}")


def reading() -> Callable[[], object]:
    """Return what reads the file and maps its network."""
    from arch import Dataflow, DataflowConfig
    from workloads import lower
    from workloads.onnx_import import read_onnx

    path, machine = resnet50_file(), Dataflow(DataflowConfig())
    return lambda: machine.map(lower(read_onnx(path)))


def checking() -> Callable[[], object]:
    """Return what loads, checks and completes the file with the onnx package alone."""
    import onnx

    path = str(resnet50_file())

    def check() -> object:
        model = onnx.load(path)
        onnx.checker.check_model(model, full_check=True)
        return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)

    return check


def memory() -> tuple[float, float]:
    """Return the peak memory that reading and mapping adds to a process [MiB], and the file's size."""
    path = resnet50_file()
    peak, base = (_peak(*arguments) for arguments in ((str(path),), ()))
    return peak - base, path.stat().st_size / 2**20


def _peak(*arguments: str) -> float:
    command = [sys.executable, "-c", MAPPING, *arguments]
    return int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) / 1024


for _bench in (
    Bench(
        "onnx-import",
        "ResNet-50 from an ONNX file of 100 MB, read and mapped, against loading, checking and shape "
        "inference by the onnx package",
        "cost",
        3,
        cpu_times(reading, checking),
    ),
    Bench(
        "onnx-memory",
        "ResNet-50 from an ONNX file of 100 MB, read and mapped: memory beyond that of the process against "
        "the file",
        "cost",
        4,
        memory,
        rounds=1,
        warm_up=False,
        unit="MiB",
    ),
):
    benches.register(_bench.name)(_bench)
