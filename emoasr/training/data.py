"""Transcribed speech as training batches: what is usable, how it is batched, in which order."""

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import grain
import ml_collections
import numpy as np
import pandas as pd
from jax.sharding import Mesh

from emoasr.asr import text
from emoasr.asr.frontend import FrontEndConfig
from emoasr.corpora import transcribed, vctk
from emoasr.corpora.base import Corpus, Skipped
from emoasr.corpora.transcribed import Split
from emoasr.errors import UserError
from emoasr.inference import bucketing
from emoasr.system import output
from emoasr.training import resident, sharding
from emoasr.training.step import Batch

CORPORA = {"transcribed": transcribed, "vctk": vctk}


@dataclasses.dataclass(frozen=True)
class Examples:
    """The usable utterances of a split, and how they are batched.

    Attributes:
        split: the prepared examples.
        positions: of the usable ones, in `split`.
        labels: their CTC classes.
        buckets: length buckets, over `positions`.
        hop_length: samples a hop.
    """

    split: Split
    positions: np.ndarray
    labels: list[np.ndarray]
    buckets: list[bucketing.Bucket]
    hop_length: int

    def load(self, bucket: bucketing.Bucket, indices: np.ndarray, mesh: Mesh) -> Batch:
        """Reads and pads this process's rows of a batch; those of a bucket have one shape."""
        rows = sharding.own_rows(bucket.batch_size, mesh)
        return self._read(bucket, indices[rows.start : rows.stop], len(rows))

    def _read(self, bucket: bucketing.Bucket, indices: np.ndarray, n_rows: int) -> Batch:
        waves = [self.split.source[int(self.positions[i])]["audio"] for i in indices]
        longest = max(len(self.labels[i]) for i in bucket.indices)
        needed_B = np.zeros(n_rows, np.int32)
        needed_B[: len(indices)] = [text.frames_needed(self.labels[i]) for i in indices]
        length = bucket.n_hops * self.hop_length
        wave_BN, lengths_B = bucketing.pad(waves, n_rows, length, np.int16)
        labels = [self.labels[i] for i in indices]
        labels_BL, n_labels_B = bucketing.pad(labels, n_rows, longest, np.int32)
        return Batch(wave_BN, lengths_B, labels_BL, n_labels_B, needed_B)

    def once(self, mesh: Mesh) -> Iterator[tuple[np.ndarray, Batch]]:
        """Every utterance once: positions in `positions`, and this process's rows of the batch."""
        for bucket, indices in bucketing.batches(self.buckets):
            yield indices, self.load(bucket, indices, mesh)

    def training(
        self, n_batches: int, seed: int, mesh: Mesh, share: float
    ) -> grain.DatasetIterator:
        """Shuffled batches on the devices, `n_batches` in all; the position is the state.

        Args:
            n_batches: to the end of the training.
            seed: of the order.
            mesh: the devices.
            share: of a device's memory that the split's speech may take, to lie there; speech
                that takes more is read ahead and put there batch by batch.
        """
        plan = grain.MapDataset.source(bucketing.EpochPlan(self.buckets, n_batches, seed))
        ahead = grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)
        if not resident.fits(self.buckets, self.hop_length, share, mesh):
            fed = plan.map(lambda b: self.load(b[0], b[1], mesh)).to_iter_dataset(ahead)
            return iter(fed.map(lambda rows: sharding.spread(rows, mesh)))
        speech = resident.Resident.load(self.buckets, self._all, mesh)
        return iter(plan.map(lambda b: speech.rows(*b)).to_iter_dataset(ahead).map(speech.batch))

    def _all(self, bucket: bucketing.Bucket) -> Batch:
        return self._read(bucket, bucket.indices, len(bucket.indices))


