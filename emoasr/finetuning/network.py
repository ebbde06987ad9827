"""One step of training from frames to ratings, and the state that it carries.

Shape suffixes: B utterances, F frames, C units, X units of all layers, S statistics, L layers, D
pooled features, T ratings (standardised).
"""

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from emoasr.asr import frontend as fe
from emoasr.asr.frontend import Array, FrontEndConfig, frame_mask
from emoasr.asr.networks.base import Network
from emoasr.asr.networks.gated import GatedConvNet
from emoasr.finetuning.recognition import Spoken
from emoasr.inference import attention
from emoasr.inference.attention import Attention
from emoasr.inference.pooling import pool
from emoasr.settings.choices import ATTENTION, POOLINGS, AugmentConfig
from emoasr.training import augment
from emoasr.training.step import ctc_loss, exact_products, to_float

_HIDDEN = 64  # units of attention
_FLAT = 1e-12  # smaller variances have no gradient
_CCC = 1e-6  # added to CCC's denominator: a batch of one utterance has none


class Batch(NamedTuple):
    """A padded batch of rated utterances.

    Attributes:
        x_BFC: input of the first layer that is computed: MFCCs, or activations; or with
            augmentation samples (B, N), int16.
        frames_B: valid frames, or samples; 0 marks an empty row.
        below_BSLC: pooled activations of the layers that are not computed.
        y_BT: ratings, standardised.
        weight_BT: 1 where there is one, else 0.
    """

    x_BFC: Array
    frames_B: Array
    below_BSLC: Array
    y_BT: Array
    weight_BT: Array


class Fixed(NamedTuple):
    """What a step needs and does not change.

    Attributes:
        below: weights that are not trained.
        mean_D: of each pooled feature, which is subtracted from it.
        scale_D: what it is then divided by.
        penalty_T: of the head's squared weights.
    """

    below: Any
    mean_D: Array
    scale_D: Array
    penalty_T: Array


class State(NamedTuple):
    """What a step changes.

    Attributes:
        params: `head` and `layers`.
        statistics: of norms.
        optimizer: its state.
    """

    params: dict[str, Any]
    statistics: Any
    optimizer: optax.OptState


