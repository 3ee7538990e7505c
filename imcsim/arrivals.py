"""How requests arrive: what `--arrivals` says, turned into cycles of a machine before anything is built."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from arch.requests import Arrivals, ClosedArrivals, TimedArrivals
from imcsim.decimals import read_decimal, read_whole
from simcore import MOST_CYCLES, ConfigError, FileError
from simcore.files import read_text
from simcore.noise import stream_key, words_reference

if TYPE_CHECKING:
    import _csv

_FORMS = "closed:K, fixed:R, poisson:R or a file (.csv) with a column cycle or time_s"
_LARGEST_FILE = 1 << 28
_MOST_IN_SYSTEM = 10**6
#: Digits of a number, in front of its point or behind it.
_MOST_DIGITS = 60

#: Logarithms are rounded correctly to so many digits, so that every platform has the same.
_DIGITS = Context(prec=30)
#: Gaps of a Poisson process count in such parts of their mean, so that their sums are exact.
_GAP_BITS = 64
_PARTS = Decimal(1 << _GAP_BITS)
_WHOLE = _DIGITS.ln(Decimal(1 << 64))


@dataclass(frozen=True)
class FileRequest:
    """A line of a file of arrivals.

    time : cycle of the reference clock, or seconds
    workload : the network that is asked for, None where the file does not say
    line : in the file, from 1
    """

    time: Fraction
    workload: str | None
    line: int


@dataclass(frozen=True)
class ArrivalFile:
    """A file of arrivals, in order of time.

    in_seconds : whether times are seconds, not cycles
    """

    path: str
    requests: tuple[FileRequest, ...]
    in_seconds: bool

    def cycles(self, hz: Fraction) -> Iterator[int]:
        """Yield the cycle of a clock of `hz` in which each request is there."""
        for request in self.requests:
            yield floor(request.time * hz) if self.in_seconds else int(request.time)


@dataclass(frozen=True)
class ArrivalSpec:
    """What `--arrivals` asks for.

    text : as the user wrote it
    kind : `closed` (`amount` requests at a time), `fixed` or `poisson` (`amount` a second), or `file`
    network : of several, whose requests of a file these are; "" where all of them are meant
    """

    text: str
    kind: Literal["closed", "fixed", "poisson", "file"]
    amount: Fraction = Fraction(0)
    file: ArrivalFile | None = None
    network: str = ""

    @property
    def repeats(self) -> bool:
        """Whether arrivals repeat, so that a run can skip what does."""
        return self.kind in ("closed", "fixed")

    def of(self, network: str) -> ArrivalSpec:
        """Return what is asked for one of several networks: a file's requests of it, and those of anybody.

        raises : FileError for a file that has none
        """
        if self.file is None:
            return self
        own = tuple(request for request in self.file.requests if request.workload in (None, network))
        if not own:
            raise FileError(f"{self.text} - holds no request of {network}, which shares the machine; add one")
        return replace(self, file=replace(self.file, requests=own), network=network)

    def plan(self, images: int, hz: Fraction, seed: int, network: str = "") -> Arrivals:
        """Return how so many requests arrive at a machine.

        hz : of its reference clock
        seed : of the gaps of a Poisson process
        network : whose they are, among several; each has gaps of its own
        raises : ConfigError for more images than a file has requests, or cycles beyond 2**40
        """
        if self.kind == "closed":
            return ClosedArrivals(int(self.amount))
        if self.file is not None:
            cycles = tuple(self.file.cycles(hz))
            if images > len(cycles):
                raise ConfigError(f"{self._there(len(cycles))}, got --images {images}; ask for fewer")
            return TimedArrivals(self._bounded(cycles[:images]))
        if self.kind == "poisson":
            return TimedArrivals(self._bounded(poisson_cycles(images, hz, self.amount, seed, network)))
        gap = hz / self.amount
        cycles = tuple(floor(number * gap) for number in range(images))
        return TimedArrivals(self._bounded(cycles), gap.denominator)

    def notes(self, images: int) -> Iterator[str]:
        """Yield what a report says of a run of so many images."""
        if self.file is not None and images < (there := len(self.file.requests)):
            yield f"{self._there(there)}, of which the first {images} are run"

    def _there(self, requests: int) -> str:
        return f"{self.text} has {requests} requests" + f" of {self.network}" * bool(self.network)

    def _bounded(self, cycles: tuple[int, ...]) -> tuple[int, ...]:
        if cycles[-1] > MOST_CYCLES:
            raise ConfigError(
                f"arrivals {self.text} have the last request in cycle {cycles[-1]}, but {MOST_CYCLES} is the "
                "last that may be; let them come faster, or take fewer images"
            )
        return cycles


def read_arrivals(text: str) -> ArrivalSpec:
    """Return what `--arrivals` asks for; a file is read, and checked line by line.

    raises : ConfigError for what is no such text; FileError for a file that cannot be read, or is wrong
    """
    kind, colon, amount = text.partition(":")
    if kind == "closed" and colon:
        return ArrivalSpec(text, "closed", Fraction(_in_system(amount)))
    if kind == "fixed" and colon:
        return ArrivalSpec(text, "fixed", _rate(kind, amount))
    if kind == "poisson" and colon:
        return ArrivalSpec(text, "poisson", _rate(kind, amount))
    if not text.endswith(".csv"):
        raise ConfigError(f"arrivals must be {_FORMS}, got {text!r}; as in poisson:1000")
    return ArrivalSpec(text, "file", file=read_arrival_file(text))


def poisson_cycles(
    requests: int, hz: Fraction, rate: Fraction, seed: int, network: str = ""
) -> tuple[int, ...]:
    """Return the cycles of a clock of `hz` in which requests of a Poisson process arrive.

    rate : requests a second
    seed, network : of the run, and whose requests they are among several

    A gap is -ln(u) of its mean, where u is (0, 1] in steps of 2**-64 from the run's stream; it is rounded
    correctly to 30 digits, then down to 2**-64 of the mean. Sums are exact, and rounded down to cycles.
    """
    words = words_reference(stream_key(seed, *filter(None, ("arrivals", network))), np.arange(requests))
    passed, cycles = 0, []
    scale = hz / rate / (1 << _GAP_BITS)
    for word in words.tolist():
        # -ln(u) = 64 ln 2 - ln(word + 1)
        logarithm = _DIGITS.subtract(_WHOLE, _DIGITS.ln(Decimal(word + 1)))
        passed += int(_DIGITS.multiply(logarithm, _PARTS))
        cycles.append(floor(passed * scale))
    return tuple(cycles)


def read_arrival_file(path: str | Path) -> ArrivalFile:
    """Return a CSV file's requests: column `cycle` or `time_s`, and optionally `workload`.

    raises : FileError with file:line for whatever is wrong with it
    """
    text = read_text(path, _LARGEST_FILE, "a file of arrivals (.csv)")
    rows = csv.reader(io.StringIO(text), strict=True)
    try:
        return _arrival_file(str(path), rows)
    except csv.Error as error:
        raise FileError(f"{path}:{rows.line_num} - is no line of a .csv file ({error}); mend it") from None


def _arrival_file(path: str, rows: _csv.Reader) -> ArrivalFile:
    """Return what the lines of a file ask for."""
    header = [name.strip() for name in next(rows, [])]
    times = [name for name in header if name in ("cycle", "time_s")]
    if unknown := [name for name in header if name not in ("cycle", "time_s", "workload")]:
        raise FileError(
            f"{path}:1 - has a column {unknown[0]!r}; the columns are cycle or time_s, and workload"
        )
    if len(times) != 1 or len(set(header)) != len(header):
        raise FileError(
            f"{path}:1 - must name one column cycle or time_s, and no other twice, got "
            f"{','.join(header) or 'nothing'}; begin the file with a line `cycle`"
        )
    requests: list[FileRequest] = []
    for row in rows:
        if not row:
            continue
        request = _file_request(f"{path}:{rows.line_num}", header, row, rows.line_num)
        if requests and request.time < requests[-1].time:
            raise FileError(
                f"{path}:{rows.line_num} - arrives at {_shown(request.time)}, before the request in line "
                f"{requests[-1].line} at {_shown(requests[-1].time)}; sort the lines"
            )
        requests.append(request)
    if not requests:
        raise FileError(f"{path} - holds no request; write a line for each behind the header")
    return ArrivalFile(path, tuple(requests), times[0] == "time_s")


def _file_request(where: str, header: list[str], row: list[str], line: int) -> FileRequest:
    """Return what a line of a file asks for."""
    if len(row) != len(header):
        raise FileError(f"{where} - must have {len(header)} values as the header has, got {len(row)}")
    values = dict(zip(header, (value.strip() for value in row), strict=True))
    in_seconds = "time_s" in values
    name = "time_s" if in_seconds else "cycle"
    kind = "a number of seconds, as 0.0025" if in_seconds else "a whole number of cycles, as 2500"
    try:
        time = _exact(values[name]) if in_seconds else Fraction(read_whole(values[name]))
    except (ArithmeticError, ValueError):
        raise FileError(f"{where} - {name} must be {kind}, got {values[name]!r}") from None
    if time < 0:
        raise FileError(
            f"{where} - {name} must be at least 0, got {values[name]}; count from the run's start"
        )
    return FileRequest(time, values.get("workload") or None, line)


def _exact(text: str) -> Fraction:
    """Return the number that a text writes; ArithmeticError or ValueError for none, or one of absurd size."""
    number = read_decimal(text)
    if len(text) > _MOST_DIGITS or abs(number.adjusted()) > _MOST_DIGITS:
        raise ValueError
    return Fraction(number)


def _shown(time: Fraction) -> str:
    return str(time) if time.denominator == 1 else f"{float(time):g}"


def _in_system(text: str) -> int:
    try:
        number = read_whole(text)
    except ValueError:
        number = 0
    if not 1 <= number <= _MOST_IN_SYSTEM:
        raise ConfigError(
            f"arrivals closed:K must have a whole K in [1, {_MOST_IN_SYSTEM}], got {text!r}; as in closed:4"
        )
    return number


def _rate(kind: str, text: str) -> Fraction:
    """Return the requests a second that a text writes: a number, or a fraction of whole ones."""
    over, slash, under = text.partition("/")
    try:
        rate = _exact(over) / (_exact(under) if slash else 1)
    except (ArithmeticError, ValueError):
        rate = Fraction(0)
    if rate <= 0:
        raise ConfigError(
            f"arrivals {kind}:R must have a number R above 0, of requests a second of simulated time, got "
            f"{text!r}; as in {kind}:1000"
        )
    return rate
