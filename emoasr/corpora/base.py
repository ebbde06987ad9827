"""The table and audio of a corpus as one object."""

import contextlib
import dataclasses
import hashlib
import zipfile
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import ml_collections
import numpy as np
import pandas as pd

from emoasr.audio import chunks, reading
from emoasr.errors import UserError, one_line
from emoasr.files import places, storage

RATINGS = ("arousal", "valence", "dominance")
LABELS = ("speaker", "session", *RATINGS, "emotion", "text", "split")

KINDS = {  # the fields of `config.corpus` that each reads
    "audformat": ("path", "tables", "raters"),
    "cremad": ("path",),
    "demo": ("seed",),
    "emodb": ("path",),
    "emotale": ("path", "language"),
    "folder": ("path",),
    "iemocap": ("path", "consistent"),
    "meld": ("path",),
    "msp_improv": ("path",),
    "msp_podcast": ("path",),
    "ravdess": ("path", "channel"),
    "table": ("path", "root"),
}

_UNREADABLE = "unreadable"  # a file's state
_LOOKED_AT = 20_000  # entries of a folder that is described; some hold a whole disk


@dataclasses.dataclass(frozen=True)
class Skipped:
    """An utterance that a step left out, and why."""

    file: str
    reason: str
    step: str = "corpus"
    start: float | None = None  # seconds; None: the whole file
    end: float | None = None


@dataclasses.dataclass(frozen=True)
class Corpus:
    """Utterances, one a row, in a fixed order.

    Attributes:
        name: what reports call it.
        root: the folder that the index's files are relative to, unless they are URLs.
        table: audformat index (`file`, or `file, start, end`) and those of `LABELS` that the
            corpus has, and further columns (of a user's table, every one). Ratings are float32,
            missing ones NaN; the others of `LABELS` text, missing ones NA; further columns are
            numbers or text.
        synthetic: True where speech and labels were made by a program; every output says so.
        skipped: rows left out while reading the corpus.
        notes: findings of its reader, one line each, printed and stored in `extract.json`.
        sample_rate: of `samples`, Hz.
        antialias: how recordings are resampled to that rate, see `reading.resample`.
    """

    name: str
    root: Path | zipfile.Path | storage.Remote
    table: pd.DataFrame
    synthetic: bool = False
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    sample_rate: int = reading.SAMPLE_RATE
    antialias: bool = True

    def __len__(self) -> int:
        """Number of utterances."""
        return len(self.table)

    def at(self, sample_rate: int, antialias: bool) -> "Corpus":
        """The same utterances at another rate, see the attributes."""
        return dataclasses.replace(self, sample_rate=sample_rate, antialias=antialias)

    def segment(self, i: int) -> reading.Segment:
        """Where utterance `i`'s samples lie: path, start and end in seconds."""
        file, start, end = self.key(i)
        return reading.Segment(storage.joined(self.root, file), start or 0.0, end)

    def n_samples(self, i: int) -> int:
        """Largest possible length of `samples`, from the file's header. Raises: AudioError."""
        return reading.n_samples(self.segment(i), self.sample_rate, self.antialias)

    def samples(self, i: int) -> np.ndarray:
        """Utterance `i`, mono float32 at `sample_rate`. Raises: AudioError."""
        return reading.read(self.segment(i), self.sample_rate, self.antialias)

    def chunks(self, i: int, size: int, context: int, hop: int) -> Iterator[chunks.Chunk]:
        """Utterance `i` in chunks, see `chunks.of_file`. Raises: AudioError."""
        rate, antialias = self.sample_rate, self.antialias
        return chunks.of_file(self.segment(i), size, context, hop, rate, antialias)

    def fingerprints(self) -> list[bytes]:
        """Digests, 16 bytes an utterance: of its segment and its file's place, size and time.

        For a file in a store, the mark of its content, such as S3's ETag, replaces the time.
        """
        keys = [self.key(i) for i in range(len(self))]
        states = self._states({file for file, _, _ in keys})
        root = _resolved(self.root)
        texts = (repr((root, *key, states[key[0]])) for key in keys)
        return [hashlib.sha256(text.encode()).digest()[:16] for text in texts]

    def _states(self, files: Iterable[str]) -> dict[str, str]:
        """A text for each file that changes with its size, and its time or mark."""
        if isinstance(self.root, zipfile.Path):
            return dict.fromkeys(files, _state(Path(str(self.root.root.filename))))
        paths = {file: storage.joined(self.root, file) for file in files}
        remote = storage.states(p for p in paths.values() if isinstance(p, storage.Remote))
        return {
            file: _state(path) if isinstance(path, Path) else remote.get(path, _UNREADABLE)
            for file, path in paths.items()
        }

    def skip(self, i: int, step: str, reason: str) -> Skipped:
        """The record of leaving utterance `i` out."""
        file, start, end = self.key(i)
        return Skipped(file, reason, step, start, end)

    def silent(self, i: int) -> str:
        """The warning, one line, that all samples of utterance `i` are zero."""
        file, start, end = self.key(i)
        return one_line(f"{file}{part(start, end)}: all samples are zero")

    def key(self, i: int) -> tuple[str, float | None, float | None]:
        """Utterance `i`'s file, start and end (seconds) as in the index; None where it has none."""
        key = self.table.index[i]
        if self.table.index.nlevels == 1:
            return str(key), None, None
        file, start, end = key
        return str(file), start.total_seconds(), None if pd.isna(end) else end.total_seconds()