@dataclasses.dataclass(frozen=True)
class Tuner:
    """The fixed part of a training; equal ones share their compiled steps.

    Attributes:
        graph: the network's structure; None: no layer is computed.
        n_layers: of the network.
        tap: activations that are pooled.
        pooling: one of `settings.finetuning.POOLINGS`.
        loss: one of `choices.LOSSES`.
        first: first layer that is trained; `n_layers`: none.
        given: first layer that is computed; 0: from MFCCs on.
        adapted: whether trained layers use their batch's statistics.
        rate_below: learning rate of the layers, as a share of the head's.
        weight_decay: of the layers' and attention's weights, not of biases and norms.
        clip_norm: of the gradient.
        ctc: weight of CTC's loss on transcribed speech; 0: there is none.
        frontend: of samples, which training augments; None: of MFCCs and activations.
    """

    graph: nnx.GraphDef | None
    n_layers: int
    tap: str
    pooling: str
    loss: str
    first: int
    given: int
    adapted: bool
    rate_below: float
    weight_decay: float
    clip_norm: float
    ctc: float = 0.0
    frontend: FrontEndConfig | None = None

    @property
    def statistics(self) -> tuple[str, ...]:
        """Statistics over time of each unit."""
        return ("mean",) if self.pooling == ATTENTION else POOLINGS[self.pooling]

    def start(self, head: dict[str, Array], layers: Any, statistics: Any) -> State:
        """The first state of a training; the arrays are copied, as a step takes their memory."""
        params = jax.tree.map(jnp.array, {"head": head, "layers": layers})
        statistics = jax.tree.map(jnp.array, statistics)
        return State(params, statistics, self._optimizer.init(params))

    @partial(jax.jit, static_argnums=0, donate_argnums=2)
    def step(
        self, fixed: Fixed, state: State, batch: Batch, rate: Array, key: jax.Array,
        of_ctc: Any = None,
    ) -> tuple[State, jax.Array]:  # fmt: skip
        """The new state, in the old one's memory, and the loss.

        Args:
            fixed: what stays.
            state: what changes.
            batch: rated speech.
            rate: learning rate of the head.
            key: of dropout and augmentation.
            of_ctc: a gradient of the layers, which is added, see `recognize`; None: none is.
        """
        with exact_products():
            (loss, statistics), gradient = jax.value_and_grad(self._loss, has_aux=True)(
                state.params, state.statistics, fixed, batch, key
            )
        if of_ctc is not None:
            gradient["layers"] = jax.tree.map(jnp.add, gradient["layers"], of_ctc)
        updates, optimizer = self._optimizer.update(gradient, state.optimizer, state.params)
        rates = {"head": -rate, "layers": -rate * self.rate_below}
        updates = {
            part: jax.tree.map(lambda u, by=by: by * u, updates[part]) for part, by in rates.items()
        }
        params = optax.apply_updates(state.params, updates)
        return State(params, statistics, optimizer), loss

    @partial(jax.jit, static_argnums=0)
    def recognize(
        self, fixed: Fixed, state: State, spoken: Spoken, key: jax.Array
    ) -> tuple[Any, Any, jax.Array]:
        """The weighted CTC loss on transcribed speech: gradient of the layers, statistics, loss.

        It is a program of its own: else each pair of batch shapes would need one.
        """

        def loss_of(layers):
            model = nnx.merge(self.graph, layers, state.statistics, fixed.below, copy=True)
            mask_BF1 = frame_mask(spoken.frames_B, spoken.mfcc_BFD.shape[1])[..., None]
            h_BFC = model.enter(spoken.mfcc_BFD, mask_BF1, self.adapted and self.first == 0)
            skips_BFC, _ = model.through(h_BFC, mask_BF1, self._keys(0, key))
            logits_BFV = model.leave(skips_BFC, mask_BF1, self.adapted)
            loss = ctc_loss(logits_BFV, spoken.frames_B, spoken.labels_BL, spoken.n_labels_B)
            return self.ctc * loss, nnx.state(model, nnx.BatchStat)

        with exact_products():
            found = jax.value_and_grad(loss_of, has_aux=True)(state.params["layers"])
        (loss, statistics), gradient = found
        return gradient, statistics, loss

    @partial(jax.jit, static_argnums=0)
    def predict(self, fixed: Fixed, state: State, batch: Batch) -> tuple[jax.Array, jax.Array]:
        """Predictions (B, T) of standardised ratings, and pooled features (B, D)."""
        with exact_products():
            pooled_BD, _ = self._pooled(state.params, state.statistics, fixed, batch, None)
            return _ratings(state.params["head"], fixed, pooled_BD), pooled_BD

    @property
    def _optimizer(self) -> optax.GradientTransformation:
        return optax.chain(
            optax.clip_by_global_norm(self.clip_norm),
            optax.scale_by_adam(),
            optax.add_decayed_weights(self.weight_decay, _is_weight),
        )

    def _loss(self, params, statistics, fixed, batch: Batch, key):
        pooled_BD, statistics = self._pooled(params, statistics, fixed, batch, key)
        predicted_BT = _ratings(params["head"], fixed, pooled_BD)
        loss_of = mse if self.loss == "mse" else ccc_loss
        penalty = jnp.sum(fixed.penalty_T * jnp.square(params["head"]["weights_DT"]))
        return loss_of(predicted_BT, batch.y_BT, batch.weight_BT) + penalty, statistics

    def _pooled(self, params, statistics, fixed, batch: Batch, key):
        """Pooled features (B, D), by statistic, then by layer; and statistics of norms."""
        if self.graph is None:
            return batch.below_BSLC.reshape(len(batch.below_BSLC), -1), statistics
        model = nnx.merge(self.graph, params["layers"], statistics, fixed.below, copy=True)
        h_BFC, frames_B = self._heard(batch, key)
        mask_BF, train = frame_mask(frames_B, h_BFC.shape[1]), self.adapted and key is not None
        if self.given == 0:
            h_BFC = model.enter(h_BFC, mask_BF[..., None], train and self.first == 0)
        keys = self._keys(self.given, key if train else None)
        taps = model.through(h_BFC, mask_BF[..., None], keys)[1][self.tap]
        own_BSLC = _statistics(self, taps, mask_BF, params["head"])
        pooled_BSLC = jnp.concatenate([batch.below_BSLC, own_BSLC], axis=2)
        return pooled_BSLC.reshape(len(pooled_BSLC), -1), nnx.state(model, nnx.BatchStat)

    def _keys(self, start: int, key: jax.Array | None) -> list[jax.Array | None]:
        """Keys for layers from `start` on: for those whose norms adapt; None for the others."""
        keys: list[jax.Array | None] = [None] * (self.n_layers - start)
        if self.adapted and key is not None:
            keys[self.first - start :] = list(jax.random.split(key, self.n_layers - self.first))
        return keys

    def _heard(self, batch: Batch, key):
        """The input of the first layer that is computed, and its valid frames."""
        if self.frontend is None:
            return batch.x_BFC, batch.frames_B
        wave_BN, lengths_B = to_float(batch.x_BFC), batch.frames_B
        if key is None:
            return self.frontend(wave_BN, lengths_B)
        keys = tuple(jax.random.split(jax.random.fold_in(key, 1), 3))
        shortest_B = jnp.ones_like(lengths_B)
        log_mel = partial(fe.log_mel, config=self.frontend)
        mfcc_BFD, frames_B, _ = augment.mfcc(
            wave_BN, lengths_B, shortest_B, keys, AugmentConfig(), self.frontend, log_mel
        )
        return mfcc_BFD, frames_B


