"""Products, their errors and gradients obey the laws of linear maps, exactly, as all are integers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.workloads.training.chains import chain
from workloads import Conv2d, Linear, MaxPool2d, Window, lower
from workloads.training import TrainedStage, trained_stages
from workloads.training.stage_arithmetic import (
    error_before_stage_ends,
    gradient_sums,
    input_error_sums,
    pooled,
    weighted_sums,
)


@st.composite
def stages(draw: st.DrawFn, pool: bool = False) -> TrainedStage:
    """Draw a convolution of any window, with a max pool of any window behind it if asked for."""
    sides = st.integers(1, 3)
    window = Window(
        kernel=(draw(sides), draw(sides)),
        stride=(draw(sides), draw(sides)),
        padding=tuple(draw(st.integers(0, 2)) for _ in range(4)),  # type: ignore[arg-type]
        dilation=(draw(st.integers(1, 2)), draw(st.integers(1, 2))),
    )
    shape = (draw(sides), draw(st.integers(5, 7)), draw(st.integers(5, 7)))
    conv = Conv2d(name="conv", out_channels=draw(sides), window=window)
    pools = [MaxPool2d(name="pool", window=Window.square(2, padding=1, stride=2))] if pool else []
    return trained_stages(lower(chain(conv, *pools, Linear(name="fc", out_features=2), shape=shape)))[0]


def numbers(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-99, 100, shape)


@given(stages(), st.integers(0, 2**32))
def test_error_and_gradient_are_the_transposes_of_the_product(stage: TrainedStage, seed: int) -> None:
    x, weights = numbers(seed, 2, *stage.in_shape), numbers(seed + 1, *stage.weights_shape)
    error, one = numbers(seed + 2, 2, *stage.matrix.shape), 64
    product = (weighted_sums(stage, x, weights, one) * error).sum(axis=(1, 2, 3))
    gradients = gradient_sums(stage, x, error, one)
    assert (gradients * weights).sum(axis=(1, 2)).tolist() == product.tolist()
    biases = one * weights[-1] @ error.sum(axis=(2, 3)).T
    back = (input_error_sums(stage, error, weights) * x).sum(axis=(1, 2, 3))
    assert (back + biases).tolist() == product.tolist()


@given(stages(pool=True), st.integers(0, 2**32))
def test_the_error_of_a_pool_goes_to_one_winner_of_each_window(stage: TrainedStage, seed: int) -> None:
    maps = pooled(stage, numbers(seed, 2, *stage.matrix.shape) % 7 - 3)  # many are equal
    error = numbers(seed + 1, 2, *stage.shape)
    routed = error_before_stage_ends(stage, maps, error)
    assert routed.sum(axis=(2, 3)).tolist() == error.sum(axis=(2, 3)).tolist()
    assert (routed * maps[0]).sum(axis=(2, 3)).tolist() == (error * maps[1]).sum(axis=(2, 3)).tolist()
    ones = error_before_stage_ends(stage, maps, np.ones_like(error))
    assert ones.sum() == error.size
