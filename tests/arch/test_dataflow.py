"""The dataflow machine on random networks: right values, nothing lost, whatever the way it is run."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arch import ADCConfig, Core, Dataflow, MachineRun, Source
from arch.machine import machines
from arch.pixel_memory import PixelMemory
from simcore import Component, ConfigError, MappingError, components
from tests.arch.dataflow_bench import (
    RULES,
    Bench,
    Quantized,
    bench,
    chain,
    machine_settings,
    quantized,
    residual,
)
from tests.arch.pipeline_recurrence import Recurrence, phases_of, reads_of
from tests.strategies import NetworkCase, networks, random_parameters
from tests.token_networks import token_networks
from workloads import (
    Activation,
    BatchNorm,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Input,
    Layer,
    MatrixNode,
    Network,
    Window,
    datasets,
    lower,
)
from workloads import networks as shipped

FINITE = tuple(rule for rule in RULES if rule != "unbounded")
bits = st.integers(2, 16)


def placed(case: NetworkCase, machine: dict[str, Any]) -> Bench | None:
    """Place a drawn network; None if it has no layer left to place."""
    network = lower(case.network)
    return bench(network, machine) if network.nodes else None


def run_with_values(quantised: Quantized, machine: dict[str, Any]) -> MachineRun:
    """Run a machine on integers and compare its outputs with the golden reference."""
    network = quantised.network
    widths = {"weight_bits": network.weight_bits, "activation_bits": network.activation_bits}
    subject = bench(network.lowered, {**machine, **widths})
    run = subject.run(len(quantised.values.codes), quantised.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, quantised.expected)
    return run


# -- values --------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=250)
@given(networks(max_images=3), machine_settings(), bits, bits)
def test_outputs_equal_the_golden_reference_bit_for_bit(
    case: NetworkCase, machine: dict[str, Any], weight_bits: int, activation_bits: int
) -> None:
    """Whatever the speeds, buffers and arrays: a token lost, early or late would show here."""
    if machine["core"]["crossbar"]["input_sign"] == "twos-complement":
        activation_bits = min(activation_bits, 15)  # more is refused
    expected = quantized(case, weight_bits, activation_bits)
    if expected.network.lowered.nodes:
        run_with_values(expected, machine)


@pytest.mark.parametrize("engine", ["lean", "stock"])
@pytest.mark.parametrize("name", ["digits-mlp", "digits-cnn", "digits-resnet"])
def test_shipped_networks_give_the_golden_codes_of_real_digits(name: str, engine: str) -> None:
    images = datasets["digits"]().first(3).inputs
    case = quantized(NetworkCase(shipped[name](), images))
    run = bench(case.network.lowered).run(len(images), case.values, engine=engine)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, case.expected)


def drawn(*layers: Layer, shape: tuple[int, int, int] = (3, 4, 4), images: int = 5) -> NetworkCase:
    """Return layers behind an image with random weights and images."""
    rng = np.random.default_rng(0)
    every = [Input(name="image", shape=shape), *layers]
    parameters = random_parameters(Network("drawn", every), rng)
    network = Network("drawn", every, parameters=lambda: parameters)
    return NetworkCase(network, rng.normal(size=(images, *shape)).astype(np.float32))


@pytest.mark.parametrize("shape", [(3, 4, 4), (2, 1, 5), (1, 5, 5)])
@pytest.mark.parametrize("behind", [Activation(name="curve", function="sigmoid"), BatchNorm(name="norm")])
def test_work_behind_a_global_pool_is_done_once_an_image(shape: tuple[int, int, int], behind: Layer) -> None:
    expected = quantized(drawn(GlobalAvgPool(name="pool"), behind, shape=shape))
    run_with_values(expected, {})


@pytest.mark.parametrize("detail", ["array", "group"])
def test_grouped_layers_larger_than_an_array_are_right(detail: str) -> None:
    conv = Conv2d(name="conv", out_channels=12, window=Window.square(3, padding=1), groups=2)
    expected = quantized(drawn(conv, shape=(6, 4, 4)))
    machine = {"detail": detail, "core": {"crossbar": {"rows": 10, "cols": 4}}}
    run_with_values(expected, machine)


@pytest.mark.parametrize("rows", [4, 10, 30])
@pytest.mark.parametrize("adc", [{"kind": "column-adc"}, {"kind": "shared-adc"}])
def test_a_core_full_from_memory_to_digital_unit_keeps_every_pixel_apart(
    rows: int, adc: dict[str, Any]
) -> None:
    """All registers fill up in front of a slow digital unit; none may be written before it is read."""
    expected = quantized(drawn(Conv2d(name="conv", out_channels=6, window=Window.square(3)), shape=(3, 9, 9)))
    core = {
        "crossbar": {"rows": rows, "cols": 4, "mvm_cycles": 1},
        "adc": adc,
        "digital": {"lanes": 1, "pass_cycles": 20},
        "partial_sum_cycles": 0,
    }
    run_with_values(expected, {"core": core, "source": {"pixel_cycles": 1}, "buffers": {"rule": "full"}})


def test_unbounded_buffers_grow_and_lose_nothing() -> None:
    """A slow convolution behind a fast source: most of three images waits in its memory."""
    expected = quantized(
        drawn(Conv2d(name="conv", out_channels=2, window=Window.square(3, padding=1)), images=3)
    )
    machine = {"buffers": {"rule": "unbounded"}, "source": {"pixel_cycles": 1}}
    run = run_with_values(expected, machine)
    assert run.peaks["core[conv].memory.pixel_in[0]"] > 2 * 16


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=60), st.integers(1, 5))
def test_a_pixel_memory_grows_as_far_as_pixels_are_kept(kept: list[int], first_size: int) -> None:
    """However many pixels are kept, each is found again in its row."""
    source = np.arange(100, dtype=np.int32).reshape(100, 1)
    freed = 0
    memory = PixelMemory(source, None, first_size, 1, lambda: freed)
    for pixel, keep in enumerate(kept):
        freed = max(freed, pixel - 4 * keep)
        memory.store(pixel)
        alive = np.arange(freed, pixel + 1)
        assert memory.codes[alive % memory.size, 0].tolist() == alive.tolist()
    assert len(memory.codes) == memory.size < 2 * max(first_size, 17)


# -- what a run must not depend on ---------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(networks(), machine_settings(), st.integers(0, 2**16))
def test_engine_order_and_recording_change_nothing(
    case: NetworkCase, machine: dict[str, Any], seed: int
) -> None:
    subject = placed(case, machine)
    if subject is None:
        return
    reference = subject.run(2)
    for options in ({"engine": "stock"}, {"shuffle": seed}, {"record": True}):
        same(subject.run(2, **options), reference)


def same(run: MachineRun, reference: MachineRun) -> None:
    """Compare everything that two runs report but how long they took to simulate."""
    assert run.outcome.makespan == reference.outcome.makespan
    assert run.outcome.accounts == reference.outcome.accounts
    assert run.outcome.energy == reference.outcome.energy
    assert results_of(run) == results_of(reference)


def results_of(run: MachineRun) -> tuple[Any, ...]:
    return run.accepted, run.completed, run.macs, run.peaks


@settings(deadline=None, max_examples=40)
@given(networks(), machine_settings())
def test_values_change_no_cycle_and_no_action_but_the_charge_through_cells(
    case: NetworkCase, machine: dict[str, Any]
) -> None:
    values = quantized(case)
    subject = placed(case, machine)
    if subject is None:
        return
    images = len(case.images)
    run, reference = subject.run(images, values.values), subject.run(images)
    assert run.outcome.makespan == reference.outcome.makespan
    assert run.outcome.accounts == reference.outcome.accounts
    assert results_of(run) == results_of(reference)
    counted = [
        {(p, n): k for p, actions in each.items() for n, k in actions.items() if n != "cell charge"}
        for each in (run.outcome.energy.actions, reference.outcome.energy.actions)
    ]
    assert counted[0] == counted[1]


@settings(deadline=None, max_examples=60)
@given(networks(), machine_settings())
def test_arrays_driven_as_a_group_take_the_same_cycles_and_energy(
    case: NetworkCase, machine: dict[str, Any]
) -> None:
    subjects = [placed(case, {**machine, "detail": detail}) for detail in ("array", "group")]
    if subjects[0] is None or subjects[1] is None:
        return
    arrays, group = (subject.run(2) for subject in subjects if subject is not None)
    assert results_of(arrays) == results_of(group)
    assert group.outcome.energy.by_component == pytest.approx(arrays.outcome.energy.by_component)
    assert group.outcome.area.by_component == pytest.approx(arrays.outcome.area.by_component)


# -- laws ----------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(networks(max_steps=6), machine_settings(rules=FINITE), st.integers(1, 3))
def test_no_finite_rule_deadlocks_and_no_buffer_overflows(
    case: NetworkCase, machine: dict[str, Any], images: int
) -> None:
    subject = placed(case, machine)
    if subject is None:
        return
    run = subject.run(images)
    assert len(run.completed) == len(run.accepted) == images
    depths = subject.placed.depths
    for (stage, place), depth in depths.items():
        assert depth is not None
        assert run.peaks[f"core[{stage}].memory.pixel_in[{place}]"] <= depth


@pytest.mark.parametrize("latency", [1, 13, 40, 97])
def test_branches_that_lag_in_different_ways_do_not_deadlock_at_any_latency(latency: int) -> None:
    """One branch is late by the lines of a kernel, one by its cores, and no core holds a line."""
    point = Window.square(1)
    network = Network(
        "late",
        [
            Input(name="image", shape=(1, 6, 40)),
            Conv2d(name="stem", out_channels=1, window=point),
            Conv2d(name="wide", out_channels=1, window=Window.square(5, padding=2)),
            Conv2d(name="a", inputs=("stem",), out_channels=1, window=point),
            Conv2d(name="b", out_channels=1, window=point),
            Conv2d(name="c", out_channels=1, window=point),
            Concat(name="join", inputs=("wide", "c")),
        ],
    )
    machine = {
        "core": {"crossbar": {"mvm_cycles": 1}},
        "fabric": {"latency_cycles": latency},
        "buffers": {"rule": "minimum"},
    }
    assert len(bench(network, machine).run(2).completed) == 2


@settings(deadline=None, max_examples=60)
@given(networks(), machine_settings(), st.integers(1, 3))
def test_work_done_is_what_the_mapping_says(case: NetworkCase, machine: dict[str, Any], images: int) -> None:
    subject = placed(case, machine)
    if subject is None:
        return
    run, actions = subject.run(images), subject.run(images).outcome.energy.actions
    phases, active = phases_of(subject.machine.config), machine["core"]["crossbar"]["active_rows"]
    macs = reads = conversions = 0
    for stage in subject.placed.stages:
        tiling = subject.placed.tilings.get(stage.name)
        blocks = tiling.blocks if tiling else ()
        macs += images * stage.steps * sum(block.cells for block in blocks)
        reads += images * stage.steps * phases * sum(block.rows * block.cols for block in blocks)
        turns = [ceil(block.rows / (active or block.rows)) for block in blocks]
        sums = sum(block.cols * each for block, each in zip(blocks, turns, strict=True))
        conversions += images * stage.steps * phases * sums
        bits = actions[f"core[{stage.name}].links"]["bit sent"]
        readers = sum(o.source == stage.name for other in subject.placed.stages for o in other.operands)
        channels = stage.shape[0] * subject.machine.config.activation_bits
        assert bits == images * stage.pixels * channels * (readers or 1)  # the last one sends to the outside
        assert actions[f"core[{stage.name}].digital"]["finish"] == images * stage.steps
        written = actions[f"core[{stage.name}].memory"]["byte written"]
        assert written == images * sum(
            o.firing.pixels * -(-o.shape[0] * subject.machine.config.activation_bits // 8)
            for o in stage.operands
        )
    assert run.macs == macs == images * subject.placed.network.macs
    assert sum(each.get("cell read", 0) for each in actions.values()) == reads
    assert sum(each.get("conversion", 0) for each in actions.values()) == conversions


@pytest.mark.parametrize(("stride", "windows"), [(1, 8), (2, 4), (3, 3), (4, 2)])
def test_read_traffic_is_the_new_columns_or_whole_windows(stride: int, windows: int) -> None:
    """K x min(s, K) x Cin bytes a step, but K x K x Cin at a row's start; or K x K x Cin each time."""
    network = chain(Window.square(3, stride=stride, padding=1), shape=(5, 8, 8))
    traffic = {
        "new-columns": windows * (3 * 3 + (windows - 1) * 3 * min(stride, 3)) * 5,
        "whole-window": windows * windows * 3 * 3 * 5,
    }
    for window, read in traffic.items():
        outcome = bench(network, {"core": {"memory": {"window": window}}}).run(2).outcome
        actions = outcome.energy.actions["core[conv0].memory"]
        assert actions["byte read"] == 2 * read
        assert actions["byte written"] == 2 * 64 * 5
        # 0.64 pJ a byte, and nothing else
        assert outcome.energy.by_component["buffer"] == pytest.approx(2 * (read + 64 * 5) * 0.64e-12)


