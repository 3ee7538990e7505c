"""Copies of a layer's arrays, several input pixels a cycle, several bitlines a weight."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simcore import MappingError
from tests.arch.dataflow_bench import bench, quantized
from tests.strategies import NetworkCase, networks
from workloads import Add, Conv2d, Input, MatrixNode, MaxPool2d, Network, Window, lower


def one_conv(size: int = 6) -> Network:
    layers = (
        Input(name="image", shape=(2, size, size)),
        Conv2d(name="conv", out_channels=5, window=Window.square(3, padding=1)),
    )
    return Network("one-conv", layers)


@given(networks(), st.data())
@settings(max_examples=40, deadline=None)
def test_values_are_golden_and_both_engines_and_details_agree(case: NetworkCase, data: st.DataObject) -> None:
    network = lower(case.network)
    assume(network.nodes)
    names = [node.name for node in network.nodes if isinstance(node, MatrixNode)]
    layers = {name: {"replication": data.draw(st.integers(1, 4), label=name)} for name in names}
    settings = {
        "layers": layers,
        "columns_per_weight": data.draw(st.sampled_from([1, 4, 8])),
        "input_pixels_per_cycle": data.draw(st.none() | st.integers(1, 3)),
        "core": {"crossbar": {"rows": 16, "cols": 32}},
        "buffers": {"rule": data.draw(st.sampled_from(["minimum", "lines:K+1", "full", "unbounded"]))},
    }
    q = quantized(case)
    images = len(q.expected)
    run = bench(case.network, settings).run(images, q.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, q.expected)
    stock = bench(case.network, settings).run(images, engine="stock", shuffle=1)
    group = bench(case.network, {**settings, "detail": "group"}).run(images)
    assert run.completed == stock.completed == group.completed
    assert run.outcome.accounts == stock.outcome.accounts


@pytest.mark.parametrize(("copies", "interval"), [(1, 36 * 130), (2, 18 * 130), (3, 12 * 130), (4, 9 * 130)])
def test_copies_divide_the_interval_of_the_slowest_layer(copies: int, interval: int) -> None:
    layers = {"conv": {"replication": copies}}
    run = bench(one_conv(), {"layers": layers, "input_pixels_per_cycle": 1}).run(4)
    assert run.completed[-1] - run.completed[-2] == interval


@given(st.integers(2, 6), st.integers(1, 7), st.none() | st.integers(1, 3), st.integers(1, 40))
@settings(max_examples=40, deadline=None)
def test_images_follow_at_the_predicted_interval_or_less_than_a_step_sooner(
    size: int, copies: int, together: int | None, pixel_cycles: int
) -> None:
    """Copies that do not divide the windows of an image go on with those of the next."""
    images, step = 12, 130
    subject = bench(
        one_conv(size),
        {
            "layers": {"conv": {"replication": copies}},
            "input_pixels_per_cycle": together,
            "source": {"pixel_cycles": pixel_cycles},
            "buffers": {"rule": "unbounded"},
        },
    )
    predicted = subject.placed.interval
    assert predicted is not None
    assert predicted.layer_cycles == predicted.steps * step == -(-size * size // copies) * step
    completed = subject.run(images).completed
    mean = (completed[-1] - completed[-1 - copies]) / copies
    assert predicted.cycles - step < mean <= predicted.cycles


@pytest.mark.parametrize("copies", [1, 2, 4, 8])
def test_a_skip_behind_a_pool_is_as_deep_as_copies_that_run_at_full_speed_need(copies: int) -> None:
    """A pool has no arrays and may take several windows a step; the skip must not think it slower."""
    window = Window.square(3, padding=1)
    network = Network(
        "pooled",
        (
            Input(name="image", shape=(2, 16, 16)),
            Conv2d(name="stem", out_channels=2, window=window),
            MaxPool2d(name="pool", window=Window.square(2, stride=2)),
            Conv2d(name="conv0", out_channels=2, window=window),
            Conv2d(name="conv1", out_channels=2, window=window),
            Add(name="sum", inputs=("conv1", "pool")),
        ),
    )
    balance = {"strategy": "interval", "interval": 256 // copies}
    intervals = []
    for rule in ("lines:K+1", "unbounded"):
        subject = bench(
            network,
            {
                "balance": balance,
                "input_pixels_per_cycle": 1,
                "buffers": {"rule": rule},
                "fabric": {"latency_cycles": 390},  # three steps, in which a skip holds the more the faster
            },
        )
        completed = subject.run(6).completed
        intervals.append(completed[-1] - completed[-2])
    assert subject.placed.interval is not None
    assert intervals == [subject.placed.interval.cycles] * 2


@pytest.mark.parametrize(("columns_per_weight", "arrays"), [(1, 2), (4, 5), (8, 9)])
def test_weights_on_several_bitlines_take_more_arrays_and_no_more_time(
    columns_per_weight: int, arrays: int
) -> None:
    network = Network(
        "wide",
        (Input(name="image", shape=(4, 3, 3)), Conv2d(name="conv", out_channels=65, window=Window.square(1))),
    )
    digital = {"lanes": 65}  # so that as many digital units as column blocks do not finish sooner
    crossbar = {"rows": 64, "cols": 64}
    settings = {
        "columns_per_weight": columns_per_weight,
        "core": {"crossbar": crossbar, "digital": digital},
    }
    placed = bench(network, settings)
    assert placed.placed.rows[0].arrays == arrays
    run = placed.run(1)
    assert run.completed == bench(network, {"core": {"digital": digital}}).run(1).completed
    actions = run.outcome.energy.actions
    conversions = sum(counts["conversion"] for path, counts in actions.items() if ".adc" in path)
    unit_bitlines = arrays if columns_per_weight == 4 else 0  # offset
    assert conversions == 9 * (65 * columns_per_weight + unit_bitlines)


def test_wrong_copies_and_weights_too_wide_are_refused_before_the_run() -> None:
    with pytest.raises(
        MappingError,
        match=r"layers\.con: one-conv has no layer with weights of that name; did you mean 'conv'",
    ):
        bench(one_conv(), {"layers": {"con": {"replication": 2}}})
    with pytest.raises(
        MappingError, match="a weight takes 8 bitlines, but an array has 4; lower columns_per_weight"
    ):
        bench(one_conv(), {"columns_per_weight": 8, "core": {"crossbar": {"cols": 4}}})
