"""The README's listings do what it says."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import imcsim
from imcsim.cli import main
from imcsim.testing import check_component
from simcore import components

README = (Path(__file__).parents[1] / "README.md").read_text()
LISTING, FACADE = (
    next(code for code in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if mark in code)
    for mark in ("class SarADC", "import imcsim")
)
RUN = ["run", "digits-resnet", "--arch", "dataflow", "--images", "4", "--json"]


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("readme") / "sar_adc.py"
    path.write_text(LISTING)
    return path


def called(*words: str | Path) -> str:
    done = CliRunner().invoke(main, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_converter_is_30_lines_at_most() -> None:
    assert len(LISTING.splitlines()) <= 30


def test_the_converter_is_slower_and_cheaper_and_as_right(plugin: Path) -> None:
    built_in = json.loads(called(*RUN))
    own = json.loads(called(*RUN, "--plugin", plugin, "--set", "core.adc.kind=sar-adc"))
    assert own["outputs_match_golden"] is True
    assert own["latency_s"]["mean"] > built_in["latency_s"]["mean"]
    assert own["energy_j"]["by_component"]["adc"] < built_in["energy_j"]["by_component"]["adc"]
    assert own["area_mm2"]["by_component"]["adc"] < built_in["area_mm2"]["by_component"]["adc"]


def test_the_converter_slows_the_pipeline_once_its_turns_outlast_a_product(plugin: Path) -> None:
    settings = ("--set", "core.adc.kind=sar-adc", "--set", "core.adc.bitlines=32")
    own = json.loads(called(*RUN, "--plugin", plugin, *settings))
    # 16 channels x 8 bits hide behind a product's 130 cycles, 32 channels do not.
    assert own["initiation_interval_cycles"] == 64 * 130
    wide = json.loads(called(*RUN[:1], "digits-cnn", *RUN[2:], "--plugin", plugin, *settings))
    assert wide["initiation_interval_cycles"] == 64 * 32 * 8


def test_the_converter_is_described_and_has_its_own_units(plugin: Path, tmp_path: Path) -> None:
    assert "bitlines that take turns" in called("describe", "sar-adc", "--plugin", plugin)
    run = imcsim.run(
        "digits-mlp", arch="dataflow", plugins=[plugin], settings=["core.adc.kind=sar-adc"], record=True
    )
    converters = [unit for unit in run.units if unit.kind == "sar-adc"]
    assert len(converters) == 3
    assert all(unit.cycles["busy:convert"] > 0 for unit in converters)
    assert run.activity is not None
    assert {unit.path for unit in converters} <= set(run.activity.units)


def test_the_converter_keeps_the_rules(plugin: Path) -> None:
    called("list", "--plugin", plugin)
    check_component(components["sar-adc"])


def test_the_facade_listing_runs(capsys: pytest.CaptureFixture[str]) -> None:
    exec(FACADE, {})
    assert capsys.readouterr().out.split() == ["138091", "1.0", "(16,", "10,", "1,", "1)"]
