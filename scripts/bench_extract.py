"""`benchmark.py extract`: from WAV files on disk to a Parquet table, beside peers.

The audio is first decoded to 16 kHz mono 16-bit WAV files: everyone reads the same. Timed in turn,
with process pools and compiled programs there already, and as many threads or processes as cores:

emoasr: the folder opened, headers read, batches planned, decoded ahead, computed, written.

openSMILE eGeMAPSv02: in a pool of processes.

librosa + PyTorch, one file at a time: as a user would write it; the same network and weights.

librosa + PyTorch, batched: sorted by length, MFCCs made ahead in the pool. Its network does not
mask padding, which saves it work, and makes its features wrong wherever a batch has any.

The bound: the multiplications that gate activations of the valid frames need, at the speed of
JAX's float32 product of two large matrices.

Then, once each: the whole command, without and with compiled programs on disk, on all files and on
ten; and the shapes that a corpus of IEMOCAP's size and lengths gets.
"""

import functools
import multiprocessing
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import threadpoolctl
import timing
from bench_device import SIDE, multiplication, weights_of_gates
from bench_scaling import cold_and_warm, decoded, like_iemocap, open_folder

import emoasr
from emoasr import config
from emoasr.asr.frontend import FrontEndConfig
from emoasr.audio import reading
from emoasr.extraction import passes
from emoasr.extraction.listeners import Listener
from emoasr.extraction.row_store import RowStore
from emoasr.files import parquet
from emoasr.inference import columns
from emoasr.recognizer import Recognizer
from emoasr.settings.extraction import How, Work
from emoasr.system import processes

_CORES = processes.count(0)
_Result = pd.DataFrame | tuple[list[np.ndarray], pd.Index, list[str]]  # as `write_numbers` takes
_TOLERANCE = 1e-3  # between emoasr's features and PyTorch's, one file at a time
_SETTINGS = config.experiment("folder")
_HOW = How(_SETTINGS.tap, _SETTINGS.pooling, _SETTINGS.compute_dtype)
_WORK = Work(_SETTINGS.batch_frames, _SETTINGS.buckets, processes.count(0), cluster=None)
_FRONTEND = FrontEndConfig()  # the shipped recognizer's


def rows(source: Path, n_files: int, repeats: int) -> list[dict[str, Any]]:
    """Seconds from files to table.

    Args:
        source: a folder of audio.
        n_files: how many of its files, evenly spread; 0: all.
        repeats: timed runs of each peer.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        files = decoded(source, n_files, folder / "wavs")
        with _pool() as pool:
            found = _steady(files, folder, pool, repeats)
        return [*found, *cold_and_warm(files, folder), like_iemocap()]


def _steady(
    files: list[Path], folder: Path, pool: ProcessPoolExecutor, repeats: int
) -> list[dict[str, Any]]:
    """Rows of the peers and of the bound, and before them how far features differ."""
    recognizer, ours, bound = emoasr.load_recognizer(), "emoasr", "bound"
    peers: dict[str, Callable[[], _Result]] = {
        ours: _emoasr(recognizer, files[0].parent),
        "openSMILE eGeMAPSv02": lambda: _opensmile(files, pool),
        **_torch_peers(recognizer, files, pool),
    }
    tables = {name: _frame(run()) for name, run in peers.items()}  # the warm-up
    found = _differences(tables, ours)
    runs: dict[str, Callable[[], Any]] = {
        name: functools.partial(_written, run, folder / f"{name}.parquet")
        for name, run in peers.items()
    }
    runs[bound] = multiplication()
    runs[bound]()
    seconds = timing.alternate(runs, repeats, warm_up=False)

    n_samples = np.array([soundfile.info(file).frames for file in files])
    flop = 2 * int(_FRONTEND.n_frames(n_samples).sum()) * weights_of_gates(recognizer.model)
    seconds[bound] = [s * flop / (2 * SIDE**3) for s in seconds[bound]]
    summaries = {name: timing.summary(measured) for name, measured in seconds.items()}
    for name, row in summaries.items():
        real_time = float(n_samples.sum() / reading.SAMPLE_RATE / row["median_s"])
        ratio = row["median_s"] / summaries[ours]["median_s"]
        beside = {"share_of_bound" if name == bound else "ours_is": ratio}
        found.append({"peer": name, **row, "times_real_time": real_time, **beside})
    return found


def _written(run: Callable[[], _Result], out: Path) -> None:
    result = run()
    if isinstance(result, pd.DataFrame):
        parquet.write(result, out)
    else:
        parquet.write_numbers(*result, out)


def _frame(result: _Result) -> pd.DataFrame:
    if isinstance(result, pd.DataFrame):
        return result
    values, index, names = result
    return pd.DataFrame(np.concatenate(values), index, names)


def _differences(tables: dict[str, pd.DataFrame], ours: str) -> list[dict[str, Any]]:
    """Largest differences of the PyTorch peers' features from ours."""
    found = []
    for name, table in tables.items():
        if table.shape[1] == tables[ours].shape[1] and name != ours:
            difference = float((table - tables[ours].loc[table.index]).abs().to_numpy().max())
            found.append({"features of": name, "max_abs_difference": difference})
            if "one file" in name and not difference < _TOLERANCE:
                raise SystemExit(f"{found[-1]}: the comparison would mean nothing")
    return found


