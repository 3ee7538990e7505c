"""What is known of BasisN and of crossbars that are reprogrammed, beside what both machines count and take.

Only the abstract could be read: cycles and energy-delay product "below 1 %" of reprogramming. All else is
derived from a reconstruction, which both machines implement. So counts and cycles are gates, and the 1 % is
a report: it holds or not with the time of writing a cell, of which nothing is published, as told in
docs/basisn-comparison.md. Parameters of the networks themselves are among the targets of `dataflow` (`C`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from arch.machines.basisn import BasisN, BasisNConfig, BasisNMap
from arch.machines.basisn.closed_forms import basisn_cycles, packed_slots, sparse_store_bits
from arch.machines.reprogrammed import Reprogrammed, ReprogrammedConfig, ReprogrammedMap
from arch.machines.reprogrammed.closed_forms import (
    published_compute_cycles,
    published_cycles,
    published_rounds,
    write_cycles,
)
from imcsim.simulate import run
from imcsim.targets import Target, UpperBound, printed
from workloads import LoweredNetwork, lower, networks

_READ = "read, in the abstract"
_DERIVED = "derived from a reconstruction"

#: By workload and rows of a crossbar: tiles, kernel slices, pixel-slices; millions of slots if kernels
#: combine all vectors, or 16, 8 and 4 of them; megabytes of coefficients for 8.
_COUNTS: Mapping[tuple[str, int], tuple[int, int, int, str, str, str, str, str]] = {
    ("resnet34", 128): (1_349, 170_528, 223_836, "30.01", "3.751", "1.876", "0.938", "1.88"),
    ("resnet34", 256): (371, 86_288, 125_050, "16.11", "1.007", "0.503", "0.252", "1.04"),
    ("densenet121", 128): (898, 64_512, 423_172, "24.44", "3.055", "1.528", "0.764", "0.71"),
    ("densenet121", 256): (466, 34_976, 236_478, "13.79", "0.862", "0.431", "0.300", "0.42"),
    ("resnet18-cifar100", 128): (698, 87_888, 36_100, "4.555", "0.569", "0.285", "0.142", "0.97"),
    ("resnet34-cifar100", 128): (1_320, 166_864, 65_924, "9.339", "1.167", "0.584", "0.292", "1.84"),
    ("densenet121-cifar100", 128): (841, 57_248, 131_016, "7.521", "0.940", "0.470", "0.235", "0.63"),
}

#: By workload and crossbars: cycles of combining 8 of 128 vectors, of computing on arrays, and rounds of
#: writing.
_CYCLES = {
    ("resnet34", 64): (949_984, 334_776, 22),
    ("resnet34", 8): (7_507_936, 482_976, 169),
    ("densenet121", 64): (774_752, 672_680, 15),
    ("densenet121", 8): (6_115_040, 947_136, 113),
    ("resnet34-cifar100", 64): (293_088, 84_744, 21),
    ("resnet34-cifar100", 8): (2_334_944, 133_128, 165),
    ("densenet121-cifar100", 64): (237_536, 195_080, 14),
    ("densenet121-cifar100", 8): (1_880_288, 284_680, 106),
}

#: Cycles of writing a crossbar: rows or cells one behind the other.
_WRITES = {
    "row-1000": ("1 000 cycles a row", 128 * 1_000),
    "cell-100": ("100 cycles a cell", 128 * 128 * 100),
    "cell-1000": ("1 000 cycles a cell", 128 * 128 * 1_000),
}

#: By workload: cycles of BasisN over those of reprogramming [%] for each of these, on 64 and on 8 crossbars.
_SHARES = {
    "resnet34": (("30", "34"), ("2.6", "2.7"), ("0.26", "0.27")),
    "densenet121": (("30", "40"), ("3.1", "3.3"), ("0.31", "0.33")),
    "resnet34-cifar100": (("11", "11"), ("0.85", "0.86"), ("0.09", "0.09")),
    "densenet121-cifar100": (("12", "14"), ("1.0", "1.1"), ("0.10", "0.11")),
}

#: By workload: cycles that writing a cell must take at least for 1 %, on 64 and on 8 crossbars.
_LEAST_WRITES = {
    "resnet34": ("263", "271"),
    "densenet121": ("313", "330"),
    "resnet34-cifar100": ("85", "86"),
    "densenet121-cifar100": ("103", "108"),
}

#: Workloads of runs.
RUN = tuple(_SHARES)

PACKED, RANDOM = "coefficients.drawn=packed", "coefficients.drawn=random"
BY_CELL, BY_ROW = "write.parallel=cell", "write.parallel=row"


def published_basisn() -> Iterator[Target]:
    """Yield work counts, cycles in closed form and of runs, what 1 % takes, and what is reached."""
    yield from _counts()
    yield from _cycles()
    yield from _shares()
    yield from _least_writes()
    yield from _runs()
    yield from _reached()


@cache
def _network(name: str) -> LoweredNetwork:
    return lower(networks[name]())


def _combined(name: str, rows: int, nonzeros: int) -> BasisNMap:
    """Return a network on the machine, with crossbars as long as wide and as many converters as columns."""
    config = BasisNConfig.parse(
        {
            "array": {"rows": rows, "cols": rows},
            "adc": {"columns_per_adc": 1},
            "coefficients": {"nonzeros": nonzeros, "drawn": "packed"},
        }
    )
    return BasisN(config).map(_network(name))


def _tiled(name: str, crossbars: int) -> ReprogrammedMap:
    return Reprogrammed(ReprogrammedConfig.parse({"crossbars": crossbars})).map(_network(name))


def _counts() -> Iterator[Target]:
    """Yield what the machine counts of each network."""
    for (name, rows), (tiles, kernel_slices, passes, *slots, store) in _COUNTS.items():
        id, of = f"B3.{name}-{rows}", f"of {name} on crossbars of {rows} x {rows}"
        of_nonzeros = dict(zip((rows, 16, 8, 4), slots, strict=True))
        found = {nonzeros: _combined(name, rows, nonzeros).resources for nonzeros in of_nonzeros}
        counts = found[8]
        for figure, what, published in (
            ("tiles", "tile", tiles),
            ("kernel-slices", "kernel slice", kernel_slices),
            ("pixel-slices", "pixel-slice", passes),
        ):
            yield Target(f"{id}.{figure}", f"{what}s {of}", published, counts[what], "exact", _DERIVED)
        for nonzeros, millions in of_nonzeros.items():
            dense = nonzeros == rows
            what = f"million slots {of}, {'dense' if dense else f'{nonzeros} vectors a kernel slice'}"
            slots_found = found[nonzeros]["slot"] // BasisNConfig().coefficient_bits / 1e6  # of one bit plane
            yield printed(
                f"{id}.slots-{'dense' if dense else nonzeros}", what, millions, slots_found, _DERIVED
            )
        megabytes = sparse_store_bits(counts["kernel slice"], 8, rows, 4) / 8 / 1e6
        yield printed(f"{id}.store", f"megabytes of coefficients {of}", store, megabytes, _DERIVED)


def _in_closed_form(name: str, crossbars: int) -> tuple[int, int, int]:
    """Return cycles of combining, cycles of computing, and rounds, by the formulas of both machines."""
    config = BasisNConfig(crossbars=crossbars)
    layers = [layer.counts for layer in BasisN(config).map(_network(name)).layers.values()]
    vectors, bits, inputs = config.vectors, config.coefficient_bits, config.activation_bits
    slots = [(each, packed_slots(each.kernels, 8, vectors, config.capacity)) for each in layers]
    placed = _tiled(name, crossbars)
    tiles = [(layer.stage.steps, len(layer.blocks)) for layer in placed.layers]
    return (
        basisn_cycles(slots, crossbars, bits, inputs),
        published_compute_cycles(tiles, crossbars, placed.config.product_cycles),
        published_rounds(placed.tiles, crossbars),
    )


def _cycles() -> Iterator[Target]:
    """Yield cycles and rounds in closed form."""
    for (name, crossbars), published in _CYCLES.items():
        found = _in_closed_form(name, crossbars)
        told = ("cycles of combining vectors", "cycles of computing on arrays", "rounds of writing")
        for figure, what, expected, simulated in zip(
            ("combine", "compute", "rounds"), told, published, found, strict=True
        ):
            of = f"{what}, {name} on {crossbars} crossbars, in closed form"
            yield Target(f"B3.cycles.{name}-{crossbars}.{figure}", of, expected, simulated, "exact", _DERIVED)


def _shares() -> Iterator[Target]:
    """Yield cycles of BasisN over those of reprogramming."""
    for name, of_writes in _SHARES.items():
        for place, crossbars in enumerate((64, 8)):
            combine, *_ = _in_closed_form(name, crossbars)
            placed = _tiled(name, crossbars)
            tiles = [(layer.stage.steps, len(layer.blocks)) for layer in placed.layers]
            for (write, (told, cycles)), percents in zip(_WRITES.items(), of_writes, strict=True):
                whole = published_cycles(tiles, crossbars, placed.config.product_cycles, cycles)
                what = f"cycles over those of reprogramming [%], {name} on {crossbars} crossbars, {told}"
                id = f"B3.share.{name}-{crossbars}.{write}"
                yield printed(id, what, percents[place], 100 * combine / whole, _DERIVED)


def _least_writes() -> Iterator[Target]:
    """Yield the slowest writing for which cycles of BasisN are 1 % of those of reprogramming."""
    for name, published in _LEAST_WRITES.items():
        for place, crossbars in enumerate((64, 8)):
            combine, compute, rounds = _in_closed_form(name, crossbars)
            least = (100 * combine - compute) / (rounds * 128 * 128)
            what = f"cycles of writing a cell for 1 %, {name} on {crossbars} crossbars"
            yield printed(f"B3.least-write.{name}-{crossbars}", what, published[place], least, _DERIVED)


@cache
def _summary(name: str, machine: str, *settings: str) -> Mapping[str, Any]:
    return run(name, machine, images=1, values="off", settings=settings, record=False).summary


def _runs() -> Iterator[Target]:
    """Yield the same cycles and rounds of runs of 64 crossbars, event by event."""
    for name in RUN:
        combine, compute, rounds = _CYCLES[name, 64]
        on = f"{name} on 64 crossbars, of a run"
        packed = _summary(name, "basisn", PACKED)["cycles"]
        by_layer = _summary(name, "reprogrammed", "tile_order=layer")
        greedy = _summary(name, "reprogrammed", BY_CELL)["programming"]
        computing = by_layer["cycles"] - by_layer["programming"]["cycles"]
        for figure, what, published, simulated in (
            ("combine", "cycles of combining vectors that are packed", combine, packed),
            ("compute", "cycles of computing, a set of tiles for each layer", compute, computing),
            ("rounds", "rounds of writing, sets as full as can be", rounds, greedy["rounds"]),
            ("write", "cycles of writing", rounds * write_cycles(ReprogrammedConfig()), greedy["cycles"]),
        ):
            yield Target(
                f"B3.run.{name}-64.{figure}", f"{what}, {on}", published, simulated, "exact", _DERIVED
            )


def _reached() -> Iterator[Target]:
    """Yield what the published bound is compared with: 64 crossbars, 8 of 128 vectors, 510 cycles a write.

    A write is of a cell, or of a row whose cells all take their pulses together.
    """
    for name in RUN:
        for case, told, combined, written in (
            ("packed", "packed vectors, writing cell by cell", PACKED, BY_CELL),
            ("random", "random vectors, writing cell by cell", RANDOM, BY_CELL),
            ("row", "packed vectors, writing row by row", PACKED, BY_ROW),
        ):
            ours, theirs = _summary(name, "basisn", combined), _summary(name, "reprogrammed", written)
            cycles = ours["cycles"] / theirs["cycles"]
            energy = ours["energy_j"]["total"] / theirs["energy_j"]["total"]
            for figure, what, simulated in (
                ("cycles", "cycles", cycles),
                ("edp", "energy-delay product", cycles * energy),
            ):
                of = f"{what} over reprogramming's, {name}: {told}; published: below"
                yield UpperBound(f"D18.{figure}.{name}.{case}", of, 0.01, simulated, "report", _READ)
