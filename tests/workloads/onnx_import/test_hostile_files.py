"""Files that are broken or mean harm end in one error, in little time and memory."""

from __future__ import annotations

import os
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from imcsim.cli import main
from simcore.errors import FileError, SimError, WorkloadError
from tests.workloads.onnx_import.damage import damaged_bytes, damaged_models
from tests.workloads.onnx_import.models import imported, model, node
from tests.workloads.onnx_import.operator_cases import CASES, MAP, Case, alone, floats, whole
from workloads import limits, lower
from workloads.onnx_import import model_file, read_onnx

#: What reading a small file may take, importing onnx aside.
MOST_MEMORY, MOST_SECONDS = 40 * 2**20, 10.0
CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


def small() -> bytes:
    return bytes(CASES["conv"].model().SerializeToString())


def is_read_or_refused(content: bytes, path: Path) -> None:
    """Read a file as far as its weights; whatever is no SimError escapes."""
    path.write_bytes(content)
    try:
        network = read_onnx(path)
        lower(network)
        for own in network.load_parameters().values():
            assert all(np.isfinite(array).all() for array in own.values())
    except SimError:
        return


@pytest.mark.parametrize("content", [b"", b"a plain text\n", b"\x08", b"\x00" * 100, b"PK\x03\x04" * 9])
def test_what_is_no_model_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(content)
    with pytest.raises(FileError, match=r"model\.onnx (is no intact ONNX file|holds no graph)"):
        read_onnx(tmp_path / "model.onnx")


def test_a_model_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    path, content = tmp_path / "model.onnx", small()
    for length in range(0, len(content) - 8, 7):  # the last field, the version of operators, has its default
        path.write_bytes(content[:length])
        with pytest.raises(SimError):
            read_onnx(path)


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "random.onnx"
    path.write_bytes(content)
    with pytest.raises(SimError):
        read_onnx(path)


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(FileError, match=r"cannot read .*: Is a directory"):
        read_onnx(tmp_path / "folder.onnx")
    with pytest.raises(FileError, match=r"it is no regular file; name an \.onnx file"):
        read_onnx(tmp_path / "pipe.onnx")
    with pytest.raises(FileError, match=r"cannot read .*: No such file or directory"):
        read_onnx(tmp_path / "missing.onnx")


def test_a_file_above_the_limit_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_file, "MOST_BYTES", 100)
    path = tmp_path / "model.onnx"
    path.write_bytes(small())
    with pytest.raises(FileError, match="at most 100 are allowed; save its tensors as external data"):
        read_onnx(path)


def test_the_command_line_ends_with_two_and_one_line(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(small()[:200])
    result = CliRunner().invoke(main, ["run", str(path), "--arch", "dataflow"])
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"error: {path} is no intact ONNX file: ")
    assert result.stderr.count("\n") == 1


def circle() -> ModelProto:
    return model([node("Add", "x b", "a"), node("Relu", "a", "b"), node("Relu", "b")], ("N", 3))


def laughs(levels: int, calls: int) -> ModelProto:
    """Return a model of functions that each call the next one several times."""
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]

    def chain(kind: str, domain: str) -> list[NodeProto]:
        names = ["x", *(f"t{i}" for i in range(calls - 1)), "y"]
        return [helper.make_node(kind, [a], [b], domain=domain) for a, b in pairwise(names)]

    functions = [
        helper.make_function(
            "own",
            f"f{level}",
            ["x"],
            ["y"],
            chain(f"f{level + 1}", "own") if level + 1 < levels else chain("Relu", ""),
            opsets,
        )
        for level in range(levels)
    ]
    made = model([node("Relu", "x")], ("N", 3))
    made.graph.node[0].CopyFrom(helper.make_node("f0", ["x"], ["y"], domain="own"))
    made.opset_import.append(opsets[1])
    made.functions.extend(functions)
    return made


def with_dims(*dims: int) -> ModelProto:
    made = CASES["conv"].model()
    made.graph.initializer[0].dims[:] = dims
    return made


