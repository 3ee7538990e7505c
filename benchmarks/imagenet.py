"""What ImageNet networks cost on `dataflow`, 224 x 224, eight bitlines a weight: ResNet-50, and three more.

A run is compared with its own multiply-accumulates as float32 matrix products on one thread: a product for
each layer, and for each head of attention, in its own shape. Times are wall seconds as a run's summary tells
them: `wall_s`, which is the events alone, and `setup_s`; of a trace, CPU seconds of everything.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from arch import Dataflow, DataflowConfig, RunOptions, Values
from benchmarks.compare import Bench, benches
from traces import Trace, read_trace, write_trace
from workloads import LoweredNetwork, MatrixNode, MixNode, Node, ScoresNode, lower, networks, quantize
from workloads.photograph import photo_crops

NAME = "resnet50"
SLICES = 8
GIBIBYTE = 1024.0  # [MiB]

#: Runs in a process of their own, as a user's: `runs` one behind the other. It prints set-up and run of the
#: last [s] and the peak memory [KiB]; that of getrusage would begin with the parent's.
RUNS = """
import gc, json, sys
from pathlib import Path
import imcsim
options = json.loads(sys.argv[1])
network, machine = options.pop("name", "resnet50"), options.pop("arch", "dataflow")
for _ in range(options.pop("runs", 1)):
    gc.collect()  # the last machine is not the next one's to free
    summary = imcsim.run(network, machine, record=False, **options).summary
peak = Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
print(summary["setup_s"], summary["wall_s"], peak)
"""


@cache
def _network(name: str = NAME) -> LoweredNetwork:
    return lower(networks[name]())


@cache
def _values(name: str) -> Values:
    """Return the quantised network and one image."""
    network = networks[name]()
    crops = photo_crops(network.input_shape, 16).inputs
    quantised = quantize(_network(name), network.load_parameters(), crops)
    return Values(quantised, quantised.input_quantization.quantize(crops[:1]))


@cache
def _operands(name: str) -> list[tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]]:
    """Return both factors of every product of a network, and room for it."""
    random = np.random.default_rng(0)
    operands = []
    for node in _network(name).nodes:
        for pixels, rows, cols in _shapes(node):
            windows = random.random((pixels, rows), dtype=np.float32)
            weights = random.random((rows, cols), dtype=np.float32)
            operands.append((windows, weights, windows @ weights))
    return operands


def _shapes(node: Node) -> Iterator[tuple[int, int, int]]:
    """Yield pixels, rows and columns of the products that a node is, one for each group or head."""
    match node:
        case MatrixNode():
            for _ in range(node.groups):
                yield node.shape[1] * node.shape[2], node.rows, node.cols_per_group
        case ScoresNode():
            for _ in range(node.heads):
                yield node.tokens, node.features, node.keys
        case MixNode():
            for _ in range(node.heads):
                yield node.tokens, node.keys, node.features


def products(name: str = NAME) -> float:
    """Return how long a network's matrix products take [s]."""
    operands = _operands(name)
    start = perf_counter()
    for windows, weights, out in operands:
        np.matmul(windows, weights, out=out)
    return perf_counter() - start


def simulated(
    detail: str,
    name: str = NAME,
    *,
    images: int = 1,
    values: Literal["off", "ideal", "device"] = "off",
    fast_forward: bool = False,
    fabric: Mapping[str, Any] | None = None,
) -> float:
    """Return how long the events of a newly built machine take [s]; device values have bit-serial inputs."""
    core = {"crossbar": {"input_form": "bit-serial"}} if values == "device" else {}
    chosen = {"columns_per_weight": SLICES, "detail": detail, "core": core, "fabric": fabric or {}}
    machine = Dataflow(DataflowConfig.parse(chosen))
    given = replace(_values(name), device=values == "device") if values != "off" else None
    options = RunOptions(fast_forward=fast_forward)
    return machine.simulate(machine.map(_network(name)), images, given, options).outcome.wall_s


def on_a_mesh(fidelity: str) -> float:
    """Return how long the events take on a mesh whose links are so narrow that packets wait for them [s]."""
    return simulated("array", fabric={"fidelity": fidelity, "topology": {"kind": "mesh"}, "width_bits": 8})


def run_apart(**options: Any) -> tuple[float, float, float]:
    """Return set-up and run [s] and peak memory [MiB] of a run in a process of its own."""
    command = [sys.executable, "-c", RUNS, json.dumps(options)]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.split()
    return float(told[0]), float(told[1]), int(told[2]) / 1024


def from_start(*, through_a_trace: bool = False, record: bool = False) -> float:
    """Return how long a run without values takes, set-up included [s].

    through_a_trace : by way of a workload trace
    record : keep every interval, and who ended each wait
    """
    start = process_time()
    network = networks[NAME]()
    if through_a_trace:
        with TemporaryDirectory() as folder:
            write_trace(Path(folder) / "resnet50.jsonl.gz", Trace(network, (0,)))
            network = read_trace(Path(folder) / "resnet50.jsonl.gz").network
    machine = Dataflow(DataflowConfig.parse({"columns_per_weight": SLICES}))
    machine.simulate(machine.map(lower(network)), 1, None, RunOptions(record=record))
    return process_time() - start


