"""Which effect goes with which encoding: found out by running a small layer on every combination.

    python -m tests.arch.support_matrix

prints the table of docs/devices.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np

from arch import ColumnADC, MachineRun
from arch.arrays.encoding import Signs
from simcore import ConfigError, components
from tests.arch.dataflow_bench import Quantized, bench, quantized
from tests.strategies import NetworkCase, random_parameters
from workloads import Conv2d, Input, Network, Window

ENCODINGS = get_args(Signs)
DETAILS = ("array", "group")


@components.register("coarse-adc-of-the-tests")
class Coarse(ColumnADC):
    """A converter without the two lowest bits."""

    @staticmethod
    def transfer(sums: Any, config: Any) -> Any:
        return np.floor(sums / 4) * 4


def _device(**effects: Any) -> dict[str, Any]:
    return {"crossbar": {"device": effects}}


def _readout(**effects: Any) -> dict[str, Any]:
    return {"adc": {"readout": effects}}


_DRIFT = {"start_s": 1.0, "nu": {"value": 0.1, "high": 0.1}}
#: Settings of a core that switch one effect on.
EFFECTS: dict[str, dict[str, Any]] = {
    "programming noise": _device(programming={"sigma": (0.1,)}),
    "programming noise, lognormal": _device(programming={"sigma": (0.3,), "law": "lognormal"}),
    "retention": _device(retention={"sigma": (0.05,)}, time_s=1e4),
    "drift": _device(drift=_DRIFT, time_s=1e6),
    "drift, compensated": {
        "crossbar": {
            "device": {"drift": {**_DRIFT, "spread": {"value": 0.02}}, "time_s": 1e6},
            "drift_compensation": True,
        }
    },
    "1/f noise": _device(flicker={"sigma": 0.1}, time_s=1e4),
    "off state that conducts": _device(on_off_ratio=3.0, programming={"sigma": (0.02,)}),
    "stuck cells": _device(stuck={"on": 0.1, "off": 0.1}),
    "read noise of bitlines": _device(read={"column": 0.2}),
    "read noise of cells": _device(read={"cell": 0.3}),
    "IR drop": {"crossbar": {"wires": {"wordline": 3e-2, "bitline": 3e-2}}},
    "IR drop, idle rows cut off": {
        "crossbar": {"input_form": "bit-serial", "wires": {"bitline": 3e-2, "gated": True}}
    },
    "gain mismatch": _readout(gain_sigma=0.1),
    "offset mismatch": _readout(offset_sigma=2.0),
    "converter noise": _readout(noise=2.0),
    "nonlinearity": _readout(inl_polynomial=(0.0, 12.0, -12.0)),
    "transfer curve of its own": {"adc": {"kind": "coarse-adc-of-the-tests"}},
    "calibrated range": {"adc": {"range": "calibrated"}},
}


def small_layer() -> Quantized:
    """Return a convolution of 27 rows, quantised, with random weights and two images."""
    rng = np.random.default_rng(7)
    conv = Conv2d(name="conv", out_channels=5, window=Window.square(3, padding=1))
    layers = [Input(name="image", shape=(3, 3, 4)), conv]
    parameters = random_parameters(Network("drawn", layers), rng)
    network = Network("drawn", layers, parameters=lambda: parameters)
    return quantized(NetworkCase(network, rng.normal(size=(2, 3, 3, 4)).astype(np.float32)))


def settings(effect: str | None, encoding: str, detail: str) -> dict[str, Any]:
    """Return a machine of small arrays with one effect, or none."""
    core: dict[str, Any] = {"crossbar": {}, "adc": {}}
    for part, values in EFFECTS.get(effect or "", {}).items():
        core[part] = {**values}
    core["crossbar"] |= {"rows": 16, "cols": 24, "encoding": encoding}
    return {"detail": detail, "core": core}


def without_effect(effect: str, encoding: str, detail: str) -> dict[str, Any]:
    """Return the same machine with ideal parts; inputs come as the effect asks for them."""
    machine = settings(None, encoding, detail)
    form = EFFECTS[effect].get("crossbar", {}).get("input_form")
    machine["core"]["crossbar"] |= {"input_form": form} if form else {}
    return machine


def run(case: Quantized, machine: dict[str, Any], **options: Any) -> MachineRun:
    """Run a machine with device values on all images of the case."""
    values = replace(case.values, device=True)
    return bench(case.network.lowered, machine).run(len(values.codes), values, **options)


def outcome(case: Quantized, effect: str, encoding: str) -> str:
    """Return the details in which an effect changes what arrays return, alike in all, or "refused"."""
    outputs = []
    for detail in DETAILS:
        try:
            found = run(case, settings(effect, encoding, detail)).outputs
        except ConfigError:
            return "refused"
        without = run(case, without_effect(effect, encoding, detail)).outputs
        assert found is not None
        assert without is not None
        assert (found != without).any(), f"{effect} changes nothing with {encoding} weights"
        outputs.append(found)
    assert all(np.array_equal(outputs[0], other) for other in outputs), f"{effect} depends on the detail"
    return ", ".join(DETAILS)


def matrix() -> str:
    """Return the table, an effect a row and an encoding a column."""
    case = small_layer()
    rows = [f"| effect | {' | '.join(ENCODINGS)} |", "|---" * (1 + len(ENCODINGS)) + "|"]
    for effect in EFFECTS:
        cells = [outcome(case, effect, encoding) for encoding in ENCODINGS]
        rows.append(f"| {effect} | {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(matrix())
