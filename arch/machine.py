"""Machines: how a network is mapped onto hardware, built, fed and run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from arch.mapping.layer_graph import in_network
from arch.mapping.placement import Placement
from arch.mapping.tiling import Tiling
from arch.numbers import KnownNetwork, Numbers, QuantizedNumbers
from arch.requests import Arrivals, LoadReport
from simcore import Clock, Config, Limits, Outcome, Progress, Registry, Simulation
from simcore.settings import assign_all
from simcore.simulation import EngineName
from workloads import LoweredNetwork
from workloads.prepared import PreparedNetwork
from workloads.training import TrainingPlan, TrainingRule


@dataclass(frozen=True)
class RunOptions:
    """How a run is simulated; none of it but `arrivals`, `seed` and `prompt` may change what is simulated.

    engine : `lean`, or `stock` for plain SimPy
    record : keep every interval
    log : keep every call of every process, too, from which the dependency graph is made
    shuffle : seed of a random order of starting processes
    observe : called now and then with the progress
    built : called once when all is built, before cycle 0
    fast_forward : skip whole periods of a run without values once its state repeats
    arrivals : how requests arrive, one for each image; None where all are there from the start
    seed : of what a machine draws in place of values that it is not given
    prompt : tokens of each sequence that are given; of those behind them each is the one that the output of
        the token before scores highest, so that it cannot enter before that is out; None where all are given
    """

    engine: EngineName = "lean"
    record: bool = False
    log: bool = False
    shuffle: int | None = None
    limits: Limits | None = None
    observe: Callable[[Progress], None] | None = None
    built: Callable[[], None] | None = None
    fast_forward: bool = False
    arrivals: Arrivals | None = None
    seed: int = 0
    prompt: int | None = None

    def simulation(self, clocks: Sequence[Clock]) -> Simulation:
        """Return a simulation with these clocks, the reference first."""
        return Simulation(
            clocks,
            engine=self.engine,
            record=self.record,
            log=self.log,
            shuffle=self.shuffle,
            limits=self.limits,
            observe=self.observe,
        )


@dataclass(frozen=True, eq=False)
class Values:
    """What a run with values computes on.

    network : as `Machine.numbers` made it: a `QuantizedNetwork`, on most machines
    codes : (images, channels, height, width) int32 inputs
    device : whether arrays return what their cells, slices, inputs and converters make of a product
    calibration : codes to calibrate converters on; those of the run where there are none
    seed : of all noise
    """

    network: Any
    codes: NDArray[np.int32]
    device: bool = False
    calibration: NDArray[np.int32] | None = None
    seed: int = 0


@dataclass(frozen=True, eq=False)
class ImageStream:
    """What one of several networks that share a machine is fed.

    images : 0 leaves its part of the machine at rest
    values : None in a run without values
    arrivals, prompt : see `RunOptions`
    """

    images: int
    values: Values | None = None
    arrivals: Arrivals | None = None
    prompt: int | None = None


@dataclass(frozen=True, eq=False)
class TrainingValues:
    """What a run that trains computes on.

    codes, labels : (images, channels, height, width) int64 inputs, and the class of each
    """

    plan: TrainingPlan
    codes: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class ArrayReport:
    """What arrays did in a run with device values.

    conversions, clipped : of all converters, and how many of them were out of range
    formulations : by layer, the way its products were computed, and why so
    """

    conversions: int
    clipped: int
    formulations: dict[str, tuple[str, str]]


@dataclass(frozen=True, eq=False)
class TrainingReport:
    """What came of training.

    updates : tick in which each batch's update was done
    beats, update_beats : in which the run was done, by the machine's own count; those of the first update
    held : most images of each layer's results that lay in memory, and as many as there was room for, by layer
    weights : of each layer behind the last update, (rows + 1, cols) int64 codes; None in a run without values
    """

    updates: list[int]
    beats: int
    update_beats: int
    held: dict[str, tuple[int, int]]
    weights: tuple[NDArray[np.int64], ...] | None


@dataclass(frozen=True, eq=False)
class NeuronTimes:
    """How long neurons of a layer took, where the data decide: (n,) cycles that occurred, and how often."""

    cycles: NDArray[np.int64]
    neurons: NDArray[np.int64]


@dataclass(frozen=True)
class ProgrammingReport:
    """What writing cells took, on machines that do so while they run.

    cycles : of the reference clock in which some were written; those written together count once
    sets : of tiles that are there at a time
    rounds : sets that were written in the run, each as often as it was
    batch : images for which a set is written once; the last ones may be fewer
    cells, pulses, failed : cells written, each as often as it was; pulses, each with a read to verify; cells
        that were given up
    most_writes : of a cell
    images_until_worn : images until a cell was written as often as it can be; None if none is
    energy_j : which is in the run's [J]
    """

    cycles: int
    sets: int
    rounds: int
    batch: int
    cells: int
    pulses: Fraction
    failed: int
    most_writes: int
    images_until_worn: int | None
    energy_j: float


@dataclass(frozen=True)
class CacheTraffic:
    """What memories of keys and values saw, counted as it happened.

    written, read : bytes; an array of cells that holds them is written, but not read by bytes
    most_tokens : that one of them held at once
    """

    written: int
    read: int
    most_tokens: int


@dataclass(frozen=True, eq=False)
class DecodedTokens:
    """What came of decoding.

    prompt : tokens of each sequence that were given
    out : (images, tokens) int64 tick in which the output of each token was there
    ids : (images, tokens) int32, those that were given and those that were chosen; None in a run without
        values
    """

    prompt: int
    out: NDArray[np.int64]
    ids: NDArray[np.int32] | None


@dataclass(frozen=True, eq=False)
class MachineRun:
    """What a machine gives back.

    accepted, completed : tick of each image's first input pixel and last output pixel
    outputs : (images, channels, height, width) int32 codes, None in a run without values
    macs : multiply-accumulates that its arrays did
    batch : images that come out close together, so that only batches are evenly apart
    peaks : most pixels held in each input buffer, by its instance path
    arrays : None in a run without device values
    training : None in a run that does not train
    neurons : by layer, on machines whose data decide on time, in a run with values
    programming : None on machines that write nothing while they run, or do not tell
    programming_j : energy of writing what the machine holds once, which is in no other figure [J]
    cache : None on machines and of networks without attention
    decoded : None in a run without `RunOptions.prompt`
    load : None in a run whose images are all there from the start
    """

    outcome: Outcome
    accepted: list[int]
    completed: list[int]
    outputs: NDArray[np.int32] | None
    macs: int
    peaks: dict[str, int]
    batch: int = field(default=1, kw_only=True)
    arrays: ArrayReport | None = None
    training: TrainingReport | None = None
    neurons: Mapping[str, NeuronTimes] | None = None
    programming: ProgrammingReport | None = None
    programming_j: float | None = None
    cache: CacheTraffic | None = None
    decoded: DecodedTokens | None = None
    load: LoadReport | None = None


@dataclass(frozen=True, eq=False)
class BuiltMachine:
    """A machine with a network on it that is built and fed, before cycle 0.

    collect : returns what the machine gives back, once its simulation has run
    """

    simulation: Simulation
    collect: Callable[[Outcome], MachineRun]

    def run(self, options: RunOptions) -> MachineRun:
        """Run it to the end."""
        if options.built is not None:
            options.built()
        return self.collect(self.simulation.run())


def images_of_pixels(pixels: NDArray[np.int32], shape: tuple[int, int, int]) -> NDArray[np.int32]:
    """Return pixels (images x pixels, channels) as images (n, channels, height, width) of a shape."""
    channels, height, width = shape
    return pixels.reshape(-1, height * width, channels).transpose(0, 2, 1).reshape(-1, *shape)


@dataclass(frozen=True)
class MapRow:
    """One stage of a mapping, for `imcsim map`: figures of one row of its table.

    copies : of the stage's arrays, which take windows in turn; 1 where it has none
    arrays : of all copies
    pixels_per_step : output pixels of a step
    resources : what it takes of the machine besides, by a word for one of it, as {"tile": 3}
    """

    stage: str
    work: str
    shape: tuple[int, ...]
    rows: int | None
    cols: int | None
    copies: int
    arrays: int
    utilisation: float | None
    steps: int
    buffers: tuple[tuple[str, int | None, int | None], ...]  # (from, slots [pixel], bytes)
    pixels_per_step: int = 1
    resources: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class PredictedInterval:
    """How far apart images follow if nothing is slower than arrays and input.

    Copies that do not divide a layer's windows begin the next image's early, so a run may be faster by less
    than a step.

    steps : most products that one copy of the slowest layer does for an image
    layer_cycles, input_cycles : time that layers take from image to image, and an image's pixels to come in
    beats, images : the former is that of so many beats for so many images, where a beat is the time of those
        steps; more than one where an image waits for others
    at_least : whether layers may take longer, as where keys of an image are not ready when the only arrays
        for them are
    """

    steps: int
    layer_cycles: int
    input_cycles: int
    beats: int = 1
    images: int = 1
    at_least: bool = False

    @property
    def cycles(self) -> int:
        """The longer of both."""
        return max(self.layer_cycles, self.input_cycles)

    @property
    def bound(self) -> str:
        """What to say in front of cycles of layers."""
        return "at least " if self.at_least else ""


@dataclass(frozen=True, eq=False)
class NetworkMap:
    """A network placed on a machine; subclasses add what their machine needs to build it.

    interval : None where the machine's is not known before it runs
    placement : of layers on the cores of a topology; None where any core reaches any other
    tilings : how the weights of each layer lie on arrays, by its name; of one copy
    chips : whole ones, all of whose area counts
    resources : what the network takes of the machine, by a word for one of it, the largest first, as
        {"chip": 5, "tile": 840}
    peak_macs : multiply-accumulates a second of all arrays of the chips, if they were full and never at rest
    batch : images that are computed together, so that only whole batches tell what one costs
    name : that it goes by among networks that share the machine, "" of one alone
    """

    network: LoweredNetwork
    rows: tuple[MapRow, ...]
    interval: PredictedInterval | None = field(default=None, kw_only=True)
    placement: Placement | None = field(default=None, kw_only=True)
    tilings: Mapping[str, Tiling] = field(default_factory=dict, kw_only=True)
    chips: int = field(default=1, kw_only=True)
    resources: Mapping[str, int] = field(default_factory=dict, kw_only=True)
    peak_macs: float | None = field(default=None, kw_only=True)
    batch: int = field(default=1, kw_only=True)
    name: str = field(default="", kw_only=True)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return self.network.macs

    @property
    def called(self) -> str:
        """What reports call the network: its name among several, else its own."""
        return self.name or self.network.name

    @property
    def work(self) -> int:
        """Steps that arrays do for an image, layer after layer; copies share a layer's.

        What has no arrays, as a pool, takes little beside them and does not count.
        """
        return sum(-(-row.steps // row.copies) for row in self.rows if row.arrays)

    def full_name(self, stage: str) -> str:
        """Return what a stage is called among those of all networks."""
        return in_network(self.name, stage)


@dataclass(frozen=True, eq=False)
class SharedMap:
    """Networks placed on one machine together.

    networks : by the names that they go by, in their order: whoever is named first, results are the same; but
        the same network twice goes by two names, which are given in the order of naming
    chips, resources, peak_macs : of all; see `NetworkMap`
    """

    networks: Mapping[str, NetworkMap]
    chips: int
    resources: Mapping[str, int]
    peak_macs: float | None


class Machine(ABC):
    """Base of all machines: a configuration, a mapping, and a simulation of it.

    name : as registered, or the preset's
    device_values : whether it can compute `Values` that are `device`
    skips_periods : whether it can `RunOptions.fast_forward`
    awaits_arrivals : whether it heeds `RunOptions.arrivals`; it then has a part `queue` and a `reference_hz`
    decodes : whether it heeds `RunOptions.prompt`
    shares : whether several networks can be on it at a time
    shared_parts : names of what these share, as paths begin with them; no network goes by one
    reads : forms of prepared networks that it computes on
    data_decide : whether values, or numbers that a network is prepared to, decide how long something takes
    """

    Config: ClassVar[type[Config]]
    device_values: ClassVar[bool] = False
    skips_periods: ClassVar[bool] = False
    awaits_arrivals: ClassVar[bool] = False
    decodes: ClassVar[bool] = False
    shares: ClassVar[bool] = False
    shared_parts: ClassVar[tuple[str, ...]] = ()
    reads: ClassVar[tuple[type[PreparedNetwork], ...]] = ()
    data_decide: ClassVar[bool] = False

    def __init__(self, config: Any, name: str = "") -> None:
        self.config = config
        self.name = name

    @abstractmethod
    def map(self, network: LoweredNetwork) -> NetworkMap:
        """Place a network on the machine; MappingError says what does not fit, and what would."""

    @abstractmethod
    def build(
        self, placed: NetworkMap, images: int, values: Values | None, options: RunOptions
    ) -> BuiltMachine:
        """Build the mapped machine, and feed it `images`."""

    def simulate(
        self, placed: NetworkMap, images: int, values: Values | None, options: RunOptions
    ) -> MachineRun:
        """Build the mapped machine, feed it `images` and run it to the end."""
        return self.build(placed, images, values, options).run(options)

    def map_together(self, networks: Mapping[str, LoweredNetwork]) -> SharedMap:
        """Place networks beside one another, by their names; only for machines that `shares`.

        raises : MappingError with what each takes, what there is, and what would fit
        """
        raise NotImplementedError(f"{self.name} takes one network at a time")

    def simulate_together(
        self, placed: SharedMap, streams: Mapping[str, ImageStream], options: RunOptions
    ) -> dict[str, MachineRun]:
        """Build the machine with all networks on it, and feed each its stream; arrivals are those of streams.

        returns : what each gave back, all with the outcome of the whole
        """
        raise NotImplementedError(f"{self.name} takes one network at a time")

    @property
    def training(self) -> TrainingRule | None:
        """How it changes weights, None if it does not."""
        return None

    def build_training(
        self, placed: NetworkMap, images: int, values: TrainingValues | None, options: RunOptions
    ) -> BuiltMachine:
        """Build the mapped machine to train on `images`; only for machines with a `training` rule."""
        raise NotImplementedError(f"{self.name} does not train")

    def train(
        self, placed: NetworkMap, images: int, values: TrainingValues | None, options: RunOptions
    ) -> MachineRun:
        """Build the mapped machine and let it train on `images`; only for machines with a `training` rule."""
        return self.build_training(placed, images, values, options).run(options)

    def numbers(self, known: KnownNetwork) -> Numbers:
        """Return a network in the numbers that this machine computes on: quantised, unless it says otherwise.

        raises : SimError for a network that cannot be so
        """
        return QuantizedNumbers(known, *self.bits)

    def loaded(self, prepared: PreparedNetwork) -> Self:
        """Return the machine with what a network of a form that it `reads` decides for it, values or not.

        raises : ConfigError if its configuration asks for something else
        """
        return self

    def with_settings(self, settings: Iterable[tuple[str, object]]) -> Self:
        """Return the same machine with other values of some parameters, by their paths from its root.

        raises : ConfigError for a path that leads nowhere, or values that do not go together
        """
        schema = type(self.config)
        machine = copy(self)
        machine.config = schema.parse(assign_all(self.config.canonical(), settings, schema))
        return machine

    def values_report(self) -> tuple[tuple[str, str], ...]:
        """Return what decides on device values and how products are computed, in words; nothing if none are.

        raises : ConfigError for parts that cannot work together
        """
        return ()

    def on_one_chip(self) -> Self:
        """Return the same machine with a single chip; itself where no parameter `chips` says how many."""
        if "chips" not in type(self.config).model_fields:
            return self
        return type(self)(self.config.model_copy(update={"chips": 1}), self.name)

    @property
    def reference_hz(self) -> Fraction:
        """Frequency of the reference clock, which arrivals are counted in [Hz]."""
        raise NotImplementedError(f"{self.name} does not tell its reference clock")

    @property
    @abstractmethod
    def bits(self) -> tuple[int, int]:
        """Bits of a weight and of an activation, which the quantised network must have."""


@dataclass(frozen=True)
class Preset:
    """A name users may give a machine: a class, and what differs from its configuration's defaults."""

    name: str
    machine: type[Machine]
    doc: str
    values: Mapping[str, Any] = field(default_factory=dict)


machines: Registry[Preset] = Registry("machine")


def register_machine(
    name: str, doc: str, values: Mapping[str, Any] | None = None
) -> Callable[[type[Machine]], type[Machine]]:
    """Return a decorator that registers a machine class as `name`, with the preset's own parameter values."""

    def remember(cls: type[Machine]) -> type[Machine]:
        machines.register(name)(Preset(name, cls, doc, values or {}))
        return cls

    return remember
