"""Digits on a basis: what converters of few bits, and cells that are real, cost a network of accuracy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import imcsim
from simcore import ConfigError
from traces import write_basis
from workloads import networks
from workloads.basis.fitting import fit_basis

IMAGES = 20


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of digits-cnn on 128 vectors of 128 elements."""
    path: Path = tmp_path_factory.mktemp("basis") / "digits-cnn.npz"
    write_basis(path, fit_basis(networks["digits-cnn"]()))
    return path


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("vector_bits=8", r"vector_bits is 8, but the basis of digits-cnn has 4; leave vector_bits out"),
        ("coefficients.bits=6", r"coefficients.bits is 6, but the basis of digits-cnn has 4"),
        ("coefficients.nonzeros=3", r"coefficients.nonzeros is 3, but the basis of digits-cnn has 8"),
        (
            "coefficients.drawn=packed",
            r"drawn is packed, but the basis of digits-cnn has coefficients of its",
        ),
    ],
)
def test_what_a_loaded_basis_decides_on_cannot_be_chosen_otherwise(
    fitted: Path, setting: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        imcsim.run(fitted, "basisn", images=1, settings=[setting])


def test_what_agrees_with_a_loaded_basis_changes_nothing(fitted: Path, tmp_path: Path) -> None:
    alone = imcsim.run(fitted, "basisn", images=1, settings=["crossbars=4"], out=tmp_path / "run")
    chosen = ["vector_bits=4", "coefficients.bits=4", "coefficients.nonzeros=8", "crossbars=4"]
    for run in (
        imcsim.run(fitted, "basisn", images=1, settings=chosen),
        imcsim.run(tmp_path / "run" / "config.yaml"),
    ):
        assert run.summary["fingerprint"] == alone.summary["fingerprint"]


def digits(path: Path, values: str = "device", **changes: Any) -> dict[str, Any]:
    """Return the summary of a run with four crossbars; double underscores stand for the dots of a setting."""
    settings = [(name.replace("__", "."), value) for name, value in changes.items()]
    return imcsim.run(
        path, "basisn", images=IMAGES, values=values, record=False, settings=[("crossbars", 4), *settings]
    ).summary


@pytest.mark.parametrize("variant", ["analog", "digital"])
def test_perfect_crossbars_with_wide_converters_are_as_good_as_integers(fitted: Path, variant: str) -> None:
    ideal = digits(fitted, "ideal", variant=variant)
    assert ideal["outputs_match_golden"]
    real = digits(fitted, variant=variant, adc__bits=16, adc__range="full")
    assert real["accuracy"] == ideal["accuracy"] > 0.95
    assert real["clipped_conversions"] == 0
    assert real["cycles"] == ideal["cycles"]


def test_accuracy_falls_with_the_bits_of_converters(fitted: Path) -> None:
    found = [digits(fitted, adc__bits=bits)["accuracy"] for bits in (6, 4, 3)]
    assert found[0] > 0.95
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.5
