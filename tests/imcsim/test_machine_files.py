"""Machine files and settings: read with places, and errors of the validation that point back to them."""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imcsim.machine_files import located, parse_setting, read_machine_file
from simcore.config import Config, InvalidConfigError, param
from simcore.errors import ConfigError, FileError, SimError
from simcore.settings import assign_all, overlay

MACHINES = ["dataflow", "isaac"]


class AdcConfig(Config):
    bits: int = param(8, ge=1, le=12, unit="bit", doc="resolution")
    sample: float = param(1.0, gt=0, unit="ns", doc="time to sample")


class ChipConfig(Config):
    adc: AdcConfig = param(AdcConfig(), unit="", doc="converter")
    layers: dict[str, AdcConfig] = param({}, unit="", doc="converters by layer")
    gate: bool = param(True, unit="", doc="idle parts are switched off")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "my.yaml"


def test_a_file_gives_its_machine_and_values(file: Path) -> None:
    file.write_text("extends: dataflow\nadc:\n  bits: 6\n", encoding="utf-8-sig")
    machine = read_machine_file(file, MACHINES)
    assert (machine.extends, machine.values) == ("dataflow", {"adc": {"bits": 6}})
    assert machine.position("adc.bits") == f"{file}:3:3"
    assert machine.position("adc.sample") == f"{file}:2:1"
    assert machine.position("gate") == ""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", " - must be a mapping with a key `extends`; name the machine to start from: dataflow, isaac"),
        (
            b"- a",
            " - must be a mapping with a key `extends`; name the machine to start from: dataflow, isaac",
        ),
        (b"adc: {}", " - has no key `extends`; name the machine to start from: dataflow, isaac"),
        (b"\nextends: issac", ":2:1 extends - no machine is called 'issac'; did you mean 'isaac'?"),
        (b"extends: [a]", ":1:1 extends - no machine is called ['a']; known: dataflow, isaac"),
        (b"extends: isaac\nextends: isaac", ":2:1 extends - is written twice, first in line 1; keep one"),
        (b"a: 1\nb: \xff", ":2 - is not UTF-8 text; is it a machine file?"),
    ],
)
def test_a_file_that_is_no_machine_file_is_refused(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(FileError) as caught:
        read_machine_file(file, MACHINES)
    assert str(caught.value) == f"{file}{message}"


def test_a_file_that_cannot_be_read_is_an_error_with_a_next_step(file: Path) -> None:
    with pytest.raises(FileError, match=r"No such file or directory; name a machine file$"):
        read_machine_file(file, MACHINES)
    with pytest.raises(FileError, match="Is a directory"):
        read_machine_file(file.parent, MACHINES)
    with pytest.raises(FileError, match="null byte"):
        read_machine_file("a\0b", MACHINES)
    file.write_bytes(b"# " * 2**20)
    with pytest.raises(FileError, match="larger than 1048576 bytes"):
        read_machine_file(file, MACHINES)


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("x=0.5", ("x", 0.5)),
        ("x=true", ("x", True)),
        ('x="abc"', ("x", "abc")),
        ("x=130ns", ("x", "130ns")),
        ("x=[1,2]", ("x", [1, 2])),
        ("x={a: 1}", ("x", {"a": 1})),
        ("x=null", ("x", None)),
        ("x=''", ("x", "")),
        ("x=a=b", ("x", "a=b")),
        ("layers.layer1.0.conv1.replication=1e3", ("layers.layer1.0.conv1.replication", 1000)),
    ],
)
def test_a_setting_is_a_path_and_a_yaml_value(text: str, setting: tuple[str, object]) -> None:
    assert parse_setting(text) == setting


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "--set must be path=value, as in core.adc.bits=6, got 'x'"),
        ("=3", "--set must be path=value, as in core.adc.bits=6, got '=3'"),
        ("a..b=3", "--set must be path=value, as in core.adc.bits=6, got 'a..b=3'"),
        ("x=", "--set x - has no value; write null for none, or quotes for empty text"),
        ("x=#3", "--set x - has no value; write null for none, or quotes for empty text"),
        ("x=1:30", "--set x - is 1:30, which is of base 60 to some readers of YAML; quote it as text"),
        ("x=[1", "--set x - is no valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("x={y: .inf}", "--set x.y - is .inf, which is no finite number"),
    ],
)
def test_a_setting_that_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_setting(text)
    assert str(caught.value) == message


def test_problems_are_shown_where_the_user_wrote_the_value(file: Path) -> None:
    file.write_text("extends: isaac\nadc:\n  bits: 16\n  bitz: 3\n  sample: 5 pJ\nlayers: {a.b: {bits: 0}}\n")
    machine = read_machine_file(file, MACHINES)
    writings = [parse_setting("gate=on"), parse_setting("adc.sample=-1")]
    merged = assign_all(overlay(ChipConfig().canonical(), machine.values), writings, ChipConfig)
    with pytest.raises(InvalidConfigError) as caught:
        ChipConfig.parse(merged, where="isaac")
    assert str(located(caught.value, machine, [path for path, _ in writings])).splitlines() == [
        f"{file}:3:3 adc.bits - must be in [1, 12] bit, got 16",
        "--set adc.sample - must be > 0 ns, got -1",
        f"{file}:4:3 adc.bitz - is unknown; did you mean 'bits'?",
        f"{file}:6:16 layers.a.b.bits - must be in [1, 12] bit, got 0",
        "--set gate - must be true or false, got 'on'",
    ]
    assert str(located(caught.value, None)) == str(caught.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200) | st.text().map(lambda text: f"extends: isaac\n{text}".encode(errors="replace"))
)
def test_any_content_is_read_or_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with suppress(SimError):
        read_machine_file(file, MACHINES)


@given(st.text() | st.text().map(lambda text: f"a.b={text}"))
def test_any_setting_is_read_or_refused(text: str) -> None:
    with suppress(SimError):
        parse_setting(text)


def test_reading_a_machine_file_loads_nothing_heavy() -> None:
    code = "import sys, imcsim.machine_files; print({'numba', 'networkx', 'matplotlib'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
