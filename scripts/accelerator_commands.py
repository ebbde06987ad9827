"""Sections of `accelerator_check.py`: whole commands, in this process, as a user would run them."""

import contextlib
import io
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import numpy as np
import stages
from accelerator_setup import Setup

from emoasr import pretrain
from emoasr.audio import reading
from emoasr.training.metrics import MetricsLog

_WORDS = ("the", "speech", "of", "a", "person", "says", "more", "than", "words")
_SPLITS = ("train", "train", "train", "valid")


def extractions(setup: Setup) -> Iterator[dict[str, Any]]:
    """Times real time from FLAC files to tables, and where the time went (stages, all threads)."""
    corpus, usual = setup.flac(setup.sizes.hours), {"recognizer": setup.source}
    large = usual | {"batch_frames": setup.sizes.large}
    with _cache(setup.folder / "programs"):
        for name, changes in (
            ("cold", usual),
            ("warm", usual),
            ("large batches, cold", large),
            ("large batches, warm", large),
            *((f"large batches, {dtype}, cold", large | {"compute_dtype": dtype})
              for dtype in setup.sizes.dtypes if dtype != "float32"),
        ):  # fmt: skip
            jax.clear_caches()
            yield {"run": name, **stages.extraction(corpus, setup.folder / "extracted", changes)}


def pretraining(setup: Setup) -> Iterator[dict[str, Any]]:
    """Seconds of a training's steps, after those in which it was compiled."""
    folder = setup.folder / "transcribed"
    shutil.copytree(setup.flac(setup.sizes.hours).parent / "flac", folder)
    random, lines = np.random.default_rng(0), ["file,speaker,split,text"]
    for i, file in enumerate(sorted(folder.iterdir())):
        split = _SPLITS[i % len(_SPLITS)]
        text = " ".join(random.choice(_WORDS, max(1, len(setup.waves[i]) // 16000)))
        lines.append(f"{file.name},{split} {i % 2},{split},{text}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = setup.training()
    settings.corpus.path, settings.corpus.data_dir = str(folder), str(setup.folder / "prepared")
    ends: list[float] = []
    added = MetricsLog.add

    def add(log: MetricsLog, *args: Any) -> None:
        added(log, *args)  # waits for the step
        ends.append(time.perf_counter())

    with (
        mock.patch.object(MetricsLog, "add", add), stages.gpu_busy() as busy,
        contextlib.redirect_stdout(io.StringIO()), _cache(setup.folder / "programs"),
    ):  # fmt: skip
        start = time.perf_counter()
        pretrain.main(settings, setup.folder / "trained")
        seconds = time.perf_counter() - start
    step_s = float(np.median(np.diff(ends)))
    frames_s = settings.train.batch_frames / step_s
    hop_s = setup.recognizer.config.frontend.hop_length / reading.SAMPLE_RATE
    yield {
        "steps": len(ends), "seconds in all": seconds, "first step after s": ends[0] - start,
        "median step s": step_s, "frames a batch, about": settings.train.batch_frames,
        "times_real_time": frames_s * hop_s, "GPU busy": busy(),
    }  # fmt: skip


@contextlib.contextmanager
def _cache(folder: Path) -> Iterator[None]:
    """Compiled programs are kept there, and no others are found."""
    was = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(folder))
    try:
        yield
    finally:
        jax.config.update("jax_compilation_cache_dir", was)