@settings(deadline=None, max_examples=60)
@given(networks() | token_networks(), machine_settings(), st.integers(1, 3))
def test_bytes_read_are_those_of_every_step_by_the_twin(
    case: NetworkCase, machine: dict[str, Any], images: int
) -> None:
    subject = placed(case, machine)
    if subject is None:
        return
    actions = subject.run(images).outcome.energy.actions
    expected = Recurrence(subject.machine.config, subject.placed, images)
    for stage in subject.placed.stages:
        read = expected.image_bytes(stage.name)
        assert actions[f"core[{stage.name}].memory"]["byte read"] == images * read


@settings(deadline=None, max_examples=60)
@given(networks(), machine_settings(), st.integers(2, 3))
def test_no_run_is_shorter_than_the_work_of_its_last_core(
    case: NetworkCase, machine: dict[str, Any], images: int
) -> None:
    subject = placed(case, machine)
    if subject is None:
        return
    run, last = subject.run(images), subject.placed.stages[-1]
    core = machine["core"]
    product = core["crossbar"]["mvm_cycles"] * reads_of(subject.machine.config)
    slowest = product if isinstance(last.head, MatrixNode) else 0
    gaps = np.diff([0, *run.completed])
    assert gaps.min() >= last.steps * slowest
    assert run.outcome.makespan == run.completed[-1]


