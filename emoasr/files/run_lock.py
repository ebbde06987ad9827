"""One command at a time in a run's folder, or several that each hold a lock of another name."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import filelock

from emoasr.errors import UserError
from emoasr.files.writing import ensure_folder


@contextlib.contextmanager
def run_lock(workdir: Path, name: str = "", flag: str = "--workdir") -> Iterator[None]:
    """Holds the lock of a run's folder: the same command in another process is refused meanwhile.

    A folder that did not exist is removed again if nothing was written into it.

    Args:
        workdir: the run's folder.
        name: of the lock, where several processes share the folder, as shards do; each name can be
            held once.
        flag: that names the folder, for messages.

    Raises:
        UserError: another process holds the lock, or the folder cannot be created or written.
    """
    is_new = not workdir.exists()
    path = ensure_folder(workdir, flag) / (f".lock-{name}" if name else ".lock")
    lock = filelock.FileLock(path)  # the operating system frees it if this process is killed
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UserError(
            f"{workdir}: another emoasr command is running there{name and f' as {name}'}; "
            f"wait until it ends, or give another {flag}"
        ) from None
    try:
        yield
    finally:
        lock.release()
        if is_new and {p.name for p in workdir.iterdir()} <= {path.name}:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # another process has written there meanwhile
                workdir.rmdir()
