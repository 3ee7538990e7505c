"""What training gets out of a basis: accuracy against its size, non-zero coefficients and contests.

    python examples/basis_training.py            # minutes: the table
    python examples/basis_training.py --ship     # minutes: makes what comes with the simulator anew

A row is what `imcsim fit-basis NAME --rows 72 --vectors B --nonzeros N --train --contest W` tells, and what
it tells without training. Needs the `train` extra (PyTorch). One thread makes the same bytes on one machine.
Test images choose nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from math import prod

from imcsim import FitReport, fit_workload
from workloads.data import ASSETS

NETWORKS = ("digits-cnn", "digits-resnet")
#: Elements of a vector: half of a 3x3 kernel on 16 channels.
ROWS = 72
#: Vectors, non-zeros of a kernel slice and weight of contests of what is shipped.
SHIPPED = (32, 4, 0.3)
#: What else the table has of the first network, and of both.
SIZES = [
    (vectors, nonzeros, contest) for vectors in (16, 32, 64) for nonzeros in (2, 4) for contest in (0, 0.3)
]
CONTESTS = [(32, 4, contest) for contest in (0, 0.3, 1)]

HEAD = "network        vectors non-zeros contest   before   fitted  trained  used  slots  largest loads"


def trained(
    name: str, point: tuple[int, int, float], *, train: bool = True, out: str | None = None
) -> FitReport:
    """Return a network fitted to so many vectors with so many non-zeros, and trained."""
    vectors, nonzeros, contest = point
    return fit_workload(
        name,
        out,
        rows=ROWS,
        vectors=vectors,
        nonzeros=nonzeros,
        train=train,
        contest=contest if train else None,
    )


def slots(report: FitReport) -> int:
    """Return the least slots of all passes of an image: in each, a vector serves one kernel."""
    return sum(
        prod(report.fit.node(layer.name).shape[1:]) * sum(layer.largest_loads) for layer in report.layers
    )


def row(name: str, point: tuple[int, int, float]) -> str:
    """Return a row of the table."""
    start, report = trained(name, point, train=False), trained(name, point)
    assert start.evaluation is not None
    assert report.evaluation is not None
    histogram = report.fit.histogram
    used = sum(count * slices for count, slices in enumerate(histogram.tolist())) / histogram.sum()
    loads = " ".join(str(max(layer.largest_loads)) for layer in report.layers)
    return (
        f"{name:<14} {point[0]:>7} {point[1]:>9} {point[2]:>7} {report.evaluation.baseline_accuracy:>8.2%} "
        f"{start.evaluation.integer_accuracy:>8.2%} {report.evaluation.integer_accuracy:>8.2%} "
        f"{used:>5.2f} {slots(report):>6}  {loads}"
    )


def rows() -> Iterator[str]:
    """Yield the table, row by row."""
    yield HEAD
    points = [(NETWORKS[0], point) for point in SIZES]
    points += [(name, point) for name in NETWORKS for point in CONTESTS if (name, point) not in points]
    for name, point in points:
        yield row(name, point)


def ship() -> None:
    """Train all that comes with the simulator."""
    for name in NETWORKS:
        trained(name, SHIPPED, out=str(ASSETS / f"{name}-basis.npz"))


if __name__ == "__main__":
    if "--ship" in sys.argv[1:]:
        ship()
    else:
        for line in rows():
            print(line, flush=True)
