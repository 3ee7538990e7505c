"""Floor 4: the application. `imcsim.run` simulates a workload on a machine; `imcsim` is the command for it.

    >>> import imcsim
    >>> run = imcsim.run("digits-cnn", arch="dataflow", images=16)  # doctest: +SKIP
    >>> run.summary["throughput_per_s"], run.plot_timeline()  # doctest: +SKIP

Names are imported when they are first used, so that importing the package, `imcsim --help` and `imcsim list`
stay quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imcsim.comparison import Comparison, compare
    from imcsim.composed_workload import ComposeReport, compose_workload
    from imcsim.explanation import Explanation, explain
    from imcsim.exporters import export_run, exporters
    from imcsim.fabric_run import FabricRun, run_fabric
    from imcsim.fitted_workload import FitReport, fit_workload
    from imcsim.least_depths import EdgeDepths, LeastDepths, find_least_depths
    from imcsim.load_figures import RequestRow
    from imcsim.load_run import LoadRun, measure_load
    from imcsim.map_picture import plot_map
    from imcsim.placement_picture import plot_placement
    from imcsim.progress_line import watch
    from imcsim.results import Run, read_run
    from imcsim.run_record import UnitTimes
    from imcsim.simulate import InterruptedRun, map_workload, run
    from imcsim.workload_traces import capture_trace, trace_info

_HOMES = {
    "Comparison": "imcsim.comparison",
    "ComposeReport": "imcsim.composed_workload",
    "EdgeDepths": "imcsim.least_depths",
    "Explanation": "imcsim.explanation",
    "FabricRun": "imcsim.fabric_run",
    "FitReport": "imcsim.fitted_workload",
    "InterruptedRun": "imcsim.simulate",
    "LeastDepths": "imcsim.least_depths",
    "LoadRun": "imcsim.load_run",
    "RequestRow": "imcsim.load_figures",
    "Run": "imcsim.results",
    "UnitTimes": "imcsim.run_record",
    "capture_trace": "imcsim.workload_traces",
    "compare": "imcsim.comparison",
    "compose_workload": "imcsim.composed_workload",
    "explain": "imcsim.explanation",
    "export_run": "imcsim.exporters",
    "exporters": "imcsim.exporters",
    "find_least_depths": "imcsim.least_depths",
    "fit_workload": "imcsim.fitted_workload",
    "measure_load": "imcsim.load_run",
    "map_workload": "imcsim.simulate",
    "plot_map": "imcsim.map_picture",
    "plot_placement": "imcsim.placement_picture",
    "read_run": "imcsim.results",
    "run": "imcsim.simulate",
    "run_fabric": "imcsim.fabric_run",
    "trace_info": "imcsim.workload_traces",
    "watch": "imcsim.progress_line",
}

__all__ = [
    "Comparison",
    "ComposeReport",
    "EdgeDepths",
    "Explanation",
    "FabricRun",
    "FitReport",
    "InterruptedRun",
    "LeastDepths",
    "LoadRun",
    "RequestRow",
    "Run",
    "UnitTimes",
    "capture_trace",
    "compare",
    "compose_workload",
    "explain",
    "export_run",
    "exporters",
    "find_least_depths",
    "fit_workload",
    "map_workload",
    "measure_load",
    "plot_map",
    "plot_placement",
    "read_run",
    "run",
    "run_fabric",
    "trace_info",
    "watch",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its home."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("imcsim")
    raise AttributeError(f"module 'imcsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Return the public names, imported or not."""
    return sorted([*globals(), *__all__])
