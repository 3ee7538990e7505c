"""The trained networks on ISAAC: digits told right, in integers of 16 bit that equal the golden ones."""

import pytest

import imcsim


@pytest.mark.parametrize("network", ["digits-mlp", "digits-cnn", "digits-resnet"])
def test_trained_networks_equal_the_golden_reference_bit_for_bit(network: str) -> None:
    by_detail = {
        detail: imcsim.run(network, "isaac", images=4, settings=[f"detail={detail}"]).summary
        for detail in ("group", "array")
    }
    group, array = by_detail["group"], by_detail["array"]
    assert group["outputs_match_golden"]
    assert group["accuracy"] == group["golden_accuracy"] == 1.0
    assert array["outputs_match_golden"]
    assert array["cycles"] == group["cycles"]
    assert array["units"] > group["units"]
    assert array["energy_j"]["total"] == pytest.approx(group["energy_j"]["total"])
    assert group["initiation_interval_cycles"] == 16  # every layer has a copy for each of its windows


def test_converters_of_8_bit_lose_nothing_on_a_trained_network() -> None:
    summary = imcsim.run("digits-cnn", "isaac-ce", images=2, values="device").summary
    assert summary["outputs_match_golden"]
    assert summary["clipped_conversions"] == 0
    assert {told["method"] for told in summary["formulations"].values()} == {"plain product"}
