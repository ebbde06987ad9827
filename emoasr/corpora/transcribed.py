"""Transcribed speech for pre-training: a table of files and texts, prepared once through TFDS.

Training reads every utterance in every epoch, and decoding Opus or FLAC takes as long as an
epoch's forward pass; so the audio is decoded and resampled once, into ArrayRecord files of 16 kHz
int16, in TFDS's data folder. Neither writing nor reading them needs TensorFlow, as long as no
TFDS split exceeds the gigabyte that TFDS shuffles in memory: hence parts.
"""

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import grain
import ml_collections
import numpy as np
import pandas as pd
import tensorflow_datasets as tfds

from emoasr import audio
from emoasr.corpora import table
from emoasr.corpora.base import Corpus, Skipped, inputs_digest, path_of
from emoasr.errors import UserError
from emoasr.text import normalise

SPLITS = ("train", "valid", "test")

_PART_BYTES = 256 << 20  # of prepared audio in one TFDS split


@dataclasses.dataclass(frozen=True)
class Split:
    """One split, ready for training.

    Attributes:
        source: random access to examples; `source[i]["audio"]` is int16 at 16 kHz.
        table: per example `file`, `speaker`, `text`, `n_samples` and `shared` (most speakers read
            this text), in the source's order.
    """

    source: Sequence
    table: pd.DataFrame


@dataclasses.dataclass(frozen=True)
class TranscribedCorpus:
    """All splits, and what could not be read."""

    name: str
    splits: dict[str, Split]
    skipped: tuple[Skipped, ...]