def open_splits(
    corpus: Corpus, config: ml_collections.ConfigDict, frontend: FrontEndConfig
) -> tuple[dict[str, Examples], dict[str, Any]]:
    """Prepares the corpus's audio if needed, and prints what was found, used and skipped.

    Args:
        corpus: as one of `CORPORA` gives it.
        config: a training's.
        frontend: for the frame rate.

    Returns:
        The splits by name, and a record: under `used` utterances, hours and speakers of each, under
        `skipped` the utterances that were left out, and why.

    Raises:
        UserError: of the corpus; a split has no usable utterance.
    """
    prepared = transcribed.prepare(corpus, config.corpus.data_dir)
    splits, used, skipped = {}, {}, list(prepared.skipped)
    for name, split in prepared.splits.items():
        splits[name], left_out = usable(split, config.train, frontend)
        skipped += left_out
        samples = split.table["n_samples"].to_numpy()[splits[name].positions]
        if not len(samples):
            raise UserError(f"{config.corpus.path}: no usable utterance in split {name!r}")
        used[name] = {
            "utterances": len(samples),
            "hours": round(float(samples.sum()) / frontend.sample_rate / 3600, 3),
            "speakers": int(split.table["speaker"].nunique()),
        }
        buckets = splits[name].buckets
        padding = bucketing.padding_share(buckets, -(-samples // frontend.hop_length))
        print(f"{name}: {used[name]}")
        output.detail(f"{name}: {len(buckets)} shapes, padding {padding:.1%}")
    for reason, n in Counter(s.reason for s in skipped).most_common():
        print(f"skipped {n}: {reason}{output.few([s.file for s in skipped if s.reason == reason])}")
    return splits, {"used": used, "skipped": [dataclasses.asdict(s) for s in skipped]}


def table_digest(corpus: Corpus) -> str:
    """A hash of what the corpus's table says: files, speakers, splits, texts."""
    columns = [c for c in ("speaker", "split", "text") if c in corpus.table]
    return _digest(corpus.table[columns])


def audio_digest(splits: dict[str, Examples]) -> str:
    """A hash of the prepared speech: texts and samples of every split."""
    return _digest(pd.concat([examples.split.table for examples in splits.values()]))


def _digest(table: pd.DataFrame) -> str:
    return hashlib.sha256(table.to_csv().encode()).hexdigest()[:16]


def usable(
    split: Split, train: ml_collections.ConfigDict, frontend: FrontEndConfig
) -> tuple[Examples, list[Skipped]]:
    """Leaves out what CTC cannot learn from, with reasons, and plans the batches.

    Args:
        split: prepared examples.
        train: `max_seconds`, `buckets`, `batch_frames`.
        frontend: for the frame rate.

    Returns:
        The usable utterances, and the others.
    """
    positions, labels, skipped = [], [], []
    for position, row in enumerate(split.table.to_dict("records")):
        classes = text.encode(row["text"])
        reason = _unusable(row["text"], classes, row["n_samples"], train.max_seconds, frontend)
        if reason:
            skipped.append(Skipped(row["file"], reason, "pretrain"))
        else:
            positions.append(position)
            labels.append(classes)
    samples = split.table["n_samples"].to_numpy()[positions]
    hops = -(-samples // frontend.hop_length)
    buckets = bucketing.plan_buckets(hops, train.buckets, train.batch_frames)
    return Examples(split, np.array(positions, int), labels, buckets, frontend.hop_length), skipped


def _unusable(
    written: str, classes: np.ndarray, n_samples: int, max_seconds: float, frontend: FrontEndConfig
) -> str | None:
    if not written.strip():
        return "no text"
    if any(c.isdigit() for c in written):
        return "digits in the text: how they were read is not known"
    if not len(classes):
        return "text of signs only"
    if n_samples > max_seconds * frontend.sample_rate:
        return f"longer than train.max_seconds={max_seconds:g}"
    if text.frames_needed(classes) > frontend.n_frames(n_samples):
        return "text longer than CTC can fit into the audio's frames"
    return None
