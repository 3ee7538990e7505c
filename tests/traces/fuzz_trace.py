"""Coverage-guided fuzzing of the trace reader; no test, run by hand:

    python -m venv fuzz && fuzz/bin/pip install atheris -e .
    fuzz/bin/python -m tests.traces.fuzz_trace corpus-under-way tests/traces/corpus -max_total_time=600

It ends with a file `crash-...` if reading some bytes raises anything but a SimError, or takes more than 10
seconds or 2 GiB. Once that is mended, the file goes into `tests/traces/corpus`, which `test_trace_errors.py`
replays; what is there has the smallest file for each kind of error that was met, and some that are traces.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["traces", "workloads"]):
    from simcore import SimError
    from traces.trace_reader import parse_trace
    from traces.trace_records import MODELS

#: Values to put in the place of others.
VALUES: list[Any] = [
    -1,
    0,
    1,
    2,
    3,
    8,
    64,
    2**20,
    2**63,
    0.5,
    None,
    True,
    "",
    "image",
    "relu",
    [],
    [1, 1],
    [-1, 0],
    [0] * 4,
    {},
]


def read(content: bytes) -> None:
    """Read some bytes as a trace."""
    with contextlib.suppress(SimError):
        parse_trace(io.BytesIO(content), Path("fuzz.jsonl"))


def mutate(content: bytes, most: int, seed: int) -> bytes:
    """Change a line that is JSON so that it stays JSON, and any other as the fuzzer likes."""
    rng = random.Random(seed)
    lines = content.split(b"\n")
    place = rng.randrange(len(lines))
    try:
        record: Any = json.loads(lines[place])
        match rng.randrange(5):
            case 0:
                kind = rng.choice(list(MODELS))
                record = {key: rng.choice(VALUES) for key in MODELS[kind].model_fields} | {
                    "op": kind,
                    "name": "x",
                }
            case 1:
                lines.insert(place, lines[rng.randrange(len(lines))])
            case 2:
                record.pop(rng.choice(list(record)))
            case _:
                record[rng.choice([*record, "inputs", "name"])] = rng.choice([*VALUES, *record.values()])
        lines[place] = json.dumps(record).encode()
    except (ValueError, TypeError, AttributeError, IndexError, RecursionError):
        lines[place] = bytes(atheris.Mutate(lines[place], max(1, len(lines[place]))))
    return b"\n".join(lines)[:most]


if __name__ == "__main__":
    atheris.Setup([*sys.argv, "-timeout=10", "-rss_limit_mb=2048"], read, custom_mutator=mutate)
    atheris.Fuzz()
