"""Files from untrusted sources, and the JSON in them, read as data; size and form are checked.

An error is one line that names the file. Nothing is allocated for content that a file only claims
to hold, and quotations from it are short and harmless in a terminal.
"""

import dataclasses
import io
import json
import math
import re
from pathlib import Path
from typing import Any

from emoasr.errors import UserError, quoted
from emoasr.files.storage import Place, Remote, Stat

_DEPTH = 32  # of nested JSON
_DIGITS = 18  # of a whole number in JSON

# Never fails once begun: an unfinished string reaches to the end, so that this takes linear time.
_STRING = re.compile(r'"(?:[^"\\]+|\\.?)*+"?', re.DOTALL)
_NO_TEXT = re.compile("[\ud800-\udfff]")  # halves of UTF-16 pairs, which cannot be written to files


@dataclasses.dataclass(frozen=True)
class Fetched:
    """A store's file in memory, with the methods of `Path` that checks and readers need.

    Attributes:
        url: where it came from.
        content: the whole file.
    """

    url: str
    content: bytes = dataclasses.field(repr=False)

    def __str__(self) -> str:
        return self.url

    def stat(self) -> Stat:
        """Its size."""
        return Stat(len(self.content), "")

    def is_file(self) -> bool:
        """True: only files are fetched."""
        return True

    def open(self, mode: str) -> io.BytesIO:
        """Opens it; the mode can only be "rb"."""
        return io.BytesIO(self.content)


Source = Path | Fetched


class _NoNumber(str):
    """A number in JSON that cannot be used: NaN, infinite or too long."""


def fetched(path: Remote, most_bytes: int) -> Fetched:
    """Fetches a store's file once, so that the content that is checked is the one that is used.

    Raises:
        UserError: it has more than `most_bytes` (then it is not fetched), or cannot be read.
    """
    size = size_of(path, most_bytes)
    try:
        return Fetched(path.url, path.read_bytes(size))
    except OSError as error:
        raise unreadable(path, error) from None


def own(file: Place, most_bytes: int) -> Source:
    """The file, unless it is a link out of its folder: that must not choose other files.

    Links of Hugging Face's cache, from `snapshots/REVISION` into `blobs` beside it, are followed.

    Raises:
        UserError: it is such a link; or the file is in a store, and is too large or unreadable.
    """
    if isinstance(file, Remote):
        return fetched(file, most_bytes)
    folder = file.parent.resolve()
    cached = [folder.parents[1] / "blobs"] if folder.parent.name == "snapshots" else []
    if file.resolve().parent not in (folder, *cached):
        raise UserError(f"{file}: is a link that leads out of its folder; put the file there")
    return file


def lasting(source: Source | None) -> Source | None:
    """The source by its absolute path, to be read after the current folder may have changed."""
    return source.absolute() if isinstance(source, Path) else source


def read_json(path: Source, most_bytes: int) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Raises:
        UserError: the file cannot be read, has more than `most_bytes`, is not a JSON object, is
            nested too deeply, or has a field twice, a number that is NaN, infinite or too long, or
            text that is not Unicode.
    """
    return parse_json(_read(path, most_bytes), path)


def parse_json(content: bytes, source: Place | Fetched) -> dict[str, Any]:
    """Parses a JSON object that comes from `source`.

    Raises:
        UserError: as `read_json`.
    """
    try:
        text = content.decode("utf-8-sig")
        _check_depth(text)
        value = json.loads(
            text, object_pairs_hook=_object, parse_int=_int, parse_float=_float,
            parse_constant=_NoNumber,
        )  # fmt: skip
    except ValueError as error:
        raise UserError(f"{source}: not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise UserError(f"{source}: not a JSON object")
    return value


def size_of(path: Place | Fetched, most_bytes: int) -> int:
    """A file's size, bytes. Raises: UserError: it is no file, too large or unreadable."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise unreadable(path, error) from None
    if not path.is_file():
        raise UserError(f"{path}: not a file")
    if size > most_bytes:
        raise UserError(f"{path}: has {size} bytes; at most {most_bytes} are read")
    return size


def _read(path: Source, most_bytes: int) -> bytes:
    size_of(path, most_bytes)
    try:
        with path.open("rb") as file:
            return file.read(most_bytes)
    except OSError as error:
        raise unreadable(path, error) from None


def unreadable(path: Place | Fetched, error: OSError) -> UserError:
    """The error of a file that cannot be read."""
    return UserError(f"{path}: cannot be read ({error.strerror})")


def _check_depth(text: str) -> None:
    """Refuses nesting that would exhaust the stack of the parser, or of later code."""
    depth = 0
    for bracket in re.findall(r"[][{}]", _STRING.sub("", text)):
        depth += 1 if bracket in "[{" else -1
        if depth > _DEPTH:
            raise ValueError(f"brackets nested more than {_DEPTH} deep")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"field {quoted(key)} appears twice")
        if fault := _fault(key) or _fault(value):
            raise ValueError(f"field {quoted(key)} {fault}")
        found[key] = value
    return found


def _fault(value: Any) -> str | None:
    """What is wrong with a value or an element of a list; objects within are checked already."""
    if isinstance(value, list):
        return next(filter(None, map(_fault, value)), None)
    if isinstance(value, _NoNumber):
        digits = f"{value[:_DIGITS]}{'...' * (len(value) > _DIGITS)}"
        return f"holds {digits}, not a number that can be used"
    if isinstance(value, str) and _NO_TEXT.search(value):
        return "holds text that is not Unicode"
    return None


def _int(text: str) -> int | _NoNumber:
    return int(text) if len(text.lstrip("-")) <= _DIGITS else _NoNumber(text)


def _float(text: str) -> float | _NoNumber:
    value = float(text)
    return value if math.isfinite(value) else _NoNumber(text)
