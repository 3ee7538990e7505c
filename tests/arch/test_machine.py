"""What all machines have in common."""

from __future__ import annotations

import pytest

from arch.machine import Machine, machines
from arch.machines.dataflow import Dataflow
from arch.machines.isaac import Isaac
from arch.machines.pipelayer import PipeLayer
from arch.machines.rapidnn import Rapidnn


@pytest.mark.parametrize("base", [Isaac, PipeLayer, Rapidnn])
def test_on_one_chip_a_machine_is_the_same_but_for_its_chips(base: type[Machine]) -> None:
    class Own(base):  # type: ignore[misc, valid-type]
        """A user's own machine."""

    for cls in (base, Own):
        config = cls.Config.parse({"chips": 3})
        machine = cls(config, "mine")
        single = machine.on_one_chip()
        assert type(single) is cls
        assert single.name == "mine"
        assert single.config.canonical() == {**config.canonical(), "chips": 1}
        assert machine.config.chips == 3


def test_a_machine_of_no_chips_is_one() -> None:
    machine = Dataflow(Dataflow.Config())
    assert machine.on_one_chip() is machine


@pytest.mark.parametrize("name", machines.names())
def test_every_machine_that_says_how_many_chips_it_has_can_be_on_one(name: str) -> None:
    preset = machines[name]
    config = preset.machine.Config.parse(preset.values)
    single = preset.machine(config, name).on_one_chip()
    assert single.config.canonical().get("chips", 1) == 1
