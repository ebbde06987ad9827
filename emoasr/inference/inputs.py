"""What the Python API takes: files, segments of files, and samples, as a source of utterances."""

import math
import numbers
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from emoasr.asr.frontend import FrontEnd
from emoasr.audio import chunks, reading
from emoasr.audio.windows import Windows
from emoasr.corpora import Corpus, windows
from emoasr.errors import AudioError, UserError
from emoasr.files import storage
from emoasr.inference import planning

FilePath = str | os.PathLike[str]
Samples = Any  # a NumPy array, or what becomes one: a tensor of PyTorch or JAX
Input = (
    FilePath
    | Sequence[FilePath]
    | pd.Index
    | tuple[Samples, float]
    | tuple[Sequence[Samples], float]
    | Mapping[str, Any]
    | Sequence[Mapping[str, Any]]
)

_FORMS = (
    "a path, a list or tuple of paths, an audformat index, (array, rate in Hz), (list of arrays, "
    "rate in Hz), or {'array': ..., 'sampling_rate': ...} or a list of these"
)
_SURELY_LONGER = 16  # an axis so many times as long as the other is time


class Opened(NamedTuple):
    """What an input holds.

    Attributes:
        source: its utterances, or their windows.
        rows: their index.
        inputs: for each the number of the input that it is, or is a window of.
        notes: what the user should know of them, one line each.
    """

    source: planning.Source
    rows: pd.Index
    inputs: Sequence[int]
    notes: tuple[str, ...] = ()


def opened(x: Input, frontend: FrontEnd, cut: Windows | None = None) -> Opened:
    """Opens what the Python API takes.

    Args:
        x: one of the forms that `Input` has.
        frontend: what takes the samples.
        cut: the windows into which utterances are cut; None: they stay whole.

    Raises:
        UserError: it has none of the forms, its one rate is invalid, a name is not UTF-8, or a
            segment has no start.
    """
    if isinstance(x, pd.Index):
        return _files(_checked(x), frontend, cut)
    if isinstance(x, str | os.PathLike):
        x = [x]
    if _is_array(x) or not isinstance(x, Sequence | Mapping) or isinstance(x, bytes | bytearray):
        raise _unknown(f"{type(x).__name__}")
    if isinstance(x, Mapping):
        x = [x]
    if len(x) == 2 and isinstance(x, tuple) and isinstance(x[1], numbers.Real):
        return _samples(_of_one_rate(*x), frontend, cut)
    paths = [os.fspath(item) for item in x if isinstance(item, str | os.PathLike)]
    if len(paths) == len(x):
        for path in paths:
            storage.check_utf8(path, path)
        return _files(pd.Index(paths, dtype="string", name="file"), frontend, cut)
    return _samples([_decoded(i, item) for i, item in enumerate(x)], frontend, cut)


class _Arrays:
    """Samples that the user has in memory, as a source."""

    def __init__(self, items: list[tuple[Samples, float]], frontend: FrontEnd):
        self._items, self._wanted = items, frontend.sample_rate
        self._antialias = frontend.antialias

    def __len__(self) -> int:
        return len(self._items)

    def n_samples(self, i: int) -> int:
        array, rate = self._items[i]
        reading.check_rate(rate)
        return math.ceil(len(_time_first(array)) * self._wanted / rate) + 1

    def samples(self, i: int) -> np.ndarray:
        array, rate = self._items[i]
        return reading.resample(_time_first(array), rate, self._wanted, self._antialias)

    def chunks(self, i: int, size: int, context: int, hop: int) -> Iterator[chunks.Chunk]:
        return chunks.of_array(self.samples(i), size, context, hop)


def _files(index: pd.Index, frontend: FrontEnd, cut: Windows | None) -> Opened:
    table, rate = pd.DataFrame({"input": range(len(index))}, index), frontend.sample_rate
    corpus = Corpus("input", Path(), table, sample_rate=rate, antialias=frontend.antialias)
    if cut is not None:
        corpus = windows.of(corpus, cut)
    return Opened(corpus, corpus.table.index, corpus.table["input"].tolist(), corpus.notes)


