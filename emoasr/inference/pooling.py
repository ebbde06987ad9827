"""Unit activations pooled over time, on the device: what the feature tables hold.

Shape suffixes: B utterances, P chunks of one, N samples, T frames, D coefficients, C units.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from emoasr.asr import frontend as fe
from emoasr.asr.networks.base import Network
from emoasr.inference import compilation_cache
from emoasr.inference.device_functions import ChunkInfo, Program, front, waves
from emoasr.settings.choices import POOLINGS

_STATISTICS = ("mean", "max", "std")  # all that any pooling is made of


class Pooler:
    """From padded waveforms to several feature sets, on the device; a `DeviceFunction`.

    Each shape is compiled once, for all networks of one architecture and all equal poolers: the
    weights are arguments.

    Attributes:
        frontend: of all networks.
        receptive_field: frames at either side that an activation depends on.
    """

    def __init__(
        self,
        networks: Mapping[str, Network],
        frontend: fe.FrontEnd,
        tap: str,
        pooling: str,
        with_mfcc: bool = False,
        compute_dtype: str = "float32",
    ):
        """Fixes what is computed.

        Args:
            networks: by feature set.
            frontend: of all of them.
            tap: one of the networks' `TAPS`.
            pooling: one of `POOLINGS`; "mean" is the paper's (section 4).
            with_mfcc: whether to give `mfcc` too: mean and deviation of the front end alone.
            compute_dtype: what the networks multiply in, see `Network.computing_in`.
        """
        self.frontend, self._tap = frontend, tap
        fields = (network.config.receptive_field for network in networks.values())
        self.receptive_field = max(fields, default=0)
        self._networks = {
            name: nnx.split(network.computing_in(compute_dtype))
            for name, network in networks.items()
        }
        self._statistics: dict[str, tuple[str, ...]] = dict.fromkeys(networks, POOLINGS[pooling])
        if with_mfcc:
            self._statistics["mfcc"] = ("mean", "std")
        self._shapes: set[tuple[int, ...]] = set()

    def compiled(self, n_rows: int, n_samples: int) -> Program:
        """Gives feature sets (B, features), float32, of waveforms with their lengths in samples."""
        self._shapes.add((n_rows, n_samples))
        how = self._statistics
        front = _front.lower(self.frontend, how.get("mfcc"), *waves(n_rows, n_samples), None)
        inputs = front.out_info[0]
        units = {
            name: _units.lower(graph, self._tap, how[name], state, *inputs).compile()
            for name, (graph, state) in self._networks.items()
        }
        return partial(self._run, front.compile(), units)

    def clear(self) -> None:
        """Frees the compiled programs that nobody holds: each takes some 10 MB."""
        compilation_cache.clear(_front, _units)

    def chunk(
        self, wave_BN: fe.Array, lengths_B: fe.Array, info: ChunkInfo
    ) -> dict[str, jax.Array]:
        """What `merge` needs of chunks of utterances: all statistics of their own frames."""
        self._shapes.add(wave_BN.shape)
        front = partial(_front, self.frontend, _STATISTICS if "mfcc" in self._statistics else None)
        units = {
            name: partial(_units, graph, self._tap, _STATISTICS)
            for name, (graph, _) in self._networks.items()
        }
        return self._run(front, units, wave_BN, lengths_B, info)

    def merge(self, parts: list[dict[str, Any]], frames: list[slice]) -> dict[str, np.ndarray]:
        """Feature sets (features,) of an utterance, from its chunks and their own frames."""
        count_P = np.array([own.stop - own.start for own in frames])
        return {
            name: _merged(count_P, np.concatenate([part[name] for part in parts]), statistics)
            for name, statistics in self._statistics.items()
        }

    @property
    def n_compilations(self) -> int:
        """Different shapes so far: each is compiled once."""
        return len(self._shapes)

    def _run(self, front, units, wave_BN, lengths_B, info=None):
        """Runs the front end's function, and each network's on its output."""
        frames, sets = front(wave_BN, lengths_B, info)
        of_networks = {
            name: units[name](state, *frames) for name, (_, state) in self._networks.items()
        }
        return of_networks | sets


@partial(jax.jit, static_argnums=(0, 1))
def _front(frontend, statistics, wave_BN, lengths_B, info):
    """What a network takes, the mask of frames to be pooled; and MFCCs pooled, if so asked."""
    x_BTD, valid_B, mask_BT = front(frontend, wave_BN, lengths_B, info)
    pooled = [pool(x_BTD, mask_BT, how) for how in statistics or ()]
    sets = {"mfcc": jnp.concatenate(pooled, axis=1)} if pooled else {}
    return (x_BTD, valid_B, mask_BT), sets


@partial(jax.jit, static_argnums=(0, 1, 2))
def _units(graph, tap, statistics, state, x_BTD, valid_B, mask_BT):
    layers = nnx.merge(graph, state)(x_BTD, valid_B).taps[tap]
    pooled = [pool(layer_BTC, mask_BT, how) for how in statistics for layer_BTC in layers]
    return jnp.concatenate(pooled, axis=1)


def _merged(count_P, row_PX, statistics):
    """Statistics of all frames, from those of parts of `count_P` frames."""
    by_how = dict(zip(_STATISTICS, np.split(row_PX.astype(np.float64), 3, axis=1), strict=True))
    share_P1 = (count_P / count_P.sum())[:, None]
    mean_C = (share_P1 * by_how["mean"]).sum(axis=0)
    variance_PC = by_how["std"] ** 2 + (by_how["mean"] - mean_C) ** 2
    merged = {
        "mean": mean_C,
        "max": by_how["max"].max(axis=0),
        "std": np.sqrt((share_P1 * variance_PC).sum(axis=0)),
    }
    return np.concatenate([merged[how] for how in statistics]).astype(np.float32)


def pool(x_BTC: jax.Array, mask_BT: jax.Array, statistic: str) -> jax.Array:
    """Mean, maximum or standard deviation (0 of one frame) over the frames of the mask, (B, C)."""
    mask_BT1 = mask_BT[..., None]
    if statistic == "max":
        return jnp.max(x_BTC, axis=1, where=mask_BT1, initial=-jnp.inf)
    count_B1 = jnp.maximum(jnp.sum(mask_BT, axis=1), 1)[:, None]
    mean_BC = jnp.sum(x_BTC, axis=1, where=mask_BT1) / count_B1
    if statistic == "mean":
        return mean_BC
    deviation_BTC = jnp.square(x_BTC - mean_BC[:, None])
    return jnp.sqrt(jnp.sum(deviation_BTC, axis=1, where=mask_BT1) / count_B1)
