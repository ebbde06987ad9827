"""Where the time of an extraction goes: seconds of its stages, and how busy a GPU is meanwhile."""

import contextlib
import functools
import io
import json
import shutil
import statistics
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from emoasr import config
from emoasr import extract as command
from emoasr.audio import reading
from emoasr.corpora import base
from emoasr.extraction import extract, passes
from emoasr.files import parquet
from emoasr.inference import planning, pooling, runner

# of the functions that are timed: where each is looked up, and its name there
_STAGES = {
    "opening the corpus": ((extract, "open_corpus"), (base.Corpus, "fingerprints")),
    "headers and plan": ((planning, "make_plan"),),
    "opening files": ((runner, "decode"),),
    "decoding": ((reading, "_decode"),),
    "resampling": ((reading, "resample"),),
    "padding": ((runner, "_fill"), (runner, "_empty")),
    "compiling": ((pooling.Pooler, "compiled"),),
    "dispatch and copy": ((pooling.Pooler, "_run"),),
    "waiting for the device": ((runner, "_fetch"),),
    "keeping rows": ((passes, "_put"),),
    "writing tables": ((parquet, "write_numbers"),),
}


class Stages:
    """Seconds in each stage, all threads together: a stage within another counts for itself."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._lock, self._thread = threading.Lock(), threading.local()

    @contextlib.contextmanager
    def timed(self) -> Iterator["Stages"]:
        """Times the stages of what runs within."""
        with contextlib.ExitStack() as patches:
            for stage, places in _STAGES.items():
                for owner, name in places:
                    function = self._timing(stage, getattr(owner, name))
                    patches.enter_context(mock.patch.object(owner, name, function))
            yield self

    def shares(self, wall_s: float) -> dict[str, float]:
        """Seconds of each stage by those of the clock; beyond 1 where several threads work."""
        return {stage: self.seconds[stage] / wall_s for stage in _STAGES if self.seconds[stage]}

    def _timing(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def timing(*args: Any, **kwargs: Any) -> Any:
            outer = getattr(self._thread, "inner_s", 0.0)
            self._thread.inner_s, start = 0.0, time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                took = time.perf_counter() - start
                with self._lock:
                    self.seconds[stage] += took - self._thread.inner_s
                self._thread.inner_s = outer + took

        return timing


def extraction(corpus: Path, workdir: Path, changes: dict[str, Any]) -> dict[str, Any]:
    """Runs `emoasr extract` of `neural` and `mfcc` in this process.

    Args:
        corpus: a folder of audio.
        workdir: the run's folder, which is removed afterwards.
        changes: fields of the configuration, and their values.

    Returns:
        Hours, seconds, the share of time that a GPU was busy (None: unknown), cores that this
        process had at work, and the seconds of each stage by those of the clock.
    """
    settings = config.experiment("folder")
    settings.corpus.path, settings.feature_sets = str(corpus), ("neural", "mfcc")
    settings.update(changes)
    with Stages().timed() as stages, gpu_busy() as busy, contextlib.redirect_stdout(io.StringIO()):
        start, at_work = time.perf_counter(), time.process_time()
        command.main(settings, workdir)
        seconds, at_work = time.perf_counter() - start, time.process_time() - at_work
    summary = json.loads((workdir / "extract.json").read_text(encoding="utf-8"))
    shutil.rmtree(workdir)
    return {
        "hours": summary["hours_of_audio"], "files": summary["used"], "seconds": seconds,
        "times_real_time": summary["hours_of_audio"] * 3600 / seconds,
        "padding": summary["computed"]["neural"]["padding"], "GPU busy": busy(),
        "cores at work": at_work / seconds,
        "seconds of stages by those of the clock": stages.shares(seconds),
    }  # fmt: skip


@contextlib.contextmanager
def gpu_busy() -> Iterator[Callable[[], float | None]]:
    """What gives, afterwards, the share of time that the GPU was busy within; None: unknown."""
    said: list[float] = []
    over = threading.Event()

    def ask() -> None:
        command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
        while not over.wait(0.2):
            done = subprocess.run(command, capture_output=True, text=True)
            said.extend(float(line) / 100 for line in done.stdout.split() if line.isdigit())

    thread = threading.Thread(target=ask, daemon=True)
    if shutil.which("nvidia-smi"):
        thread.start()
    try:
        yield lambda: statistics.mean(said) if said else None
    finally:
        over.set()
        if thread.ident:
            thread.join()
