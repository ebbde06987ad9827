"""Seconds of peers, run in turn: other load on the machine affects all alike.

And seconds and memory of a whole command; for that this file runs itself as a script.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[1]


def alternate(
    peers: dict[str, Callable[[], Any]], repeats: int, warm_up: bool = True
) -> dict[str, list[float]]:
    """Seconds of each peer's runs, in turn, after one of each that is not counted."""
    for run in peers.values() if warm_up else ():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(repeats):
        for name, run in peers.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def summary(seconds: list[float]) -> dict[str, float]:
    """Median, smallest and largest."""
    return {"median_s": statistics.median(seconds), "min_s": min(seconds), "max_s": max(seconds)}


def extract(corpus: Path, workdir: Path, cache: Path, engine: str = "local") -> dict[str, Any]:
    """Runs `python -m emoasr.extract --config=configs/folder.py` in a process of its own.

    Args:
        corpus: the folder of audio.
        workdir: the run's folder; new, or tables in it would be kept.
        cache: folder of compiled programs.
        engine: `config.engine`; with Ray the memory is that of the command, not of its actors.

    Returns:
        Seconds and peak memory of the process, how many programs it compiled and kept, and what
        its `extract.json` says.
    """
    command = [
        sys.executable, "-m", "emoasr.extract", "--config=configs/folder.py",
        f"--config.corpus.path={corpus}", f"--workdir={workdir}", f"--config.engine={engine}",
    ]  # fmt: skip
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache)}
    kept = len(list(cache.glob("*-cache")))
    done = subprocess.run(
        [sys.executable, __file__, *command],
        cwd=_ROOT, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    summary = json.loads((workdir / "extract.json").read_text(encoding="utf-8"))
    return json.loads(done.stdout) | {
        "extraction_s": summary["seconds"], "files": summary["used"],
        "hours": summary["hours_of_audio"],
        "compiled_and_kept": len(list(cache.glob("*-cache"))) - kept,
        "computed": summary["computed"],
    }  # fmt: skip


def _measure(command: list[str]) -> dict[str, float]:
    """Runs a command to its end; its output goes to stderr.

    For a process as small as this script's: Linux counts what the parent held at the start of a
    command as the command's own peak.
    """
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=sys.stderr)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"exit status {process.returncode}")
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return {"wall_s": round(seconds, 2), "peak_memory_mb": round(usage.ru_maxrss / unit)}


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1:])))
