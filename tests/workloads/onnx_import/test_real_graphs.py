"""The nine networks inside the onnx package: their totals by another route, and runs of those that fit."""

from __future__ import annotations

from math import prod
from pathlib import Path

import onnx
import pytest
from onnx import ModelProto, shape_inference

import imcsim
from simcore.errors import MappingError
from workloads import LocalResponseNorm, Network, lower
from workloads.onnx_import import read_onnx

FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"

#: Matrices of each network, and its multiply-accumulates in millions as torchvision's tables of models give
#: them, None where they have another variant of it.
NETWORKS = {
    "light_bvlc_alexnet": (8, None),
    "light_densenet121": (121, 2830),
    "light_inception_v1": (58, None),
    "light_inception_v2": (70, None),
    "light_resnet50": (54, 4090),
    "light_shufflenet": (50, None),
    "light_squeezenet": (26, 350),
    "light_vgg19": (19, 19630),
    "light_zfnet512": (8, None),
}


def path(name: str) -> Path:
    return FOLDER / f"{name}.onnx"


def inferred_macs(model: ModelProto) -> tuple[int, int]:
    """Return the matrices and the multiply-accumulates of a model, from its own nodes and shapes alone."""
    graph = shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: [size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.value_info, *graph.output)
    }
    shapes |= {tensor.name: list(tensor.dims) for tensor in graph.initializer}
    matrices = macs = 0
    for node in graph.node:
        if node.op_type == "Conv":  # weights are (outputs, inputs of a group, kernel)
            matrices, macs = (
                matrices + 1,
                macs + prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:]),
            )
        elif node.op_type in ("Gemm", "MatMul"):
            matrices, macs = matrices + 1, macs + prod(shapes[node.input[1]])
    return matrices, macs


@pytest.fixture(scope="module", params=NETWORKS)
def real(request: pytest.FixtureRequest) -> tuple[str, Network]:
    return request.param, read_onnx(path(request.param))


def test_a_real_graph_has_the_multiply_accumulates_of_its_nodes_and_of_published_tables(
    real: tuple[str, Network],
) -> None:
    file, network = real
    matrices, macs = inferred_macs(onnx.load(path(file)))
    layers = network.layers.items()
    assert sum(layer.macs(network.in_shapes(name)) > 0 for name, layer in layers) == matrices
    assert network.macs == lower(network).macs == macs
    known_matrices, millions = NETWORKS[file]
    assert matrices == known_matrices
    if millions is not None:
        assert macs == pytest.approx(millions * 1e6, abs=5e6)


def test_a_real_graph_runs_with_its_multiply_accumulates_or_says_what_no_machine_computes(
    real: tuple[str, Network],
) -> None:
    network = real[1]
    norms = [name for name, layer in network.layers.items() if isinstance(layer, LocalResponseNorm)]
    if norms:
        with pytest.raises(MappingError) as refused:
            imcsim.run(network, arch="dataflow", values="off")
        assert all(norm in str(refused.value) for norm in norms)
        return
    # that its arrays did all multiply-accumulates is a law of every run
    run = imcsim.run(network, arch="dataflow", values="off", settings=("detail=group",), record=False)
    assert run.summary["macs"] == network.macs