def nested_choices(levels: int) -> ModelProto:
    inner = helper.make_graph(
        [node("Relu", "x", "b")], "g", [], [helper.make_tensor_value_info("b", TensorProto.FLOAT, ["N", 3])]
    )
    for _ in range(levels):
        choice = helper.make_node("If", ["c"], ["b"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([choice], "g", [], [*inner.output])
    made = model([node("Relu", "x")], ("N", 3), {"c": np.array(True)})
    made.graph.node[0].CopyFrom(helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner))
    return made


HOSTILE: dict[str, Callable[[], ModelProto]] = {
    "circle": circle,
    "function-bomb": lambda: laughs(40, 2),
    "function-tower": lambda: laughs(2000, 1),
    "nested-choices": lambda: nested_choices(5),
    "absurd-dims": lambda: with_dims(2**40, 3, 3, 3),
    "negative-dims": lambda: with_dims(-4, 3, 3, 3),
    "overflowing-dims": lambda: with_dims(2**32, 2**32, 1, 1),
    "more-dims-than-data": lambda: with_dims(400, 3, 3, 3),
    "zero-dims": lambda: with_dims(0, 3, 3, 3),
    "empty-image": lambda: model([node("Relu", "x")], ("N", 0, 4)),
    "sparse-constant": Case(
        [
            helper.make_node(
                "Constant",
                [],
                ["c"],
                sparse_value=helper.make_sparse_tensor(
                    numpy_helper.from_array(floats(1), "v"), numpy_helper.from_array(whole(0), "i"), [3]
                ),
            ),
            node("Mul", "x c"),
        ],
        (3,),
    ).model,
    "text-constant": Case(
        [helper.make_node("Constant", [], ["c"], value_string="hello"), node("Mul", "x c")], (3,)
    ).model,
    "value-of-many": Case(
        [
            node("ConstantOfShape", "s", "c", value=numpy_helper.from_array(floats(5))),
            node("Mul", "x c"),
        ],
        (3,),
        {"s": whole(3)},
    ).model,
    "expand-bomb": Case(
        [node("GlobalAveragePool", "x", "g"), node("Expand", "g s")], MAP, {"s": whole(1, 3, 2**40, 1)}
    ).model,
    "constant-expand-bomb": Case(
        [node("Expand", "c s", "e"), node("Add", "x e")], MAP, {"c": floats(1, 1), "s": whole(2**20, 2**20)}
    ).model,
    "constant-tile-bomb": Case(
        [node("Tile", "c s", "e"), node("Add", "x e")], MAP, {"c": floats(1, 1), "s": whole(2**20, 2**20)}
    ).model,
    "range-bomb": Case(
        [node("Range", "a b c", "r"), node("Gather", "x r")],
        MAP,
        {"a": np.array(0), "b": np.array(2**50), "c": np.array(1)},
    ).model,
    "endless-range": Case(
        [node("Range", "a b c", "r"), node("Gather", "x r")],
        MAP,
        {"a": np.array(0), "b": np.array(5), "c": np.array(0)},
    ).model,
    "outer-product-bomb": Case(
        [
            node("ConstantOfShape", "s", "c"),
            node("Unsqueeze", "c one", "d"),
            node("Mul", "c d", "e"),
            node("Add", "x e"),
        ],
        MAP,
        {"s": whole(2**20), "one": whole(1)},
    ).model,
    "tile-bomb": alone("Tile", "x s", MAP, {"s": whole(1, 2**40, 1, 1)}).model,
    "pad-bomb": alone("Pad", "x p", MAP, {"p": whole(0, 2**40, 0, 0, 0, 0, 0, 0)}).model,
    "resize-bomb": alone("Resize", "x - - s", MAP, {"s": whole(1, 3, 2**40, 5)}, mode="nearest").model,
    "window-bomb": alone("MaxPool", "x", MAP, kernel_shape=[2**30, 1], pads=[2**30, 0, 2**30, 0]).model,
    "padded-conv-bomb": alone("Conv", "x w", MAP, {"w": floats(1, 3, 1, 1)}, pads=[2**30] * 4).model,
    "zero-stride": alone("Conv", "x w", MAP, {"w": floats(1, 3, 1, 1)}, strides=[0, 1]).model,
    "zero-stride-same": alone(
        "Conv", "x w", MAP, {"w": floats(1, 3, 1, 1)}, strides=[0, 1], auto_pad="SAME_UPPER"
    ).model,
    "negative-pads": alone("Conv", "x w", MAP, {"w": floats(1, 3, 1, 1)}, pads=[-1, 0, 0, 0]).model,
    "uneven-groups": alone("Conv", "x w", MAP, {"w": floats(4, 1, 1, 1)}, group=2).model,
    "other-kernel": alone("Conv", "x w", MAP, {"w": floats(4, 3, 1, 1)}, kernel_shape=[3, 3]).model,
    "long-bias": alone("Conv", "x w b", MAP, {"w": floats(4, 3, 1, 1), "b": floats(5)}).model,
    "epsilon-nan": alone(
        "BatchNormalization", "x s s s v", MAP, {"s": floats(3), "v": floats(3) ** 2}, epsilon=float("nan")
    ).model,
    "bound-nan": alone("Clip", "x b", MAP, {"b": np.array(np.nan, np.float32)}).model,
    "factor-infinite": alone("Mul", "x b", MAP, {"b": np.array(np.inf, np.float32)}).model,
    "left-out-operand": alone("Concat", "x - x", MAP, axis=1).model,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_graph_is_refused_in_little_time_and_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(HOSTILE[name]().SerializeToString())
    tracemalloc.start()
    begin = time.process_time()
    try:
        with pytest.raises(SimError) as refused:
            read_onnx(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(str(refused.value)) < 1000
    assert peak < MOST_MEMORY
    assert time.process_time() - begin < MOST_SECONDS


def test_functions_are_written_out(tmp_path: Path) -> None:
    network = imported(laughs(5, 3), tmp_path)
    assert len(network.layers) - 1 == 3**5


def test_a_long_chain_of_functions_needs_neither_recursion_nor_time(tmp_path: Path) -> None:
    names = ["x", *(f"t{i}" for i in range(12_000))]
    chain = [node("Tanh", a, b) for a, b in pairwise(names)]
    begin = time.process_time()
    assert len(imported(model(chain, ("N", 3)), tmp_path).layers) == 12_001
    assert time.process_time() - begin < MOST_SECONDS


def test_bounds_are_those_of_every_network_that_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {"w": np.ones((1, 1, 1, 1), np.float32)}
    wide = model([node("Conv", "x w", pads=[2**11] * 4)], ("N", 1, 8, 8), weights)
    with pytest.raises(WorkloadError, match="Conv_y: a layer may have 4194304 pixels at most, got 16842816"):
        imported(wide, tmp_path)
    with pytest.raises(WorkloadError, match="x: a layer may have 4194304 pixels at most, got 16777216"):
        imported(model([node("Relu", "x")], ("N", 1, 2**12, 2**12)), tmp_path)
    monkeypatch.setattr(limits, "MOST_LAYERS", 30)
    names = ["x", *(f"t{i}" for i in range(30))]
    chain = [node("Tanh", a, b) for a, b in pairwise(names)]
    assert len(imported(model(chain[:29], ("N", 3)), tmp_path).layers) == 30
    with pytest.raises(WorkloadError, match="a network may have 30 layers at most; split it"):
        imported(model(chain, ("N", 3)), tmp_path)


def test_long_names_are_cut_and_stay_different(tmp_path: Path) -> None:
    names = ["x", *("n" * 50_000 + end for end in "abc")]
    chain = [helper.make_node("Tanh", [a], [b]) for a, b in pairwise(names)]
    network = imported(model(chain, ("N", 3)), tmp_path)
    assert len(network.layers) == 4
    assert max(map(len, network.layers)) < 210
    chain[1] = helper.make_node("Conv", [names[1], names[1]], [names[2]])
    with pytest.raises(WorkloadError, match=r"nnn\.\.\. is computed while the network runs") as refused:
        imported(model(chain, ("N", 3, 1, 1)), tmp_path)
    assert len(str(refused.value)) < 1000


def test_a_constant_of_one_value_is_never_written_out(tmp_path: Path) -> None:
    case = Case(
        [node("ConstantOfShape", "s", "w"), node("MatMul", "x w")], (2**14,), {"s": whole(2**14, 2**14)}
    )
    tracemalloc.start()
    network = imported(case.model(), tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert network.macs == 2**28
    assert peak < MOST_MEMORY


def with_data(folder: Path, **changes: str) -> Path:
    """Write a model whose weights are said to be in `weights.bin`, which is written too."""
    weights = np.arange(12, dtype=np.float32).reshape(4, 3, 1, 1)
    (folder / "weights.bin").write_bytes(b"\0" * 8 + weights.tobytes())
    made = model([node("Conv", "x w")], ("N", *MAP), {"w": weights})
    (tensor,) = made.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "weights.bin", "offset": "8", "length": "48", **changes}.items():
        if value:
            tensor.external_data.add(key=key, value=value)
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    return path


def test_data_beside_the_file_is_read_when_it_is_asked_for(tmp_path: Path) -> None:
    path = with_data(tmp_path)
    assert read_onnx(path).load_parameters()["Conv_y"]["weight"].ravel().tolist() == list(range(12))
    network = read_onnx(path)
    (tmp_path / "weights.bin").write_bytes(b"\0" * 8 + np.full(12, np.inf, np.float32).tobytes())
    with pytest.raises(FileError, match="tensor 'w' holds nan or infinity"):
        network.load_parameters()


def linked(folder: Path) -> None:
    (folder / "weights.bin").rename(folder / "other.bin")
    (folder / "weights.bin").symlink_to("other.bin")


def hard_linked(folder: Path) -> None:
    os.link(folder / "weights.bin", folder / "other.bin")


def folder_linked(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "weights.bin").rename(folder / "real" / "weights.bin")
    (folder / "data").symlink_to("real")


def piped(folder: Path) -> None:
    (folder / "weights.bin").unlink()
    os.mkfifo(folder / "weights.bin")


def removed(folder: Path) -> None:
    (folder / "weights.bin").unlink()


def untouched(folder: Path) -> None:
    """Leave all as it is."""


LINKS = "it must be a regular file in the model's folder, not a link"
BESIDE: dict[str, tuple[dict[str, str], Callable[[Path], None], str]] = {
    "absolute": ({"location": "/etc/passwd"}, untouched, LINKS),
    "above": ({"location": "../model/weights.bin"}, untouched, LINKS),
    "above-hidden": ({"location": "x/../weights.bin"}, untouched, "said to be in 'x/../weights.bin'"),
    "link": ({}, linked, LINKS),
    "hard-link": ({}, hard_linked, LINKS),
    "link-to-folder": ({"location": "data/weights.bin"}, folder_linked, LINKS),
    "pipe": ({}, piped, LINKS),
    "folder": ({"location": "."}, untouched, LINKS),
    "missing": ({}, removed, "No such file or directory; put that file beside the model"),
    "no-location": ({"location": ""}, untouched, LINKS),
    "zero-byte": ({"location": "a\0b"}, untouched, "put that file beside the model"),
    "offset-beyond": ({"offset": "1000"}, untouched, "from byte 1000 of 'weights.bin', which has 56"),
    "offset-negative": ({"offset": "-8"}, untouched, "from byte -8 of 'weights.bin', which has 56"),
    "offset-no-number": ({"offset": "9" * 5000}, untouched, "which has 56"),
    "too-long": ({"length": "400"}, untouched, "48 bytes, is said to be 400 bytes"),
    "too-short": ({"length": "4"}, untouched, "48 bytes, is said to be 4 bytes"),
    "beyond-by-default": ({"offset": "12", "length": ""}, untouched, "from byte 12 of 'weights.bin'"),
}


@pytest.mark.parametrize("name", BESIDE)
def test_data_elsewhere_is_refused(name: str, tmp_path: Path) -> None:
    changes, prepare, said = BESIDE[name]
    folder = tmp_path / "model"
    folder.mkdir()
    path = with_data(folder, **changes)
    prepare(folder)
    with pytest.raises(FileError) as refused:
        read_onnx(path)
    assert said in str(refused.value)


FUZZING: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}


@settings(max_examples=150, **FUZZING)
@given(damaged_bytes())
def test_changed_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    is_read_or_refused(content, tmp_path_factory.getbasetemp() / "bytes.onnx")


@settings(max_examples=300, **FUZZING)
@given(damaged_models())
def test_changed_models_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, made: ModelProto
) -> None:
    is_read_or_refused(made.SerializeToString(), tmp_path_factory.getbasetemp() / "model.onnx")


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_what_once_went_wrong_is_read_or_refused(path: Path, tmp_path: Path) -> None:
    is_read_or_refused(path.read_bytes(), tmp_path / "model.onnx")
