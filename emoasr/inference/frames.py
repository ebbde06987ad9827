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
from emoasr.inference import compilation_cache
from emoasr.inference.long_recordings import ChunkInfo, Program, waves


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


class FrameFunction:
    """From padded waveforms to an array of every frame; a `DeviceFunction`.

    Its programs give `values` (B, T, ...) and `frames` (B,), the number of valid ones.

    Attributes:
        frontend: of the network.
        receptive_field: frames at either side that a frame's values depend on.
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
        self.frontend, self.receptive_field = frontend, network.config.receptive_field
        graph, state = nnx.split(network)
        self._how, self._arrays = (graph, frontend, of_frames), (state, arrays)

    def compiled(self, n_rows: int, n_samples: int) -> Program:
        """Gives `values` and `frames` of waveforms with their lengths in samples."""
        program = _values.lower(*self._how, *self._arrays, *waves(n_rows, n_samples), None)
        return partial(_run, program.compile(), self._arrays)

    def clear(self) -> None:
        """Frees the compiled programs that nobody holds."""
        compilation_cache.clear(_values)

    def chunk(
        self, wave_BN: fe.Array, lengths_B: fe.Array, info: ChunkInfo
    ) -> dict[str, jax.Array]:
        """As a program, of chunks of utterances."""
        return _values(*self._how, *self._arrays, wave_BN, lengths_B, info.top_B)

    def merge(self, parts: list[dict[str, Any]], frames: list[slice]) -> dict[str, np.ndarray]:
        """The values of an utterance, of its chunks and their own frames."""
        values = [part["values"][0, own] for part, own in zip(parts, frames, strict=True)]
        return {"values": np.concatenate(values), "frames": np.array(sum(map(len, values)))}


def _run(program, arrays, wave_BN, lengths_B):
    return program(*arrays, wave_BN, lengths_B, None)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _values(graph, frontend, of_frames, state, arrays, wave_BN, lengths_B, top_B):
    output = nnx.merge(graph, state)(*frontend(wave_BN, lengths_B, top_B))
    frames_B = frontend.n_frames(lengths_B)
    mask_BT = fe.frame_mask(frames_B, frontend.n_padded(wave_BN.shape[1]))
    return {"values": of_frames(output, mask_BT, arrays), "frames": frames_B}


def times(frontend: fe.FrontEnd, n_frames: int) -> np.ndarray:
    """The second around which each of so many frames of a recording lies, (T,) float64.

    Where windows are heard by themselves, each begins anew: convolutions without padding may leave
    a window a frame short of its hops.
    """
    hops_T = np.arange(n_frames)
    if frontend.window is not None:
        of_window = int(frontend.n_frames(frontend.window * frontend.hop_length))
        hops_T = hops_T // of_window * frontend.window + hops_T % of_window
    return hops_T * (frontend.hop_length / frontend.sample_rate)
