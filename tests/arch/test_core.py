"""Replacing the parts of a core by one's own."""

from __future__ import annotations

import pytest

from arch import ADC, ADCConfig, Sums
from simcore import In, MappingError, Operation, Process, components, process
from tests.arch.dataflow_bench import bench, chain
from workloads import Window


def test_a_converter_with_a_process_needs_both_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(components, "_entries", dict(components.items()))

    @components.register("one-way-adc")
    class OneWayADC(ADC):
        """A converter that never hands on what it took."""

        Config = ADCConfig
        sums_in = In(Sums, doc="sums")
        convert = Operation(doc="a conversion")

        @process
        def serve(self) -> Process:
            while True:
                yield self.sums_in.get()
                yield self.convert.hold(1)

    machine = bench(chain(Window.square(3)), {"core": {"adc": {"kind": "one-way-adc"}}})
    with pytest.raises(MappingError, match="one-way-adc has a process of its own, but no port sums_out"):
        machine.run()
