from __future__ import annotations

from collections import Counter

from hypothesis import given, settings

from arch.mapping.stages import Stage, stages_of
from tests.strategies import NetworkCase, networks
from workloads import (
    Activation,
    Add,
    BatchNorm,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Input,
    Layer,
    LoweredNetwork,
    MaxPool2d,
    Network,
    SelectNode,
    Window,
    lower,
)
from workloads import networks as shipped

IMAGE = Input(name="image", shape=(2, 6, 6))
SAME = Window.square(3, padding=1)
POINT = Window.square(1)


def conv(name: str, *inputs: str, window: Window = SAME, channels: int = 2) -> Conv2d:
    return Conv2d(name=name, inputs=inputs, out_channels=channels, window=window)


def staged(*layers: Layer) -> dict[str, Stage]:
    """Return the stages of layers behind an image of two channels, by name."""
    return {stage.name: stage for stage in stages_of(lower(Network("staged", [IMAGE, *layers])))}


def done(stage: Stage) -> list[str]:
    return [node.name for node in stage.nodes]


def sources(stage: Stage) -> list[str]:
    return [operand.source for operand in stage.operands]


def chosen(network: LoweredNetwork, stages: list[Stage]) -> list[SelectNode]:
    """Return the selections that readers make where they store pixels."""
    heads = {stage.name for stage in stages}
    selections = [node for node in network.nodes if isinstance(node, SelectNode)]
    return [node for node in selections if not node.picks_pixels and node.name not in heads]


@settings(deadline=None)
@given(networks(max_steps=6))
def test_each_node_is_done_exactly_once_behind_what_it_reads(case: NetworkCase) -> None:
    """A selection of channels is done once by each of its readers, for it costs them nothing."""
    network = lower(case.network)
    stages = stages_of(network)
    expected = Counter(node.name for node in network.nodes)
    expected |= Counter({node.name: len(network.consumers[node.name]) for node in chosen(network, stages)})
    assert Counter(name for stage in stages for name in done(stage)) == expected
    sent = {network.input: network.input_shape}
    for stage in stages:
        for operand in stage.operands:
            choice = operand.before[0] if operand.before else None
            assert sent[operand.source] == (choice.in_shapes[0] if choice else operand.shape)
            assert sent[operand.source][1:] == operand.shape[1:]
            assert operand.firing.pixels == operand.shape[1] * operand.shape[2]
            assert operand.firing.steps == stage.steps
        sent[stage.name] = stage.shape
    if stages:
        assert stages[-1].output == network.output
        assert stages[-1].steps == stages[-1].pixels * stages[-1].steps_per_pixel


@settings(deadline=None)
@given(networks(max_steps=6))
def test_only_a_sum_brings_a_matrix_further_operands(case: NetworkCase) -> None:
    for stage in stages_of(lower(case.network)):
        sums = [node for node in stage.after if len(node.inputs) > 1]
        further = sum(len(node.inputs) - 1 for node in sums)
        assert len(stage.operands) == len(stage.head.inputs) + further


def test_a_sum_belongs_to_the_last_convolution_of_the_block_not_to_its_skip() -> None:
    stages = staged(conv("stem"), conv("a"), conv("b"), Add(name="sum", inputs=("stem", "b")))
    assert list(stages) == ["stem", "a", "b"]
    assert done(stages["b"]) == ["b", "sum"]
    assert sources(stages["b"]) == ["a", "stem"]


def test_a_sum_never_belongs_to_a_projection() -> None:
    strided = Window.square(3, stride=2, padding=1)
    projection = conv("projection", "stem", window=Window.square(1, stride=2))
    for operands in (("projection", "b"), ("b", "projection")):
        stages = staged(
            conv("stem"), conv("a", window=strided), conv("b"), projection, Add(name="sum", inputs=operands)
        )
        assert done(stages["b"]) == ["b", "sum"]
        assert sources(stages["b"]) == ["a", "projection"]
        assert done(stages["projection"]) == ["projection"]
        assert list(stages).index("projection") < list(stages).index("b")


def test_a_sum_of_a_tensor_that_others_read_too_is_a_stage_of_its_own() -> None:
    stages = staged(
        conv("a"),
        conv("b"),
        Add(name="sum", inputs=("a", "b")),
        Add(name="all", inputs=("sum", "b")),
    )
    assert sources(stages["sum"]) == ["a", "b"]
    assert sources(stages["all"]) == ["sum", "b"]


