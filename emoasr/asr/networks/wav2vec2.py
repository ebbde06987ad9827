"""The encoders of wav2vec 2.0, HuBERT and WavLM, their hidden states exposed.

Convolutions without padding turn samples into frames; a wide convolution encodes their
positions; a transformer attends to all (Baevski et al. 2020; Hsu et al. 2021; Chen et al. 2021).
The three differ in a few layers, which the configuration names.

Unlike the originals, everything is masked, the first norm over time included: a batch gives what
each utterance gives by itself.

Shape suffixes: B utterances, N samples, T frames, C channels (units), H heads, V symbols.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from emoasr.asr.frontend import frame_mask
from emoasr.asr.networks.base import Network, Output
from emoasr.asr.networks.transformer import (
    EncoderLayer,
    EncoderSizes,
    convolution,
    gelu,
    layer_norm,
    linear,
)
from emoasr.asr.waveform import n_outputs

NORMS = ("group", "layer")  # of the convolutions over samples

_EPSILON = 1e-5  # of these norms


@dataclasses.dataclass(frozen=True)
class Wav2Vec2Config(EncoderSizes):
    """Size and kind of the encoder; the defaults are those of wav2vec 2.0 base.

    Attributes:
        conv_channels: of each convolution over samples.
        conv_kernels: their sizes.
        conv_strides: their strides.
        conv_bias: whether they have biases.
        conv_norm: "group": a norm over time after the first; "layer": one over channels after each.
        n_channels: units a layer.
        n_blocks: transformer layers.
        n_heads: of attention.
        n_hidden: width of the feed-forward networks.
        projection_norm: whether a norm precedes the projection to `n_channels`.
        pre_norm: whether norms precede attention and feed-forward networks ("stable layer norm").
        position_kernel: frames that the positional convolution sees.
        position_groups: its groups.
        epsilon: of the transformer's norms.
        n_buckets: of WavLM's relative positions; 0: there are none.
        max_distance: frames, beyond which relative positions count as equal.
        n_symbols: of the CTC head; 0: there is none.
    """

    conv_channels: tuple[int, ...] = (512,) * 7
    conv_kernels: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    conv_strides: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    conv_bias: bool = False
    conv_norm: str = "group"
    n_channels: int = 768
    n_blocks: int = 12
    n_heads: int = 12
    n_hidden: int = 3072
    projection_norm: bool = True
    pre_norm: bool = False
    position_kernel: int = 128
    position_groups: int = 16
    epsilon: float = 1e-5
    n_buckets: int = 0
    max_distance: int = 800
    n_symbols: int = 0


class Wav2Vec2Encoder(Network):
    """Samples to hidden states, numbered as Hugging Face's `hidden_states`, and symbol scores."""

    TAPS = ("residual",)
    config: Wav2Vec2Config

    def __init__(self, config: Wav2Vec2Config, *, rngs: nnx.Rngs):
        """Makes an encoder with random weights drawn from `rngs`."""
        self.config = config
        self.feature_extractor = _FeatureExtractor(config, rngs)
        self.feature_projection = _FeatureProjection(config, rngs)
        self.encoder = _Encoder(config, rngs)
        self.lm_head = (
            linear(config.n_channels, config.n_symbols, rngs) if config.n_symbols else None
        )

    def __call__(self, wave_BN: jax.Array, lengths_B: jax.Array) -> Output:
        """Runs the encoder.

        Args:
            wave_BN: samples.
            lengths_B: those of each utterance; 0 marks an empty row.

        Returns:
            Logits where there is a CTC head; taps `residual`: what enters the transformer, and each
            layer's output.
        """
        h_BTC = self.feature_projection(self.feature_extractor(wave_BN, lengths_B))
        kernels, strides = self.config.conv_kernels, self.config.conv_strides
        mask_BT = frame_mask(n_outputs(lengths_B, kernels, strides), h_BTC.shape[1])
        mask_BT1 = mask_BT[..., None]
        states = self.encoder(jnp.where(mask_BT1, h_BTC, 0.0), mask_BT)
        logits_BTV = self.lm_head(states[-1]) if self.lm_head is not None else None
        return Output(logits_BTV, {"residual": tuple(jnp.where(mask_BT1, h, 0.0) for h in states)})


class _FeatureExtractor(nnx.Module):
    """The convolutions over samples."""

    def __init__(self, config: Wav2Vec2Config, rngs: nnx.Rngs):
        inputs = (1, *config.conv_channels[:-1])
        shapes = zip(
            inputs, config.conv_channels, config.conv_kernels, config.conv_strides, strict=True
        )
        self.conv_layers = nnx.List(
            _ConvLayer(*shape, config.conv_bias, _norm_of(config, i), rngs)
            for i, shape in enumerate(shapes)
        )

    def __call__(self, wave_BN, lengths_B):
        h_BTC, frames_B = wave_BN[..., None], lengths_B
        for layer in self.conv_layers:
            h_BTC, frames_B = layer(h_BTC, frames_B)
        return h_BTC


