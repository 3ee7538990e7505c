"""Tiles, sets and cycles against published tables, and where published formulas agree with the machine."""

from __future__ import annotations

from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.machines.reprogrammed.closed_forms import (
    published_compute_cycles,
    published_cycles,
    published_rounds,
)
from arch.mapping.stages import stages_of
from simcore import ConfigError, MappingError
from tests.arch.dataflow_bench import chain, residual
from tests.arch.isaac.isaac_bench import convolution, mlp
from tests.arch.reprogrammed.reprogrammed_bench import Bench, bench
from workloads import Input, MaxPool2d, Network, Window
from workloads.zoo import networks

#: Tiles at R = C = 128 and 256, and at 128 the published compute cycles and rounds with 64 and 8 crossbars.
PUBLISHED = {
    "resnet34": (1349, 371, (334_776, 22), (482_976, 169)),
    "densenet121": (898, 466, (672_680, 15), (947_136, 113)),
    "resnet18-cifar100": (698, None, None, None),
    "resnet34-cifar100": (1320, None, (84_744, 21), (133_128, 165)),
    "densenet121-cifar100": (841, None, (195_080, 14), (284_680, 106)),
}


def layers_of(subject: Bench) -> list[tuple[int, int]]:
    """Return windows and tiles of each layer."""
    return [(layer.stage.steps, len(layer.blocks)) for layer in subject.placed.layers]


@pytest.mark.parametrize("name", PUBLISHED)
def test_tiles_rounds_and_cycles_are_the_published_ones(name: str) -> None:
    tiles, at_256, *at_crossbars = PUBLISHED[name]
    network = networks[name]()
    assert bench(network).placed.tiles == tiles
    if at_256 is not None:
        assert bench(network, {"array": {"rows": 256, "cols": 256}}).placed.tiles == at_256
    for crossbars, published in zip((64, 8), at_crossbars, strict=True):
        subject = bench(network, {"crossbars": crossbars})
        product = subject.machine.config.product_cycles
        assert product == 8
        if published is not None:
            compute, rounds = published
            layers = layers_of(subject)
            assert published_compute_cycles(layers, crossbars, product) == compute
            assert published_rounds(tiles, crossbars) == rounds == len(subject.placed.schedule.sets)
            assert published_cycles(layers, crossbars, product, 1000, 3) == 3 * compute + rounds * 1000


