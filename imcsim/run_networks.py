"""The networks of a run, found again by what its configuration says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imcsim.resolve import resolve_workload
from imcsim.run_record import RunRecord
from simcore.errors import SimError
from workloads import LoweredNetwork, lower


def networks_of(run: RunRecord) -> Mapping[str, LoweredNetwork]:
    """Return the networks of a run by the names that its reports call them; "" is one that was run alone.

    There are none where one of them cannot be found again, as one that was made in Python.
    """
    config = run.config
    asked = {name: own.workload for name, own in config.networks.items()} or {"": config.workload}
    try:
        return {name: lower(resolve_workload(workload).network) for name, workload in asked.items()}
    except SimError:
        return {}


def layers_in_order(run: RunRecord) -> Iterator[str]:
    """Yield the layers of a run's networks as its units name them, each behind those that it reads."""
    for name, network in networks_of(run).items():
        for layer in network.nodes:
            yield f"{name}.{layer.name}" if name else layer.name
