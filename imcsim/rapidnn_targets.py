"""What is known of RAPIDNN, beside what the machine adds up to and what runs show.

Only abstract and reviews of the paper could be read; table, adders and peaks are recalled. The recalled table
agrees with itself to every digit, and two peaks do not agree with it: 839.1 GOPS/W of its 153.6 W are 129
TOPS, 1904.6 GOPS/mm2 of its 124.1 mm2 are 236. Neither is a gate. Its factors over other machines are in
`imcsim.rapidnn_gains`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from arch.lookup import carry_save_levels, expected_addends, expected_largest_bucket, expected_pairs
from arch.machine import machines
from arch.machines.rapidnn import RapidnnConfig
from arch.machines.rapidnn.neuron_times import expected_phases, table_bits
from arch.machines.rapidnn.staging import composed_form, stages_of_form
from arch.machines.rapidnn.table import BUFFER, RNA, RNAS, TILES, total
from imcsim.composed_workload import compose_workload
from imcsim.rapidnn_gains import APPLICATIONS, published_gains, summary_of
from imcsim.simulate import run
from imcsim.targets import Target, printed
from workloads import Input, Linear, Network, accuracy, datasets, lower
from workloads.composition import ComposedReference

_READ = "read, in the abstract"
_NOTES = "read, in a note on the paper"
_RECALLED = "recalled"
_DERIVED = "derived from what is recalled"

#: Operands of an addition, levels of three-to-two adders, and cycles at 16 and at 32 bit.
_ADDITIONS = {
    **{3: (1, 221, 429), 4: (2, 234, 442), 6: (3, 247, 455), 9: (4, 260, 468), 13: (5, 273, 481)},
    **{16: (6, 286, 494), 19: (6, 286, 494), 28: (7, 299, 507), 64: (10, 338, 546), 128: (11, 351, 559)},
    **{256: (13, 377, 585), 512: (15, 403, 611), 784: (16, 416, 624), 1024: (16, 416, 624)},
    **{2048: (18, 442, 650), 4096: (20, 468, 676), 8192: (22, 494, 702)},
}
#: Fewest operands that take so many levels, from one on.
_BREAKPOINTS = (
    *(3, 4, 5, 7, 10, 14, 20, 29, 43, 64, 95, 142, 212, 317, 475, 712, 1067, 1600, 2399, 3598, 5396, 8093),
)
#: By inputs and clusters: pairs, addends binary and signed, fullest bucket, and cycles at 16 bit, on average.
_AVERAGES = {
    (576, 4): (16.0, 47.7, 40.9, 156.4, 481.4),
    (576, 16): (229.1, 301.5, 299.9, 46.9, 423.9),
    (576, 64): (537.4, 539.0, 539.0, 16.8, 419.8),
    (784, 4): (16.0, 56.9, 48.1, 210.6, 535.6),
    (784, 16): (244.1, 355.2, 349.2, 61.7, 451.7),
    (784, 64): (713.6, 717.6, 717.6, 21.2, 437.2),
    (4608, 4): (16.0, 64.9, 56.3, 1187.1, 1525.1),
    (4608, 16): (256.0, 664.1, 587.3, 318.4, 721.4),
    (4608, 64): (2766.4, 3106.8, 3106.2, 92.7, 547.7),
    (25088, 4): (16.0, 89.6, 72.4, 6354.0, 6692.0),
    (25088, 16): (256.0, 1038.5, 871.3, 1638.0, 2054.0),
    (25088, 64): (4087.0, 7705.2, 7110.7, 438.9, 919.9),
}
#: Where the addends are next to one of those breakpoints, so that a level more or less is in the tolerance.
_AT_A_BREAKPOINT = (4608, 4)
_TRIALS = 60


def published_rapidnn() -> Iterator[Target]:
    """Yield additions, counts of random codes, table and peaks, what composing costs, and gains."""
    yield from _additions()
    yield from _counts()
    yield from _table()
    yield from _small_network()
    yield from _quality()
    yield from _peaks()
    own = {name: summary_of(name, "rapidnn") for name in APPLICATIONS}
    yield from _shares(own)
    yield from published_gains(own)


def _additions() -> Iterator[Target]:
    """Yield every cycle count of additions."""
    for bits in (16, 32):
        config = RapidnnConfig.parse({"bits": bits})
        for operands, (_, *cycles) in _ADDITIONS.items():
            what = f"cycles of adding {operands} numbers of {bits} bit"
            simulated = config.addition_cycles(operands)
            yield Target(f"R9.{bits}-bit.{operands}", what, cycles[bits // 32], simulated, "exact", _RECALLED)
    for operands, (levels, *_) in _ADDITIONS.items():
        yield Target(
            f"R9.levels.{operands}",
            f"levels of adders of {operands} numbers",
            levels,
            carry_save_levels(operands),
            "exact",
            _DERIVED,
        )
    for levels, operands in enumerate(_BREAKPOINTS, 1):
        fewest = next(m for m in range(1, 10_000) if carry_save_levels(m) == levels)
        yield Target(
            f"R9.breakpoint.{levels}", f"fewest of {levels} levels", operands, fewest, "exact", _DERIVED
        )


def _counts() -> Iterator[Target]:
    """Yield what the machine counts of random codes, and its expectations, beside averages of many trials."""
    targets = [target for case in _AVERAGES for target in _of_case(*case)]
    yield from sorted(targets, key=lambda target: target.id.rpartition(".")[0])


def _of_case(inputs: int, clusters: int) -> Iterator[Target]:
    """Yield the figures of so many inputs and clusters."""
    pairs, binary, signed, bucket, cycles = _AVERAGES[inputs, clusters]
    found = _simulated(inputs, clusters)
    levels = carry_save_levels(round(found["binary"]))
    found["cycles"] = found["bucket"] + 13 * (levels + 16)
    more = 13.0 if (inputs, clusters) == _AT_A_BREAKPOINT else 0.0
    few, case = max(2.5, 0.015 * bucket), f"{inputs}-{clusters}"
    of = f"of {inputs} random inputs with {clusters} x {clusters} codes"
    for name, what, published, tolerance in (
        ("pairs", "pairs", pairs, max(2.5, 0.01 * pairs)),
        ("binary", "addends by ones of counts", binary, max(2.5, 0.01 * binary)),
        ("signed", "addends by signed digits", signed, max(2.5, 0.01 * signed)),
        ("bucket", "fullest bucket", bucket, few),
        ("cycles", "cycles", cycles, few + more),
    ):
        told = f"{what} {of}, mean of {_TRIALS}"
        relative = tolerance / published
        yield Target(f"R9.{name}.{case}", told, published, found[name], "band", _DERIVED, relative)
    for name, published, expected in (
        ("pairs", pairs, expected_pairs(inputs, clusters, clusters)),
        ("binary", binary, expected_addends(inputs, clusters, clusters, signed=False)),
        ("signed", signed, expected_addends(inputs, clusters, clusters, signed=True)),
        ("bucket", bucket, expected_largest_bucket(inputs, clusters)),
    ):
        told = f"{name} {of}, in closed form"
        yield Target(f"R9.expected-{name}.{case}", told, published, expected, "band", _DERIVED, 0.01)


def _simulated(inputs: int, clusters: int) -> dict[str, float]:
    """Return the means of trials that the machine's own counters did."""
    from simcore.kernels.lookup_neuron import addend_steps, count_neurons

    rng = np.random.default_rng(0)
    table = np.zeros((1, clusters, clusters), np.int32)
    counts = np.zeros(clusters**2, np.uint16)
    results = {name: np.zeros(_TRIALS) for name in ("pairs", "binary", "signed", "bucket")}
    sums, addends, buckets = (np.zeros(1, np.int64) for _ in range(3))
    for trial in range(_TRIALS):
        window = rng.integers(1, clusters + 1, inputs).astype(np.int16)
        weights = rng.integers(0, clusters, (1, inputs)).astype(np.uint8)
        fullest = np.array([np.bincount(weights[0]).max()])
        for name in ("binary", "signed"):
            steps = addend_steps(inputs, name == "signed")
            tables: list[Any] = [weights, 1, table, steps, fullest]
            registers: list[Any] = [counts, sums, addends, buckets]
            operands = [window, 1, *tables, clusters, 0, 1, *registers]
            count_neurons(*operands)
            results[name][trial] = addends[0]
        results["bucket"][trial] = buckets[0]
        results["pairs"][trial] = len(np.unique(weights[0].astype(np.int64) * clusters + window))
    return {name: float(of_trials.mean()) for name, of_trials in results.items()}


