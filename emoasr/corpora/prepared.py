"""Corpora as TFDS sets, written and read without TensorFlow: decoded audio, and labels.

Audio is in ArrayRecord files of int16, at the corpus's rate, in TFDS's data folder. Neither writing
nor reading them needs TensorFlow, as long as no split exceeds the gigabyte that TFDS shuffles in
memory.
"""

import dataclasses
import hashlib
import itertools
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import tensorflow_datasets as tfds

from emoasr.audio import encoding, reading
from emoasr.corpora.base import Corpus, Skipped, inputs_digest
from emoasr.errors import UserError
from emoasr.files.run_lock import run_lock
from emoasr.files.writing import place_of
from emoasr.system.output import counted

Splits = Callable[[], Mapping[str, np.ndarray]]

DATA_DIR = "config.corpus.data_dir"  # the field that says where prepared data go


class Builder(tfds.core.GeneratorBasedBuilder):
    """TFDS builder over any `Corpus`; see `prepare`, which makes it.

    An example has `audio` (int16), its `digest`, `n_samples`, `file`, and the columns of `labels`:
    numbers as float32, truth values as bool, all else as text, empty where missing. Utterances
    whose audio could not be read are in the set's metadata, which TFDS stores with the audio: a
    set is there with both, or not at all.
    """

    VERSION = tfds.core.Version("1.1.0")
    name = "emoasr"

    def __init__(
        self, name: str, corpus: Corpus, labels: pd.DataFrame, splits: Splits, data_dir: str
    ):
        """Names the prepared data by the digest of its table: each table has its own set."""
        self.name = name
        self._corpus, self._labels, self._splits = corpus, labels.apply(_plain), splits
        what = f"{corpus.table.to_csv()} {inputs_digest(corpus.fingerprints())} {corpus.name}"
        digest = hashlib.sha256(what.encode()).hexdigest()[:16]
        super().__init__(
            config=tfds.core.BuilderConfig(name=digest),
            data_dir=data_dir or None,
            file_format="array_record",
        )

    @property
    def skipped(self) -> list[Skipped]:
        """Utterances whose audio could not be read, of a prepared set.

        Raises:
            UserError: the list cannot be read.
        """
        try:
            return [Skipped(**row) for row in self.info.metadata["skipped"]]
        except (OSError, ValueError, LookupError, TypeError):
            raise self.damaged() from None

    def damaged(self) -> UserError:
        """The error that a prepared set cannot be read."""
        return UserError(
            f"{self.data_dir}: this prepared audio is damaged; delete the folder, and the same "
            "command prepares it again"
        )

    def _info(self) -> tfds.core.DatasetInfo:
        raw = tfds.features.Encoding.BYTES  # ten times faster to read than a list of integers
        features = {
            "audio": tfds.features.Tensor(shape=(None,), dtype=np.int16, encoding=raw),
            "digest": tfds.features.Text(),
            "n_samples": tfds.features.Scalar(np.int64),
            "file": tfds.features.Text(),
            **{str(name): _feature(column) for name, column in self._labels.items()},
        }
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features),
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # the corpus lies on disk already
        self.info.metadata["skipped"] = []
        splits = {}
        for name, rows in self._splits().items():
            examples = self._generate_examples(rows)
            for first in itertools.islice(examples, 1):  # TFDS cannot write a split without any
                splits[name] = itertools.chain([first], examples)
        if not splits:
            first = self.info.metadata["skipped"][0]["reason"]
            raise UserError(
                f"no utterance of {self._corpus.name} could be read; the first: {first}"
            )
        return splits

    def _generate_examples(self, rows):
        for i in map(int, rows):
            try:
                samples = self._corpus.samples(i)
            except reading.AudioError as error:
                skipped = self._corpus.skip(i, "audio", str(error))
                self.info.metadata["skipped"].append(dataclasses.asdict(skipped))
                continue
            audio = encoding.int16(samples)
            yield (
                i,
                {
                    "audio": audio,
                    "digest": digest(audio),
                    "n_samples": len(samples),
                    "file": self._corpus.key(i)[0],
                    **self._labels.iloc[i],
                },
            )


def digest(audio: np.ndarray) -> str:
    """A hash of samples (N,), int16, which every example has."""
    return hashlib.sha256(audio.tobytes()).hexdigest()[:16]


def prepare(
    name: str, corpus: Corpus, labels: pd.DataFrame, splits: Splits, data_dir: str = ""
) -> Builder:
    """Prepares a corpus's audio and labels, unless that was done before.

    Args:
        name: of the TFDS set.
        corpus: gives audio.
        labels: one row an utterance, in the corpus's order: text, bool, or float32.
        splits: gives positions in `corpus.table` by split, called only if audio must be prepared;
            no split may exceed 1 GB.
        data_dir: where prepared audio goes; empty: TFDS's default folder.

    Returns:
        The builder, ready for `as_data_source()`; a split of which nothing could be read is
        left out.

    Raises:
        UserError: nothing at all could be read; another process is preparing the same; `data_dir`
            is a URL or cannot be written.
    """
    data_dir = str(place_of(data_dir, DATA_DIR)) if data_dir else ""
    builder = Builder(name, corpus, labels, splits, data_dir)
    folder = Path(builder.data_dir)
    if not folder.exists():  # TFDS makes it at once, by renaming
        with run_lock(folder.parent, flag=f"--{DATA_DIR}"):
            for unfinished in folder.parent.glob(f"incomplete.*_{folder.name}"):
                shutil.rmtree(unfinished)  # of a process that was killed
            print(f"preparing {counted(len(corpus), 'utterance')}, once, in {folder}")
            builder.download_and_prepare()
    return builder


def _plain(column: pd.Series) -> pd.Series:
    """The column as bool, float32 or else text without gaps."""
    if pd.api.types.is_bool_dtype(column):
        return column.astype(bool)
    if pd.api.types.is_numeric_dtype(column):
        return column.astype(np.float32)
    return column.astype("string").fillna("").astype(object)


def _feature(column: pd.Series) -> tfds.features.FeatureConnector:
    if column.dtype == object:
        return tfds.features.Text()
    return tfds.features.Scalar(column.dtype.type)