def mse(predicted_BT: jax.Array, y_BT: Array, weight_BT: Array) -> jax.Array:
    """Mean squared error, over what is rated."""
    squared_BT = weight_BT * jnp.square(predicted_BT - y_BT)
    return jnp.sum(squared_BT) / jnp.maximum(jnp.sum(weight_BT), 1)


def ccc_loss(predicted_BT: jax.Array, y_BT: Array, weight_BT: Array) -> jax.Array:
    """1 - CCC (Lin 1989), its mean over the ratings."""
    n_T = jnp.maximum(jnp.sum(weight_BT, axis=0), 1)

    def mean(x_BT):
        return jnp.sum(weight_BT * x_BT, axis=0) / n_T

    p_T, y_T = mean(predicted_BT), mean(y_BT)
    covariance_T = mean((predicted_BT - p_T) * (y_BT - y_T))
    spread_T = mean(jnp.square(predicted_BT - p_T)) + mean(jnp.square(y_BT - y_T))
    return jnp.mean(1 - 2 * covariance_T / (spread_T + jnp.square(p_T - y_T) + _CCC))


def first_attention(n_units: int, seed: int) -> Attention:
    """Attention that begins as the mean: every frame scores zero."""
    random = np.random.default_rng(seed)
    project_XH = random.normal(size=(n_units, _HIDDEN)) / np.sqrt(n_units)
    return Attention(project_XH.astype(np.float32), np.zeros(_HIDDEN, np.float32))


def attention_of(head: Mapping[str, Array]) -> Attention:
    """The part of a head that weighs frames."""
    return Attention(*(head[name] for name in Attention._fields))


def partition(
    network: Network, first: int, recognizes: bool = False
) -> tuple[nnx.GraphDef, Any, Any, Any]:
    """A network's structure, trained weights, statistics of norms, and all else.

    Args:
        network: that is finetuned.
        first: first layer that is trained; with 0 also what comes before it.
        recognizes: whether what comes after them, up to the symbols, is trained too.
    """

    def is_trained(path: tuple, value: Any) -> bool:
        if not isinstance(value, nnx.Param) and getattr(value, "type", None) is not nnx.Param:
            return False
        if path[0] == "layers":
            return path[1] >= first
        return first == 0 if path[0] == "front" else recognizes

    graph, *states = nnx.split(network, is_trained, nnx.BatchStat, ...)
    return graph, *states  # type: ignore[return-value]


@partial(jax.jit, static_argnums=(0, 1, 2, 3))
def hear(
    graph: nnx.GraphDef, tap: str, statistics: tuple[str, ...], given: int, weights: Any,
    mfcc_BFD: Array, frames_B: Array,
) -> tuple[jax.Array, jax.Array]:  # fmt: skip
    """Pooled features (B, D) of all layers, and the input of layer `given`: of 0, MFCCs."""
    model: GatedConvNet = nnx.merge(graph, weights)
    mask_BF = frame_mask(frames_B, mfcc_BFD.shape[1])
    mfcc_BFD = jnp.asarray(mfcc_BFD)
    taps = model(mfcc_BFD, jnp.asarray(frames_B)).taps
    pooled = [pool(x_BFC, mask_BF, how) for how in statistics for x_BFC in taps[tap]]
    x_BFC = taps["residual"][given - 1] if given else mfcc_BFD
    return jnp.concatenate(pooled, axis=1), x_BFC


def _statistics(tuner: Tuner, taps, mask_BF, head) -> jax.Array:
    """Statistics over time (B, S, L, C) of the layers that are computed."""
    if tuner.pooling == ATTENTION:
        x_BFX = jnp.concatenate(taps, axis=-1)
        pooled_BX = attention.pool(x_BFX, mask_BF, attention_of(head))[0]
        return pooled_BX.reshape(len(pooled_BX), 1, len(taps), -1)
    found = [jnp.stack([_pool(x, mask_BF, how) for x in taps], axis=1) for how in tuner.statistics]
    return jnp.stack(found, axis=1)


def _pool(x_BFC, mask_BF, statistic):
    """As `inference.pooling.pool`, but a deviation of zero has a gradient of zero, not NaN."""
    mean_BC = pool(x_BFC, mask_BF, "mean")
    if statistic == "mean":
        return mean_BC
    variance_BC = pool(jnp.square(x_BFC - mean_BC[:, None]), mask_BF, "mean")
    return jnp.sqrt(jnp.maximum(variance_BC, _FLAT))


def _ratings(head, fixed: Fixed, pooled_BD) -> jax.Array:
    z_BD = (pooled_BD - fixed.mean_D) / fixed.scale_D
    return z_BD @ head["weights_DT"] + head["bias_T"]


def _is_weight(params):
    """The head's weights have their own penalty; biases and norms have none."""
    found = jax.tree.map(lambda p: p.ndim > 1, params)
    return {**found, "head": {**found["head"], "weights_DT": False}}
