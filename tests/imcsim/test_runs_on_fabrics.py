"""What a user sees of links and routers in whole runs."""

from __future__ import annotations

import imcsim


def test_pictures_show_nothing_of_links_whose_cycles_are_counted_and_not_dated() -> None:
    settings = ["fabric.topology.kind=mesh", "fabric.fidelity=flit", "fabric.width_bits=8"]
    run = imcsim.run("digits-mlp", "dataflow", values="off", settings=settings)
    accounted = {unit.path for unit in run.units}
    assert any(path.startswith("fabric.link") for path in accounted)
    assert run.activity is not None
    assert set(run.activity.units) == {path for path in accounted if not path.startswith("fabric.")}


def test_the_64_core_chips_published_energy_has_its_routers_in_it() -> None:
    settings = ["fabric.topology.kind=mesh", "fabric.fidelity=link"]
    run = imcsim.run("digits-resnet", "dataflow-64core", values="off", settings=settings)
    assert any(unit.family == "router" for unit in run.units)
    assert run.summary["energy_j"]["by_component"].get("router", 0.0) == 0.0
    assert run.summary["area_mm2"]["by_component"].get("router", 0.0) == 0.0
