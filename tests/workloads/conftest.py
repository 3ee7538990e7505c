"""Make `tests/strategies.py` importable as `strategies`.

The folder `tests` itself must stay off the import path: its folders are called like the packages they test.
"""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

if "strategies" not in sys.modules:
    _spec = spec_from_file_location("strategies", Path(__file__).parents[1] / "strategies.py")
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules["strategies"] = module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules["strategies"])
