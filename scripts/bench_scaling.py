"""`benchmark.py scaling` and `longfile`: what the whole extract command costs.

scaling: whole processes on corpora of growing size, made of the same files under many names. A run
that had to compile is not counted, but done again with the programs on disk; the median of a size's
runs counts. Start-up is what a least-squares line through all sizes leaves for no audio (imports,
programs read from disk); what else every size spends is compared with that line's slope.

longfile: one file of hours. And for a shorter one, how far its features are from those of the
front end, the network and the pool on its whole waveform at once.
"""

import contextlib
import io
import itertools
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import soundfile
import timing
from flax import nnx

import emoasr
from emoasr import config
from emoasr.asr import frontend
from emoasr.audio import reading
from emoasr.corpora import Corpus, open_corpus
from emoasr.extraction import feature_tables
from emoasr.inference import bucketing, planning, pooling


def open_folder(folder: Path) -> Corpus:
    """The audio files of a folder, without a word."""
    settings = config.experiment("folder").corpus
    settings.path = str(folder)
    with contextlib.redirect_stdout(io.StringIO()):
        return open_corpus(settings, folder)


def decoded(source: Path, n_files: int, folder: Path) -> list[Path]:
    """Writes the readable files of `source` as 16 kHz mono 16-bit WAV files.

    Args:
        source: a folder of audio.
        n_files: how many of its files, evenly spread; 0: all.
        folder: to write into; is made.

    Returns:
        The WAV files, in the order of their sources.
    """
    corpus = open_folder(source)
    folder.mkdir()
    n_files = min(n_files or len(corpus), len(corpus))
    for i in np.linspace(0, len(corpus) - 1, n_files).round().astype(int):
        with contextlib.suppress(reading.AudioError):
            wave_N = corpus.samples(i)
            soundfile.write(folder / f"{i:06d}.wav", wave_N, reading.SAMPLE_RATE, subtype="PCM_16")
    return sorted(folder.iterdir())


def cold_and_warm(files: list[Path], folder: Path) -> list[dict[str, Any]]:
    """Rows of the command without and with compiled programs on disk, on all files and on ten.

    Args:
        files: all that are in their folder.
        folder: to work in.
    """
    ten = folder / "ten"
    ten.mkdir()
    for file in files[:10]:
        (ten / file.name).hardlink_to(file)
    found = []
    for name, corpus in (("all files", files[0].parent), ("first 10 files", ten)):
        for state in ("cold", "warm"):
            row = timing.extract(corpus, folder / f"{name} {state}", folder / f"{name} cache")
            found.append({"command": f"{name}, {state} cache", **row})
    return found


class _Lengths:
    """Utterances of which only lengths are known: all that planning asks for."""

    def __init__(self, n_samples: np.ndarray):
        self.n_samples = n_samples.tolist().__getitem__
        self._n_utterances = len(n_samples)

    def __len__(self) -> int:
        return self._n_utterances


