"""The baseline that the field knows: openSMILE's eGeMAPSv02 functionals as a feature table."""

import concurrent.futures
import dataclasses
import functools
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from emoasr.audio import reading
from emoasr.corpora.base import Corpus, Skipped
from emoasr.errors import UserError
from emoasr.system import extras, processes

_CHUNK = 16  # utterances a task
_INT16 = np.iinfo(np.int16)


class Part(NamedTuple):
    """Some utterances' functionals.

    Attributes:
        indices: utterances, positions in the corpus's table.
        values: float32 (len(indices), 88).
        skipped: the other utterances of this part: unreadable or too short.
    """

    indices: list[int]
    values: np.ndarray
    skipped: list[Skipped]


def column_names() -> list[str]:
    """OpenSMILE's names of the 88 functionals. Raises: UserError, as `extract`."""
    return list(smile().feature_names)


def extract(corpus: Corpus, indices: Sequence[int], workers: int) -> Iterator[Part]:
    """Computes the 88 eGeMAPSv02 functionals of utterances, from the samples the network gets.

    Args:
        corpus: the utterances.
        indices: positions in `corpus.table`.
        workers: processes; 1 computes in this one.

    Yields:
        Parts as they are done, together all of `indices` in their order.

    Raises:
        UserError: the `egemaps` extra is missing, or a process died.
    """
    smile()
    chunks = [list(indices[i : i + _CHUNK]) for i in range(0, len(indices), _CHUNK)]
    measured = _measured(corpus, chunks, workers)
    for chunk, (rows, values, skipped) in zip(chunks, measured, strict=True):
        yield Part([chunk[row] for row in rows], values, skipped)


def _measured(corpus: Corpus, chunks: list[list[int]], workers: int) -> Iterator[Part]:
    """The part of each chunk, its indices counted within the chunk, in order."""
    corpora = (
        dataclasses.replace(corpus, table=corpus.table.iloc[chunk], skipped=()) for chunk in chunks
    )
    if workers == 1 or not chunks:
        yield from map(_measure, corpora)
        return
    try:
        yield from processes.results(_measure, corpora, min(workers, len(chunks)))
    except concurrent.futures.BrokenExecutor:
        raise UserError(
            "an openSMILE process died, perhaps for lack of memory; "
            "lower --config.workers and run the same command again"
        ) from None


def _measure(corpus: Corpus) -> Part:
    """Functionals of a small corpus."""
    rows, values, skipped = [], [], []
    for i in range(len(corpus)):
        try:
            x = corpus.samples(i)
        except reading.AudioError as error:
            skipped.append(corpus.skip(i, "audio", str(error)))
            continue
        functionals = _functionals(x)
        if np.isfinite(functionals).all():
            rows.append(i)
            values.append(functionals)
        else:
            seconds = len(x) / reading.SAMPLE_RATE
            skipped.append(corpus.skip(i, "egemaps", f"too short for eGeMAPS: {seconds:.3f} s"))
    shape = (len(values), len(column_names()))
    return Part(rows, np.array(values, np.float32).reshape(shape), skipped)


def _functionals(x: np.ndarray) -> np.ndarray:
    """The 88 functionals of samples at 16 kHz; NaN where there are too few samples."""
    # openSMILE's conversion to 16 bit wraps: 1.0 would become -1.0.
    clipped = np.clip(x, _INT16.min / 32768, _INT16.max / 32768)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Segment too short")
        return smile().process_signal(clipped, reading.SAMPLE_RATE).to_numpy(np.float32)[0]


@functools.cache
def smile() -> Any:
    """This process's openSMILE. Raises: UserError: the `egemaps` extra is missing."""
    extras.require("egemaps", "eGeMAPS")
    import opensmile

    return opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=opensmile.FeatureLevel.Functionals,
    )
