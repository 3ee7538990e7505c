"""The fingerprint stands for what was simulated and what came out, and for nothing else."""

from __future__ import annotations

from typing import Any

import pytest

import imcsim
from imcsim.metrics import array_digest
from workloads import networks


def digests(**options: Any) -> tuple[str, str | None]:
    """Return fingerprint and history of a small run."""
    chosen: dict[str, Any] = {"workload": "digits-mlp", "arch": "dataflow", "images": 2}
    summary = imcsim.run(**chosen | options).summary
    return summary["fingerprint"], summary["history"]


REFERENCE = digests()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"engine": "stock"},
        {"shuffle": 3},
        {"shuffle": 4, "engine": "stock"},
        {"workload": networks["digits-mlp"]()},
        {"warmup": 1},
        {"settings": ["core.adc.bits=8"]},  # what it is anyway
    ],
)
def test_what_changes_nothing_changes_no_digest(options: dict[str, Any]) -> None:
    assert digests(**options) == REFERENCE


def test_recording_changes_no_fingerprint_and_its_absence_leaves_no_history() -> None:
    assert digests(record=False) == (REFERENCE[0], None)


@pytest.mark.parametrize(
    "options",
    [
        {"images": 3},
        {"seed": 1},
        {"values": "off"},
        {"settings": ["core.crossbar.mvm_cycles=131"]},
        {"settings": ["core.adc.energy_pj=1"]},
        {"settings": ["core.adc.bits=7"]},  # in the machine, though ideal values do not feel it
        {"settings": ["detail=group"]},
        {"workload": "digits-cnn"},
    ],
)
def test_what_changes_the_question_or_the_answer_changes_the_fingerprint(options: dict[str, Any]) -> None:
    assert digests(**options)[0] != REFERENCE[0]


def test_other_values_on_the_same_machine_have_another_fingerprint() -> None:
    run = imcsim.run("digits-mlp", "dataflow")
    assert run.quantised is not None
    changed = run.quantised.copy()
    changed[0, 0] += 1
    assert array_digest(changed) != array_digest(run.quantised)
    assert array_digest(changed.reshape(-1)) != array_digest(changed)
