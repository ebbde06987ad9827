"""Transcribed speech for pre-training: a table of files and texts, prepared once through TFDS.

Training reads every utterance in every epoch, and decoding Opus or FLAC takes as long as an
epoch's forward pass; so the audio is decoded and resampled once, see `prepared`. Its splits may
not exceed a gigabyte: hence parts.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import grain
import ml_collections
import numpy as np
import pandas as pd

from emoasr.asr.text import normalise
from emoasr.audio import reading
from emoasr.corpora import cells, prepared, table
from emoasr.corpora.base import Corpus, Skipped
from emoasr.errors import UserError, quoted
from emoasr.files import places

SPLITS = ("train", "valid", "test")
_NEEDED = SPLITS[:2]

_PART_BYTES = 256 << 20  # of prepared audio in one TFDS split


@dataclasses.dataclass(frozen=True)
class Split:
    """One split, ready for training.

    Attributes:
        source: random access to examples; `source[i]["audio"]` is int16 at 16 kHz.
        table: per example `file`, `speaker`, `text`, `digest` (of the audio), `n_samples` and
            `shared` (most speakers read this text), in the source's order.
    """

    source: Sequence
    table: pd.DataFrame


@dataclasses.dataclass(frozen=True)
class TranscribedCorpus:
    """All splits, the utterances that could not be read, and where prepared audio lies."""

    name: str
    splits: dict[str, Split]
    skipped: tuple[Skipped, ...]
    data_dir: Path


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Opens a transcribed table.

    Args:
        config: `path`, a folder with `metadata.csv` or a table (`file, speaker, split, text`).
        workdir: unused.

    Raises:
        UserError: the table is missing or broken.
    """
    path = places.of_corpus(config)
    at = {"path": str(path / "metadata.csv" if path.is_dir() else path), "root": ""}
    return table.load(ml_collections.ConfigDict(at), workdir)


def read_rows(folder: Path, parts: bool = False) -> pd.DataFrame:
    """The rows of a transcribed folder's `metadata.csv`, `text` and `split` empty where missing.

    Args:
        folder: that holds it.
        parts: whether rows may be parts of files.

    Raises:
        UserError: it cannot be read, lacks a column, or has parts of files though it may not.
    """
    path = folder / "metadata.csv"
    frame = table.read_frame(path)
    table.require(frame, ["file", "speaker", "split", "text"], path)
    if times := [] if parts else [name for name in ("start", "end") if name in frame]:
        raise UserError(
            f"{path}: has the column {times[0]}, and this takes whole files; cut the files, and "
            "remove the column"
        )
    found = {name: cells.texts(frame, name, path).fillna("") for name in ("split", "text")}
    return frame.assign(**{name: column.astype(object) for name, column in found.items()})


def prepare(corpus: Corpus, data_dir: str) -> TranscribedCorpus:
    """Prepares a corpus's audio, unless that was done before, and opens it.

    Args:
        corpus: its table has `speaker`, `split` and `text`.
        data_dir: where prepared audio goes; empty: TFDS's default folder.

    Raises:
        UserError: a column or split is missing, a speaker is in two splits, or nothing of a split
            could be read.
    """
    _check(corpus)
    labels = corpus.table[["speaker", "text"]]
    shared = labels["text"].fillna("").map(normalise).isin(_shared_prompts(corpus))
    builder = prepared.prepare(
        "emoasr_transcribed", corpus, labels.assign(shared=shared), lambda: _parts(corpus), data_dir
    )
    skipped = [*corpus.skipped, *builder.skipped]
    skipped += [
        corpus.skip(int(i), "corpus", f"its split is none of {', '.join(SPLITS)}")
        for i in np.flatnonzero(~corpus.table["split"].isin(SPLITS))
    ]
    readable = {name.rsplit("_", 1)[0] for name in builder.info.splits}
    for split in [split for split in _NEEDED if split not in readable]:
        files = set(corpus.table.index[_rows(corpus, split)].get_level_values("file"))
        first = next(s.reason for s in builder.skipped if s.file in files)
        raise UserError(
            f"{corpus.root}: no utterance of split {split!r} could be read; the first: {first}"
        )
    splits = {split: _read_split(builder, split) for split in SPLITS if split in readable}
    above = Path(builder.data_dir).parents[2]  # the set's name, table and version
    return TranscribedCorpus(corpus.name, splits, tuple(skipped), above)


