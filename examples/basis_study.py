"""How close kernels come to a basis that they share: over its size, bits, coefficients and how they spread.

    python examples/basis_study.py [NETWORK ...]      # digits-cnn and digits-resnet, a minute

Each table changes one option of the fit and leaves the others as they are by default.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from imcsim import FitReport, fit_workload

NETWORKS = ("digits-cnn", "digits-resnet")
SWEEPS: dict[str, tuple[Any, ...]] = {
    "vectors": (32, 64, 128, 256),
    "nonzeros": (2, 4, 8, 16),
    "bits": (2, 3, 4, 6, 8),
    "vector_bits": (2, 3, 4, 6, 8),
    "spread": (0.0, 0.005, 0.02, 0.05, 0.2),
}


def row(report: FitReport) -> str:
    """Return error, accuracy in integers, mean non-zeros, and largest loads: the mean and the most."""
    fit, found = report.fit, report.evaluation
    loads = np.concatenate([layer.largest_loads for layer in report.layers])
    used = float(np.average(np.arange(fit.histogram.size), weights=fit.histogram))
    judged = "" if found is None else f"{found.integer_accuracy:10.2%}"
    return f"{fit.error:10.2%}{judged}{used:10.2f}{loads.mean():10.2f}{loads.max():10d}"


def main(networks: tuple[str, ...]) -> None:
    """Print a table for each network and option."""
    for network in networks:
        for option, numbers in SWEEPS.items():
            print(f"{network}: {option}, error, accuracy, non-zeros, largest load of a slice: mean, most")
            for number in numbers:
                chosen: dict[str, Any] = {option: number}
                print(f"{number:10}{row(fit_workload(network, **chosen))}")


if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or NETWORKS)