# -- energy and area -----------------------------------------------------------------------------------------


def full_array() -> Network:
    """Return one product that uses every cell of a 256 x 256 array."""
    return chain(Window.square(1), shape=(256, 1, 1), channels=256)


def test_a_product_on_a_full_array_costs_what_the_published_efficiency_says() -> None:
    """131072 operations at 10.5 TOPS/W are 12.48 nJ, shared out over array, converters and digital unit."""
    energy = bench(full_array()).run().outcome.energy
    parts = [energy.by_component[family] for family in ("crossbar", "adc", "digital")]
    assert sum(parts) == pytest.approx(2 * 256 * 256 / 10.5e12, rel=1e-4)
    assert sum(parts) == pytest.approx(12.48e-9, rel=1e-3)


def test_a_core_has_the_published_area() -> None:
    """131072 operations in 130 ns at 1.59 TOPS/mm2 are 0.634 mm2."""
    area = bench(full_array()).run().outcome.area
    assert sum(area.by_component[family] for family in ("crossbar", "adc", "digital")) == pytest.approx(0.634)
    assert pytest.approx(0.634, rel=1e-3) == 2 * 256 * 256 / 130e-9 / 1.59e12


def test_four_cores_have_four_times_the_area_of_one() -> None:
    """Two row blocks by two column blocks."""
    area = bench(chain(Window.square(1), shape=(512, 1, 1), channels=512)).run().outcome.area
    assert sum(area.by_component[f] for f in ("crossbar", "adc", "digital")) == pytest.approx(4 * 0.634)


