"""Several workloads in one run: what is told of each, of its slowdown and the causes, and what is refused."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

import imcsim
from arch import Dataflow, DataflowConfig, ImageStream, Isaac, IsaacConfig, Machine, RunOptions
from arch.machine import MachineRun, machines
from imcsim.run_report import report_table
from imcsim.slowdown_causes import BEHIND, slowdown, source_times
from simcore import FileError
from simcore.accounting import FINISHED
from simcore.files import read_text
from tests.arch.attention_networks import attention
from tests.arch.dataflow_bench import tangles
from tests.imcsim.command_bench import command, printed, refusal
from workloads import Network, lower
from workloads.npz import read_npz, write_npz

PAIR = ["digits-cnn", "digits-resnet"]
BUS = ["fabric.fidelity=link", "fabric.width_bits=1", "fabric.topology.kind=bus", "source.pixel_cycles=20"]
RUN = ["run", *PAIR, "--arch", "dataflow"]


def by_name(summary: dict[str, Any]) -> dict[str, Any]:
    return {network["workload"]: network for network in summary["networks"]}


@pytest.mark.parametrize("arch", ["dataflow", "isaac"])
def test_both_networks_compute_what_their_references_do(arch: str) -> None:
    run = imcsim.run(PAIR, arch, images=[3, 2], record=False)
    s = run.summary
    assert (s["workload"], s["images"]) == ("digits-cnn+digits-resnet", 5)
    assert s["outputs_match_golden"] is True
    for network, images in zip(s["networks"], (3, 2), strict=True):
        name = network["workload"]
        single = imcsim.run(name, arch, images=images, record=False)
        assert network["outputs_match_golden"] is True
        assert network["accuracy"] == single.summary["accuracy"] == 1.0
        assert (network["images"], network["completed"]) == (images, images)
        assert network["macs"] == single.summary["macs"]
        np.testing.assert_array_equal(run.networks[name].quantised, single.quantised)
        np.testing.assert_array_equal(run.networks[name].outputs, single.outputs)
    assert s["cycles"] == max(network["cycles"] for network in s["networks"])
    own = sum(network["energy_j"] for network in s["networks"])
    shared = s["energy_j"]["by_layer"].get("shared", 0.0)
    assert own + shared == pytest.approx(s["energy_j"]["total"], rel=1e-12)


def test_cells_of_one_network_are_as_noisy_as_if_it_were_alone() -> None:
    noisy = ["core.crossbar.device.kind=pcm"]
    options: dict[str, Any] = {"images": 2, "values": "device", "settings": noisy, "record": False}
    run = imcsim.run(["digits-mlp", "digits-cnn"], "dataflow", **options)
    for network in run.summary["networks"]:
        name = network["workload"]
        single = imcsim.run(name, "dataflow", **options)
        np.testing.assert_array_equal(run.networks[name].quantised, single.quantised)
        for key in ("conversions", "clipped_conversions", "formulations"):
            assert network[key] == single.summary[key]
        assert network["conversions"] > 0


def machine(kind: str) -> Machine:
    if kind == "isaac":
        return Isaac(IsaacConfig.parse({"hypertransport": {"gb_per_s": 0.01}, "mesh": {"fidelity": "link"}}))
    bus = {"fidelity": "link", "width_bits": 1, "topology": {"kind": "bus"}}
    return Dataflow(DataflowConfig.parse({"fabric": bus, "source": {"pixel_cycles": 9}}))


def recorded_times(name: str, run: MachineRun) -> dict[str, int]:
    """Return what `source_times` does, from the intervals of a recorded run."""
    activity = run.outcome.activity
    assert activity is not None
    own = activity.unit == activity.units.index(f"{name}.source")
    spent: dict[str, int] = {}
    end = 0
    for number, start, ticks in zip(
        activity.state[own], activity.start[own], activity.duration[own], strict=True
    ):
        if (state := activity.states[number]) != FINISHED:
            spent[state] = spent.get(state, 0) + int(ticks)
            end = int(start + ticks)
    return spent | {BEHIND: run.completed[-1] - end}


@settings(deadline=None, max_examples=30)
@given(
    tangles(),
    tangles(),
    st.sampled_from(("dataflow", "dataflow", "isaac")),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_what_a_network_is_later_by_is_the_sum_of_its_causes(
    first: Network, second: Network, kind: str, images: tuple[int, int]
) -> None:
    model, names = machine(kind), ("first", "second")
    placed = model.map_together({"first": lower(first), "second": lower(second)})

    def runs(*counts: int, record: bool = False) -> Any:
        streams = {name: ImageStream(n) for name, n in zip(names, counts, strict=True)}
        return model.simulate_together(placed, streams, RunOptions(record=record))

    together = runs(*images, record=True)
    alone = {"first": runs(images[0], 0)["first"], "second": runs(0, images[1])["second"]}
    for name in names:
        for run in (together[name], alone[name]):
            assert sum(source_times(name, run).values()) == run.completed[-1]
            assert all(ticks >= 0 for state, ticks in source_times(name, run).items() if state != BEHIND)
        assert source_times(name, together[name]) == recorded_times(name, together[name])
        found = slowdown(name, names, together[name], alone[name])
        assert found.late == together[name].completed[-1] - alone[name].completed[-1]
        assert sum(found.causes.values()) == found.late
        assert all(w.ticks > 0 for w in (*found.waits, *found.links))


def test_a_slow_host_is_named_as_the_cause() -> None:
    for network in imcsim.run(PAIR, "dataflow", images=4, values="off", record=False).summary["networks"]:
        causes = network["causes"]
        assert max(causes["source"], key=lambda state: causes["source"][state]) == "wait-resource:host"
        assert sum(causes["source"].values()) == causes["late_cycles"]
        assert causes["late_cycles"] == network["cycles"] - network["alone"]["cycles"]
        assert network["slowdown"]["interval"] == 2
        assert causes["waits"][0]["unit"] == f"{network['workload']}.source"


def test_a_narrow_fabric_is_named_as_the_cause_down_to_the_link() -> None:
    run = imcsim.run(PAIR, "dataflow", images=3, values="off", settings=BUS, record=False)
    for network in run.summary["networks"]:
        name, causes = network["workload"], network["causes"]
        assert network["slowdown"]["cycles"] > 1.2
        assert max(causes["source"], key=lambda s: causes["source"][s]) == "blocked-output:pixel_out"
        assert causes["waits"][0]["unit"].startswith(f"{name}.core[")
        assert causes["waits"][0]["state"].startswith("blocked-output")
        assert [link["unit"] for link in causes["links"]] == ["fabric.link[bus[in],bus[out]]"]


def test_names_and_their_order_engine_and_shuffle_change_no_fingerprint() -> None:
    def digest(workloads: Sequence[str], **options: Any) -> str:
        options = {"images": [2, 1], "settings": BUS, "record": False, **options}
        fingerprint: str = imcsim.run(workloads, "dataflow", **options).summary["fingerprint"]
        return fingerprint

    reference = digest(PAIR)
    assert digest(PAIR, engine="stock", shuffle=3) == reference
    assert digest(PAIR[::-1], images=[1, 2]) == reference
    assert digest(PAIR, images=[2, 2]) != reference


def test_a_queue_that_is_not_there_changes_no_fingerprint() -> None:
    def digest(most: int, arrivals: str | None) -> str:
        run = imcsim.run(
            PAIR,
            "dataflow",
            values="off",
            arrivals=arrivals,
            settings=[f"queue.most_in_service={most}"],
            record=False,
        )
        fingerprint: str = run.summary["fingerprint"]
        return fingerprint

    assert digest(2, None) == digest(3, None)
    assert digest(2, "closed:1") != digest(3, "closed:1")


def test_the_same_network_twice_goes_by_two_names() -> None:
    networks = imcsim.run(["digits-mlp"] * 2, "dataflow", images=[1, 2], values="off").summary["networks"]
    assert [(n["workload"], n["completed"]) for n in networks] == [("digits-mlp", 1), ("digits-mlp-2", 2)]


@pytest.mark.parametrize("name", ["dataflow", "isaac"])
def test_a_network_that_is_called_as_a_part_of_the_machine_gets_another_name(name: str) -> None:
    parts = machines[name].machine.shared_parts
    layers = list(attention(3).layers.values())
    called = [Network(part, layers) for part in (*parts, "")]
    fabric = [] if name == "isaac" else ["fabric.topology.kind=mesh", "fabric.fidelity=link"]
    run = imcsim.run(
        [*called, "digits-cnn"], name, values="off", arrivals="closed:1", settings=fabric, record=False
    )
    told = [network["workload"] for network in run.summary["networks"]]
    assert told == [*(f"{part}-2" for part in parts), "network", "digits-cnn"]
    shared = {unit.path.partition(".")[0].partition("[")[0] for unit in run.units} - set(told)
    assert shared <= set(parts)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  digits-cnn:", "  cam:", "networks are called digits-cnn, digits-mlp, in this order, as their"),
        (
            "images: 3\n",
            "images: 9\n",
            "images of several networks must be 3, as each has its own in networks",
        ),
        ("warmup: 0\nengine", "warmup: 1\nengine", "warmup of several networks must be 0"),
        ("arrivals: null\ndata", "arrivals: closed:1\ndata", "arrivals of several networks must be null"),
        (
            "workload: digits-cnn+",
            "workload: vgg16+",
            "workload of several networks must be digits-cnn+digits",
        ),
        ("prompt: null", "prompt: 3", "prompt needs a single network"),
    ],
)
def test_keys_of_a_configuration_that_contradict_its_networks_are_refused(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    imcsim.run(["digits-cnn", "digits-mlp"], "dataflow", images=[1, 2], values="off", out=tmp_path)
    config = tmp_path / "config.yaml"
    text = config.read_text()
    assert text.count(f"{old}") == 1
    config.write_text(text.replace(old, new))
    assert words in refusal("run", config)


def test_a_directory_holds_all_and_repeats_the_run(tmp_path: Path) -> None:
    first = printed(
        *RUN, "--images", "2", "--images", "1", "--warmup", "1", "--warmup", "0", "--out", tmp_path
    )
    run = imcsim.read_run(tmp_path)
    assert run.summary == first
    assert {n: o.outputs.shape for n, o in run.networks.items()} == {
        "digits-cnn": (2, 10, 1, 1),
        "digits-resnet": (1, 10, 1, 1),
    }
    layers = {unit.layer for unit in run.units}
    assert {"digits-cnn.conv1", "digits-resnet.stem"} <= layers
    again = printed("run", tmp_path / "config.yaml")
    assert again["fingerprint"] == first["fingerprint"]
    assert by_name(again)["digits-cnn"]["warmup"] == 1
    more = printed("run", tmp_path / "config.yaml", "--images", "2", "--values", "off")
    assert [n["images"] for n in more["networks"]] == [2, 2]
    assert command("export", tmp_path, "--to", "png").exit_code == 0


@pytest.mark.parametrize("arch", ["dataflow", "isaac"])
@pytest.mark.parametrize("products", ["digital", "arrays"])
def test_each_network_tells_what_its_own_keys_and_values_took(arch: str, products: str) -> None:
    options: dict[str, Any] = {
        "values": "off",
        "settings": [f"attention.products={products}"],
        "record": False,
    }
    first, other = (
        Network(name, list(attention(tokens).layers.values()))
        for name, tokens in (("first", 5), ("other", 4))
    )
    run = imcsim.run([first, other, "digits-mlp"], arch, images=[1, 2, 1], **options)
    told = by_name(run.summary)
    for network, images in ((first, 1), (other, 2)):
        own, single = told[network.name], imcsim.run(network, arch, images=images, **options).summary
        assert own["cache"]["bytes_written"] > 0
        for key in ("bytes_written", "bytes_read"):
            assert own["cache"][key] == single["cache"][key]
        if products == "digital":
            assert own["programming"] is None
            continue
        counted = ("sets", "rounds", "cells", "pulses", "failed", "most_writes", "images_until_worn")
        assert {key: own["programming"][key] for key in counted} == {
            key: single["programming"][key] for key in counted
        }
        joules = single["energy_j"]["by_component"]["programming"]
        assert own["programming"]["energy_j"] == pytest.approx(joules, rel=1e-12)
    assert told["digits-mlp"]["cache"] is None
    assert told["digits-mlp"]["programming"] is None
    console = Console(width=200)
    with console.capture() as shown:
        console.print(report_table(run, None))
    assert shown.get().count("cache: ") == 2
    assert shown.get().count("written: ") == (2 if products == "arrays" else 0)


def test_the_report_and_the_map_show_each_network() -> None:
    text = command(*RUN, "--images", "2", "--values", "off").stdout
    assert "digits-cnn and digits-resnet on dataflow: 4 images" in text
    assert text.count("cycles to the last output") == 2
    assert "wait-resource:host" in text
    shown = command("map", *PAIR, "--arch", "dataflow").stdout
    assert "digits-cnn on dataflow: 6 stages" in shown
    assert "digits-cnn and digits-resnet take 13 cores together" in shown
    told = printed("map", *PAIR, "--arch", "isaac")
    assert [n["workload"] for n in told["networks"]] == PAIR
    assert told["resources"]["tiles"] == sum(n["resources"]["tiles"] for n in told["networks"])


def test_a_damaged_directory_is_told_of(tmp_path: Path) -> None:
    imcsim.run(PAIR, "dataflow", arrivals="closed:1", out=tmp_path)
    summary = tmp_path / "summary.json"
    kept = summary.read_text()
    for load in (None, {}, {"requests": None}, "many"):
        summary.write_text(json.dumps({**json.loads(kept), "load": load}))
        with pytest.raises(FileError, match=r"summary.json is damaged .its load tells no requests") as told:
            imcsim.read_run(tmp_path)
        assert str(told.value).endswith("run anew")
    summary.write_text(kept)
    outputs = tmp_path / "outputs.npz"
    arrays = read_npz(outputs)
    for key in arrays:
        write_npz(outputs, {name: array for name, array in arrays.items() if name != key})
        with pytest.raises(FileError, match=f"outputs.npz is damaged .it lacks '{key}'.; run anew"):
            imcsim.read_run(tmp_path)
    write_npz(outputs, arrays)
    assert set(imcsim.read_run(tmp_path).networks) == set(PAIR)


# -- requests ------------------------------------------------------------------------------------------------


def starts(folder: Path) -> list[str]:
    """Return whose requests a run let in, in that order."""
    with (folder / "requests.csv").open() as stream:
        rows = sorted(csv.DictReader(stream), key=lambda row: float(row["start"]))
    return [row["workload"] for row in rows]


def served(folder: Path, *options: str) -> dict[str, Any]:
    """Run three requests of each network, which are all there at the start, one at a time."""
    arrivals = folder / "all.csv"
    arrivals.write_text("cycle\n0\n0\n0\n")
    one = ["--set", "queue.most_in_service=1", "--arrivals", str(arrivals), "--values", "off"]
    summary: dict[str, Any] = printed(*RUN, *one, *options, "--out", folder / "run")
    return summary


def test_networks_take_turns_in_a_round_robin_queue(tmp_path: Path) -> None:
    served(tmp_path, "--set", "queue.kind=queue-round-robin")
    assert starts(tmp_path / "run") == PAIR * 3


@pytest.mark.parametrize("first", PAIR)
def test_the_network_with_priority_goes_first(tmp_path: Path, first: str) -> None:
    (other,) = set(PAIR) - {first}
    served(
        tmp_path,
        "--set",
        "queue.kind=queue-priority",
        "--set",
        f"queue.priorities={{{first}: 0, {other}: 1}}",
    )
    assert starts(tmp_path / "run") == [first] * 3 + [other] * 3


def test_the_network_with_the_least_work_goes_first(tmp_path: Path) -> None:
    # Two copies of these layers halve most of the steps of digits-resnet, which has more than the other one.
    copied = ("stem", "block1-conv1", "block1-conv2", "block2-conv1")
    faster = [word for layer in copied for word in ("--set", f"layers.{layer}.replication=2")]
    served(tmp_path, "--set", "queue.kind=queue-shortest-first", *faster)
    assert starts(tmp_path / "run") == ["digits-resnet"] * 3 + ["digits-cnn"] * 3


@pytest.mark.parametrize("arch", ["dataflow", "isaac"])
def test_it_does_so_on_machines_as_they_are_whose_intervals_are_equal(tmp_path: Path, arch: str) -> None:
    """The first is let in as there is no other yet, then those with less work, though they are younger."""
    file = tmp_path / "requests.csv"
    rows = [(0, PAIR[1])] * 3 + [(1, PAIR[0])] * 3
    file.write_text("cycle,workload\n" + "".join(f"{cycle},{name}\n" for cycle, name in rows))
    words = ["--values", "off", "--arrivals", str(file), "--set", "queue.most_in_service=1"]
    pair = ["run", *PAIR, "--arch", arch, *words]
    maps = [printed("map", name, "--arch", arch) for name in PAIR]
    assert len({each["interval"]["cycles"] for each in maps}) == 1
    printed(*pair, "--out", tmp_path / "oldest")
    assert starts(tmp_path / "oldest") == [PAIR[1]] * 3 + [PAIR[0]] * 3
    printed(*pair, "--set", "queue.kind=queue-shortest-first", "--out", tmp_path / "shortest")
    assert starts(tmp_path / "shortest") == [PAIR[1], *[PAIR[0]] * 3, *[PAIR[1]] * 2]


def test_a_priority_of_a_network_that_is_not_there_is_refused() -> None:
    words = ["--arrivals", "closed:1", "--values", "off", "--set", "queue.kind=queue-priority"]
    assert refusal(*RUN, *words, "--set", "queue.priorities={digits-mlp: 1}") == (
        "queue.priorities names 'digits-mlp', but on the machine are digits-cnn, digits-resnet; name only "
        "what is there"
    )


def test_a_file_with_too_few_requests_of_a_network_says_whose(tmp_path: Path) -> None:
    file = tmp_path / "requests.csv"
    file.write_text(f"cycle,workload\n0,{PAIR[0]}\n5,{PAIR[0]}\n7,\n9,{PAIR[1]}\n")
    words = ["--arrivals", str(file), "--values", "off"]
    assert refusal(*RUN, *words, "--images", "3") == (
        f"{file} has 2 requests of {PAIR[1]}, got --images 3; ask for fewer"
    )
    told = printed(*RUN, *words, "--images", "2")["notes"]
    assert f"{file} has 3 requests of {PAIR[0]}, of which the first 2 are run" in str(told)


def test_the_queue_holds_up_one_network_for_the_other_and_says_so(tmp_path: Path) -> None:
    summary = served(tmp_path, "--set", "queue.kind=queue-round-robin")
    for network in summary["networks"]:
        assert network["slowdown"]["from_arrival"] > 1.5
        assert network["causes"]["source"]["wait-resource:service"] > 0
        assert sum(network["causes"]["source"].values()) == network["causes"]["late_cycles"]


@pytest.mark.parametrize("arch", ["dataflow", "isaac"])
def test_no_request_is_lost_and_littles_law_holds_for_every_queue(tmp_path: Path, arch: str) -> None:
    rates = ["poisson:60000", "poisson:90000"]
    run = imcsim.run(PAIR, arch, images=[20, 30], values="off", arrivals=rates, out=tmp_path)
    load = run.summary["load"]
    assert load["requests"] == 50
    assert {q["name"]: q["arrivals"] for q in load["queues"]} == {"digits-cnn": 20, "digits-resnet": 30}
    for queue in load["queues"]:
        rows = [row for row in run.requests if row.workload == queue["name"]]
        waits = sum(row.start - row.arrival for row in rows)
        assert queue["mean_length"] * run.summary["cycles"] == pytest.approx(waits, rel=1e-9, abs=1e-9)
    stays = sum(row.completion - row.arrival for row in run.requests)
    assert load["in_system_mean"] * run.summary["cycles"] == pytest.approx(stays, rel=1e-9)
    gaps = [np.diff([r.arrival for r in run.requests if r.workload == name])[:19] for name in PAIR]
    assert not np.allclose(gaps[0] * 60_000, gaps[1] * 90_000, rtol=1e-3)  # each has gaps of its own


def test_a_file_tells_whose_requests_arrive_when(tmp_path: Path) -> None:
    file = tmp_path / "requests.csv"
    rows = [(0, PAIR[1]), (10, PAIR[0]), (30_000, PAIR[0]), (90_000, PAIR[1])]
    file.write_text("cycle,workload\n" + "".join(f"{cycle},{name}\n" for cycle, name in rows))
    run = imcsim.run(PAIR, "dataflow", values="off", arrivals=str(file), out=tmp_path / "run")
    assert [(row.arrival, row.workload) for row in run.requests] == rows
    assert [n["images"] for n in run.summary["networks"]] == [2, 2]


def test_the_load_of_all_leaves_out_the_warm_up_of_each(tmp_path: Path) -> None:
    arrivals = ["closed:2", "poisson:9000"]
    run = imcsim.run(
        PAIR, "dataflow", images=[4, 6], warmup=[1, 2], values="off", arrivals=arrivals, out=tmp_path
    )
    left = {PAIR[0]: 1, PAIR[1]: 2}
    counted = [row for row in run.requests if row.request >= left[row.workload]]
    load, hz = run.summary["load"], run.summary["clock_hz"]
    assert (load["requests"], load["warmup"], len(counted)) == (10, 3, 7)
    stays = [(row.completion - row.arrival) / hz for row in counted]
    assert load["latency_s"]["mean"] == pytest.approx(np.mean(stays), rel=1e-12)
    assert load["latency_s"]["max"] == pytest.approx(max(stays), rel=1e-12)
    ends = [row.completion / hz for row in counted]
    assert load["completed_per_s"] == pytest.approx(6 / (max(ends) - min(ends)), rel=1e-12)


def test_a_file_of_arrivals_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, read = tmp_path / "requests.csv", []

    def counted(path: str | Path, *rest: Any) -> str:
        read.append(path)
        return read_text(path, *rest)

    monkeypatch.setattr("imcsim.arrivals.read_text", counted)
    file.write_text("cycle\n0\n10\n")
    imcsim.run(PAIR, "dataflow", values="off", arrivals=str(file), record=False)
    assert read == [str(file)]


# -- what is refused -----------------------------------------------------------------------------------------


def test_machines_that_take_one_network_say_so() -> None:
    told = refusal("run", *PAIR, "--arch", "pipelayer")
    assert told.startswith("pipelayer takes one network at a time, got 2 workloads; machines that")
    assert "dataflow" in told


def test_a_second_workload_that_nobody_knows_is_refused() -> None:
    assert refusal("run", "digits-cnn", "digits-resnett", "--arch", "dataflow").startswith(
        "no workload is called 'digits-resnett'; did you mean 'digits-resnet'"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fast-forward", "--values", "off"], "fast_forward needs a single network"),
        (["--prompt", "4"], "prompt needs a single network, as it is of the sequences of one, got prompt 4"),
        (["--images", "1", "--images", "2", "--images", "3"], "images must be given once for all workloads"),
        (["--images", "0"], "images must be >= 1"),
        (["--warmup", "1"], "warmup must leave at least one image"),
        (["--images", "2000"], "holds 360 images"),
        (["--set", "balance.cores=6", "--set", "balance.strategy=budget"], "5 for digits-cnn and 8 for"),
    ],
)
def test_what_cannot_be_is_refused_before_cycle_0(options: list[str], words: str) -> None:
    assert words in refusal(*RUN, *options)


def test_one_workload_takes_one_value_of_each_setting() -> None:
    told = refusal("run", "digits-cnn", "--arch", "dataflow", "--images", "1", "--images", "2")
    assert told == "images must be given once, got 2 values"


def test_a_run_of_its_own_shares_no_machine(tmp_path: Path) -> None:
    printed("run", "digits-mlp", "--arch", "dataflow", "--values", "off", "--out", tmp_path)
    told = refusal("run", "digits-cnn", tmp_path / "config.yaml", "--arch", "dataflow")
    assert "is a run of its own and shares no machine" in told


def test_a_file_that_asks_for_a_third_network_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "requests.csv"
    file.write_text("cycle,workload\n0,digits-cnn\n1,digits-mlp\n2,digits-resnet\n")
    told = refusal(*RUN, "--arrivals", file)
    assert told.startswith(f"{file}:3 - asks for 'digits-mlp', but the machine is shared by digits-cnn,")
    file.write_text("cycle,workload\n0,digits-cnn\n")
    assert "holds no request of digits-resnet" in refusal(*RUN, "--arrivals", file)


def test_a_trace_that_tells_when_its_images_arrive_takes_no_other_arrivals(tmp_path: Path) -> None:
    trace = tmp_path / "late.jsonl"
    assert command("trace", "capture", "digits-mlp", "-o", trace, "--images", "2").exit_code == 0
    lines = trace.read_text().splitlines()
    lines[-2] = lines[-2].replace('"cycle":0', '"cycle":500')
    trace.write_text("\n".join(lines) + "\n")
    told = refusal(
        "run", "digits-cnn", trace, "--arch", "dataflow", "--values", "off", "--arrivals", "closed:1"
    )
    assert "tells when its images arrive" in told
    kept = printed("run", "digits-cnn", trace, "--arch", "dataflow", "--values", "off", "--images", "2")
    assert kept["load"]["requests"] == 4  # those of the other are all there at the start
