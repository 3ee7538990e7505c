"""Whatever is wrong with a trace is one error that says where; nothing in a file costs more than it may."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import random
import tracemalloc
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from simcore import FileError, SimError
from tests.traces.trace_bench import CONV, END, HEADER, LINEAR, REQUEST, TINY, of_every_kind, written
from traces import Bits, Trace, read_trace, write_trace
from traces.trace_reader import LONGEST_LINE, MOST_BYTES, MOST_LINES, parse_trace
from workloads import Input, Linear, Network

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


def refused(folder: Path, *lines: str) -> str:
    """Return what is said of a file of these lines, once it is one line that begins with the file's name."""
    path = written(folder, *lines)
    with pytest.raises(FileError) as caught:
        read_trace(path)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    return message.replace(str(path), "FILE")


def changed(line: str, **values: object) -> str:
    """Return a line with other values."""
    return json.dumps(json.loads(line) | values)


def image(*shape: int) -> dict[str, object]:
    """Return a header's input."""
    return {"name": "image", "shape": shape}


# -- one line that is wrong ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("no json", "is no JSON object: Expecting value: line 1 column 1 (char 0)"),
        ("[" * 100_000, "is nested too deeply; records hold lists of numbers at most"),
        ("[1, 2]", "must be a JSON object with a key schema, op, request or end"),
        ("7", "must be a JSON object with a key schema, op, request or end"),
        (HEADER, 'the header, {"schema": "imcsim.trace/1", ...}, must be the first line, and no other'),
        (changed(CONV, op="conv2"), "no operation is called 'conv2'; did you mean 'conv2d'?"),
        (changed(CONV, op=[]), "no operation is called []; known: conv2d,"),
        (changed(CONV, op="schema"), "no operation is called 'schema'; known: conv2d,"),
        ('{"op": "softmax", "name": "s", "name": "t"}', "is no JSON object: the key 'name' is there twice"),
        ('{"op": "conv2d", "name": "c", "kernel": [3, 3]}', "conv2d lacks 'out_channels'"),
        (changed(CONV, strid=[2, 2]), "conv2d takes no 'strid'; did you mean 'stride'?"),
        (changed(CONV, out_channels=8.0), "out_channels: should be a valid integer, got 8.0"),
        (changed(CONV, out_channels="8"), "out_channels: should be a valid integer, got '8'"),
        (changed(CONV, out_channels=2**20 + 1), "out_channels: should be less than or equal to 1048576"),
        (changed(CONV, out_channels=10**400), "out_channels: "),
        (CONV.replace("8", "1" * 5000), "is no JSON object: Exceeds the limit"),
        (changed(CONV, out_channels=0), "conv: groups must divide 1 input channels and 0"),
        (changed(CONV, kernel=[3]), "conv2d lacks 'kernel.1'"),
        (changed(CONV, kernel=[9, 9]), "conv: the window spans 9x9 pixels, but its"),
        (changed(CONV, kernel=[0, 1]), "window kernel must be at least 1 pixel, got (0, 1)"),
        (changed(CONV, name="a.b"), "name: "),
        (changed(CONV, name="image"), "a second operation is called 'image'; give each its own name"),
        (changed(CONV, inputs=["imag"]), "conv reads 'imag', which is in no line before it; did you"),
        (changed(CONV, inputs=["conv"]), "conv reads 'conv', which is in no line before it; known: image"),
        (changed(CONV, shape=[8, 6, 5]), "conv: shape must be (8, 6, 6), got (8, 6, 5); correct"),
        (changed(CONV, macs=1), "conv: macs must be 2592, got 1; correct it, or leave it out"),
        (changed(CONV, weight_scales=[0.1, 0.0]), "weight_scales.1: should be greater than or equal to"),
        (changed(CONV, output_scale={"scale": 1, "zero": 16, "bits": 4}), "zero must be below 16,"),
        ('{"op": "clamp", "name": "c", "low": NaN}', "is no JSON object: NaN is no number"),
        ('{"op": "clamp", "name": "c", "low": 1e999}', "low: should be a finite number"),
        (
            '{"op": "activation", "name": "a", "function": "rely"}',
            "a: no activation function is called 'rely'",
        ),
        ('{"op": "add", "name": "a"}', "a: Add takes 2 inputs or more, got 1"),
        (changed(LINEAR, out_features=1, name="x" * 1001), "name: "),
        ('{"request": {"cycle": -1}}', "request.cycle: should be greater than or equal to 0, got -1"),
        ('{"request": {"cycle": 1.5}}', "request.cycle: should be a valid integer, got 1.5"),
        ('{"end": {"operations": 1, "requests": 0}}', "the end tells of 1 operations, but there are 0; is"),
    ],
)
def test_a_wrong_line_is_told_with_its_place(line: str, message: str, tmp_path: Path) -> None:
    assert refused(tmp_path, HEADER, line).startswith(f"FILE:2 - {message}")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ((), "FILE is cut off: its last line must be the end with the totals"),
        (TINY[:-1], "FILE is cut off: its last line must be the end with the totals"),
        (TINY[1:], "FILE:1 - the header,"),
        ((*TINY, REQUEST), "FILE:6 - nothing may come behind the end; remove this line"),
        ((HEADER, LINEAR, REQUEST, END), "FILE:4 - the end tells of 2 operations, but there are 1"),
        ((HEADER, CONV, LINEAR, END), "FILE:4 - the end tells of 1 requests, but there are 0"),
        (
            (HEADER, '{"request": {"cycle": 9}}', '{"request": {"cycle": 8}}'),
            "FILE:3 - requests must come in the order of their cycles, got 8 behind 9; sort them",
        ),
        (
            (HEADER, CONV, changed(LINEAR, inputs=["image"]), REQUEST, END),
            "FILE - tiny must have exactly one output, but nobody reads conv, fc; remove the dead layers",
        ),
        (
            (HEADER, CONV, changed(LINEAR, weight_scales=[1, 1]), REQUEST, END),
            "FILE - tiny.fc: weights take a scale for each of 10 output channels",
        ),
        ((changed(HEADER, schema="imcsim.trace/2"),), "FILE:1 - schema: should be 'imcsim.trace/1', got"),
        ((changed(HEADER, input=image(1, 8)),), "FILE:1 - schema lacks 'input.shape.2'"),
        ((changed(HEADER, name="a\nb"),), "FILE:1 - name: "),
    ],
)
def test_a_file_that_is_not_whole_or_not_in_order_is_refused(
    lines: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    assert refused(tmp_path, *lines).startswith(message)


# -- files that are no text, or too much of it ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b"\xff\xfe{}\n", ":1 - is not UTF-8 text; write it as UTF-8"),
        ("a.jsonl", b"\x00" * 99, ":1 - is no JSON object: "),
        ("a.jsonl.gz", b"no gzip", "Not a gzipped file (b'no'); check it, or capture it anew"),
        ("a.jsonl.gz", gzip.compress("\n".join(TINY).encode())[:-9], "Compressed file ended before"),
        ("a.jsonl.gz", gzip.compress(b"x" * 99, mtime=0)[:12] + b"\xff" * 20, "cannot read"),
        ("a.jsonl", b" " * (LONGEST_LINE + 1), f":1 - a line may have {LONGEST_LINE} bytes at most"),
        ("a.jsonl.gz", gzip.compress(bytes(2**30), 1), f":1 - a line may have {LONGEST_LINE} bytes at most"),
        (
            "a.jsonl.gz",
            gzip.compress((b" " * 2**20 + b"\n") * 64, 1),
            f" - a trace may have {MOST_BYTES} bytes at most",
        ),
        (
            "a.jsonl.gz",
            gzip.compress(b"\n" * (MOST_LINES + 1), 1),
            f" - a trace may have {MOST_LINES} lines at most",
        ),
    ],
    ids=["latin", "zeros", "plain", "cut", "broken", "long", "bomb", "bytes", "lines"],
)
def test_bytes_that_are_no_trace_cost_little(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(FileError) as caught:
            read_trace(tmp_path / name)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert message in str(caught.value)
    assert peak < 2**25


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.jsonl", "No such file or directory"),
        ("folder.jsonl", "Is a directory"),
        ("pipe.jsonl", "it is no regular file"),
        ("pipe.jsonl.gz", "it is no regular file"),
        ("zero\0byte.jsonl", "embedded null byte"),
    ],
)
def test_what_is_no_file_is_not_read(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    for pipe in ("pipe.jsonl", "pipe.jsonl.gz"):
        os.mkfifo(tmp_path / pipe)
    with pytest.raises(FileError, match=rf"^cannot read .*: {reason}; name a workload trace$"):
        read_trace(tmp_path / name)


HUGE = 2**20
POOL = '{"op": "max-pool", "name": "p", "kernel": [1, 1]}'
WIDE = changed(LINEAR, name="wide", out_features=HUGE)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([changed(HEADER, input=image(1, 2**13, 2**12))], "4194304 pixels at most, got 33554432"),
        ([changed(HEADER, input=image(2**12, 2**11, 2**11))], "4294967296 elements at most"),
        ([HEADER, changed(CONV, padding=[HUGE] * 4)], "pixels at most"),
        ([HEADER, changed(POOL, padding=[HUGE, HUGE, 0, 0])], "without a single pixel"),
        ([HEADER, WIDE, changed(WIDE, name="fc")], "weights at most"),
    ],
)
def test_absurd_sizes_are_refused_at_once(lines: list[str], message: str, tmp_path: Path) -> None:
    begin = process_time()
    assert message in refused(tmp_path, *lines)
    assert process_time() - begin < 2


