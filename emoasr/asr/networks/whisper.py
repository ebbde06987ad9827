"""The encoder of Whisper (Radford et al. 2022, section 2.2), its hidden states exposed.

Two convolutions over log-mel frames halve their number; a transformer hears all frames of a window,
always as many as in training: what lies beyond an utterance is silence to it, not masked.

Shape suffixes: B utterances, M mel bands, F mel frames, T frames, Q some of them, C channels
(units).
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax import nnx

from emoasr.asr.frontend import frame_mask
from emoasr.asr.networks.base import Network, Output
from emoasr.asr.networks.transformer import (
    EncoderLayer,
    EncoderSizes,
    convolution,
    gelu,
    layer_norm,
)

_LAST_AT_ONCE = 256  # frames of the last layer


@dataclasses.dataclass(frozen=True)
class WhisperConfig(EncoderSizes):
    """Size of the encoder; the defaults are those of Whisper tiny.

    Attributes:
        n_mels: mel bands that it hears.
        n_channels: units a layer.
        n_blocks: transformer layers.
        n_heads: of attention.
        n_hidden: width of the feed-forward networks.
        n_frames: frames of a window.
    """

    n_mels: int = 80
    n_channels: int = 384
    n_blocks: int = 4
    n_heads: int = 6
    n_hidden: int = 1536
    n_frames: int = 1500


class WhisperEncoder(Network):
    """Log-mel frames to hidden states, numbered as Hugging Face's `hidden_states`."""

    TAPS = ("residual",)
    config: WhisperConfig

    def __init__(self, config: WhisperConfig, *, rngs: nnx.Rngs):
        """Makes an encoder with random weights drawn from `rngs`."""
        self.config = config
        width = config.n_channels
        self.conv1 = convolution(config.n_mels, width, 3, padding=(1, 1), rngs=rngs)
        self.conv2 = convolution(width, width, 3, stride=2, padding=(1, 1), rngs=rngs)
        self.embed_positions = Positions(config.n_frames, width, rngs)
        self.layers = nnx.List(
            EncoderLayer(
                width, config.n_heads, config.n_hidden, pre_norm=True, key_bias=False, rngs=rngs
            )
            for _ in range(config.n_blocks)
        )
        self.layer_norm = layer_norm(width, rngs)

    def __call__(self, mel_BFM: jax.Array, frames_B: jax.Array) -> Output:
        """Runs the encoder.

        Args:
            mel_BFM: log-mel frames of a whole window, twice `config.n_frames`.
            frames_B: frames of each utterance that are not padding.

        Returns:
            No logits; taps `residual`: the embedding, each layer's output, the last normalised.
        """
        h_BTC = gelu(self.conv2(gelu(self.conv1(mel_BFM)))) + self.embed_positions.weight[...]
        states = [h_BTC]
        for layer in self.layers[:-1]:
            h_BTC = layer(h_BTC, None)
            states.append(h_BTC)
        states.append(self.layer_norm(_of_own_frames(self.layers[-1], h_BTC, frames_B)))
        own_BT1 = frame_mask(frames_B, self.config.n_frames)[..., None]
        return Output(None, {"residual": tuple(jnp.where(own_BT1, h, 0.0) for h in states)})


def _of_own_frames(layer, h_BTC, frames_B):
    """The last layer's output on utterances' own frames, mostly a few of a window's.

    They are computed in parts, up to the end of the longest utterance.
    """
    size, heard = min(_LAST_AT_ONCE, h_BTC.shape[1]), layer.keys_values(h_BTC)

    def some(i, own_BTC):
        some_BQC = jax.lax.dynamic_slice_in_dim(h_BTC, i * size, size, axis=1)
        some_BQC = layer(some_BQC, None, heard=heard)
        return jax.lax.dynamic_update_slice_in_dim(own_BTC, some_BQC, i * size, axis=1)

    n_parts = -(-jnp.max(frames_B) // size)
    return jax.lax.fori_loop(0, n_parts, some, jnp.zeros_like(h_BTC))


class Positions(nnx.Module):
    """A vector for each position."""

    def __init__(self, n_positions: int, n_channels: int, rngs: nnx.Rngs):
        """Makes random ones."""
        self.weight = nnx.Param(rngs.params.normal((n_positions, n_channels)) * 0.02)