def span(start: float | None, end: float | None) -> str:
    """A part of a recording, as messages name it."""
    return f"{start or 0:g} s to {'its end' if end is None else f'{end:g} s'}"


def part(start: float | None, end: float | None) -> str:
    """What messages add to the name of a recording of which they mean a part; empty: all of it."""
    return f" from {span(start, end)}" if start or end is not None else ""


def _state(path: Path) -> str:
    try:
        stat = path.stat()
    except (OSError, ValueError):  # ValueError: a name with a zero byte
        return _UNREADABLE
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _resolved(root: Path | zipfile.Path | storage.Remote) -> str:
    """A folder's place, whatever links and relative names lead to it."""
    if isinstance(root, zipfile.Path):
        return f"{Path(str(root.root.filename)).resolve()}/{root.at}"
    return str(root.resolve() if isinstance(root, Path) else root)


def inputs_digest(fingerprints: Iterable[bytes]) -> str:
    """A corpus's digest, 16 hex digits: changes with its index, its place and any of its files."""
    return hashlib.sha256(b"".join(fingerprints)).hexdigest()[:16]


def misnamed(file: str) -> Skipped:
    """The record of leaving out a file whose name no table can hold."""
    return Skipped(one_line(file), "its name is not UTF-8; rename it")


def folder_of(config: ml_collections.ConfigDict, field: str = "path") -> storage.Place:
    """The folder that a field of `config.corpus` names.

    Raises:
        UserError: as `places.of_corpus`, or it is a file.
    """
    path = places.of_corpus(config, field)
    if not path.is_dir():
        raise UserError(f"config.corpus.{field}={path}: is a file; give a folder")
    return path


def contents(folder: storage.Place | zipfile.Path) -> str:
    """What a folder holds, for messages: `it holds txt (.txt 12), wav48 (.opus 9, .wav 3)`.

    Folders are those right below it, with the formats of all files in them; at most `_LOOKED_AT`
    entries are looked at, and hidden ones are not.
    """
    formats: defaultdict[str, Counter[str]] = defaultdict(Counter)
    waiting: deque[tuple[str, Any]] = deque([("", folder)])
    n_seen = 0
    while waiting and n_seen < _LOOKED_AT:
        top, place = waiting.popleft()
        with contextlib.suppress(OSError):
            for entry in place.iterdir():
                n_seen += 1
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    waiting.append((top or entry.name, entry))
                    formats[top or entry.name].update()
                else:
                    formats[top][PurePosixPath(entry.name).suffix.lower() or "no suffix"] += 1
    held = []
    for top, kinds in sorted(formats.items()):
        counts = ", ".join(f"{kind} {n}" for kind, n in kinds.most_common(4))
        held.append(f"{top} ({counts or 'no file'})" if top else f"files: {counts}")
    return f"it holds {', '.join(held[:8])}{', ...' * (len(held) > 8)}" if held else "it is empty"


def on_disk(path: storage.Place) -> Path:
    """The path, if it is one.

    Raises:
        UserError: it is in a store, where this kind of corpus cannot be read.
    """
    if isinstance(path, storage.Remote):
        raise UserError(f"config.corpus.path={path}: this corpus must be on disk; copy it there")
    return path
