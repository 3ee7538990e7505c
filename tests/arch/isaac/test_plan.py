"""How networks lie on ISAAC: closed forms of arrays and copies, and what no layout may break."""

import re
from collections import Counter
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.machines.isaac import IsaacConfig, IsaacMap
from arch.machines.isaac.floor_plan import input_elements
from arch.machines.isaac.plan import copies_by_rule
from simcore import MappingError
from tests.arch.isaac.isaac_bench import bench, convolution, isaac_settings, mlp, placed_if_any
from tests.strategies import NetworkCase, networks
from workloads import (
    Conv2d,
    Input,
    Layer,
    Linear,
    LocalResponseNorm,
    MatrixNode,
    MaxPool2d,
    Network,
    Window,
    lower,
)
from workloads import networks as built_in


def vgg_like(size: int) -> Network:
    """Return convolutions with a pool of stride 2 behind each, and a classifier."""
    layers: list[Layer] = [Input(name="image", shape=(3, size, size))]
    for number, channels in enumerate((8, 16, 32)):
        layers.append(Conv2d(name=f"conv{number}", out_channels=channels, window=Window.square(3, padding=1)))
        layers.append(MaxPool2d(name=f"pool{number}", window=Window.square(2, stride=2)))
    layers.append(Linear(name="fc", out_features=10))
    return Network("vgg-like", layers)


def test_the_mnist_perceptron_takes_356_arrays() -> None:
    placed = bench(mlp(784, 512, 512, 10)).placed
    assert [row.arrays for row in placed.rows] == [7 * 32, 4 * 32, 4 * 1]
    assert [len(placed.tiles(row.stage)) for row in placed.rows] == [3, 2, 1]
    assert placed.chips == 1


@settings(deadline=None, max_examples=50)
@given(
    st.integers(1, 5),
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from((128, 256)),
    st.integers(2, 16),
)
def test_arrays_of_a_copy_follow_the_formula(
    kernel: int, channels: int, out: int, size: int, bits: int
) -> None:
    case = convolution(channels, out, (kernel, kernel), kernel)
    array = {"rows": size, "cols": size}
    placed = bench(case, {"array": array, "weight_bits": bits, "activation_bits": bits}).placed
    wide = size // ceil(bits / 2)  # a cell holds two bits
    assert placed.rows[0].arrays == ceil(kernel**2 * channels / size) * ceil(out / wide)


# -- copies --------------------------------------------------------------------------------------------------


def test_by_the_rule_copies_are_as_many_as_windows_so_that_the_classifier_never_rests() -> None:
    copies = copies_by_rule(IsaacConfig(), lower(built_in["vgg16"]()))
    assert copies["conv1-1"] == 224 * 224 == 50_176
    assert [copies[f"conv{n}-1"] for n in (2, 3, 4, 5)] == [112**2, 56**2, 28**2, 14**2]
    assert copies["fc1"] == copies["fc3"] == 1


def test_a_layer_in_front_of_a_stride_gives_its_square_of_results_in_the_readers_time() -> None:
    layers = [
        Input(name="image", shape=(1, 32, 32)),
        Conv2d(name="a", out_channels=1, window=Window.square(1)),
        Conv2d(name="b", out_channels=1, window=Window.square(2, stride=2)),
        Conv2d(name="c", out_channels=1, window=Window.square(4, stride=4)),
    ]
    # The last layer has 16 windows and one copy; r = r' Sx' Sy' in front of it.
    assert copies_by_rule(IsaacConfig(), lower(Network("strides", layers))) == {"a": 64, "b": 16, "c": 1}


