"""Transcribed speech beside rated speech, so that the network keeps recognizing: with CTC.

Shape suffixes: B utterances, F frames, D coefficients, L labels.
"""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import ml_collections
import numpy as np
import optax
from flax import nnx
from jax.sharding import Mesh

from emoasr.asr.frontend import Array, FrontEndConfig
from emoasr.asr.networks.base import Network
from emoasr.config import pretraining
from emoasr.corpora import prepared
from emoasr.errors import UserError
from emoasr.finetuning.run_folder import AUDIO, SPEECH
from emoasr.inference import bucketing
from emoasr.training import data, scoring, sharding, step

_UNENDING = 1 << 40  # batches: more than any training takes


class Spoken(NamedTuple):
    """A padded batch of transcribed speech.

    Attributes:
        mfcc_BFD: the network's input.
        frames_B: valid frames; 0 marks an empty row.
        labels_BL: CTC classes, padded.
        n_labels_B: true label counts.
    """

    mfcc_BFD: Array
    frames_B: Array
    labels_BL: Array
    n_labels_B: Array


@dataclasses.dataclass(frozen=True, eq=False)
class Transcribed:
    """A transcribed corpus, on one device.

    Attributes:
        splits: `train`, `valid` and perhaps `test`.
        frontend: of the recognizer.
        digests: of its table, and of its texts and samples, under names that a user knows.
    """

    splits: dict[str, data.Examples]
    frontend: FrontEndConfig
    digests: dict[str, str]

    def batches(self, seed: int) -> Callable[[int], Spoken]:
        """Gives batches by number: shuffled, epoch after epoch."""
        train = self.splits["train"]
        plan = bucketing.EpochPlan(train.buckets, _UNENDING, seed)

        def batch(i: int) -> Spoken:
            read = train.load(*plan[i], _mesh())
            mfcc_BFD, frames_B = _mfcc(self.frontend, read.wave_BN, read.lengths_B)
            return Spoken(mfcc_BFD, frames_B, read.labels_BL, read.n_labels_B)

        return batch

    def error_rates(self, model: Network) -> dict[str, float]:
        """CER and WER on the validation speakers, greedy."""
        mesh = _mesh()
        graph, params, *others = nnx.split(model, nnx.Param, ...)
        trainer = step.Trainer(graph, optax.identity(), self.frontend, None, 0, mesh)
        state = sharding.everywhere(step.State(params, others[0], ()), mesh)
        heard = scoring.transcripts(trainer, state, self.splits["valid"])
        return scoring.error_rates(heard)["all"]


def open_transcribed(
    settings: ml_collections.ConfigDict, workdir: Path, frontend: FrontEndConfig
) -> Transcribed:
    """Opens `config.finetune.transcribed`, and prepares its audio if that was not done before.

    Raises:
        UserError: as of `emoasr.pretrain`.
    """
    config = pretraining("transcribed")
    config.corpus.update({"path": settings.transcribed, "data_dir": settings.data_dir})
    config.train.update({"buckets": settings.buckets, "batch_frames": settings.batch_frames})
    try:
        corpus = data.CORPORA["transcribed"].load(config.corpus, workdir)
        splits, _, _ = data.open_splits(corpus, config, frontend)
    except UserError as error:  # which names pretrain's field
        field = "config.finetune.transcribed"
        line = str(error).replace("config.corpus.path", field)
        line = line.replace(prepared.DATA_DIR, "config.finetune.data_dir")
        raise UserError(line if field in line else f"{field}: {line}") from None
    digests = {SPEECH: data.table_digest(corpus), AUDIO: data.audio_digest(splits)}
    return Transcribed(splits, frontend, digests)


def _mesh() -> Mesh:
    """The device on which everything is trained."""
    return Mesh(np.array(jax.devices()[:1]), (sharding.AXIS,))


@functools.partial(jax.jit, static_argnums=0)
def _mfcc(frontend: FrontEndConfig, wave_BN: Array, lengths_B: Array) -> Any:
    return frontend(step.to_float(wave_BN), lengths_B)
