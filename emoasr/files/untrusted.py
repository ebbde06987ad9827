"""JSON and safetensors files from untrusted sources, read as data; size and form are checked.

An error is one line that names the file. Nothing is allocated for content that a file only claims
to hold, and quotations from it are short and harmless in a terminal.
"""

import dataclasses
import io
import json
import math
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from emoasr.errors import UserError, quoted
from emoasr.files.storage import Place, Remote, Stat

_DEPTH = 32  # of nested JSON
_DIGITS = 18  # of a whole number in JSON
_HEADER_BYTES = 1 << 20  # of safetensors: some ten thousand tensors
_DIMENSIONS = 8  # of a tensor
_KINDS: dict[type, str] = {
    int: "a whole number", float: "a number", bool: "true or false", str: "text",
}  # fmt: skip

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
    size = _size(path, most_bytes)
    try:
        return Fetched(path.url, path.read_bytes(size))
    except OSError as error:
        raise _unreadable(path, error) from None


def own(file: Place, most_bytes: int) -> Source:
    """The file, unless it is a link out of its folder: a stranger's must not choose other files.

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


def like(default: Any, value: Any, what: str) -> Any:
    """A value from JSON, checked to have the type of a field's default; lists become tuples.

    Args:
        default: a number, a boolean, a text, or a tuple of these; an empty tuple takes any.
        value: the value in JSON; a whole number may stand for a float.
        what: the field, for error messages.

    Raises:
        UserError: the value has another type.
    """
    if isinstance(default, tuple):
        if not isinstance(value, list):
            raise UserError(f"{what}={quoted(value)}: must be a list")
        return tuple(like((default or (element,))[0], element, what) for element in value)
    right = type(value) is type(default) or (type(default), type(value)) == (float, int)
    if not right or type(default) not in _KINDS:
        raise UserError(
            f"{what}={quoted(value)}: must be {_KINDS.get(type(default), 'a number or text')}"
        )
    return value


def tensor_shapes(path: Source, types: tuple[str, ...], most_bytes: int) -> dict[str, tuple]:
    """The shapes that a safetensors file claims, by name, from its header alone.

    Args:
        path: the file.
        types: allowed types of tensors, such as `F16` and `I32`.
        most_bytes: the largest allowed size of the file.

    Raises:
        UserError: the file cannot be read, is larger, has no safetensors header, or has tensors of
            other types.
    """
    size = _size(path, most_bytes)
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(_HEADER_BYTES, size - 8):
                raise UserError(f"{path}: not safetensors: no header of {length} bytes is possible")
            header = parse_json(file.read(length), path)
    except OSError as error:
        raise _unreadable(path, error) from None
    header.pop("__metadata__", None)
    return {name: _shape(path, name, tensor, types) for name, tensor in header.items()}


def read_tensors(path: Source, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
    """Reads a safetensors file that `tensor_shapes` has checked.

    Before any tensor is made, safetensors checks that their bytes fit their shapes, follow each
    other without gap or overlap, and are all that the file holds.

    Args:
        path: the file.
        names: of the tensors to read; None: all.

    Raises:
        UserError: the file cannot be read or fails that check, or a number is NaN or infinite.
    """
    try:
        if isinstance(path, Fetched):
            tensors = safetensors.numpy.load(path.content)
            tensors = {name: tensors[name] for name in names or tensors}
        else:
            with safetensors.safe_open(path, framework="np") as file:
                tensors = {name: file.get_tensor(name) for name in names or file.keys()}
    except (OSError, ValueError, SafetensorError) as error:
        why = quoted(str(error).removeprefix("Error while deserializing header: "))
        raise UserError(
            f"{path}: not a complete safetensors file ({why}); copy or download it again"
        ) from None
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise UserError(f"{path}: tensor {quoted(name)} holds NaN or infinity")
    return tensors


def _size(path: Place | Fetched, most_bytes: int) -> int:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error) from None
    if not path.is_file():
        raise UserError(f"{path}: not a file")
    if size > most_bytes:
        raise UserError(f"{path}: has {size} bytes; at most {most_bytes} are read")
    return size


def _read(path: Source, most_bytes: int) -> bytes:
    _size(path, most_bytes)
    try:
        with path.open("rb") as file:
            return file.read(most_bytes)
    except OSError as error:
        raise _unreadable(path, error) from None


def _unreadable(path: Place | Fetched, error: OSError) -> UserError:
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


def _shape(source: Source, name: str, tensor: Any, types: tuple[str, ...]) -> tuple[int, ...]:
    what = f"{source}: tensor {quoted(name)}"
    if not isinstance(tensor, Mapping) or tensor.keys() != {"dtype", "shape", "data_offsets"}:
        raise UserError(f"{what}: its record must have dtype, shape and data_offsets")
    dtype, shape = tensor["dtype"], tensor["shape"]
    if dtype not in types:
        raise UserError(f"{what} is of type {quoted(dtype)}; must be {' or '.join(types)}")
    counts = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
    if not counts or len(shape) > _DIMENSIONS:
        raise UserError(
            f"{what}: shape {quoted(shape)} must be a list of up to {_DIMENSIONS} whole numbers"
        )
    return tuple(shape)
