"""RNAs, buses and copies cycle by cycle, where times are expectations: against closed formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch.lookup import addition_cycles, expected_addends, expected_largest_bucket
from arch.machines.rapidnn import RapidnnConfig
from arch.machines.rapidnn.table import RNA
from simcore import ConfigError, MappingError
from tests.arch.rapidnn.rapidnn_bench import bench, convolution, mlp
from workloads import Activation, Conv2d, Input, Linear, MaxPool2d, Network, Window, lower, networks

ENCODE = 2  # two stages of eight bits


def neuron(rows: int, codes: int = 64) -> int:
    """Return the cycles of counting and adding, on average."""
    operands = round(expected_addends(rows, codes, codes, signed=True)) + 1
    return round(expected_largest_bucket(rows, codes)) + addition_cycles(operands, 16)


@pytest.mark.parametrize(("rows", "outputs"), [(784, 10), (64, 1), (512, 512), (1, 1)])
def test_a_layer_is_encoded_sent_counted_added_and_sent(rows: int, outputs: int) -> None:
    run = bench(mlp(rows, outputs)).run()
    assert run.completed == [ENCODE + rows + neuron(rows) + outputs]


def test_784_inputs_take_21_cycles_of_counting_and_416_of_adding() -> None:
    (row,) = [place.phases for place in bench(mlp(784, 512, 10)).placed.places.values()][:1]
    assert row == (0, 21, 416, 0, 2)


def test_layers_add_up_and_images_follow_at_the_slowest_of_rnas_and_buses() -> None:
    run = bench(mlp(784, 512, 512, 10)).run(4)
    inner = 512 + neuron(512)
    assert run.completed[0] == ENCODE + 784 + (neuron(784) + ENCODE) + (inner + ENCODE) + inner + 10
    assert np.diff(run.completed).tolist() == [784] * 3
    wide = bench(mlp(784, 512, 512, 10), {"broadcast": {"codes_per_cycle": 16}}).run(4)
    assert np.diff(wide.completed).tolist() == [neuron(784) + ENCODE] * 3


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 6), st.integers(1, 8), st.integers(1, 3))
def test_copies_take_positions_in_turn(copies: int, rounds: int, images: int) -> None:
    machine = {"layers": {"conv": {"replication": copies}}, "broadcast": {"codes_per_cycle": 10**6}}
    run = bench(convolution(9, 4, (copies, rounds)), machine).run(images)
    pixels, each = copies * rounds, neuron(9)
    first_due = ENCODE + min(copies, pixels)  # a pixel a cycle
    assert run.completed[-1] == pytest.approx(first_due + images * rounds * each + 1, abs=copies)


@pytest.mark.parametrize(
    ("machine", "cycles_more"),
    [
        ({"bits": 8}, -13 * 8 - 1),  # the search of the input has a stage less, too
        ({"bits": 32}, 13 * 16 + 2),
        ({"rna": {"adder_cycles": 10}}, -3 * (16 + 10)),
        ({"rna": {"lanes": 1}}, 64 - round(expected_largest_bucket(64, 64))),
        ({"rna": {"copying": "exposed"}}, 65),
        ({"rna": {"triples": 1}}, 13 * (63 - 10)),  # one triple after the other: 65 operands, 63 triples
        ({"rna": {"encoding": {"stage_cycles": 3}}}, 4),
        ({"broadcast": {"codes_per_cycle": 2}}, -32),
        ({"sharing": 4}, 0),  # there is one neuron
    ],
)
def test_each_choice_has_its_own_time(machine: dict[str, Any], cycles_more: int) -> None:
    assert bench(mlp(64, 1), machine).run().completed == [2 + 64 + neuron(64) + 1 + cycles_more]


def test_neurons_that_share_an_rna_take_turns_and_reload_products_of_their_own() -> None:
    alone, shared = (bench(mlp(64, 12), {"sharing": n}).run().completed[0] for n in (1, 5))
    assert shared - alone == 3 * neuron(64)  # of 12 neurons on 3 RNAs each does 4
    case = convolution(9, 12, (1, 4))
    alone, shared = (bench(case, {"sharing": n, "replication": "none"}).run().completed[0] for n in (1, 4))
    assert shared - alone == 4 * (3 * neuron(9) + 4 * 64)


@pytest.mark.parametrize("detail", ["array", "group"])
def test_only_neurons_that_share_an_rna_reload(detail: str) -> None:
    """Of 5 neurons on 3 RNAs the third has one alone: 4 exchanges of 64 x 64 products in each position."""
    machine = {"sharing": 2, "replication": "none", "detail": detail}
    run = bench(convolution(9, 5, (1, 4)), machine).run(2)
    actions = run.outcome.energy.actions
    (found,) = (counts for path, counts in actions.items() if path.endswith("[conv].reload"))
    assert found == {"cell write": 2 * 4 * 4 * 64 * 64 * 16}


def test_a_pool_writes_its_candidates_and_searches_once() -> None:
    layers = [
        Input(name="image", shape=(3, 4, 4)),
        Conv2d(name="conv", out_channels=8, window=Window.square(1)),
        MaxPool2d(name="pool", window=Window.square(2, stride=2)),
        Conv2d(name="last", out_channels=2, window=Window.square(1)),
    ]
    placed = bench(Network("pooled", layers)).placed
    assert placed.places["pool"].phases == (4, 0, 0, 0, 1)
    assert bench(Network("pooled", layers), {"bits": 32}).placed.places["conv"].phases.encoding == 4


# -- buses ---------------------------------------------------------------------------------------------------


def waits_for_bus(run: Any) -> int:
    return sum(
        ticks
        for account in run.outcome.accounts
        for state, ticks in account.ticks.items()
        if state.startswith("wait-resource:bus")
    )


def test_layers_in_one_tile_take_turns_on_its_bus() -> None:
    apart = bench(mlp(400, 300, 300, 10)).run(6)
    together = bench(mlp(400, 300, 300, 10), {"tiles": 1}).run(6)
    assert waits_for_bus(apart) == 0
    assert waits_for_bus(together) > 0
    assert set(np.diff(apart.completed)) == {max(400, neuron(400) + ENCODE)}
    # The codes of an image, 1000 of them, pass one bus.
    assert together.completed[-1] >= 6 * (400 + 300 + 300)


# -- mapping -------------------------------------------------------------------------------------------------


def test_chips_are_as_many_as_hold_each_layer_once_and_copies_fill_them() -> None:
    placed = bench(lower(networks["vgg16"]())).placed
    assert placed.chips == 1
    assert sum(place.rnas for place in placed.places.values()) == 13_416 + 1_472  # layers and pools
    small = bench(lower(networks["vgg16"]()), {"tiles": 4}).placed
    assert small.chips == 4
    assert max(max(place.tiles) for place in small.places.values()) < 4 * small.chips


def test_too_few_chips_make_neurons_share_rnas_or_are_refused() -> None:
    network = mlp(64, 100, 40, 10)
    assert bench(network, {"tiles": 1, "rnas": 50, "chips": 1}).placed.sharing == 4  # 25 + 10 + 3
    with pytest.raises(MappingError, match=r"chips=1 has 50 RNAs, .* takes 150 .* set chips to 3 or auto"):
        bench(network, {"tiles": 1, "rnas": 50, "chips": 1, "sharing": 1})
    with pytest.raises(MappingError, match=r"layers.fc7: .* did you mean"):
        bench(network, {"layers": {"fc7": {"replication": 2}}})


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        ({"clusters": {"weights": 5}}, "must have weights of 4, 8, 16, 32, 64, 128, 256 codes, got 5"),
        ({"clusters": {"inputs": 128}}, "set rna.encoding.rows to 128"),
        ({"rna": {"activation": {"rows": 63}}}, "of functions of 64 rows, but .* of 63 rows"),
        ({"rna": {"encoding": {"stage_bits": 32}}}, "set rna.encoding.stage_bits to 16 or less"),
        ({"bits": 8, "rna": {"activation": {"stage_bits": 9}}}, "keys of 8 bit, but compares 9 of them"),
        ({"rna": {"encoding": {"key_bits": 16}}}, "key_bits is unknown"),
        (
            {"clusters": {"weights": 256, "inputs": 256}, "bits": 32, "rna": {"encoding": {"rows": 256}}},
            "has 256 x 256 products of 32 bit, 2097152 cells, but arrays of 1048576; take fewer",
        ),
        ({"bits": 12}, "bits of 8, 16, 32, got 12"),
        (
            {"rna": {"encoding": {"match": "hamming"}}},
            "match must be one of 'nearest', 'staged', got 'hamming'",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_cycle_0(machine: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        RapidnnConfig.parse(machine)


def test_rnas_that_never_rest_reach_their_peak() -> None:
    full = {"tiles": 1, "rnas": 10, "broadcast": {"codes_per_cycle": 64}}
    subject = bench(mlp(64, 10), full)
    (gap,) = set(np.diff(subject.run(4).completed))
    assert gap == neuron(64)
    assert subject.placed.peak_macs == pytest.approx(64 * 10 / (gap * 1e-9))
    twice = bench(mlp(64, 10), {**full, "chips": 2})
    assert twice.placed.peak_macs == pytest.approx(2 * 64 * 10 / (gap * 1e-9))


def test_an_image_takes_the_time_of_rnas_that_the_peak_says() -> None:
    layers = [
        Input(name="image", shape=(3, 6, 6)),
        Conv2d(name="conv", out_channels=8, window=Window.square(3)),
        MaxPool2d(name="pool", window=Window.square(2, stride=2)),
        Linear(name="fc", out_features=5),
    ]
    subject = bench(Network("small", layers), {"detail": "array"})
    at_work = sum(
        ticks
        for account in subject.run(3).outcome.accounts
        if ".rna[" in account.path
        for state, ticks in account.ticks.items()
        if state.startswith("busy")
    )
    placed = subject.placed
    assert placed.peak_macs is not None
    assert at_work == pytest.approx(3 * placed.macs / placed.peak_macs * 32_000 * 1e9)


def test_what_just_fits_is_a_machine() -> None:
    most = {"clusters": {"weights": 256, "inputs": 256}, "bits": 16, "rna": {"encoding": {"rows": 256}}}
    config = RapidnnConfig.parse(most)
    assert RapidnnConfig.parse(config.canonical()) == config
    assert (config.activation.key_bits, config.encoding.rows) == (16, 256)


# -- costs ---------------------------------------------------------------------------------------------------


def test_the_area_is_that_of_the_table() -> None:
    assert sum(RapidnnConfig().area_by_part.values()) == pytest.approx(124.1, abs=0.05)
    assert bench(mlp(8, 4)).run().outcome.area.total == pytest.approx(124.1, abs=0.05)


def test_a_neuron_of_784_inputs_takes_about_1553_picojoules_and_a_tenth_of_power_all_the_time() -> None:
    """416 cycles of 3.7 pJ; of 21 of 0.7 pJ and two stages of a search of 0.2 pJ nine tenths."""
    run = bench(mlp(784, 512, 1), {"broadcast": {"code_pj": 0.0}}).run()
    busy = 416 * 3.7 + 0.9 * (21 * 0.7 + 2 * 0.2)
    idle = 0.1 * (0.7 + 0.2 + 0.2) * run.outcome.cycles
    assert run.outcome.energy.by_layer["fc0"] == pytest.approx(512 * (busy + idle) * 1e-12)


def test_parts_that_never_rest_draw_what_the_table_says_and_all_of_them_153_6_watts() -> None:
    """What is drawn all the time is a share of the table's power, not added to it."""
    config = RapidnnConfig()
    rna, stages = config.rna, config.activation.stages
    memories = {"activation": config.activation, "encoding": config.encoding}
    power = {
        "crossbar": rna.crossbar_pj,
        "counter": rna.counter_pj + rna.counter_idle_uw / 1e3,
        **{
            name: memory.rows * memory.cells * memory.cell_search_fj / stages / 1e3
            + memory.idle_power_uw / 1e3
            for name, memory in memories.items()
        },
    }  # [mW], as a picojoule in each cycle of a nanosecond is one
    assert power == {name: pytest.approx(budget.mw) for name, budget in RNA.items()}
    assert config.tiles * config.rnas * sum(power.values()) / 1e3 == pytest.approx(153.6)


