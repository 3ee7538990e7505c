"""Small dataflow machines on small networks: what to build, and one call that runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from hypothesis import strategies as st

from arch import Dataflow, DataflowConfig, MachineRun, RunOptions, Values
from arch.activation_memory import Reads
from arch.arrays.streaming import Form, Sign
from arch.machines.dataflow import DataflowMap
from tests.strategies import NetworkCase
from workloads import (
    Add,
    Concat,
    Conv2d,
    Input,
    Layer,
    LoweredNetwork,
    MatrixNode,
    MaxPool2d,
    Network,
    QuantizedNetwork,
    Window,
    golden_outputs,
    lower,
    quantize,
)


@dataclass(frozen=True, eq=False)
class Bench:
    """A machine with a network placed on it, ready to run."""

    machine: Dataflow
    placed: DataflowMap

    def run(self, images: int = 1, values: Values | None = None, **options: Any) -> MachineRun:
        return self.machine.simulate(self.placed, images, values, RunOptions(**options))


def bench(network: Network | LoweredNetwork, settings: Mapping[str, Any] | None = None) -> Bench:
    """Place a network on a machine whose configuration differs from the defaults in `settings`."""
    machine = Dataflow(DataflowConfig.parse(settings or {}))
    placed = machine.map(lower(network) if isinstance(network, Network) else network)
    return Bench(machine, placed)


@dataclass(frozen=True, eq=False)
class Quantized:
    """A network in integers with inputs, and the outputs that ideal hardware must give."""

    network: QuantizedNetwork
    values: Values
    expected: np.ndarray[Any, Any]


def quantized(case: NetworkCase, weight_bits: int = 8, activation_bits: int = 8) -> Quantized:
    """Quantise a drawn network by its first image, so that others leave the range and saturate."""
    network = quantize(
        lower(case.network), case.network.load_parameters(), case.images[:1], weight_bits, activation_bits
    )
    values = Values(network, network.input_quantization.quantize(case.images))
    return Quantized(network, values, golden_outputs(network, case.images))


def chain(*windows: Window, shape: tuple[int, int, int] = (2, 8, 8), channels: int = 2) -> Network:
    """Return convolutions one behind the other."""
    layers: list[Layer] = [Input(name="image", shape=shape)]
    layers += [Conv2d(name=f"conv{i}", out_channels=channels, window=w) for i, w in enumerate(windows)]
    return Network("chain", layers)


def residual(*kernels: int, shape: tuple[int, int, int], channels: int | None = None) -> Network:
    """Return a stem and a block that adds its input to what a chain of same-size convolutions makes of it."""
    channels = channels or shape[0]
    layers: list[Layer] = [Input(name="image", shape=shape)]
    for name, kernel in [("stem", 1), *((f"conv{i}", k) for i, k in enumerate(kernels))]:
        window = Window.square(kernel, padding=kernel // 2)
        layers.append(Conv2d(name=name, out_channels=channels, window=window))
    layers.append(Add(name="sum", inputs=(layers[-1].name, "stem")))
    return Network("residual", layers)


@st.composite
def tangles(draw: st.DrawFn) -> Network:
    """Draw any acyclic graph of convolutions, pools, sums and concatenations over maps of one size.

    Branches lag behind one another by lines, by cores or by both, which is what buffers are there for.
    """
    size = (draw(st.integers(1, 8)), draw(st.integers(1, 24)))
    layers: list[Layer] = [Input(name="image", shape=(1, *size))]
    channels = {"image": 1}

    def append(layer: Layer) -> None:
        layers.append(layer)
        channels[layer.name] = layer.output_shape([(channels[name], *size) for name in layer.inputs])[0]

    for number in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(("conv", "conv", "pool", "add", "concat")))
        inputs: tuple[str, ...] = (draw(st.sampled_from(list(channels)[-3:])),)
        if kind in ("add", "concat"):
            alike = [name for name in channels if kind == "concat" or channels[name] == channels[inputs[0]]]
            inputs += tuple(draw(st.lists(st.sampled_from(alike), min_size=1, max_size=2)))
        common: dict[str, Any] = {"name": f"{kind}{number}", "inputs": inputs}
        kernel, dilation = draw(st.sampled_from((1, 3, 5, 7))), draw(st.integers(1, 2))
        window = Window.square(kernel, padding=kernel // 2 * dilation, dilation=dilation)
        match kind:
            case "conv":
                append(Conv2d(**common, out_channels=1, window=window))
            case "pool":
                append(MaxPool2d(**common, window=Window.square(3, padding=1)))
            case "add":
                append(Add(**common))
            case "concat":
                append(Concat(**common))
    read = {name for layer in layers for name in layer.inputs}
    if len(loose := tuple(name for name in channels if name not in read)) > 1:
        append(Concat(name="ends", inputs=loose))
    return Network("tangle", layers)


RULES = ("minimum", "lines:K", "lines:K+1", "lines:K+3", "full", "unbounded")


@st.composite
def machine_settings(draw: st.DrawFn, rules: Sequence[str] = RULES) -> dict[str, Any]:
    """Draw a machine: small arrays so that layers need several, any inputs, speeds and buffer rule."""
    adc: dict[str, Any] = {"kind": "column-adc"}
    if draw(st.booleans()):
        adc = {"kind": "shared-adc", "bitlines": draw(st.integers(1, 9)), "cycles": draw(st.integers(1, 9))}
    rows = draw(st.integers(4, 32))
    speed = draw(st.sampled_from(("column_cycles", "port_bytes")))
    memory = {
        "window": draw(st.sampled_from(get_args(Reads))),
        speed: draw(st.integers(0, 4) if speed == "column_cycles" else st.integers(1, 40)),
    }
    core = {
        "memory": memory,
        "crossbar": {
            "rows": rows,
            "cols": draw(st.integers(4, 32)),
            "mvm_cycles": draw(st.integers(1, 20)),
            "active_rows": draw(st.none() | st.integers(1, rows)),
            "input_form": draw(st.sampled_from(get_args(Form))),
            "input_sign": draw(st.sampled_from(get_args(Sign))),
            "dac_bits": draw(st.integers(1, 8)),
        },
        "adc": adc,
        "digital": {
            "lanes": draw(st.integers(1, 8)),
            "pass_cycles": draw(st.integers(0, 3)),
            "pool_latency_cycles": draw(st.integers(0, 9)),
        },
        "partial_sum_cycles": draw(st.integers(0, 20)),
    }
    return {
        "detail": draw(st.sampled_from(("array", "group"))),
        "core": core,
        "attention": {"unit": {"macs": draw(st.integers(1, 12)), "pass_cycles": draw(st.integers(1, 3))}},
        "buffers": {"rule": draw(st.sampled_from(rules))},
        "fabric": {"latency_cycles": draw(st.integers(0, 30) | st.just(300))},
        "source": {"pixel_cycles": draw(st.integers(1, 25))},
    }


@st.composite
def weight_mappings(draw: st.DrawFn, network: LoweredNetwork, array_rows: int) -> dict[str, Any]:
    """Draw how the weights of each layer lie on arrays of so many rows, in any way that it can."""
    layers: dict[str, Any] = {}
    for node in network.nodes:
        if isinstance(node, MatrixNode):
            (high, wide), stride = node.window.kernel, node.window.stride[1]
            pixels = draw(st.integers(1, 4)) if node.window.dilation[1] == 1 or wide == 1 else 1
            positions = high * (wide + (min(pixels, node.shape[2]) - 1) * stride)
            splits = ["dense", "channel-aligned"] if positions <= array_rows else ["dense"]
            layers[node.name] = {"rows": draw(st.sampled_from(splits)), "pixels_per_step": pixels}
    return {"layers": layers}
