"""Every way to lay weights on arrays gives the same values, in the time that the recurrence says."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.arch.dataflow_bench import bench, machine_settings, quantized, weight_mappings
from tests.arch.pipeline_recurrence import Recurrence
from tests.strategies import NetworkCase, networks
from workloads import lower


@given(networks(max_images=3), machine_settings(), st.data())
@settings(max_examples=150, deadline=None)
def test_values_are_golden_in_the_cycles_of_the_recurrence_however_weights_lie(
    case: NetworkCase, machine: dict[str, Any], data: st.DataObject
) -> None:
    """Nothing is lost, doubled or late: outputs, completions and buffers tell."""
    network = lower(case.network)
    if not network.nodes:
        return
    machine = {**machine, **data.draw(weight_mappings(network, machine["core"]["crossbar"]["rows"]))}
    q = quantized(case)
    subject, images = bench(network, machine), len(q.expected)
    run = subject.run(images, q.values)
    assert run.outputs is not None
    assert np.array_equal(run.outputs, q.expected)
    expected = Recurrence(subject.machine.config, subject.placed, images)
    assert run.completed == expected.completed
    assert list(run.peaks.values()) == list(expected.peaks.values())
    assert run.macs == images * network.macs
