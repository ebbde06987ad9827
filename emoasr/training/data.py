"""Transcribed speech as training batches: what is usable, how it is batched, in which order."""

import dataclasses
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grain
import ml_collections
import numpy as np
import pandas as pd
from jax.sharding import Mesh

from emoasr.asr import text
from emoasr.asr.frontend import FrontEnd, FrontEndConfig
from emoasr.asr.saved import SavedRecognizer
from emoasr.corpora import prepared, transcribed, vctk
from emoasr.corpora.base import Corpus, Skipped
from emoasr.corpora.transcribed import Split
from emoasr.errors import UserError, without_file
from emoasr.inference import bucketing
from emoasr.system import output
from emoasr.training import resident, sharding, targets
from emoasr.training.step import Batch

CORPORA = {"transcribed": transcribed, "vctk": vctk}


@dataclasses.dataclass(frozen=True)
class Examples:
    """The usable utterances of a split, and how they are batched.

    Attributes:
        split: the prepared examples.
        positions: of the usable ones, in `split`.
        labels: their CTC classes; none for an utterance without a text, which only a teacher uses.
        buckets: length buckets, over `positions`.
        hop_length: samples a hop.
        states: a teacher's hidden states of the usable utterances; None: there is no teacher.
    """

    split: Split
    positions: np.ndarray
    labels: list[np.ndarray]
    buckets: list[bucketing.Bucket]
    hop_length: int
    states: targets.Targets | None = None

    def taught(self, data_dir: Path, teacher: SavedRecognizer, ours: FrontEndConfig) -> "Examples":
        """The same with a teacher's hidden states, which lie in `data_dir`; see `targets.made`."""
        folder = data_dir / "emoasr_teacher"
        rows = self.split.table.iloc[self.positions]
        speech = targets.Speech(self._audio, rows["n_samples"].to_numpy(), rows["digest"].tolist())
        return dataclasses.replace(self, states=targets.made(folder, teacher, speech, ours))

    def load(self, bucket: bucketing.Bucket, indices: np.ndarray, mesh: Mesh) -> Batch:
        """Reads and pads this process's rows of a batch; those of a bucket have one shape."""
        rows = sharding.own_rows(bucket.batch_size, mesh)
        return self._read(bucket, indices[rows.start : rows.stop], len(rows))

    def _read(self, bucket: bucketing.Bucket, indices: np.ndarray, n_rows: int) -> Batch:
        waves = [self._audio(i) for i in indices]
        longest = max(1, *(len(self.labels[i]) for i in bucket.indices))
        needed_B = np.zeros(n_rows, np.int32)
        needed_B[: len(indices)] = [text.frames_needed(self.labels[i]) for i in indices]
        length = bucket.n_hops * self.hop_length
        wave_BN, lengths_B = bucketing.pad(waves, n_rows, length, np.int16)
        labels = [self.labels[i] for i in indices]
        labels_BL, n_labels_B = bucketing.pad(labels, n_rows, longest, np.int32)
        return Batch(
            wave_BN, lengths_B, labels_BL, n_labels_B, needed_B,
            self.states.padded(indices, n_rows, bucket.n_hops + 1) if self.states else None,
        )  # fmt: skip

    def _audio(self, i: int) -> np.ndarray:
        return self.split.source[int(self.positions[i])]["audio"]

    @property
    def n_bytes(self) -> int:
        """Bytes of all batches of an epoch, about, if no row is empty."""
        width = self.states.n_units if self.states else 0
        rows = ((len(bucket.indices), bucket.n_hops) for bucket in self.buckets)
        return 2 * sum(n * (hops * self.hop_length + (hops + 1) * width) for n, hops in rows)

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
            share: of a device's memory that the split's speech may occupy; speech that needs more
                is read ahead and transferred batch by batch.
        """
        plan = grain.MapDataset.source(bucketing.EpochPlan(self.buckets, n_batches, seed))
        ahead = grain.ReadOptions(num_threads=2, prefetch_buffer_size=4)
        if not resident.fits(self.n_bytes, share, mesh):
            fed = plan.map(lambda b: self.load(b[0], b[1], mesh)).to_iter_dataset(ahead)
            return iter(fed.map(lambda rows: sharding.spread(rows, mesh)))
        speech = resident.Resident.load(self.buckets, self._all, mesh)
        return iter(plan.map(lambda b: speech.rows(*b)).to_iter_dataset(ahead).map(speech.batch))

    def _all(self, bucket: bucketing.Bucket) -> Batch:
        return self._read(bucket, bucket.indices, len(bucket.indices))


def open_splits(
    corpus: Corpus,
    config: ml_collections.ConfigDict,
    frontend: FrontEndConfig,
    teacher: SavedRecognizer | None = None,
) -> tuple[dict[str, Examples], dict[str, Any], Path]:
    """Prepares the corpus's audio if needed, and prints what was found, used and skipped.

    Args:
        corpus: as one of `CORPORA` gives it.
        config: a training's.
        frontend: for the frame rate.
        teacher: with one, training speech without a text is used too; None: it is left out.

    Returns:
        The splits by name; a record: under `used` utterances, hours and speakers of each, under
        `skipped` the utterances that were left out, and why; and the folder of prepared data.

    Raises:
        UserError: of the corpus; a split has no usable utterance.
    """
    speech = transcribed.prepare(corpus, config.corpus.data_dir)
    splits, used, skipped = {}, {}, list(speech.skipped)
    for name, split in speech.splits.items():
        listener = teacher.config.frontend if teacher and name == "train" else None
        splits[name], left_out = usable(split, config.train, frontend, listener)
        skipped += left_out
        samples = split.table["n_samples"].to_numpy()[splits[name].positions]
        if not len(samples):
            raise UserError(
                f"config.corpus.path={config.corpus.path}: no usable utterance in split {name!r}; "
                f"left out are {_reasons(left_out)[0]}"
            )
        used[name] = {
            "utterances": len(samples),
            "hours": round(float(samples.sum()) / frontend.sample_rate / 3600, 3),
            "speakers": int(split.table["speaker"].iloc[splits[name].positions].nunique()),
        }
        if n_untranscribed := sum(not len(classes) for classes in splits[name].labels):
            used[name]["untranscribed"] = n_untranscribed
        buckets = splits[name].buckets
        padding = bucketing.padding_share(buckets, -(-samples // frontend.hop_length))
        print(f"{name}: {used[name]}")
        output.detail(f"{name}: {output.counted(len(buckets), 'shape')}, padding {padding:.1%}")
    for line in _reasons(skipped):
        print(f"skipped {line}")
    record = {"used": used, "skipped": [dataclasses.asdict(s) for s in skipped]}
    return splits, record, speech.data_dir


def _reasons(skipped: list[Skipped]) -> list[str]:
    """Why utterances were left out, a line each with how many: the commonest reason first."""
    files: defaultdict[str, list[str]] = defaultdict(list)
    for s in skipped:
        files[without_file(s.reason, s.file)].append(s.file)
    counted = sorted(files.items(), key=lambda item: -len(item[1]))
    return [f"{len(own)}: {why}{output.few(own)}" for why, own in counted]


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
    split: Split,
    train: ml_collections.ConfigDict,
    frontend: FrontEndConfig,
    teacher: FrontEnd | None = None,
) -> tuple[Examples, list[Skipped]]:
    """Leaves out what cannot be learned from, with reasons, and plans the batches.

    Args:
        split: prepared examples.
        train: `max_seconds`, `buckets`, `batch_frames`.
        frontend: for the frame rate.
        teacher: of a teacher, which also uses speech without usable text; None: there is none.

    Returns:
        The usable utterances, and the others.
    """
    positions, labels, skipped = [], [], []
    for position, row in enumerate(split.table.to_dict("records")):
        classes = text.encode(row["text"])
        reason = _unreadable(row["text"], classes, frontend.n_frames(row["n_samples"]))
        if reason and teacher:
            reason, classes = None, classes[:0]
        if not reason and row["n_samples"] > train.max_seconds * frontend.sample_rate:
            reason = f"longer than train.max_seconds={train.max_seconds:g}"
        if not reason and teacher and not teacher.n_frames(row["n_samples"]):
            reason = "too short for the teacher"
        if not reason and row["digest"] == prepared.digest(np.zeros(row["n_samples"], np.int16)):
            reason = "silent: all samples are zero"
        if reason:
            skipped.append(Skipped(row["file"], reason, "pretrain"))
        else:
            positions.append(position)
            labels.append(classes)
    samples = split.table["n_samples"].to_numpy()[positions]
    hops = -(-samples // frontend.hop_length)
    buckets = bucketing.plan_buckets(hops, train.buckets, train.batch_frames)
    return Examples(split, np.array(positions, int), labels, buckets, frontend.hop_length), skipped


def _unreadable(written: str, classes: np.ndarray, n_frames: int) -> str | None:
    """Why CTC cannot learn a text; None: it can."""
    if not written.strip():
        return "no text"
    if text.has_digits(written):
        return "digits in the text: how they were read is not known"
    if not len(classes):
        return "no letter in the text"
    if text.frames_needed(classes) > n_frames:
        return "text longer than CTC can fit into the audio's frames"
    return None