def _emoasr(recognizer: Recognizer, folder: Path) -> Callable[[], _Result]:
    def run() -> _Result:
        corpus = open_folder(folder)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            keys, rows = corpus.fingerprints(), RowStore(Path(work), {}, columns.unit_names())
            pooler = Listener(recognizer, "gate", "neural", {}).pooler(_HOW, ["neural"])
            passes.device_pass(_WORK, corpus, keys, pooler, {"neural": rows})
            return list(rows.values(keys)), corpus.table.index, rows.columns

    return run


def _torch_peers(
    recognizer: Recognizer, files: list[Path], pool: ProcessPoolExecutor
) -> dict[str, Callable[[], pd.DataFrame]]:
    import torch
    import torch_peer

    torch.set_num_threads(_CORES)
    network = torch_peer.TorchNet(recognizer.model).eval()

    def batched() -> pd.DataFrame:
        n_frames = np.array([_FRONTEND.n_frames(soundfile.info(file).frames) for file in files])
        size = 8192  # frames a batch, as ours on a CPU
        values = torch_peer.batched(network, files, n_frames, size, _mfccs, pool, _CORES)
        return _table(values, files, columns.unit_names())

    return {
        "librosa + PyTorch, one file at a time": lambda: _table(
            torch_peer.one_by_one(network, files, _mfccs), files, columns.unit_names()
        ),
        "librosa + PyTorch, batched": batched,
    }


def _table(values: np.ndarray, files: list[Path], columns: list[str]) -> pd.DataFrame:
    index = pd.Index([file.name for file in files], name="file")
    return pd.DataFrame(values, index, columns)


def _mfccs(files: list[Path]) -> list[np.ndarray]:
    import librosa

    found = []
    for file in files:
        wave_N, rate = librosa.load(file, sr=reading.SAMPLE_RATE)
        mfcc_DT = librosa.feature.mfcc(y=wave_N, sr=rate, n_mfcc=20, pad_mode="reflect")
        found.append(np.ascontiguousarray(mfcc_DT.T, np.float32))
    return found


def _pool() -> ProcessPoolExecutor:
    """As many processes as cores, all of them ready."""
    context = multiprocessing.get_context("spawn")  # a fork would copy JAX's threads' locks
    ready = context.Barrier(_CORES)
    pool = ProcessPoolExecutor(_CORES, context, initializer=_prepare, initargs=(ready,))
    list(pool.map(abs, range(_CORES)))  # a task each starts them
    return pool


def _prepare(ready) -> None:
    import librosa

    threadpoolctl.threadpool_limits(1)  # one thread each: else BLAS takes all cores for each
    _smile()
    librosa.feature.mfcc(y=np.zeros(4096, np.float32), sr=reading.SAMPLE_RATE)  # imports the rest
    ready.wait()


@functools.cache
def _smile() -> Any:
    import opensmile

    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
    )


def _opensmile(files: list[Path], pool: ProcessPoolExecutor) -> pd.DataFrame:
    chunk = max(1, min(16, len(files) // (4 * _CORES)))
    values = list(pool.map(_functionals, files, chunksize=chunk))
    return _table(np.stack(values), files, _smile().feature_names)


def _functionals(file: Path) -> np.ndarray:
    wave_N, rate = soundfile.read(file, dtype="float32")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Segment too short")
        return _smile().process_signal(wave_N, rate).to_numpy(np.float32)[0]