class Builder(tfds.core.GeneratorBasedBuilder):
    """TFDS builder over a `Corpus` whose table has `speaker`, `split` and `text`."""

    VERSION = tfds.core.Version("1.0.0")
    name = "emoasr_transcribed"

    def __init__(self, corpus: Corpus, digest: str, data_dir: str | None):
        """Names the prepared data by the digest of its table: another table is another set."""
        self._corpus = corpus
        self.skipped: list[Skipped] = []
        self._shared = _shared_prompts(corpus)
        super().__init__(
            config=tfds.core.BuilderConfig(name=digest),
            data_dir=data_dir,
            file_format="array_record",
        )

    def _info(self) -> tfds.core.DatasetInfo:
        raw = tfds.features.Encoding.BYTES  # ten times faster to read than a list of integers
        features = {
            "audio": tfds.features.Tensor(shape=(None,), dtype=np.int16, encoding=raw),
            "n_samples": tfds.features.Scalar(np.int64),
            "file": tfds.features.Text(),
            "speaker": tfds.features.Text(),
            "text": tfds.features.Text(),
            "shared": tfds.features.Scalar(np.bool_),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        del dl_manager  # the corpus lies on disk already
        return {
            f"{split}_{int(part)}": self._generate_examples(rows[parts == part])
            for split in SPLITS
            for rows in [np.flatnonzero(self._corpus.table["split"] == split)]
            for parts in [np.cumsum([self._n_bytes(i) for i in rows]) // _PART_BYTES]
            for part in np.unique(parts)
        }

    def _n_bytes(self, i: int) -> int:
        try:
            return 2 * self._corpus.n_samples(i)
        except audio.AudioError:
            return 0  # reading will tell

    def _generate_examples(self, rows):
        for i in rows:
            row = self._corpus.table.iloc[i]
            text = "" if pd.isna(row["text"]) else str(row["text"])
            try:
                samples = self._corpus.samples(int(i))
            except audio.AudioError as error:
                self.skipped.append(self._corpus.skip(int(i), "audio", str(error)))
                continue
            yield (
                int(i),
                {
                    "audio": np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16),
                    "n_samples": len(samples),
                    "file": self._corpus.key(int(i))[0],
                    "speaker": str(row["speaker"]),
                    "text": text,
                    "shared": normalise(text) in self._shared,
                },
            )


def load(config: ml_collections.ConfigDict, workdir: Path) -> TranscribedCorpus:
    """Opens a transcribed table, preparing its audio at the first time.

    Args:
        config: `path`, a folder with `metadata.csv` or a table (`file, speaker, split, text`);
            `data_dir`, see `prepare`.
        workdir: unused; tables of transcribed speech need nothing of a run's folder.

    Raises:
        UserError: the table is missing, lacks a column, or a speaker is in two splits.
    """
    path = path_of(config)
    at = {"path": str(path / "metadata.csv" if path.is_dir() else path), "root": ""}
    return prepare(table.load(ml_collections.ConfigDict(at), workdir), config.data_dir)


def prepare(corpus: Corpus, data_dir: str) -> TranscribedCorpus:
    """Prepares a corpus's audio, unless that was done before, and opens it.

    Args:
        corpus: its table has `speaker`, `split` and `text`.
        data_dir: where prepared audio goes; empty: TFDS's default folder.

    Raises:
        UserError: a column or split is missing, or a speaker is in two splits.
    """
    _check(corpus)
    what = f"{corpus.table.to_csv()} {inputs_digest(corpus)} {corpus.name}"
    digest = hashlib.sha256(what.encode()).hexdigest()[:16]
    builder = Builder(corpus, digest, data_dir or None)
    record = Path(builder.data_dir) / "skipped.json"
    if not record.exists():
        print(f"preparing {len(corpus)} utterances, once, in {builder.data_dir}")
        builder.download_and_prepare()
        record.write_text(json.dumps([dataclasses.asdict(s) for s in builder.skipped]))
    skipped = [*corpus.skipped, *(Skipped(**s) for s in json.loads(record.read_text()))]
    skipped += [
        corpus.skip(int(i), "corpus", f"its split is none of {', '.join(SPLITS)}")
        for i in np.flatnonzero(~corpus.table["split"].isin(SPLITS))
    ]
    splits = {s: _read_split(builder, s) for s in SPLITS if f"{s}_0" in builder.info.splits}
    return TranscribedCorpus(corpus.name, splits, tuple(skipped))


def _check(corpus: Corpus) -> None:
    for column in ("speaker", "split", "text"):
        if column not in corpus.table:
            raise UserError(f"{corpus.root}: no column {column!r}; pre-training needs it")
    missing = {"train", "valid"} - set(corpus.table["split"])
    if missing:
        raise UserError(
            f"{corpus.root}: no utterance of split {missing.pop()!r}; train and valid are needed"
        )
    if corpus.table["speaker"].isna().any():
        file = corpus.table.index[corpus.table["speaker"].isna()][0]
        raise UserError(f"{corpus.root}: {file} has no speaker; splits must be disjoint by speaker")
    splits = corpus.table.groupby("speaker")["split"].nunique()
    if (splits > 1).any():
        raise UserError(
            f"{corpus.root}: speaker {splits.idxmax()!r} is in {splits.max()} splits; "
            "a speaker belongs to one"
        )


def _shared_prompts(corpus: Corpus) -> set[str]:
    """Normalised texts that more than half of the speakers read, if there are three or more."""
    spoken = corpus.table[["speaker", "text"]].dropna()
    readers = spoken.groupby(spoken["text"].map(normalise))["speaker"].nunique()
    half = max(spoken["speaker"].nunique() / 2, 1.5)
    return set(readers.index[readers > half])


def _read_split(builder: Builder, split: str) -> Split:
    parts = sorted(
        (name for name in builder.info.splits if name.startswith(f"{split}_")),
        key=lambda name: int(name.removeprefix(f"{split}_")),
    )
    source = grain.MapDataset.concatenate(
        [grain.MapDataset.source(builder.as_data_source(split=part)) for part in parts]
    )
    columns = ("file", "speaker", "text")
    rows = []
    for i in range(len(source)):
        example = source[i]
        texts = {column: example[column].decode() for column in columns}
        numbers = {"n_samples": int(example["n_samples"]), "shared": bool(example["shared"])}
        rows.append({**numbers, **texts})
    return Split(source, pd.DataFrame(rows))
