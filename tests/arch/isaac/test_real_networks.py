"""The trained networks on ISAAC: digits told right, in integers of 16 bit that equal the golden ones."""

import pytest

import imcsim
from tests.arch.trained_networks import TRAINED, run_in_both_details


@pytest.mark.parametrize("network", TRAINED)
def test_trained_networks_equal_the_golden_reference_bit_for_bit(network: str) -> None:
    group, _ = run_in_both_details(network, "isaac", 4)
    assert group["initiation_interval_cycles"] == 16  # every layer has a copy for each of its windows


def test_converters_of_8_bit_lose_nothing_on_a_trained_network() -> None:
    summary = imcsim.run("digits-cnn", "isaac-ce", images=2, values="device").summary
    assert summary["outputs_match_golden"]
    assert summary["clipped_conversions"] == 0
    assert {told["method"] for told in summary["formulations"].values()} == {"plain product"}
