"""Worker processes: how many, and how they start and end."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import TypeVar

from emoasr.system import interrupts

T = TypeVar("T")
R = TypeVar("R")

_LOOK = 1.0  # seconds between checks that the parent is alive


def count(wanted: int) -> int:
    """Number of workers: `wanted`, or if that is 0 the number of cores that this process may use.

    These are fewer than the machine has where its affinity or a container (cgroup) limits them.
    """
    import joblib  # it takes NumPy along, which no help needs

    return wanted or joblib.cpu_count()


def results(function: Callable[[T], R], inputs: Iterable[T], n: int) -> Iterator[R]:
    """A function's result for each input, in order, computed by `n` new processes.

    They import what the function needs and nothing else. Those of `multiprocessing` would run the
    main module again: that of a command imports JAX, and that of a script without a main guard
    would start processes of its own. They end when this iterator ends, in whatever way, and with
    this process, even if it is killed.

    Args:
        function: can be pickled, as can its input and result.
        inputs: read as they are needed, at most twice the number of processes ahead.
        n: processes.

    Raises:
        concurrent.futures.BrokenExecutor: a process died.
    """
    from joblib.externals import loky

    executor = loky.ProcessPoolExecutor(n, initializer=_follow, initargs=(os.getpid(),))
    ahead: deque[Future[R]] = deque()
    try:
        for x in inputs:
            with interrupts.kept_from_children():  # the first ones start them
                ahead.append(executor.submit(function, x))
            if len(ahead) == 2 * n:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        while not all(task.running() or task.done() for task in ahead):
            time.sleep(0.01)  # loky's thread would stumble over tasks that it has not yet taken
        feeder = executor._call_queue._thread
        executor.shutdown(kill_workers=True)
        if feeder:
            # loky waits for all but this thread. It holds semaphores: if it freed them while Python
            # ends, they would be reported as leaked. A pipe that nobody reads could block it.
            feeder.join(_LOOK)


def _follow(parent: int) -> None:
    """Ends this process with its parent."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
