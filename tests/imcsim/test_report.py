"""The HTML report of real runs, opened from disk: it is quiet, shows what the JSON says, and reacts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import imcsim
from simcore.errors import SimError
from tests.browser import chromium
from tests.imcsim.report_browser import OpenReport, at_pointer, opened, shows
from tests.traces.report_page import read_page
from tests.traces.test_html_report import explanation_of, noisy_activity
from traces import write_html_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SECTIONS = ("summary", "timeline", "stacks", "machine", "links", "buffers", "energy", "path", "channels")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def resnet() -> imcsim.Run:
    return imcsim.run("digits-resnet", "dataflow", images=3, values="off", record=True)


@pytest.fixture(scope="module")
def resnet_page(resnet: imcsim.Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("resnet") / "report.html"
    resnet.save_report(path)
    return path


@pytest.fixture
def report(browser: Browser, resnet_page: Path) -> Iterator[OpenReport]:
    with opened(browser, resnet_page) as page:
        yield page
        assert (page.complaints, page.requests) == ([], [])


def check(page: OpenReport, run: imcsim.Run) -> None:
    """Assert that a page is quiet and whole, and that all its figures are those of the run."""
    assert (page.complaints, page.requests) == ([], [])
    told = {"summary": run.summary, "explanation": json.loads(json.dumps(run.explain().summary))}
    numbers = page.numbers()
    assert [(p, t, at_pointer(told, p)) for p, t in numbers if not shows(t, at_pointer(told, p))] == []
    assert "/summary/cycles" in dict(numbers)
    for section in SECTIONS:
        assert page.page.locator(f"#{section} .card").count() > 0, section
    totals = page.ask(
        "return [...document.querySelectorAll('.stack[data-total]')].map(bar => "
        "[...bar.children].reduce((sum, part) => sum + Number(part.dataset.share), 0))"
    )
    assert totals == pytest.approx([1.0] * sum(layer.units > 0 for layer in run.explain().layers), abs=1e-9)


MACHINES = ("dataflow", "isaac", "pipelayer", "rapidnn", "basisn", "reprogrammed")


@pytest.mark.parametrize("machine", MACHINES)
def test_every_machine_has_a_report_whose_figures_are_those_of_the_json(
    browser: Browser, machine: str, tmp_path: Path
) -> None:
    run = imcsim.run("digits-cnn", machine, images=2, values="off", out=tmp_path)
    (path,) = imcsim.export_run(tmp_path, "html")
    assert path == tmp_path / "report.html"
    with opened(browser, path) as page:
        check(page, run)
        assert page.page.title() == f"digits-cnn on {machine}"
        assert page.page.locator("#machine [data-group]").count() == sum(
            group.units > 0 for group in run.explain().groups
        )


def test_links_of_a_fabric_are_a_heat_map(browser: Browser, tmp_path: Path) -> None:
    settings = ["fabric.topology.kind=mesh", "fabric.fidelity=link"]
    run = imcsim.run("digits-mlp", "dataflow", settings=settings, values="off", record=True)
    run.save_report(tmp_path / "report.html")
    with opened(browser, tmp_path / "report.html") as page:
        check(page, run)
        drawn = page.ask("return [...document.querySelectorAll('[data-link]')].map(e => e.dataset.link)")
    assert sorted(drawn) == sorted(link.path for link in run.explain().links)
    assert len(drawn) > 4


def test_a_run_without_a_recording_says_what_is_missing(browser: Browser, tmp_path: Path) -> None:
    run = imcsim.run("digits-mlp", "dataflow", values="off", record=False)
    run.save_report(tmp_path / "report.html")
    with opened(browser, tmp_path / "report.html", color_scheme="dark") as page:
        check(page, run)
        for section in ("timeline", "path"):
            missing = page.page.locator(f"#{section} .missing").inner_text()
            assert missing.endswith("run it anew with --out DIR, or record=True in Python.")


def test_a_run_that_wrote_a_trace_is_to_be_run_without_one(browser: Browser, tmp_path: Path) -> None:
    run = imcsim.run("digits-mlp", "dataflow", values="off", trace=tmp_path / "run.parquet")
    run.save_report(tmp_path / "report.html")
    with opened(browser, tmp_path / "report.html") as page:
        check(page, run)
        for section in ("timeline", "path", "buffers"):
            missing = page.page.locator(f"#{section} .missing").inner_text()
            assert "run it anew without --trace" in missing


@pytest.mark.parametrize("arch", ["dataflow", "isaac"])
def test_a_narrow_page_scrolls_its_tables_not_itself(browser: Browser, tmp_path: Path, arch: str) -> None:
    imcsim.run("digits-cnn", arch, values="off", record=True).save_report(tmp_path / "report.html")
    with opened(browser, tmp_path / "report.html", viewport={"width": 420, "height": 800}) as page:
        assert page.ask("return document.documentElement.scrollWidth") == 420
        width = "element => [element.scrollWidth, element.clientWidth]"
        table, room = page.page.locator("#stacks .scroll").evaluate(width)
        assert table > room
        reason = page.page.locator(".reasons li").first
        sentence, bar = (
            reason.locator("> span").nth(1).bounding_box(),
            reason.locator(".share").bounding_box(),
        )
        assert sentence is not None
        assert bar is not None
        assert sentence["y"] + sentence["height"] <= bar["y"]
        assert sentence["width"] > 280


def test_requests_and_networks_that_share_a_machine_are_told(browser: Browser, tmp_path: Path) -> None:
    load = imcsim.run("digits-mlp", "dataflow", images=3, values="off", arrivals="fixed:1e6", record=True)
    load.save_report(tmp_path / "load.html")
    with opened(browser, tmp_path / "load.html") as page:
        check(page, load)
        assert "Requests over time" in page.page.locator("#summary").inner_text()
    shared = imcsim.run(["digits-mlp", "digits-cnn"], "dataflow", values="off", record=True)
    shared.save_report(tmp_path / "shared.html")
    with opened(browser, tmp_path / "shared.html") as page:
        check(page, shared)
        assert "Networks that share the machine" in page.page.locator("#summary").inner_text()


def test_an_interrupted_run_has_no_report(tmp_path: Path, resnet: imcsim.Run) -> None:
    cut = imcsim.Run(**{**vars(resnet), "summary": {**resnet.summary, "interrupted": True}})
    with pytest.raises(SimError, match="run it to its end"):
        cut.save_report(tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def place(page: OpenReport, unit: str, tick: float) -> dict[str, float]:
    """Scroll a unit's lane into view and return where a tick of it is on the screen."""
    return page.ask(  # type: ignore[no-any-return]
        f"""const t = report.timeline;
        const row = t.rows.findIndex(row => t.data.units[row.lane] === {json.dumps(unit)});
        t.lanes.scrollIntoView({{block: "center"}});
        t.lanes.scrollTop = t.tops[row] - 100;
        const box = t.lanes.getBoundingClientRect();
        return {{x: box.left + t.x({tick}) + 1, y: box.top + 26 + t.tops[row] - t.lanes.scrollTop + 8}};"""
    )


