"""When pixels come out of the dataflow machine: by a recurrence, by closed forms, by a table of ResNet-32."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.arch.dataflow_bench import bench, chain, machine_settings, residual, tangles
from tests.arch.pipeline_recurrence import Recurrence
from tests.strategies import NetworkCase, networks
from workloads import Add, Conv2d, GlobalAvgPool, Input, Layer, Linear, MaxPool2d, Network, Window, lower

POINT = Window.square(1)

# Defaults, in cycles: see the machine's configuration.
SOURCE, COLUMN, MVM, PASS, LINK, HOP = 130, 1, 130, 1, 1, 130


# -- the recurrence ------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=300)
@given(networks(), st.integers(1, 3), machine_settings())
def test_every_image_and_every_buffer_are_as_the_recurrence_says(
    case: NetworkCase, images: int, machine: dict[str, Any]
) -> None:
    network = lower(case.network)
    if not network.nodes:
        return
    subject = bench(network, machine)
    run = subject.run(images)
    expected = Recurrence(subject.machine.config, subject.placed, images)
    assert run.completed == expected.completed
    assert run.peaks == {
        f"core[{stage}].memory.pixel_in[{place}]": peak for (stage, place), peak in expected.peaks.items()
    }


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from((1, 3, 5)), min_size=1, max_size=4),
    st.booleans(),
    st.integers(1, 3),
    machine_settings(),
)
def test_longer_chains_and_residual_blocks_are_as_the_recurrence_says(
    kernels: list[int], around: bool, images: int, machine: dict[str, Any]
) -> None:
    shape = (5, 9, 9)
    network = chain(*(Window.square(k, padding=k // 2) for k in kernels), shape=shape, channels=6)
    if around:
        network = residual(*kernels, shape=shape, channels=6)
    subject = bench(network, machine)
    expected = Recurrence(subject.machine.config, subject.placed, images)
    assert subject.run(images).completed == expected.completed


@settings(deadline=None, max_examples=60)
@given(tangles(), machine_settings())
def test_branches_of_any_lag_never_deadlock_and_are_as_the_recurrence_says(
    network: Network, machine: dict[str, Any]
) -> None:
    subject = bench(network, machine)
    run, expected = subject.run(2), Recurrence(subject.machine.config, subject.placed, 2)
    assert run.completed == expected.completed
    assert list(run.peaks.values()) == list(expected.peaks.values())


# -- closed forms --------------------------------------------------------------------------------------------


def digital_cycles(channels: int, lanes: int = 64) -> int:
    return -(-channels // lanes) * PASS


@pytest.mark.parametrize("channels", [1, 64, 65, 200])
def test_a_pixel_passes_link_memory_array_digital_unit_and_link(channels: int) -> None:
    network = chain(POINT, shape=(1, 1, 1), channels=channels)
    run = bench(network).run()
    assert run.accepted == [0]
    assert run.completed == [LINK + COLUMN + MVM + digital_cycles(channels) + LINK]


@pytest.mark.parametrize(("height", "width"), [(3, 3), (5, 8), (9, 4)])
def test_a_3x3_convolution_ends_a_line_and_two_windows_after_the_last_pixel(height: int, width: int) -> None:
    """The last pixel lets go the window before the last of its line, that line's last, and the last line.

    The array is no faster than the source: it never makes up for the three columns of its first window.
    """
    run = bench(chain(Window.square(3, padding=1), shape=(2, height, width))).run()
    last_pixel = (height * width - 1) * SOURCE + LINK
    assert run.completed == [last_pixel + 3 * COLUMN + (width + 2) * MVM + PASS + LINK]


def test_a_window_starts_when_its_last_pixel_is_there_and_its_columns_are_read() -> None:
    """The first one needs the second pixel of the second line; the first of any line reads three columns."""
    width, slow = 7, 200
    network = chain(Window.square(3, padding=1), shape=(2, 5, width))
    run = bench(network, {"source": {"pixel_cycles": slow}}).run(record=True)
    starts = operation_starts(run, "core[conv0].crossbar[0,0]", "busy:mvm")
    assert starts[0] == (width + 1) * slow + LINK + 3 * COLUMN
    assert starts[1] == (width + 2) * slow + LINK + COLUMN
    assert starts[width] == (2 * width + 1) * slow + LINK + 3 * COLUMN


@pytest.mark.parametrize("window", ["new-columns", "whole-window"])
@pytest.mark.parametrize("port_bytes", [1, 7, 9, 64, 1000])
def test_a_narrow_port_sets_the_interval_once_a_window_takes_longer_than_a_product(
    window: str, port_bytes: int
) -> None:
    """t_window_read = ceil(bytes / port); a step takes max(t_mvm, t_window_read), whichever paces it."""
    channels, size = 32, 8
    network = chain(Window.square(3), shape=(channels, size, size))
    memory = {"window": window, "port_bytes": port_bytes}
    machine = {"core": {"memory": memory}, "source": {"pixel_cycles": 1}, "buffers": {"rule": "full"}}
    run = bench(network, machine).run(record=True)
    starts = operation_starts(run, "core[conv0].crossbar[0,0]", "busy:mvm")
    row_start, step = (-(-3 * columns * channels // port_bytes) for columns in (3, 1))
    if window == "whole-window":
        step = row_start
    # The last row, whose pixels were there long before.
    assert [b - a for a, b in pairwise(starts[-(size - 2) :])] == [max(MVM, step)] * (size - 3)


def test_a_port_takes_its_time_for_the_pixels_of_skips_too() -> None:
    """3 x 9 bytes of new columns and 9 of the skip, 2 a cycle."""
    machine = {"core": {"memory": {"port_bytes": 2}, "crossbar": {"mvm_cycles": 1}}}
    run = bench(residual(3, shape=(9, 1, 8)), machine).run(record=True)
    activity = run.outcome.activity
    assert activity is not None
    reads = activity.unit == activity.units.index("core[conv0].memory")
    reads &= activity.state == activity.states.index("busy:read")
    assert activity.duration[reads].tolist() == [45, *[18] * 7]


@settings(deadline=None)
@given(
    column=st.integers(0, 20),
    mvm=st.integers(1, 20),
    passes=st.integers(0, 20),
    source=st.integers(1, 20),
    link=st.integers(0, 40),
    adc=st.integers(0, 20),
    cores=st.integers(1, 4),
)
def test_a_chain_fills_once_then_gives_a_pixel_every_interval_of_its_slowest_unit(
    column: int, mvm: int, passes: int, source: int, link: int, adc: int, cores: int
) -> None:
    core: dict[str, Any] = {
        "memory": {"column_cycles": column},
        "crossbar": {"mvm_cycles": mvm},
        "digital": {"pass_cycles": passes},
    }
    if adc:
        core["adc"] = {"kind": "shared-adc", "bitlines": 1, "cycles": adc}
    machine = {
        "core": core,
        "source": {"pixel_cycles": source},
        "fabric": {"latency_cycles": link},
        "buffers": {"rule": "unbounded"},
    }
    pixels, images = 12, 3
    run = bench(chain(*[POINT] * cores, shape=(1, 3, 4), channels=1), machine).run(images)
    fill = link + cores * (column + mvm + adc + passes + link)
    interval = max(source, column, mvm, adc, passes)
    # n pixels end n - 1 intervals behind the first: source, or slowest unit, whichever paces them
    assert run.completed == [fill + ((i + 1) * pixels - 1) * interval for i in range(images)]


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
@pytest.mark.parametrize("detail", ["array", "group"])
def test_row_blocks_add_a_hop_each_to_the_latency_and_leave_the_interval(rows: int, detail: str) -> None:
    machine = {"detail": detail, "core": {"crossbar": {"rows": 8}}}
    pixels = 20
    run = bench(chain(POINT, shape=(8 * rows, 4, 5)), machine).run(2)
    first = LINK + COLUMN + MVM + (rows - 1) * HOP + PASS + LINK
    assert run.completed == [first + (pixels - 1) * SOURCE, first + (2 * pixels - 1) * SOURCE]


@pytest.mark.parametrize("rule", ["minimum", "lines:K+1", "unbounded"])
def test_a_skip_waits_for_the_hops_of_the_row_blocks_that_it_bypasses(rule: str) -> None:
    """Nine row blocks delay a pixel by eight steps; images still follow as fast as the source sends them."""
    machine = {"core": {"crossbar": {"rows": 16}}, "buffers": {"rule": rule}}
    run = bench(residual(3, 3, shape=(16, 8, 8)), machine).run(3)
    assert run.completed[2] - run.completed[1] == run.completed[1] - run.completed[0] == 64 * SOURCE


def test_column_blocks_share_the_digital_work_and_cost_no_time() -> None:
    machine = {"core": {"crossbar": {"cols": 64}, "digital": {"lanes": 1, "pass_cycles": 2}}}
    run = bench(chain(POINT, shape=(1, 1, 1), channels=256), machine).run()
    assert run.completed == [LINK + COLUMN + MVM + 64 * 2 + LINK]


def test_shared_converters_take_turns_behind_the_product() -> None:
    adc = {"kind": "shared-adc", "bitlines": 8, "cycles": 3}
    for channels, turns in ((1, 1), (5, 5), (8, 8), (20, 8)):
        run = bench(chain(POINT, shape=(1, 1, 1), channels=channels), {"core": {"adc": adc}}).run()
        assert run.completed == [LINK + COLUMN + MVM + turns * 3 + PASS + LINK]


def test_a_pool_passes_once_for_each_pixel_of_its_window() -> None:
    pool = MaxPool2d(name="pool", window=Window.square(2, stride=2))
    network = Network("pool", [Input(name="image", shape=(3, 4, 2)), pool])
    run = bench(network).run()
    assert run.completed == [7 * SOURCE + LINK + 2 * COLUMN + 4 * PASS + LINK]


def test_a_global_pool_ends_a_pass_behind_the_last_pixel() -> None:
    network = Network("pool", [Input(name="image", shape=(3, 4, 4)), GlobalAvgPool(name="pool")])
    run = bench(network).run(2)
    last = LINK + COLUMN + PASS + LINK
    assert run.completed == [15 * SOURCE + last, 31 * SOURCE + last]


def test_a_sum_costs_its_convolution_one_more_pass() -> None:
    run = bench(residual(1, shape=(2, 1, 1))).run()
    core = COLUMN + MVM + LINK
    assert run.completed == [LINK + core + PASS + core + 2 * PASS]


def test_a_classifier_waits_for_the_whole_map_and_reads_it_column_by_column() -> None:
    network = Network("fc", [Input(name="image", shape=(2, 3, 5)), Linear(name="fc", out_features=4)])
    run = bench(network).run()
    assert run.completed == [14 * SOURCE + LINK + 5 * COLUMN + MVM + PASS + LINK]


def test_a_buffer_as_small_as_it_gets_costs_a_lonely_convolution_nothing() -> None:
    network = chain(Window.square(3, padding=1), shape=(2, 6, 6))
    times = [bench(network, {"buffers": {"rule": rule}}).run().completed for rule in ("minimum", "unbounded")]
    assert times[0] == times[1]


# -- ResNet-32 -----------------------------------------------------------------------------------------------

#: One step of a core is one tick, nothing else takes time.
STEPS = {
    "core": {
        "memory": {"column_cycles": 0},
        "crossbar": {"mvm_cycles": 1},
        "digital": {"pass_cycles": 0},
        "partial_sum_cycles": 0,
    },
    "source": {"pixel_cycles": 1},
    "fabric": {"latency_cycles": 0},
    "detail": "group",
}
FIRST_FIRES = {
    "c0": [33],
    "s1": [67, 101, 135, 169, 203, 237, 271, 305, 339, 373],
    "s2": [407, 474, 541, 608, 675, 742, 809, 876, 943, 1010],
    "s3": [1077, 1210, 1343, 1427, 1462, 1497, 1532, 1567, 1577, 1587],
    "s2-projection": [374],
    "s3-projection": [1011],
}


def resnet32_trunk() -> Network:
    """Return the convolutions and sums of ResNet-32 for 32 x 32 images, with 16, 28 and 56 channels."""
    layers: list[Layer] = [Input(name="image", shape=(3, 32, 32))]

    def conv(name: str, reads: str, channels: int, kernel: int = 3, stride: int = 1) -> str:
        window = Window.square(kernel, stride=stride, padding=kernel // 2)
        layers.append(Conv2d(name=name, inputs=(reads,), out_channels=channels, window=window))
        return name

    end = conv("c0", "image", 16)
    for stage, channels in (("s1", 16), ("s2", 28), ("s3", 56)):
        for block in range(1, 6):
            stride = 2 if block == 1 and stage != "s1" else 1
            a = conv(f"{stage}b{block}a", end, channels, stride=stride)
            b = conv(f"{stage}b{block}b", a, channels)
            skip = conv(f"{stage}-projection", end, channels, 1, stride) if stride == 2 else end
            end = f"{stage}b{block}"
            layers.append(Add(name=end, inputs=(b, skip)))
    return Network("resnet32-trunk", layers)


def test_resnet_32_fires_by_the_table_and_images_follow_every_1024_steps() -> None:
    """First firings and latency [steps] are those of a recurrence of this network, one pixel in a step."""
    subject = bench(resnet32_trunk(), {**STEPS, "buffers": {"rule": "unbounded"}})
    run = subject.run(2, record=True)
    assert run.completed == [1651, 1651 + 1024]
    for layers, expected in FIRST_FIRES.items():
        names = [layers] if len(expected) == 1 else [f"{layers}b{i // 2 + 1}{'ab'[i % 2]}" for i in range(10)]
        starts = [operation_starts(run, f"core[{name}].crossbar", "busy:mvm")[0] for name in names]
        assert starts == expected, layers


def test_resnet_32_takes_42_arrays_and_15360_products_an_image() -> None:
    """One core more and one product more with its classifier: 43 and 15361."""
    subject = bench(resnet32_trunk(), {**STEPS, "detail": "array"})
    assert sum(row.arrays for row in subject.placed.rows) == 42
    actions = subject.run().outcome.energy.actions
    assert sum(each.get("mvm", 0) for each in actions.values()) == 15360


@pytest.mark.parametrize("rule", ["minimum", "lines:K", "lines:K+1", "full"])
def test_resnet_32_loses_no_step_to_buffers_of_any_rule(rule: str) -> None:
    run = bench(resnet32_trunk(), {**STEPS, "buffers": {"rule": rule}}).run(2)
    assert run.completed == [1651, 1651 + 1024]


def operation_starts(run: Any, unit: str, state: str) -> list[int]:
    """Return the ticks in which a unit began to be in a state, in order."""
    activity = run.outcome.activity
    chosen = activity.unit == activity.units.index(unit)
    chosen &= activity.state == activity.states.index(state)
    return [int(tick) for tick in activity.start[chosen]]
