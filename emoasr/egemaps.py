"""The baseline that the field knows: openSMILE's eGeMAPSv02 functionals as a feature table."""

import concurrent.futures
import dataclasses
import functools
import multiprocessing
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from emoasr import audio
from emoasr.corpora.base import Corpus, Skipped
from emoasr.errors import UserError

_CHUNK = 16  # utterances a task
_INT16 = np.iinfo(np.int16)

_Part = tuple[np.ndarray, list[int], list[Skipped]]  # functionals, rows they are of, the others


def extract(
    corpus: Corpus,
    indices: Sequence[int],
    workers: int,
    progress: Callable[[int], object] | None = None,
) -> tuple[pd.DataFrame, list[Skipped]]:
    """Computes the 88 eGeMAPSv02 functionals of utterances, from the samples the network gets.

    Args:
        corpus: the utterances.
        indices: positions in `corpus.table`.
        workers: processes; 1 computes in this one.
        progress: called with the number of utterances just finished.

    Returns:
        A float32 table with openSMILE's column names, indexed as the corpus, one row an utterance
        in the order of `indices`; and the utterances left out: unreadable or too short.

    Raises:
        UserError: the `egemaps` extra is missing, or a process died.
    """
    columns = _smile().feature_names
    chunks = [list(indices[i : i + _CHUNK]) for i in range(0, len(indices), _CHUNK)]
    tables, skipped = [np.empty((0, len(columns)), np.float32)], []
    kept: list[int] = []
    parts = _parts(corpus, chunks, workers)
    for chunk, (values, rows, left_out) in zip(chunks, parts, strict=True):
        tables.append(values)
        kept += [chunk[row] for row in rows]
        skipped += left_out
        if progress is not None:
            progress(len(chunk))
    index = corpus.table.index[kept]
    return pd.DataFrame(np.concatenate(tables), index=index, columns=columns), skipped


def _parts(corpus: Corpus, chunks: list[list[int]], workers: int) -> Iterable[_Part]:
    """The result of each chunk, in order."""
    corpora = (
        dataclasses.replace(corpus, table=corpus.table.iloc[chunk], skipped=()) for chunk in chunks
    )
    if workers == 1:
        yield from map(_measure, corpora)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy JAX's threads' locks
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            yield from pool.map(_measure, corpora)
        except concurrent.futures.BrokenExecutor:
            raise UserError(
                "an openSMILE process died, perhaps for lack of memory; "
                "lower --config.workers and run the same command again"
            ) from None


def _measure(corpus: Corpus) -> _Part:
    """Functionals `(rows, 88)` of a small corpus, the rows they are of, and the rows left out."""
    values, rows, skipped = [], [], []
    for i in range(len(corpus)):
        try:
            x = corpus.samples(i)
        except audio.AudioError as error:
            skipped.append(corpus.skip(i, "egemaps", str(error)))
            continue
        functionals = _functionals(x)
        if np.isfinite(functionals).all():
            values.append(functionals)
            rows.append(i)
        else:
            seconds = len(x) / audio.SAMPLE_RATE
            skipped.append(corpus.skip(i, "egemaps", f"too short for eGeMAPS: {seconds:.3f} s"))
    return np.array(values, np.float32).reshape(len(values), -1), rows, skipped


def _functionals(x: np.ndarray) -> np.ndarray:
    """The 88 functionals of samples at 16 kHz; NaN where there are too few samples."""
    # openSMILE's conversion to 16 bit wraps: 1.0 would become -1.0.
    clipped = np.clip(x, _INT16.min / 32768, _INT16.max / 32768)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Segment too short")
        return _smile().process_signal(clipped, audio.SAMPLE_RATE).to_numpy(np.float32)[0]


@functools.cache
def _smile() -> Any:
    try:
        import opensmile
    except ImportError:
        raise UserError("eGeMAPS needs openSMILE: pip install emoasr[egemaps]") from None
    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
    )