def test_the_tooltip_tells_the_interval_under_the_pointer(report: OpenReport, resnet: imcsim.Run) -> None:
    activity = resnet.recorded
    caused = np.flatnonzero((activity.cause >= 0) & (activity.duration > 100))
    worked = np.flatnonzero((activity.cause < 0) & (activity.duration > 100))
    for row in (caused[0], caused[-1], worked[len(worked) // 2]):
        start, duration = int(activity.start[row]), int(activity.duration[row])
        report.ask(f"report.timeline.look({start - 200}, {start + duration + 200})")
        report.drawn()
        unit = activity.units[activity.unit[row]]
        at = place(report, unit, start + duration / 2)
        report.drawn()
        report.page.mouse.move(at["x"], at["y"])
        tip = report.page.locator("#tooltip")
        told = tip.inner_text().replace("\u2009", "")
        lines = [line for line in told.splitlines() if line.strip()]
        assert lines[0] == unit
        assert lines[1].strip() == activity.states[activity.state[row]]
        assert f"cycle {start}" in lines
        assert any(line.startswith(f"{duration} cycles (") for line in lines)
        cause = int(activity.cause[row])
        by = [line for line in lines if cause >= 0 and line.startswith(activity.units[cause])]
        assert len(by) == (cause >= 0)
        lag = int(activity.lag[row])
        assert not by or (f", {lag} cycles before" in by[0]) == (lag > 0)
        report.page.mouse.click(at["x"], at["y"])
        assert unit in report.page.locator("#picked").inner_text()


def window(page: OpenReport) -> tuple[float, float]:
    start, stop = page.ask("return [report.timeline.from, report.timeline.to]")
    return float(start), float(stop)


def test_the_wheel_the_mouse_and_keys_zoom_and_move(report: OpenReport, resnet: imcsim.Run) -> None:
    makespan = resnet.recorded.makespan
    at = place(report, "core[stem].crossbar[0,0]", makespan / 4)
    mouse, keyboard = report.page.mouse, report.page.keyboard
    mouse.move(at["x"], at["y"])
    keyboard.down("Control")
    mouse.wheel(0, -600)
    keyboard.up("Control")
    report.drawn()
    start, stop = window(report)
    assert stop - start == pytest.approx(makespan * np.exp(-0.96), rel=0.01)
    under = start + (stop - start) / 4
    assert under == pytest.approx(makespan / 4, abs=makespan / 100)  # what is under the pointer stays there
    mouse.down()
    mouse.move(at["x"] - 100, at["y"], steps=4)
    mouse.up()
    moved = window(report)
    assert moved[0] > start
    assert moved[1] - moved[0] == pytest.approx(stop - start)
    report.page.locator("#lanes").focus()
    keyboard.press("0")
    assert window(report) == (0, makespan)
    keyboard.press("+")
    assert window(report) == (makespan / 4, makespan * 3 / 4)
    keyboard.press("ArrowLeft")
    assert window(report)[0] < makespan / 4
    keyboard.press("0")
    strip = report.page.locator("#overview").bounding_box()
    assert strip is not None
    left = strip["x"] + report.ask("return report.timeline.gutter")
    width = strip["x"] + strip["width"] - 15 - left
    mouse.move(left + width / 2, strip["y"] + 20)
    mouse.down()
    mouse.move(left + width * 3 / 4, strip["y"] + 20, steps=4)
    mouse.up()
    assert window(report) == pytest.approx((makespan / 2, makespan * 3 / 4), rel=0.03)


def test_a_filter_shows_the_units_that_have_all_its_words(report: OpenReport, resnet: imcsim.Run) -> None:
    units = resnet.recorded.units
    report.page.locator("#filter").fill("Block1 crossbar")
    shown = report.units()
    assert sorted(shown) == sorted(u for u in units if "block1" in u and "crossbar" in u) != []
    assert report.page.locator("#lanes-told").inner_text() == f"{len(shown)} of {len(units)} units"
    nothing = report.page.locator("#lanes-missing")
    assert not nothing.is_visible()
    report.page.locator("#filter").fill("nonsense")
    assert nothing.inner_text() == "No unit has all of these words in its path."
    report.page.locator("#filter").fill("")
    assert not nothing.is_visible()
    assert sorted(report.units()) == sorted(units)
    report.page.get_by_role("button", name="show groups only").click()
    assert len(report.units()) == sum(group.units == 1 for group in resnet.explain().groups)


def test_a_click_on_a_heading_sorts(report: OpenReport, resnet: imcsim.Run) -> None:
    def column(n: int) -> list[str]:
        cells = report.page.locator(f"#stacks tbody tr td:nth-child({n})").all_inner_texts()
        return [cell.strip() for cell in cells]

    layers = resnet.explain().layers
    assert column(1) == [layer.layer for layer in layers]
    head = report.page.locator("#stacks th", has_text="energy")
    head.get_by_role("button").click()
    most_first = sorted(layers, key=lambda layer: -(layer.energy_j or 0))
    assert column(1) == [layer.layer for layer in most_first]
    assert head.get_attribute("aria-sort") == "descending"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert column(1)[-1] == most_first[0].layer
    report.page.locator("#stacks").get_by_role("tab", name="groups").click()
    assert column(1) == [group.group for group in resnet.explain().groups]
    report.page.locator("#stacks").get_by_role("tab", name="units").click()
    assert len(column(1)) == len(resnet.units)


def path_units(page: OpenReport) -> list[str]:
    """Return the units on the critical path, as the page has it."""
    found = page.ask("const t = report.timeline; return [...t.path.lane].map(lane => t.data.units[lane])")
    return [str(unit) for unit in found]


def test_the_critical_path_lies_in_the_timeline(report: OpenReport, resnet: imcsim.Run) -> None:
    path = report.ask("const p = report.timeline.path; return [[...p.start], [...p.duration]]")
    start, duration = np.array(path)
    assert start[0] == 0
    assert np.array_equal(start[1:], (start + duration)[:-1])
    assert start[-1] + duration[-1] == resnet.recorded.makespan
    before = report.page.locator("#lanes").screenshot()
    report.page.locator("#show-path").check()
    report.drawn()
    assert report.page.locator("#lanes").screenshot() != before
    aside = report.page.locator("#path-aside")
    assert not aside.is_visible()
    of_none = next(unit for unit in resnet.recorded.units if unit not in path_units(report))
    report.page.locator("#filter").fill(of_none)
    report.drawn()
    assert aside.inner_text().startswith("The critical path is not in view; its nearest step, from cycle ")
    aside.get_by_role("button", name="go there").click()
    report.drawn()
    assert not aside.is_visible()
    report.page.locator("#path tbody tr").last.scroll_into_view_if_needed()


def test_a_chosen_memory_is_drawn_with_what_it_held(report: OpenReport, resnet: imcsim.Run) -> None:
    buffer = max(resnet.recorded.buffers, key=lambda buffer: len(buffer.tick))
    report.page.locator("#buffers tbody tr", has_text=buffer.path).click()
    assert report.page.locator("#buffers select").input_value() == buffer.path
    tick = int(buffer.tick[len(buffer.tick) // 2])
    held = int(buffer.held[len(buffer.tick) // 2])
    report.ask(f"report.timeline.look({tick - 100}, {tick + 100})")
    report.drawn()
    canvas = report.page.locator("#buffers canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    report.page.mouse.move(box["x"] + 58 + (box["width"] - 66) * 0.5 + 1, box["y"] + 60)
    lines = report.page.locator("#tooltip").inner_text().replace("\u2009", "").split()
    assert lines[lines.index("holds") + 1] == str(held)


def test_names_of_users_do_nothing_in_the_page(browser: Browser, tmp_path: Path, resnet: imcsim.Run) -> None:
    evil = "<img src=x onerror=alert(1)></script><script>alert(2)</script>"
    text = json.dumps(resnet.explain().summary).replace("core[stem]", f"core[{evil}]").replace("block1", evil)
    activity = resnet.recorded
    renamed = [u.replace("core[stem]", f"core[{evil}]").replace("block1", evil) for u in activity.units]
    write_html_report(
        tmp_path / "report.html",
        summary={**resnet.summary, "workload": evil, "notes": [evil]},
        explanation=json.loads(text),
        activity=type(activity)(**{**vars(activity), "units": tuple(renamed)}),
        configuration=evil,
    )
    with opened(browser, tmp_path / "report.html") as page:
        assert (page.complaints, page.requests) == ([], [])
        assert page.page.locator("img").count() == 0
        assert page.page.title() == f"{evil} on dataflow"
        assert evil in page.page.locator("#stacks").inner_text()


@pytest.mark.slow
def test_a_report_of_ten_million_intervals_opens_and_reacts(
    browser: Browser, tmp_path: Path, resnet: imcsim.Run
) -> None:
    activity = noisy_activity(10_000, 1_000)
    explanation = {**large_explanation(resnet), **explanation_of(activity)}
    for row in (*explanation["units"], *explanation["groups"]):
        row |= {
            "family": "crossbar",
            "layer": None,
            "cycles": {"busy": 1},
            "busy_share": 1.0,
            "energy_j": None,
        }
    for group in explanation["groups"]:
        group["units"] = sum(unit["group"] == group["group"] for unit in explanation["units"])
    path = tmp_path / "report.html"
    write_html_report(path, summary=resnet.summary, explanation=explanation, activity=activity)
    about = read_page(path).json["timeline"]
    begun = perf_counter()
    with opened(browser, path) as page:
        ready = perf_counter() - begun
        assert (page.complaints, page.requests) == ([], [])
        report_told = page.page.locator("#timeline .note").first.inner_text()
        assert report_told.startswith(
            "10\u2009000\u2009000 intervals of 10\u2009000 units: exact to the tick until cycle"
        )
        frames = {}
        for what, script in {
            "expand": "report.timeline.expandAll(true)",
            "scroll": "report.timeline.lanes.scrollTop = 90000",
            "zoom": f"report.timeline.look(1000, {about['exact_until'] // 20})",
            "filter": "report.timeline.filter('crossbar[77')",
        }.items():
            begun = perf_counter()
            page.ask(script)
            page.drawn()
            frames[what] = f"{1e3 * (perf_counter() - begun):.0f} ms"
        page.page.wait_for_function("() => window.imcsimReport.then(report => report.timeline.drawnExactly)")
        page.ask("report.timeline.look(0, report.timeline.data.makespan)")
        page.drawn()
        assert page.ask("return report.timeline.drawnExactly") is False
    print(f"ready in {ready:.2f} s; {frames}")


def large_explanation(run: imcsim.Run) -> dict[str, Any]:
    """Return what an explanation says beside its units, of a run that has nothing else to tell."""
    told = dict(run.explain().summary)
    nothing: dict[str, Any] = {name: [] for name in ("layers", "causes", "bottlenecks", "buffers", "links")}
    return told | nothing | {"energy": None, "critical_path": None}