def _table() -> Iterator[Target]:
    """Yield the sums of the table of components."""
    rna = total(list(RNA.values()))
    tile = total([rna * RNAS, BUFFER])
    yield printed("R6.rna.area", "area of an RNA [um2]", "3841", rna.um2, _RECALLED)
    yield printed("R6.rna.power", "power of an RNA [mW]", "4.8", rna.mw, _RECALLED)
    yield printed("R6.tile.area", "area of a tile [mm2]", "3.88", tile.um2 / 1e6, _RECALLED)
    yield printed("R6.tile.power", "power of a tile [W]", "4.8", tile.mw / 1e3, _RECALLED)
    yield printed(
        "R6.chip.area", "area of a chip [mm2]", "124.1", sum(RapidnnConfig().area_by_part.values()), _RECALLED
    )
    yield printed(
        "R6.chip.power",
        "power of a chip, without buffers [W]",
        "153.6",
        rna.mw * RNAS * TILES / 1e3,
        _RECALLED,
    )


def _layers(*widths: int) -> Network:
    """Return fully connected layers of which only the structure is known."""
    first, *others = widths
    layers = [Linear(name=f"fc{number}", out_features=width) for number, width in enumerate(others)]
    return Network("fully connected", [Input(name="image", shape=(first, 1, 1)), *layers])


