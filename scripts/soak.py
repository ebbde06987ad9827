"""Extracts one corpus again and again in one process: do memory, threads and open files stay flat?

    python scripts/soak.py --config=configs/emotale.py --config.corpus.path=DIR --minutes=60

Linux only. Figures are compared by quarters of the time: the first one fills caches.
"""

import contextlib
import io
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import app, flags
from ml_collections import config_flags

from emoasr import extract


def footprint() -> dict[str, int]:
    """This process's memory (MB), threads and open files."""
    output = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return {
        "memory_mb": int(output["VmRSS"].split()[0]) // 1024,
        "threads": int(output["Threads"]),
        "files": sum(1 for _ in Path("/proc/self/fd").iterdir()),
    }


def main(argv: list[str]) -> None:
    """Runs until the time is over, and prints the quarters."""
    values = flags.FLAGS
    started, found = time.monotonic(), []
    while (now := time.monotonic() - started) < values.minutes * 60:
        with tempfile.TemporaryDirectory() as workdir, contextlib.redirect_stdout(io.StringIO()):
            extract.main(values.config, Path(workdir))
        found.append({"seconds": round(now), **footprint()})
        print(json.dumps(found[-1]), flush=True)
    seconds = np.array([row["seconds"] for row in found])
    quarter = (4 * seconds // (seconds[-1] + 1)).astype(int)
    for name in ("memory_mb", "threads", "files"):
        column = np.array([row[name] for row in found])
        means = [round(float(column[quarter == q].mean()), 1) for q in range(4)]
        print(f"{name}: by quarters {means}, last / second {means[3] / means[1]:.3f}")
    print(f"{len(found)} extractions in {values.minutes:g} minutes")


if __name__ == "__main__":
    config_flags.DEFINE_config_file("config", None, "As of emoasr.extract.", lock_config=True)
    flags.DEFINE_float("minutes", 60.0, "How long.", lower_bound=0.1)
    app.run(main)
