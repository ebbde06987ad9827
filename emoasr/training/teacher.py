"""Learning from another recognizer, the teacher, besides CTC: our units predict its hidden states.

A linear head takes the gated units of the last third of the layers, side by side, whose means are
the features of the deep layers: what it can predict, a linear model of the features can use. It is
discarded after training.

Shape suffixes: B utterances, T frames, D units of the teacher.
"""

import math

import jax
import jax.numpy as jnp
from flax import nnx

from emoasr.asr.frontend import Array, frame_mask
from emoasr.asr.networks.base import Network, Output
from emoasr.asr.networks.gated import GatedConvNet

PREDICTED = "predicted"  # a tap besides the network's: the teacher's hidden states, as predicted


class Student(Network):
    """A network that is trained, and the head that predicts its teacher's hidden states.

    Attributes:
        network: without the head.
        head: a linear map, initialised with zeros.
    """

    def __init__(self, network: GatedConvNet, n_units: int, *, rngs: nnx.Rngs):
        """Adds the head for a teacher of so many units; the network stays the same object."""
        self.config = network.config
        self.network = network
        n_heard = self._n_layers * network.config.n_channels
        exact = jax.lax.Precision.HIGHEST  # GPUs default to TF32
        zeros = jax.nn.initializers.zeros
        self.head = nnx.Linear(n_heard, n_units, kernel_init=zeros, precision=exact, rngs=rngs)

    def __call__(
        self, mfcc_BTD: jax.Array, frames_B: jax.Array, dropout_key: jax.Array | None = None
    ) -> Output:
        """As the network, with one more tap."""
        output = self.network(mfcc_BTD, frames_B, dropout_key)
        gates = output.taps["gate"][-self._n_layers :]
        predicted_BTD = self.head(jnp.concatenate(gates, axis=-1))
        return Output(output.logits_BTV, {**output.taps, PREDICTED: (predicted_BTD,)})

    @property
    def _n_layers(self) -> int:
        return math.ceil(self.config.n_layers / 3)


def unexplained(predicted_BTD: jax.Array, states_BTD: Array, frames_B: Array) -> jax.Array:
    """Mean squared error over all frames of the batch: long utterances count for more.

    Of standardised hidden states it is the share of their variance that is not predicted: 1 where
    nothing is.

    Args:
        predicted_BTD: by the head.
        states_BTD: the teacher's, standardised.
        frames_B: valid frames; 0 marks an empty row.
    """
    squared_BT = jnp.mean(jnp.square(predicted_BTD - states_BTD), axis=-1)
    mask_BT = frame_mask(frames_B, squared_BT.shape[1])
    return jnp.sum(jnp.where(mask_BT, squared_BT, 0.0)) / jnp.maximum(jnp.sum(frames_B), 1)
