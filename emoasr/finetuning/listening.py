"""Inputs of a training, computed once for all folds and epochs as far as they are not trained.

Shape suffixes: N utterances, F frames, C units, S statistics, L layers, D pooled features.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from emoasr.asr.frontend import FrontEnd
from emoasr.asr.networks.base import Network, Output
from emoasr.asr.saved import SavedRecognizer
from emoasr.audio import encoding
from emoasr.corpora import Corpus
from emoasr.errors import AudioError, UserError
from emoasr.finetuning import network
from emoasr.finetuning.network import Batch
from emoasr.inference import bucketing, planning, runner
from emoasr.inference.device_functions import DeviceFunction
from emoasr.inference.frames import Activations, FrameFunction
from emoasr.inference.pooling import Pooler
from emoasr.system import progress


class Heard(NamedTuple):
    """The inputs made of each utterance that can be read.

    Attributes:
        rows: by position in the corpus: MFCCs (F, D); or pooled features (D,), where no layer can
            be trained.
        failed: why others have none, by position.
        waves: samples (N,), int16, where training augments them.
        silent: positions of those whose samples are all zero.
    """

    rows: dict[int, np.ndarray]
    failed: dict[int, str]
    waves: dict[int, np.ndarray]
    silent: list[int]


class _Mfccs(Network):
    """A network whose tap is its input."""

    TAPS = ("mfcc",)
    config: Any = SimpleNamespace(receptive_field=0)

    def __call__(self, x: jax.Array, valid_B: jax.Array) -> Output:
        del valid_B
        return Output(None, {"mfcc": (x,)})


def mfccs(corpus: Corpus, frontend: FrontEnd, workers: int, with_waves: bool = False) -> Heard:
    """MFCCs of every utterance, and perhaps its samples."""
    found = Heard({}, {}, {}, [])
    function = FrameFunction(_Mfccs(), frontend, Activations("mfcc"))
    for result in _results(corpus, function, workers, found):
        values = zip(result.indices, result.arrays["values"], result.arrays["frames"], strict=True)
        found.rows.update((int(i), values_FD[:n]) for i, values_FD, n in values)
    if with_waves:
        at_rate = corpus.at(frontend.sample_rate, frontend.antialias)
        try:
            found.waves.update((i, encoding.int16(at_rate.samples(i))) for i in found.rows)
        except AudioError as error:  # it could be read for its MFCCs
            raise UserError(f"{error}; it was readable when this run began; run it again") from None
    return found


def pooled(
    corpus: Corpus, recognizer: SavedRecognizer, tap: str, pooling: str, workers: int
) -> Heard:
    """Pooled features of every utterance."""
    found = Heard({}, {}, {}, [])
    function = Pooler({"neural": recognizer.model}, recognizer.config.frontend, tap, pooling)
    for result in _results(corpus, function, workers, found):
        found.rows.update(zip(map(int, result.indices), result.arrays["neural"], strict=True))
    return found


def _results(
    corpus: Corpus, function: DeviceFunction, workers: int, found: Heard
) -> Iterator[runner.Result]:
    """Of every batch; what cannot be read and what is silent goes to `found`."""
    frontend = function.frontend
    heard = corpus.at(frontend.sample_rate, frontend.antialias)
    plan = planning.make_plan(heard, frontend, workers=workers)
    found.failed.update(plan.unreadable)
    with progress.bar(total=len(corpus), desc="audio", unit="utt") as bar:
        for result in runner.run(plan, function):
            found.failed.update(result.failed)
            found.silent.extend(result.indices[result.silent].tolist())
            bar.update(len(result.indices) + len(result.failed))
            yield result


@dataclasses.dataclass(frozen=True, eq=False)
class Speech:
    """Rated utterances as inputs of a network that is trained from a certain layer on.

    Attributes:
        rows: of each utterance the input (F, C) of the first layer that is computed, or samples
            (N,); (1, 0) where none is computed.
        pooled_ND: features that the network gives before it is trained.
        below_NSLC: those of its layers that are not computed again.
        buckets: batches by length.
        hop: samples of a frame, where rows are samples.
    """

    rows: Sequence[np.ndarray]
    pooled_ND: np.ndarray
    below_NSLC: np.ndarray
    buckets: list[bucketing.Bucket]
    hop: int = 1

    def batches_of(self, utterances: np.ndarray) -> list[bucketing.Bucket]:
        """The buckets with some of the utterances alone; the shapes stay."""
        kept = (
            dataclasses.replace(b, indices=np.intersect1d(b.indices, utterances))
            for b in self.buckets
        )
        return [bucket for bucket in kept if len(bucket.indices)]

    def batch(
        self, bucket: bucketing.Bucket, indices: np.ndarray, y_NT: np.ndarray | None = None
    ) -> Batch:
        """A batch of some utterances of a bucket.

        Args:
            bucket: whose shape it has.
            indices: of the utterances.
            y_NT: standardised ratings, missing ones NaN; None: none are needed.
        """
        n_rows, n = bucket.batch_size, len(indices)
        x_BFC, frames_B = _padded(self.rows, bucket, indices, self.hop)
        below_BSLC = np.zeros((n_rows, *self.below_NSLC.shape[1:]), np.float32)
        below_BSLC[:n] = self.below_NSLC[indices]
        y_BT = np.zeros((n_rows, 1 if y_NT is None else y_NT.shape[1]), np.float32)
        weight_BT = np.zeros_like(y_BT)
        if y_NT is not None:
            weight_BT[:n] = np.isfinite(y_NT[indices])
            y_BT[:n] = np.nan_to_num(y_NT[indices])
        return Batch(x_BFC, frames_B, below_BSLC, y_BT, weight_BT)


def of_mfccs(
    mfccs: Sequence[np.ndarray],
    model: Network,
    tap: str,
    statistics: tuple[str, ...],
    given: int,
    n_buckets: int,
    batch_frames: int,
) -> Speech:
    """Speech for layers of our network.

    Args:
        mfccs: of each utterance.
        model: the network before it is trained.
        tap: activations that are pooled.
        statistics: over time.
        given: first layer that every step computes; the network's number of layers: none.
        n_buckets: lengths compiled for.
        batch_frames: of a batch, padding included.
    """
    sizes = model.config
    frames_N = [len(mfcc_FD) for mfcc_FD in mfccs]
    buckets = bucketing.plan_buckets(frames_N, n_buckets, batch_frames)
    graph, weights = nnx.split(model)
    rows: list[np.ndarray] = [np.zeros((1, 0), np.float32)] * len(mfccs)
    pooled_ND = np.empty((len(mfccs), len(statistics) * sizes.n_layers * sizes.n_channels), "f4")
    for bucket, indices in bucketing.batches(buckets):
        batch = _padded(mfccs, bucket, indices)
        found = network.hear(graph, tap, statistics, given % sizes.n_layers, weights, *batch)
        pooled_BD, x_BFC = map(np.asarray, found)
        pooled_ND[indices] = pooled_BD[: len(indices)]
        if given < sizes.n_layers:
            for i, x_FC in zip(indices, x_BFC, strict=False):
                rows[i] = x_FC[: frames_N[i]].copy()
    shape = (len(mfccs), len(statistics), sizes.n_layers, sizes.n_channels)
    return Speech(rows, pooled_ND, pooled_ND.reshape(shape)[:, :, :given], buckets)


def of_features(
    pooled_ND: np.ndarray, n_statistics: int, n_layers: int, n_buckets: int, batch_frames: int
) -> Speech:
    """Speech for a head alone, of any kind of network; each utterance counts as 64 frames."""
    buckets = bucketing.plan_buckets([64] * len(pooled_ND), n_buckets, batch_frames)
    below_NSLC = pooled_ND.reshape(len(pooled_ND), n_statistics, n_layers, -1)
    rows = [np.zeros((1, 0), np.float32)] * len(pooled_ND)
    return Speech(rows, pooled_ND, below_NSLC, buckets)


def _padded(
    rows: Sequence[np.ndarray], bucket: bucketing.Bucket, indices: np.ndarray, hop: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    first = rows[0]
    n_frames = 1 if first.shape[1:] == (0,) else bucket.n_hops * hop
    own = [rows[i] for i in indices]
    return bucketing.pad(own, bucket.batch_size, n_frames, first.dtype)
