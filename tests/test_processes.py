"""Helping processes: as many as this one may have, and none that outlives it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from emoasr import processes

ROOT = Path(__file__).parents[1]


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


def test_a_block_that_is_left_by_an_error_leaves_no_process():
    with pytest.raises(KeyboardInterrupt), processes.pool(2) as pool:
        worker = pool.submit(os.getpid).result()
        pool.submit(time.sleep, 600)
        raise KeyboardInterrupt
    assert gone(worker)


def test_ctrl_c_is_left_to_the_parent():
    with processes.pool(1) as pool:
        worker = pool.submit(os.getpid).result()
        os.kill(worker, signal.SIGINT)
        assert pool.submit(os.getpid).result() == worker


def test_a_killed_process_takes_its_pool_along():
    code = """
import os, time
from emoasr import processes
with processes.pool(1) as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 600).result()
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT)
    worker = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    assert gone(worker)