def _samples(items: list[tuple[Samples, float]], frontend: FrontEnd, cut: Windows | None) -> Opened:
    # NumPy's integers would overflow in products
    items = [(x, rate.item() if isinstance(rate, np.number) else rate) for x, rate in items]
    if cut is None:
        return Opened(_Arrays(items, frontend), pd.RangeIndex(len(items)), range(len(items)))
    parts: list[tuple[Samples, float]] = []
    rows: list[tuple[int, float, float]] = []
    short = []
    for i, (array, rate) in enumerate(items):
        try:
            reading.check_rate(rate)
            wave = _time_first(array)
        except AudioError:  # reading it says why
            parts.append((array, rate))
            rows.append((i, 0.0, 0.0))
            continue
        short += [f"input {i}"] * cut.is_longer_than(len(wave) / rate)
        for start, end in cut.spans(len(wave) / rate):
            parts.append((wave[round(start * rate) : round(end * rate)], rate))
            rows.append((i, start, end))
    frame = pd.DataFrame(rows, columns=["input", "start", "end"])
    for name in ("start", "end"):
        frame[name] = pd.to_timedelta((frame[name] * 1e9).round(), unit="ns")
    index = pd.MultiIndex.from_frame(frame)
    notes = tuple(windows.noted(short, cut))
    return Opened(_Arrays(parts, frontend), index, frame["input"].tolist(), notes)


def _checked(index: pd.Index) -> pd.Index:
    """The index, if it is audformat's; rows may be there twice."""
    import audformat

    try:
        audformat.assert_index(index.unique())
    except ValueError as error:
        why = str(error).split(".")[0].split("\n")[0]
        raise _unknown(f"an index that is not audformat's ({why})") from None
    if index.nlevels > 1 and (missing := index.get_level_values("start").isna()).any():
        raise UserError(
            f"input {missing.argmax()}: its segment has no start in the index; give 0 for the "
            "beginning of the file (without an end, the segment ends where the file does)"
        )
    return index


def _of_one_rate(what: Any, rate: Any) -> list[tuple[Samples, float]]:
    """The arrays of (array, rate) or (list of arrays, rate), each with the rate."""
    try:
        reading.check_rate(rate)
    except AudioError as error:
        raise UserError(str(error)) from None
    if _is_array(what):
        return [(what, rate)]
    if not isinstance(what, list | tuple):
        raise _unknown(f"({type(what).__name__}, rate)")
    for i, array in enumerate(what):
        if not _is_array(array):
            raise _unknown(f"(list, rate) where input {i} is {type(array).__name__}")
    return [(array, rate) for array in what]


def _decoded(i: int, item: Any) -> tuple[Samples, float]:
    """Samples and rate of a dict, or of what answers like one, as Hugging Face's decoders do."""
    try:
        return item["array"], item["sampling_rate"]
    except (KeyError, TypeError, IndexError):
        keys = f" with {', '.join(map(repr, item))}" if isinstance(item, Mapping) and item else ""
        raise _unknown(f"input {i} that is {type(item).__name__}{keys}") from None


def _is_array(x: Any) -> bool:
    return hasattr(x, "__array__") and not isinstance(x, pd.DataFrame | pd.Series | pd.Index)


def _time_first(array: Samples) -> np.ndarray:
    """Samples (N,) or (N, channels), of an array with either axis first.

    Raises:
        AudioError: it has no numbers, or masked ones, or another number of axes, or either may be
            that of time.
    """
    if np.ma.is_masked(array):  # np.asarray would keep the masked numbers
        raise AudioError("some samples are masked; replace them, for example by array.filled(0)")
    try:
        x = np.asarray(array)
    except (TypeError, ValueError, RuntimeError) as error:
        raise AudioError(f"no array of samples ({error})") from None
    if x.ndim != 2:
        if x.ndim == 1:
            return x
        raise AudioError(f"samples have shape {x.shape}; give (N,), (N, channels), (channels, N)")
    short, long = sorted(x.shape)
    if short != 1 and long < _SURELY_LONGER * short:
        raise AudioError(
            f"samples have shape {x.shape}: which axis is time is not clear; give one channel, (N,)"
        )
    return x if x.shape[0] == long else x.T


def _unknown(what: str) -> UserError:
    return UserError(f"got {what}; give {_FORMS}")
