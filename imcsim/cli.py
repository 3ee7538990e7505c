"""The command `imcsim`: each subcommand parses, calls, prints. Only this file prints."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import click

from imcsim.command_group import CommandGroup

F = TypeVar("F", bound=Callable[..., Any])


@click.group(
    cls=CommandGroup, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="imcsim", message="%(prog)s %(version)s")
@click.pass_context
def main(context: click.Context) -> None:
    """Simulate in-memory-computing accelerators, cycle by cycle."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


_plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE.py",
    callback=lambda context, option, files: files or None,  # none given is not the same as none wanted
    help="Python file to import first.",
)
_set_option = click.option(
    "--set", "settings", multiple=True, metavar="PATH=VALUE", help="Set a parameter of the machine."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


def _at_most_once(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> str | None:
    """Return what an option was given; the last of several would else win without a word."""
    if len(given) > 1:
        raise click.BadParameter(f"is given {len(given)} times; give it once", context, option)
    return given[0] if given else None


def _machine_options(required: bool) -> Callable[[F], F]:
    """Return a decorator for what every command that builds a machine takes."""

    def decorate(command: F) -> F:
        for option in (
            _plugin_option,
            _set_option,
            click.option(
                "--arch",
                "machine",
                required=required,
                metavar="MACHINE",
                help="A machine's name or a YAML file.",
            ),
        ):
            command = option(command)
        return command

    return decorate


def _each(context: click.Context, option: click.Parameter, given: tuple[Any, ...]) -> Any:
    """Return what an option was given: a single value for all workloads, or a list with one for each."""
    return None if not given else given[0] if len(given) == 1 else list(given)


@main.command("run")
@click.argument("workloads", nargs=-1, required=True, metavar="WORKLOAD...")
@_machine_options(required=False)
@click.option(
    "--images",
    type=int,
    multiple=True,
    callback=_each,
    metavar="N",
    help="How many images, the first of the data; of several workloads for all, or once for each.  "
    "[default: 1, or as many as a trace asks for]",
)
@click.option(
    "--values",
    metavar="ideal|device|off",
    help="How to compute values, if at all.  [default: ideal, or off where weights are unknown]",
)
@click.option(
    "--data",
    multiple=True,
    callback=_each,
    metavar="FILE.npz",
    help="Images to run: `inputs` and, optionally, `labels`.",
)
@click.option("--seed", type=int, metavar="N", help="Of all noise; never of weights.  [default: 0]")
@click.option(
    "--warmup",
    type=int,
    multiple=True,
    callback=_each,
    metavar="N",
    help="First images that metrics leave out.  [default: 0]",
)
@click.option("--engine", metavar="lean|stock", help="stock is plain SimPy, the reference.  [default: lean]")
@click.option(
    "--fast-forward",
    is_flag=True,
    default=None,  # not given is not the same as not wanted
    help="Skip images once the state repeats; the results are those of the full run.",
)
@click.option(
    "--prompt",
    type=int,
    metavar="N",
    help="Tokens of each sequence that are given; a decoder writes the others.  [default: all]",
)
@click.option(
    "--arrivals",
    multiple=True,
    callback=_each,
    metavar="closed:K|fixed:R|poisson:R|FILE",
    help="How requests arrive: K at a time, R a second, or as a .csv file says.  [default: all at the start]",
)
@click.option("--out", metavar="DIR", help="Where to write results; without it nothing is written.")
@click.option(
    "--trace",
    metavar="FILE.parquet|pftrace",
    callback=_at_most_once,
    multiple=True,
    help="Write every interval to a file while the run goes on, in place of keeping them in memory.",
)
@click.option(
    "--trace-budget",
    metavar="SIZE",
    help="Most that the file may take, as 200MB; what does not fit is added up exactly.",
)
@click.option(
    "--trace-window",
    metavar="A:B",
    help="Write intervals of these cycles one by one; all others are added up exactly.",
)
@click.option(
    "--trace-units",
    multiple=True,
    metavar="PATTERN",
    help="Write intervals of these units one by one; those of all others are added up exactly.",
)
@_json_option
def run_command(
    workloads: tuple[str, ...],
    machine: str | None,
    as_json: bool,
    out: str | None,
    trace: str | None,
    trace_budget: str | None,
    trace_window: str | None,
    trace_units: tuple[str, ...],
    **options: Any,
) -> None:
    """Simulate WORKLOAD on a machine, or several that share it.

    WORKLOAD is a name, an ONNX file (.onnx), a workload trace (.jsonl, .jsonl.gz), a SCALE-Sim topology
    (.csv), a composition or a basis (.npz), or the config.yaml of an earlier run, which needs no --arch.
    """
    from imcsim.progress_line import ProgressLine
    from imcsim.simulate import run
    from imcsim.trace_file import TraceOptions

    if trace is not None:
        announce = partial(click.echo, err=True)
        options["trace"] = TraceOptions(trace, trace_budget, trace_window, trace_units, announce)
    elif trace_budget or trace_window or trace_units:
        raise click.UsageError("a budget, a window or units are of a trace; add --trace FILE")
    # Python has no stream where the caller closed it.
    line = ProgressLine(sys.stderr) if sys.stderr is not None and sys.stderr.isatty() else None
    try:
        result = run(workloads, machine, out=out, record=out is not None, observe=line, **options)
    finally:
        if line is not None:
            line.clear()
    if as_json:
        _print_json(result.summary)
    else:
        from imcsim.run_report import report_table

        _print(report_table(result, out))
    result.insist_on_golden()


@main.command("list")
@click.argument("kind", required=False, metavar="[machines|workloads|components|fabrics|devices]")
@_plugin_option
@_json_option
def list_command(kind: str | None, plugins: tuple[str, ...] | None, as_json: bool) -> None:
    """List machines, workloads, components, fabrics and models of devices."""
    from imcsim.catalogue import registered_names

    chosen = registered_names(kind, plugins or ())
    if as_json:
        _print_json({k: [{"name": n, "doc": d} for n, d in names.items()] for k, names in chosen.items()})
    else:
        from imcsim.tables import listing

        _print(listing(chosen))


@main.command("describe")
@click.argument("name")
@_plugin_option
@_set_option
def describe_command(name: str, plugins: tuple[str, ...] | None, settings: tuple[str, ...]) -> None:
    """Describe a machine, workload, component, fabric or device.

    Shows its documentation, ports, operations and parameters, or layers; of a machine also what decides on
    its device values, and how they are computed.
    """
    from imcsim.catalogue import describe
    from imcsim.tables import description

    for described in describe(name, plugins or (), settings):
        _print(description(described))


@main.command("map")
@click.argument("workloads", nargs=-1, required=True, metavar="WORKLOAD...")
@_machine_options(required=False)
@click.option(
    "--draw",
    metavar="FILE.png|svg",
    help="Draw what the cells of all arrays hold; on a topology, where layers lie and what channels carry.",
)
@click.option(
    "--depths",
    "images",
    type=int,
    metavar="IMAGES",
    help="Find the least depths of all buffers, by many runs of so many images.",
)
@_json_option
def map_command(
    workloads: tuple[str, ...],
    machine: str | None,
    as_json: bool,
    draw: str | None,
    images: int | None,
    **options: Any,
) -> None:
    """Show how WORKLOAD is placed on a machine, or several that share it.

    WORKLOAD is as for `imcsim run`.
    """
    from imcsim.least_depths import depths_json, depths_table, least_depths_of
    from imcsim.run_request import resolve_request
    from imcsim.shared_request import alone, is_shared
    from imcsim.tables import map_json, map_table
    from workloads import lower

    if is_shared(workloads):
        _show_shared_map(workloads, machine, as_json, draw, images, **options)
        return
    workload, _ = alone(workloads, {})
    request = resolve_request(workload, machine, options["settings"], {"plugins": options["plugins"]})
    placed = request.machine.map(lower(request.network))
    if draw is not None:
        from imcsim.map_picture import plot_map
        from imcsim.placement_picture import plot_placement
        from traces import save_figure

        plot = plot_map if placed.placement is None else plot_placement
        save_figure(plot(placed, request.machine.name), draw)
    depths = None if images is None else least_depths_of(request.machine, placed, images)
    if as_json:
        content = map_json(placed, request.network.name, request.machine.name)
        _print_json({**content, "depths": depths_json(depths)})
        return
    _print(map_table(placed, request.machine.name))
    if depths is not None:
        _print(depths_table(depths))


def _show_shared_map(
    workloads: tuple[str, ...],
    machine: str | None,
    as_json: bool,
    draw: str | None,
    images: int | None,
    **options: Any,
) -> None:
    """Show how workloads are placed beside one another."""
    from imcsim.shared_request import resolve_shared
    from imcsim.tables import shared_map_json, shared_map_table
    from workloads import lower

    for option, value in (("--draw", draw), ("--depths", images)):
        if value is not None:
            raise click.UsageError(f"{option} is for one workload, got {len(workloads)}; name one of them")
    request = resolve_shared(workloads, machine, options["settings"], {"plugins": options["plugins"]})
    networks = {name: lower(own.network) for name, own in request.requests.items()}
    placed, name = request.machine.map_together(networks), request.config.machine_name
    if as_json:
        _print_json(shared_map_json(placed, request.config.workload, name))
    else:
        _print(shared_map_table(placed, name))


@main.command("compare")
@click.argument("workloads", metavar="WORKLOAD...", nargs=-1, required=True)
@click.option(
    "--arch",
    "machines",
    required=True,
    multiple=True,
    metavar="A,B,...",
    help="Machines, as for `imcsim run`; figures are also told as multiples of the first one's.",
)
@click.option(
    "--mode",
    default="per-network",
    show_default=True,
    metavar="per-network|equal-chip|equal-area|equal-power",
    help="What hardware each machine gets.",
)
@click.option("--images", type=int, default=2, show_default=True, metavar="N", help="How many in each run.")
@click.option(
    "--values",
    default="off",
    show_default=True,
    metavar="off|ideal|device",
    help="How to compute values, if at all.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="MACHINE:PATH=VALUE",
    help="Set a parameter of one of the machines.",
)
@click.option(
    "--over",
    multiple=True,
    metavar="[MACHINE:]PATH=A,B,...",
    callback=_at_most_once,
    help="Compare at each of these values of a parameter, on all machines that have it, or on one.",
)
@click.option("--out", metavar="DIR", help="Where to write comparison.json, .csv and .png.")
@_plugin_option
@_json_option
def compare_command(
    workloads: tuple[str, ...],
    machines: tuple[str, ...],
    settings: tuple[str, ...],
    out: str | None,
    as_json: bool,
    plugins: tuple[str, ...] | None,
    **options: Any,
) -> None:
    """Simulate each WORKLOAD on several machines, and set their figures side by side.

    WORKLOAD is as for `imcsim run`. Modes: `per-network`, as many whole chips as the network needs;
    `equal-chip`, one chip each; `equal-area` and `equal-power`, as many copies of what the network needs as
    fit the area of the largest machine, or the power of the hungriest.
    """
    from imcsim.comparison import compare
    from imcsim.comparison_requests import settings_by_machine
    from imcsim.progress_line import ProgressLines

    lines = ProgressLines(sys.stderr) if sys.stderr is not None and sys.stderr.isatty() else None
    try:
        comparison = compare(
            workloads,
            [machine.strip() for machine in ",".join(machines).split(",")],
            settings=settings_by_machine(settings),
            out=out,
            plugins=plugins or (),
            observe=lines,
            **options,
        )
    finally:
        if lines is not None:
            lines.clear()
    if as_json:
        _print_json(comparison.summary)
        return
    from imcsim.comparison_report import comparison_table

    _print(comparison_table(comparison))


@main.command("fabric")
@click.argument("graph")
@_set_option
@click.option(
    "--traffic",
    default="uniform",
    show_default=True,
    metavar="uniform|transpose",
    help="Whom packets are sent to.",
)
@click.option(
    "--load",
    required=True,
    metavar="FLITS",
    help="Flits that each node makes a cycle: one number, several with commas, or FIRST:LAST:STEP.",
)
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Of the traffic.")
@click.option("--out", metavar="FILE.png|svg|DIR", help="Where to draw latency over load.")
@_json_option
def fabric_command(graph: str, load: str, out: str | None, as_json: bool, **options: Any) -> None:
    """Run synthetic traffic on a fabric alone.

    GRAPH is a fabric's name, as `imcsim list fabrics` shows; settings are `fidelity`, `k` or `nodes`, `vcs`,
    `vc_buffer_flits`, `packet_flits`, `routing_delay` and more, and `topology.NAME` for what the graph has.
    """
    from imcsim.fabric_run import FabricRun, run_fabric
    from imcsim.offered_loads import check_out

    if out is not None:
        check_out(out, FabricRun.FILE)
    run = run_fabric(graph, load, **options)
    written = run.save(out) if out is not None else []
    if as_json:
        _print_json(run.summary)
        return
    from imcsim.tables import fabric_table

    _print(fabric_table(run))
    for path in written:
        click.echo(path)


@main.command("load")
@click.argument("workload")
@_machine_options(required=True)
@click.option(
    "--arrivals", default="poisson", show_default=True, metavar="poisson|fixed", help="How requests arrive."
)
@click.option(
    "--load",
    default="0.1:0.9:0.1",
    show_default=True,
    metavar="SHARE",
    help="Offered, of what the machine can do: one number, several with commas, or FIRST:LAST:STEP.",
)
@click.option(
    "--images", type=int, default=1000, show_default=True, metavar="N", help="Requests at each load."
)
@click.option("--warmup", type=int, metavar="N", help="First requests that are left out.  [default: a tenth]")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Of the arrivals.")
@click.option("--out", metavar="FILE.png|svg|DIR", help="Where to draw latency over load.")
@_json_option
def load_command(
    workload: str, machine: str, load: str, out: str | None, as_json: bool, **options: Any
) -> None:
    """Measure latency and throughput of WORKLOAD on a machine over the load that it is offered.

    WORKLOAD is as for `imcsim run`. What the machine can do is measured first, as it always has requests.
    """
    from imcsim.load_run import LoadRun, measure_load
    from imcsim.offered_loads import check_out
    from imcsim.progress_line import ProgressLine

    if out is not None:
        check_out(out, LoadRun.FILE)
    line = ProgressLine(sys.stderr) if sys.stderr is not None and sys.stderr.isatty() else None
    try:
        run = measure_load(workload, machine, load, observe=line, **options)
    finally:
        if line is not None:
            line.clear()
    written = run.save(out) if out is not None else []
    if as_json:
        _print_json(run.summary)
        return
    from imcsim.tables import load_table

    _print(load_table(run))
    for path in written:
        click.echo(path)


@main.command("compose")
@click.argument("workload")
@click.option("-o", "--out", metavar="FILE.npz", help="Where to write the composition.")
@click.option("--weights", type=int, metavar="W", help="Clusters of weights, 4 to 256.  [default: 64]")
@click.option("--inputs", type=int, metavar="U", help="Clusters of inputs, 4 to 256.  [default: 64]")
@click.option("--bits", type=int, metavar="8|16|32", help="Of products, sums and keys.  [default: 16]")
@click.option("--data", metavar="FILE.npz", help="Images to compose with: `inputs` and, if known, `labels`.")
@click.option(
    "--retrain", type=int, default=0, show_default=True, metavar="ROUNDS", help="Most rounds of retraining."
)
@_plugin_option
@_json_option
def compose_command(
    workload: str, out: str | None, as_json: bool, plugins: tuple[str, ...] | None, **options: Any
) -> None:
    """Turn WORKLOAD into tables of lookups: clustered weights and inputs, products, functions.

    WORKLOAD is as for `imcsim run`, but no config.yaml; or a file that this command wrote, which is shown
    with as many clusters as asked for, at most those it was composed for.
    """
    from imcsim.composed_workload import compose_workload

    tell = sys.stderr is not None and sys.stderr.isatty()
    report = compose_workload(
        workload,
        out,
        plugins=plugins or (),
        observe=lambda what: click.echo(what, err=True) if tell else None,
        **options,
    )
    if as_json:
        _print_json(report.summary)
        return
    from imcsim.compose_report import compose_table

    _print(compose_table(report, out))


@main.command("fit-basis")
@click.argument("workload")
@click.option("-o", "--out", metavar="FILE.npz", help="Where to write the fit.")
@click.option("--rows", type=int, metavar="R", help="Elements of a basis vector, 1 to 4096.  [default: 128]")
@click.option("--vectors", type=int, metavar="B", help="Vectors of the basis, 1 to 8192.  [default: 128]")
@click.option("--vector-bits", type=int, metavar="2..8", help="Of an element, sign included.  [default: 4]")
@click.option("--bits", type=int, metavar="2..8", help="Of a coefficient.  [default: 4]")
@click.option(
    "--nonzeros",
    type=int,
    metavar="N",
    help="Most coefficients of a kernel slice that are not 0, 1 to B.  [default: 8]",
)
@click.option(
    "--spread",
    type=float,
    metavar="SHARE",
    help="Part of its energy, 0 to 1, that a slice forgoes for each kernel too many on a vector.  "
    "[default: 0]",
)
@click.option("--rounds", type=int, metavar="N", help="Of better bases, 0 to 1000.  [default: 8]")
@click.option("--train", is_flag=True, help="Train further what was fitted; needs PyTorch.")
@click.option(
    "--contest",
    type=float,
    metavar="WEIGHT",
    help="Of kernels that contend for a vector, in training, from 0.  [default: 0.3]",
)
@click.option(
    "--data", metavar="FILE.npz", help="Images and labels to train with.  [default: the network's own]"
)
@_plugin_option
@_json_option
def fit_basis_command(
    workload: str, out: str | None, as_json: bool, plugins: tuple[str, ...] | None, **options: Any
) -> None:
    """Fit WORKLOAD to a basis that its layers share: each slice of a kernel combines a few of its vectors.

    WORKLOAD is as for `imcsim run`, but no config.yaml; one that is fitted, such as a file
    that this command wrote, is shown.
    """
    from imcsim.fitted_workload import fit_workload

    tell = sys.stderr is not None and sys.stderr.isatty()
    report = fit_workload(
        workload,
        out,
        plugins=plugins or (),
        observe=lambda what: click.echo(what, err=True) if tell else None,
        **options,
    )
    if as_json:
        _print_json(report.summary)
        return
    from imcsim.fit_report import fit_table

    _print(fit_table(report, out))


@main.group("trace", cls=CommandGroup)
def trace_group() -> None:
    """Write workloads as traces, and look into traces."""


@trace_group.command("capture")
@click.argument("workload")
@click.option("-o", "--out", required=True, metavar="FILE.jsonl[.gz]", help="Where to write the trace.")
@click.option("--tensors", is_flag=True, help="Write weights, too, to FILE.safetensors.")
@click.option("--images", type=int, metavar="N", help="How many requests, all at cycle 0.  [default: 1]")
@click.option("--data", metavar="FILE.npz", help="Images to write beside the weights.")
@_plugin_option
def trace_capture_command(workload: str, plugins: tuple[str, ...] | None, **options: Any) -> None:
    """Write WORKLOAD as a trace.

    WORKLOAD is as for `imcsim run`, but no config.yaml. A run of the trace is one of the workload: the same
    cycles, the same fingerprint. Of a composition or a basis a trace has the network alone.
    """
    from imcsim.workload_traces import capture_trace

    for note in capture_trace(workload, plugins=plugins or (), **options):
        click.echo(f"note: {note}", err=True)


@trace_group.command("info")
@click.argument("file")
@_json_option
def trace_info_command(file: str, as_json: bool) -> None:
    """Show what is in a trace, once all of it is checked."""
    from imcsim.workload_traces import trace_info

    info = trace_info(file)
    if as_json:
        _print_json(info)
        return
    from imcsim.tables import trace_table

    _print(trace_table(info))


@trace_group.command("schema")
def trace_schema_command() -> None:
    """Print the JSON schema of a trace's lines."""
    from traces import json_schema

    _print_json(json_schema())


@main.command("export")
@click.argument("folder", metavar="RUN")
@click.option(
    "--to",
    required=True,
    metavar="png|svg|html|perfetto|chrome|vcd|parquet",
    help="Pictures, a report, or what trace and waveform viewers or table programs open.",
)
@click.option("--image", type=int, metavar="N", help="The one that perfetto follows, if not the last.")
@_plugin_option
def export_command(folder: str, to: str, image: int | None, plugins: tuple[str, ...] | None) -> None:
    """Write pictures, traces or a report of a run.

    RUN is a run directory; the files go beside its other ones.
    """
    from imcsim.exporters import export_run
    from imcsim.plugins import load_plugins

    load_plugins(plugins or ())
    for path in export_run(folder, to, image, lambda what: click.echo(f"note: {what}", err=True)):
        click.echo(path)


@main.command("explain")
@click.argument("folder", metavar="RUN")
@click.option(
    "--what-if",
    "questions",
    multiple=True,
    metavar="PATH=FACTORx|PATH=VALUE",
    help="Predict the cycles with another value, as in source.pixel_cycles=0.5x, and run to confirm it; "
    "several changes at once go with commas between them, and each --what-if is a question of its own.",
)
@_plugin_option
@_json_option
def explain_command(
    folder: str, questions: tuple[str, ...], plugins: tuple[str, ...] | None, as_json: bool
) -> None:
    """Tell why a run took as long as it did, or how long it would take if a parameter were another.

    RUN is a run directory. Shows what the time is due to and which parameter would relieve it, the critical
    path, where the time of layers and cores went, how full memories were, how busy links, and the energy.
    With --what-if it shows the answers alone.
    """
    from imcsim.plugins import load_plugins
    from imcsim.results import read_run

    load_plugins(plugins or ())
    run = read_run(folder)
    answers = None
    if questions:
        from imcsim.predictions import what_if
        from imcsim.what_if_report import what_if_text

        answers = what_if(run, questions)
        if not as_json:
            _print(what_if_text(answers))
            return
    found = run.explain()
    if as_json:
        told = None if answers is None else [answer.summary for answer in answers]
        _print_json({**found.summary, "what_if": told})
        return
    from imcsim.explain_report import explanation_text

    _print(explanation_text(found))


@main.command("diff")
@click.argument("folder_a", metavar="RUN_A")
@click.argument("folder_b", metavar="RUN_B")
@_plugin_option
@_json_option
def diff_command(folder_a: str, folder_b: str, plugins: tuple[str, ...] | None, as_json: bool) -> None:
    """Tell how two runs differ.

    RUN_A and RUN_B are run directories. Shows what was asked otherwise, the first event that differs, and
    which causes, layers and units cycles and energy went to.
    """
    from imcsim.plugins import load_plugins
    from imcsim.run_diff import diff

    load_plugins(plugins or ())
    found = diff(folder_a, folder_b)
    if as_json:
        _print_json(found.summary)
        return
    from imcsim.diff_report import diff_table

    _print(diff_table(found))


@main.command("validate")
@click.argument("name", required=False)
@_json_option
def validate_command(name: str | None, as_json: bool) -> None:
    """Hold a machine to what is published about it.

    NAME is a machine; without it all are validated. Exits with 3 if a figure that must hold does not.
    """
    from imcsim.validation import insist, validate, validated_machines, validation_json, validation_table

    names = [name] if name is not None else validated_machines()
    found = {machine: validate(machine) for machine in names}
    if as_json:
        reports = [validation_json(machine, targets) for machine, targets in found.items()]
        _print_json(reports[0] if name is not None else reports)
    for machine, targets in found.items():
        if not as_json:
            _print(validation_table(targets))
            _print(f"{machine}: {sum(t.holds for t in targets)} of {len(targets)} targets hold")
        insist(machine, targets)


@main.command("bench")
@click.argument("name", required=False)
@_json_option
def bench_command(name: str | None, as_json: bool) -> None:
    """Measure how fast the simulator is: ratios of two things measured in turn.

    NAME is one benchmark; without it all are measured, which takes about six minutes.
    """
    from imcsim.bench_report import bench_json, bench_table, run_benches

    comparisons = run_benches(name, lambda which: click.echo(f"measuring {which}", err=True))
    if as_json:
        _print_json(bench_json(comparisons))
    else:
        _print(bench_table(comparisons))


def _print_json(content: object) -> None:
    click.echo(json.dumps(content, indent=2))


def _print(content: Any) -> None:
    """Print tables and text as wide as the terminal is, or as COLUMNS says, or 80 columns."""
    from rich.console import Console

    console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False)
    if sys.stdout is not None and console.is_terminal:
        console.print(content)
        return
    with console.capture() as capture:
        console.print(content)
    click.echo("\n".join(line.rstrip() for line in capture.get().splitlines()))