def test_slices_and_signs_take_columns_as_on_other_machines() -> None:
    network = networks["resnet18-cifar100"]()
    for settings_, each in (
        ({"columns_per_weight": 4}, 4),
        ({"array": {"encoding": "differential", "cell_bits": 4}}, 4),
        ({"columns_per_weight": 8}, 8),
    ):
        placed = bench(network, settings_).placed
        stages = [s for s in stages_of(placed.network) if s.matrix is not None]
        expected = sum(
            ceil(s.matrix.rows / 128) * ceil(s.matrix.cols_per_group / (128 // each))
            for s in stages
            if s.matrix is not None
        )
        assert placed.tiles == expected


ORDERS = st.sampled_from(("layer", "greedy", "optimal"))


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=6), st.integers(1, 12), ORDERS, st.integers(1, 3),
    st.sampled_from((1, 1000)),
)  # fmt: skip
def test_published_cycles_bound_the_machine_and_are_met_where_no_layer_lies_in_more_sets(
    widths: list[int], crossbars: int, order: str, batch: int, pulse: int
) -> None:
    """A network that fits is written before the run here, and in one round there."""
    machine = {
        "crossbars": crossbars, "tile_order": order, "batch": batch,
        "array": {"rows": 8, "cols": 8}, "write": {"pulses": 1, "pulse_cycles": pulse, "verify_cycles": 0},
    }  # fmt: skip
    subject = bench(mlp(*widths), machine)
    placed, layers = subject.placed, layers_of(subject)
    write, product = 8 * 8 * pulse, 8
    published = published_cycles(layers, crossbars, product, write, batch)
    found = placed.run_cycles(batch)
    computed = product * sum(windows * sets for windows, sets in placed.layers_in_sets)
    assert placed.run_cycles(2 * batch) == 2 * found
    if placed.schedule.resident:
        assert found == batch * computed == published - write
        return
    assert found == batch * computed + len(placed.schedule.sets) * write
    assert found >= published
    fewest = all(sets == -(-tiles // crossbars) for (_, sets), (_, tiles) in zip(
        placed.layers_in_sets, layers, strict=True
    ))  # fmt: skip
    rounds = len(placed.schedule.sets) == published_rounds(placed.tiles, crossbars)
    assert (found == published) == (fewest and rounds)
    if order == "layer":
        assert fewest
    if order == "greedy":
        assert rounds


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=6),
    st.integers(2, 12),
    st.booleans(),
    st.integers(1, 3),
    st.none() | st.integers(1, 70),
    st.sampled_from((1, 5, 30)),
)
def test_no_order_takes_fewer_cycles_a_whole_batch_than_the_optimal_one(
    widths: list[int], crossbars: int, overlap: bool, batch: int, port: int | None, pulse: int
) -> None:
    """In a long run, whose begin and end do not count: what one batch more takes."""

    def cycles(order: str) -> int:
        machine = {
            "crossbars": crossbars, "tile_order": order, "batch": batch, "overlap": overlap,
            "array": {"rows": 8, "cols": 8}, "buffer": {"port_bits": port},
            "write": {"parallel": "crossbar", "pulse_cycles": pulse},
        }  # fmt: skip
        placed = bench(mlp(*widths), machine).placed
        more = placed.run_cycles(3 * batch) - placed.run_cycles(2 * batch)
        assert placed.interval is not None
        assert placed.interval.cycles == ceil(more / batch)
        return more

    assert cycles("optimal") <= min(cycles("layer"), cycles("greedy"))


@pytest.mark.parametrize(
    ("widths", "setting"), [((8, 24, 8, 16), {"batch": 40}), ((8,) * 6, {"overlap": True})]
)
def test_one_image_may_take_more_cycles_in_the_optimal_order(
    widths: tuple[int, ...], setting: dict[str, Any]
) -> None:
    """It is of whole batches in a long run: smaller ones, and the end of a run, do not count."""
    machine = {
        **setting, "crossbars": 4, "array": {"rows": 8, "cols": 8},
        "write": {"parallel": "crossbar", "pulses": 1, "pulse_cycles": 9, "verify_cycles": 0},
    }  # fmt: skip
    greedy, optimal = (
        bench(mlp(*widths), {**machine, "tile_order": order}).placed for order in ("greedy", "optimal")
    )
    assert optimal.run_cycles(1) > greedy.run_cycles(1)
    assert optimal.interval is not None
    assert greedy.interval is not None
    assert optimal.interval.cycles <= greedy.interval.cycles


def test_the_optimal_order_pays_on_a_real_network() -> None:
    """ResNet-34 with large batches: layers that greedy cuts in two are computed twice for every image."""
    network = networks["resnet34-cifar100"]()
    greedy, by_layer, optimal = (
        bench(network, {"tile_order": order, "batch": 1000, "write": {"parallel": "row"}}).placed.run_cycles(
            1000
        )
        for order in ("greedy", "layer", "optimal")
    )
    assert optimal < greedy
    assert optimal < by_layer


# -- memory, endurance, words --------------------------------------------------------------------------------


def test_the_buffer_holds_the_maps_of_a_batch_and_sums_that_wait() -> None:
    """A residual: its first map waits for the sum, beside what goes in and comes out of each convolution."""
    network = residual(3, 3, shape=(4, 6, 6))
    fits = bench(network).placed
    assert (fits.buffer_bytes, fits.buffer_pixels) == (3 * 4 * 36, 3 * 36)
    assert bench(network, {"batch": 5}).placed.buffer_bytes == fits.buffer_bytes  # one by one
    batch = bench(network, {"batch": 5, "crossbars": 1}).placed
    assert (batch.buffer_bytes, batch.buffer_pixels) == (5 * 3 * 4 * 36, 5 * 3 * 36)
    small = bench(network, {"crossbars": 1, "array": {"rows": 20}}).placed  # 36 rows lie in two sets
    assert small.buffer_bytes == (3 * 4 + 4 * 4) * 36
    assert (
        bench(
            network, {"crossbars": 1, "array": {"rows": 20}, "buffer": {"sum_bytes": 2}}
        ).placed.buffer_bytes
        == (3 * 4 + 4 * 2) * 36
    )


