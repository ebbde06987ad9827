"""One training: a head that starts as ridge regression, epochs, and when to stop.

The head starts as the linear model that predicts best from the features of the network as it is, so
that training it does not first distort the layers (Kumar et al. 2022, "Fine-tuning can distort
pretrained features and underperform out-of-distribution", ICLR).

Shape suffixes: N utterances, M some of them, D pooled features, T ratings.
"""

import dataclasses
from typing import Any, NamedTuple, cast

import jax
import numpy as np
from threadpoolctl import threadpool_limits

from emoasr.asr.networks.base import Network
from emoasr.errors import UserError
from emoasr.evaluation.ridge import Ridge, Rows
from emoasr.evaluation.standardised import Standardised
from emoasr.finetuning import network
from emoasr.finetuning.listening import Speech
from emoasr.finetuning.network import Fixed, State, Tuner
from emoasr.finetuning.recognition import Transcribed
from emoasr.inference import bucketing
from emoasr.inference.attention import Attention
from emoasr.settings.choices import ATTENTION


@dataclasses.dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        epochs: at most.
        patience: epochs without a lower loss on the speakers held out, after which it stops.
        learning_rate: of the head, after an epoch's warm-up.
        seed: of the order of utterances, of attention's first weights and of dropout.
    """

    epochs: int
    patience: int
    learning_rate: float
    seed: int


class Material(NamedTuple):
    """What trainings of one seed start from.

    Attributes:
        tuner: how they train.
        weights: of the network: trained, statistics of norms, all else.
        speech: what is heard.
        network: before it is trained.
        transcribed: speech on which it keeps recognizing; None: none.
    """

    tuner: Tuner
    weights: tuple[Any, Any, Any]
    speech: Speech
    network: Network
    transcribed: Transcribed | None


@dataclasses.dataclass(frozen=True, eq=False)
class Trained:
    """A network and its head after some epochs.

    Attributes:
        tuner: what computes.
        fixed: weights that were not trained, scaling of features.
        state: weights that were.
        mean_T: of the training ratings.
        scale_T: their standard deviation.
    """

    tuner: Tuner
    fixed: Fixed
    state: State
    mean_T: np.ndarray
    scale_T: np.ndarray

    def predict(self, speech: Speech, utterances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Ratings (M, T), not clipped, and pooled features (M, D), in the order of `utterances`."""
        place = {i: m for m, i in enumerate(utterances.tolist())}
        ratings_MT = np.empty((len(utterances), len(self.mean_T)))
        pooled_MD = np.empty((len(utterances), speech.pooled_ND.shape[1]), np.float32)
        for bucket, indices in bucketing.batches(speech.batches_of(utterances)):
            found = self.tuner.predict(self.fixed, self.state, speech.batch(bucket, indices))
            at = [place[i] for i in indices.tolist()]
            z_BT, pooled_BD = (np.asarray(x)[: len(indices)] for x in found)
            ratings_MT[at], pooled_MD[at] = z_BT * self.scale_T + self.mean_T, pooled_BD
        return ratings_MT, pooled_MD

    def linear(self) -> tuple[np.ndarray, np.ndarray]:
        """The head as a map of pooled features: weights (D, T) and biases (T,), float64."""
        head = {name: np.asarray(x, np.float64) for name, x in self.state.params["head"].items()}
        weights_DT = head["weights_DT"] / np.asarray(self.fixed.scale_D, np.float64)[:, None]
        bias_T = head["bias_T"] - np.asarray(self.fixed.mean_D, np.float64) @ weights_DT
        return weights_DT * self.scale_T, bias_T * self.scale_T + self.mean_T

    @property
    def attention(self) -> Attention | None:
        """What weighs frames; None: they weigh the same."""
        if self.tuner.pooling != ATTENTION:
            return None
        return Attention(*map(np.asarray, network.attention_of(self.state.params["head"])))


class Training:
    """A training on some utterances, epoch by epoch."""

    def __init__(
        self, material: Material, y_NT: np.ndarray, utterances: np.ndarray, schedule: Schedule
    ):
        """Fits the head's start.

        Args:
            material: what is trained, and how.
            y_NT: ratings, missing ones NaN.
            utterances: positions of those that are trained on.
            schedule: learning rate and seed.
        """
        tuner, (layers, statistics, below), speech, _, transcribed = material
        mean_T, scale_T = (how(y_NT[utterances], axis=0) for how in (np.nanmean, np.nanstd))
        scale_T = np.where(scale_T > 0, scale_T, 1.0)
        self._z_NT = (y_NT - mean_T) / scale_T
        head, of_head = _ridge(speech.pooled_ND, self._z_NT, utterances)
        if tuner.pooling == ATTENTION:
            head |= network.first_attention(speech.pooled_ND.shape[1], schedule.seed)._asdict()
        fixed = Fixed(below, *of_head)
        state = tuner.start(head, layers, statistics)
        self.trained = Trained(tuner, fixed, state, mean_T, scale_T)
        self._speech, self._schedule, self._epoch = speech, schedule, 0
        self._buckets = speech.batches_of(utterances)
        self._spoken = transcribed.batches(schedule.seed) if tuner.ctc and transcribed else None

    def epoch(self, what: str) -> None:
        """Trains on every utterance once.

        Args:
            what: the training, for the message.

        Raises:
            UserError: the loss is not finite.
        """
        schedule, trained = self._schedule, self.trained
        n = sum(bucket.n_batches for bucket in self._buckets)
        plan = bucketing.EpochPlan(self._buckets, (self._epoch + 1) * n, schedule.seed)
        key, state, losses = jax.random.key(schedule.seed), trained.state, []
        for i in range(self._epoch * n, (self._epoch + 1) * n):
            rate = np.float32(schedule.learning_rate * min(1.0, (i + 1) / n))
            batch, key_i = self._speech.batch(*plan[i], self._z_NT), jax.random.fold_in(key, i)
            of_ctc = None
            if self._spoken:
                spoken, key_of_ctc = self._spoken(i), jax.random.fold_in(key_i, 2)
                of_ctc, statistics, loss = trained.tuner.recognize(
                    trained.fixed, state, spoken, key_of_ctc
                )
                state = state._replace(statistics=statistics)
                losses.append(loss)
            state, loss = trained.tuner.step(trained.fixed, state, batch, rate, key_i, of_ctc)
            losses.append(loss)
        self.trained = dataclasses.replace(trained, state=state)
        self._epoch += 1
        of = f"{what}: the loss in epoch {self._epoch}"
        finite(np.mean(jax.device_get(losses)), of, schedule)

    def loss(self, utterances: np.ndarray, what: str) -> float:
        """The loss over some utterances; `what` and errors as of `epoch`."""
        trained = self.trained
        predicted_MT, _ = trained.predict(self._speech, utterances)
        z_MT = (predicted_MT - trained.mean_T) / trained.scale_T
        y_MT = self._z_NT[utterances]
        weight_MT = np.isfinite(y_MT).astype(np.float32)
        loss = network.mse if trained.tuner.loss == "mse" else network.ccc_loss
        found = loss(z_MT, np.nan_to_num(y_MT), weight_MT)
        of = f"{what}: the loss on speakers held out after epoch {self._epoch}"
        return float(finite(found, of, self._schedule))


