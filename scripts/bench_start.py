"""`benchmark.py start`: what a user waits for, each time in a fresh process, beside openSMILE.

import: of the package. load: `load_recognizer()`, or the making of `opensmile.Smile`, what they
import included. first: the features of one file. single: those of 60 others, one file a call, and
the longest of these calls after the first five. together: 100 files in one call.

cold: with an empty folder of compiled programs; warm: with that which the cold process left. This
script runs itself as those processes; with JAX_PLATFORMS and the like as they are here.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SINGLE, _TOGETHER = 60, 100  # files
_FEW = 5  # calls that may pause: each of a shape not met before


def rows(audio: list[Path], repeats: int) -> list[dict[str, Any]]:
    """Medians of seconds over fresh processes, and how many times openSMILE's they are.

    Args:
        audio: 100 files, or more.
        repeats: processes of each kind, in alternation.
    """
    seconds: dict[str, list[dict[str, float]]] = {"openSMILE": [], "cold": [], "warm": []}
    for _ in range(repeats):
        seconds["openSMILE"].append(_process("openSMILE", audio, {}))
        with tempfile.TemporaryDirectory() as cache:
            for name in ("cold", "warm"):
                seconds[name].append(
                    _process("emoasr", audio, {"JAX_COMPILATION_CACHE_DIR": cache})
                )
    medians = {
        name: {step: statistics.median(run[step] for run in runs) for step in runs[0]}
        for name, runs in seconds.items()
    }
    return [
        {"step": step, **{f"{name}_s": median[step] for name, median in medians.items()},
         "warm_to_openSMILE": medians["warm"][step] / medians["openSMILE"][step]}
        for step in medians["warm"]
    ]  # fmt: skip


def _process(which: str, audio: list[Path], environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, __file__, which, *map(str, audio[:_TOGETHER])]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{which} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _measured(which: str, files: list[str]) -> dict[str, float]:
    """Seconds of each step in this process."""
    clock = _Clock()
    features = {"emoasr": _emoasr, "openSMILE": _opensmile}[which](clock)
    clock.lap("load")
    found = features(files[:1])
    assert len(found) == 1
    clock.lap("first")
    pauses = []
    for file in files[1 : 1 + _SINGLE]:
        start = time.perf_counter()
        features([file])
        pauses.append(time.perf_counter() - start)
    clock.lap("single")
    clock.seconds["longest single"] = max(pauses[_FEW:])
    clock.seconds["median single"] = statistics.median(pauses)
    for step in ("together", "together again"):
        assert len(features(files)) == len(files)
        clock.lap(step)
    return clock.seconds


class _Clock:
    def __init__(self):
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, step: str) -> None:
        """Seconds since the last one, which are the step's."""
        now = time.perf_counter()
        self.seconds[step], self._since = now - self._since, now


def _emoasr(clock: _Clock) -> Callable[[list[str]], Any]:
    import emoasr

    clock.lap("import")
    return emoasr.load_recognizer().features


def _opensmile(clock: _Clock) -> Callable[[list[str]], Any]:
    import opensmile

    clock.lap("import")
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
    ).process_files


if __name__ == "__main__":
    print(json.dumps(_measured(sys.argv[1], sys.argv[2:])))
