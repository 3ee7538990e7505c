"""PyTorch modules become networks where PyTorch is there; here a stand-in exports as PyTorch does."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest

from simcore.errors import ConfigError, FileError, WorkloadError
from tests.workloads.onnx_import.models import model, node
from workloads.torch_import import from_torch


class Tensor(np.ndarray[Any, Any]):
    """Images."""


class Module:
    """One that does `x.reshape(x.shape[0], -1)`, and keeps what an export saw of it."""

    def __init__(self, *parts: Module) -> None:
        self.parts, self.training = parts, True
        self.seen: list[bool] = []

    def modules(self) -> Iterator[Module]:
        yield self
        for part in self.parts:
            yield from part.modules()

    def eval(self) -> None:
        for each in self.modules():
            each.training = False

    def exported(self, images: Tensor) -> onnx.ModelProto:
        self.seen = [each.training for each in self.modules()]
        sizes = np.array([len(images), -1])  # which an export fixes
        return model([node("Reshape", "x sizes"), node("Relu", "y", "z")], images.shape, {"sizes": sizes})


class Normed(Module):
    """One that no machine takes."""

    def exported(self, images: Tensor) -> onnx.ModelProto:
        scale = np.ones(images.shape[1], np.float32)
        return model([node("InstanceNormalization", "x scale scale")], images.shape, {"scale": scale})


class Damaged(Module):
    """One whose file is not intact."""

    def exported(self, images: Tensor) -> onnx.ModelProto:
        return onnx.ModelProto()


class Unfollowed(Module):
    """One that torch cannot export."""

    def exported(self, images: Tensor) -> onnx.ModelProto:
        raise RuntimeError("data-dependent branch\nand much more")


class Program:
    """What an export returns."""

    def __init__(self, made: onnx.ModelProto) -> None:
        self.made = made

    def save(self, path: Path, external_data: bool) -> None:
        assert not external_data
        onnx.save(self.made, path)


def images(count: int) -> Tensor:
    return np.zeros((count, 3, 8, 8), np.float32).view(Tensor)


@pytest.fixture
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in: Any = ModuleType("torch")
    stand_in.Tensor, stand_in.nn = Tensor, SimpleNamespace(Module=Module)
    stand_in.no_grad = nullcontext
    stand_in.export = SimpleNamespace(export=lambda module, example: module.exported(*example))
    stand_in.onnx = SimpleNamespace(export=lambda made, **options: Program(made))
    monkeypatch.setitem(sys.modules, "torch", stand_in)
    monkeypatch.setitem(sys.modules, "onnxscript", ModuleType("onnxscript"))


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ConfigError, match=r"need torch, onnxscript and onnx .*pip install 'imcsim\[torch\]'"):
        from_torch(None, None)


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("count", [1, 4])
def test_any_number_of_images_shows_what_one_looks_like(count: int) -> None:
    network = from_torch(Module(), images(count))
    assert (network.name, network.input_shape) == ("Module", (3, 8, 8))


@pytest.mark.usefixtures("torch")
@pytest.mark.parametrize("module", [Module, Unfollowed])
def test_a_module_is_exported_in_inference_and_stays_as_it_was(module: type[Module]) -> None:
    frozen = Module()
    whole = module(Module(), frozen)
    frozen.training = False
    if module is Unfollowed:
        with pytest.raises(WorkloadError, match="cannot export Unfollowed: data-dependent branch; try"):
            from_torch(whole, images(1))
    else:
        from_torch(whole, images(1))
        assert whole.seen == [False, False, False]
    assert [each.training for each in whole.modules()] == [True, True, False]


@pytest.mark.usefixtures("torch")
def test_a_name_may_be_any_and_errors_tell_it() -> None:
    assert from_torch(Module(), images(1), name="net/v2").name == "net/v2"
    with pytest.raises(WorkloadError, match=r"^net/v2: 1 node cannot be mapped:\n.*InstanceNormalization"):
        from_torch(Normed(), images(1), name="net/v2")
    with pytest.raises(FileError, match=r"^Damaged holds no graph of ONNX operators"):
        from_torch(Damaged(), images(1))


@pytest.mark.usefixtures("torch")
def test_what_is_no_module_or_no_image_is_refused() -> None:
    for module, told in ((None, "NoneType"), (Module, "the class Module")):
        with pytest.raises(
            WorkloadError, match=rf"must be a torch\.nn\.Module, got {told}; give an instance"
        ):
            from_torch(module, images(1))
    for example, told in (
        ((images(1),), "tuple"),
        (images(0), r"Tensor of shape \(0, 3, 8, 8\)"),
        (images(1)[0, 0, 0], r"Tensor of shape \(8,\)"),
    ):
        with pytest.raises(WorkloadError, match=rf"images along its first axis, got {told}; give what"):
            from_torch(Module(), example)
