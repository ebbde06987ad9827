"""Helping processes: as many as this one may have, and none that outlives it."""

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from emoasr.system import processes

ROOT = Path(__file__).parents[2]


def gone(pid: int) -> bool:
    """Whether a process ends within a minute."""
    for _ in range(600):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_one_a_core_that_this_process_may_use():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert processes.count(0) == 1
    finally:
        os.sched_setaffinity(0, before)
    assert processes.count(0) <= len(before)
    assert processes.count(3) == 3


def test_nobody_counts_the_cores_of_the_whole_machine():
    files = [*ROOT.glob("emoasr/**/*.py"), *ROOT.glob("scripts/*.py")]
    assert files and not [path for path in files if "os.cpu_count" in path.read_text()]


def doubled(x: int) -> tuple[int, int]:
    return 2 * x, os.getpid()


def test_results_are_in_order_and_from_other_processes():
    found = list(processes.results(doubled, range(50), 2))
    assert [value for value, _ in found] == [2 * i for i in range(50)]
    assert os.getpid() not in {process for _, process in found}


@pytest.mark.parametrize("n_taken", [0, 1, 3])
def test_no_thread_stays(n_taken):
    found = processes.results(doubled, range(3), 2)
    assert len(list(itertools.islice(found, n_taken))) == n_taken
    found.close()
    assert not [t for t in threading.enumerate() if t.name == "QueueFeederThread"]


def test_inputs_are_taken_as_they_are_needed():
    taken = iter(range(100))
    next(processes.results(doubled, taken, 1))
    assert next(taken) <= 4


@pytest.mark.filterwarnings("error")  # of loky's thread
@pytest.mark.parametrize("after", [0, 0.001, 0.01, 0.1])
def test_however_it_is_left_no_process_stays(after):
    def inputs():
        yield 0.0
        yield 0.0
        yield 600.0
        time.sleep(after)
        raise KeyboardInterrupt

    found = processes.results(pid_after, inputs(), 1)
    worker = next(found)
    with pytest.raises(KeyboardInterrupt):
        list(found)
    assert gone(worker)


def pid_after(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def interrupted(x: int) -> int:
    os.kill(os.getpid(), signal.SIGINT)
    return x


def test_ctrl_c_is_left_to_the_parent():
    assert list(processes.results(interrupted, [1, 2], 1)) == [1, 2]


def test_a_killed_process_takes_the_others_along():
    code = """
import sys
sys.path.insert(0, "tests/system")
from emoasr.system import processes
from test_processes import pid_after
for pid in processes.results(pid_after, [0, 600, 600], 1):
    print(pid, flush=True)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT)
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert gone(worker)
