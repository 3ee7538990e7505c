"""The part of YAML that everybody reads alike is read; all else is refused with its place."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from imcsim.strict_yaml import LARGEST, YamlError, read_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("+3", 3),
        ("0x1F", 31),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e3", 1000),
        ("1e-3", 0.001),
        ("1.5e3", 1500.0),
        ("1e30", 1e30),
        ("true", True),
        ("False", False),
        ("null", None),
        ("", None),
        ("# nothing", None),
        ("on", "on"),
        ("no", "no"),
        ("2026-01-31", "2026-01-31"),
        ("=", "="),
        ("130ns", "130ns"),
        ("0.13 us", "0.13 us"),
        ("'012'", "012"),
        ('"abc"', "abc"),
        ("[1, [a, {b: 2}]]", [1, ["a", {"b": 2}]]),
        ("{1: x, on: y}", {"1": "x", "on": "y"}),
    ],
)
def test_a_scalar_means_what_it_says(text: str, value: object) -> None:
    read = read_yaml(text, "f").value
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "a: 012",
            "f:1:4 a - is 012, which is octal to some readers of YAML; "
            "leave out the leading zero, or quote it",
        ),
        (
            "a: 0o17",
            "f:1:4 a - is 0o17, which is a number to some readers of YAML; "
            "write it as a decimal one, or quote it",
        ),
        (
            "a: 1_000",
            "f:1:4 a - is 1_000, which is a number to some readers of YAML; leave out the underscore",
        ),
        ("a: [1:30]", "f:1:5 a.0 - is 1:30, which is of base 60 to some readers of YAML; quote it as text"),
        ("a: -.inf", "f:1:4 a - is -.inf, which is no finite number"),
        ("a: 1e999", "f:1:4 a - is 1e999, which is beyond the largest number"),
        ("a: 9" + "9" * 5000, "f:1:4 a - is a number of 5001 characters; at most 400 are read"),
        ("a:\n  b: 1\n  c: 2\n  b: 3", "f:4:3 a.b - is written twice, first in line 2; keep one"),
        ("a: &x 1", "f:1:4 a - has an anchor &x; leave it out"),
        ("a: *x", "f:1:4 a - repeats *x; write the value out"),
        (
            "a: !!str 1",
            "f:1:4 a - has a tag tag:yaml.org,2002:str; leave it out, and quote what shall be text",
        ),
        (
            "a: !!python/name:os.system x",
            "f:1:4 a - has a tag tag:yaml.org,2002:python/name:os.system; "
            "leave it out, and quote what shall be text",
        ),
        ("a: {<<: {b: 1}}", "f:1:5 a - has a merge key; write the values out"),
        ("? [a]\n: 1", "f:1:3 - has a list, a mapping or an alias as a key; write text"),
        ("&k a: 1", "f:1:1 - has a key with an anchor or a tag; leave it out"),
        ("{'': 1}", "f:1:2 - has an empty key; name it"),
        ("a: 1\n---\nb: 2", "f:2:1 - starts a second document; write one"),
        ("a: [1, 2", "f:1:9 - is no valid YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: b: c", "f:1:5 - is no valid YAML: mapping values are not allowed here"),
        ("a: 1\nb: \x00", "f:2:4 - holds the unprintable character '\\x00'"),
        ('a: "\\ud800"', "f:1:4 a - holds half of a surrogate pair; write the character itself"),
        ('a: "\\UFFFFFFFF"', "f:1:1 - is no valid YAML (OverflowError)"),
        ("[" * 200, "f:1:102 - is nested deeper than 100 levels"),
        ("- " * 5000, "f:1:203 - is nested deeper than 100 levels"),
        ("a" * (LARGEST + 1), f"f:1:1 - is {LARGEST + 1} characters long; at most {LARGEST} are read"),
    ],
)
def test_what_readers_disagree_on_is_refused_with_its_place(text: str, line: str) -> None:
    with pytest.raises(YamlError) as caught:
        read_yaml(text, "f")
    assert str(caught.value) == line


def test_all_problems_come_at_once_up_to_a_limit() -> None:
    with pytest.raises(YamlError) as caught:
        read_yaml("a: 012\nb: *x\nc: [", "f")
    assert [line[:5] for line in str(caught.value).splitlines()] == ["f:1:4", "f:2:4", "f:3:5"]
    with pytest.raises(YamlError) as caught:
        read_yaml("a: 1\n" * 30, "f")
    assert str(caught.value).splitlines()[20:] == ["f - has 9 more problems"]


def test_keys_and_elements_have_places() -> None:
    text = "core:\n  adc: {kind: sar, bits: 6}\nlist:\n  - 1\n  - a.b: 2\n"
    assert read_yaml(text, "f").lines == {
        "core": (1, 1),
        "core.adc": (2, 3),
        "core.adc.kind": (2, 9),
        "core.adc.bits": (2, 20),
        "list": (3, 1),
        "list.0": (4, 5),
        "list.1": (5, 5),
        "list.1.a.b": (5, 5),
    }


#: Text that some readers of YAML take for a number: a common writer leaves 08 and 0E0 without quotes.
NUMBER_TO_SOMEBODY = re.compile(r"[-+.]?[0-9][-+0-9_.:eExob]*")
texts = st.text().filter(lambda text: not NUMBER_TO_SOMEBODY.fullmatch(text))
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
)


@given(plain)
def test_plain_data_written_by_a_common_writer_reads_back_equal(value: Any) -> None:
    assert read_yaml(yaml.safe_dump(value), "f").value == value


def test_text_that_is_a_number_to_somebody_is_no_text_without_quotes() -> None:
    assert read_yaml(yaml.safe_dump("0E0"), "f").value == 0
    with pytest.raises(YamlError, match="octal to some readers of YAML; leave out the leading zero"):
        read_yaml(yaml.safe_dump("08"), "f")
    assert read_yaml('["0E0", "08"]', "f").value == ["0E0", "08"]


WORDS = [
    "a",
    "012",
    "1:30",
    "&x ",
    "*x",
    "!t ",
    "!!int ",
    "<<",
    "%YAML 9.9\n",
    "---\n",
    "...\n",
    "|\n",
    ">-\n",
]
MARKS = list(": ?-[]{},'\"\\#\n\t\0\ufeff\ud800")


@given(st.text() | st.lists(st.sampled_from(WORDS + MARKS), max_size=30).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(YamlError):
        read_yaml(text, "f")
