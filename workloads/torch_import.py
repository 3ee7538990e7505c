"""PyTorch modules become networks: exported as they run, through ONNX. Needs torch and onnxscript."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simcore.errors import ConfigError, WorkloadError
from workloads.network import Network

if TYPE_CHECKING:
    import torch


def from_torch(module: torch.nn.Module, example_input: torch.Tensor, name: str | None = None) -> Network:
    """Return the network that a module computes in inference, with its weights.

    example_input : what the module takes, (N, ...) with any number of images
    name : of the network; the module's class, unless given
    raises : ConfigError if torch or onnxscript is not there; WorkloadError for a module that torch cannot
        export, or with a line for each of its operators that cannot be mapped
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
    trains = module.training
    module.eval()
    try:
        with torch.no_grad():
            program: Any = torch.export.export(module, (example_input,))
            exported = torch.onnx.export(program, dynamo=True, verbose=False)
    except Exception as error:  # whatever torch makes of what it cannot follow
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WorkloadError(
            f"torch cannot export {type(module).__name__}: {reason}; try torch.export.export on it"
        ) from None
    finally:
        module.train(trains)
    called = name or type(module).__name__
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{called}.onnx"
        exported.save(path, external_data=False)
        try:
            return read_onnx(path)
        except WorkloadError as error:
            raise WorkloadError(str(error).replace(str(path), called)) from None
