"""The files of a recognizer's folder, opened: what its records say, and where its tensors are.

The folder is ours, or one of Hugging Face's transformers, and may be untrusted: sizes and types are
checked, no field chooses a file elsewhere, and nothing is allocated for what a file only claims to
hold. `manifest` and `transformers_config` interpret the records.
"""

import collections
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from emoasr.asr import language_model
from emoasr.errors import UserError, quoted
from emoasr.files import places, untrusted
from emoasr.files.tensors import read_tensors, tensor_shapes

_RECORD, _WEIGHTS = places.RECOGNIZER_FILES
_MOST_OF_A_PART = 1 << 34
MOST_BYTES = {
    _RECORD: 1 << 20,
    _WEIGHTS: 1 << 30,  # 70 times the original's
    places.LANGUAGE_FILE: language_model.MOST_BYTES,
    places.TRANSFORMERS_CONFIG: 1 << 20,
    **dict.fromkeys(places.TRANSFORMERS_PROCESSORS, 1 << 20),
    places.TRANSFORMERS_INDEX: 1 << 24,
    places.TRANSFORMERS_WEIGHTS: _MOST_OF_A_PART,
}
_TYPES: tuple[str, ...] = ("BF16", "F16", "F32")
_UNREAD: tuple[str, ...] = ("I64",)  # of transformers: indices of positions
_PART = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")


class Record(NamedTuple):
    """A JSON file: its name, for messages, and what it says."""

    where: str
    fields: dict[str, Any]


class Tensors:
    """The tensors of one file or several.

    Attributes:
        where: the file that holds each.
        shapes: as the headers claim them.
    """

    def __init__(
        self, sources: Iterable[untrusted.Source], most: int, unread: tuple[str, ...] = ()
    ):
        """Reads the headers of the files.

        Args:
            sources: the files.
            most: bytes of each, at most.
            unread: types of tensors that are left out.

        Raises:
            UserError: a file is too large or has tensors of other types, or two files have a tensor
                of one name.
        """
        self.where: dict[str, untrusted.Source] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        for source in sources:
            shapes = tensor_shapes(source, _TYPES, most, unread)
            if twice := sorted(shapes.keys() & self.shapes.keys()):
                raise UserError(
                    f"{source}: tensor {quoted(twice[0])} is in {self.where[twice[0]]} too; "
                    "which of them is meant cannot be known: download the folder again"
                )
            self.shapes |= shapes
            self.where |= dict.fromkeys(shapes, source)

    def read(self, names: Collection[str]) -> Iterator[tuple[str, np.ndarray]]:
        """Tensors by name, file by file."""
        by_source: dict[untrusted.Source, list[str]] = collections.defaultdict(list)
        for name in names:
            by_source[self.where[name]].append(name)
        for source, of_source in by_source.items():
            yield from read_tensors(source, of_source).items()


class Opened(NamedTuple):
    """A recognizer's folder.

    Attributes:
        folder: where it is, and whether it is ours or transformers'.
        records: its JSON files, by name; a missing processor's has no fields.
        tensors: its weights, none of them read yet.
        language_file: its language model; None: it has none.
    """

    folder: places.RecognizerFolder
    records: dict[str, Record]
    tensors: Tensors
    language_file: untrusted.Source | None


def opened(folder: places.RecognizerFolder) -> Opened:
    """Opens the files of a recognizer's folder.

    Raises:
        UserError: a file is too large, is a link out of the folder, or is not what its name says.
    """
    sources = {name: untrusted.own(folder.path / name, MOST_BYTES[name]) for name in folder.files}
    records = {
        name: Record(str(source), untrusted.read_json(source, MOST_BYTES[name]))
        for name, source in sources.items()
        if name.endswith(".json")
    }
    if folder.of_transformers:
        older, newer = places.TRANSFORMERS_PROCESSORS
        if newer not in records:
            records.setdefault(older, Record(str(folder.path / older), {}))
        index = records.pop(places.TRANSFORMERS_INDEX, None)
        weights = _parts(folder, index) if index else [places.TRANSFORMERS_WEIGHTS]
        unread, most = _UNREAD, _MOST_OF_A_PART
    else:
        weights, unread, most = [_WEIGHTS], (), MOST_BYTES[_WEIGHTS]
    held = [sources.get(name) or untrusted.own(folder.path / name, most) for name in weights]
    language_file = untrusted.lasting(sources.get(places.LANGUAGE_FILE))
    return Opened(folder, records, Tensors(held, most, unread), language_file)


def _parts(folder: places.RecognizerFolder, index: Record) -> list[str]:
    """Names of the files that an index of transformers names; all are there."""
    parts = index.fields.get("weight_map")
    names = sorted(set(map(str, parts.values()))) if isinstance(parts, dict) else []
    for name in names or [""]:
        if not _PART.fullmatch(name):  # it must name no file elsewhere
            raise UserError(
                f"{index.where}: weight_map names {quoted(name)}; must name model-*.safetensors"
            )
        if not places.is_file(folder.path / name):
            raise UserError(
                f"{index.where}: names {name}, which is not there; download the folder again"
            )
    return names
