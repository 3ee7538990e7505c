"""Workload traces in and out; recorded activity out: what it adds up to, pictures, files for other tools."""

from simcore.activity import CATEGORIES, Activity
from traces.activity_file import load_activity, save_activity
from traces.aggregate import Aggregate, AggregateRows
from traces.array_plot import ArrayUse, LayerArrays, plot_arrays
from traces.basis_file import BASIS_FILE, read_basis, write_basis
from traces.chrome_trace import write_chrome_trace
from traces.comparison_lines import plot_comparison_over
from traces.comparison_plot import ComparedPanel, plot_comparison
from traces.composition_file import COMPOSITION_FILE, read_composition, write_composition
from traces.critical_path import CriticalPath, critical_path_of, slack
from traces.curve_plot import ImageTimes, plot_latency, plot_roofline
from traces.enabling import image_chain
from traces.fabric_plot import DrawnChannel, DrawnNode, plot_fabric
from traces.figure_style import check_figure_name, save_figure
from traces.heat_plot import held_in_bins, plot_buffers, plot_power
from traces.html_report import write_html_report
from traces.load_plot import REQUESTS, LoadPoint, LoadWords, plot_load_latency
from traces.parquet_sink import write_parquet
from traces.perfetto import PerfettoSink, write_perfetto
from traces.plots import plot_timeline, plot_utilisation
from traces.power import PowerSeries, by_family, by_group, peak_power, power_over_time
from traces.prepared_file import read_prepared
from traces.shipped_networks import prepared_networks
from traces.sinks import BoundedSink, IntervalSink, open_sink, sinks, write_through
from traces.stack_plot import plot_energy, plot_path, plot_stalls
from traces.timeline import (
    UnitGroup,
    bin_edges,
    busy_fraction,
    category_of_states,
    category_time,
    category_totals,
    merge_touching,
    select,
    state_time,
    take_units,
    time_in_bins,
    unit_groups,
)
from traces.trace_limits import LimitedSink, TraceLimits
from traces.trace_reader import read_trace
from traces.trace_records import json_schema
from traces.trace_writer import write_trace
from traces.vcd import write_vcd
from traces.workload_trace import TRACE_SUFFIXES, Bits, Trace

__all__ = [
    "BASIS_FILE",
    "CATEGORIES",
    "COMPOSITION_FILE",
    "REQUESTS",
    "TRACE_SUFFIXES",
    "Activity",
    "Aggregate",
    "AggregateRows",
    "ArrayUse",
    "Bits",
    "BoundedSink",
    "ComparedPanel",
    "CriticalPath",
    "DrawnChannel",
    "DrawnNode",
    "ImageTimes",
    "IntervalSink",
    "LayerArrays",
    "LimitedSink",
    "LoadPoint",
    "LoadWords",
    "PerfettoSink",
    "PowerSeries",
    "Trace",
    "TraceLimits",
    "UnitGroup",
    "bin_edges",
    "busy_fraction",
    "by_family",
    "by_group",
    "category_of_states",
    "category_time",
    "category_totals",
    "check_figure_name",
    "critical_path_of",
    "held_in_bins",
    "image_chain",
    "json_schema",
    "load_activity",
    "merge_touching",
    "open_sink",
    "peak_power",
    "plot_arrays",
    "plot_buffers",
    "plot_comparison",
    "plot_comparison_over",
    "plot_energy",
    "plot_fabric",
    "plot_latency",
    "plot_load_latency",
    "plot_path",
    "plot_power",
    "plot_roofline",
    "plot_stalls",
    "plot_timeline",
    "plot_utilisation",
    "power_over_time",
    "prepared_networks",
    "read_basis",
    "read_composition",
    "read_prepared",
    "read_trace",
    "save_activity",
    "save_figure",
    "select",
    "sinks",
    "slack",
    "state_time",
    "take_units",
    "time_in_bins",
    "unit_groups",
    "write_basis",
    "write_chrome_trace",
    "write_composition",
    "write_html_report",
    "write_parquet",
    "write_perfetto",
    "write_through",
    "write_trace",
    "write_vcd",
]
