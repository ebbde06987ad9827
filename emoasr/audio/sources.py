"""Files for libsndfile: on disk, in a zip, or in a store."""

import contextlib
import io
import os
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from emoasr.errors import AudioError, UserError
from emoasr.files import storage
from emoasr.files.clients import UnreachableError

Place = Path | zipfile.Path | storage.Remote


def opened(path: Place, ahead: int) -> AbstractContextManager[Any]:
    """Opens a file for libsndfile.

    Args:
        path: of the file.
        ahead: bytes to fetch beyond those needed, where the file is in a store.

    Raises:
        AudioError: it is missing, not a file, or cannot be read; the caller adds the path.
        UserError: its store does not answer.
    """
    if isinstance(path, storage.Remote):
        return _in_store(path, ahead)
    return contextlib.nullcontext(at_hand(path))


@contextlib.contextmanager
def _in_store(path: storage.Remote, ahead: int) -> Iterator[storage.Stream]:
    try:
        with path.streamed(ahead) as stream:
            yield stream
    except UnreachableError as error:  # else all following files would be skipped, one by one
        raise UserError(f"{path}: {error.strerror}; the same command continues from here") from None
    except FileNotFoundError:
        raise AudioError("no such file") from None
    except OSError as error:
        raise AudioError(f"cannot be read ({error.strerror or error})") from None


def state(path: Path) -> tuple[Path, int, int, int]:
    """What identifies a file's content: changes when the file is replaced or altered."""
    found = path.stat()
    return path, found.st_ino, found.st_size, found.st_mtime_ns


def at_hand(path: Path | zipfile.Path) -> int | Path | io.BytesIO:
    """What libsndfile opens of a file on disk or in a zip. Raises: AudioError, as `opened`."""
    try:
        if path.is_dir():
            raise AudioError("is a folder, not an audio file")
        if not path.exists():
            raise AudioError(f"no such file{_other_form(path)}")
        if not path.is_file():  # opening a pipe could wait forever
            raise AudioError("is a pipe or device, not an audio file")
        if not isinstance(path, Path):  # in memory: each seek would decompress it again
            return io.BytesIO(path.read_bytes())
        # Given a name, libsndfile would refuse long ones, and those that are not UTF-8. But the
        # header of an SD2 file is in another file, `._NAME`, which it finds by the name alone.
        by_name = os.name != "posix" or path.suffix.lower() == ".sd2"
        return path if by_name else os.open(path, os.O_RDONLY)
    except OSError as error:
        raise AudioError(f"cannot be opened ({error.strerror or error})") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise AudioError(f"cannot be unpacked ({error})") from None


def _other_form(path: Path | zipfile.Path) -> str:
    """A hint where a file has the same name in another of Unicode's normal forms."""
    forms = {unicodedata.normalize(form, path.name) for form in ("NFC", "NFD")} - {path.name}
    if isinstance(path, Path) and any(path.with_name(name).exists() for name in forms if name):
        return "; there is one whose name is the same in another Unicode normal form (NFC, NFD)"
    return ""
