"""Unit activations pooled over time, on the device: what the feature tables hold.

Shape suffixes: B utterances, N samples, T frames, D coefficients, C units.
"""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx

from emoasr import frontend as fe
from emoasr.model import GatedConvNet

POOLINGS = ("mean", "max", "std")


class Pooler:
    """From padded waveforms to several feature sets, on the device.

    Each shape is compiled once, for all networks of one architecture and all equal poolers: the
    weights are arguments.
    """

    def __init__(
        self,
        networks: dict[str, GatedConvNet],
        frontend: fe.FrontEndConfig,
        tap: str,
        pooling: str,
        with_mfcc: bool = False,
    ):
        """Fixes what is computed.

        Args:
            networks: by feature set.
            frontend: of all of them.
            tap: one of `model.TAPS`.
            pooling: one of `POOLINGS`; "mean" is the paper's (section 4).
            with_mfcc: whether to give `mfcc` too: mean and deviation of the front end alone.
        """
        self._networks = {name: nnx.split(network) for name, network in networks.items()}
        self._frontend, self._tap, self._pooling = frontend, tap, pooling
        self._with_mfcc = with_mfcc
        self._shapes: set[tuple[int, ...]] = set()

    def __call__(self, wave_BN: jax.Array, lengths_B: jax.Array) -> dict[str, jax.Array]:
        """Feature sets (B, features), float32, of waveforms with their lengths in samples."""
        self._shapes.add(wave_BN.shape)
        mfcc_BTD, frames_B = _mfcc(self._frontend, wave_BN, lengths_B)
        arrays = {
            name: _units(graph, self._tap, self._pooling, state, mfcc_BTD, frames_B)
            for name, (graph, state) in self._networks.items()
        }
        if self._with_mfcc:
            arrays["mfcc"] = _mean_and_std(mfcc_BTD, frames_B)
        return arrays

    @property
    def n_compilations(self) -> int:
        """Different shapes so far: each is compiled once."""
        return len(self._shapes)


@partial(jax.jit, static_argnums=0)
def _mfcc(frontend, wave_BN, lengths_B):
    return fe.mfcc(wave_BN, lengths_B, frontend)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _units(graph, tap, pooling, state, mfcc_BTD, frames_B):
    layers = nnx.merge(graph, state)(mfcc_BTD, frames_B).taps[tap]
    return jnp.concatenate([pool(layer_BTC, frames_B, pooling) for layer_BTC in layers], axis=1)


@jax.jit
def _mean_and_std(mfcc_BTD, frames_B):
    return jnp.concatenate([pool(mfcc_BTD, frames_B, how) for how in ("mean", "std")], axis=1)


def pool(x_BTC: jax.Array, frames_B: jax.Array, pooling: str) -> jax.Array:
    """Mean, maximum or standard deviation (B, C) over the valid frames."""
    mask_BT1 = fe.frame_mask(frames_B, x_BTC.shape[1])[..., None]
    if pooling == "max":
        return jnp.max(x_BTC, axis=1, where=mask_BT1, initial=-jnp.inf)
    count_B1 = jnp.maximum(frames_B, 1)[:, None]
    mean_BC = jnp.sum(x_BTC, axis=1, where=mask_BT1) / count_B1
    if pooling == "mean":
        return mean_BC
    deviation_BTC = jnp.square(x_BTC - mean_BC[:, None])
    return jnp.sqrt(jnp.sum(deviation_BTC, axis=1, where=mask_BT1) / count_B1)
