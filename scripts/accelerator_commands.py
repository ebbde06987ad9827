"""Sections of `accelerator_check.py`: whole commands, in this process, as a user would run them."""

import contextlib
import io
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import jax
import numpy as np
from accelerator_setup import SETS, Setup
from stages import Stages, gpu_busy

from emoasr import config, extract, pretrain
from emoasr.audio import reading
from emoasr.training.metrics import MetricsLog

_WORDS = ("the", "speech", "of", "a", "person", "says", "more", "than", "words")
_SPLITS = ("train", "train", "train", "valid")


def extractions(setup: Setup) -> Iterator[dict[str, Any]]:
    """Times real time from FLAC files to tables, and where the time went (stages, all threads)."""
    corpus, large = setup.flac(setup.sizes.hours), {"batch_frames": setup.sizes.large}
    with _cache(setup.folder / "programs"):
        for name, changes in (
            ("cold", {}),
            ("warm", {}),
            ("large batches, cold", large),
            ("large batches, warm", large),
            ("large batches, tensorfloat32", large | {"compute_dtype": "tensorfloat32"}),
            ("large batches, bfloat16", large | {"compute_dtype": "bfloat16"}),
        ):
            jax.clear_caches()
            yield {"run": name, **_extraction(setup, corpus, changes)}


def _extraction(setup: Setup, corpus: Path, changes: dict[str, Any]) -> dict[str, Any]:
    """One `emoasr extract`."""
    settings = config.experiment("folder")
    settings.corpus.path, settings.recognizer = str(corpus), setup.source
    settings.feature_sets = SETS
    settings.update(changes)
    workdir = setup.folder / "extracted"
    with Stages().timed() as stages, gpu_busy() as busy, contextlib.redirect_stdout(io.StringIO()):
        start, at_work = time.perf_counter(), time.process_time()
        extract.main(settings, workdir)
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
        mock.patch.object(MetricsLog, "add", add), gpu_busy() as busy,
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
