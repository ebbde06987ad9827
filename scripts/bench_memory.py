"""`benchmark.py memory`: training steps that keep a step's memory for the next, and that do not.

`pretrain` keeps it. The steps are in bfloat16, of speech on the device, see `bench_train.py`. The
settings of glibc hold for a process, so each run has one of its own; its first steps do not count.
"""

import contextlib
import dataclasses
import multiprocessing
import statistics
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import bench_train
import timing

from emoasr.system import limits

_RUNS = 4  # in a process, one more before


def rows(repeats: int, n_utterances: int, n_frames: int) -> list[dict[str, Any]]:
    """Seconds of a step."""
    seconds: dict[str, list[float]] = {"memory kept": [], "memory given back": []}
    for _ in range(repeats):
        for name, found in seconds.items():
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                kept = name == "memory kept"
                found.append(pool.submit(_step, kept, n_utterances, n_frames).result())
    last = statistics.median(seconds["memory given back"])
    return [
        {"peer": name, **timing.summary(s), "times_given_back": last / statistics.median(s)}
        for name, s in seconds.items()
    ]


def _step(kept: bool, n_utterances: int, n_frames: int) -> float:
    keeping = limits.freed_memory_kept if kept else contextlib.nullcontext
    with keeping(), bench_train.noise(n_utterances, n_frames) as (trainer, state, examples):
        trainer = dataclasses.replace(trainer, compute_dtype="bfloat16")
        run = bench_train.training(trainer, state, examples, 1)
        found = timing.alternate({"": run}, _RUNS)[""]
    return statistics.median(found) / bench_train.STEPS