@settings(deadline=None, max_examples=40)
@given(networks(), machine_settings())
def test_energy_is_the_sum_of_its_parts_both_ways(case: NetworkCase, machine: dict[str, Any]) -> None:
    subject = placed(case, machine)
    if subject is not None:
        energy = subject.run(2).outcome.energy
        assert sum(energy.by_component.values()) == pytest.approx(energy.total)
        assert sum(energy.by_layer.values()) == pytest.approx(energy.total)
        assert set(energy.by_layer) <= {stage.name for stage in subject.placed.stages}


def test_a_pixel_costs_its_bits_on_every_link_it_takes() -> None:
    """0.1 pJ a bit and mm on links of 0.8 mm; the stem has two readers, the image comes from outside."""
    energy = bench(residual(3, shape=(3, 4, 5))).run().outcome.energy
    copies = 20 * 3 * 8 * (2 + 1)
    assert energy.by_component["link"] == pytest.approx(copies * 0.08e-12)


def test_twice_the_images_cost_twice_the_energy() -> None:
    subject = bench(chain(Window.square(3, padding=1), Window.square(3, stride=2)))
    one, two = (subject.run(images).outcome.energy for images in (1, 2))
    assert two.by_layer == pytest.approx({layer: 2 * joules for layer, joules in one.by_layer.items()})