@pytest.mark.parametrize(
    ("machine", "images"),
    [
        ({"crossbars": 100}, None),
        ({"crossbars": 1}, 1000 // 4),
        ({"crossbars": 1, "batch": 7}, 1000 // 4 * 7),
        ({"crossbars": 2}, 1000 // 2),
        ({"crossbars": 3, "tile_order": "layer"}, 1000 // 4),
        ({"crossbars": 2, "overlap": True}, 2 * 1000 // 4),
        ({"crossbars": 2, "overlap": True, "batch": 3}, 2 * 1000 // 4 * 3),
    ],
)
def test_a_cell_lasts_for_as_many_images_as_it_is_written_for(
    machine: dict[str, Any], images: int | None
) -> None:
    """Four layers of a tile: a crossbar is written for each set, and of two halves for every second one."""
    placed = bench(mlp(9, 9, 9, 9, 9), {**machine, "write": {"endurance_writes": 1000}}).placed
    assert placed.images_until_worn == images


def test_the_map_tells_tiles_sets_crossbars_and_memory() -> None:
    placed = bench(mlp(300, 200, 10), {"crossbars": 3}).placed
    assert placed.resources == {"tile": 8, "set": 3, "crossbar": 3, "buffer byte": 500 + 4 * 200}
    assert [(row.arrays, dict(row.resources)) for row in placed.rows] == [(6, {"set": 2}), (2, {"set": 1})]
    assert placed.interval is not None
    assert placed.interval.cycles == placed.run_cycles(1)


def test_without_layers_or_room_for_a_weight_there_is_nothing_to_map() -> None:
    with pytest.raises(MappingError, match="has no layers"):
        bench(Network("none", [Input(name="image", shape=(1, 2, 2))]))
    with pytest.raises(MappingError, match="a weight takes 8 bitlines, but an array has 4"):
        bench(convolution(1, 1, (2, 2)), {"array": {"cols": 4}, "columns_per_weight": 8})
    with pytest.raises(ConfigError, match="has overlap, but 1 crossbar"):
        bench(mlp(2, 2), {"overlap": True, "crossbars": 1})
    with pytest.raises(ConfigError, match="columns_per_weight must be one of 1, 4, 8"):
        bench(mlp(2, 2), {"columns_per_weight": 3})


def test_a_network_without_weights_has_no_tiles_and_nothing_to_write() -> None:
    pool = MaxPool2d(name="pool", window=Window.square(2, stride=2))
    placed = bench(Network("pool", [Input(name="image", shape=(1, 4, 4)), pool])).placed
    assert (placed.tiles, placed.run_cycles(3), placed.images_until_worn) == (0, 0, None)
    timed = bench(
        Network("pool", [Input(name="image", shape=(3, 4, 4)), pool]), {"digital": {"channels_per_cycle": 2}}
    ).placed
    assert timed.run_cycles(3) == 3 * 4 * 4 * 2  # 4 pixels of 4 positions, 3 channels in 2 passes


def test_layers_are_visited_in_their_order_and_once_in_each_set() -> None:
    placed = bench(chain(*[Window.square(1)] * 5, channels=9), {"crossbars": 2, "array": {"cols": 4}}).placed
    visits = [
        (visit.layer.name, visit.part, visit.completes, len(visit.blocks), visit.crossbars)
        for visits in placed.schedule.sets
        for visit in visits
        if visit.layer is not None
    ]
    assert visits[:4] == [
        ("conv0", 0, False, 2, range(2)),
        ("conv0", 1, True, 1, range(1)),
        ("conv1", 0, False, 1, range(1, 2)),
        ("conv1", 1, True, 2, range(2)),
    ]