def _norm_of(config: Wav2Vec2Config, i: int) -> str:
    return config.conv_norm if config.conv_norm == "layer" or i == 0 else ""


class _ConvLayer(nnx.Module):
    def __init__(self, n_in, n_out, kernel_size, stride, use_bias, norm, rngs: nnx.Rngs):
        self._shape, self._norm = ((kernel_size,), (stride,)), norm
        self.conv = convolution(
            n_in, n_out, kernel_size, stride=stride, use_bias=use_bias, rngs=rngs
        )
        self.layer_norm = layer_norm(n_out, rngs, _EPSILON) if norm else None

    def __call__(self, h_BTC, frames_B):
        h_BTC, frames_B = self.conv(h_BTC), n_outputs(frames_B, *self._shape)
        if self._norm == "group":
            h_BTC = _over_time(h_BTC, frames_B)
            h_BTC = h_BTC * self.layer_norm.scale[...] + self.layer_norm.bias[...]
        elif self._norm == "layer":
            h_BTC = self.layer_norm(h_BTC)
        return gelu(h_BTC), frames_B


def _over_time(h_BTC, frames_B):
    """Normalises every channel to mean 0 and variance 1 over an utterance's own frames."""
    mask_BT1 = frame_mask(frames_B, h_BTC.shape[1])[..., None]
    n_B11 = jnp.maximum(frames_B, 1)[:, None, None]
    h_BTC = h_BTC - jnp.sum(h_BTC, axis=1, keepdims=True, where=mask_BT1) / n_B11
    variance_B1C = jnp.sum(jnp.square(h_BTC), axis=1, keepdims=True, where=mask_BT1) / n_B11
    return h_BTC * jax.lax.rsqrt(variance_B1C + _EPSILON)


class _FeatureProjection(nnx.Module):
    def __init__(self, config: Wav2Vec2Config, rngs: nnx.Rngs):
        width = config.conv_channels[-1]
        self.layer_norm = (
            layer_norm(width, rngs, config.epsilon) if config.projection_norm else None
        )
        self.projection = linear(width, config.n_channels, rngs)

    def __call__(self, h_BTC):
        return self.projection(h_BTC if self.layer_norm is None else self.layer_norm(h_BTC))


class _Encoder(nnx.Module):
    """The positional convolution and the transformer."""

    def __init__(self, config: Wav2Vec2Config, rngs: nnx.Rngs):
        self._config = config
        self.pos_conv_embed = _PositionalConvolution(config, rngs)
        self.layer_norm = layer_norm(config.n_channels, rngs, config.epsilon)
        self.layers = nnx.List(
            EncoderLayer(
                config.n_channels,
                config.n_heads,
                config.n_hidden,
                config.pre_norm,
                gated=config.n_buckets > 0,
                epsilon=config.epsilon,
                rngs=rngs,
            )
            for _ in range(config.n_blocks)
        )
        buckets = (config.n_buckets, config.n_heads)
        self.rel_attn_embed = nnx.Param(rngs.params.normal(buckets)) if config.n_buckets else None

    def __call__(self, h_BTC, mask_BT):
        """The hidden states before the first layer and after each."""
        h_BTC = h_BTC + self.pos_conv_embed(h_BTC)
        if not self._config.pre_norm:
            h_BTC = self.layer_norm(h_BTC)
        position_HTT = None
        if self.rel_attn_embed is not None:
            distance_TT = relative_buckets(h_BTC.shape[1], self._config)
            position_HTT = jnp.moveaxis(self.rel_attn_embed[...][distance_TT], -1, 0)
        states = [h_BTC]
        for layer in self.layers:
            h_BTC = layer(h_BTC, mask_BT, position_HTT)
            states.append(h_BTC)
        if self._config.pre_norm:
            states[-1] = self.layer_norm(h_BTC)
        return states


class _PositionalConvolution(nnx.Module):
    """A wide convolution over frames, its weight norm folded into its kernel."""

    def __init__(self, config: Wav2Vec2Config, rngs: nnx.Rngs):
        half, even = config.position_kernel // 2, config.position_kernel % 2 == 0
        self.conv = convolution(
            config.n_channels,
            config.n_channels,
            config.position_kernel,
            padding=(half, half - even),
            groups=config.position_groups,
            rngs=rngs,
        )

    def __call__(self, h_BTC):
        return gelu(self.conv(h_BTC))


def relative_buckets(n_frames: int, config: Wav2Vec2Config) -> np.ndarray:
    """The bucket of each pair of frames (T, T): near distances have their own, far ones share."""
    half = config.n_buckets // 2
    near = half // 2
    offset_TT = np.arange(n_frames)[None, :] - np.arange(n_frames)[:, None]
    distance_TT = np.abs(offset_TT)
    growth = np.log(np.maximum(distance_TT, 1).astype(np.float32) / near)
    far_TT = near + growth / math.log(config.max_distance / near) * (half - near)
    far_TT = np.minimum(far_TT.astype(np.int32), half - 1)
    return (offset_TT > 0) * half + np.where(distance_TT < near, distance_TT, far_TT)