def test_sums_in_a_row_belong_to_one_convolution() -> None:
    stages = staged(
        conv("a"), conv("b"), Add(name="one", inputs=("b", "a")), Add(name="two", inputs=("image", "one"))
    )
    assert done(stages["b"]) == ["b", "one", "two"]
    assert sources(stages["b"]) == ["a", "a", "image"]


def test_a_tensor_added_to_itself_is_read_twice() -> None:
    stages = staged(conv("a"), Add(name="double", inputs=("a", "a")))
    assert sources(stages["double"]) == ["a", "a"]


def test_a_curve_behind_a_convolution_is_looked_up_on_the_way_out() -> None:
    stages = staged(conv("a"), Activation(name="curve", function="tanh"), conv("b"))
    assert done(stages["a"]) == ["a", "curve"]
    assert sources(stages["b"]) == ["a"]


def test_batch_norm_of_a_concatenation_with_more_readers_is_done_where_its_own_reader_stores_pixels() -> None:
    stages = staged(
        conv("a"),
        Concat(name="both", inputs=("image", "a")),
        BatchNorm(name="norm"),
        Activation(name="curve", function="gelu"),
        conv("b"),
        Concat(name="all", inputs=("both", "b")),
    )
    assert list(stages) == ["a", "b"]
    assert [node.name for node in stages["b"].operands[0].before] == ["norm", "curve"]
    assert sources(stages["b"]) == ["a", "a"]
    assert done(stages["a"]) == ["a", "both"]


def test_a_concatenation_is_done_in_the_core_at_the_end_of_its_longest_branch() -> None:
    stages = staged(conv("a"), conv("b"), Concat(name="all", inputs=("a", "b", "image")), conv("d"))
    assert list(stages) == ["a", "b", "d"]
    assert sources(stages["b"]) == ["a", "a", "image"]
    assert done(stages["b"]) == ["b", "all"]
    assert stages["b"].shape[0] == stages["b"].head.shape[0] + sum(
        o.shape[0] for o in stages["b"].operands[1:]
    )


def test_a_concatenation_of_what_others_read_too_is_a_stage_of_its_own() -> None:
    stages = staged(
        conv("a"), Concat(name="all", inputs=("image", "a")), Concat(name="more", inputs=("a", "all"))
    )
    assert list(stages) == ["a", "all", "more"]


def test_batch_norm_of_the_image_is_done_where_its_reader_stores_pixels() -> None:
    stages = staged(BatchNorm(name="norm"), conv("a"))
    assert [node.name for node in stages["a"].operands[0].before] == ["norm"]
    assert sources(stages["a"]) == ["image"]


def test_batch_norm_with_several_readers_is_a_stage_of_its_own() -> None:
    stages = staged(BatchNorm(name="norm"), conv("a"), Add(name="sum", inputs=("norm", "a")))
    assert done(stages["norm"]) == ["norm"]
    assert sources(stages["a"]) == ["norm", "norm"]


def test_pointwise_work_at_the_very_end_is_a_stage_of_its_own_if_nothing_stands_before_it() -> None:
    stages = staged(BatchNorm(name="norm"))
    assert done(stages["norm"]) == ["norm"]


def test_a_global_pool_takes_a_pixel_a_step_and_needs_no_window() -> None:
    stages = staged(conv("a"), GlobalAvgPool(name="pool"))
    pool = stages["pool"]
    assert pool.accumulates
    assert (pool.steps, pool.pixels, pool.steps_per_pixel) == (36, 1, 36)
    assert pool.operands[0].firing.least_depth == 1


def test_a_padded_pool_over_the_whole_map_is_an_ordinary_window() -> None:
    window = Window(kernel=(6, 6), stride=(9, 9), padding=(0, 0, 1, 1))
    pool = staged(conv("a"), MaxPool2d(name="pool", window=window))["pool"]
    assert not pool.accumulates
    assert (pool.steps, pool.operands[0].firing.least_depth) == (1, 36)


def test_the_digits_resnet_has_a_core_for_each_convolution_its_pool_and_its_classifier() -> None:
    stages = stages_of(lower(shipped["digits-resnet"]()))
    assert [(stage.name, sources(stage)) for stage in stages] == [
        ("stem", ["image"]),
        ("block1-conv1", ["stem"]),
        ("block1-conv2", ["block1-conv1", "stem"]),
        ("block2-conv1", ["block1-conv2"]),
        ("block2-project", ["block1-conv2"]),
        ("block2-conv2", ["block2-conv1", "block2-project"]),
        ("pool", ["block2-conv2"]),
        ("fc", ["pool"]),
    ]
