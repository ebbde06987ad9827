"""What the machine runs out of: disk, memory, open files, devices; each error as one line."""

import contextlib
import ctypes
import errno
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from emoasr.errors import UserError

_REMEDIES = {
    errno.ENOSPC: "no space left on the disk; free some",
    errno.EDQUOT: "the disk quota is used up; free some space",
    errno.EROFS: "the disk is read-only; make it writable",
    errno.EACCES: "access was refused; change the file's permissions",
    errno.EIO: "the disk failed; check it",
    errno.ENAMETOOLONG: "the name is too long; give a shorter one",
    errno.ELOOP: "symbolic links form a loop; correct them",
    errno.EMFILE: "too many open files; raise the limit (ulimit -n)",
}

_ARENA_MAX, _MMAP_MAX, _MMAP_THRESHOLD, _TRIM_THRESHOLD = -8, -4, -3, -1  # glibc's, of mallopt


@contextlib.contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turns errors for lack of disk, memory, open files or a device into a UserError.

    What was written to disk stays there.
    """
    again = "and run the same command again: finished work is kept"
    try:
        yield
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise UserError(f"{where}{_REMEDIES[error.errno]} {again}") from None
    except (AssertionError, MemoryError, RuntimeError, ValueError) as error:  # JAX's, TensorStore's
        if why := _missing_backend():
            raise UserError(why) from None
        if os.strerror(errno.ENOSPC) in str(error):
            raise UserError(f"{_REMEDIES[errno.ENOSPC]} {again}") from None
        if not isinstance(error, MemoryError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise UserError(f"out of memory; lower the configuration's batch_frames {again}") from None


def _missing_backend() -> str | None:
    """Says so if `JAX_PLATFORMS` names a device that is not there; JAX has many errors for it."""
    platforms = os.environ.get("JAX_PLATFORMS")
    if not platforms or (jax := sys.modules.get("jax")) is None:
        return None
    try:
        jax.devices()
    except (AssertionError, RuntimeError):
        return (
            f"JAX_PLATFORMS={platforms}: JAX finds no such device here; unset it to use what there "
            "is (NVIDIA GPUs need pip install -e '.[cuda]')"
        )
    return None


def check_room(folder: Path, n_bytes: int, what: str, elsewhere: str = "--workdir") -> None:
    """Raises a UserError where a disk has too little room for what is to be written.

    Args:
        folder: on that disk.
        n_bytes: about how many will be written.
        what: that is, in words.
        elsewhere: the flag that names another place.
    """
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        needed, there = (f"{n / 1e6:,.0f} MB" for n in (n_bytes, free))
        raise UserError(
            f"{folder}: {what} take about {needed}, and the disk has {there}; free some, or give "
            f"another {elsewhere}"
        )


def share_freed_memory() -> None:
    """Lets threads share the memory that glibc has freed; else each keeps its own, and use grows.

    For commands, before they start threads; does nothing on systems other than Linux.
    """
    _glibc("mallopt", _ARENA_MAX, 1)


@contextlib.contextmanager
def freed_memory_kept() -> Iterator[None]:
    """Within it, glibc keeps freed memory for what is allocated next, as by the next training step.

    Else every step's memory goes back to the system, and comes again as new pages, which takes time
    (the speed guide has figures). To be entered before threads are started; does nothing on systems
    other than Linux.
    """
    share_freed_memory()
    _glibc("mallopt", _MMAP_MAX, 0)
    _glibc("mallopt", _TRIM_THRESHOLD, -1)
    try:
        yield
    finally:  # the upper ends of glibc's own adjustment
        _glibc("mallopt", _MMAP_MAX, 65536)
        _glibc("mallopt", _MMAP_THRESHOLD, 32 << 20)
        _glibc("mallopt", _TRIM_THRESHOLD, 64 << 20)
        _glibc("malloc_trim", 0)


def _glibc(function: str, *arguments: int) -> None:
    """Calls a function of glibc, if that is there."""
    with contextlib.suppress(OSError, AttributeError):
        getattr(ctypes.CDLL("libc.so.6"), function)(*arguments)
