"""Finds duplicates: a recording that is listed twice, a label that is spelt two ways."""

import os
import re
from pathlib import Path
from typing import Any

import pandas as pd

from emoasr.audio import reading
from emoasr.corpora.base import Corpus, part
from emoasr.errors import UserError, quoted
from emoasr.files import storage

_NOTHING = 0.01  # seconds: a segment that lacks less of its file counts as all of it


def check_recordings(corpus: Corpus, rows: pd.Index, source: storage.Place) -> None:
    """Refuses the same part of one recording in two rows: it could be in training and test.

    A file may be named in many ways: `a.wav`, `./a.wav`, by its absolute path, by a link; and its
    end by none, or by its duration.

    Args:
        corpus: its utterances.
        rows: the row of the table, from 0, that each is in.
        source: the table, for messages.

    Raises:
        UserError: names both rows.
    """
    keys = [corpus.key(i) for i in range(len(corpus))]
    places = {file: _identity(storage.joined(corpus.root, file)) for file, _, _ in keys}
    unended = {(places[file], start or 0.0) for file, start, end in keys if end is None}
    first: dict[Any, int] = {}
    for i, (file, start, end) in enumerate(keys):
        begins = places[file], start or 0.0
        to_end = begins in unended and _reaches_end(corpus.segment(i))
        other = first.setdefault((*begins, None if to_end else end), i)
        if other != i:
            raise UserError(
                f"{source}: rows {rows[other] + 1} and {rows[i] + 1}: {quoted(keys[other][0])} and "
                f"{quoted(file)} are the same recording{part(start, end)}; remove one of the rows"
            )


def spelt_alike(labels: pd.Series) -> tuple[str, str] | None:
    """Two labels that differ only in case, or in zeros before or after a number; None: no two do.

    >>> spelt_alike(pd.Series(["Anna", "Ben", "anna"]))
    ('Anna', 'anna')
    """
    first: dict[str, str] = {}
    for label in sorted(labels.dropna().unique()):
        bare = re.sub(r"(?<![0-9.])0+(?=[0-9])|(?<=[0-9])\.0+$", "", label.casefold())
        if (other := first.setdefault(bare, label)) != label:
            return other, label
    return None


def repeated(index: pd.Index) -> tuple[int, int] | None:
    """The positions of the first entry that is there twice; None: there is none.

    Example:
        >>> repeated(pd.Index(["a", "b", "c", "b"]))
        (1, 3)
    """
    if not index.has_duplicates:
        return None
    second = int(index.duplicated().argmax())
    return int(index[: second + 1].duplicated(keep="last").argmax()), second


def _identity(place: storage.Place) -> Any:
    """A key that is equal for all names of one file."""
    if isinstance(place, Path):
        try:
            stat = place.stat()
        except (OSError, ValueError):  # missing, or a name with a zero byte: found out on reading
            return os.path.normpath(place)
        return (stat.st_dev, stat.st_ino) if stat.st_ino else os.path.realpath(place)
    return str(place)


def _reaches_end(segment: reading.Segment) -> bool:
    """Whether a segment's end is that of its file, or beyond; reads the file's header."""
    if segment.end is None:
        return True
    try:
        return segment.end > reading.duration(reading.Segment(segment.path)) - _NOTHING
    except reading.AudioError:
        return False  # found out on reading
