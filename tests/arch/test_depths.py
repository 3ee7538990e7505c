"""Depths of single buffers: what a user may set, what each needs, and what happens with one slot less."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simcore import BrokenLawError, ConfigError, Deadlock, MappingError
from tests.arch.dataflow_bench import Bench, bench, chain, machine_settings, residual, tangles
from tests.arch.pipeline_recurrence import Recurrence, Stuck
from tests.arch.test_job_core import job_machines
from tests.strategies import NetworkCase, networks
from workloads import Network, Window, lower

#: Where no image needs what is stuck, it is only found to be left over.
STUCK = (Deadlock, BrokenLawError)
BLOCK = residual(3, 3, shape=(2, 8, 8))


def with_depth(subject: Bench, edge: str, depth: int | None) -> Bench:
    """Return the same mapping with another depth of one edge."""
    return Bench(subject.machine, subject.placed.with_depths({edge: depth}))


def needed(subject: Bench, edge: str) -> int:
    return max(subject.placed.needed[place] for place in subject.placed.edges[edge])


# -- what each buffer needs ----------------------------------------------------------------------------------


def check_what_is_needed(subject: Bench, edge: str, images: int) -> None:
    """Check that a run passes with what an edge needs, and deadlocks with one slot less."""
    depth = needed(subject, edge)
    assert len(with_depth(subject, edge, depth).run(images).completed) == images
    if depth > 1:
        with pytest.raises(STUCK):
            with_depth(subject, edge, depth - 1).run(images)


@settings(deadline=None, max_examples=100)
@given(tangles(), machine_settings(rules=("unbounded",)), st.data())
def test_one_slot_less_than_needed_deadlocks_any_branches(
    network: Network, machine: dict[str, Any], data: st.DataObject
) -> None:
    subject = bench(network, machine)
    edge = data.draw(st.sampled_from(list(subject.placed.edges)))
    check_what_is_needed(subject, edge, 2)
    depth = needed(subject, edge)
    config, placed = subject.machine.config, subject.placed
    Recurrence(config, placed.with_depths({edge: depth}), 2)
    if depth > 1:
        with pytest.raises(Stuck):
            Recurrence(config, placed.with_depths({edge: depth - 1}), 2)


@settings(deadline=None, max_examples=100)
@given(networks(max_steps=6), machine_settings(rules=("unbounded",)), st.integers(1, 3), st.data())
def test_one_slot_less_than_needed_deadlocks_any_layers(
    case: NetworkCase, machine: dict[str, Any], copies: int, data: st.DataObject
) -> None:
    """Strides, dilation, groups and pools, copies of layers, memories with and without a window register."""
    network = lower(case.network)
    assume(network.nodes)
    kind = data.draw(st.sampled_from(("activation-memory", "direct-memory")))
    machine["core"]["memory"]["kind"] = kind
    machine["layers"] = {name: {"replication": copies} for name in bench(network, machine).placed.tilings}
    subject = bench(network, machine)
    check_what_is_needed(subject, data.draw(st.sampled_from(list(subject.placed.edges))), 2)


@settings(deadline=None, max_examples=40)
@given(tangles(), job_machines(), st.data())
def test_one_slot_less_than_needed_deadlocks_job_cores(
    network: Network, machine: dict[str, Any], data: st.DataObject
) -> None:
    subject = bench(network, {**machine, "buffers": {"rule": "unbounded"}})
    check_what_is_needed(subject, data.draw(st.sampled_from(list(subject.placed.edges))), 2)


def test_a_lonely_convolution_needs_what_keeps_it_moving() -> None:
    """Both are (K-1) x W + K, so nothing is left to find out."""
    placed = bench(chain(Window.square(3, padding=1), shape=(1, 8, 8))).placed
    assert placed.needed == placed.safe == {("conv0", 0): 2 * 8 + 3}


# -- what a user may set -------------------------------------------------------------------------------------


def test_a_depth_is_set_by_sender_and_reader_over_the_rule() -> None:
    machine = {"buffers": {"rule": "full", "depths": {"stem:conv1": 40, "conv0:conv1": None}}}
    placed = bench(BLOCK, machine).placed
    assert placed.depths == {("stem", 0): 64, ("conv0", 0): 64, ("conv1", 0): None, ("conv1", 1): 40}


@pytest.mark.parametrize("depth", [1, 17, 20])
def test_less_than_is_known_to_do_is_refused_with_the_number_that_does(depth: int) -> None:
    with pytest.raises(
        MappingError,
        match=rf"buffers\.depths\.stem:conv1={depth} is less than the 21 pixels .* set it to 21 or more, or "
        r"buffers\.allow_undersized=true",
    ):
        bench(BLOCK, {"buffers": {"depths": {"stem:conv1": depth}}})
    assert len(bench(BLOCK, {"buffers": {"depths": {"stem:conv1": 21}}}).run(2).completed) == 2


def test_an_undersized_buffer_deadlocks_where_it_is_allowed() -> None:
    machine = {"buffers": {"depths": {"stem:conv1": 17}, "allow_undersized": True}}
    with pytest.raises(Deadlock, match="17 of 17 slots") as caught:
        bench(BLOCK, machine).run()
    assert {parked.unit.component.layer for parked in caught.value.circle} == {"stem", "conv0", "conv1"}


def test_an_edge_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(MappingError, match=r"buffers\.depths\.conv1:stem: no stage .* known: image:stem, "):
        bench(BLOCK, {"buffers": {"depths": {"conv1:stem": 40}}})
    with pytest.raises(MappingError, match=r"did you mean 'stem:conv1'"):
        bench(BLOCK, {"buffers": {"depths": {"stem:conv2": 40}}})


def test_a_depth_has_at_least_a_slot() -> None:
    with pytest.raises(ConfigError, match=r"buffers\.depths\.stem:conv1 must be"):
        bench(BLOCK, {"buffers": {"depths": {"stem:conv1": 0}}})
