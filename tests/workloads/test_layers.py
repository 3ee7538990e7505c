from __future__ import annotations

import pytest

from simcore.errors import WorkloadError
from workloads import (
    Activation,
    Add,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Input,
    Layer,
    Linear,
    MaxPool2d,
    Window,
)


def conv(out_channels: int, window: Window, groups: int = 1, bias: bool = True) -> Conv2d:
    return Conv2d(name="conv", out_channels=out_channels, window=window, groups=groups, bias=bias)


def test_convolution_follows_its_closed_formulas() -> None:
    # AlexNet's first layer: (224 + 2 * 2 - 11) // 4 + 1 = 55
    layer, image = conv(64, Window.square(11, stride=4, padding=2)), (3, 224, 224)
    assert layer.output_shape([image]) == (64, 55, 55)
    assert layer.macs([image]) == 11 * 11 * 3 * 64 * 55 * 55
    assert layer.parameter_shapes([image]) == {"weight": (64, 3, 11, 11), "bias": (64,)}


def test_groups_divide_work_and_weights() -> None:
    layer, image = conv(8, Window.square(3, padding=1), groups=4, bias=False), (4, 5, 6)
    assert layer.output_shape([image]) == (8, 5, 6)
    assert layer.macs([image]) == 3 * 3 * 1 * 8 * 5 * 6
    assert layer.parameter_shapes([image]) == {"weight": (8, 1, 3, 3)}


def test_dilation_and_sides_of_padding_count_one_by_one() -> None:
    window = Window(kernel=(3, 2), stride=(2, 1), padding=(1, 0, 2, 3), dilation=(2, 4))
    # height (10 + 1 + 2 - 5) // 2 + 1, width (10 + 0 + 3 - 5) // 1 + 1
    assert conv(1, window).output_shape([(1, 10, 10)]) == (1, 5, 9)


def test_linear_reads_the_whole_map() -> None:
    layer, image = Linear(name="fc", out_features=10), (32, 2, 3)
    assert layer.output_shape([image]) == (10, 1, 1)
    assert layer.macs([image]) == 32 * 2 * 3 * 10
    assert layer.parameter_shapes([image]) == {"weight": (10, 192), "bias": (10,)}


@pytest.mark.parametrize(("ceil_mode", "side"), [(False, 3), (True, 4)])
def test_ceil_mode_keeps_the_last_partial_window(ceil_mode: bool, side: int) -> None:
    layer = MaxPool2d(name="pool", window=Window.square(3, stride=2), ceil_mode=ceil_mode)
    assert layer.output_shape([(2, 8, 8)]) == (2, side, side)


def test_joins_and_elementwise_layers_follow_their_inputs() -> None:
    a, b = (3, 4, 5), (2, 4, 5)
    assert Add(name="add").output_shape([a, a, a]) == a
    assert Concat(name="concat").output_shape([a, b, a]) == (8, 4, 5)
    assert Activation(name="relu", function="relu").output_shape([a]) == a
    assert GlobalAvgPool(name="pool").output_shape([a]) == (3, 1, 1)
    norm = BatchNorm(name="norm")
    assert norm.output_shape([a]) == a
    assert set(norm.parameter_shapes([a]).values()) == {(3,)}


def test_only_matrices_multiply_and_accumulate() -> None:
    assert MaxPool2d(name="pool", window=Window.square(2)).macs([(1, 4, 4)]) == 0
    assert BatchNorm(name="norm").macs([(1, 4, 4)]) == 0


@pytest.mark.parametrize(
    ("layer", "inputs", "message"),
    [
        (Input(name="x", shape=(1, 0, 4)), [], r"x: the shape must be .* got \(1, 0, 4\)"),
        (Input(name="x", shape=(1, 4, 4)), [(1, 4, 4)], "x: Input takes no inputs, got 1"),
        (conv(4, Window.square(5)), [(1, 4, 4)], "conv: the window spans 5x5 pixels, .* only 4x4; pad more"),
        (conv(4, Window.square(1), groups=3), [(3, 4, 4)], "conv: groups must divide 3 input .* got 3"),
        (conv(4, Window.square(1), groups=0), [(3, 4, 4)], "conv: groups must divide .* got 0"),
        (conv(4, Window.square(1)), [(3, 4, 4), (3, 4, 4)], "conv: Conv2d takes 1 input, got 2"),
        (Linear(name="fc", out_features=0), [(3, 1, 1)], "fc: out_features must be at least 1, got 0"),
        (Add(name="add"), [(3, 4, 4)], "add: Add takes 2 inputs or more, got 1"),
        (Add(name="add"), [(3, 4, 4), (1, 4, 4)], r"add: .* one shape, got \(3, 4, 4\), \(1, 4, 4\)"),
        (Concat(name="cat"), [(3, 4, 4), (3, 2, 4)], "cat: .* one height and width, .* pool the larger"),
        (Activation(name="act", function="rellu"), [(1, 1, 1)], "act: .*'rellu'; did you mean 'relu'?"),
        (
            Activation(name="act", function="relu", alpha=0.1),
            [(1, 1, 1)],
            "act: relu takes no alpha, got 0.1",
        ),
        (
            AvgPool2d(name="pool", window=Window.square(2, stride=2, padding=2)),
            [(1, 4, 4)],
            "pool: padding .* leaves windows without a single pixel of the 4x4 input; pad less",
        ),
    ],
)
def test_impossible_layers_say_what_is_wrong(
    layer: Layer, inputs: list[tuple[int, int, int]], message: str
) -> None:
    with pytest.raises(WorkloadError, match=message):
        layer.output_shape(inputs)
