"""PyTorch modules become networks where PyTorch is there."""

from __future__ import annotations

import sys

import pytest

from simcore.errors import ConfigError
from workloads.torch_import import from_torch


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ConfigError, match=r"need torch, onnxscript and onnx .*pip install 'imcsim\[torch\]'"):
        from_torch(None, None)
