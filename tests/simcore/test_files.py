from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO

import pytest

from simcore.errors import FileError
from simcore.files import PendingFile, open_regular, read_text, write_atomically


def write_hello(stream: BinaryIO) -> None:
    stream.write(b"hello")


def test_a_regular_file_is_read_through_links_too(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"hello")
    (tmp_path / "link").symlink_to("real")
    assert read_text(tmp_path / "link", 5, "a greeting") == "hello"
    with open_regular(str(tmp_path / "real"), "a greeting") as stream:
        assert stream.read() == b"hello"


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in (
        (tmp_path / "pipe", "it is no regular file"),
        (Path("/dev/zero"), "it is no regular file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "absent", "No such file or directory"),
        (Path("zero\0byte"), "embedded null byte"),
    ):
        with pytest.raises(FileError) as refused:
            open_regular(path, "a greeting")
        assert str(refused.value) == f"cannot read {path}: {reason}; name a greeting"


def test_file_holds_what_was_written_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.txt", write_hello)
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_bytes() == b"hello"


def test_path_may_be_a_string(tmp_path: Path) -> None:
    write_atomically(str(tmp_path / "a.txt"), write_hello)
    assert (tmp_path / "a.txt").read_bytes() == b"hello"


def test_old_content_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def look_while_writing(stream: BinaryIO) -> None:
        stream.write(b"new")
        stream.flush()
        assert path.read_bytes() == b"old"

    write_atomically(path, look_while_writing)
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("failure", [ValueError("bad"), KeyboardInterrupt()])
def test_failing_writer_leaves_the_old_file_and_no_trace(tmp_path: Path, failure: BaseException) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")

    def fail(stream: BinaryIO) -> None:
        stream.write(b"half")
        raise failure

    with pytest.raises(type(failure)):
        write_atomically(path, fail)
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_bytes() == b"old"


def test_full_disk_is_told_with_place_and_next_step(tmp_path: Path) -> None:
    def run_out_of_space(stream: BinaryIO) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(FileError, match=r"cannot write .*a\.txt: No space left on device; free some space"):
        write_atomically(tmp_path / "a.txt", run_out_of_space)
    assert list(tmp_path.iterdir()) == []


def test_missing_folder_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"No such file or directory; create the folder first"):
        write_atomically(tmp_path / "absent" / "a.txt", write_hello)


def test_neither_folder_nor_device_is_replaced(tmp_path: Path) -> None:
    for target in (tmp_path, Path("/dev/null")):
        with pytest.raises(FileError, match="it is a folder or a device"):
            write_atomically(target, write_hello)


def test_link_is_followed_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    write_atomically(tmp_path / "link", write_hello)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"hello"


def test_longest_legal_name_is_written(tmp_path: Path) -> None:
    write_atomically(tmp_path / ("n" * 255), write_hello)
    with pytest.raises(FileError, match="choose a shorter name"):
        write_atomically(tmp_path / ("n" * 256), write_hello)
    assert len(list(tmp_path.iterdir())) == 1


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a.txt", write_hello)
    finally:
        os.umask(before)
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EIO])
def test_folder_that_cannot_be_synced_is_tolerated_but_a_broken_disk_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    sync_file = os.fsync

    def sync(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(code, os.strerror(code))
        sync_file(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    if code == errno.EINVAL:
        write_atomically(tmp_path / "a.txt", write_hello)
    else:
        with pytest.raises(FileError, match="Input/output error"):
            write_atomically(tmp_path / "a.txt", write_hello)
    assert (tmp_path / "a.txt").read_bytes() == b"hello"


def test_system_that_cannot_open_folders_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "O_DIRECTORY")
    write_atomically(tmp_path / "a.txt", write_hello)
    assert (tmp_path / "a.txt").read_bytes() == b"hello"


def test_a_pending_file_is_there_once_it_is_put_and_never_if_discarded(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"old")
    for end, content in ((PendingFile.discard, b"old"), (PendingFile.put, b"hello")):
        file = PendingFile(tmp_path / "file")
        file.write(b"hel")
        file.write(memoryview(b"lo"))
        assert (tmp_path / "file").read_bytes() == b"old"
        end(file)
        assert (tmp_path / "file").read_bytes() == content
        assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_pending_file_tells_of_a_full_disk(tmp_path: Path) -> None:
    file = PendingFile(tmp_path / "file")
    file.stream.close()
    file.stream = open("/dev/full", "wb")  # noqa: SIM115  -- closed by discard
    with pytest.raises(FileError, match="No space left on device; free some space or choose another folder"):
        file.write(b"x" * 1_000_000)
    file.discard()
    assert not list(tmp_path.iterdir())
