"""Coverage-guided fuzzing of the trace reader; no test, run by hand:

    python -m venv fuzz && fuzz/bin/pip install atheris -e .
    fuzz/bin/python -m tests.traces.fuzz_trace corpus-under-way tests/traces/corpus -max_total_time=600

It ends with a file `crash-...` if reading some bytes raises anything but a SimError, or takes more than 10
seconds or 2 GiB. Once that is mended, the file goes into `tests/traces/corpus`, which `test_trace_errors.py`
replays. So do the fewest files that reach all the code that was reached:

    fuzz/bin/python -m tests.traces.fuzz_trace -merge=1 tests/traces/corpus corpus-under-way
"""

from __future__ import annotations

import contextlib
import io
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["traces", "workloads", "json"]):
    from simcore import SimError
    from traces.trace_reader import parse_trace


def read(content: bytes) -> None:
    """Read some bytes as a trace."""
    with contextlib.suppress(SimError):
        parse_trace(io.BytesIO(content), Path("fuzz.jsonl"))


if __name__ == "__main__":
    atheris.Setup([*sys.argv, "-timeout=10", "-rss_limit_mb=2048"], read)
    atheris.Fuzz()
