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
from emoasr.inference import compilation_cache
from emoasr.inference.long_recordings import ChunkInfo, Program, waves

_MASKED = -1e30  # score of a frame that has no weight


class Attention(NamedTuple):
    """What scores a frame: `score_H` of the tangent hyperbolic of a projection of its activations.

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


class AttentivePooler:
    """From padded waveforms to activations pooled by attention; a `DeviceFunction`.

    Attributes:
        frontend: of the network.
        receptive_field: frames at either side that an activation depends on.
    """

    def __init__(self, network: Network, frontend: fe.FrontEnd, tap: str, attention: Attention):
        """Fixes what is computed: see `Pooler`."""
        self.frontend, self.receptive_field = frontend, network.config.receptive_field
        graph, state = nnx.split(network)
        self._how, self._arrays = (graph, frontend, tap), (state, attention)

    def compiled(self, n_rows: int, n_samples: int) -> Program:
        """Gives `neural` (B, X) of waveforms with their lengths in samples."""
        program = _pooled.lower(*self._how, *self._arrays, *waves(n_rows, n_samples), None)
        return partial(_run, program.compile(), self._arrays)

    def clear(self) -> None:
        """Frees the compiled programs that nobody holds."""
        compilation_cache.clear(_pooled)

    def chunk(
        self, wave_BN: fe.Array, lengths_B: fe.Array, info: ChunkInfo
    ) -> dict[str, jax.Array]:
        """The mean of chunks' own frames, and what it weighs."""
        mean_BX, top_B, total_B = _pooled(*self._how, *self._arrays, wave_BN, lengths_B, info)
        return {"mean": mean_BX, "top": top_B, "total": total_B}

    def merge(self, parts: list[dict[str, Any]], frames: list[slice]) -> dict[str, np.ndarray]:
        """The features (X,) of an utterance, of its chunks."""
        del frames
        mean_PX, top_P, total_P = (
            np.concatenate([part[name] for part in parts]).astype(np.float64)
            for name in ("mean", "top", "total")
        )
        weight_P = total_P * np.exp(top_P - top_P.max())
        return {"neural": (weight_P @ mean_PX / weight_P.sum()).astype(np.float32)}


def _run(program, arrays, wave_BN, lengths_B):
    return {"neural": program(*arrays, wave_BN, lengths_B, None)[0]}


@partial(jax.jit, static_argnums=(0, 1, 2))
def _pooled(graph, frontend, tap, state, attention, wave_BN, lengths_B, info):
    x_BTD, valid_B = frontend(wave_BN, lengths_B, None if info is None else info.top_B)
    n_frames = frontend.n_padded(wave_BN.shape[1])
    mask_BT = fe.frame_mask(frontend.n_frames(lengths_B), n_frames) if info is None else info.own_BT
    layers = nnx.merge(graph, state)(x_BTD, valid_B).taps[tap]
    return pool(jnp.concatenate(layers, axis=-1), mask_BT, attention)
