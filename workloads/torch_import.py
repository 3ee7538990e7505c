"""PyTorch modules become networks: exported as they run, through ONNX. Needs torch and onnxscript."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.errors import ConfigError, FileError, WorkloadError
from workloads.network import Network

if TYPE_CHECKING:
    import torch


def from_torch(module: torch.nn.Module, example_input: torch.Tensor, name: str | None = None) -> Network:
    """Return the network that a module computes in inference, with its weights.

    example_input : what the module takes, (N, ...); it is exported with the first image alone
    name : of the network; the module's class, unless given
    raises : ConfigError if torch or onnxscript is not there; WorkloadError for what is no module or no image,
        for a module that torch cannot export, or with a line for each of its operators that cannot be mapped
    """
    try:
        import onnxscript  # noqa: F401  -- what torch's exporter is written in
        import torch

        from workloads.onnx_import import read_onnx
    except ImportError as error:
        raise ConfigError(
            f"PyTorch modules need torch, onnxscript and onnx ({error}); install them with "
            "pip install 'imcsim[torch]'"
        ) from None
    if not isinstance(module, torch.nn.Module):
        raise WorkloadError(f"module must be a torch.nn.Module, got {_told(module)}; give an instance of one")
    if not isinstance(example_input, torch.Tensor) or example_input.ndim < 2 or not len(example_input):
        raise WorkloadError(
            "example_input must be a tensor with images along its first axis, got "
            f"{_told(example_input)}; give what the module takes, as in torch.randn(1, 3, 32, 32)"
        )
    trained = {each: each.training for each in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            program: Any = torch.export.export(module, (example_input[:1],))
            exported = torch.onnx.export(program, dynamo=True, verbose=False)
    except Exception as error:  # whatever torch makes of what it cannot follow
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WorkloadError(
            f"torch cannot export {type(module).__name__}: {reason}; try torch.export.export on it"
        ) from None
    finally:
        for each, training in trained.items():  # one by one, as some may be frozen
            each.training = training
    called = name or type(module).__name__
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "module.onnx"
        exported.save(path, external_data=False)
        try:
            network = read_onnx(path)
        except (FileError, WorkloadError) as error:
            raise type(error)(str(error).replace(str(path), called)) from None
    network.name = called
    return network


def _told(value: object) -> str:
    """Return what somebody gave, in a few words."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    shape = getattr(value, "shape", None)
    return type(value).__name__ if shape is None else f"{type(value).__name__} of shape {tuple(shape)}"
