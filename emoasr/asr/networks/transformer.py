"""What the encoders of Whisper and of the wav2vec 2.0 family share: the layers of a transformer.

Names of parameters are those of Hugging Face's wav2vec 2.0, so that reading weights needs few
translations.

Shape suffixes: B utterances, T frames, Q frames that attend to them, C channels (units), H heads, D
channels of a head.
"""

import math

import jax
import jax.numpy as jnp
from flax import nnx

_PRECISION = jax.lax.Precision.HIGHEST  # GPUs default to TF32
_MASKED = -1e30  # score of a frame that is not to be attended to
# Heads whose attention is computed at once: scores of more do not stay in a CPU's cache; elsewhere
# as many as memory holds, 9 MB each for 1500 frames.
_HEADS_AT_ONCE, _HEADS_ELSEWHERE = {"cpu": 1}, 64
_GATES = 8  # numbers from which WavLM computes a head's two gates
_OFFSET = 2.0  # of WavLM's gate, its paper's equation (2)


def linear(n_in: int, n_out: int, rngs: nnx.Rngs, use_bias: bool = True) -> nnx.Linear:
    """A linear map over channels."""
    return nnx.Linear(n_in, n_out, use_bias=use_bias, precision=_PRECISION, rngs=rngs)


def convolution(
    n_in: int, n_out: int, kernel_size: int, *, rngs: nnx.Rngs, stride: int = 1,
    padding: tuple[int, int] = (0, 0), groups: int = 1, use_bias: bool = True,
) -> nnx.Conv:  # fmt: skip
    """A convolution over time."""
    return nnx.Conv(
        n_in,
        n_out,
        (kernel_size,),
        (stride,),
        padding=(padding,),
        feature_group_count=groups,
        use_bias=use_bias,
        precision=_PRECISION,
        rngs=rngs,
    )


def layer_norm(n_channels: int, rngs: nnx.Rngs, epsilon: float = 1e-5) -> nnx.LayerNorm:
    """A norm of each frame over its channels; its variance takes two passes, for large means."""
    return nnx.LayerNorm(n_channels, epsilon=epsilon, use_fast_variance=False, rngs=rngs)


def gelu(x: jax.Array) -> jax.Array:
    """The exact Gaussian error linear unit."""
    return jax.nn.gelu(x, approximate=False)


class EncoderSizes:
    """What follows from the sizes of an encoder, whichever its family."""

    n_blocks: int

    @property
    def n_layers(self) -> int:
        """Hidden states: before the transformer layers, and after each of them."""
        return self.n_blocks + 1

    @property
    def receptive_field(self) -> int:
        """0: every frame depends on its whole window, and on nothing else."""
        return 0


