"""Speed beside peers, in one run: ratios and medians, since machines differ and are noisy.

    python scripts/benchmark.py frontend
    python scripts/benchmark.py model      # this and train need pip install -e '.[bench]'
    python scripts/benchmark.py train
    python scripts/benchmark.py eval --repeats=1

Prints a table and writes it, with machine and versions, to --out as JSON. What each one does is in
`bench_device.py`, `bench_train.py` and `bench_eval.py`.
"""

import json
import os
import platform
from pathlib import Path

import bench_device
import bench_eval
import bench_train
import jax
from absl import app, flags

import emoasr

_REPEATS = flags.DEFINE_integer("repeats", 7, "Timed runs of each, in alternation.", 1)
_FRAMES = flags.DEFINE_integer("frames", 256, "Frames an utterance (model, train).", 32)
_BATCH = flags.DEFINE_integer("batch", 32, "Utterances a batch (model, train).", 1)
_OUT = flags.DEFINE_string("out", None, "JSON file to write.")

_BENCHMARKS = {
    "frontend": lambda: bench_device.frontend(_REPEATS.value),
    "model": lambda: bench_device.model(_REPEATS.value, _BATCH.value, _FRAMES.value),
    "train": lambda: bench_train.rows(_REPEATS.value, _BATCH.value, _FRAMES.value),
    "eval": lambda: bench_eval.rows(_REPEATS.value),
}


def main(argv: list[str]) -> None:
    """Runs the named benchmark."""
    if len(argv) != 2 or argv[1] not in _BENCHMARKS:
        raise app.UsageError(f"name one benchmark: {', '.join(_BENCHMARKS)}")
    rows = _BENCHMARKS[argv[1]]()
    for row in rows:
        print("  ".join(f"{k}={v:.3g}" if isinstance(v, float) else str(v) for k, v in row.items()))
    record = {
        "benchmark": argv[1],
        "rows": rows,
        "machine": {"processor": platform.processor() or platform.machine(),
                    "cores": os.cpu_count(), "devices": [str(d) for d in jax.devices()]},
        "versions": {"emoasr": emoasr.__version__, "jax": jax.__version__,
                     "python": platform.python_version()},
    }  # fmt: skip
    if _OUT.value:
        Path(_OUT.value).write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    app.run(main)
