"""Writing files: an output folder that can be written, and files that are never half written."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from emoasr.errors import UserError
from emoasr.files import places, storage


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Opens a file that replaces the one at `path` once it is complete.

    Readers see the old content or the new one, never a part, even if the process is killed.
    """
    part = _part(path)
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


def place_of(given: str | os.PathLike, what: str) -> Path:
    """The file or folder on disk that a user names for output.

    Args:
        given: by the user.
        what: the flag or argument that gives it, for messages.

    Raises:
        UserError: it is a URL, or has a zero byte.
    """
    if "://" in os.fspath(given):
        raise UserError(
            f"{what}={given}: must be on a disk, local or mounted; object stores are only read from"
        )
    if "\0" in os.fspath(given):
        raise UserError(f"{what}={given}: no name may have a zero byte; give another")
    return places.local(given)


def workdir_of(given: str | os.PathLike, what: str = "--workdir") -> Path:
    """The folder of a run that a user names; see `place_of`.

    Raises:
        UserError: as `place_of`; or tables cannot be read from a folder of this name.
    """
    path = place_of(given, what)
    if not storage.is_utf8(path):
        raise UserError(
            f"{what}={path}: is not UTF-8, so that Arrow cannot open tables in it; give another "
            "folder, or rename it"
        )
    return path


def file_of(given: str | os.PathLike, what: str) -> Path:
    """The file on disk that a user names for output; creates its folder.

    Args:
        given: by the user.
        what: the flag or argument that gives it, for messages.

    Raises:
        UserError: it is a URL, or no file can be written there.
    """
    path = place_of(given, what)
    ensure_folder(path.parent)
    check_name(path, f"{what}={given}")
    return path


def check_name(path: Path, what: str) -> None:
    """Raises a UserError that begins with `what` where no file of a folder can have this name."""
    try:
        is_folder = path.is_dir()
        _part(path).lstat()  # which is longer
    except FileNotFoundError:
        pass
    except OSError as error:
        raise UserError(
            f"{what}: cannot be written ({error.strerror}); give another name"
        ) from None
    if is_folder:
        raise UserError(f"{what}: is a folder; give the name of a file")


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


def _part(path: Path) -> Path:
    """The file that is written until it is complete."""
    return path.parent / f"{path.name}.part"