def setup() -> tuple[float, float]:
    """Return how long a run with values takes to set up once kernels are loaded, and to simulate [s]."""
    return run_apart(settings=[f"columns_per_weight={SLICES}"], runs=2)[:2]


def peak(**options: Any) -> float:
    """Return the peak memory of a run [MiB]."""
    return run_apart(**options)[2]


for _bench in (
    Bench(
        "resnet50-array",
        "ResNet-50, every crossbar a process, values off, against its MACs in BLAS",
        "cost",
        20,
        lambda: (simulated("array"), products()),
        rounds=3,
    ),
    Bench(
        "resnet50-ideal",
        "ResNet-50, every crossbar a process, values ideal, against its MACs in BLAS",
        "cost",
        30,
        lambda: (simulated("array", values="ideal"), products()),
        rounds=3,
    ),
    Bench(
        "resnet50-device",
        "ResNet-50, every crossbar a process, device values: slices, bit-serial inputs and ADCs, against its "
        "MACs in BLAS",
        "cost",
        45,
        lambda: (simulated("array", values="device"), products()),
        rounds=3,
    ),
    Bench(
        "resnet50-group",
        "ResNet-50, crossbars in lock-step, values off, against its MACs in BLAS",
        "cost",
        4,
        lambda: (simulated("group"), products()),
        rounds=3,
    ),
    Bench(
        "resnet50-eight",
        "ResNet-50, every crossbar a process, values off: eight images against one",
        "cost",
        9,
        lambda: (simulated("array", images=8), simulated("array")),
        rounds=2,
        warm_up=False,
    ),
    Bench(
        "resnet50-fast-forward",
        "ResNet-50, crossbars in lock-step, values off: 100 images, skipping what repeats, against three",
        "cost",
        1.5,
        lambda: (simulated("group", images=100, fast_forward=True), simulated("group", images=3)),
        rounds=3,
    ),
    Bench(
        "resnet50-link",
        "ResNet-50, every crossbar a process, values off: a mesh of links of 8 bits whose packets hold each "
        "other up, against one on which none does",
        "cost",
        4,
        lambda: (on_a_mesh("link"), on_a_mesh("ideal")),
        rounds=3,
    ),
    Bench(
        "resnet50-trace",
        "ResNet-50, every crossbar a process, values off: captured and replayed against run as it is, set-up "
        "included",
        "cost",
        1.1,
        lambda: (from_start(through_a_trace=True), from_start()),
        rounds=3,
    ),
    Bench(
        "resnet50-recording",
        "ResNet-50, every crossbar a process, values off: recording every interval, and who ended each wait, "
        "against accounting only, set-up included",
        "cost",
        1.3,
        lambda: (from_start(record=True), from_start()),
        rounds=3,
    ),
    Bench(
        "resnet50-setup",
        "ResNet-50, every crossbar a process, values ideal: set-up against the run",
        "cost",
        2,
        setup,
        rounds=2,
        warm_up=False,
    ),
    Bench(
        "resnet50-memory",
        "ResNet-50, every crossbar a process, values ideal: peak memory against 1 GiB",
        "cost",
        1,
        lambda: (peak(settings=[f"columns_per_weight={SLICES}"]), GIBIBYTE),
        rounds=1,
        warm_up=False,
        unit="MiB",
    ),
    Bench(
        "resnet50-memory-eight",
        "ResNet-50, crossbars in lock-step, values ideal: peak memory of eight images against one",
        "cost",
        1.1,
        lambda: (peak(settings=["detail=group"], images=8), peak(settings=["detail=group"])),
        rounds=1,
        warm_up=False,
        unit="MiB",
    ),
):
    benches.register(_bench.name)(_bench)

benches.register("vit-tiny")(
    Bench(
        "vit-tiny",
        "ViT-Tiny, every crossbar a process, values ideal, against its MACs in BLAS",
        "cost",
        60,
        lambda: (simulated("array", "vit-tiny", values="ideal"), products("vit-tiny")),
        rounds=3,
    )
)

for _name, _known in (("densenet121", "DenseNet-121"), ("vgg16", "VGG-16")):
    benches.register(f"{_name}-group")(
        Bench(
            f"{_name}-group",
            f"{_known}, crossbars in lock-step, values off, against its MACs in BLAS",
            "cost",
            10,
            lambda name=_name: (simulated("group", name), products(name)),  # type: ignore[misc]
            rounds=3,
        )
    )
    benches.register(f"{_name}-memory")(
        Bench(
            f"{_name}-memory",
            f"{_known}, crossbars in lock-step, values off: peak memory against 1 GiB",
            "cost",
            1,
            lambda name=_name: (peak(name=name, values="off", settings=["detail=group"]), GIBIBYTE),  # type: ignore[misc]
            rounds=1,
            warm_up=False,
            unit="MiB",
        )
    )
