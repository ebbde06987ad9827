"""Exceptions whose texts are meant for the user, and help to write them."""

import difflib
from collections.abc import Iterable

_QUOTED = 60  # characters of a value in a message


class UserError(Exception):
    """A mistake that the user can correct.

    The text is one line that names the file, field or flag, and the remedy; commands print it
    without a traceback and exit with status 1.
    """

    def __init__(self, text: str):
        """Takes the text, which may quote anything: see `one_line`."""
        super().__init__(one_line(text))


class AudioError(Exception):
    """Audio that cannot be used; the text is one line, with the path where there is one."""

    def __init__(self, text: str):
        """Takes the text, which may quote any name: see `one_line`."""
        super().__init__(one_line(text))


def one_line(text: object) -> str:
    """A text on one line that any stream can print; names may hold newlines or invalid Unicode."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def without_file(text: str, file: str) -> str:
    """A message without the file that it begins with, if any, whatever path it is named by.

    >>> without_file("data/a.wav: no such file", "a.wav")
    'no such file'
    >>> without_file("data/1: error 1: bad", "1")
    'error 1: bad'
    """
    path, _, rest = text.partition(f"{one_line(file)}: ")
    return rest if rest and ": " not in path else text


def quoted(value: object) -> str:
    """A value, which may be untrusted, for a message: short, without control characters."""
    text = repr(value)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A suggestion for an error about an unknown name: the known names most like it, if any.

    In dotted names the last part counts as much as the whole, as it is what people remember.
    """
    likeness = {other: _likeness(name, other) for other in names}
    best = max(likeness.values(), default=0.0)
    nearest = sorted(likeness, key=likeness.__getitem__, reverse=True)[:3]
    likely = [other for other in nearest if likeness[other] >= best - 0.1]
    return f"; did you mean {' or '.join(likely)}?" if best > 0.8 else ""


def _likeness(name: str, other: str) -> float:
    pairs = (name, other), (name.rpartition(".")[2], other.rpartition(".")[2])
    return sum(difflib.SequenceMatcher(None, *pair).ratio() for pair in pairs)
