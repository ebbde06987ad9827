"""What can befall a command: another one in its folder, a kill, a full disk, too little memory."""

import contextlib
import ctypes
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import filelock

from emoasr.errors import UserError

_REMEDIES = {
    errno.ENOSPC: "no space left on the disk; free some",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EROFS: "the disk is read-only; make it writable",
    errno.EACCES: "access was refused; change the file's rights",
    errno.EIO: "the disk failed; see that it works",
    errno.EMFILE: "too many open files; raise the limit (ulimit -n)",
}

_ARENA_MAX = -8  # glibc's M_ARENA_MAX


@contextlib.contextmanager
def alone(workdir: Path, seat: str = "") -> Iterator[None]:
    """Holds a run's folder, or one seat of it, while commands of other processes are refused.

    A folder that was not there is gone again if nothing was written into it.

    Args:
        workdir: the run's folder.
        seat: of those who work there together, like shards: which one this is.

    Raises:
        UserError: another command is at work there, or the folder cannot be made or written.
    """
    made = not workdir.exists()
    path = ensure_folder(workdir) / (f".lock-{seat}" if seat else ".lock")
    lock = filelock.FileLock(path)  # the system's: what a killed process held is free
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(
            f"{workdir}: another emoasr command is at work there{seat and f' as {seat}'}; wait for "
            "it, or give another --workdir"
        ) from None
    try:
        yield
    finally:
        lock.release()
        if made and {p.name for p in workdir.iterdir()} <= {path.name}:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # another process has come to work here
                workdir.rmdir()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the path's place once it is whole: no reader, and no kill, meets half."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())  # else a power cut could leave the new name without the content
    part.replace(path)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Writes a file, text as UTF-8, see `replacing`."""
    if isinstance(content, str):  # file names may hold what is not UTF-8
        content = content.encode(errors="backslashreplace")
    with replacing(path) as file:
        file.write(content)


def steady_memory() -> None:
    """Lets threads share what glibc has freed; else each keeps its own, and memory creeps up.

    For commands, before they start threads; elsewhere than on Linux nothing happens.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_ARENA_MAX, 1)


def ensure_folder(path: Path) -> Path:
    """Makes an output folder.

    Raises:
        UserError: it cannot be made or written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)  # another process may have asked too
    except OSError as error:
        raise UserError(
            f"cannot write to {path} ({error.strerror}); give another --workdir"
        ) from None
    return path


@contextlib.contextmanager
def told_in_a_line() -> Iterator[None]:
    """Turns what the machine lacks into a UserError; what is on disk stays."""
    again = "and run the same command again: what is finished is kept"
    try:
        yield
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise UserError(f"{where}{_REMEDIES[error.errno]} {again}") from None
    except (AssertionError, MemoryError, RuntimeError, ValueError) as error:  # JAX's, TensorStore's
        if why := _no_backend():
            raise UserError(why) from None
        if os.strerror(errno.ENOSPC) in str(error):
            raise UserError(f"{_REMEDIES[errno.ENOSPC]} {again}") from None
        if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise UserError(f"out of memory; lower the configuration's batch_frames {again}") from None


def _no_backend() -> str | None:
    """Whether JAX was told to compute on what is not there, in a line; it says so in many ways."""
    wanted = os.environ.get("JAX_PLATFORMS")
    if not wanted or (jax := sys.modules.get("jax")) is None:
        return None
    try:
        jax.devices()
    except (AssertionError, RuntimeError):
        return (
            f"JAX_PLATFORMS={wanted}: JAX has no such device here; unset it to take what there is "
            "(NVIDIA GPUs need pip install -e '.[cuda]')"
        )
    return None
