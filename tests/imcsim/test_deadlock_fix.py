"""What an explained deadlock proposes: the smallest change of depths that lets the run come to its end."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from arch import Dataflow, DataflowConfig
from imcsim import run
from imcsim.deadlock_fix import MOST_RUNS
from imcsim.depth_trials import least_depth
from simcore import Deadlock
from tests.arch.dataflow_bench import residual, tangles
from tests.imcsim.command_bench import command
from workloads import Add, Conv2d, Input, Layer, Network, Window, lower

BLOCK = residual(3, 3, shape=(2, 8, 8))


def simulate(network: Network, depths: dict[str, int | None], rule: str = "lines:K+1") -> None:
    """Run two images with some buffers of any depth."""
    buffers = {"rule": rule, "depths": depths, "allow_undersized": True}
    config = DataflowConfig.parse({"detail": "group", "buffers": buffers, "source": {"pixel_cycles": 20}})
    run(network, Dataflow(config), images=2, values="off", record=False)


def advice(network: Network, depths: dict[str, int | None], rule: str = "lines:K+1") -> str:
    """Return the last line of the deadlock's explanation."""
    with pytest.raises(Deadlock) as caught:
        simulate(network, depths, rule)
    return str(caught.value).splitlines()[-1]


def proposed(line: str) -> dict[str, int | None]:
    """Return the depths that an advice sets."""
    pairs = re.findall(r"--set buffers\.depths\.(\S+)=(\d+|null)", line)
    return {edge: None if depth == "null" else int(depth) for edge, depth in pairs}


@given(st.integers(1, 300), st.integers(1, 300), st.none() | st.integers(0, 300))
def test_the_least_depth_is_found_by_doubling_and_bisection(low: int, above: int, beyond: int | None) -> None:
    least, asked = low + above - 1, list[int]()

    def passes(depth: int) -> bool:
        asked.append(depth)
        return depth >= least

    assert least_depth(passes, low, None if beyond is None else least + beyond) == least
    assert len(asked) <= 2 * above.bit_length() + 1
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("depth", [1, 7, 17])
def test_the_fix_of_a_skip_is_its_least_depth(depth: int) -> None:
    """Two lines and two pixels of 8, see `tests.arch.mapping.test_buffers`."""
    line = advice(BLOCK, {"stem:conv1": depth})
    assert line.startswith("fix: --set buffers.depths.stem:conv1=18; it is the least depth")
    simulate(BLOCK, {"stem:conv1": 18})


def test_the_fix_of_one_of_several_networks_is_that_of_the_network_by_itself() -> None:
    depths: dict[str, int | None] = {"stem:conv1": 7}
    buffers = {"rule": "lines:K+1", "depths": depths, "allow_undersized": True}
    config = DataflowConfig.parse({"detail": "group", "buffers": buffers, "source": {"pixel_cycles": 20}})
    with pytest.raises(Deadlock) as caught:
        run([BLOCK, "digits-mlp"], Dataflow(config), images=2, values="off", record=False)
    told = str(caught.value).splitlines()
    assert told[-1] == f"{BLOCK.name} stands still by itself, too; {advice(BLOCK, depths)}"
    assert any(f"{BLOCK.name}.core[" in line for line in told[:-1])
    buffers["depths"] = proposed(told[-1])
    deeper = Dataflow(DataflowConfig.parse({"detail": "group", "buffers": buffers}))
    (block, _) = run([BLOCK, "digits-mlp"], deeper, images=2, values="off").summary["networks"]
    assert block["completed"] == 2


@settings(deadline=None, max_examples=60)
@given(tangles(), st.data())
def test_a_fix_lets_the_run_end_and_if_least_one_slot_less_does_not(
    network: Network, data: st.DataObject
) -> None:
    placed = Dataflow(DataflowConfig()).map(lower(network))
    edges = data.draw(st.lists(st.sampled_from(list(placed.edges)), min_size=1, max_size=3, unique=True))
    depths: dict[str, int | None] = {}
    for edge in edges:
        most = max(placed.safe[place] for place in placed.edges[edge])
        depths[edge] = data.draw(st.integers(1, max(1, most - 1)), label=edge)
    try:
        simulate(network, depths, "minimum")
    except Deadlock as deadlock:
        line = str(deadlock).splitlines()[-1]
    else:
        assume(False)
    fix = proposed(line)
    assert fix
    simulate(network, {**depths, **fix}, "minimum")
    assert int(re.findall(r"(\d+) runs", line)[0]) <= MOST_RUNS + 2
    if "least" in line:
        ((edge, least),) = fix.items()
        assert least is not None
        with pytest.raises(Deadlock):
            simulate(network, {**depths, edge: least - 1}, "minimum")


def test_two_undersized_skips_are_deepened_together() -> None:
    """The circle of the second one comes to light only once the first is gone."""
    window = Window.square(3, padding=1)
    layers: list[Layer] = [Input(name="image", shape=(1, 8, 8))]
    for block in "ab":
        above = layers[-1].name
        layers += [
            Conv2d(name=f"{block}1", inputs=(above,), out_channels=1, window=window),
            Conv2d(name=f"{block}2", out_channels=1, window=window),
            Conv2d(name=f"{block}3", out_channels=1, window=window),
            Add(name=f"{block}-sum", inputs=(f"{block}3", f"{block}1")),
        ]
    network = Network("two", layers)
    line = advice(network, {"a1:a3": 2, "b1:b3": 2})
    assert "no channel of the circle helps alone" in line
    fix = proposed(line)
    assert set(fix) == {"a1:a3", "b1:b3"}
    simulate(network, fix)


def test_no_depth_may_help(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Deadlock) as caught:
        simulate(BLOCK, {"stem:conv1": 3})
    same = Deadlock("deadlock at tick 9", caught.value.circle)

    def stuck(*args: Any, **options: Any) -> None:
        raise same

    monkeypatch.setattr("arch.machines.dataflow.Dataflow.simulate", stuck)
    assert advice(BLOCK, {"stem:conv1": 3}) == "no depth of buffers.depths.stem:conv1 helps (2 runs)"


def test_the_command_explains_the_deadlock_and_its_fix() -> None:
    arguments = ["run", "digits-resnet", "--arch", "dataflow", "--values", "off"]
    skip = "buffers.depths.stem:block1-conv2"
    refused = command(*arguments, "--set", f"{skip}=12")
    assert refused.exit_code == 2
    assert f"error: {skip}=12 is less than the 21 pixels" in refused.stderr
    result = command(*arguments, "--set", f"{skip}=12", "--set", "buffers.allow_undersized=true")
    assert result.exit_code == 3
    assert "the circle of waits" in result.stderr
    assert f"fix: --set {skip}=18; it is the least depth" in result.stderr
    fixed = command(*arguments, "--set", f"{skip}=18", "--set", "buffers.allow_undersized=true")
    assert fixed.exit_code == 0