class EncoderLayer(nnx.Module):
    """Self-attention and a feed-forward network, each beside a residual path."""

    def __init__(
        self,
        n_channels: int,
        n_heads: int,
        n_hidden: int,
        pre_norm: bool,
        *,
        rngs: nnx.Rngs,
        key_bias: bool = True,
        gated: bool = False,
        epsilon: float = 1e-5,
    ):
        """Makes a layer with random weights.

        Args:
            n_channels: units a frame.
            n_heads: of attention; divides `n_channels`.
            n_hidden: width of the feed-forward network.
            pre_norm: whether norms precede attention and feed-forward network, or follow their
                residual sums.
            rngs: of the weights.
            key_bias: whether keys have a bias.
            gated: whether relative positions are gated by what is heard, as in WavLM.
            epsilon: of the norms.
        """
        self._pre_norm = pre_norm
        self.attention = _Attention(n_channels, n_heads, key_bias, gated, rngs)
        self.layer_norm = layer_norm(n_channels, rngs, epsilon)
        self.feed_forward = _FeedForward(n_channels, n_hidden, rngs)
        self.final_layer_norm = layer_norm(n_channels, rngs, epsilon)

    def __call__(
        self,
        h_BQC: jax.Array,
        mask_BT: jax.Array | None,
        position_HQT: jax.Array | None = None,
        heard: tuple[jax.Array, jax.Array] | None = None,
    ) -> jax.Array:
        """Runs the layer.

        Args:
            h_BQC: activations.
            mask_BT: True on frames that may be attended to; None: all.
            position_HQT: scores of relative positions, which are added to those of attention.
            heard: `keys_values` of the frames that are attended to; None: of `h_BQC`.
        """
        heard = self.keys_values(h_BQC) if heard is None else heard
        if self._pre_norm:
            h_BQC = h_BQC + self.attention(self.layer_norm(h_BQC), heard, mask_BT, position_HQT)
            return h_BQC + self.feed_forward(self.final_layer_norm(h_BQC))
        h_BQC = self.layer_norm(h_BQC + self.attention(h_BQC, heard, mask_BT, position_HQT))
        return self.final_layer_norm(h_BQC + self.feed_forward(h_BQC))

    def keys_values(self, h_BTC: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The keys and values of attention, (B, H, T, D) each."""
        return self.attention.keys_values(self.layer_norm(h_BTC) if self._pre_norm else h_BTC)


class _Attention(nnx.Module):
    """Attention of every frame to all frames of the mask (Vaswani et al. 2017, section 3.2)."""

    def __init__(self, n_channels, n_heads, key_bias, gated, rngs: nnx.Rngs):
        self._n_heads = n_heads
        self.q_proj = linear(n_channels, n_channels, rngs)
        self.k_proj = linear(n_channels, n_channels, rngs, key_bias)
        self.v_proj = linear(n_channels, n_channels, rngs)
        self.out_proj = linear(n_channels, n_channels, rngs)
        self.gru_rel_pos_linear = linear(n_channels // n_heads, _GATES, rngs) if gated else None
        self.gru_rel_pos_const = nnx.Param(jnp.ones((1, n_heads, 1, 1))) if gated else None

    def keys_values(self, h_BTC):
        return self._heads(self.k_proj(h_BTC)), self._heads(self.v_proj(h_BTC))

    def __call__(self, h_BQC, heard, mask_BT, position_HQT):
        q_BHQD = self._heads(self.q_proj(h_BQC))
        scale = 1 / math.sqrt(q_BHQD.shape[-1])

        def attend(head):
            """One head's attention output for one utterance (Q, D)."""
            h, q_QD, k_TD, v_TD, mask_T, gate_Q1 = head
            scores_QT = jnp.matmul(q_QD * scale, k_TD.T, precision=_PRECISION)
            if position_HQT is not None:
                scores_QT += gate_Q1 * position_HQT[h]
            if mask_T is not None:
                scores_QT = jnp.where(mask_T, scores_QT, _MASKED)
            weights_QT = jnp.exp(scores_QT - scores_QT.max(axis=-1, keepdims=True))
            heard_QD = jnp.matmul(weights_QT, v_TD, precision=_PRECISION)
            return heard_QD / weights_QT.sum(axis=-1, keepdims=True)

        n_rows, n_heads = q_BHQD.shape[:2]
        h_BH = jnp.broadcast_to(jnp.arange(n_heads), (n_rows, n_heads))
        mask_BHT = None if mask_BT is None else jnp.repeat(mask_BT[:, None], n_heads, axis=1)
        each = h_BH, q_BHQD, *heard, mask_BHT, self._gate(h_BQC)
        each = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), each)
        at_once = _HEADS_AT_ONCE.get(jax.default_backend(), _HEADS_ELSEWHERE)
        heard_BHQD = jax.lax.map(attend, each, batch_size=at_once).reshape(q_BHQD.shape)
        return self.out_proj(jnp.swapaxes(heard_BHQD, 1, 2).reshape(h_BQC.shape))

    def _heads(self, x_BTC):
        return jnp.swapaxes(x_BTC.reshape(*x_BTC.shape[:2], self._n_heads, -1), 1, 2)

    def _gate(self, h_BTC):
        """The factor of relative positions for each frame and head (B, H, T, 1)."""
        if self.gru_rel_pos_linear is None or self.gru_rel_pos_const is None:
            return None
        gates_BHTG = self.gru_rel_pos_linear(self._heads(h_BTC))
        sums_BHT2 = gates_BHTG.reshape(*gates_BHTG.shape[:3], 2, -1).sum(axis=-1)
        update_BHT1, reset_BHT1 = jnp.split(jax.nn.sigmoid(sums_BHT2), 2, axis=-1)
        return update_BHT1 * (reset_BHT1 * self.gru_rel_pos_const[...] - 1.0) + _OFFSET


class _FeedForward(nnx.Module):
    def __init__(self, n_channels, n_hidden, rngs: nnx.Rngs):
        self.intermediate_dense = linear(n_channels, n_hidden, rngs)
        self.output_dense = linear(n_hidden, n_channels, rngs)

    def __call__(self, h_BTC):
        return self.output_dense(gelu(self.intermediate_dense(h_BTC)))
