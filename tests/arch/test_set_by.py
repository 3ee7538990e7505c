"""Parameters that operations name do set their time, and lie where they are said to, on every machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest

from arch import Machine
from arch.parameter_paths import parameter_at, parameter_path
from arch.relief_trials import ReliefTrials, mean_seconds, tries
from simcore import Component, SimError
from tests.arch.attention_networks import attention
from tests.arch.held import Kept, held, infer
from tests.arch.test_lasts import machine, network
from workloads import Activation, Conv2d, Input, MaxPool2d, Network, Window, lower

#: A parameter that an operation of a class of components names.
Named = tuple[str, str, str]

#: A network with several channels of input, and a function that is looked up.
CURVED = Network(
    "curved",
    (
        Input(name="image", shape=(3, 4, 4)),
        Conv2d(name="conv", out_channels=16, window=Window.square(3, padding=1)),
        Activation(name="curve", function="sigmoid"),
        MaxPool2d(name="pool", window=Window.square(2, stride=2)),
        Conv2d(name="last", out_channels=3, window=Window.square(2)),
    ),
)

ATTENTION = attention(24, features=16, causal=0)

BIT_SERIAL = {"active_rows": 32, "input_form": "bit-serial"}

#: Machines on which everything that operations name matters to some of them.
CASES: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "dataflow": [
        ("digits-cnn", {}),
        ("digits-cnn", {"core": {"memory": {"column_cycles": 4}}}),
        (
            "digits-cnn",
            {
                "core": {
                    "memory": {"kind": "direct-memory", "port_bytes": 8},
                    "crossbar": BIT_SERIAL,
                    "adc": {"kind": "shared-adc"},
                }
            },
        ),
        ("digits-cnn", {"core": {"memory": {"port_bytes": 8}}}),
        (
            "digits-cnn",
            {"core": {"kind": "job-core", "streamer": {"ports": 2}, "memory": {"column_cycles": 4}}},
        ),
        ("digits-cnn", {"core": {"kind": "job-core", "memory": {"column_cycles": None, "port_bytes": 8}}}),
        ("digits-cnn", {"core": {"memory": {"kind": "direct-memory", "column_cycles": 4}}}),
        ("digits-mlp", {"fabric": {"fidelity": "link", "topology": {"kind": "mesh"}, "width_bits": 64}}),
        ("attention", {}),
        ("attention", {"attention": {"products": "arrays"}, "core": {"crossbar": BIT_SERIAL}}),
    ],
    "isaac": [
        ("curved", {"array": {"active_rows": 32, "dac_bits": 2}, "tile": {"pool_units": 2}}),
        ("digits-mlp", {"detail": "array", "array": {"active_rows": 32, "dac_bits": 2}}),
        ("digits-mlp", {"mesh": {"fidelity": "link"}, "tiles": 1, "replication": "none"}),
        ("attention", {"tile": {"bus_bits": 16}, "replication": "none"}),
        ("curved", {"hypertransport": {"gb_per_s": 0.5, "links": 2}}),
        ("attention", {"attention": {"products": "arrays"}, "array": {"active_rows": 32, "dac_bits": 2}}),
    ],
    "pipelayer": [
        ("digits-cnn", {"array": {"active_rows": 32, "dac_bits": 2}}),
        ("digits-cnn", {"memory": {"subarrays": "capacity", "cols": 16}, "parallelism": 0.0}),
        (
            "digits-mlp",
            {
                "mode": "training",
                "array": {"active_rows": 4, "rows": 16, "dac_bits": 2},
                "training": {"rows_written": 8},
            },
        ),
        ("digits-mlp", {"mode": "training", "array": {"rows": 16}}),
    ],
    "rapidnn": [
        ("curved", {"sharing": 4}),
        (
            "curved",
            {"clusters": {"weights": 8, "inputs": 8}, "rna": {"lanes": 4, "triples": 2}, "sharing": 2},
        ),
        ("curved", {"clusters": {"weights": 4, "inputs": 4}, "rna": {"triples": 1}}),
    ],
    "basisn": [
        ("digits-cnn", {"array": {"active_rows": 32, "dac_bits": 2}, "adc": {"columns_per_adc": 16}}),
        ("curved", {"variant": "digital"}),
        (
            "curved",
            {
                "buffer": {"port_bits": 64},
                "digital": {"channels_per_cycle": 2, "sums_per_cycle": 4, "port_sums": 2},
            },
        ),
        (
            "curved",
            {
                "detail": "slot",
                "coefficients": {"port_bits": 16},
                "array": {"active_rows": 32, "dac_bits": 2},
            },
        ),
        ("curved", {"detail": "slot", "variant": "digital", "coefficients": {"port_bits": 16}}),
    ],
    "reprogrammed": [
        (
            "digits-cnn",
            {
                "crossbars": 2,
                "array": {"active_rows": 32, "dac_bits": 2},
                "buffer": {"port_bits": 64},
                "digital": {"channels_per_cycle": 2},
            },
        ),
    ],
}


#: Machines that take long to build as often as there are parameters.
SLOW = ("basisn", "isaac")


def known(workload: str) -> Network:
    own = {CURVED.name: CURVED, ATTENTION.name: ATTENTION}
    return own[workload] if workload in own else network(workload)


def named(parts: Iterable[Component]) -> Iterator[tuple[Component, str, str]]:
    """Yield each operation, one of each class and pattern, with each parameter that it names."""
    for part in parts:
        for name in part._operations:
            yield from ((part, name, parameter) for parameter in getattr(part, name).set_by)


def told(trials: ReliefTrials) -> Iterator[Named]:
    """Yield parameters that change what an operation is said to last."""
    config = trials.machine.config
    found = set[Named]()
    for part, name, parameter in named(trials.parts.values()):
        key = type(part).__name__, name, parameter
        path = parameter_path(config, part, parameter)
        now = mean_seconds(part).get(name)
        if now is None or key in found:
            continue
        others = (trials.seconds(part, name, path, value) for _, value in tries(parameter_at(config, path)))
        if any(then not in (None, now) for then in others):
            found.add(key)
            yield key


def held_seconds(own: Machine, workload: str) -> dict[tuple[str, str], list[Any]]:
    """Return how long each operation that nobody tells of was held, sorted, by its part and name."""
    options = Kept()
    infer(own, known(workload), 2, options)
    return {
        (h.part.path, h.name): np.sort(h.ticks * (h.part.clock.period / h.part.clock.ticks)).tolist()
        for h in held(options.made[0].parts)
        if h.told is None and h.operation.set_by and h.operation.count
    }


def found_by_runs(own: Machine, workload: str, parts: dict[str, Component]) -> Iterator[Named]:
    """Yield parameters that change what an operation of which nobody tells did last in a run."""
    now = held_seconds(own, workload)
    runs = dict[tuple[str, Any], Any]()
    for (path, name), seconds in now.items():
        part = parts[path]
        for parameter in getattr(part, name).set_by:
            at = parameter_at(own.config, parameter_path(own.config, part, parameter))
            for _, value in tries(at):
                if (at.path, value) not in runs:
                    try:
                        runs[at.path, value] = held_seconds(own.with_settings([(at.path, value)]), workload)
                    except SimError:
                        runs[at.path, value] = now
                if runs[at.path, value].get((path, name)) not in (None, seconds):
                    yield type(part).__name__, name, parameter
                    break


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in CASES]
)
def test_each_parameter_that_an_operation_names_changes_its_time_somewhere(name: str) -> None:
    asked, effective = set[Named](), set[Named]()
    for workload, values in CASES[name]:
        own = machine(name, **values)
        trials = ReliefTrials(own, lower(known(workload)), images=64)
        asked |= {
            (type(part).__name__, op, parameter) for part, op, parameter in named(trials.parts.values())
        }
        effective |= set(told(trials))
        if any(op not in part.lasts() for part, op, _ in named(trials.parts.values()) if part.units):
            effective |= set(found_by_runs(own, workload, dict(trials.parts)))
    assert sorted(asked - effective) == []
