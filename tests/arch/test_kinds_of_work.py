"""Selections, products and softmaxes on the dataflow machine: where they are done, when, and at what cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from simcore import MappingError
from simcore.errors import WorkloadError
from tests.arch.dataflow_bench import Bench, Quantized, bench, quantized
from tests.arch.pipeline_recurrence import Recurrence
from tests.arch.reprogrammed.reprogrammed_bench import bench as reprogrammed_bench
from tests.arch.test_depths import check_what_is_needed
from tests.strategies import NetworkCase, random_parameters
from workloads import (
    Activation,
    Add,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Input,
    Layer,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    Mul,
    Network,
    Parameters,
    QuantizedMatrix,
    Select,
    Shape,
    Softmax,
    Window,
    lower,
    quantize,
)
from workloads.layers import Places
from workloads.scales import GivenScales, Quantization

#: Defaults, in cycles: see the machine's configuration.
SOURCE, COLUMN, MVM, PASS, LINK = 130, 1, 130, 1, 1
#: From the last pixel of a window until the next core has one of its own.
CORE = COLUMN + MVM + PASS + LINK


def conv(name: str, *inputs: str, channels: int = 2, kernel: int = 1) -> Conv2d:
    window = Window.square(kernel, padding=kernel // 2)
    return Conv2d(name=name, inputs=inputs, out_channels=channels, window=window)


def pick(
    name: str, *inputs: str, channels: Places = None, rows: Places = None, columns: Places = None
) -> Select:
    return Select(name=name, inputs=inputs, channels=channels, rows=rows, columns=columns)


def squeeze_and_excitation(size: int) -> list[Layer]:
    return [
        GlobalAvgPool(name="squeeze"),
        conv("excite"),
        Activation(name="sigmoid", function="sigmoid"),
        pick("spread", rows=(0,) * size, columns=(0,) * size),
        Mul(name="scale", inputs=("image", "spread")),
    ]


SHUFFLE_UNIT: list[Layer] = [
    conv("stem", channels=4),
    pick("kept", channels=(0, 1)),
    pick("half", "stem", channels=(2, 3)),
    conv("branch", "half"),
    Concat(name="both", inputs=("kept", "branch")),
    pick("shuffle", channels=(0, 2, 1, 3)),
    conv("next"),
]


def resized_beside(size: int) -> list[Layer]:
    """Return a branch at half the size, put back and beside the full one, as in a U-Net."""
    up = tuple(place // 2 for place in range(size))
    return [
        MaxPool2d(name="down", window=Window.square(2, stride=2)),
        conv("inner"),
        pick("up", rows=up, columns=up),
        Concat(name="beside", inputs=("image", "up")),
    ]


#: Layers behind an image of 2 x 4 x 4.
NETWORKS: dict[str, list[Layer]] = {
    "crop": [conv("a"), pick("crop", rows=(1, 2), columns=(1, 2, 3)), conv("b", kernel=3)],
    "last-pixel-first": [pick("turned", rows=(3, 2, 1, 0), columns=(3, 2, 1, 0)), conv("a", kernel=3)],
    "nothing-but-zeros": [conv("a"), pick("zeros", rows=(-1, -1)), conv("b")],
    "repeated": [
        conv("a"),
        pick("twice", rows=(0, 0, 1, 1, 2, 2, 3, 3)),
        MaxPool2d(name="m", window=Window.square(3)),
    ],
    "picked-by-a-sum": [
        conv("a"),
        conv("b", kernel=3),
        pick("turned", "a", rows=(3, -1, 1, 0)),
        Add(name="sum", inputs=("turned", "b"), signs=(1, -1)),
    ],
    "sum-that-waits-for-nothing": [
        conv("a"),
        pick("one", "a", rows=(-1, -1)),
        pick("other", "a", rows=(-1, -1), channels=(1, 0)),
        Add(name="sum", inputs=("one", "other")),
    ],
    "product-in-a-core": [conv("a"), conv("b", kernel=3), Mul(name="product", inputs=("a", "b"))],
    "square": [conv("a"), Mul(name="square", inputs=("a", "a"))],
    "shares-at-the-end": [conv("a", channels=3), Softmax(name="shares")],
    "shares-inside": [conv("a"), Softmax(name="shares"), conv("b", kernel=3)],
    "shares-of-what-others-read": [
        conv("a"),
        Softmax(name="shares"),
        conv("b", "shares"),
        Add(name="sum", inputs=("a", "b")),
    ],
    "squeeze-and-excitation": squeeze_and_excitation(4),
    "shuffle-unit": SHUFFLE_UNIT,
    "resized-beside": resized_beside(4),
}
names = pytest.mark.parametrize("name", sorted(NETWORKS))


def network(layers: Sequence[Layer], shape: Shape = (2, 4, 4)) -> Network:
    """Return layers behind an image, with random weights."""
    every = [Input(name="image", shape=shape), *layers]
    parameters = random_parameters(Network("net", every), np.random.default_rng(5))
    return Network("net", every, parameters=lambda: parameters)


def case(name: str) -> Quantized:
    images = np.random.default_rng(6).normal(0.3, 1.0, size=(3, 2, 4, 4)).astype(np.float32)
    return quantized(NetworkCase(network(NETWORKS[name]), images))


def placed(layers: Sequence[Layer], shape: Shape = (2, 4, 4), **settings: Any) -> Bench:
    return bench(network(layers, shape), settings)


MACHINES: dict[str, dict[str, Any]] = {
    "defaults": {},
    "smallest-buffers": {"buffers": {"rule": "minimum"}, "source": {"pixel_cycles": 1}},
    "group": {"detail": "group", "core": {"crossbar": {"rows": 4, "cols": 3}}},
    "adjacent-pixels": {"mapping": {"pixels_per_step": 3}, "buffers": {"rule": "minimum"}},
    "direct-memory": {"core": {"memory": {"kind": "direct-memory"}}, "buffers": {"rule": "minimum"}},
    "job-core": {"core": {"kind": "job-core", "digital": {"lanes": 1, "pass_cycles": 9}}},
}


@pytest.mark.parametrize("machine", sorted(MACHINES))
@names
def test_outputs_are_golden_on_every_machine(name: str, machine: str) -> None:
    expected = case(name)
    run = bench(expected.network.lowered, MACHINES[machine]).run(3, expected.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, expected.expected)


@pytest.mark.parametrize("crossbars", [1, 2])
@names
def test_outputs_are_golden_on_too_few_crossbars(name: str, crossbars: int) -> None:
    expected = case(name)
    machine = {"crossbars": crossbars, "array": {"rows": 4, "cols": 3}, "batch": 2}
    run = reprogrammed_bench(expected.network.lowered, machine).run(3, expected.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, expected.expected)


@names
def test_images_come_out_when_the_recurrence_says(name: str) -> None:
    subject = placed(NETWORKS[name], buffers={"rule": "minimum"}, source={"pixel_cycles": 7})
    expected = Recurrence(subject.machine.config, subject.placed, 3)
    assert subject.run(3).completed == expected.completed


@names
def test_every_buffer_has_the_depth_it_needs_and_no_slot_less(name: str) -> None:
    subject = placed(NETWORKS[name], buffers={"rule": "unbounded"})
    for edge in subject.placed.edges:
        check_what_is_needed(subject, edge, 2)


# -- cycles, by hand -----------------------------------------------------------------------------------------


def completed(layers: Sequence[Layer], shape: Shape) -> int:
    (cycle,) = placed(layers, shape).run().completed
    return cycle


@pytest.mark.parametrize(("row", "last_pixel"), [(0, 1), (1, 3), (2, 5)])
def test_a_crop_is_done_with_the_last_pixel_that_it_keeps(row: int, last_pixel: int) -> None:
    expected = last_pixel * SOURCE + LINK + COLUMN + PASS + LINK
    assert completed([pick("crop", rows=(row,))], (3, 3, 2)) == expected


@pytest.mark.parametrize("size", [2, 3, 5])
def test_a_map_turned_round_begins_with_its_last_pixel(size: int) -> None:
    pixels, turned = size * size, tuple(range(size))[::-1]
    expected = (pixels - 1) * SOURCE + LINK + pixels * COLUMN + PASS + LINK
    assert completed([pick("turned", rows=turned, columns=turned)], (3, size, size)) == expected


def test_a_pixel_is_read_again_each_time_it_is_repeated_and_zeros_are_not_read() -> None:
    repeated = [pick("repeated", rows=(0,) * 3, columns=(0,) * 5)]
    assert completed(repeated, (2, 1, 1)) == LINK + 15 * COLUMN + PASS + LINK
    zeros = [pick("zeros", rows=(0, *[-1] * 5))]
    assert completed(zeros, (2, 1, 1)) == LINK + COLUMN + 6 * PASS + LINK
    read = [placed(layers, (2, 1, 1)).run().outcome.energy.actions for layers in (repeated, zeros)]
    names = ("core[repeated].memory", "core[zeros].memory")
    assert [actions[name]["byte read"] for actions, name in zip(read, names, strict=True)] == [15 * 2, 2]


@pytest.mark.parametrize(("channels", "pass_"), [(1, 1), (64, 1), (65, 2)])
def test_a_softmax_takes_three_passes_wherever_it_is(channels: int, pass_: int) -> None:
    shape, shares = (channels, 1, 1), Softmax(name="shares")
    assert completed([shares], shape) == LINK + COLUMN + 3 * pass_ * PASS + LINK
    behind = [conv("a", channels=channels), shares]
    assert completed(behind, shape) == LINK + COLUMN + MVM + (1 + 3) * pass_ * PASS + LINK
    actions = placed(behind, shape).run().outcome.energy.actions
    assert actions["core[a].digital"]["channel pass"] == (1 + 3) * channels


def test_a_product_takes_a_pass_for_its_other_operand_as_a_sum_does() -> None:
    for join in (Mul, Add):
        alone = [join(name="join", inputs=("image", "image"))]
        assert completed(alone, (2, 1, 1)) == LINK + COLUMN + 2 * PASS + LINK
        hosted = [conv("a"), conv("b"), join(name="join", inputs=("a", "b"))]
        assert completed(hosted, (2, 1, 1)) == LINK + CORE + COLUMN + MVM + (1 + 1) * PASS + LINK


@pytest.mark.parametrize("size", [2, 3])
def test_squeeze_and_excitation_scales_all_pixels_once_their_mean_is_known(size: int) -> None:
    """Its product takes two passes a pixel, one after the other from when the factors are there."""
    pixels = size * size
    mean = (pixels - 1) * SOURCE + LINK + COLUMN + PASS + LINK
    factors = mean + CORE + PASS
    assert (
        completed(squeeze_and_excitation(size), (2, size, size))
        == factors + COLUMN + pixels * 2 * PASS + LINK
    )


def test_splitting_and_shuffling_channels_take_no_time() -> None:
    """The branch concatenates on its way out, which is one pass more."""
    assert completed(SHUFFLE_UNIT, (2, 1, 1)) == LINK + CORE + (CORE + PASS) + CORE


@pytest.mark.parametrize("size", [4, 6])
def test_a_map_beside_one_of_half_its_size_waits_for_the_corner(size: int) -> None:
    """The last small pixel comes two pixels before the end of the last line but one."""
    last_small = (size * size - 1) * SOURCE + LINK + (2 * COLUMN + 4 * PASS + LINK) + CORE
    expected = last_small + COLUMN + (2 + size) * PASS + LINK
    assert completed(resized_beside(size), (2, size, size)) == expected


# -- what is stored, sent and shown --------------------------------------------------------------------------


def test_of_a_choice_of_channels_is_stored_what_is_kept_and_sent_what_there_is() -> None:
    subject = placed([conv("stem", channels=5), pick("odd", channels=(1, 3)), conv("next")])
    actions = subject.run().outcome.energy.actions
    pixels = 16
    assert actions["core[stem].links"]["bit sent"] == pixels * 5 * 8
    assert actions["core[next].memory"]["byte written"] == pixels * 2
    assert actions["core[next].memory"]["byte read"] == pixels * 2
    (_, row) = subject.placed.rows
    assert (row.work, row.rows, row.buffers) == ("select + matrix", 2, (("stem", 1, 2),))


def test_zeros_among_the_channels_are_stored_as_any_value() -> None:
    actions = placed([pick("wider", channels=(0, -1, 1, -1, -1)), conv("a")]).run().outcome.energy.actions
    assert actions["core[a].memory"]["byte written"] == 16 * 5


def test_pixels_that_a_join_picks_are_stored_whole_and_read_where_it_picks_them() -> None:
    actions = placed(NETWORKS["picked-by-a-sum"]).run().outcome.energy.actions
    windows = 4 * (3 * 3 + 3 * 3) * 2
    assert actions["core[b].memory"]["byte written"] == 2 * 16 * 2
    assert actions["core[b].memory"]["byte read"] == windows + 3 * 4 * 2  # one of four rows is zeros


@pytest.mark.parametrize(
    ("name", "work"),
    [
        ("crop", [("a", "matrix"), ("crop", "select"), ("b", "matrix")]),
        ("picked-by-a-sum", [("a", "matrix"), ("b", "select + matrix + add")]),
        ("product-in-a-core", [("a", "matrix"), ("b", "matrix + mul")]),
        ("square", [("a", "matrix"), ("square", "mul")]),
        ("shares-inside", [("a", "matrix + softmax"), ("b", "matrix")]),
        ("shares-of-what-others-read", [("a", "matrix"), ("shares", "softmax"), ("b", "matrix + add")]),
        (
            "squeeze-and-excitation",
            [("squeeze", "avgpool"), ("excite", "matrix + table"), ("scale", "select + mul")],
        ),
        (
            "shuffle-unit",
            [
                ("stem", "matrix"),
                ("branch", "select + select + matrix + concat"),
                ("next", "select + matrix"),
            ],
        ),
        ("resized-beside", [("down", "maxpool"), ("inner", "matrix"), ("beside", "select + concat")]),
    ],
)
def test_the_map_tells_where_everything_is_done(name: str, work: list[tuple[str, str]]) -> None:
    assert [(row.stage, row.work) for row in placed(NETWORKS[name]).placed.rows] == work


# -- refusals ------------------------------------------------------------------------------------------------


def test_local_response_norms_are_refused_with_all_of_them_named() -> None:
    layers = [
        conv("a"),
        LocalResponseNorm(name="n1", size=5),
        conv("b"),
        LocalResponseNorm(name="n2", size=3),
    ]
    with pytest.raises(MappingError, match=r"net has local response norms \(n1, n2\), which no part"):
        placed(layers)
    net = network(layers)
    with pytest.raises(WorkloadError, match="n1: a local response norm has no integer form"):
        quantize(lower(net), net.load_parameters(), np.zeros((1, 2, 4, 4)))


def with_the_lowest_weight() -> Quantized:
    """Return a layer that brings its scales, with a weight of -128."""
    integers, step = np.array([[-128, 5], [127, -3]]), np.array([0.5, 0.25], np.float32)
    parameters: Parameters = {"fc": {"weight": integers * step[:, None]}}
    layers = [Input(name="image", shape=(2, 1, 1)), Linear(name="fc", out_features=2, bias=False)]
    scales = GivenScales({"image": Quantization(0.5, 0, 8), "fc": Quantization(256.0, 128, 8)}, {"fc": step})
    net = Network("lowest", layers, parameters=lambda: parameters, scales=scales)
    images = np.array([[100.0, 3.0], [7.0, 90.0]], np.float32).reshape(2, 2, 1, 1)
    return quantized(NetworkCase(net, images))


@pytest.mark.parametrize("encoding", ["signed", "offset", "flip"])
def test_the_lowest_weight_is_exact_in_cells_that_hold_it(encoding: str) -> None:
    lowest = with_the_lowest_weight()
    node = lowest.network.nodes["fc"]
    assert isinstance(node, QuantizedMatrix)
    assert node.weights.min() == -128
    run = bench(lowest.network.lowered, {"core": {"crossbar": {"encoding": encoding}}}).run(2, lowest.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, lowest.expected)


def test_the_lowest_weight_is_refused_in_pairs_of_cells_before_anything_runs() -> None:
    """Also where products are exact: the machine would not hold what it multiplies by."""
    lowest = with_the_lowest_weight()
    subject = bench(lowest.network.lowered, {"core": {"crossbar": {"encoding": "differential"}}})
    with pytest.raises(
        MappingError, match=r"fc: differential weights of 8 bit must be in \[-127, 127\], got -128"
    ):
        subject.run(2, lowest.values)
