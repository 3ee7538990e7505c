"""A request to simulate: every name resolved, every number checked, before anything is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arch.machine import Machine, machines
from arch.requests import Arrivals, TimedArrivals
from imcsim.arrivals import ArrivalSpec, read_arrivals
from imcsim.inputs import RunInputs, run_inputs
from imcsim.plugins import load_plugins
from imcsim.resolve import (
    ResolvedMachine,
    Setting,
    is_run_file,
    is_workload_file,
    machine_of_file,
    resolve_machine,
    resolve_workload,
)
from imcsim.run_config import RunConfig, RunFile, check_together, read_run_file
from imcsim.training_run import check_training, training_inputs
from simcore import ConfigError, FileError
from traces import Trace
from workloads import Dataset, Network
from workloads.prepared import PreparedNetwork


@dataclass(frozen=True, eq=False)
class RunRequest:
    """What shall be run.

    config : all of it, in a form that a file can hold
    name : what reports call the workload
    trace : the network, with the requests and the images that a file brings
    arrivals : how requests arrive, one for each image; None where all are there from the start
    notes : what reports say of it
    asked : what `--arrivals` asks for; a file may ask for several networks
    """

    config: RunConfig
    name: str
    trace: Trace
    machine: Machine
    arrivals: Arrivals | None
    notes: tuple[str, ...] = ()
    asked: ArrivalSpec | None = None

    @property
    def network(self) -> Network:
        """The network."""
        return self.trace.network

    @property
    def has_values(self) -> bool:
        """Whether the machine could compute values of the workload: it has weights, or a form it reads."""
        return self.network.has_parameters or self.prepared is not None

    @property
    def prepared(self) -> PreparedNetwork | None:
        """What the network was prepared to, None where the machine does not read that."""
        return _read_by(self.machine, self.trace)

    @property
    def data(self) -> str | Dataset | None:
        """Images of the run, if they are not those of the network."""
        return self.trace.data if self.config.data is None else self.config.data

    def check_abilities(self) -> None:
        """Raise ConfigError for what the machine cannot do in any run."""
        config, machine = self.config, self.machine
        if machine.training is not None:
            check_training(config, machine)
        if config.values == "device" and not machine.device_values:
            raise ConfigError(
                f"values must be ideal or off on {config.machine_name}, which models no devices, got device"
            )
        if config.fast_forward and not machine.skips_periods:
            raise ConfigError(
                f"{config.machine_name} cannot skip what repeats, got fast_forward; leave out --fast-forward"
            )
        if config.prompt is not None and not machine.decodes:
            raise ConfigError(
                f"{config.machine_name} takes whole sequences, got prompt {config.prompt}; leave out --prompt"
            )
        if self.arrivals is not None and not machine.awaits_arrivals:
            raise ConfigError(
                f"{config.machine_name} has all images from the start, but {self.name} tells when "
                "they arrive; let all requests have cycle 0"
            )

    def inputs(self) -> RunInputs:
        """Return the images of a run with values, those with labels to train on where the machine does.

        raises : FileError for a bad file, WorkloadError for images that are too few, unfit or without labels
        """
        config, network = self.config, self.network
        if self.machine.training is not None:
            return training_inputs(network, config.images, self.data)
        return run_inputs(network, config.images, config.seed, self.data)


def resolve_request(
    workload: str | Path | Network,
    arch: str | Path | Machine | ResolvedMachine | None,
    settings: Sequence[Setting] = (),
    changes: Mapping[str, Any] | None = None,
    beside: Mapping[str, RunRequest] | None = None,
) -> RunRequest:
    """Load plugins, then turn names and files into what they stand for.

    workload : a registered name, a file, a Network, or a run's `config.yaml`
    arch : a registered name, a file or a Machine, resolved or not; None takes the machine of a `config.yaml`
    settings : of the machine, over everything else
    changes : of the run, by the names of `RunConfig`; None stands for not given
    beside : those of networks that share the machine, by names which no other one gets; None if it is alone
    raises : SimError
    """
    given = {name: value for name, value in (changes or {}).items() if value is not None}
    for name in ("data", "plugins"):  # a file that repeats the run may lie anywhere
        if name in given:
            given[name] = _absolute(given[name])
    if str(given.get("arrivals", "")).endswith(".csv"):
        given["arrivals"] = _absolute(given["arrivals"])
    file = read_run_file(str(workload), given) if is_run_file(workload) else None
    config = RunConfig.parse({"workload": _written(workload), **given}, "") if file is None else file.config
    load_plugins(config.plugins)
    source = workload if file is None else config.workload
    trace = resolve_workload(source)
    if isinstance(arch, ResolvedMachine):
        resolved = arch
    elif arch is not None:
        resolved = resolve_machine(arch, settings)
    elif file is not None:
        resolved = machine_of_run(file, settings)
    else:
        raise ConfigError(
            "no machine is given; name one with --arch (arch= in Python), as in --arch dataflow"
        )
    if trace.prepared is not None:
        try:
            resolved = resolved.loaded(trace.prepared)
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from None
    name = trace.network.name if is_workload_file(source) else config.workload
    whole = asked = _asked(config.arrivals, beside or {})
    if beside is not None:
        name = _new_name(name, (*beside, *resolved.machine.shared_parts))
        asked = None if asked is None else asked.of(name)
    config = _settled(config, trace, resolved.machine, asked)
    check_together(config)
    _check_bits(trace, resolved)
    config = config.model_copy(update={"machine_name": resolved.name, "machine": resolved.written})
    shared = "" if beside is None else name
    arrivals = _arrivals(name, trace, config, asked, resolved.machine, shared)
    notes = () if asked is None else tuple(asked.notes(config.images))
    return RunRequest(config, name, trace, resolved.machine, arrivals, notes, whole)


def _asked(arrivals: str | None, beside: Mapping[str, RunRequest]) -> ArrivalSpec | None:
    """Return what `--arrivals` asks for; what another network has read is not read again."""
    if arrivals is None:
        return None
    known = (request.asked for request in beside.values())
    return next(
        (spec for spec in known if spec is not None and spec.text == arrivals), None
    ) or read_arrivals(arrivals)


def _new_name(name: str, taken: Sequence[str]) -> str:
    """Return what reports call a network beside others: numbered if need be; points part paths."""
    plain = name.replace(".", "-") or "network"
    choices = (plain, *(f"{plain}-{number}" for number in range(2, len(taken) + 3)))
    return next(choice for choice in choices if choice not in taken)


def _written(workload: str | Path | Network) -> str:
    """Return what a file that repeats the run, which may lie anywhere, calls a workload."""
    if isinstance(workload, Network):
        return workload.name
    return str(Path(workload).resolve()) if is_workload_file(workload) else str(workload)


def _settled(config: RunConfig, trace: Trace, machine: Machine, asked: ArrivalSpec | None) -> RunConfig:
    """Return a configuration in which what nobody chose is as the workload, or a file of arrivals, has it."""
    has_values = trace.network.has_parameters or _read_by(machine, trace) is not None
    requests = len(trace.arrivals) if asked is None or asked.file is None else len(asked.file.requests)
    own = {"images": requests or 1, "values": "ideal" if has_values else "off"}
    return config.model_copy(update={k: v for k, v in own.items() if k not in config.model_fields_set})


def _read_by(machine: Machine, trace: Trace) -> PreparedNetwork | None:
    """Return what a network was prepared to, if a machine reads that."""
    return trace.prepared if isinstance(trace.prepared, machine.reads) else None


def _check_bits(trace: Trace, resolved: ResolvedMachine) -> None:
    """Raise ConfigError if an operation asks for other widths than the machine's."""
    asked = {trace.network.name: trace.bits} | {
        f"{trace.network.name}.{name}": bits for name, bits in trace.operation_bits.items()
    }
    for who, bits in asked.items():
        for (what, wanted), has in zip(vars(bits).items(), resolved.machine.bits, strict=True):
            if wanted not in (None, has):
                raise ConfigError(
                    f"{who} has {what} {wanted}, but {resolved.name} computes with {has}; "
                    f"add --set {what}={wanted}"
                )