@settings(deadline=None, max_examples=25)
@given(st.integers(4, 40), st.sampled_from((8, 16, 32, 64)))
def test_copies_are_scaled_down_by_the_smallest_factor_that_fits_and_never_below_one(
    tiles: int, size: int
) -> None:
    network = vgg_like(size)
    config = {"tiles": tiles, "chips": 1}
    placed = bench(network, config).placed
    windows = {s.name: s.steps for s in placed.stages if s.matrix is not None}
    interval = max(ceil(windows[name] / copies) for name, copies in placed.replication.items())
    assert placed.replication == {name: ceil(n / interval) for name, n in windows.items()}

    def tiles_for(interval: int) -> int:
        arrays = {row.stage: row.arrays // row.copies for row in placed.rows if row.arrays}
        return sum(ceil(ceil(n / interval) * arrays[name] / 96) for name, n in windows.items())

    assert tiles_for(interval) <= tiles
    assert interval == 1 or tiles_for(interval - 1) > tiles


def test_copies_that_a_user_gives_stay_and_names_are_checked() -> None:
    network = vgg_like(16)
    placed = bench(network, {"layers": {"conv0": {"replication": 3}}}).placed
    assert placed.replication["conv0"] == 3
    assert set(bench(network, {"replication": "none"}).placed.replication.values()) == {1}
    with pytest.raises(MappingError, match=r"layers\.conf0: .* did you mean 'conv0'\?"):
        bench(network, {"layers": {"conf0": {"replication": 3}}})


# -- places --------------------------------------------------------------------------------------------------


def check_places(placed: IsaacMap, config: IsaacConfig) -> None:
    used = [tile for place in placed.places.values() for tile in place.tiles]
    assert used == list(range(len(used)))  # one layer a tile, none left out
    assert len(used) <= placed.chips * config.tiles
    held: Counter[int] = Counter()
    for name, tiling in placed.tilings.items():
        copies = placed.copies(name)
        assert len(copies) == placed.replication[name]
        for copy in copies:
            assert [block for site in copy.sites for block in site.blocks] == list(tiling.blocks)
            for site in copy.sites:
                assert site.tile in placed.tiles(name)
                assert site.tile == site.ima // config.tile.imas
                held[site.ima] += len(site.blocks)
    assert max(held.values(), default=0) <= config.ima.arrays
    bytes_held = dict.fromkeys(placed.places, 0)
    for stage in placed.stages:
        for place, operand in enumerate(stage.operands):
            size = placed.depths[stage.name, place] * operand.shape[0] * config.value_bytes
            bytes_held[placed.homes[stage.name]] += size
    for name, size in bytes_held.items():
        assert size <= len(placed.places[name].tiles) * config.tile.edram_kib * 1024


@settings(deadline=None, max_examples=60)
@given(networks(), isaac_settings())
def test_every_array_lies_in_one_ima_and_every_buffer_in_its_layers_edram(
    case: NetworkCase, machine: dict[str, Any]
) -> None:
    config = IsaacConfig.parse(machine)
    network = lower(case.network)
    if (subject := placed_if_any(network, machine)) is None:
        return
    placed = subject.placed
    check_places(placed, config)
    fewest = bench(network, {**machine, "replication": "none"}).placed
    assert placed.chips == -(-sum(len(place.tiles) for place in fewest.places.values()) // config.tiles)


@settings(deadline=None, max_examples=40)
@given(networks(), st.integers(4, 40))
def test_arrays_with_the_same_rows_share_their_inputs(case: NetworkCase, rows: int) -> None:
    machine = {"array": {"rows": rows}, "ima": {"arrays": 3}}
    if (subject := placed_if_any(lower(case.network), machine)) is None:
        return
    for name in subject.placed.tilings:
        for copy in subject.placed.copies(name):
            for sites in copy.by_tile.values():
                wordlines = np.concatenate([block.wordlines for site in sites for block in site.blocks])
                assert input_elements(sites) == len(np.unique(wordlines))


def test_line_buffers_hold_what_the_published_rule_asks_for() -> None:
    network = vgg_like(32)
    placed = bench(network, {"replication": "none"}).placed
    for row, channels, width in zip(placed.rows[::2], (3, 8, 16), (32, 16, 8), strict=False):
        ((_, slots, size),) = row.buffers
        assert slots is not None
        assert slots >= width * 2 + 3  # Nx (Ky - 1) + Kx
        assert size == slots * channels * 2


def test_too_few_chips_are_refused_with_numbers_and_auto_takes_the_fewest() -> None:
    network = mlp(784, 512, 512, 10)
    assert bench(network, {"tiles": 2}).placed.chips == 3
    with pytest.raises(MappingError, match=re.escape("chips=2 has 4 tiles, but one copy of each layer")) as e:
        bench(network, {"tiles": 2, "chips": 2})
    assert "takes 6" in str(e.value)
    assert "set chips to 3 or auto" in str(e.value)
    wide = convolution(64, 16, (64, 64), 3, padding=1)  # 2 lines of 64 pixels of 128 bytes
    small = bench(wide, {"replication": "none", "tile": {"edram_kib": 4}}).placed
    assert len(small.tiles("conv")) == ceil(small.depths["conv", 0] * 128 / 4096) > 1


def test_what_no_tile_computes_is_refused() -> None:
    norm = LocalResponseNorm(name="norm", size=3)
    network = Network(
        "lrn",
        [
            Input(name="image", shape=(4, 4, 4)),
            Conv2d(name="c", out_channels=4, window=Window.square(1)),
            norm,
        ],
    )
    with pytest.raises(MappingError, match="local response norms"):
        bench(network)
    with pytest.raises(MappingError, match="a weight takes 8 bitlines, but an array has 4"):
        bench(mlp(4, 4), {"array": {"cols": 4}})


# -- sums ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rows", "tiles"), [(96, 0), (97, 1), (192, 1), (193, 2)])
def test_sums_go_on_by_a_hop_for_each_further_tile_of_a_column(rows: int, tiles: int) -> None:
    (copy,) = bench(mlp(rows * 128, 16)).placed.copies("fc0")
    assert copy.further_tiles == tiles
    assert copy.additions("tile") == tiles * 16
    assert copy.additions("ima") == (ceil(rows / 8) - 1) * 16


def test_every_layer_with_weights_has_copies_and_no_other() -> None:
    placed = bench(vgg_like(16)).placed
    weighted = {s.name for s in placed.stages if isinstance(s.head, MatrixNode)}
    assert set(placed.replication) == weighted
    assert all(bool(placed.copies(s.name)) == (s.name in weighted) for s in placed.stages)
