"""Waveforms in, arrays out: what a pass over a corpus computes on the device.

Shape suffixes: B utterances, N samples, T frames, D coefficients.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from emoasr.asr import frontend as fe
from emoasr.asr.networks.base import Network
from emoasr.inference import compilation_cache


class ChunkInfo(NamedTuple):
    """What a device function must know of chunks, one a row.

    Attributes:
        top_B: the whole utterance's largest mel power, dB.
        own_BT: True on the chunk's own frames, False on its context.
    """

    top_B: fe.Array
    own_BT: fe.Array


# arrays with B rows, of padded waveforms (B, N) and their lengths (B,) in samples
Program = Callable[[Any, Any], dict[str, Any]]


class DeviceFunction(Protocol):
    """Waveforms in, arrays out: what a pass over a corpus computes.

    Attributes:
        frontend: what it does with the waveforms.
        receptive_field: frames at either side that one frame's result depends on.
    """

    frontend: fe.FrontEnd
    receptive_field: int

    def compiled(self, n_rows: int, n_samples: int) -> Program:
        """The function for batches of one shape."""
        ...

    def clear(self) -> None:
        """Frees the compiled programs that nobody holds."""
        ...

    def chunk(self, wave_BN: Any, lengths_B: Any, info: ChunkInfo) -> dict[str, Any]:
        """What `merge` needs, arrays with B rows, of chunks of utterances."""
        ...

    def merge(self, parts: list[dict[str, Any]], frames: list[slice]) -> dict[str, Any]:
        """An utterance's row of each array, from its chunks in order and their own frames."""
        ...


def waves(n_rows: int, n_samples: int) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    """What a program for a shape is compiled for: waveforms (B, N) and lengths (B,)."""
    wave_BN = jax.ShapeDtypeStruct((n_rows, n_samples), np.float32)
    return wave_BN, jax.ShapeDtypeStruct((n_rows,), np.int32)


def front(
    frontend: fe.FrontEnd, wave_BN: fe.Array, lengths_B: fe.Array, info: ChunkInfo | None
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """What a network takes, inputs and their lengths; and the mask (B, T) of utterances' frames.

    Args:
        frontend: of the network.
        wave_BN: waveforms.
        lengths_B: in samples.
        info: of chunks, whose mask is of their own frames; None: utterances are whole.
    """
    x_BTD, valid_B = frontend(wave_BN, lengths_B, None if info is None else info.top_B)
    if info is not None:
        return x_BTD, valid_B, jnp.asarray(info.own_BT)
    n_frames = frontend.n_padded(wave_BN.shape[1])
    return x_BTD, valid_B, fe.frame_mask(frontend.n_frames(lengths_B), n_frames)


class OfNetwork:
    """One jitted function of one network: all of a `DeviceFunction` but `merge`.

    Attributes:
        frontend: of the network.
        receptive_field: frames at either side that one frame's result depends on.
    """

    def __init__(
        self, function: Any, network: Network, frontend: fe.FrontEnd, how: Any, arrays: Any
    ):
        """Fixes what is computed.

        Args:
            function: takes the network's structure, `frontend` and `how`, which are static; its
                weights, `arrays`, waveforms, their lengths, and the `ChunkInfo` of chunks or None.
            network: the recognizer's.
            frontend: its front end.
            how: what to compute; equal ones share compiled programs.
            arrays: numbers that it takes besides.
        """
        self.frontend, self.receptive_field = frontend, network.config.receptive_field
        graph, state = nnx.split(network)
        self._function = function
        self._how, self._arrays = (graph, frontend, how), (state, arrays)

    def compiled(self, n_rows: int, n_samples: int) -> Program:
        """The function for batches of one shape."""
        lowered = self._function.lower(*self._how, *self._arrays, *waves(n_rows, n_samples), None)
        return partial(_run, lowered.compile(), self._arrays)

    def clear(self) -> None:
        """Frees the compiled programs that nobody holds."""
        compilation_cache.clear(self._function)

    def chunk(self, wave_BN: Any, lengths_B: Any, info: ChunkInfo) -> dict[str, Any]:
        """What `merge` needs of chunks of utterances."""
        return self._function(*self._how, *self._arrays, wave_BN, lengths_B, info)


def _run(program, arrays, wave_BN, lengths_B):
    return program(*arrays, wave_BN, lengths_B, None)