@pytest.mark.parametrize(("bits", "stage_bits"), [(16, 8), (16, 16), (16, 5), (32, 32)])
def test_a_search_costs_the_cells_that_it_compares_however_many_at_once(bits: int, stage_bits: int) -> None:
    machine = {"bits": bits, "rna": {"encoding": {"stage_bits": stage_bits}}}
    actions = bench(mlp(64, 8, 4), machine).run().outcome.energy.actions
    (found,) = (counts for path, counts in actions.items() if path.endswith("[fc0].encoding-memory"))
    assert found == {"cell search": 8 * 64 * bits}


@pytest.mark.parametrize("memory", ["activation", "encoding"])
def test_more_rows_take_more_area_and_idle_power(memory: str) -> None:
    few, many = (bench(mlp(64, 8, 4), {"rna": {memory: {"rows": rows}}}).run().outcome for rows in (64, 256))
    assert many.area.total - few.area.total == pytest.approx(32_000 * 3 * 83.2e-6)
    searching = {"activation": 0.0, "encoding": 8 * 2 * 3 * 0.18e-12 + 64 * 2 * 3 * 0.18e-12}[memory]
    idle = (8 + 4) * 3 * 20e-6 * few.cycles * 1e-9
    assert many.energy.total - few.energy.total == pytest.approx(searching + idle)


