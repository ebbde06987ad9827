"""Something of every frame, on the device: symbol scores, activations, what is made of them.

Shape suffixes: B utterances, N samples, T frames, D coefficients, L layers, C units.
"""

import dataclasses
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from emoasr.asr import frontend as fe
from emoasr.asr.networks.base import Network, Output
from emoasr.inference.device_functions import OfNetwork, front


class OfFrames(Protocol):
    """What is made of a network's output; equal ones share compiled programs."""

    def __hash__(self) -> int:
        """As for any value that does not change."""
        ...

    def __call__(self, output: Output, mask_BT: jax.Array, arrays: Any) -> jax.Array:
        """An array (B, T, ...) of logits and taps.

        Args:
            output: of the network.
            mask_BT: True on an utterance's frames.
            arrays: numbers that it takes besides, such as weights.
        """
        ...


@dataclasses.dataclass(frozen=True)
class Activations:
    """The activations (B, T, L C) of a tap, layer after layer; see `OfFrames`.

    Attributes:
        tap: one of the network's `TAPS`.
    """

    tap: str

    def __call__(self, output: Output, mask_BT: jax.Array, arrays: Any = None) -> jax.Array:
        """All layers beside each other."""
        return jnp.concatenate(output.taps[self.tap], axis=-1)


class FrameFunction(OfNetwork):
    """From padded waveforms to an array of every frame; a `DeviceFunction`.

    Its programs give `values` (B, T, ...) and `frames` (B,), the number of valid ones.
    """

    def __init__(
        self,
        network: Network,
        frontend: fe.FrontEnd,
        of_frames: OfFrames,
        arrays: Any = None,
    ):
        """Fixes what is computed.

        Args:
            network: the recognizer's.
            frontend: its front end.
            of_frames: what to make of the network's output.
            arrays: its last argument.
        """
        super().__init__(_values, network, frontend, of_frames, arrays)

    def merge(self, parts: list[dict[str, Any]], frames: list[slice]) -> dict[str, np.ndarray]:
        """The values of an utterance, from its chunks and their own frames."""
        values = [part["values"][0, own] for part, own in zip(parts, frames, strict=True)]
        return {"values": np.concatenate(values), "frames": np.array(sum(map(len, values)))}


@partial(jax.jit, static_argnums=(0, 1, 2))
def _values(graph, frontend, of_frames, state, arrays, wave_BN, lengths_B, info):
    x_BTD, valid_B, mask_BT = front(frontend, wave_BN, lengths_B, info)
    output = nnx.merge(graph, state)(x_BTD, valid_B)
    values = of_frames(output, mask_BT, arrays)
    return {"values": values, "frames": frontend.n_frames(lengths_B)}


def times(frontend: fe.FrontEnd, n_frames: int) -> np.ndarray:
    """The second around which each of so many frames of a recording lies, (T,) float64.

    Windows that are processed by themselves each begin anew: convolutions without padding may
    leave one a frame short of its hops.
    """
    hops_T = np.arange(n_frames)
    if frontend.window is not None:
        of_window = int(frontend.n_frames(frontend.window * frontend.hop_length))
        hops_T = hops_T // of_window * frontend.window + hops_T % of_window
    return hops_T * (frontend.hop_length / frontend.sample_rate)
