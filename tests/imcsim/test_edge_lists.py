"""Files with the channels of a topology, named by settings and machine files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import imcsim
from imcsim.edge_lists import read_edge_list
from simcore import FileError
from tests.imcsim.command_bench import printed, refusal

#: Room for a residual block: each node has channels to the next two.
CHANNELS = "# from to\n" + "".join(f"{n} {n + 1}\n{n}, {n + 2}  # skip\n\n" for n in range(7))
KIND = ("--set", "fabric.topology.kind=edge-list", "--set")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "channels.txt"
    path.write_text(CHANNELS)
    return path


def test_a_setting_names_a_file_with_the_channels(file: Path) -> None:
    content = printed("map", "digits-resnet", "--arch", "dataflow", *KIND, f"fabric.topology.edges={file}")
    placement = content["placement"]
    assert (placement["topology"], placement["size"], placement["longest_way"]) == ("edge-list", 9, 1)
    assert len(set(placement["nodes"].values())) == len(placement["nodes"]) == 7


def test_a_machine_file_names_a_file_beside_it_and_a_run_keeps_the_list(file: Path) -> None:
    machine = file.parent / "machine.yaml"
    machine.write_text("extends: dataflow\nfabric:\n  topology: {kind: edge-list, edges: channels.txt}\n")
    imcsim.run("digits-resnet", machine, values="off", out=file.parent / "run")
    file.unlink()
    again = printed("map", file.parent / "run" / "config.yaml")
    assert again["placement"]["size"] == 9


@given(st.lists(st.tuples(st.integers(0, 10**9 - 1), st.integers(0, 10**9 - 1))))
def test_what_is_written_is_read(edges: list[tuple[int, int]]) -> None:
    text = "".join(f"{a} {b}\n" for a, b in edges)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imcsim.edge_lists.read_text", lambda *_: text)
        assert read_edge_list("any") == [[a, b] for a, b in edges]


def test_every_line_that_is_no_channel_is_told(file: Path) -> None:
    file.write_text("0 1\n1\n1 2 3\n-1 2\n2 3\n")
    with pytest.raises(FileError) as refused:
        read_edge_list(file)
    assert str(refused.value).splitlines() == [
        f"{file}:{line} - must be two node numbers, as in 0 1, got '{text}'"
        for line, text in ((2, "1"), (3, "1 2 3"), (4, "-1 2"))
    ]


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    missing = tmp_path / "no-such"
    assert refusal("map", "digits-mlp", "--arch", "dataflow", *KIND, f"fabric.topology.edges={missing}") == (
        f"cannot read {missing}: No such file or directory; name an edge list"
    )
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    with pytest.raises(FileError, match=":1 - is not UTF-8 text; is it an edge list"):
        read_edge_list(tmp_path / "bytes")


def test_a_list_that_is_not_connected_is_refused_with_its_parts(file: Path) -> None:
    file.write_text("0 1\n2 3\n")
    setting = f"fabric.topology.edges={file}"
    assert "connect only some nodes with each other: {0-1}, {2-3}; add edges" in refusal(
        "map", "digits-mlp", "--arch", "dataflow", *KIND, setting
    )
