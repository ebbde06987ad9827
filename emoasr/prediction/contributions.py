"""Contributions of frames: the mean of a linear model's values over an utterance is its prediction.

Mean pooling and a linear model commute: w · mean(h) + b is the mean over the frames t of
w · h_t + b.

With attention, whose weights a_t have the sum 1, it is the mean of w · m + b + T a_t w · (h_t - m)
for any m. Taken from the mean m of the fitted utterances, a frame without weight lies at what the
predictor says of these, whatever it hears; with equal weights this is the course of mean pooling.

Shape suffixes: B utterances, T frames, L layers, C units, K outputs: a
rating, or a class's score before softmax.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from emoasr.asr.networks.gated import Output
from emoasr.inference import attention
from emoasr.inference.attention import Attention
from emoasr.prediction.model import Model

Arrays = tuple[np.ndarray, np.ndarray, Attention | None]  # of `Contributions`


@dataclasses.dataclass(frozen=True)
class Contributions:
    """Values (B, T, K) of linear models of a tap's activations; see `frames.OfFrames`.

    With attention a frame's score follows, (B, T, K + 1), for `course`.

    Attributes:
        tap: one of `settings.TAPS`.
    """

    tap: str

    def __call__(self, output: Output, mask_BT: jax.Array, arrays: Arrays) -> jax.Array:
        """Applies weights (L, C, K) and biases (K,)."""
        weights_LCK, biases_K, weighs = arrays
        layers = output.taps[self.tap]
        exact = jax.lax.Precision.HIGHEST  # GPUs default to TF32
        parts = [
            jnp.matmul(x_BTC, w_CK, precision=exact)
            for x_BTC, w_CK in zip(layers, weights_LCK, strict=True)
        ]
        values_BTK = jnp.sum(jnp.stack(parts), axis=0) + biases_K
        if weighs is None:
            return values_BTK
        score_BT = attention.scores(jnp.concatenate(layers, axis=-1), weighs)
        return jnp.concatenate([values_BTK, score_BT[..., None]], axis=-1)


def arrays(model: Model, n_layers: int) -> Arrays:
    """What `Contributions` applies; with attention its values are departures from `_base`."""
    weights_DK = np.stack([output.weights_D for output in model.outputs], axis=1)
    biases_K = np.array([output.bias for output in model.outputs])
    if model.attention:
        biases_K -= _base(model)
    weights_LCK = weights_DK.reshape(n_layers, -1, len(model.outputs))
    return weights_LCK, biases_K.astype(np.float32), model.attention


def course(model: Model, values_TK: np.ndarray) -> np.ndarray:
    """What each frame of an utterance contributes (T, K).

    Args:
        model: whose values they are.
        values_TK: as of `Contributions`, of all frames of the utterance.
    """
    if not model.attention:
        return values_TK
    score_T = values_TK[:, -1].astype(np.float64)
    weight_T = np.exp(score_T - score_T.max())
    weight_T /= weight_T.mean()
    return (_base(model) + weight_T[:, None] * values_TK[:, :-1]).astype(np.float32)


def _base(model: Model) -> np.ndarray:
    """Values (K,) of the mean of the fitted utterances."""
    return model.unclipped(model.fitted.mean_D[None])[0]
