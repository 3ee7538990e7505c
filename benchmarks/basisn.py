"""What ResNet-34 costs on machines with fewer crossbars than it has weights: `basisn` and `reprogrammed`.

Times are wall seconds of the events alone, of machines built anew.
"""

from __future__ import annotations

from benchmarks.compare import Bench, benches
from benchmarks.isaac import simulated

NAME = "resnet34"

for _machine, _doc in (
    ("basisn", "supports drawn, a pass at a time"),
    ("reprogrammed", "crossbars that are written at once in lock-step"),
):
    benches.register(f"{_machine}-{NAME}")(
        Bench(
            f"{_machine}-{NAME}",
            f"ResNet-34 on `{_machine}`, {_doc}, values off, against `dataflow`, every crossbar a process",
            "cost",
            8,
            lambda machine=_machine: (simulated(machine, NAME), simulated("dataflow", NAME, detail="array")),  # type: ignore[misc]
            rounds=3,
        )
    )