# -- tensors -------------------------------------------------------------------------------------------------


WEIGHT = {"fc.weight": np.ones((2, 3), np.float32)}


def with_tensors(folder: Path) -> tuple[Path, Path]:
    """Return a trace and its tensors, just written."""
    layers = [Input(name="x", shape=(3, 1, 1)), Linear(name="fc", out_features=2, bias=False)]
    weights = {"fc": {"weight": np.ones((2, 3), np.float32)}}
    write_trace(folder / "a.jsonl", Trace(Network("fc", layers, lambda: weights), (0,)), tensors=True)
    return folder / "a.jsonl", folder / "a.safetensors"


def replaced(trace: Path, tensors: Path, arrays: dict[str, np.ndarray]) -> None:
    """Put other arrays into a tensors file, and its digest into the trace."""
    content = save(arrays)
    tensors.write_bytes(content)
    header, *rest = trace.read_text().splitlines()
    digest = {"file": tensors.name, "sha256": hashlib.sha256(content).hexdigest()}
    trace.write_text("\n".join([changed(header, tensors=digest), *rest]))


def test_tensors_that_are_not_the_trace_s_are_refused_when_they_are_read(tmp_path: Path) -> None:
    trace, tensors = with_tensors(tmp_path)
    content = bytearray(tensors.read_bytes())
    content[-1] ^= 1
    tensors.write_bytes(content)
    network = read_trace(trace).network  # whose header is still right
    with pytest.raises(FileError, match=r"a\.safetensors is not the file that the trace was written with"):
        network.load_parameters()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({}, r"fc\.weight must be \(2, 3\), got none"),
        ({"fc.weight": np.ones((3, 2), np.float32)}, r"fc\.weight must be \(2, 3\), got \(3, 2\)"),
        ({"fc.bias": np.ones(2, np.float32)}, r"fc\.bias must be left out, as no operation takes it, got"),
        ({"fc.weight": np.ones((2, 3), np.int8)}, r"fc\.weight must be floating point, got int8"),
        ({"fc.weight": np.full((2, 3), np.nan)}, r"fc\.fc: weight holds values that are not finite"),
        ({**WEIGHT, "inputs": np.ones((1, 3)), "labels": np.ones(2, np.int64)}, "labels must be 1 int"),
        ({**WEIGHT, "labels": np.ones(2, np.int64)}, "must hold an array 'inputs', got labels"),
    ],
)
def test_tensors_of_other_shapes_or_kinds_are_refused(
    arrays: dict[str, np.ndarray],
    message: str,
    tmp_path: Path,
) -> None:
    path, tensors = with_tensors(tmp_path)
    replaced(path, tensors, arrays)

    def load() -> None:
        trace = read_trace(path)
        trace.network.load_parameters()
        assert trace.data is None

    with pytest.raises(SimError, match=message):
        load()


