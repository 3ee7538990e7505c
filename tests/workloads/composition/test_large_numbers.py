"""Weights and images of any size: composed to finite numbers, or refused in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simcore.errors import WorkloadError
from workloads import Network, datasets
from workloads import networks as zoo
from workloads.composition import ComposedReference, ComposeOptions, compose

IMAGES = datasets["digits-train"]().first(40)


def mlp(factor: float) -> Network:
    """Return the digits' network, its weights so many times as large."""
    known = zoo["digits-mlp"]()
    weights = {
        layer: {name: (array * factor).astype(np.float32) for name, array in arrays.items()}
        for layer, arrays in known.load_parameters().items()
    }
    return Network("large", list(known.layers.values()), lambda: weights)


@settings(deadline=None, max_examples=12)
@given(st.integers(-30, 37), st.integers(-30, 37))
@pytest.mark.filterwarnings("error")
def test_networks_are_composed_to_finite_numbers_or_refused(weights: int, images: int) -> None:
    data = replace(IMAGES, inputs=(IMAGES.inputs * 10.0**images).astype(np.float32))
    try:
        network = compose(mlp(10.0**weights), data, ComposeOptions(8, 8)).at()
    except WorkloadError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert refused.endswith("beyond single precision; scale weights or images down")
        assert 3 * weights + max(images, 0) > 30  # of three layers; biases grow even if images are small
        return
    outputs = ComposedReference(network).outputs(data.inputs) * network.output_scale
    assert np.isfinite(outputs.astype(np.float32)).all()


def test_sums_that_are_not_finite_are_refused() -> None:
    with pytest.raises(WorkloadError, match="large: sums of fc2 are beyond single precision; scale weights"):
        compose(mlp(1e30), IMAGES, ComposeOptions(8, 8))


def test_ranges_whose_scale_is_no_single_precision_number_are_refused() -> None:
    composition = compose(mlp(1.0), IMAGES, ComposeOptions(8, 8))
    wide = replace(composition, ranges=dict.fromkeys(composition.ranges, (-3e38, 3e38)))
    with pytest.raises(WorkloadError, match=r"numbers of fc1 reach 6e\+38, beyond single precision"):
        wide.at()
