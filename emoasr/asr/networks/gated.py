"""The recognizer: a stack of dilated gated convolutions over MFCCs, with its units exposed.

The network of the original recognizer (Kim & Park's speech-to-text-wavenet), in Flax NNX: a front
1x1 convolution; blocks of gated convolutions with dilations 1, 2, 4, 8, 16; the sum of their skip
outputs; a two-layer head. Every convolution but the last is without bias and batch-normalised.

Unlike the original, everything is masked: an utterance's output is the same alone and in any
padded batch.

Shape suffixes: B utterances, T frames, D coefficients, C channels (units), V symbols.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from emoasr.asr.frontend import frame_mask
from emoasr.asr.networks import convolution
from emoasr.asr.networks.base import Network, Output
from emoasr.asr.networks.norm import MaskedBatchNorm
from emoasr.settings.choices import TAPS, ModelConfig

# The original's U(-a, a) with a = sqrt(1 / fan_in).
_INIT = jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")


class GatedConvNet(Network):
    """MFCCs to symbol scores and unit activations."""

    TAPS = TAPS
    config: ModelConfig

    def __init__(self, config: ModelConfig, *, rngs: nnx.Rngs):
        """Makes a network with random weights drawn from `rngs`."""
        self.config = config
        width = config.n_channels
        self.front = _ConvNorm(config.n_mfcc, width, rngs=rngs)
        self.layers = nnx.List(
            _GatedLayer(config, dilation, rngs=rngs)
            for _ in range(config.n_blocks)
            for dilation in config.dilations
        )
        self.head = _ConvNorm(width, width, rngs=rngs)
        self.symbols = nnx.Conv(
            width,
            config.n_symbols,
            (1,),
            kernel_init=_INIT,
            precision=jax.lax.Precision.HIGHEST,
            rngs=rngs,
        )

    def __call__(
        self, mfcc_BTD: jax.Array, frames_B: jax.Array, dropout_key: jax.Array | None = None
    ) -> Output:
        """Runs the network.

        Args:
            mfcc_BTD: MFCCs, float32, unnormalised, as the front end gives them.
            frames_B: valid frames of each utterance; 0 marks an empty row.
            dropout_key: given: training mode (batch statistics, dropout); None: inference.

        Returns:
            Logits and taps.
        """
        mask_BT1 = frame_mask(frames_B, mfcc_BTD.shape[1])[..., None]
        train = dropout_key is not None
        keys: list[jax.Array | None] = [None] * self.config.n_layers
        if dropout_key is not None:
            keys = list(jax.random.split(dropout_key, self.config.n_layers))
        h_BTC = self.enter(mfcc_BTD, mask_BT1, train)
        skips_BTC, taps = self.through(h_BTC, mask_BT1, keys)
        return Output(self.leave(skips_BTC, mask_BT1, train), taps)

    def enter(self, mfcc_BTD: jax.Array, mask_BT1: jax.Array, train: bool = False) -> jax.Array:
        """The first layer's input (B, T, C): the front convolution's output."""
        mfcc_BTD = jnp.where(mask_BT1, mfcc_BTD, 0.0)
        return jnp.tanh(self.front(mfcc_BTD, mask_BT1, train)) * mask_BT1

    def through(
        self, h_BTC: jax.Array, mask_BT1: jax.Array, keys: Sequence[jax.Array | None]
    ) -> tuple[jax.Array, dict[str, tuple[jax.Array, ...]]]:
        """Runs the last layers.

        Args:
            h_BTC: the first one's input: for all layers what `enter` gives, for fewer the tap
                `residual` of the layer before.
            mask_BT1: True on valid frames.
            keys: one a layer: a key for training mode, None for inference.

        Returns:
            The sum of their skip outputs, and their taps.
        """
        skips_BTC = jnp.zeros_like(h_BTC)
        taps: dict[str, list[jax.Array]] = {name: [] for name in TAPS}
        first = self.config.n_layers - len(keys)
        for layer, key in zip(self.layers[first:], keys, strict=True):
            gate_BTC, skip_BTC = layer(h_BTC, mask_BT1, key)
            h_BTC = h_BTC + skip_BTC
            skips_BTC = skips_BTC + skip_BTC
            for name, tap_BTC in zip(TAPS, (gate_BTC, skip_BTC, h_BTC), strict=True):
                taps[name].append(tap_BTC)
        return skips_BTC, {name: tuple(tap) for name, tap in taps.items()}

    def leave(self, skips_BTC: jax.Array, mask_BT1: jax.Array, train: bool = False) -> jax.Array:
        """Logits (B, T, V), of the sum of all layers' skip outputs."""
        return self.symbols(jnp.tanh(self.head(skips_BTC, mask_BT1, train)))


class _GatedLayer(nnx.Module):
    """tanh(filter) * sigmoid(gate), then a 1x1 convolution that is both skip and residual."""

    def __init__(self, config: ModelConfig, dilation: int, *, rngs: nnx.Rngs):
        width = config.n_channels
        # Filter and gate read the same input: one convolution of twice the width.
        self.filter_gate = _ConvNorm(width, 2 * width, config.kernel_size, dilation, rngs=rngs)
        self.out = _ConvNorm(width, width, rngs=rngs)
        self.dropout = nnx.Dropout(config.dropout)

    def __call__(self, h_BTC, mask_BT1, key):
        train = key is not None
        filter_BTC, gate_BTC = jnp.split(self.filter_gate(h_BTC, mask_BT1, train), 2, axis=-1)
        unit_BTC = jnp.tanh(filter_BTC) * jax.nn.sigmoid(gate_BTC) * mask_BT1
        unit_BTC = self.dropout(unit_BTC, deterministic=not train, rngs=key)
        return unit_BTC, jnp.tanh(self.out(unit_BTC, mask_BT1, train)) * mask_BT1


class _ConvNorm(nnx.Module):
    """A convolution over time without bias, and batch norm over valid frames."""

    def __init__(self, n_in, n_out, kernel_size=1, dilation=1, *, rngs: nnx.Rngs):
        self.conv = nnx.Conv(
            n_in,
            n_out,
            (kernel_size,),
            kernel_dilation=dilation,
            use_bias=False,
            kernel_init=_INIT,
            precision=jax.lax.Precision.HIGHEST,  # GPUs default to TF32
            rngs=rngs,
        )
        self.norm = MaskedBatchNorm(n_out)

    def __call__(self, x_BTC, mask_BT1, train):
        conv = self.conv
        y_BTC = convolution.over_time(
            x_BTC, conv.kernel[...], conv.kernel_dilation, conv.precision, conv.dtype
        )
        return self.norm(y_BTC, mask_BT1, train)
