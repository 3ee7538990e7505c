from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.mapping.buffers import BufferRule, Pace, buffer_depths, least_depths, needed_depths
from arch.mapping.stages import Stage, stages_of
from simcore import MappingError
from tests.arch.dataflow_bench import RULES, chain, residual
from tests.arch.pipeline_recurrence import steps_by_enumeration
from tests.strategies import NetworkCase, networks
from workloads import Add, Concat, Conv2d, GlobalAvgPool, Input, LoweredNetwork, Network, Window, lower

GOOD = ["minimum", "full", "unbounded", "lines:K", "lines:K+1", "lines:K+12", "lines:5"]
BAD = ["", "lines", "lines:", "lines:k", "lines:K-1", "lines:K+", "lines: 5", "minimum ", "Full", "lines:5+K"]


def least(network: Network | LoweredNetwork, latency: int = 1) -> dict[tuple[str, int], int]:
    """Return the least depths behind a source of one pixel a step."""
    lowered = lower(network) if isinstance(network, Network) else network
    pixels, stages = lowered.input_shape[1] * lowered.input_shape[2], stages_of(lowered)
    return least_depths(stages, lowered.input, pixels, Pace(dict.fromkeys([s.name for s in stages], latency)))


def only_stage(network: Network) -> Stage:
    (stage,) = stages_of(lower(network))
    return stage


@pytest.mark.parametrize("text", GOOD)
def test_a_rule_is_written_like_this(text: str) -> None:
    assert BufferRule(text).text == text


@pytest.mark.parametrize("text", BAD)
def test_no_rule_is_written_like_this(text: str) -> None:
    with pytest.raises(ValueError, match=r"must be minimum, lines:K.* got"):
        BufferRule(text)


