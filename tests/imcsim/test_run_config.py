"""What a run's `config.yaml` holds is read back as it was, whatever names and numbers it holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imcsim.run_config import RunConfig, config_text, read_run_file
from simcore import ConfigError, FileError

MISREAD = ["1e3", "on", "0x1f", "1:30", "~", "a: b", "# c", "null", "1_000", "2020-01-01", "*a", ".inf", "<<"]
TEXT = st.sampled_from(MISREAD) | st.text(st.characters(codec="utf-8"), max_size=120)
NUMBERS = st.integers(-(10**18), 10**18) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    TEXT | NUMBERS | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT.filter(bool), inner, max_size=3),
    max_leaves=6,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(TEXT, st.dictionaries(TEXT.filter(lambda key: key not in ("", "extends")), VALUES, max_size=4))
def test_a_configuration_is_read_back_as_it_was_written(
    tmp_path: Path, name: str, parameters: dict[str, object]
) -> None:
    config = RunConfig(workload=name, data=name, machine={"extends": name, **parameters})
    file = tmp_path / "config.yaml"
    file.write_text(config_text(config), encoding="utf-8")
    back = read_run_file(file, {})
    assert back.config == config
    assert (back.machine.extends, back.machine.values) == (name, parameters)


def test_changes_go_over_what_the_file_says_and_take_the_blame(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(config_text(RunConfig(workload="a", images=3, machine={"extends": "b"})))
    assert read_run_file(file, {"images": 5}).config.images == 5
    with pytest.raises(ConfigError, match=r"^images must be >= 1 image, got 0$"):
        read_run_file(file, {"images": 0})


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_bytes(b"\xff")
    with pytest.raises(FileError, match=":1 - is not UTF-8 text; is it a workload"):
        read_run_file(file, {})
