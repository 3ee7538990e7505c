"""What `imcsim bench` measures: ratios of two things taken in turn within one run, never absolute seconds.

`benches` holds every benchmark by name; each module here defines some.
"""

from benchmarks import basisn as _basisn  # registers its benchmarks
from benchmarks import cam as _cam
from benchmarks import crossbar as _crossbar
from benchmarks import engine as _engine
from benchmarks import fabric as _fabric
from benchmarks import imagenet as _imagenet
from benchmarks import isaac as _isaac
from benchmarks import load as _load
from benchmarks import onnx_files as _onnx_files
from benchmarks import rapidnn as _rapidnn
from benchmarks import reports as _reports
from benchmarks import trace_writers as _trace_writers
from benchmarks.compare import Bench, Comparison, benches, machine_info, measure

__all__ = ["Bench", "Comparison", "benches", "machine_info", "measure"]
