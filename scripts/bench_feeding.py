"""`benchmark.py feeding`: what an extraction waits for, and whether a fast device waits for it.

The audio is first decoded to 16 kHz mono FLAC files. Then

where the time goes: one `extract` of `neural` and `mfcc` on this machine's device: seconds of every
stage by those of the clock (all threads together), after one that has compiled everything.

decoding alone: in one thread, in a thread a core, and in a process a core, which send the samples
back as int16.

simulated device: one that sleeps instead of computing, a given multiple of what decoding takes in
a thread a core; how busy it was from its first batch to its last. The rows go where those of
`neural` do: a row store on disk.
"""

import functools
import multiprocessing
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import stages
import timing
from bench_scaling import decoded, open_folder, repeated
from simulated_device import SimulatedDevice

from emoasr.asr.frontend import FrontEndConfig
from emoasr.audio import reading
from emoasr.extraction import passes
from emoasr.extraction.row_store import RowStore
from emoasr.inference import columns
from emoasr.settings.extraction import Work
from emoasr.system import processes

_CORES = processes.count(0)
_SHARE = 16  # files that a thread or process decodes in one go
_MULTIPLES = (0.5, 0.9, 1.2, 2.0)  # of the seconds that decoding takes


def rows(source: Path, n_files: int, hours: float, repeats: int) -> list[dict[str, Any]]:
    """Shares, rates and busy shares.

    Args:
        source: a folder of audio.
        n_files: how many of its files, evenly spread; 0: all.
        hours: of audio, in links to these files.
        repeats: timed runs of decoding; the median counts.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "flac").mkdir()
        for wave in decoded(source, n_files, folder / "wavs"):
            samples, rate = soundfile.read(wave, dtype="int16")
            soundfile.write(folder / "flac" / f"{wave.stem}.flac", samples, rate)
        corpus = repeated(sorted((folder / "flac").iterdir()), hours, folder / "corpus")
        found = [stages.extraction(corpus, folder / "run", {}) for _ in range(2)][1:]
        alone = _decoding(corpus, repeats)
        seconds = min(row["median_s"] for row in alone if "thread" in row["decoding"])
        simulated = [_simulated(corpus, folder, multiple, seconds) for multiple in _MULTIPLES]
    return found + alone + simulated


def _decoding(folder: Path, repeats: int) -> list[dict[str, Any]]:
    """Seconds of decoding all files, and nothing else."""
    n_files = len(open_folder(folder))
    parts = [(folder, i, min(i + _SHARE, n_files)) for i in range(0, n_files, _SHARE)]
    spawn = multiprocessing.get_context("spawn")  # a fork would copy JAX's threads' locks
    with (
        ThreadPoolExecutor(1) as one,
        ThreadPoolExecutor(_CORES) as threads,
        ProcessPoolExecutor(_CORES, spawn) as others,
    ):
        found = timing.alternate(
            {
                "1 thread": lambda: list(one.map(_samples, parts)),
                f"{_CORES} threads": lambda: list(threads.map(_samples, parts)),
                f"{_CORES} processes": lambda: list(others.map(_as_integers, parts)),
            },
            repeats,
        )
    hours = sum(soundfile.info(file).duration for file in folder.iterdir()) / 3600
    return [
        {"decoding": name, **timing.summary(seconds),
         "times_real_time": hours * 3600 / timing.summary(seconds)["median_s"],
         "us_a_file": timing.summary(seconds)["median_s"] / n_files * 1e6}
        for name, seconds in found.items()
    ]  # fmt: skip


_opened = functools.cache(open_folder)


def _samples(part: tuple[Path, int, int]) -> Sequence[np.ndarray]:
    folder, start, stop = part
    return [_opened(folder).samples(i) for i in range(start, stop)]


def _as_integers(part: tuple[Path, int, int]) -> Sequence[np.ndarray]:
    return [(wave_N * 32768).astype(np.int16) for wave_N in _samples(part)]


def _simulated(folder: Path, work: Path, multiple: float, decoding_s: float) -> dict[str, Any]:
    """How busy a device is that takes a multiple of the time of decoding."""
    corpus, names = open_folder(folder), columns.unit_names()
    hops = sum(-(-corpus.n_samples(i) // FrontEndConfig().hop_length) for i in range(len(corpus)))
    a_hop = multiple * decoding_s / hops
    device = SimulatedDevice(FrontEndConfig(), a_hop, len(names))
    how = Work(0, 24, _CORES, None)
    with tempfile.TemporaryDirectory(dir=work) as place:
        store = RowStore(Path(place), {}, names)
        passes.device_pass(how, corpus, corpus.fingerprints(), device, {"neural": store})
    real_time = FrontEndConfig().hop_length / reading.SAMPLE_RATE / a_hop
    return {
        "simulated device": f"takes {multiple:g} of decoding", "times_real_time": real_time,
        "busy_s": device.busy_s, "idle_s": device.idle_s,
        "busy_share": device.busy_s / (device.busy_s + device.idle_s),
    }  # fmt: skip
