"""Where a machine's time goes, and which link holds it up."""

from __future__ import annotations

from imcsim.idleness import busiest_link, of_fabric, time_shares
from imcsim.run_record import UnitTimes
from tests.imcsim.command_bench import command


def link(name: str, busy: int, blocked: int) -> UnitTimes:
    rest = {"wait-input:packet": 100 - busy - blocked}
    return UnitTimes(
        f"fabric.link[{name}]",
        "packet-link",
        "link",
        None,
        {"busy:transfer": busy, "blocked-output:packet": blocked, **rest},
    )


CORE = UnitTimes(
    "core[a].crossbar", "analog-crossbar", "crossbar", "a", {"busy:mvm": 60, "wait-input:window_in": 40}
)
ROUTER = UnitTimes("fabric.router[0]", "packet-router", "router", None, {"busy:forward": 99, "finished": 1})


def test_links_and_routers_are_no_part_of_the_machines_time() -> None:
    units = [CORE, link("0,1", 10, 0), ROUTER]
    fabric, machine = of_fabric(units)
    assert (fabric, machine) == (units[1:], [CORE])
    assert time_shares(machine) == {"busy": 0.6, "waiting for input": 0.4}


def test_the_busiest_link_is_the_one_that_is_least_often_free() -> None:
    name, shares = busiest_link([link("0,1", 50, 0), link("1,2", 40, 20), ROUTER])
    assert name == "fabric.link[1,2]"
    assert shares == {"busy": 0.4, "waiting for input": 0.4, "blocked by output": 0.2}


def test_a_run_on_a_fabric_tells_which_link_is_busiest() -> None:
    words = [
        "fabric.topology.kind=mesh",
        "fabric.fidelity=link",
        "fabric.width_bits=1",
        "source.pixel_cycles=10",
    ]
    settings = [word for setting in words for word in ("--set", setting)]
    shown = command("run", "digits-resnet", "--arch", "dataflow", "--values", "off", *settings)
    assert "busiest link  fabric.link[router[1],router[2]]: " in shown.stdout
    assert "busiest link" not in command("run", "digits-mlp", "--arch", "dataflow", "--values", "off").stdout
