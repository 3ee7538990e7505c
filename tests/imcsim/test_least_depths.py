"""The least depths of all buffers together: they do, and none of them could be one slot less."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import imcsim
from imcsim.least_depths import depths_json, least_depths_of
from simcore import BrokenLawError, ConfigError, Deadlock
from tests.arch.dataflow_bench import Bench, bench, chain, machine_settings, residual, tangles
from tests.arch.pipeline_recurrence import Recurrence, Stuck
from tests.imcsim.command_bench import command, printed, refusal
from tests.strategies import NetworkCase, networks
from workloads import Network, Window, lower


def completed(subject: Bench, depths: dict[str, int | None], images: int) -> list[int] | None:
    """Return when images come out with other depths, None for a deadlock; the twin must say the same."""
    placed = subject.placed.with_depths(depths)
    twin: list[int] | None
    try:
        twin = Recurrence(subject.machine.config, placed, images).completed
    except Stuck:
        twin = None
    try:
        found = Bench(subject.machine, placed).run(images).completed
    except Deadlock:
        assert twin is None
        return None
    except BrokenLawError:  # the last image is out, but what comes behind its pixels is stuck
        return None
    assert found == twin
    return found


def check_least_depths(subject: Bench, images: int) -> None:
    """Check both sets of depths, and what happens with one slot less in each edge."""
    found = least_depths_of(subject.machine, subject.placed, images)
    moving: dict[str, int | None] = {e.edge: e.moving for e in found.edges}
    full_speed: dict[str, int | None] = {e.edge: e.full_speed for e in found.edges}
    unbounded = completed(subject, dict.fromkeys(moving), images)
    assert completed(subject, moving, 3) is not None  # found with one image, good for more
    assert completed(subject, full_speed, images) == unbounded
    for e in found.edges:
        assert 1 <= e.needed <= e.moving <= e.safe
        assert e.needed <= e.full_speed
        if e.moving > 1:
            assert completed(subject, {**moving, e.edge: e.moving - 1}, 1) is None
        if e.full_speed > 1:
            slower = completed(subject, {**full_speed, e.edge: e.full_speed - 1}, images)
            assert slower is None or slower > unbounded  # type: ignore[operator]


@settings(deadline=None, max_examples=6)
@given(tangles(), machine_settings(rules=("minimum", "lines:K+1")), st.integers(1, 3))
def test_no_depth_of_any_branches_could_be_less(
    network: Network, machine: dict[str, Any], images: int
) -> None:
    check_least_depths(bench(network, machine), images)


@settings(deadline=None, max_examples=20)
@given(networks(max_steps=5), machine_settings(rules=("minimum",)), st.integers(1, 3))
def test_no_depth_of_any_layers_could_be_less(
    case: NetworkCase, machine: dict[str, Any], images: int
) -> None:
    network = lower(case.network)
    if network.nodes:
        check_least_depths(bench(network, machine), images)


def test_a_chain_needs_its_lines_and_no_more_to_be_as_fast_as_with_any_memory() -> None:
    subject = bench(chain(*[Window.square(3, padding=1)] * 3, shape=(1, 8, 8)))
    for edge in least_depths_of(subject.machine, subject.placed, 3).edges:
        assert edge.needed == edge.moving == edge.full_speed == edge.safe == 2 * 8 + 3


def test_a_skip_runs_at_full_speed_with_a_pixel_for_the_latency_of_the_cores_it_bypasses() -> None:
    """Two lines and two pixels of 8 keep it moving; one more covers what is under way."""
    subject = bench(residual(3, 3, shape=(2, 8, 8)))
    skip = least_depths_of(subject.machine, subject.placed, 3).edges[-1]
    assert (skip.edge, skip.needed, skip.moving, skip.full_speed, skip.safe) == ("stem:conv1", 18, 18, 19, 21)


def test_the_map_shows_least_depths_when_asked() -> None:
    arguments = ("map", "digits-resnet", "--arch", "dataflow")
    assert printed(*arguments)["depths"] is None
    depths = printed(*arguments, "--depths", "2")["depths"]
    assert depths["images"] == 2
    (skip,) = (edge for edge in depths["edges"] if edge["edge"] == "stem:block1-conv2")
    figures = ("slots", "needed", "moving", "full_speed", "safe")
    assert [skip[figure] for figure in figures] == [21, 18, 18, 19, 21]
    lines = command(*arguments, "--depths", "2").stdout.splitlines()
    assert ["stem:block1-conv2", "21", "18", "18", "19", "21"] in [line.split() for line in lines]


def test_python_finds_the_same_as_the_command() -> None:
    found = imcsim.find_least_depths("digits-resnet", "dataflow", images=2)
    shown = printed("map", "digits-resnet", "--arch", "dataflow", "--depths", "2")["depths"]
    assert depths_json(found) == shown


def test_depths_are_found_with_images() -> None:
    arguments = ("map", "digits-resnet", "--arch", "dataflow", "--depths", "0")
    assert refusal(*arguments) == "depths must be found with at least 1 image, got 0"


def test_a_machine_without_buffers_has_no_least_depths() -> None:
    subject = bench(chain(Window.square(1)))
    with pytest.raises(ConfigError, match="cannot be set; leave out --depths"):
        least_depths_of(subject.machine, object(), 1)  # type: ignore[arg-type]
