"""YAML cut down to what every reader of it understands alike, with the place of each value.

What remains are mappings with text as keys, lists, text, true and false, null, and numbers. Where YAML 1.1
and 1.2 differ, the writing is refused (`012`, `1:30`, `1_000`) or means what it says: `1e3` is a number,
while `on`, `yes` and dates are text. Anchors, aliases, merge keys, tags and duplicate keys are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import yaml
from yaml.reader import ReaderError

from simcore.errors import FileError

LARGEST = 2**20  # characters of a document
_DEEPEST = 100  # mappings and lists in one another
_LONGEST_NUMBER = 400  # characters; the largest float has 309 digits
_MOST_SHOWN = 20  # problems in one error

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SURROGATE = re.compile("[\ud800-\udfff]")

_REFUSED = {
    re.compile(r"[-+]?0[0-9_]+"): "octal to some readers of YAML; leave out the leading zero, or quote it",
    re.compile(
        r"[-+]?0[ob][0-7_]+"
    ): "a number to some readers of YAML; write it as a decimal one, or quote it",
    re.compile(r"[-+]?[0-9][0-9.]*_[0-9_.]*"): "a number to some readers of YAML; leave out the underscore",
    re.compile(
        r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?"
    ): "of base 60 to some readers of YAML; quote it as text",
    re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"): "no finite number",
}


class YamlProblem(NamedTuple):
    """What is wrong in a document: line and column, from 1, dotted path, and the message."""

    line: int
    column: int
    path: str
    message: str


class YamlError(FileError):
    """Everything that is wrong in one document, a line each: "my.yaml:4:9 core.adc - is written twice"."""

    def __init__(self, name: str, problems: tuple[YamlProblem, ...]) -> None:
        super().__init__(name, problems)
        self.name = name
        self.problems = problems

    def __str__(self) -> str:
        lines = [
            f"{self.name}:{p.line}:{p.column} {f'{p.path} ' if p.path else ''}- {p.message}"
            for p in self.problems[:_MOST_SHOWN]
        ]
        more = len(self.problems) - _MOST_SHOWN
        return "\n".join([*lines, f"{self.name} - has {more} more problems"] if more > 0 else lines)


@dataclass(frozen=True)
class YamlDocument:
    """What a document holds, and line and column, from 1, of each key and list element by dotted path."""

    value: object
    lines: dict[str, tuple[int, int]]


def read_yaml(text: str, name: str) -> YamlDocument:
    """Read one document.

    name : of the file, for errors
    raises : YamlError, whatever the text
    """
    if len(text) > LARGEST:
        message = f"is {len(text)} characters long; at most {LARGEST} are read"
        raise YamlError(name, (YamlProblem(1, 1, "", message),))
    reader = _Reader(text)
    try:
        value = reader.read()
    except _StopError as stop:
        reader.problems.append(stop.problem)
    if reader.problems:
        raise YamlError(name, tuple(sorted(reader.problems)))
    return YamlDocument(value, reader.lines)


class _StopError(Exception):
    """The problem after which nothing more can be read."""

    def __init__(self, problem: YamlProblem) -> None:
        super().__init__(problem)
        self.problem = problem


class _Reader:
    """Builds values from the parser's events, so that depth is bounded before anything recurses."""

    def __init__(self, text: str) -> None:
        self._events = _events(text)
        self.lines: dict[str, tuple[int, int]] = {}
        self.problems: list[YamlProblem] = []

    def read(self) -> object:
        """Return the value of the only document; an empty one is null."""
        next(self._events)  # the stream's start
        if isinstance(next(self._events), yaml.StreamEndEvent):
            return None
        value = self._node(next(self._events), ())
        next(self._events)  # the document's end
        after = next(self._events)
        if not isinstance(after, yaml.StreamEndEvent):
            self._refuse(after, (), "starts a second document; write one")
        return value

    def _node(self, event: yaml.Event, path: tuple[str, ...]) -> object:
        """Return the value that starts with `event`."""
        if len(path) > _DEEPEST:
            raise _StopError(_problem(event, "", f"is nested deeper than {_DEEPEST} levels"))
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, path, f"repeats *{event.anchor}; write the value out")
            return None
        assert isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent)
        if event.anchor is not None:
            self._refuse(event, path, f"has an anchor &{event.anchor}; leave it out")
        if event.tag is not None:
            self._refuse(event, path, f"has a tag {event.tag}; leave it out, and quote what shall be text")
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._mapping(path)

    def _sequence(self, path: tuple[str, ...]) -> list[object]:
        elements: list[object] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            inner = (*path, str(len(elements)))
            self.lines[".".join(inner)] = _position(event)
            elements.append(self._node(event, inner))
        return elements

    def _mapping(self, path: tuple[str, ...]) -> dict[str, object]:
        values: dict[str, object] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path)
            inner = (*path, key)
            if key in values:
                first = self.lines[".".join(inner)][0]
                self._refuse(event, inner, f"is written twice, first in line {first}; keep one")
            else:
                self.lines[".".join(inner)] = _position(event)
            values[key] = self._node(next(self._events), inner)
        return values

    def _key(self, event: yaml.Event, path: tuple[str, ...]) -> str:
        """Return a key, which is text as it stands, be it `1` or `on`."""
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse(event, path, "has a list, a mapping or an alias as a key; write text")
            self._node(event, (*path, "?"))
            return "?"
        if event.anchor is not None or event.tag is not None:
            self._refuse(event, path, "has a key with an anchor or a tag; leave it out")
        if not event.value or (event.value == "<<" and event.style is None):
            what = "a merge key; write the values out" if event.value else "an empty key; name it"
            self._refuse(event, path, f"has {what}")
        return self._text(event, path)

    def _scalar(self, event: yaml.ScalarEvent, path: tuple[str, ...]) -> object:
        """Return text as it stands if it is quoted, else what it looks like to everybody."""
        text = event.value
        if event.style is not None:
            return self._text(event, path)
        if _NULL.fullmatch(text):
            return None
        if _TRUE.fullmatch(text) or _FALSE.fullmatch(text):
            return _TRUE.fullmatch(text) is not None
        for pattern, reason in _REFUSED.items():
            if pattern.fullmatch(text):
                self._refuse(event, path, f"is {text[:40]}, which is {reason}")
                return None
        is_integer = _INTEGER.fullmatch(text)
        if not is_integer and not _FLOAT.fullmatch(text):
            return self._text(event, path)
        if len(text) > _LONGEST_NUMBER:
            self._refuse(
                event, path, f"is a number of {len(text)} characters; at most {_LONGEST_NUMBER} are read"
            )
            return None
        if is_integer:
            return int(text, 0)
        number = float(text)
        if number in (float("inf"), float("-inf")):
            self._refuse(event, path, f"is {text[:40]}, which is beyond the largest number")
        # 1e3 is how people write a thousand, also where a whole number is wanted.
        return int(number) if "." not in text and number.is_integer() and abs(number) < 2**53 else number

    def _text(self, event: yaml.ScalarEvent, path: tuple[str, ...]) -> str:
        """Return text, which must be fit to be written to a file again."""
        if _SURROGATE.search(event.value):
            self._refuse(event, path, "holds half of a surrogate pair; write the character itself")
        return event.value

    def _refuse(self, event: yaml.Event, path: tuple[str, ...], message: str) -> None:
        self.problems.append(_problem(event, ".".join(path), message))


def _events(text: str) -> Iterator[yaml.Event]:
    """Yield the parser's events; whatever the parser raises becomes a _StopError."""
    try:
        yield from yaml.parse(text, Loader=yaml.SafeLoader)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - (text.rfind("\n", 0, error.position) + 1) + 1
        message = f"holds the unprintable character {text[error.position]!r}"
        raise _StopError(YamlProblem(line, column, "", message)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _StopError(YamlProblem(line, column, "", f"is no valid YAML: {error.problem}")) from None
    except Exception as error:  # the parser lets IndexError, ValueError and more through
        raise _StopError(YamlProblem(1, 1, "", f"is no valid YAML ({type(error).__name__})")) from error


def _position(event: yaml.Event) -> tuple[int, int]:
    """Return where an event starts, line and column from 1."""
    assert event.start_mark is not None
    return event.start_mark.line + 1, event.start_mark.column + 1


def _problem(event: yaml.Event, path: str, message: str) -> YamlProblem:
    return YamlProblem(*_position(event), path, message)