def test_the_tensors_file_lies_beside_the_trace_and_is_no_link(tmp_path: Path) -> None:
    trace, tensors = with_tensors(tmp_path)
    header, *rest = trace.read_text().splitlines()
    for name in ("../a.safetensors", "/etc/passwd", ".", "sub/a.safetensors"):
        digest = {"file": name, "sha256": "0" * 64}
        assert "must be a plain name in the trace's folder" in refused(
            tmp_path, changed(header, tensors=digest), *rest
        )
    tensors.rename(tmp_path / "elsewhere")
    with pytest.raises(FileError, match="is missing, or no file; put the file itself beside the trace"):
        read_trace(trace)
    tensors.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileError, match="is a link; put the file itself beside the trace"):
        read_trace(trace)


@pytest.mark.parametrize("content", [b"", b"\xff" * 100, b"\x08" + bytes(7) + b"{}      "[:8]])
def test_tensors_that_are_damaged_are_refused(content: bytes, tmp_path: Path) -> None:
    trace, tensors = with_tensors(tmp_path)
    tensors.write_bytes(content)
    with pytest.raises(FileError):
        read_trace(trace).network.load_parameters()


# -- anything at all -----------------------------------------------------------------------------------------


def read_or_refused(content: bytes) -> None:
    """Read bytes as a trace; what is wrong with them is a SimError, and none other."""
    with contextlib.suppress(SimError):
        parse_trace(io.BytesIO(content), Path("fuzz.jsonl"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "a.jsonl"
    write_trace(path, Trace(of_every_kind(), (0, 7), Bits(8, 8)))
    return path.read_bytes()


TOKENS = [
    b"-1",
    b"0",
    b"1e400",
    b"NaN",
    b"null",
    b"[]",
    b"{}",
    b'"\\ud800"',
    b"99999999999999999999",
    b'"conv"',
]


@settings(deadline=None, max_examples=300)
@given(st.integers(0, 2**32), st.integers(1, 4))
def test_a_trace_that_was_tampered_with_is_a_trace_or_refused(whole: bytes, seed: int, changes: int) -> None:
    rng = random.Random(seed)
    lines = whole.splitlines(keepends=True)
    for _ in range(changes):
        place = rng.randrange(len(lines))
        line = lines[place]
        at, behind = sorted(rng.randrange(len(line) + 1) for _ in range(2))
        lines[place] = rng.choice(
            [
                b"",
                line * 2,
                rng.choice(lines),
                line[:at],
                line[:at] + rng.randbytes(3) + line[at:],
                line[:at] + rng.choice(TOKENS) + line[behind:],
                line.replace(rng.choice([b"1", b"2", b"3", b"6"]), rng.choice(TOKENS)),
            ]
        )
        if rng.random() < 0.1:
            rng.shuffle(lines)
    read_or_refused(b"".join(lines))


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_bytes_are_refused(content: bytes) -> None:
    with pytest.raises(FileError):
        parse_trace(io.BytesIO(content), Path("fuzz.jsonl"))


@pytest.mark.parametrize("path", CORPUS, ids=[path.name for path in CORPUS])
def test_what_the_fuzzer_found_worth_keeping_is_a_trace_or_refused(path: Path) -> None:
    read_or_refused(path.read_bytes())
