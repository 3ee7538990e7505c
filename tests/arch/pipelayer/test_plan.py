"""How networks lie on PipeLayer: closed forms of arrays, copies and levels, and the time of a layer."""

import re
from math import ceil, prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.machines.pipelayer import PipeLayerConfig
from arch.machines.pipelayer.schedule import finished_by, image_ticks
from arch.machines.pipelayer.table import AREA_MM2, BLOCKS, PEAK_CE, READ_NS
from simcore import ConfigError, MappingError
from tests.arch.dataflow_bench import residual, tangles
from tests.arch.isaac.isaac_bench import convolution, mlp
from tests.arch.pipelayer.pipelayer_bench import SLOT, WRITE, bench, pipelayer_settings
from tests.strategies import NetworkCase, networks
from workloads import Conv2d, Input, Layer, Linear, MaxPool2d, Network, Window, lower

# -- the published examples ----------------------------------------------------------------------------------


def test_a_layer_of_1152_x_256_takes_18_blocks_and_144_arrays() -> None:
    placed = bench(convolution(128, 256, kernel=3, padding=1)).placed
    assert len(placed.tilings["conv"].blocks) == 18
    assert placed.rows[0].arrays == 144 * placed.layers["conv"].copies


@pytest.mark.parametrize(("copies", "steps"), [(1, 12_544), (256, 49)])
def test_a_granularity_of_256_takes_12544_windows_in_49_steps(copies: int, steps: int) -> None:
    layers = {"layers": {"conv": {"replication": copies}}}
    assert bench(convolution(size=(112, 112)), layers).placed.layers["conv"].steps == steps


def test_the_mnist_perceptron_takes_384_arrays_at_one_copy() -> None:
    placed = bench(mlp(784, 512, 512, 10)).placed
    assert [row.arrays for row in placed.rows] == [28 * 8, 16 * 8, 4 * 8]


def test_blocks_of_a_chip_are_those_that_reach_the_published_peak() -> None:
    gops_of_block = 2 * 128 * 128 / (16 * READ_NS)
    assert round(PEAK_CE * AREA_MM2 / gops_of_block) == BLOCKS


# -- clocks --------------------------------------------------------------------------------------------------


def test_reads_and_writes_are_whole_numbers_of_the_control_clock() -> None:
    config = PipeLayerConfig()
    assert float(config.tick) == pytest.approx(30e-12)
    assert config.product_ticks == 16 * SLOT
    assert config.write_ticks == 4 * WRITE
    assert PipeLayerConfig.parse({"memory": {"writes": "bits"}}).write_ticks == 16 * WRITE


# -- copies --------------------------------------------------------------------------------------------------


