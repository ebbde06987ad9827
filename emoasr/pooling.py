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
    """One device function from padded waveforms to several feature sets.

    It is compiled once a shape; equal poolers share what is compiled.
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
        split = {name: nnx.split(network) for name, network in networks.items()}
        graphs = tuple((name, graph) for name, (graph, _) in split.items())
        self._states = {name: state for name, (_, state) in split.items()}
        self._static = (graphs, frontend, tap, pooling, with_mfcc)
        self._shapes: set[tuple[int, ...]] = set()

    def __call__(self, wave_BN: jax.Array, lengths_B: jax.Array) -> dict[str, jax.Array]:
        """Feature sets (B, features), float32, of waveforms with their lengths in samples."""
        self._shapes.add(wave_BN.shape)
        return _pooled(self._static, self._states, wave_BN, lengths_B)

    @property
    def n_compilations(self) -> int:
        """Different shapes so far: each is compiled once."""
        return len(self._shapes)


@partial(jax.jit, static_argnums=0)
def _pooled(static, states, wave_BN, lengths_B):
    graphs, frontend, tap, pooling, with_mfcc = static
    mfcc_BTD, frames_B = fe.mfcc(wave_BN, lengths_B, frontend)
    arrays = {}
    for name, graph in graphs:
        layers = nnx.merge(graph, states[name])(mfcc_BTD, frames_B).taps[tap]
        pooled = [pool(layer_BTC, frames_B, pooling) for layer_BTC in layers]
        arrays[name] = jnp.concatenate(pooled, axis=1)
    if with_mfcc:
        both = [pool(mfcc_BTD, frames_B, how) for how in ("mean", "std")]
        arrays["mfcc"] = jnp.concatenate(both, axis=1)
    return arrays


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
