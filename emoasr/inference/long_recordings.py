"""Utterances of any length in bounded memory: overlapping pieces, with the results of one piece.

The network sees a bounded stretch of frames, so a piece's inner frames (its core) are exactly those
of the whole utterance if enough is around them. Only the clipping below the utterance's maximum
looks further: a first pass over all pieces finds that maximum.

Shape suffixes: B utterances, N samples, T frames.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from emoasr.asr import frontend as fe
from emoasr.audio.chunks import Piece


class Cut(NamedTuple):
    """What a device function must know of pieces, one a row.

    Attributes:
        top_B: the whole utterance's largest mel power, dB.
        core_BT: True on the core's frames.
    """

    top_B: fe.Array
    core_BT: fe.Array


# arrays with B rows, of padded waveforms (B, N) and their lengths (B,) in samples
Program = Callable[[Any, Any], dict[str, Any]]


class DeviceFunction(Protocol):
    """Waveforms in, arrays out: what a pass over a corpus computes.

    Attributes:
        frontend: what it does with the waveforms.
        reach: frames at either side that one frame's result depends on.
    """

    frontend: fe.FrontEndConfig
    reach: int

    def compiled(self, n_rows: int, n_samples: int) -> Program:
        """The function for batches of one shape."""
        ...

    def forget(self) -> None:
        """Lets go of the compiled programs that nobody holds."""
        ...

    def piece(self, wave_BN: Any, lengths_B: Any, cut: Cut) -> dict[str, Any]:
        """What `merge` needs, arrays with B rows, of pieces of utterances."""
        ...

    def merge(self, parts: list[dict[str, Any]], cores: list[slice]) -> dict[str, Any]:
        """An utterance's row of each array, of its pieces in order, and their core frames."""
        ...


def waves(n_rows: int, n_samples: int) -> tuple[jax.ShapeDtypeStruct, jax.ShapeDtypeStruct]:
    """What a program for a shape is compiled for: waveforms (B, N) and lengths (B,)."""
    wave_BN = jax.ShapeDtypeStruct((n_rows, n_samples), np.float32)
    return wave_BN, jax.ShapeDtypeStruct((n_rows,), np.int32)


def listen(
    function: DeviceFunction, pieces: Callable[[int], Iterator[Piece]]
) -> dict[str, np.ndarray]:
    """A device function's arrays, one row each, of an utterance in pieces.

    Args:
        function: what to compute.
        pieces: gives the utterance's pieces, from the first on, each time it is called; its
            argument is the halo in samples.

    Raises:
        AudioError: of the pieces.
    """
    frontend = function.frontend
    # two frames at a piece's ends see beyond it, and a resampler is at work in them
    edge = frontend.n_fft // 2 // frontend.hop_length + 2
    halo = (function.reach + edge) * frontend.hop_length
    top_B = np.full(1, -np.inf, np.float32)
    for wave_BN, lengths_B, core_BT in map(partial(_row, frontend), pieces(halo)):
        top_B = np.maximum(top_B, _loudest(frontend, wave_BN, lengths_B, core_BT))
    parts, cores = [], []
    for wave_BN, lengths_B, core_BT in map(partial(_row, frontend), pieces(halo)):
        core_T = np.flatnonzero(core_BT[0])
        if len(core_T):
            cores.append(slice(int(core_T[0]), int(core_T[-1]) + 1))
            arrays = function.piece(wave_BN, lengths_B, Cut(top_B, core_BT))
            parts.append(jax.tree.map(np.asarray, arrays))
    return {name: row[None] for name, row in function.merge(parts, cores).items()}


def _row(frontend: fe.FrontEndConfig, piece: Piece):
    """A padded batch of one piece, its length, and its core's frames."""
    wave_BN = np.zeros((1, piece.length), np.float32)
    wave_BN[0, : len(piece.wave_N)] = piece.wave_N
    frame_T = np.arange(frontend.n_frames(piece.length))
    n_frames = frontend.n_frames(len(piece.wave_N))
    stop = n_frames if piece.stop is None else min(piece.stop, n_frames)
    core_BT = ((frame_T >= piece.first) & (frame_T < stop))[None]
    return wave_BN, np.array([len(piece.wave_N)], np.int32), core_BT


@partial(jax.jit, static_argnums=0)
def _loudest(frontend, wave_BN, lengths_B, core_BT):
    return fe.loudest(fe.mel_db(wave_BN, lengths_B, frontend)[0], core_BT)
