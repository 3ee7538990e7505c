"""The trained networks on a machine, as a whole and array by array."""

from __future__ import annotations

from typing import Any

import pytest

import imcsim

TRAINED = ["digits-mlp", "digits-cnn", "digits-resnet"]


def run_in_both_details(network: str, machine: str, images: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return summaries with details group and array, which must agree, and equal the reference."""
    group, array = (
        dict(imcsim.run(network, machine, images=images, settings=[f"detail={detail}"]).summary)
        for detail in ("group", "array")
    )
    assert group["outputs_match_golden"]
    assert group["accuracy"] == group["golden_accuracy"] == 1.0
    assert array["outputs_match_golden"]
    assert array["cycles"] == group["cycles"]
    assert array["units"] > group["units"]
    assert array["energy_j"]["total"] == pytest.approx(group["energy_j"]["total"])
    return group, array
