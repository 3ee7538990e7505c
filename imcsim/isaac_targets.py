"""What is published of ISAAC, beside what the machine description adds up to and what runs show.

Area, power and peaks follow from the table of parts; the peak, the conversions of a multiply-accumulate and
the time of an operation are taken from runs of layers that fill their arrays. Figures are those of the
corrected text. Its 627.5 GOPS/W for ISAAC-CE is what the table implies (41 288 GOPS / 65.8 W); later papers
quote 380.7, which the table does not support and which is taken to be from the version before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from arch.machines.isaac import Budgets, IsaacConfig
from arch.machines.isaac.plan import copies_by_rule
from imcsim.simulate import run
from imcsim.targets import Target, printed
from workloads import Conv2d, Input, Linear, Network, Window, lower, networks

_READ = "read, in a transcription of the corrected paper"
_DERIVED = "derived from the table of parts"
_QUOTED = "read, as later papers quote it"

#: A chip's tiles in layers of 128 channels: each copy is one IMA, each layer fills eight tiles.
_LAYERS, _COPIES = 21, 96
#: GOPS/(s mm2) and GOPS/W of DaDianNao, scaled to the same node.
_DADIANNAO_CE, _DADIANNAO_PE, _DADIANNAO_MM2 = 63.46, 286.4, 88.0


def published_isaac() -> Iterator[Target]:
    """Yield table and peaks, time of an operation, copies, and what other choices cost."""
    yield from _table()
    yield from _peaks()
    yield from _operation()
    yield from _choices()
    yield from _reported()


def _table() -> Iterator[Target]:
    ce = Budgets(IsaacConfig())
    yield printed("I1.chip", "area of a chip [mm2]", "85.4", ce.chip.mm2, _READ)
    for name, what, watts, mm2, budget in (
        ("ima", "an IMA", "24.08", "0.01312", ce.ima),
        ("periphery", "a tile without IMAs", "40.9", "0.215", ce.periphery),
        ("imas", "12 IMAs", "289", "0.157", ce.ima * 12),
        ("tile", "a tile", "330", "0.372", ce.tile),
    ):
        yield printed(f"I1.{name}", f"area of {what} [mm2]", mm2, budget.mm2, _READ)
        yield printed(f"I2.{name}", f"power of {what} [mW]", watts, budget.mw, _READ)
    yield printed("I1.tiles", "area of 168 tiles [mm2]", "62.5", ce.tile.mm2 * 168, _READ)
    yield printed("I2.tiles", "power of 168 tiles [W]", "55.4", ce.tile.mw * 168 / 1e3, _READ)
    yield printed("I2.chip", "power of a chip, all busy [W]", "65.8", ce.chip.mw / 1e3, _READ)
    adc = ce.part("adc") * 12
    for what, published, simulated in (
        ("power", 0.58, adc.mw / ce.tile.mw),
        ("area", 0.31, adc.mm2 / ce.tile.mm2),
    ):
        yield Target(
            f"I6.{what}", f"share of converters in a tile's {what}", published, simulated, "band", _READ, 0.1
        )
    watts_of_adcs = ce.of_chip("adc").mw / 1e3
    yield Target("I7", "power of a chip's converters [W]", 32.3, watts_of_adcs, "band", _DERIVED, 0.1)
    energies = {"all": ("3.19", ce.chip.mw), "tiles": ("2.68", ce.chip.mw - ce.links.mw)}
    for name, (pj, mw) in energies.items():
        what = "energy of a multiply-accumulate at the peak [pJ]"
        what += "" if name == "all" else ", without HyperTransport"
        yield printed(f"I13.{name}", what, pj, 2 * mw / ce.gops, _DERIVED)


def full_chip(height: int = 12, width: int = 16) -> Network:
    """Return a chain of layers that fill all arrays of a chip if each has 96 copies."""
    layers = [Conv2d(name=f"conv{i}", out_channels=128, window=Window.square(1)) for i in range(_LAYERS)]
    return Network("chain of full arrays", [Input(name="image", shape=(128, height, width)), *layers])


def _busy_chip(*settings: str) -> Mapping[str, Any]:
    """Return the summary of a run in which no array of a chip ever rests, once it is filled."""
    copies = [f"layers.conv{i}.replication={_COPIES}" for i in range(_LAYERS)]
    return run(
        full_chip(), "isaac", images=3, values="off", settings=[*copies, *settings], record=False
    ).summary


def _peaks() -> Iterator[Target]:
    ce = Budgets(IsaacConfig())
    summary = _busy_chip()
    gops, area = summary["tops"] * 1e3, summary["area_mm2"]["total"]
    yield Target(
        "I3.TOPS", "peak of a chip, in a run that fills it", 41.28768, gops / 1e3, "exact", _DERIVED, 1e-9
    )
    yield Target("I4.CE", "peak for its area [GOPS/mm2]", 478.95, gops / area, "band", _READ, 0.1)
    per_watt = gops / ce.chip.mw * 1e3
    yield Target("I4.PE", "peak for its power [GOPS/W]", 627.5, per_watt, "band", _READ, 0.1)
    what = "the same as others quote it: not of the corrected table, which implies 627.5"
    yield Target("I4.PE-quoted", what, 380.7, per_watt, "report", _QUOTED)
    density = ce.weights_mib / area
    yield Target("I4.SE", "weights for its area [MiB/mm2]", 0.74, density, "band", _READ, 0.1)
    conversions = summary["energy_j"]["by_component"]["adc"] / (IsaacConfig().adc.energy_pj * 1e-12)
    per_mac = conversions / (summary["images"] * summary["macs"])
    yield Target("I5", "conversions for a multiply-accumulate", 1.0, per_mac, "exact", _DERIVED, 1e-9)
    for name, what, published, simulated in (
        ("throughput", "16 chips", 14.8, gops / (_DADIANNAO_CE * _DADIANNAO_MM2)),
        ("energy", "16 chips", 5.5, per_watt / _DADIANNAO_PE),
        ("density", "peak", 7.5, gops / area / _DADIANNAO_CE),
    ):
        told = f"{name} over DaDianNao, {what}; simulated: ratio of peaks of single chips"
        yield Target(f"I12.{name}", told, published, simulated, "report", _READ)


def _layer(inputs: int, outputs: int) -> Network:
    """Return one fully connected layer."""
    layers = [Input(name="image", shape=(inputs, 1, 1)), Linear(name="fc", out_features=outputs)]
    return Network("one layer", layers)


def _operation() -> Iterator[Target]:
    summary = run(_layer(128, 16), "isaac", images=3, values="off", record=False).summary
    # In its first cycle a run writes the input.
    latency = summary["latency_s"]["first"] * summary["clock_hz"] - 1
    yield Target("I8.latency", "an operation [cycle]", 22, round(latency, 6), "exact", _READ)
    interval = summary["initiation_interval_cycles"]
    yield Target("I8.interval", "from one to the next [cycle]", 16, interval, "exact", _READ)
    copies = copies_by_rule(IsaacConfig(), lower(networks["vgg16"]()))
    what = "copies of layer 1 that keep a classifier busy: 50 176 by the rule"
    yield Target("I10", what, 50_000, copies["conv1-1"], "trend", _READ, 0.01)


def _choices() -> Iterator[Target]:
    """Yield what a slower array and plain weights cost; other parts stay as they are."""
    usual = IsaacConfig()
    slow = _busy_chip("cycle_ns=200")
    fast = 168 * 12 * 8 * 128 * 16 * 2 / 1600 / 1e3
    yield Target(
        "I9.throughput", "arrays of 200 ns over 100 ns", 0.5, slow["tops"] / fast, "exact", _READ, 1e-9
    )
    what = "peak for its area, arrays of 200 ns over 100 ns; published: with smaller parts around them"
    ratio = slow["tops"] * 1e3 / slow["area_mm2"]["total"] / (Budgets(usual).gops / Budgets(usual).chip.mm2)
    yield Target("I9.CE", what, 0.7, ratio, "trend", _READ, 0.35)
    adc = usual.adc
    plain: Mapping[str, tuple[str, dict[str, Any]]] = {
        "9-bit": (
            "a 9-bit converter, taken to cost twice an 8-bit one",
            {"adc": {"bits": 9, "energy_pj": 2 * adc.energy_pj, "area_mm2": 2 * adc.area_mm2}},
        ),
        "64-rows": ("half the rows", {"array": {"rows": 64, "area_mm2": usual.array.area_mm2 / 2}}),
    }
    for name, (what, changes) in plain.items():
        for figure, published, simulated in _over(Budgets(IsaacConfig.parse(changes)), Budgets(usual)):
            told = f"{figure} without flipped columns, by {what}"
            yield Target(f"I11.{name}.{figure}", told, published, simulated, "trend", "derived", 0.35)


def _over(other: Budgets, usual: Budgets) -> Iterator[tuple[str, float, float]]:
    """Yield what peaks for area and power are, over the usual ones."""
    gops = other.gops / usual.gops
    yield "CE", 1 / 1.5, gops * usual.chip.mm2 / other.chip.mm2
    yield "PE", 1 / 1.8, gops * usual.chip.mw / other.chip.mw


#: Families of parts as TIMELY groups them.
_GROUPS: Mapping[str, tuple[float, tuple[str, ...]]] = {
    "converters": (0.61, ("adc", "dac")),
    "communication": (0.19, ("bus", "router")),
    "memory": (0.12, ("buffer", "register")),
}


def _reported() -> Iterator[Target]:
    """Yield how energy splits in a network, without HyperTransport, whose power never changes."""
    summary = run("resnet18", "isaac", values="off", record=False).summary
    parts = dict(summary["energy_j"]["by_component"])
    del parts["hypertransport"]
    for name, (published, families) in _GROUPS.items():
        share = sum(parts[family] for family in families) / sum(parts.values())
        what = f"share of {name} in the energy of ResNet-18; published: of another suite"
        yield Target(f"I14.{name}", what, published, share, "report", "read, in a later paper")
