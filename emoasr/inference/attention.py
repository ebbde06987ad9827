"""Attention over time: a mean of activations with a learned weight for each frame.

The weights are a softmax over an utterance's frames of one score each (the mean of attentive
statistics pooling: Okabe, Koshinaka & Shinoda 2018, "Attentive statistics pooling for deep speaker
embedding", Interspeech, section 3).

Shape suffixes: B utterances, P chunks of one, N samples, T frames, X units of all layers, H hidden
units of attention.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from emoasr.asr import frontend as fe
from emoasr.asr.networks.base import Network
from emoasr.inference.device_functions import OfNetwork, front

_MASKED = -1e30  # score of a frame that has no weight


class Attention(NamedTuple):
    """Scores a frame: `score_H` times the hyperbolic tangent of a projection of its activations.

    Attributes:
        project_XH: the projection.
        score_H: weights of its result.
    """

    project_XH: fe.Array
    score_H: fe.Array


def scores(x_BTX: jax.Array, attention: Attention) -> jax.Array:
    """The score (B, T) of each frame."""
    exact = jax.lax.Precision.HIGHEST  # GPUs default to TF32
    hidden_BTH = jnp.tanh(jnp.matmul(x_BTX, attention.project_XH, precision=exact))
    return jnp.matmul(hidden_BTH, attention.score_H, precision=exact)


def pool(
    x_BTX: jax.Array, mask_BT: jax.Array, attention: Attention
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The weighted mean (B, X) of the frames of the mask; its weights' largest score and their sum.

    The latter two, (B,) each, say what a part of an utterance weighs: the sum is of the
    exponentials of scores less the largest one.
    """
    score_BT = jnp.where(mask_BT, scores(x_BTX, attention), _MASKED)
    top_B = jax.lax.stop_gradient(jnp.max(score_BT, axis=1))
    weight_BT = jnp.exp(score_BT - top_B[:, None]) * mask_BT
    total_B = jnp.sum(weight_BT, axis=1)
    weight_BT = weight_BT / jnp.maximum(total_B, 1)[:, None]
    exact = jax.lax.Precision.HIGHEST
    return jnp.einsum("bt,btx->bx", weight_BT, x_BTX, precision=exact), top_B, total_B


class AttentivePooler(OfNetwork):
    """From padded waveforms to activations pooled by attention; a `DeviceFunction`.

    Its programs give `neural` (B, X).
    """

    def __init__(self, network: Network, frontend: fe.FrontEnd, tap: str, attention: Attention):
        """Fixes what is computed: see `Pooler`."""
        super().__init__(_pooled, network, frontend, tap, attention)

    def merge(self, parts: list[dict[str, Any]], frames: list[slice]) -> dict[str, np.ndarray]:
        """The features (X,) of an utterance, from its chunks' means and weights."""
        del frames
        mean_PX, top_P, total_P = (
            np.concatenate([part[name] for part in parts]).astype(np.float64)
            for name in ("neural", "top", "total")
        )
        weight_P = total_P * np.exp(top_P - top_P.max())
        return {"neural": (weight_P @ mean_PX / weight_P.sum()).astype(np.float32)}


@partial(jax.jit, static_argnums=(0, 1, 2))
def _pooled(graph, frontend, tap, state, attention, wave_BN, lengths_B, info):
    x_BTD, valid_B, mask_BT = front(frontend, wave_BN, lengths_B, info)
    layers = nnx.merge(graph, state)(x_BTD, valid_B).taps[tap]
    mean_BX, top_B, total_B = pool(jnp.concatenate(layers, axis=-1), mask_BT, attention)
    weighs = {} if info is None else {"top": top_B, "total": total_B}
    return {"neural": mean_BX, **weighs}
