"""The examples run and print what they say."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_sharing_converters_saves_area_until_their_turns_outlast_a_product(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runpy.run_path(str(EXAMPLES / "shared_converters.py"), run_name="__main__")
    _, *rows = capsys.readouterr().out.splitlines()
    table = [
        [
            float(cell.strip("%").replace(",", ""))
            for cell in row.split()
            if cell[0].isdigit() and cell != "mm2"
        ]
        for row in rows
    ]
    areas, rates = [row[1] for row in table], [row[2] for row in table]
    assert areas == sorted(areas, reverse=True)
    # up to 16 bitlines x 8 cycles fit into the 130 cycles of a product; conv2 and conv3 have 32
    assert rates[:5] == [120_192] * 5
    assert rates[5] == 61_035


def test_digits_are_learned_at_any_of_the_rates_and_a_batch_is_drawn(tmp_path: Path) -> None:
    study = runpy.run_path(str(EXAMPLES / "pipelayer_training.py"))
    runs = {shift: study["trained"](shift) for shift in study["SHIFTS"]}
    losses = {shift: run.summary["training"]["loss"] for shift, run in runs.items()}
    assert losses[1][-1] < losses[2][-1] < losses[3][-1] < losses[3][0]
    assert len(study["table"](runs).splitlines()) == 1 + len(runs)
    picture = tmp_path / "training.png"
    study["save_figure"](study["draw"](runs, study["trained"](images=8, batch=8)), picture)
    assert picture.stat().st_size > 10_000


def test_latency_grows_with_the_load_and_closed_loops_fill_the_machine(tmp_path: Path) -> None:
    study = runpy.run_path(str(EXAMPLES / "load_study.py"))
    run = study["measured"]("dataflow", (0.3, 0.9, 1.05), 60)
    head, *points = study["over_load"](run)
    means = [float(row[2]) for row in points[:-1]]
    assert run.alone * 1e6 <= means[0] < means[1]
    assert points[-1][2:] == ("", "", "", "", "")
    assert len(study["table"]([head, *points]).splitlines()) == 5
    _, one, two = study["closed_loops"]("dataflow", (1, 2), 9)
    assert one[2:] == (f"{run.alone * 1e6:.2f}",) * 2
    assert two[1] == f"{float(run.saturated):,.0f}" == "120,192"
    run.save(tmp_path / "load.png")
    assert (tmp_path / "load.png").stat().st_size > 10_000


@pytest.mark.slow
def test_accuracy_depends_on_converters_cells_noise_and_time(tmp_path: Path) -> None:
    study = runpy.run_path(str(EXAMPLES / "device_accuracy.py"))
    questions = [study["coarse"](question) for question in study["QUESTIONS"]]
    found = [(question, study["answer"](question, images=20, seeds=1)) for question in questions]
    by_title = {question.title: answers for question, answers in found}
    for network in study["COLOURS"]:
        few, _, many = by_title["Converters"][network, "range: weights"]
        assert few < 0.5 < 0.9 <= many
        assert by_title["Converters"][network, "range: calibrated"][0] > few
        quiet, _, loud = by_title["Programming noise"][network, "a signed cell a weight"]
        assert quiet >= 0.9
        assert loud < quiet
        raw, compensated = (by_title["Drift of PCM"][network, way] for way in ("as it is", "compensated"))
        assert raw[0] == compensated[0]
        assert raw[-1] < compensated[-1]
        mild, strong = (
            by_title["Cells in differential pairs"][network, way] for way in ("programming noise 5 %", "15 %")
        )
        assert sum(strong) < sum(mild)
    for question, answers in found:
        assert len(study["table"](question, answers).splitlines()) == 1 + len(answers)
    picture = tmp_path / "accuracy.png"
    study["save_figure"](study["draw"](found), picture)
    assert picture.stat().st_size > 10_000


@pytest.mark.slow
def test_memory_and_cores_buy_what_the_study_says(tmp_path: Path) -> None:
    study = runpy.run_path(str(EXAMPLES / "frontiers_study.py"))
    trade = study["memory_against_latency"]("resnet32-ibm", (1024, 256))
    for points in trade.values():
        memory, latency = [p.memory for p in points], [p.latency for p in points]
        assert memory == sorted(memory)
        assert max(latency) < 1.01 * min(latency)
    sequential = study["layer_after_layer"]("resnet32-ibm")
    assert sequential.memory > 9 * trade[1024][0].memory
    assert sequential.latency > 8 * trade[1024][0].latency
    climbs = study["ladders"]({"resnet32-ibm": (1024, 128), "resnet18": (3136, 784)})
    for (slow, fast), interval in zip(climbs.values(), (128, 784), strict=True):
        assert fast.cores > slow.cores
        assert fast.interval == interval * study["STEP_CYCLES"] < slow.interval
        assert fast.latency < slow.latency
    reads = study["ports"]("resnet32-ibm", 64, (4, 64))
    assert reads["whole-window"][0].interval > 2 * reads["new-columns"][0].interval
    assert reads["whole-window"][1].interval == reads["new-columns"][1].interval == 64 * 130
    for rows in (trade, climbs, reads):
        assert len(study["table"]("points", rows).splitlines()) == 1 + sum(map(len, rows.values()))
    picture = tmp_path / "study.png"
    study["save_figure"](study["draw"](trade, sequential, climbs, reads, (4, 64)), picture)
    assert picture.stat().st_size > 10_000


def test_few_clusters_cost_accuracy_and_retraining_gets_it_back(tmp_path: Path) -> None:
    study = runpy.run_path(str(EXAMPLES / "composer_study.py"))
    found = {name: study["study"](name, sizes=(4, 64)) for name in study["NETWORKS"]}
    for baseline, clustered, retrained in found.values():
        assert baseline - clustered[64] < 0.003
        assert clustered[4] < retrained[4] < baseline
    assert len(study["table"](found).splitlines()) == 1 + 2 * len(found)
    for name in study["NETWORKS"]:
        losses, kept = study["rounds"](name)
        assert min(losses) == losses[kept] < losses[0]
        assert kept > 0
    picture = tmp_path / "clusters.png"
    study["save_figure"](study["draw"](found), picture)
    assert picture.stat().st_size > 10_000


@pytest.mark.slow
def test_channels_of_their_own_are_worth_what_the_study_says(tmp_path: Path) -> None:
    study = runpy.run_path(str(EXAMPLES / "fabric_study.py"))
    needed = study["needed_bytes"]()
    for network, found in needed.items():
        assert all(found["5pp"] < found[rival] for rival in ("mesh", "torus", "ring")), network
    small, widths = study["SMALL"], (16, 32)
    climbs = study["by_width"](small, "link", widths)
    assert [found.interval for found in climbs["5pp"]] == [64 * 130] * 2
    for rival in ("mesh", "torus", "ring"):
        half, whole = climbs[rival]
        assert half.interval > 1.9 * whole.interval == 1.9 * 64 * 130
    narrow = study["by_fidelity"]([small], fidelities=("ideal", "link"))
    exact = {
        fidelity: study["by_width"](small, fidelity, (16, 64), ["mesh"], images=1)["mesh"]
        for fidelity in study["FIDELITIES"]
    }
    ideal, link, flit = (exact[fidelity] for fidelity in study["FIDELITIES"])
    assert ideal[0].makespan < link[0].makespan < flit[0].makespan
    assert ideal[1].makespan == link[1].makespan
    assert len(study["fidelity_table"](narrow).splitlines()) == 1 + len(narrow)
    picture = tmp_path / "fabrics.png"
    study["save_figure"](study["draw"](needed, (16, 64), climbs, exact, narrow), picture)
    assert picture.stat().st_size > 10_000


def test_fewer_clusters_are_slower_and_shared_rnas_take_turns(tmp_path: Path) -> None:
    study = runpy.run_path(str(EXAMPLES / "lookup_neurons.py"))
    clusters, sharing = study["by_clusters"]((4, 64), 4), study["by_sharing"]((1, 2), 4)
    assert clusters[4].interval > clusters[64].interval
    assert sharing[2].interval > 2 * sharing[1].interval
    assert sharing[2].accuracy == sharing[1].accuracy
    assert len(study["table"](clusters, sharing).splitlines()) == 1 + 2 + 2
    neurons = study["run"]([], 2)["neuron_cycles"]
    assert set(neurons) == set(study["expected"]()) - {"pool1", "pool2"}
    blocks = study["by_block"](("mnist-mlp", "mnist-mlp, sigmoid"))
    for shares in blocks.values():
        assert sum(shares.time.values()) == pytest.approx(1)
        assert sum(shares.energy.values()) == pytest.approx(1)
        assert shares.time["counting"] + shares.time["adding"] > 0.99
    plain, sigmoid = blocks.values()
    assert plain.time["activating"] == 0 < sigmoid.time["activating"]
    assert len(study["block_table"](blocks).splitlines()) == 1 + len(blocks)
    picture = tmp_path / "neurons.png"
    study["save_figure"](study["draw"](neurons, clusters, sharing, blocks), picture)
    assert picture.stat().st_size > 10_000


@pytest.mark.slow
def test_reprogramming_takes_a_hundred_times_as_long_where_the_study_says(tmp_path: Path) -> None:
    study = runpy.run_path(str(EXAMPLES / "basisn_study.py"))
    name = "resnet18-cifar100"  # 698 tiles
    study["COLOURS"][name] = "#2F6DA8"
    found = list(study["questions"]([name], (30, 3_000), (4, 32), (4,), (8, 64, 1024), (1, 64)))
    writing, density, crossbars, batch = (question.lines[name, False] for question in found)
    assert writing[1][1] < study["CLAIM"] < writing[0][1]
    assert writing[0][1] / writing[1][1] == pytest.approx(100, rel=0.1)
    packed, random = density[0], found[1].lines[name, True][0]
    assert packed[1] < random[1]
    assert packed[2] < random[2]
    assert packed[1] < density[1][1]
    assert max(crossbars[0][1], crossbars[1][1]) < study["CLAIM"] < crossbars[2][1]  # which holds all weights
    assert batch[0][1] < study["CLAIM"] < batch[1][1]
    assert len(study["table"](found).splitlines()) == 1 + 5
    study["check"](name)
    picture = tmp_path / "study.png"
    study["save_figure"](study["draw"](found), picture)
    assert picture.stat().st_size > 10_000


def test_a_study_of_bases_has_a_row_for_every_number(capsys: pytest.CaptureFixture[str]) -> None:
    study = runpy.run_path(str(EXAMPLES / "basis_study.py"))
    study["SWEEPS"].clear()
    study["SWEEPS"]["nonzeros"] = (1, 8)
    study["main"](("digits-mlp",))
    title, *rows = capsys.readouterr().out.splitlines()
    assert title.startswith("digits-mlp: nonzeros")
    table = [[float(cell.strip("%")) for cell in row.split()] for row in rows]
    assert [row[0] for row in table] == [1, 8]
    assert table[1][1] < table[0][1]
    assert table[1][2] > 90


def test_products_of_a_causal_block_take_longer_the_more_a_token_sees(tmp_path: Path) -> None:
    example = runpy.run_path(str(EXAMPLES / "transformer_timeline.py"))
    run = example["block"](multipliers=32)
    activity = run.recorded
    products = activity.unit == activity.units.index("core[block1-scores].attention")
    products &= activity.state == activity.states.index("busy:product")
    # 64 features of each key that is seen, for 32 multipliers
    assert activity.duration[products].tolist() == [2 * seen for seen in range(1, 17)] * 2
    picture = tmp_path / "timeline.png"
    example["save_figure"](example["draw"](run), picture)
    assert picture.stat().st_size > 10_000


def test_decoded_tokens_take_the_whole_way_and_longer_the_more_they_read(tmp_path: Path) -> None:
    study = runpy.run_path(str(EXAMPLES / "decoding_study.py"))
    found = study["study"]()
    tokens = study["TOKENS"]
    assert list(found) == ["dataflow", "isaac"]
    for machine, runs in found.items():
        given, half, alone = (runs[prompt] for prompt in (tokens, tokens // 2, 1))
        assert (given.read == half.read).all()
        assert (given.read == given.read[0] * range(1, tokens + 1)).all()
        prefill, decode = half.intervals[: tokens // 2 - 1], half.intervals[tokens // 2 - 1 :]
        assert decode.min() > 5 * prefill.max(), machine
        assert alone.intervals[-1] > alone.intervals[0]
        assert half.out[tokens // 2 - 1] == given.out[tokens // 2 - 1]
    assert len(study["table"](found).splitlines()) == 1 + 2 * 3
    picture = tmp_path / "decoding.png"
    study["save_figure"](study["draw"](found), picture)
    assert picture.stat().st_size > 10_000


def test_networks_meet_at_the_host_and_on_a_bus_but_not_on_a_mesh(tmp_path: Path) -> None:
    study = runpy.run_path(str(EXAMPLES / "sharing_study.py"))
    cases = {name: case for name, case in study["CASES"].items() if case.arch == "dataflow"}
    full = {name: study["shared"](case) for name, case in cases.items()}
    late = {name: study["causes"](networks["digits-cnn"]) for name, networks in full.items()}
    assert late["dataflow, as it is"]["wait-resource"] > 0.9
    assert late["dataflow, narrow bus"]["blocked-output"] > 1
    assert abs(sum(late["dataflow, narrow mesh"].values())) < 0.01
    assert full["dataflow, narrow mesh"]["digits-cnn"]["causes"]["links"] == []
    slower = study["slowdowns"](cases["dataflow, as it is"], full["dataflow, as it is"], study["LOADS"])
    assert slower == sorted(slower)
    # The host gives each half of its time, whatever more the other asks for.
    assert slower[2] == slower[-1] < 2
    found = dict.fromkeys(cases, slower)
    picture = tmp_path / "sharing.png"
    study["save_figure"](study["draw"](found | {"isaac, host at 20 MB/s a link": slower}, full), picture)
    assert picture.stat().st_size > 10_000
    assert len(study["cause_table"](full).splitlines()) == 1 + 2 * len(full)


def test_a_run_has_its_figures_and_two_runs_their_difference(tmp_path: Path) -> None:
    example = runpy.run_path(str(EXAMPLES / "run_figures.py"))
    drawn = dict(example["figures"](example["streamed"](images=2), example["requested"](images=5)))
    assert set(drawn) == {path.stem for path in (EXAMPLES.parent / "docs" / "images").glob("figure-*.png")}
    for name, figure in drawn.items():
        example["save_figure"](figure, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000
    found = example["compared"]()
    assert [setting.path for setting in found.settings] == ["core.crossbar.mvm_cycles"]
    assert found.divergence.unit == "core[conv1].crossbar[0,0]"
    causes = found.cycles.by_cause
    assert sum(cause.difference for cause in causes) == found.cycles.unit_cycles.difference < 0


def test_twenty_changes_are_predicted_exactly_or_the_reason_is_told() -> None:
    study = runpy.run_path(str(EXAMPLES / "what_if_study.py"))
    cases = study["CASES"]
    assert sum(len(case.questions) for case in cases) == 20
    assert {case.machine for case in cases} == {
        "dataflow", "isaac", "pipelayer", "rapidnn", "basisn", "reprogrammed",
    }  # fmt: skip
    for case in (case for case in cases if case.machine in ("pipelayer", "rapidnn", "basisn")):
        for answer in study["answers"](case):
            assert (answer.error, answer.order_kept, answer.reasons) == (0, True, ())
        assert len(list(study["rows"](case, study["answers"](case)))) == len(case.questions)


@pytest.mark.slow
def test_all_twenty_changes_are_predicted_exactly_or_the_reason_is_told() -> None:
    study = runpy.run_path(str(EXAMPLES / "what_if_study.py"))
    found = [answer for case in study["CASES"] for answer in study["answers"](case)]
    exact = [answer for answer in found if answer.error == 0]
    assert len(exact) >= 18
    assert all(answer.reasons for answer in found if answer not in exact)
