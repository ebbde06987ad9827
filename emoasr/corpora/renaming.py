"""Columns of a table that are probably meant to be one that is read, but have another name."""

import difflib
import re
from collections.abc import Collection

import pandas as pd

from emoasr.corpora import times
from emoasr.errors import UserError
from emoasr.files import storage

_LIKENESS = 0.8  # similarity of names, from 0 to 1, from which on a renaming is proposed

_UNIT = "(time|timestamp)?(s|sec|secs|second|seconds|ms)?"
_TIMES = {  # of names in lower case, without anything but letters
    "start": re.compile(f"(segment)?(start|begin|beginning|onset){_UNIT}|[tx]min"),
    "end": re.compile(f"(segment)?(end|stop|offset|finish){_UNIT}|[tx]max"),
}
_LENGTH = re.compile(f"(segment)?(duration|dur|length){_UNIT}")


def meant(column: str, free: Collection[str]) -> str:
    """The one of the free names that a column is probably meant to have; empty for none.

    >>> [meant(name, ("start", "end", "speaker")) for name in ("Speakers", "onset", "EndTime", "x")]
    ['speaker', 'start', 'end', '']
    """
    bare = _bare(column)
    of_times = [name for name, like in _TIMES.items() if name in free and like.fullmatch(bare)]
    return next(
        iter(of_times or difflib.get_close_matches(column.casefold(), free, 1, _LIKENESS)), ""
    )


def check_times(names: Collection[str], further: pd.DataFrame, source: storage.Place) -> None:
    """Refuses a column of times beside one of `start` and `end`, where the other is missing.

    The parts would be others than the table says: from 0, or to their file's end.

    Args:
        names: of the table's columns.
        further: those of them that are neither labels nor of the index.
        source: the table, for messages.

    Raises:
        UserError: names the columns and what to do.
    """
    for given, lacks in (("start", "end"), ("end", "start")):
        if given not in names or lacks in names:
            continue
        for column in [str(name) for name, cells in further.items() if _of_times(cells)]:
            is_length = given == "start" and _LENGTH.fullmatch(_bare(column))
            if is_length or _TIMES[lacks].fullmatch(_bare(column)):
                do = f"write end, start + {column}" if is_length else f"rename {column} to {lacks}"
                raise UserError(
                    f"{source}: has the columns {given} and {column}, but no {lacks}; {do}, or "
                    f"give {column} another name if it is something else"
                )


def _bare(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.casefold())


def _of_times(cells: pd.Series) -> bool:
    found = cells.dropna().astype(str).unique()
    return len(found) > 0 and all(times.nanoseconds(cell) is not None for cell in found)
