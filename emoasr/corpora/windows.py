"""A corpus whose utterances are the windows of another's."""

import concurrent.futures
import dataclasses
from collections.abc import Sequence

import pandas as pd

from emoasr.audio import reading
from emoasr.audio.windows import Windows
from emoasr.corpora import identity
from emoasr.corpora.base import Corpus, span
from emoasr.errors import AudioError, UserError, one_line, quoted

_LATEST = pd.Timedelta.max.value  # nanoseconds
_READERS = 16  # threads that ask for headers: where files are in a store, they mostly wait


def of(corpus: Corpus, windows: Windows, apart: bool = False) -> Corpus:
    """Cuts every utterance into windows, by the lengths that the files' headers give.

    Labels are those of the utterance. One that is shorter than a window stays whole, and is noted;
    so does one whose header cannot be read: reading it will say why.

    Args:
        corpus: the utterances.
        windows: how they are cut.
        apart: refuses utterances that overlap and share a window, which would have two labels.

    Raises:
        UserError: names two utterances that share a window.
    """
    import audformat  # slow to import, and none is needed of a corpus that stays whole

    with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
        seconds = list(pool.map(_seconds, [corpus] * len(corpus), range(len(corpus))))
    rows, files, starts, ends, short = [], [], [], [], []
    for i, length in enumerate(seconds):
        file, start, end = corpus.key(i)
        spans = [(0.0, None)] if length is None else windows.spans(length)
        for first, last in spans:
            rows.append(i)
            files.append(file)
            starts.append((start or 0.0) + first)
            ends.append(end if last is None else (start or 0.0) + last)
        if length is not None and windows.is_longer_than(length):
            short.append(one_line(file))
    index = audformat.segmented_index(files, _times(starts), _times(ends))
    table = corpus.table.iloc[rows].set_axis(index)
    notes = (*corpus.notes, *noted(short, windows))
    cut = dataclasses.replace(corpus, table=table, notes=notes)
    if apart:
        _check_apart(corpus, cut, rows)
    return cut


def noted(short: list[str], windows: Windows) -> list[str]:
    """A line for those inputs that are shorter than a window, if any."""
    if not short:
        return []
    some = ", ".join(short[:3]) + ", ..." * (len(short) > 3)
    return [f"{len(short)} shorter than a window of {windows.seconds:g} s, taken whole: {some}"]


def _check_apart(corpus: Corpus, cut: Corpus, rows: Sequence[int]) -> None:
    """Raises a UserError that names the first two utterances that share a window, `rows` of it."""
    twice = identity.repeated(cut.table.index)
    if twice is None:
        return
    file, *shared = cut.key(twice[0])
    one, other = (span(*corpus.key(rows[i])[1:]) for i in twice)
    raise UserError(
        f"config.corpus.window: of {quoted(file)}, the utterances from {one} and from {other} "
        f"share the window from {span(*shared)}, which cannot have the labels of both; "
        "take a window and hop with which none is shared, or remove one of the two"
    )


def _seconds(corpus: Corpus, i: int) -> float | None:
    try:
        return reading.duration(corpus.segment(i))
    except AudioError:
        return None


def _times(seconds: Sequence[float | None]) -> pd.Series:
    """Times rounded to nanoseconds; pandas would truncate them."""
    nanoseconds = [None if s is None else min(round(s * 1e9), _LATEST) for s in seconds]
    return pd.to_timedelta(pd.Series(nanoseconds, dtype="Int64"), unit="ns")