def layered(*sizes: int) -> Network:
    """Return convolutions of 1 x 1 over ever smaller maps, a pool in between, and a classifier."""
    layers: list[Layer] = [Input(name="image", shape=(1, sizes[0], sizes[0]))]
    for number, (size, after) in enumerate(zip(sizes, (*sizes[1:], sizes[-1]), strict=True)):
        layers.append(Conv2d(name=f"conv{number}", out_channels=1, window=Window.square(1)))
        if size != after:
            window = Window.square(size // after, stride=size // after)
            layers.append(MaxPool2d(name=f"pool{number}", window=window))
    layers.append(Linear(name="fc", out_features=10))
    return Network("layered", layers)


@settings(deadline=None, max_examples=40)
@given(st.integers(4, 400))
def test_all_layers_take_the_fewest_steps_for_which_the_chip_holds_their_copies(blocks: int) -> None:
    placed = bench(layered(16, 8, 4), {"blocks": blocks, "chips": 1}).placed
    windows = {"conv0": 256, "conv1": 64, "conv2": 16, "fc": 1}
    steps = max(placed.layers[name].steps for name in windows)
    assert {name: placed.layers[name].copies for name in windows} == {
        name: ceil(n / steps) for name, n in windows.items()
    }

    def taken(steps: int) -> int:
        return sum(ceil(n / steps) for n in windows.values())

    assert taken(steps) <= blocks
    assert steps == 1 or taken(steps - 1) > blocks


def test_granularity_is_scaled_between_one_copy_and_one_for_each_window() -> None:
    def copies(scale: float, **more: Any) -> list[int]:
        placed = bench(layered(16, 8, 4), {"blocks": 40, "parallelism": scale, **more}).placed
        return [placed.layers[name].copies for name in ("conv0", "conv1", "conv2", "fc")]

    usual = copies(1)
    assert copies(0) == [1, 1, 1, 1]
    assert copies(0.5) == [ceil(n / 2) for n in usual]
    windows = (256, 64, 16, 1)
    assert copies(2) == [min(2 * n, most) for n, most in zip(usual, windows, strict=True)]
    exact = [-(-11 * n // 10) for n in usual]  # whatever 1.1 is in binary
    assert copies(1.1) == [min(n, most) for n, most in zip(exact, windows, strict=True)]
    assert copies(1e9) == list(windows)
    assert copies(2, layers={"conv0": {"replication": 5}})[0] == 5


def test_chips_are_the_fewest_and_grow_with_the_granularity() -> None:
    network = mlp(784, 512, 512, 10)
    assert bench(network).placed.chips == 1
    assert bench(network, {"blocks": 20}).placed.chips == ceil((28 + 16 + 4) / 20)
    assert bench(layered(16, 8, 4), {"blocks": 40, "parallelism": 4}).placed.chips > 1
    with pytest.raises(MappingError, match=re.escape("chips=2 has 40 blocks of 8 arrays, but one copy")) as e:
        bench(network, {"blocks": 20, "chips": 2})
    assert "takes 48; set chips to 3 or auto" in str(e.value)
    with pytest.raises(MappingError, match=r"parallelism=4 of layered takes \d+; set chips to \d+ or auto"):
        bench(layered(16, 8, 4), {"blocks": 40, "chips": 1, "parallelism": 4})


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(MappingError, match=r"layers\.fc9: .*did you mean 'fc0'"):
        bench(mlp(4, 4), {"layers": {"fc9": {"replication": 3}}})
    with pytest.raises(MappingError, match="has no layers"):
        bench(Network("nothing", [Input(name="image", shape=(1, 1, 1))]))
    with pytest.raises(ConfigError, match=r"memory\.cols 3, but a value takes 4 cells"):
        bench(mlp(4, 4), {"memory": {"cols": 3}})


# -- levels and memory ---------------------------------------------------------------------------------------


def test_a_skip_waits_in_memory_for_as_many_beats_as_the_way_beside_it_is_long() -> None:
    placed = bench(residual(3, 3, shape=(2, 4, 4))).placed
    assert {name: layer.level for name, layer in placed.layers.items()} == {"stem": 0, "conv0": 1, "conv1": 2}
    images = {t.stage: t.images for layer in placed.layers.values() for t in layer.stored}
    assert images == {"stem": 3, "conv0": 2, "conv1": 2}
    assert placed.levels == 3
    assert placed.rows[2].buffers == (("conv0", 32, 128), ("stem", 48, 192))


@settings(deadline=None, max_examples=60)
@given(tangles())
def test_levels_are_the_longest_ways_and_images_the_levels_between(network: Network) -> None:
    placed = bench(network).placed
    layer_of = {stage.name: layer for layer in placed.layers.values() for stage in layer.stages}
    for layer in placed.layers.values():
        tensors = {o.source for stage in layer.stages for o in stage.operands}
        others = [layer_of[t] for t in tensors if t in layer_of and layer_of[t] is not layer]
        assert layer.level == 1 + max((other.level for other in others), default=-1)
    for layer in placed.layers.values():
        for tensor in layer.stored:
            readers = [
                reader.level - layer.level
                for reader in placed.layers.values()
                if any(o.source == tensor.stage for stage in reader.stages for o in stage.operands)
            ]
            assert tensor.images == 1 + max([1, *readers])


# -- the time of a layer -------------------------------------------------------------------------------------


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 40))
def test_writes_hide_behind_reads_but_for_the_last_or_set_the_pace(
    product: int, write: int, steps: int
) -> None:
    expected = steps * product + write if write <= product else product + steps * write
    assert image_ticks(product, [write] * steps) == expected


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(1, 7))
def test_a_layer_takes_its_steps_and_writes_the_last_ones_results(
    height: int, width: int, copies: int
) -> None:
    placed = bench(convolution(size=(height, width)), {"layers": {"conv": {"replication": copies}}}).placed
    steps = ceil(height * width / copies)
    assert placed.beat == steps * 16 * SLOT + 4 * WRITE
    assert placed.interval is not None
    assert placed.interval.steps == steps
    assert placed.interval.cycles == ceil(placed.beat / SLOT)


@settings(deadline=None, max_examples=60)
@given(networks(), pipelayer_settings())
def test_every_pixel_that_others_read_is_written_once(case: NetworkCase, machine: dict[str, Any]) -> None:
    network = lower(case.network)
    if not network.nodes:
        return
    placed = bench(network, machine).placed
    for layer in placed.layers.values():
        assert layer.windows_of_steps.sum() == layer.windows
        for tensor in layer.stored:
            assert layer.finished[tensor.stage].sum() == prod(tensor.shape[1:])
        assert layer.values.sum() == sum(tensor.values for tensor in layer.stored)
        rows_held = layer.subarrays * layer.config.memory.rows
        assert rows_held * layer.config.values_per_row >= layer.values.sum()
        if layer.config.memory.subarrays == "parallel":
            assert layer.write_ticks.max(initial=0) <= layer.config.write_ticks


def test_a_pool_finishes_with_the_last_pixel_of_its_window() -> None:
    stages = bench(layered(4, 2)).placed.layers["conv0"].stages
    assert finished_by(stages)["pool0"].tolist() == [6, 8, 14, 16]  # of 4 x 4 pixels, row by row
    layer = bench(layered(4, 2), {"parallelism": 0}).placed.layers["conv0"]
    assert np.flatnonzero(layer.write_ticks).tolist() == [5, 7, 13, 15]


def test_few_subarrays_write_row_after_row() -> None:
    """512 values are 16 rows of 32, all of which one subarray holds."""
    network = mlp(784, 512, 10)
    parallel, few = (
        bench(network, {"memory": {"subarrays": rule}}).placed.layers["fc0"]
        for rule in ("parallel", "capacity")
    )
    assert (parallel.subarrays, few.subarrays) == (16, 1)
    assert parallel.ticks == 16 * SLOT + 4 * WRITE
    assert few.ticks == 16 * SLOT + 16 * 4 * WRITE
