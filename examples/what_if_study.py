"""Twenty changes on all machines: what the graph of a run predicts, and what a run then takes.

    python examples/what_if_study.py

prints the table of docs/what-if.md, a row a change.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import imcsim
from imcsim.predictions import WhatIf, what_if
from imcsim.what_if_report import error_text


@dataclass(frozen=True)
class Case:
    """A run, and what is asked of it."""

    workload: str
    machine: str
    questions: tuple[str, ...]
    images: int = 1
    settings: tuple[str, ...] = ()


CASES = (
    Case(
        "resnet20",
        "dataflow",
        (
            "core.crossbar.mvm_cycles=0.5x",
            "source.pixel_cycles=0.5x",
            "core.crossbar.mvm_cycles=0.5x,source.pixel_cycles=0.5x",
            "core.partial_sum_cycles=2x",
            "core.digital.lanes=1",
            "buffers.rule=unbounded",
        ),
    ),
    Case(
        "digits-resnet",
        "dataflow",
        ("fabric.latency_cycles=20x", "fabric.width_bits=8", "fabric.width_bits=1"),
        images=4,
        settings=("fabric.fidelity=link", "fabric.topology.kind=mesh"),
    ),
    Case(
        "digits-resnet", "isaac", ("array.mvm_cycles=2x", "ima.shift_add_cycles=2x", "tile.write_cycles=4x")
    ),
    Case("alexnet", "pipelayer", ("read_ns=0.5x", "memory.subarrays=capacity"), images=2),
    Case("mnist-mlp", "rapidnn", ("rna.activation.stage_cycles=4x", "rna.adder_cycles=2x"), images=4),
    Case(
        "digits-resnet",
        "basisn",
        ("array.mvm_cycles=2x", "digital.channels_per_cycle=0.5x"),
        settings=("digital.channels_per_cycle=8",),
    ),
    Case(
        "resnet20",
        "reprogrammed",
        ("write.pulse_cycles=0.5x", "array.mvm_cycles=2x"),
        settings=("crossbars=16",),
    ),
)


def answers(case: Case) -> list[WhatIf]:
    """Run a case without values, and ask."""
    run = imcsim.run(
        case.workload,
        arch=case.machine,
        images=case.images,
        values="off",
        settings=case.settings,
        record=False,
    )
    return what_if(run, case.questions)


def rows(case: Case, found: Sequence[WhatIf]) -> Iterator[tuple[str, ...]]:
    """Yield a row of the table for each change."""
    for answer in found:
        changes = ", ".join(f"`{change.told}`" for change in answer.changes)
        yield (
            f"{case.workload} on {case.machine}",
            changes,
            f"{answer.cycles:,}",
            "" if answer.predicted is None else f"{answer.predicted:,}",
            "" if answer.confirmed is None else f"{answer.confirmed:,}",
            error_text(answer),
            {True: "yes", False: "no", None: ""}[answer.order_kept],
            "; ".join(answer.reasons),
        )


def table(cases: Sequence[Case]) -> str:
    """Return the table in Markdown."""
    head = ("run", "change", "cycles", "predicted", "confirmed", "error", "order kept", "reason")
    lines = [head, tuple("---" for _ in head)]
    for case in cases:
        lines += rows(case, answers(case))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    print(table(CASES))
