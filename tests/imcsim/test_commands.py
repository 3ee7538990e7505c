"""What commands print: for people in 80 columns, for programs as JSON, and files that open."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from matplotlib.image import imread
from matplotlib.text import Text

import imcsim
from arch import devices, fabrics
from arch.machine import machines
from imcsim.catalogue import describe
from imcsim.resolve import built_in_workloads
from simcore import ConfigError, SimError, UnknownNameError, components
from tests.imcsim.command_bench import MLP, command, printed, refusal


def lines_of(*args: str | Path) -> list[str]:
    """Return what `imcsim ARGS` prints to a pipe, once it fits 80 columns without trailing blanks."""
    result = command(*args)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line != line.rstrip() or "\x1b" in line]
    return lines


def test_run_tells_what_came_out_at_what_cost_and_why_units_stood_idle() -> None:
    text = "\n".join(lines_of("run", "digits-resnet", "--arch", "dataflow", "--images", "4", "--warmup", "1"))
    summary = imcsim.run("digits-resnet", "dataflow", images=4).summary
    assert text.startswith("digits-resnet on dataflow: 4 images\n")
    assert f"{summary['cycles']:,} cycles" in text
    for words in (
        "equal the golden reference bit for bit",
        "1 of 4 images left out",
        "waiting for input, mostly",
    ):
        assert words in text


def test_run_says_where_its_files_are(tmp_path: Path) -> None:
    folder = tmp_path / ("a-name-longer-than-a-line-" * 4)
    text = "".join("\n".join(lines_of(*MLP, "--values", "off", "--out", folder)).split())
    assert f"imcsimexplain{folder}" in text


def test_help_tells_of_every_kind_of_file_that_a_refusal_offers() -> None:
    offered = refusal("run", "./none", "--arch", "dataflow").partition("ends in ")[2].partition(", or a ")[0]
    told = " ".join(lines_of("run", "--help"))
    assert len(offered.split(", ")) >= 4
    assert [
        end for end in (*offered.split(", "), "config.yaml") if not re.search(rf"[( ]{end}\b", told)
    ] == []


def test_list_names_everything_that_is_registered() -> None:
    lines = lines_of("list")
    assert [line for line in lines if not line.startswith(" ")] == [
        "machines", "workloads", "components", "fabrics", "devices",
    ]  # fmt: skip
    shown = {line.split()[0] for line in lines}
    assert shown >= {
        *machines.names(),
        *built_in_workloads(),
        *components.names(),
        *fabrics.names(),
        *devices.names(),
    }
    listed = printed("list")
    assert [entry["name"] for entry in listed["workloads"]] == list(built_in_workloads())
    assert all(entry["doc"] for entries in listed.values() for entry in entries)
    assert list(printed("list", "machines")) == ["machines"]


@pytest.mark.parametrize(
    "name", ["dataflow", *built_in_workloads(), *components.names(), *fabrics.names(), *devices.names()]
)
def test_everything_that_is_listed_is_described(name: str) -> None:
    lines = lines_of("describe", name)
    assert lines[0].startswith(f"{name}  ")
    assert all(described.doc and described.name == name for described in describe(name))


def test_a_component_is_described_by_ports_operations_and_parameters() -> None:
    text = "\n".join(lines_of("describe", "analog-crossbar"))
    for title in ("\nPorts\n", "\nOperations\n", "\nParameters\n"):
        assert title in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line and line[0] != " "}
    assert rows["window_in"] == ["takes", "Window"]
    assert rows["mvm_cycles"] == ["130", "cycle", "[1,", "1099511627776]"]


def test_an_operation_is_described_with_the_parameters_that_set_its_time() -> None:
    (described,) = describe("digital-unit")
    operations = next(section for section in described.sections if section.title == "Operations")
    assert operations.columns == ("operation", "unit", "set by")
    assert [row for row, _ in operations.rows] == [("work", "op", "pass_cycles, lanes")]


def test_map_tells_arrays_and_buffers_of_every_stage() -> None:
    lines = lines_of("map", "digits-resnet", "--arch", "dataflow", "--set", "buffers.rule=unbounded")
    placed = imcsim.map_workload("digits-resnet", "dataflow")
    stages = [row.stage for row in placed.rows]
    assert [line.split()[0] for line in lines if line.split() and line.split()[0] in stages] == stages
    assert lines[-1].split()[0] == "total"
    assert "unbounded" in lines[-1]
    content = printed("map", "digits-resnet", "--arch", "dataflow")
    assert [stage["stage"] for stage in content["stages"]] == stages
    assert content["totals"]["arrays"] == sum(row.arrays for row in placed.rows)
    sizes = [buffer["bytes"] for stage in content["stages"] for buffer in stage["buffers"]]
    assert content["totals"]["buffer_bytes"] == sum(sizes)
    cells = sum(stage["rows"] * stage["cols"] for stage in content["stages"] if stage["arrays"])
    assert content["totals"]["utilisation"] == pytest.approx(
        cells / (content["totals"]["arrays"] * 256 * 256)
    )


@pytest.mark.parametrize("name", ["arrays.png", "arrays.svg"])
def test_map_draws_the_arrays(tmp_path: Path, name: str) -> None:
    lines = lines_of("map", "digits-cnn", "--arch", "dataflow", "--draw", tmp_path / name)
    assert lines[-1].split()[0] == "total"
    if name.endswith("png"):
        assert imread(tmp_path / name).shape[2] == 4
    else:
        assert ElementTree.parse(tmp_path / name).getroot().tag.endswith("svg")
    figure = imcsim.plot_map(imcsim.map_workload("digits-cnn", "dataflow"), "dataflow")
    written = [text.get_text() for text in figure.findobj(Text)]
    assert "digits-cnn on dataflow" in written
    assert "conv1" in written


def test_a_picture_of_no_arrays_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    mapped = ("map", "digits-cnn", "--arch", "dataflow", "--draw", tmp_path / "arrays.gif")
    assert "a figure's name ends in .png or .svg" in refusal(*mapped)
    assert list(tmp_path.iterdir()) == []


def test_map_tells_copies_cores_and_the_interval_at_which_images_follow() -> None:
    assert lines_of("map", "digits-resnet", "--arch", "dataflow")[1] == (
        "8 cores, an image every 8,320 cycles (64 steps)"
    )
    budget = ("--set", "balance.strategy=budget", "--set", "balance.cores=12")
    copied = ("map", "digits-resnet", "--arch", "dataflow", *budget)
    lines = lines_of(*copied)
    assert " ".join(lines[1:3]) == (
        "11 cores, an image every 8,320 cycles, as fast as its pixels come in; the layers could take one "
        "every 4,160 cycles (32 steps)"
    )
    assert [line.split()[:2] for line in lines if line.startswith("stem")] == [["stem", "x2"]]
    content = printed(*copied)
    assert content["interval"] == {
        "steps": 32, "layer_cycles": 4160, "input_cycles": 8320, "beats": 1, "images": 1, "at_least": False,
        "cycles": 8320,
    }  # fmt: skip
    assert [stage["copies"] for stage in content["stages"]] == [2, 2, 2, 1, 1, 1, 1, 1]


def test_map_tells_what_a_network_takes_in_the_machines_own_words() -> None:
    words = ("map", "cifar10-cnn", "--arch", "isaac")
    assert lines_of(*words)[1] == (
        "1 chip, 152 tiles, 1,793 IMAs, 14,340 arrays, an image every 16 cycles (1 step)"
    )
    content = printed(*words)
    assert content["resources"] == {"chips": 1, "tiles": 152, "imas": 1793, "arrays": 14340}
    assert content["resources"]["arrays"] == content["totals"]["arrays"]
    tiles = [stage["resources"].get("tiles") for stage in content["stages"]]
    assert tiles[1] is None  # the pool is done in the tiles of the convolution
    assert sum(filter(None, tiles)) == 152
    assert printed("map", "cifar10-cnn", "--arch", "dataflow")["resources"] == {"cores": 136}


@pytest.mark.parametrize("workload", ["digits-resnet", "digits-resnet-basis", "resnet34"])
@pytest.mark.parametrize("arch", ["basisn", "reprogrammed"])
def test_map_tells_all_of_it_in_80_columns_and_nothing_that_is_empty(workload: str, arch: str) -> None:
    lines = lines_of("map", workload, "--arch", arch)
    assert not [line for line in lines if "…" in line]
    head = " ".join(lines[lines.index("") + 1 :][:2]).split()
    assert ("arrays" in head, "used" in head) == (arch != "basisn", arch != "basisn")
    assert [line.split()[0] for line in lines[-1:]] == ["total"]
    for row in imcsim.map_workload(workload, arch).rows:
        for figure in (
            f"{row.rows}x{row.cols}",
            f"{row.steps:,}",
            *map("{:,}".format, row.resources.values()),
        ):
            assert row.rows is None or figure in " ".join(lines).split()


def test_depths_are_found_only_where_they_can_be_set() -> None:
    assert refusal("map", "digits-mlp", "--arch", "isaac", "--depths", "2") == (
        "depths are found by running with others, but those of isaac follow from the network "
        "and cannot be set; leave out --depths, or choose a dataflow machine"
    )


def test_map_tells_where_layers_lie_on_a_topology_and_what_its_channels_carry() -> None:
    chosen = ("map", "digits-resnet", "--arch", "dataflow", "--set", "fabric.topology.kind=mesh")
    assert " ".join(lines_of(*chosen)[2:5]) == (
        "mesh: 7 layers on 9 nodes, up to 2 hops apart; a channel carries up to 2 streams, 64 bytes a step, "
        "all together 224, of which no placement takes fewer than 176"
    )
    placement = printed(*chosen)["placement"]
    assert list(placement["nodes"].values()) == list(range(7))
    del placement["nodes"]
    assert placement == {
        "topology": "mesh", "size": 9, "relays": 0, "longest_way": 2,
        "most_streams": 2, "most_bytes": 64, "byte_hops": 224, "least_byte_hops": 176,
    }  # fmt: skip
    assert printed("map", "digits-resnet", "--arch", "dataflow")["placement"] is None


def test_exported_files_open(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    printed(*MLP, "--out", folder)
    figures = ["timeline", "utilisation", "stalls", "critical-path", "energy", "power", "buffers", "roofline"]
    for kind, files in {
        "png": [f"{name}.png" for name in figures],
        "svg": [f"{name}.svg" for name in figures],
        "chrome": ["trace.json"],
    }.items():
        assert lines_of_paths(folder, kind) == [str(folder / name) for name in files]
    assert imread(folder / "timeline.png").shape[2] == 4
    assert ElementTree.parse(folder / "utilisation.svg").getroot().tag.endswith("svg")
    events = json.loads((folder / "trace.json").read_text())["traceEvents"]
    assert {event["ph"] for event in events} == {"M", "X"}


def lines_of_paths(folder: Path, kind: str) -> list[str]:
    return command("export", folder, "--to", kind).stdout.splitlines()


def test_pictures_need_a_recording(tmp_path: Path) -> None:
    run = imcsim.run("digits-mlp", "dataflow", values="off", record=False)
    with pytest.raises(SimError, match="holds no recorded activity; run it anew with --out DIR, or record"):
        run.plot_timeline()
    run.save(tmp_path)
    assert "holds no recorded activity" in refusal("export", tmp_path, "--to", "chrome")
    assert (
        refusal("export", tmp_path, "--to", "pgn") == "no export format is called 'pgn'; did you mean 'png'?"
    )


@pytest.mark.parametrize(
    ("options", "way"),
    [({"record": False}, "with --out DIR"), ({"trace": "run.parquet"}, "without --trace")],
)
def test_of_a_run_without_a_recording_the_other_pictures_are_drawn(
    options: dict[str, Any], way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    imcsim.run("digits-mlp", "dataflow", images=2, values="off", **options).save("run")
    done = command("export", "run", "--to", "png")
    drawn = ["stalls", "energy", "latency", "roofline"]
    assert done.stdout.splitlines() == [f"run/{name}.png" for name in drawn]
    assert done.stderr.startswith(
        "note: not drawn: timeline, utilisation, critical-path, power and buffers need a recording; "
        f"run it anew {way}"
    )
    assert all((tmp_path / "run" / f"{name}.png").exists() for name in drawn)
    assert f"run it anew {way}" in refusal("export", "run", "--to", "vcd")


@pytest.mark.parametrize("to", ["png", "svg", "chrome", "parquet", "perfetto", "vcd", "html"])
def test_an_interrupted_run_is_refused_in_one_way(to: str, tmp_path: Path) -> None:
    run = imcsim.run("digits-mlp", "dataflow", values="off", record=False)
    imcsim.Run(run.summary | {"interrupted": True}, run.config, ()).save(tmp_path)
    message = (
        "the run of digits-mlp on dataflow was interrupted, so that its accounts are not there; "
        "run it to its end"
    )
    assert refusal("export", tmp_path, "--to", to) == message
    assert refusal("diff", tmp_path, tmp_path) == message


def test_a_run_draws_itself() -> None:
    run = imcsim.run("digits-mlp", "dataflow", values="off")
    assert run.plot_timeline(start=100).axes
    assert run.plot_utilisation(by="group").axes
    for draw in (run.plot_stalls, run.plot_utilisation):
        with pytest.raises(UnknownNameError, match="nothing is shown by 'gruop'; did you mean 'group'"):
            draw(by="gruop")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["timeline", "utilisation", "stalls", "critical_path", "energy", "power",
                                  "buffers", "latency", "roofline"])  # fmt: skip
def test_widths_that_no_figure_has_are_refused(name: str) -> None:
    run = imcsim.run("digits-mlp", "dataflow", images=2, values="off")
    draw = getattr(run, f"plot_{name}")
    for width in (-1, 0, 1e9, float("nan"), "7"):
        with pytest.raises(ConfigError, match="width of a figure must be above 0 and at most 300 inch, got"):
            draw(width=width)
    with pytest.raises(ConfigError, match=r"width of this figure must be \d\.\d inch at least, got 0.1"):
        draw(width=0.1)
    assert draw(width=3.5).axes


def test_unknown_names_are_told_from_python_too() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'digits-mlp'"):
        imcsim.run("digits-mpl", "dataflow")
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        imcsim.runn  # noqa: B018
    assert {"run", "read_run", "Run"} <= set(dir(imcsim))
    assert imcsim.__version__ == imcsim.run("digits-mlp", "dataflow", values="off").summary["version"]
