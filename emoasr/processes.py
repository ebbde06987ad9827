"""Processes that help this one: how many, and how they start and end."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

import joblib
from joblib.externals import loky

_LOOK = 1.0  # seconds between looks whether the parent is still there


def count(wanted: int) -> int:
    """How many are to work: `wanted`, or if that is 0 one a core that this process may use.

    Those are fewer than the machine has where its affinity or a container (cgroup) limits them.
    """
    return wanted or joblib.cpu_count()


@contextlib.contextmanager
def pool(n: int) -> Iterator[loky.ProcessPoolExecutor]:
    """A pool of `n` fresh processes, which import what their tasks need and nothing else.

    Unlike multiprocessing's they do not run the main module again: that of a command would bring
    JAX into each, and that of a script without a main guard would start the pool's pool. They end
    with the block, however it is left, and with this process, even if that is killed.
    """
    executor = loky.ProcessPoolExecutor(n, initializer=_follow, initargs=(os.getpid(),))
    try:
        yield executor
    finally:
        executor.shutdown(kill_workers=True)


def _follow(parent: int) -> None:
    """Ends this process with its parent, and leaves Ctrl-C, which both get, to that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
