"""Both engines against a machine that looks at every part in every tick and knows no events."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.naive_machine import Link, Node, ProcessNetwork, run_naively
from tests.process_networks import acyclic_networks, reordered, simulate


def test_the_naive_machine_is_right_about_a_case_worked_out_by_hand() -> None:
    # Tokens leave the source in 2 and 4, are served in 2..5 and 5..8, reach the sink a cycle later.
    network = ProcessNetwork(
        (Node("source", (2,), firings=2), Node("stage", (3,)), Node("sink", (0,), firings=2)),
        (Link(("source",), "stage"), Link(("stage",), "sink", latency=1)),
    )
    run = run_naively(network)
    assert run.makespan == 9
    assert run.ticks == {
        "source": {"busy:work": 4, "finished": 5},
        "stage": {"busy:work": 6, "finished": 1, "wait-input:token_in[0]": 2},
        "sink": {"wait-input:token_in[0]": 9},
    }


def test_a_writer_has_a_slot_in_the_tick_in_which_a_relay_takes_one_token_and_is_given_the_next() -> None:
    network = ProcessNetwork(
        (
            Node("source", (0,), firings=4),
            Node("stage", (1,)),
            Node("other", (0,), firings=4),
            Node("sink", (0,), firings=4),
        ),
        (Link(("source",), "stage", depth=2), Link(("stage", "other"), "sink", kind="gather")),
    )
    expected = run_naively(network)
    assert expected.ticks["source"] == {"blocked-output:token_out": 1, "finished": 3}
    assert all(simulate(network, "lean", shuffle=seed, relays=True) == expected for seed in range(10))


@given(acyclic_networks(), st.integers(0, 99), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=150)
def test_both_engines_agree_with_the_naive_machine_tick_by_tick(
    network: ProcessNetwork, shuffle: int, random: Random
) -> None:
    expected = run_naively(network)
    assert simulate(network, "lean", record=True) == expected
    assert simulate(network, "stock") == expected
    order = list(range(len(network.nodes)))
    random.shuffle(order)
    assert simulate(reordered(network, order), "lean", shuffle=shuffle) == expected
    assert simulate(network, "lean", record=True, relays=True) == expected
    assert simulate(reordered(network, order), "stock", shuffle=shuffle, relays=True) == expected


@pytest.mark.slow
@given(acyclic_networks(max_nodes=12), st.integers(0, 99))
@settings(deadline=None, max_examples=1000)
def test_both_engines_agree_with_the_naive_machine_on_many_networks(
    network: ProcessNetwork, shuffle: int
) -> None:
    expected = run_naively(network)
    assert simulate(network, "lean", record=True) == expected
    assert simulate(network, "stock", shuffle=shuffle) == expected
    assert simulate(network, "lean", shuffle=shuffle, relays=True) == expected
