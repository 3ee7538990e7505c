"""Runs that tell their intervals while they go on tell what a recording holds, whenever they do so."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from simcore import Activity
from simcore.simulation import EngineName
from tests.benches import ENGINES
from tests.naive_machine import ProcessNetwork
from tests.process_networks import acyclic_networks, contended_networks, simulate_network
from tests.stretches import insist_on_equal, joined, told_every

engines = st.sampled_from(ENGINES)
moments = st.integers(1, 40)


@given(
    acyclic_networks() | contended_networks(), engines, moments, st.booleans(), st.none() | st.integers(0, 9)
)
@settings(deadline=None, max_examples=200)
def test_stretches_told_at_any_moment_make_up_the_recording(
    network: ProcessNetwork, engine: EngineName, events: int, relays: bool, shuffle: int | None
) -> None:
    options: dict[str, Any] = {"relays": relays, "shuffle": shuffle}
    kept, _ = simulate_network(network, engine, record=True, **options)
    stretches: list[Activity] = []
    with told_every(events):
        told, _ = simulate_network(network, engine, tell=stretches.append, **options)
    assert told.activity is None
    assert (told.makespan, told.accounts, told.energy) == (kept.makespan, kept.accounts, kept.energy)
    assert kept.activity is not None
    insist_on_equal(joined(stretches), kept.activity)