@pytest.mark.parametrize(("kernel", "width"), [(k, w) for k in (1, 3, 5, 7) for w in (8, 11, 16)])
@pytest.mark.parametrize("latency", [1, 2, 5])
def test_stride_1_needs_its_lines_but_one_and_a_kernel(kernel: int, width: int, latency: int) -> None:
    network = chain(Window.square(kernel, padding=kernel // 2), shape=(1, width, width))
    assert least(network, latency) == {("conv0", 0): (kernel - 1) * width + kernel}


@pytest.mark.parametrize(("kernel", "padding", "less"), [(3, 1, 1), (7, 3, 1), (5, 2, 0)])
@pytest.mark.parametrize("width", [16, 32])
def test_stride_2_needs_as_much_in_a_ring_though_fewer_pixels_live(
    kernel: int, padding: int, less: int, width: int
) -> None:
    """Pixels between the lines of a window die early where rows are skipped, but a ring frees in order."""
    window = Window.square(kernel, stride=2, padding=padding)
    span = (kernel - 1) * width + kernel
    assert least(chain(window, shape=(1, width, width))) == {("conv0", 0): span}
    assert most_alive(window, width) == span - less


def most_alive(window: Window, width: int) -> int:
    """Return the most pixels at once that have arrived, one by one as needed, and are still to be read."""
    steps = steps_by_enumeration(window, width, width)
    last_use = {pixel: n for n, step in enumerate(steps) for pixel in step.reads}
    return max(
        sum(last_use.get(pixel, -1) >= n for pixel in range(step.need)) for n, step in enumerate(steps)
    )


@pytest.mark.parametrize("width", [8, 16, 32])
@pytest.mark.parametrize("latency", [1, 2, 3, 7])
def test_a_skip_around_two_convolutions_holds_two_lines_and_a_core_latency(width: int, latency: int) -> None:
    depths = least(residual(3, 3, shape=(1, width, width)), latency)
    assert depths["conv1", 1] == 2 * (width + 1) + latency + 1


@pytest.mark.parametrize("kernels", [(3,), (1, 3), (5, 3), (3, 3, 3), (1, 1, 1)])
@pytest.mark.parametrize("latency", [1, 4])
def test_a_skip_holds_what_its_bypassed_convolutions_lag_behind(
    kernels: tuple[int, ...], latency: int
) -> None:
    width = 12
    depths = least(residual(*kernels, shape=(1, width, width)), latency)
    lag = sum((k - 1 - k // 2) * (width + 1) for k in kernels) + (len(kernels) - 1) * latency + 1
    assert depths[f"conv{len(kernels) - 1}", 1] == lag


def test_a_skip_allows_for_the_latency_of_each_core_that_it_bypasses_before_the_last() -> None:
    stages = stages_of(lower(residual(1, 1, 1, shape=(1, 8, 8))))
    latency = {"stem": 100, "conv0": 3, "conv1": 8, "conv2": 100}
    depths = least_depths(stages, "image", 64, Pace(latency))
    assert depths["conv2", 1] == 3 + 8 + 1


@pytest.mark.parametrize("width", [32, 16])
def test_a_strided_block_holds_two_of_its_lines_behind_the_projection(width: int) -> None:
    strided, point = Window.square(3, stride=2, padding=1), Window.square(1, stride=2)
    network = Network(
        "strided",
        [
            Input(name="image", shape=(1, width, width)),
            Conv2d(name="stem", out_channels=1, window=Window.square(1)),
            Conv2d(name="a", out_channels=1, window=strided),
            Conv2d(name="b", out_channels=1, window=Window.square(3, padding=1)),
            Conv2d(name="projection", inputs=("stem",), out_channels=1, window=point),
            Add(name="sum", inputs=("b", "projection")),
        ],
    )
    depths = least(network)
    assert depths["b", 1] == width  # 2 lines of width / 2
    assert depths["projection", 0] == 1


@settings(deadline=None)
@given(
    networks(max_steps=6),
    st.integers(1, 40),
    st.sampled_from([rule for rule in RULES if rule != "unbounded"]),
)
def test_no_finite_rule_goes_below_what_keeps_the_pipeline_moving(
    case: NetworkCase, latency: int, rule: str
) -> None:
    lowered = lower(case.network)
    floor, stages = least(lowered, latency), stages_of(lowered)
    depths = buffer_depths(BufferRule(rule), stages, floor)
    assert list(depths) == list(floor)
    for place, depth in depths.items():
        assert depth is not None
        assert depth >= floor[place] >= 1


@settings(deadline=None)
@given(networks(max_steps=6), st.integers(1, 40))
def test_what_keeps_all_moving_is_never_less_than_what_each_needs(case: NetworkCase, latency: int) -> None:
    lowered = lower(case.network)
    enough, needed = least(lowered, latency), needed_of(lowered)
    assert list(enough) == list(needed)
    assert all(enough[place] >= needed[place] >= 1 for place in needed)


@pytest.mark.parametrize("kernels", [(3,), (1, 3), (5, 3), (3, 3, 3), (1, 1, 1)])
def test_a_skip_needs_the_lag_of_what_it_bypasses_less_the_pixel_that_only_its_sender_has_room_for(
    kernels: tuple[int, ...],
) -> None:
    """The bypassed convolutions take a pixel more than the skip: that with which their last window fills."""
    width = 12
    needed = needed_of(lower(residual(*kernels, shape=(1, width, width))))
    assert needed[f"conv{len(kernels) - 1}", 1] == max(1, sum((k // 2) * (width + 1) for k in kernels))


def needed_of(network: LoweredNetwork) -> dict[tuple[str, int], int]:
    return needed_depths(stages_of(network))


def test_an_unbounded_rule_has_no_depth() -> None:
    stage = only_stage(chain(Window.square(3)))
    assert BufferRule("unbounded").depth(stage, stage.operands[0], 9) is None


@pytest.mark.parametrize(
    ("rule", "pixels"),
    [("minimum", 19), ("lines:K", 24), ("lines:K+1", 32), ("lines:5", 40), ("lines:99", 64), ("full", 64)],
)
def test_lines_are_as_wide_as_the_map_and_never_more_than_it_has(rule: str, pixels: int) -> None:
    stage = only_stage(chain(Window.square(3, padding=1), shape=(2, 8, 8)))
    assert BufferRule(rule).depth(stage, stage.operands[0], 19) == pixels


def test_lines_are_for_windows_only() -> None:
    *_, block, pool = stages_of(
        lower(
            Network(
                "pooled",
                [
                    Input(name="image", shape=(2, 8, 8)),
                    Conv2d(name="a", out_channels=2, window=Window.square(3, padding=1)),
                    Conv2d(name="b", out_channels=2, window=Window.square(3, padding=1)),
                    Add(name="sum", inputs=("a", "b")),
                    GlobalAvgPool(name="pool"),
                ],
            )
        )
    )
    rule = BufferRule("lines:K+1")
    assert rule.depth(block, block.operands[0], 19) == 32
    assert rule.depth(block, block.operands[1], 12) == 12
    assert rule.depth(pool, pool.operands[0], 1) == 1


def test_fewer_lines_than_the_kernel_is_high_are_refused() -> None:
    stage = only_stage(chain(Window.square(3, padding=1)))
    with pytest.raises(
        MappingError,
        match=r"buffers\.rule=lines:1 gives conv0 1 lines, but its kernel is 3 lines high; write lines:3",
    ):
        BufferRule("lines:1").depth(stage, stage.operands[0], 19)


def test_depths_of_a_schedule_with_more_under_way_than_cores_hold_would_not_do() -> None:
    """With a latency of a whole line, both branches come at once, and neither would need a buffer."""
    depths = least(late_branches(width=20), latency=21)
    assert depths["c", 0] + depths["c", 1] > 2 * 20


def late_branches(width: int) -> Network:
    """Return a network whose branches lag in different ways: one by a kernel's lines, one by two cores."""
    return Network(
        "late",
        [
            Input(name="image", shape=(1, 6, width)),
            Conv2d(name="stem", out_channels=1, window=Window.square(1)),
            Conv2d(name="wide", out_channels=1, window=Window.square(5, padding=2)),
            Conv2d(name="a", inputs=("stem",), out_channels=1, window=Window.square(1)),
            Conv2d(name="b", out_channels=1, window=Window.square(1)),
            Conv2d(name="c", out_channels=1, window=Window.square(1)),
            Concat(name="join", inputs=("wide", "c")),
        ],
    )
