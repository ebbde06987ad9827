"""Contributions of frames: the mean of a linear model's values over an utterance is its prediction.

Mean pooling and a linear model commute: w · mean(h) + b is the mean over the frames t of
w · h_t + b.

Shape suffixes: B utterances, T frames, L layers, C units, K outputs: a
rating, or a class's score before softmax.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from emoasr.asr.networks.gated import Output
from emoasr.prediction.model import Model


@dataclasses.dataclass(frozen=True)
class Contributions:
    """Values (B, T, K) of linear models of a tap's activations; see `frames.OfFrames`.

    Attributes:
        tap: one of `settings.TAPS`.
    """

    tap: str

    def __call__(
        self, output: Output, mask_BT: jax.Array, arrays: tuple[np.ndarray, np.ndarray]
    ) -> jax.Array:
        """Applies weights (L, C, K) and biases (K,)."""
        weights_LCK, biases_K = arrays
        each = zip(output.taps[self.tap], weights_LCK, strict=True)
        exact = jax.lax.Precision.HIGHEST  # GPUs default to TF32
        parts = [jnp.matmul(x_BTC, w_CK, precision=exact) for x_BTC, w_CK in each]
        return jnp.sum(jnp.stack(parts), axis=0) + biases_K


def arrays(model: Model, n_layers: int) -> tuple[np.ndarray, np.ndarray]:
    """What `Contributions` applies."""
    weights_DK = np.stack([output.weights_D for output in model.outputs], axis=1)
    biases_K = np.array([output.bias for output in model.outputs], np.float32)
    return weights_DK.reshape(n_layers, -1, len(model.outputs)), biases_K
