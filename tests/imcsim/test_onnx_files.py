"""What the page on ONNX shows works as it is shown."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.imcsim.command_bench import command, printed, refusal
from tests.workloads.onnx_import.models import model, node

PAGE = (Path(__file__).parents[2] / "docs" / "onnx.md").read_text(encoding="utf-8")


def test_a_network_along_one_axis_takes_images_as_its_notes_have_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = np.random.default_rng(0).normal(size=(8, 9, 3)).astype(np.float32)
    layers = [node("Transpose", "x", "t", perm=[0, 2, 1]), node("Conv", "t w")]
    onnx.save(model(layers, ["N", 32, 9], {"w": weights}), "my_model.onnx")
    read: dict[str, Any] = {}
    exec(
        next(code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "read_onnx" in code),
        read,
    )
    (note,) = read["network"].notes
    assert note.endswith("'x' is channels first: the file's, with its axes transposed to (0, 2, 1)")
    images = np.random.default_rng(1).normal(size=(2, 32, 9))
    words = next(line for line in PAGE.splitlines() if "--data my_images.npz" in line).split()[1:]
    np.savez("my_images.npz", inputs=images)
    assert refusal(*words).endswith("; transpose the data, (images, 32, 9), by (0, 2, 1)")
    np.savez("my_images.npz", inputs=images.transpose(0, 2, 1))
    assert printed(*words, "--images", "2")["outputs_match_golden"] is True


def test_what_is_refused_is_told_as_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    norm, resize = (
        node("InstanceNormalization", "x scale scale", "n"),
        node("Resize", "x - factors", "r", mode="linear"),
    )
    norm.name, resize.name = "/norm/InstanceNormalization", "/up/Resize"
    pooled = [node("GlobalAveragePool", "n", "a"), node("GlobalAveragePool", "r", "b"), node("Add", "a b")]
    constants = {"scale": np.ones(3, np.float32), "factors": np.array([1, 1, 2, 2], np.float32)}
    onnx.save(model([norm, resize, *pooled], [1, 3, 8, 8], constants), "model.onnx")
    (shown,) = re.findall(r"    (error: model\.onnx.*?)\n\n", PAGE, re.DOTALL)
    result = command("run", "model.onnx", "--arch", "dataflow")
    assert (result.exit_code, result.stderr.split()) == (2, shown.split())
