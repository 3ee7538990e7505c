"""Files: only regular ones are read, text up to a bound; what is written is there whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from simcore.errors import FileError

_NEXT_STEP = {
    errno.ENOSPC: "free some space or choose another folder",
    errno.EDQUOT: "free some space or choose another folder",
    errno.EFBIG: "choose another folder, or record less",
    errno.EACCES: "choose a folder you may write to",
    errno.EPERM: "choose a folder you may write to",
    errno.EROFS: "choose a folder you may write to",
    errno.ENOENT: "create the folder first",
    errno.ENOTDIR: "choose a path whose parent is a folder",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def open_regular(path: str | Path, kind: str) -> BinaryIO:
    """Return a stream of a file's bytes; never waits for whoever may write to a pipe, but refuses it.

    kind : what it should be, with its article
    raises : FileError for what cannot be opened, and for a folder, a pipe or a device
    """
    try:
        stream = open(path, "rb", opener=_opened_at_once)  # noqa: SIM115  -- the caller's to close
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        reason = error.strerror if isinstance(error, OSError) else error
        raise FileError(f"cannot read {path}: {reason}; name {kind}") from None
    if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
        stream.close()
        raise FileError(f"cannot read {path}: it is no regular file; name {kind}")
    return stream


def _opened_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_text(path: str | Path, most: int, kind: str) -> str:
    """Return the text of a file, of which no more than `most` bytes are read.

    kind : what it should be, with its article
    raises : FileError for a file that cannot be read, is longer, or is no UTF-8
    """
    with open_regular(path, kind) as stream:
        try:
            content = stream.read(most + 1)
        except OSError as error:
            raise FileError(f"cannot read {path}: {error.strerror}; name {kind}") from None
    if len(content) > most:
        raise FileError(f"cannot read {path}: it is larger than {most} bytes; is it {kind}?")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise FileError(f"{path}:{line} - is not UTF-8 text; is it {kind}?") from None


def write_atomically(path: str | Path, writer: Callable[[BinaryIO], object]) -> None:
    """Let `writer` fill a temporary file beside `path`, then put it in place in one step.

    path : where the file shall be; a link is followed, an existing file replaced, its folder must exist
    writer : gets a binary stream to write to; what it raises passes through, except OSError
    raises : FileError if the disk, the folder or the target refuses; nothing is left behind then
    """
    file = PendingFile(path)
    try:
        writer(file.stream)
        file.put()
    except OSError as error:
        file.discard()
        raise _refusal(path, error) from error
    except BaseException:
        file.discard()
        raise


class PendingFile:
    """A file that is written under another name beside its place, and is there only once it is put.

    path : where it shall be; a link is followed, an existing file replaced, its folder must exist
    raises : FileError if the disk, the folder or the target refuses
    """

    def __init__(self, path: str | Path) -> None:
        self.path = path
        try:
            self._target, self._temporary = _places(path)
            # "x" lets the umask decide on permissions, which tempfile's 0600 would not.
            self.stream: BinaryIO = open(self._temporary, "xb")  # noqa: SIM115  -- closed by put and discard
        except OSError as error:
            raise _refusal(path, error) from error

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes; FileError if the disk refuses."""
        try:
            self.stream.write(data)
        except OSError as error:
            raise _refusal(self.path, error) from error

    def put(self) -> None:
        """Put the file in its place in one step; discard it if that raises FileError."""
        try:
            self.stream.flush()
            os.fsync(self.stream.fileno())
            self.stream.close()
            os.replace(self._temporary, self._target)
            _sync_folder(self._target.parent)
        except OSError as error:
            raise _refusal(self.path, error) from error

    def discard(self) -> None:
        """Leave nothing behind."""
        with suppress(OSError):  # a full disk may refuse what is still to be flushed
            self.stream.close()
        self._temporary.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Raise the FileError of `write_atomically` if folder or target refuse, before there is much to write."""
    try:
        _, temporary = _places(path)
        with open(temporary, "xb"):
            temporary.unlink()
    except OSError as error:
        raise _refusal(path, error) from error


def _places(path: str | Path) -> tuple[Path, Path]:
    """Return where a file shall be, and a temporary one beside it; FileError for a folder or a device."""
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise FileError(f"cannot write {path}: it is a folder or a device, not a file; choose another name")
    # Short whatever the target's name, and hidden, so that nobody takes it for a result.
    return target, target.with_name(f".imcsim-{secrets.token_hex(8)}.tmp")


def _refusal(path: str | Path, error: OSError) -> FileError:
    reason = error.strerror or str(error)
    next_step = _NEXT_STEP.get(error.errno or 0, "choose another path")
    return FileError(f"cannot write {path}: {reason}; {next_step}")


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut, where the system lets a folder be opened."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot sync a folder
            raise
    finally:
        os.close(descriptor)