# -- errors and names ----------------------------------------------------------------------------------------


def test_a_network_without_layers_is_refused() -> None:
    with pytest.raises(
        MappingError, match=r"nothing has no layers, so there is nothing to map; give it at least"
    ):
        bench(Network("nothing", [Input(name="image", shape=(1, 2, 2))]))


def test_fewer_lines_than_a_kernel_is_high_are_refused() -> None:
    with pytest.raises(MappingError, match=r"buffers\.rule=lines:1 gives conv0 1 lines, but its kernel is 3"):
        bench(chain(Window.square(3)), {"buffers": {"rule": "lines:1"}})


def test_an_unknown_buffer_rule_is_refused_before_anything_is_built() -> None:
    with pytest.raises(ConfigError, match=r"buffers\.rule.*must be minimum, lines:K"):
        bench(chain(Window.square(3)), {"buffers": {"rule": "two lines"}})


def test_the_machine_is_registered_under_its_name() -> None:
    assert machines["dataflow"].machine is Dataflow


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the registry of components, which forgets what a test registers."""
    monkeypatch.setattr(components, "_entries", dict(components.items()))
    return components


def test_a_kind_of_core_or_source_that_a_user_chooses_is_the_one_that_is_built(registry: Any) -> None:
    built: list[str] = []

    @registry.register("my-core")
    class MyCore(Core):
        def build(self) -> None:
            built.append(self.path)

    @registry.register("my-source")
    class MySource(Source):
        def build(self) -> None:
            built.append(self.path)

    network = chain(Window.square(1))
    bench(network, {"core": {"kind": "my-core"}, "source": {"kind": "my-source"}}).run()
    assert built == ["source", "core[conv0]"]


def test_a_component_of_another_family_takes_no_part(registry: Any) -> None:
    @registry.register("odd-adc")
    class OddADC(Component):
        Config = ADCConfig

    with pytest.raises(MappingError, match=r"odd-adc cannot take the place of adc; derive OddADC from ADC"):
        bench(chain(Window.square(1)), {"core": {"adc": {"kind": "odd-adc"}}}).run()


def test_the_map_has_a_row_of_figures_for_each_stage() -> None:
    machine = {"core": {"crossbar": {"rows": 16, "cols": 4}}, "buffers": {"rule": "minimum"}}
    (row,) = bench(chain(Window.square(3, padding=1), shape=(3, 8, 8), channels=6), machine).placed.rows
    assert (row.stage, row.work, row.shape, row.steps) == ("conv0", "matrix", (6, 8, 8), 64)
    assert (row.rows, row.cols, row.arrays) == (27, 6, 4)
    assert row.utilisation == pytest.approx(27 * 6 / (4 * 16 * 4))
    assert row.buffers == (("image", 19, 19 * 3),)