def test_what_is_written_once_is_reported_apart() -> None:
    run = bench(mlp(784, 10)).run()
    assert run.programming_j == pytest.approx(10 * 64 * 64 * 16 * 3.2e-15)
    shared = bench(mlp(784, 10), {"sharing": 4}).run()  # on 3 RNAs, each with tables for all its neurons
    assert shared.programming_j == pytest.approx(3 * 64 * 64 * 16 * 3.2e-15)


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("digits-mlp", 0.0), ("digits-cnn", 0.0), ("digits-resnet", 0.0), ("resnet32", 0.03)],
)
def test_images_follow_as_the_mapping_says(name: str, tolerance: float) -> None:
    """Layers of ResNet-32, which are more than tiles, meet on buses, and may wait there."""
    subject = bench(lower(networks[name]()))
    assert subject.placed.interval is not None
    gaps = np.diff(subject.run(6).completed)
    assert np.median(gaps) == pytest.approx(subject.placed.interval.cycles, rel=tolerance)


def test_layers_have_tiles_of_their_own_while_there_are_some() -> None:
    apart = bench(lower(networks["digits-cnn"]())).placed
    tiles = [place.tiles for place in apart.places.values()]
    assert len({tile for each in tiles for tile in each}) == sum(map(len, tiles)) == len(apart.stages)
    few = bench(lower(networks["digits-cnn"]()), {"tiles": 4}).placed
    assert max(max(place.tiles) for place in few.places.values()) == 3


def test_a_network_that_only_clips_is_done_as_it_comes() -> None:
    layers = [Input(name="image", shape=(3, 2, 2)), Activation(name="relu", function="relu")]
    run = bench(Network("clip", layers)).run()
    assert run.completed == [ENCODE + 4 * 3 + 3]  # codes come in one a cycle, and the last pixel's go out
