"""Speed beside peers, in one run: ratios and medians, since machines differ and are noisy.

    python scripts/benchmark.py frontend   # this, model, train, extract: pip install -e '.[bench]'
    python scripts/benchmark.py model
    python scripts/benchmark.py train
    python scripts/benchmark.py memory --repeats=3
    python scripts/benchmark.py eval --repeats=1
    python scripts/benchmark.py extract --audio=DIR   # and .[egemaps]; any folder of speech
    python scripts/benchmark.py scaling --audio=DIR --hours=1,2,4,8,16 --repeats=3
    python scripts/benchmark.py feeding --audio=DIR --hours=1 --repeats=3
    python scripts/benchmark.py start --audio=DIR --repeats=3
    python scripts/benchmark.py longfile --audio=DIR --minutes=180

Prints a table and writes it, with machine and versions, to --out as JSON. What each one does is in
`bench_device.py`, `bench_train.py`, `bench_memory.py`, `bench_eval.py`, `bench_extract.py`,
`bench_scaling.py`, `bench_feeding.py` and `bench_start.py`.
"""

import json
import platform
from pathlib import Path
from typing import Any

import bench_device
import bench_eval
import bench_extract
import bench_feeding
import bench_memory
import bench_scaling
import bench_start
import bench_train
import jax
import joblib
from absl import app, flags

import emoasr
from emoasr.errors import UserError
from emoasr.system import extras

_REPEATS = flags.DEFINE_integer("repeats", 7, "Timed runs of each, in alternation.", 1)
_FRAMES = flags.DEFINE_integer("frames", 256, "Frames an utterance (model, train, memory).", 32)
_BATCH = flags.DEFINE_integer("batch", 32, "Utterances a batch (model, train, memory).", 1)
_AUDIO = flags.DEFINE_string(
    "audio", None, "Folder of audio (extract, scaling, feeding, start, longfile)."
)
_FILES = flags.DEFINE_integer("files", 0, "How many of its files, evenly spread; 0: all.", 0)
_HOURS = flags.DEFINE_list("hours", "1,2,4,8,16", "Hours of audio (scaling, feeding: the most).")
_ENGINE = flags.DEFINE_enum("engine", "local", ("local", "ray"), "Who extracts (scaling).")
_MINUTES = flags.DEFINE_float("minutes", 180, "Length of the one file (longfile).", 0.1)
_CHECK_MINUTES = flags.DEFINE_float(
    "check_minutes", 20, "Length of the file that is also computed in one piece (longfile).", 0.1
)
_OUT = flags.DEFINE_string("out", None, "JSON file to write.")

_BENCHMARKS = {
    "frontend": lambda: bench_device.frontend(_REPEATS.value),
    "model": lambda: bench_device.model(_REPEATS.value, _BATCH.value, _FRAMES.value),
    "train": lambda: bench_train.rows(_REPEATS.value, _BATCH.value, _FRAMES.value),
    "memory": lambda: bench_memory.rows(_REPEATS.value, _BATCH.value, _FRAMES.value),
    "eval": lambda: bench_eval.rows(_REPEATS.value),
    "extract": lambda: bench_extract.rows(_audio(), _FILES.value, _REPEATS.value),
    "scaling": lambda: bench_scaling.rows(
        _audio(), _FILES.value, _hours(), _REPEATS.value, _ENGINE.value
    ),
    "feeding": lambda: bench_feeding.rows(_audio(), _FILES.value, max(_hours()), _REPEATS.value),
    "start": lambda: bench_start.rows(_some_audio(), _REPEATS.value),
    "longfile": lambda: bench_scaling.long_file(
        _audio(), _FILES.value, _MINUTES.value, _CHECK_MINUTES.value
    ),
}


def main(argv: list[str]) -> None:
    """Runs the named benchmark."""
    if len(argv) != 2 or argv[1] not in _BENCHMARKS:
        raise app.UsageError(f"name one benchmark: {', '.join(_BENCHMARKS)}")
    if argv[1] in ("frontend", "model", "train", "extract"):
        try:
            extras.require("bench", f"benchmark.py {argv[1]}")
        except UserError as error:
            raise SystemExit(f"error: {error}") from None
    rows = _BENCHMARKS[argv[1]]()
    for row in rows:
        print("  ".join(_cell(*item) for item in row.items()))
    record = {
        "benchmark": argv[1],
        "rows": rows,
        "machine": {"processor": platform.processor() or platform.machine(),
                    "cores": joblib.cpu_count(), "devices": [str(d) for d in jax.devices()]},
        "versions": {"emoasr": emoasr.__version__, "jax": jax.__version__,
                     "python": platform.python_version()},
    }  # fmt: skip
    if _OUT.value:
        Path(_OUT.value).write_text(json.dumps(record, indent=1) + "\n")


def _cell(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"


def _audio() -> Path:
    if not _AUDIO.value or not Path(_AUDIO.value).is_dir():
        raise app.UsageError("give --audio=DIR, a folder of audio")
    return Path(_AUDIO.value).resolve()


def _some_audio() -> list[Path]:
    files = sorted(path for path in _audio().iterdir() if path.suffix in (".wav", ".flac"))
    if len(files) < 100:
        raise app.UsageError(
            f"--audio={_AUDIO.value}: has {len(files)} WAV and FLAC files, not 100"
        )
    return files


def _hours() -> list[float]:
    try:
        return [float(hours) for hours in _HOURS.value]
    except ValueError:
        raise app.UsageError(f"--hours={','.join(_HOURS.value)}: give numbers") from None


if __name__ == "__main__":
    app.run(main)
