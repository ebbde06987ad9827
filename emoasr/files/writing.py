"""Writing files: an output folder that can be written, and files that are never half written."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from emoasr.errors import UserError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Opens a file that replaces the one at `path` once it is complete.

    Readers see the old content or the new one, never a part, even if the process is killed.
    """
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())  # else a power cut could leave the new name without the content
    part.replace(path)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file as `replacing` does, text as UTF-8."""
    if isinstance(content, str):  # file names may not be valid Unicode
        content = content.encode(errors="backslashreplace")
    with replacing(path) as file:
        file.write(content)


def ensure_folder(path: Path, what: str = "folder") -> Path:
    """Creates an output folder unless it exists.

    Args:
        path: the folder.
        what: for the message: what the user can give another of.

    Raises:
        UserError: it cannot be created or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may be doing the same
    except OSError as error:
        raise UserError(f"cannot write to {path} ({error.strerror}); give another {what}") from None
    return path