def _arrivals(
    name: str,
    trace: Trace,
    config: RunConfig,
    asked: ArrivalSpec | None,
    machine: Machine,
    shared: str,
) -> Arrivals | None:
    """Return how the requests of a run arrive, None if all are there from the start.

    shared : the network's name among several
    """
    cycles = trace.arrivals_of(config.images)
    if asked is not None:
        if any(trace.arrivals):
            raise ConfigError(
                f"{trace.network.name} tells when its images arrive, got --arrivals {asked.text}, too; leave "
                "out --arrivals, or let all requests have cycle 0"
            )
        if config.fast_forward and not asked.repeats:
            raise ConfigError(
                f"fast_forward needs arrivals that repeat, closed:K or fixed:R, got {asked.text}; leave out "
                "--fast-forward"
            )
        if not machine.awaits_arrivals:
            raise ConfigError(
                f"{config.machine_name} has all images from the start, got --arrivals {asked.text}; machines "
                f"that let requests wait are {' and '.join(machines_with_queues())}"
            )
        for request in () if asked.file is None else asked.file.requests:
            if request.workload not in (None, name):
                raise FileError(
                    f"{asked.text}:{request.line} - asks for {request.workload!r}, but the run is of {name}; "
                    "leave out the column workload, or name it so"
                )
        return asked.plan(config.images, machine.reference_hz, config.seed, shared)
    if not any(cycles):
        return None
    if config.fast_forward:
        raise ConfigError(
            f"fast_forward needs images that are all there from the start, but {trace.network.name} has "
            f"one that arrives in cycle {cycles[-1]}; leave out --fast-forward"
        )
    return TimedArrivals(cycles)


def machines_with_queues() -> list[str]:
    """Return a name of each machine that lets requests wait."""
    able: dict[type[Machine], str] = {}
    for known, preset in machines.items().items():
        if preset.machine.awaits_arrivals:
            able.setdefault(preset.machine, known)
    return sorted(able.values())


def machine_of_run(file: RunFile, settings: Sequence[Setting] = ()) -> ResolvedMachine:
    """Return the machine of a run's `config.yaml`."""
    name = file.config.machine_name or file.machine.extends
    return machine_of_file(file.machine, name, settings)


def _absolute(paths: Any) -> Any:
    if isinstance(paths, str | Path):
        return str(Path(paths).resolve())
    return [str(Path(path).resolve()) for path in paths]
