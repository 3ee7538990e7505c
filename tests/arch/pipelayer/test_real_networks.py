"""The trained networks on PipeLayer: digits told right, in integers of 16 bit that equal the golden ones."""

import pytest

import imcsim
from arch.machines.pipelayer import PipeLayer, PipeLayerConfig
from tests.arch.trained_networks import TRAINED, run_in_both_details
from tests.imcsim.command_bench import command
from workloads import lower
from workloads import networks as built_in


@pytest.mark.parametrize("network", TRAINED)
def test_trained_networks_equal_the_golden_reference_bit_for_bit(network: str) -> None:
    run_in_both_details(network, "pipelayer", 4)


def test_counters_lose_nothing_on_a_trained_network() -> None:
    summary = imcsim.run("digits-cnn", "pipelayer", images=2, values="device").summary
    assert summary["outputs_match_golden"]
    assert summary["clipped_conversions"] == 0
    assert {told["method"] for told in summary["formulations"].values()} == {"plain product"}


@pytest.mark.parametrize("network", ["alexnet", "resnet18", "googlenet", "densenet121", "vgg16"])
def test_large_networks_keep_the_formula(network: str) -> None:
    placed = PipeLayer(PipeLayerConfig()).map(lower(built_in[network]()))
    run = imcsim.run(network, "pipelayer", images=2, values="off", record=False)
    beat = placed.beat * PipeLayerConfig().tick
    assert run.summary["latency_s"]["first"] == pytest.approx(float(placed.levels * beat))
    assert run.summary["initiation_interval_cycles"] == pytest.approx(float(beat / PipeLayerConfig().slot))


def test_the_map_shows_copies_arrays_and_images_in_memory() -> None:
    told = command("map", "digits-resnet", "--arch", "pipelayer").stdout
    assert "digits-resnet on pipelayer" in told
    assert "block1-conv2 x64" in told