def train(
    material: Material,
    y_NT: np.ndarray,
    utterances: np.ndarray,
    schedule: Schedule,
    n_epochs: int,
    what: str,
) -> Trained:
    """A network after so many epochs on some utterances; arguments as of `Training`."""
    made = Training(material, y_NT, utterances, schedule)
    for _ in range(n_epochs):
        made.epoch(what)
    return made.trained


def choose_epoch(
    training: Training, held_out: np.ndarray, schedule: Schedule, what: str
) -> list[float]:
    """Trains until the loss on utterances held out has not fallen for some epochs.

    Returns:
        That loss before the first epoch and after each.
    """
    losses = [training.loss(held_out, what)]
    while len(losses) <= schedule.epochs and len(losses) - np.argmin(losses) <= schedule.patience:
        training.epoch(what)
        losses.append(training.loss(held_out, what))
    return losses


def finite(values: Any, what: str, schedule: Schedule) -> np.ndarray:
    """The values that a training gave, none of which is NaN or infinite.

    Args:
        values: losses, or predictions.
        what: they are.
        schedule: of the training.

    Raises:
        UserError: one is not finite.
    """
    values = np.asarray(values)
    odd = values[~np.isfinite(values)]
    if odd.size:
        raise UserError(
            f"{what} is {odd.flat[0]}; finished folds are kept, the others may go on with a lower "
            f"config.finetune.learning_rate, here {schedule.learning_rate:g}"
        )
    return values


@threadpool_limits.wrap(limits=1, user_api="blas")  # as in `cross_validation`
def _ridge(
    x_ND: np.ndarray, z_NT: np.ndarray, rows: np.ndarray
) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
    """A head fitted by ridge regression; and mean, scale and penalty for `Fixed`.

    The penalty is the regression's, scaled to a mean over utterances and ratings: with it the head
    starts where its gradient is zero, so that it moves only as the features do.

    Features are scaled so that an utterance's squared ones add up to about 1: a step of the
    optimizer then moves predictions by about the learning rate, however many features there are.
    """
    n_features = x_ND.shape[1]
    train = Standardised(x_ND, rows)
    offset_D, at_one_D = (train.scaled(np.full((1, n_features), x))[0] for x in (0.0, 1.0))
    scale_D = 1 / (at_one_D - offset_D)
    weights_DT = np.empty((n_features, z_NT.shape[1]))
    bias_T, penalty_T = np.empty((2, z_NT.shape[1]))
    for alike in _by_rated(z_NT[rows]):
        rated = rows[np.isfinite(z_NT[rows][:, alike[0]])]
        some = train if len(rated) == len(rows) else Standardised(x_ND, rated)
        model = Ridge().fit(cast(Rows, some), z_NT[rated][:, alike])
        points_PD = some.scaled(_points(train, scale_D, offset_D))
        at_PT = model.predict(points_PD)
        weights_DT[:, alike], bias_T[alike] = at_PT[1:] - at_PT[0], at_PT[0]
        penalty_T[alike] = model.penalties_T / (len(rated) * n_features * z_NT.shape[1])
    width = np.sqrt(n_features)
    head = {"weights_DT": (weights_DT * width).astype("f4"), "bias_T": bias_T.astype("f4")}
    fixed = (-offset_D * scale_D, scale_D * width, penalty_T)
    return head, [x.astype("f4") for x in fixed]


def _points(train: Standardised, scale_D: np.ndarray, offset_D: np.ndarray) -> np.ndarray:
    """Features whose standardised values are the origin, and 1 on each axis."""
    mean_D = -offset_D * scale_D
    return mean_D + np.concatenate([np.zeros((1, len(mean_D))), np.diag(scale_D)])


def _by_rated(z_NT: np.ndarray) -> list[list[int]]:
    """Ratings of the same utterances together."""
    found: dict[bytes, list[int]] = {}
    for t, z_N in enumerate(z_NT.T):
        found.setdefault(np.isfinite(z_N).tobytes(), []).append(t)
    return list(found.values())