def _small_network() -> Iterator[Target]:
    """Yield the cycles of counting and adding of a network for MNIST, and how many RNAs it takes."""
    network = lower(_layers(784, 512, 512, 10))
    placed = machines["rapidnn"].machine(RapidnnConfig()).map(network)
    yield Target(
        "S1.rnas", "RNAs of 784-512-512-10", 1034, sum(row.arrays for row in placed.rows), "exact", _DERIVED
    )
    stages = stages_of_form(composed_form(network))
    for stage, cycles in zip(stages, (437, 418, 418), strict=True):
        phases = expected_phases(RapidnnConfig(), stage, encodes=True)
        what = f"cycles of counting and adding in {stage.name} of 784-512-512-10"
        yield Target(f"S1.{stage.name}", what, cycles, phases.counting + phases.adding, "exact", _DERIVED)
    byte = RapidnnConfig.parse({"bits": 8})
    kilobytes = table_bits(byte, stages[0], encodes=True) / 8 / 1000
    yield Target("R5", "tables of a neuron, of 8 bit [KB]", 5.0, kilobytes, "trend", _NOTES, 0.25)


def _quality() -> Iterator[Target]:
    """Yield what composing costs, in points of accuracy, on images that had no part in it."""
    for name in ("digits-mlp", "digits-cnn", "digits-resnet"):
        report = compose_workload(name)
        data = datasets["digits"]()
        assert data.labels is not None
        evaluation = report.evaluation
        assert evaluation is not None
        assert evaluation.baseline_accuracy is not None
        before = evaluation.baseline_accuracy
        what = f"loss of {name} with 64 x 64 codes [points]; published: below 0.3 on other networks"
        loss = max(0.0, 100 * (before - evaluation.accuracy))
        yield Target(f"R3.{name}", what, 0.0, loss, "band", _READ, 0.3)
        for clusters in (16, 4):
            reference = ComposedReference(report.composition.at(clusters, clusters))
            fewer = accuracy(reference.outputs(data.inputs), data.labels)
            told = f"accuracy of {name} with {clusters} x {clusters} codes, not retrained; beside: 64 x 64"
            yield Target(f"R12.{name}.{clusters}", told, evaluation.accuracy, fewer, "report", "simulated")


def _full_chip(inputs: int) -> Mapping[str, Any]:
    """Return the summary of a run of layers that fill all RNAs, none of which waits for its buses."""
    network = _layers(inputs, *[inputs] * TILES)
    settings = ["broadcast.codes_per_cycle=1024", f"rnas={inputs}"]
    return run(network, "rapidnn", images=4, values="off", settings=settings, record=False).summary


def _peaks() -> Iterator[Target]:
    """Yield peaks by both printed figures, which contradict each other, at two numbers of inputs."""
    watts, mm2 = total(list(RNA.values())).mw * RNAS * TILES / 1e3, sum(RapidnnConfig().area_by_part.values())
    for inputs in (784, 1000):
        summary = _full_chip(inputs)
        # The run has as many RNAs a tile as a layer has neurons; a chip has 1000.
        gops = summary["tops"] * 1e3 * RNAS / inputs
        of = f"RNAs never rest, {inputs} inputs each"
        yield Target(
            f"R7.{inputs}", f"peak for printed power [GOPS/W]; {of}", 839.1, gops / watts, "report", _RECALLED
        )
        energy = summary["energy_j"]["by_component"]
        joules = sum(energy[part] for part in ("crossbar", "counter", "cam", "buffer"))
        per_watt = 2 * summary["macs"] * summary["images"] / joules / 1e9
        yield Target(
            f"R7.{inputs}-energy",
            f"peak for energy spent [GOPS/W]; {of}",
            839.1,
            per_watt,
            "report",
            _RECALLED,
        )
        yield Target(
            f"R8.{inputs}", f"peak for area [GOPS/mm2]; {of}", 1904.6, gops / mm2, "report", _RECALLED
        )


def _shares(own: Mapping[str, Mapping[str, Any]]) -> Iterator[Target]:
    """Yield how much of energy and time counting and adding take; said to be three quarters or more.

    own : summaries by application
    """
    for name, summary in own.items():
        parts = summary["energy_j"]["by_component"]
        share = (parts["crossbar"] + parts["counter"]) / sum(parts.values())
        what = f"share of counting and adding in the energy of {name}, at least"
        yield Target(f"R11.energy.{name}", what, 0.75, share, "trend", _RECALLED, 1 / 3)
    for rows in (27, 784):
        (stage,) = stages_of_form(composed_form(lower(_layers(rows, 1))))
        phases = expected_phases(RapidnnConfig(), stage, encodes=True)
        share = (phases.counting + phases.adding) / phases.cycles
        what = f"share of counting and adding in the time of a neuron of {rows} inputs, at least"
        yield Target(f"R11.time.{rows}", what, 0.75, share, "trend", _RECALLED, 1 / 3)
