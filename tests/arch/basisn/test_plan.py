"""The map of a network on BasisN: slots are those of a run, or are told to be the least."""

from __future__ import annotations

import pytest

import imcsim


@pytest.mark.parametrize("workload", ["digits-resnet-basis", "digits-cnn"])
@pytest.mark.parametrize("variant", ["analog", "digital"])
def test_one_crossbar_goes_through_all_slots_one_after_the_other(workload: str, variant: str) -> None:
    settings = ["crossbars=1", f"variant={variant}"]
    settings += ["coefficients.drawn=packed"] if workload == "digits-cnn" else []
    placed = imcsim.map_workload(workload, "basisn", settings=settings)
    s = imcsim.run(workload, "basisn", settings=settings, values="off", record=False).summary
    bits = 8 * (4 if variant == "digital" else 1)  # of inputs, and of coefficients one by one
    assert placed.resources["slot"] * bits == s["cycles"]
    assert sum(row.resources.get("slot", 0) for row in placed.rows) == placed.resources["slot"]


def test_slots_of_supports_that_a_run_draws_are_told_as_the_least() -> None:
    drawn = imcsim.map_workload("digits-cnn", "basisn", settings=["crossbars=1"]).resources
    packed = imcsim.map_workload("digits-cnn", "basisn", settings=["coefficients.drawn=packed"]).resources
    assert "slot" not in drawn
    assert drawn["least slot"] == packed["slot"]
    s = imcsim.run("digits-cnn", "basisn", settings=["crossbars=1"], values="off", record=False).summary
    assert drawn["least slot"] * 8 < s["cycles"]
