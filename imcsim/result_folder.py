"""Directories of results: claimed before the work starts, filled together or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from abc import ABC, abstractmethod
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from simcore.errors import FileError
from simcore.files import write_atomically

_STAGE = ".imcsim-"


class ResultFolder(ABC):
    """A directory claimed for a result's files before it is there; what is not put leaves no trace.

    files : that a result may consist of; without the first nobody takes the directory for one
    raises : FileError on entry if the directory cannot be made or written to, or holds anything but a result
    """

    files: ClassVar[tuple[str, ...]]

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self._made: list[Path] = []
        self._stage = self.folder / f"{_STAGE}{secrets.token_hex(8)}.tmp"

    @abstractmethod
    def holds_result(self) -> bool:
        """Tell whether an earlier result of the kind lies here."""

    def __enter__(self) -> Self:
        try:
            self._make(self.folder)
            self._check_content()
            self._stage.mkdir()
        except OSError as error:
            self._leave()
            reason = error.strerror or str(error)
            raise FileError(f"cannot write to {self.folder}: {reason}; choose another directory") from None
        except FileError:
            self._leave()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def place(self, name: str) -> Path:
        """Return where to write a file before all of them are put in place."""
        return self._stage / name

    def write_text(self, name: str, text: str) -> None:
        """Write a file to its place."""
        write_atomically(self.place(name), lambda stream: stream.write(text.encode()))

    def put(self) -> None:
        """Put all files in place of those of an earlier result."""
        try:
            # Without the first no reader takes the directory for a result: it goes first and comes last.
            for name in self.files:
                (self.folder / name).unlink(missing_ok=True)
            for name in reversed(self.files):
                if self.place(name).exists():
                    os.replace(self.place(name), self.folder / name)
        except OSError as error:
            raise FileError(
                f"cannot write to {self.folder}: {error.strerror}; choose another directory"
            ) from None
        self._made = []

    def _make(self, folder: Path) -> None:
        """Create the directory with its parents, and remember which are new."""
        if not folder.exists():
            self._make(folder.parent)
            folder.mkdir()
            self._made.append(folder)
        elif not folder.is_dir():
            raise FileError(f"cannot write to {self.folder}: {folder} is a file; choose another directory")

    def _check_content(self) -> None:
        # What a killed run left on its stage is nobody's work.
        content = sorted(path.name for path in self.folder.iterdir() if not path.name.startswith(_STAGE))
        if content and not self.holds_result():
            raise FileError(
                f"{self.folder} holds {content[0]!r}{' and more' if len(content) > 1 else ''} but no earlier "
                "result; choose a new or an empty directory"
            )

    def _leave(self) -> None:
        shutil.rmtree(self._stage, ignore_errors=True)
        for folder in reversed(self._made):
            folder.rmdir()
        self._made = []
