"""What `imcsim bench` promises; how fast anything is depends on the machine, and is no test's business."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks import Bench, benches, measure
from benchmarks.imagenet import peak, products
from benchmarks.onnx_files import resnet50_file
from imcsim.bench_report import _THREADS, bench_json
from tests.imcsim.command_bench import command, refusal
from workloads import lower, networks
from workloads.onnx_import import read_onnx

RESNET50 = {
    "resnet50-array": 20,
    "resnet50-ideal": 30,
    "resnet50-device": 45,
    "resnet50-group": 4,
    "resnet50-eight": 9,
    "resnet50-fast-forward": 1.5,
    "resnet50-link": 4,
    "resnet50-trace": 1.1,
    "resnet50-setup": 2,
    "resnet50-memory": 1,
    "resnet50-memory-eight": 1.1,
    "densenet121-group": 10,
    "vgg16-group": 10,
    "densenet121-memory": 1,
    "vgg16-memory": 1,
    "onnx-import": 3,
    "onnx-memory": 4,
}
LOAD = {"load-closed": 3, "load-fixed": 3, "load-poisson": 11, "load-memory": 1}


def test_the_perfetto_writer_is_three_times_as_fast_as_the_builder_of_its_package() -> None:
    assert (benches["perfetto-writer"].figure, benches["perfetto-writer"].bound) == ("speed-up", 3)


def counted(*rounds: tuple[float, float], **fields: object) -> Bench:
    """Return a benchmark that measures just this."""
    each = iter(rounds)
    given = {"figure": "cost", "bound": 2, "rounds": len(rounds), "warm_up": False} | fields
    return Bench("stub", "nothing", round=lambda: next(each), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "bound"), [*RESNET50.items(), *LOAD.items()])
def test_costs_of_runs_are_bounded(name: str, bound: float) -> None:
    assert (benches[name].figure, benches[name].bound) == ("cost", bound)
    assert benches[name].unit == ("MiB" if "memory" in name else "s")


def test_the_onnx_file_of_the_benchmarks_is_resnet50() -> None:
    network, known = read_onnx(resnet50_file()), networks["resnet50"]()
    assert lower(network).canonical() == lower(known).canonical()
    own, expected = network.load_parameters(), known.load_parameters()
    for layer, name in (("stem", "weight"), ("stage4-block3-conv3-norm", "running_var"), ("fc", "bias")):
        assert np.array_equal(own[layer][name], expected[layer][name])
    assert resnet50_file().stat().st_size > 100e6


def test_both_sides_are_medians_of_the_rounds_behind_the_first() -> None:
    rounds = [(90.0, 1.0), (3.0, 2.0), (1.0, 4.0), (2.0, 3.0)]
    comparison = measure(counted(*rounds, rounds=3, warm_up=True))
    assert (comparison.ours, comparison.theirs) == (2.0, 3.0)
    assert (comparison.ratio, comparison.requirement, comparison.holds) == (2 / 3, "<= 2", True)


def test_a_speed_up_must_reach_its_bound_and_a_cost_must_not_pass_it() -> None:
    assert measure(counted((1.0, 3.0), figure="speed-up")).holds
    assert not measure(counted((2.0, 3.0), figure="speed-up")).holds
    assert not measure(counted((5.0, 2.0))).holds


def test_json_gives_both_medians_in_their_unit() -> None:
    comparisons = [measure(counted((1.0, 2.0))), measure(counted((512.0, 1024.0), unit="MiB"))]
    content = json.loads(json.dumps(bench_json(comparisons)))
    assert content.keys() == {"machine_info", "ratios"}
    time, memory = content["ratios"]
    assert list(time) == ["name", "what", "figure", "ratio", "requirement", "holds", "seconds", "mebibytes"]
    assert (time["seconds"], time["mebibytes"]) == ([1.0, 2.0], None)
    assert (memory["seconds"], memory["mebibytes"], memory["ratio"]) == (None, [512.0, 1024.0], 0.5)


def test_a_command_measures_one_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(benches._entries, "stub", counted((1.0, 2.0)))
    for name in _THREADS:  # which the command sets
        monkeypatch.setenv(name, "1")
    result = command("bench", "stub", "--json")
    assert (result.exit_code, result.stderr) == (0, "measuring stub\n")
    assert json.loads(result.stdout)["ratios"][0]["ratio"] == 0.5
    assert "resnet50-array" in refusal("bench", "resnet50-aray")


def test_resnet50_is_measured_by_products_of_all_its_layers_and_by_a_process_of_its_own() -> None:
    assert products() > 0.0
    assert 50 < peak(values="off", settings=["detail=group"]) < 500