def _check(corpus: Corpus) -> None:
    for column in ("speaker", "split", "text"):
        if column not in corpus.table:
            raise UserError(
                f"{corpus.root}: no column {column!r}; pre-training needs it"
                f"{_there_are(map(str, corpus.table))}"
            )
    found = corpus.table["split"].dropna().unique()
    for split in _NEEDED:
        if split not in found:
            raise UserError(
                f"{corpus.root}: no utterance of split {split!r}; train and valid are needed"
                f"{_there_are(sorted(found))}"
            )
    for i in np.flatnonzero(corpus.table["speaker"].isna()):
        file, _, _ = corpus.key(int(i))
        raise UserError(f"{corpus.root}: {file} has no speaker; splits must be disjoint by speaker")
    for speaker, splits in corpus.table.groupby("speaker")["split"]:
        own = sorted(map(quoted, splits.dropna().unique()))
        if len(own) > 1:
            raise UserError(
                f"{corpus.root}: speaker {speaker!r} is in {len(own)} splits ({', '.join(own)}); "
                "a speaker belongs to one"
            )


def _there_are(names: Iterable[str]) -> str:
    """What a table has in place of what is missing, to add to a message."""
    few = list(map(quoted, itertools.islice(names, 8)))
    return f"; there are {', '.join(few)}" if few else ""


def _shared_prompts(corpus: Corpus) -> set[str]:
    """Normalised texts that more than half of the speakers read, if there are three or more."""
    spoken = corpus.table[["speaker", "text"]].dropna()
    readers = spoken.groupby(spoken["text"].map(normalise))["speaker"].nunique()
    half = max(spoken["speaker"].nunique() / 2, 1.5)
    return set(readers.index[readers > half])


def _parts(corpus: Corpus) -> dict[str, np.ndarray]:
    """Rows of each split, in parts of some hundred megabytes: `train_0`, `train_1`, ...."""
    return {
        f"{split}_{int(part)}": rows[parts == part]
        for split in SPLITS
        for rows in [_rows(corpus, split)]
        for parts in [np.cumsum([_n_bytes(corpus, int(i)) for i in rows]) // _PART_BYTES]
        for part in np.unique(parts)
    }


def _rows(corpus: Corpus, split: str) -> np.ndarray:
    """Positions of a split's utterances; a cell may be blank."""
    return np.flatnonzero(corpus.table["split"].isin([split]))


def _n_bytes(corpus: Corpus, i: int) -> int:
    try:
        return 2 * corpus.n_samples(i)
    except reading.AudioError:
        return 0  # reported when it is read


def _read_split(builder: prepared.Builder, split: str) -> Split:
    parts = sorted(
        (name for name in builder.info.splits if name.startswith(f"{split}_")),
        key=lambda name: int(name.removeprefix(f"{split}_")),
    )
    source = grain.MapDataset.concatenate(
        [grain.MapDataset.source(builder.as_data_source(split=part)) for part in parts]
    )
    try:
        return Split(source, pd.DataFrame([_described(source[i]) for i in range(len(source))]))
    except (RuntimeError, OSError):  # of ArrayRecord's files, each of which has checksums
        raise builder.damaged() from None


def _described(example: dict[str, Any]) -> dict[str, Any]:
    """An example's row in `Split.table`."""
    columns = ("file", "speaker", "text", "digest")
    texts = {column: example[column].decode() for column in columns}
    numbers = {"n_samples": int(example["n_samples"]), "shared": bool(example["shared"])}
    return {**numbers, **texts}