def like_iemocap() -> dict[str, Any]:
    """The plan for 10039 utterances with about IEMOCAP's mean, shortest and longest length."""
    seconds = np.random.default_rng(0).lognormal(sigma=0.65, size=10039)
    seconds = (4.5 * seconds / seconds.mean()).clip(0.6, 34)
    source: Any = _Lengths((seconds * reading.SAMPLE_RATE).astype(int))
    settings, front = config.experiment("folder"), frontend.FrontEndConfig()
    start = time.perf_counter()
    plan = planning.make_plan(source, front, settings.batch_frames, settings.buckets)
    hops = -(-plan.n_samples // front.hop_length)
    return {
        "plan": "lengths like IEMOCAP's", "utterances": len(source),
        "mean_s": float(seconds.mean()), "max_s": float(seconds.max()),
        "planned_in_s": time.perf_counter() - start, "shapes": len(plan.buckets),
        "padding": bucketing.padding_share(plan.buckets, hops),
    }  # fmt: skip


def rows(
    source: Path, n_files: int, hours: list[float], repeats: int, engine: str
) -> list[dict[str, Any]]:
    """Seconds and memory by hours of audio.

    Args:
        source: a folder of audio.
        n_files: how many of its files, evenly spread; 0: all.
        hours: sizes.
        repeats: counted runs of each size, in alternation; the median counts.
        engine: `config.engine`.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = decoded(source, n_files, folder / "wavs")
        corpora = {size: repeated(files, size, folder / f"{size} h") for size in sorted(hours)}
        runs: dict[float, list[dict[str, Any]]] = {size: [] for size in corpora}
        for _, size in itertools.product(range(repeats), corpora):
            runs[size].append(_compiled(corpora[size], folder / "run", folder / "cache", engine))
        found = [{"size": size, **_median(of_size)} for size, of_size in runs.items()]
    return found + _line(found)


def _compiled(corpus: Path, workdir: Path, cache: Path, engine: str) -> dict[str, Any]:
    """A run that found every program on disk."""
    while True:
        row = timing.extract(corpus, workdir, cache, engine)
        shutil.rmtree(workdir)
        if not row["compiled_and_kept"]:
            return row


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    seconds = timing.summary([row["wall_s"] for row in runs])
    memory = max(row["peak_memory_mb"] for row in runs)
    return runs[0] | {"wall_s": seconds.pop("median_s"), **seconds, "peak_memory_mb": memory}


def repeated(files: list[Path], hours: float, folder: Path) -> Path:
    """A folder of at least so many hours, in links to the same files."""
    folder.mkdir()
    seconds = [soundfile.info(file).duration for file in files]
    left = hours * 3600
    for i, (file, length) in enumerate(itertools.cycle(zip(files, seconds, strict=True))):
        if left <= 0:
            break
        (folder / f"{i:07d}{file.suffix}").hardlink_to(file)
        left -= length
    return folder


def _line(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Start-up, seconds an hour and how straight they are; adds the latter to the rows."""
    hours = np.array([row["hours"] for row in found])
    wall = np.array([row["wall_s"] for row in found])
    slope, start_up = np.polyfit(hours, wall, 1) if len(found) > 1 else (wall[0] / hours[0], 0.0)
    seconds = wall - start_up
    for row, own in zip(found, seconds / hours, strict=True):
        row["seconds_an_hour"] = float(own)
    memory = [row["peak_memory_mb"] for row in found]
    return [
        {"figure": "start-up, seconds", "value": float(start_up)},
        {"figure": "slope, seconds an hour of audio", "value": float(slope)},
        {"figure": "largest deviation from the line, share of it",
         "value": float(np.abs(seconds / (slope * hours) - 1).max())},
        {"figure": "largest / smallest peak memory", "value": max(memory) / min(memory)},
    ]  # fmt: skip


def long_file(
    source: Path, n_files: int, minutes: float, check_minutes: float
) -> list[dict[str, Any]]:
    """Seconds and memory of one long file, and the features of a shorter one.

    Args:
        source: a folder of audio, repeated as often as needed.
        n_files: how many of its files, evenly spread; 0: all.
        minutes: of the long file.
        check_minutes: of the one that is also computed in one piece.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files, found = decoded(source, n_files, folder / "wavs"), []
        for name, length in (("long", minutes), ("check", check_minutes)):
            path = folder / name / "file.wav"
            _concatenate(files, length, path)
            row = timing.extract(path.parent, folder / f"run {name}", folder / "cache")
            speed = row["hours"] * 3600 / row["wall_s"]
            found.append({"minutes": length, **row, "times_real_time": speed})
        table, _ = feature_tables.read(folder / "run check" / "features" / "neural.parquet")
        difference = float(np.abs(table.to_numpy()[0] - _in_one_piece(path)).max())
    return [*found, {"minutes in one piece": check_minutes, "max_abs_difference": difference}]


def _concatenate(files: list[Path], minutes: float, path: Path) -> None:
    path.parent.mkdir()
    left = round(minutes * 60 * reading.SAMPLE_RATE)
    with soundfile.SoundFile(path, "w", reading.SAMPLE_RATE, 1, "PCM_16") as out:
        for file in itertools.cycle(files):
            block = soundfile.read(file, dtype="int16")[0][:left]
            out.write(block)
            left -= len(block)
            if not left:
                return


def _in_one_piece(path: Path) -> np.ndarray:
    """Features (units,) of a file, with nothing between the front end and the pool."""
    recognizer = emoasr.load_recognizer()
    front = recognizer.config.frontend
    graph, state = nnx.split(recognizer.model)

    @jax.jit
    def units(state, wave_BN, lengths_B):
        mfcc_BTD, frames_B = frontend.mfcc(wave_BN, lengths_B, front)
        mask_BT = frontend.frame_mask(frames_B, mfcc_BTD.shape[1])
        layers = nnx.merge(graph, state)(mfcc_BTD, frames_B).taps["gate"]
        return jnp.concatenate([pooling.pool(x, mask_BT, "mean") for x in layers], axis=1)[0]

    wave_N = reading.read(reading.Segment(path), front.sample_rate, front.antialias)
    wave_BN = np.pad(wave_N, (0, -len(wave_N) % front.hop_length))[None]
    return np.asarray(units(state, wave_BN, np.array([len(wave_N)], np.int32)))
