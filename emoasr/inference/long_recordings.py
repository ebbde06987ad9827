"""Utterances of any length in bounded memory: in chunks.

Where a recognizer processes recordings as a whole, the results are those of the whole; where it
processes a window at a time (`FrontEnd.window`), each chunk is a window, from the first sample on.

The network sees a bounded stretch of frames, so a chunk's own frames come out exactly as in the
whole utterance if it has enough context. Only the clipping below the utterance's maximum looks
further: a first pass over all chunks finds that maximum.

Shape suffixes: B utterances, N samples, T frames.
"""

from collections.abc import Callable, Iterator
from functools import partial

import jax
import numpy as np

from emoasr.asr import frontend as fe
from emoasr.audio.chunks import Chunk
from emoasr.inference.device_functions import ChunkInfo, DeviceFunction

_RESAMPLED = 2  # frames at a chunk's ends that its resampling may alter


def compute(
    function: DeviceFunction, chunks: Callable[[int], Iterator[Chunk]]
) -> dict[str, np.ndarray]:
    """A device function's arrays, one row each, of an utterance in chunks.

    Args:
        function: what to compute.
        chunks: gives the utterance's chunks, from the first on, each time it is called; its
            argument is the context in samples.

    Raises:
        AudioError: of the chunks.
    """
    frontend = function.frontend
    edge = frontend.edge + _RESAMPLED
    context = (function.receptive_field + edge) * frontend.hop_length
    row = partial(_row if frontend.window is None else _window, frontend)
    top_B = np.full(1, -np.inf, np.float32)
    if frontend.window is None:
        for wave_BN, lengths_B, own_BT in map(row, chunks(context)):
            top_B = np.maximum(top_B, _loudest(frontend, wave_BN, lengths_B, own_BT))
    parts, frames = [], []
    for wave_BN, lengths_B, own_BT in map(row, chunks(context)):
        own_T = np.flatnonzero(own_BT[0])
        if len(own_T):
            frames.append(slice(int(own_T[0]), int(own_T[-1]) + 1))
            arrays = function.chunk(wave_BN, lengths_B, ChunkInfo(top_B, own_BT))
            parts.append(jax.tree.map(np.asarray, arrays))
    return {name: row[None] for name, row in function.merge(parts, frames).items()}


def _row(frontend: fe.FrontEnd, chunk: Chunk):
    """A padded batch of one chunk, its length, and its own frames."""
    wave_BN = np.zeros((1, chunk.length), np.float32)
    wave_BN[0, : len(chunk.wave_N)] = chunk.wave_N
    frame_T = np.arange(frontend.n_padded(chunk.length))
    n_frames = frontend.n_frames(len(chunk.wave_N))
    stop = n_frames if chunk.stop is None else min(chunk.stop, n_frames)
    own_BT = ((frame_T >= chunk.first) & (frame_T < stop))[None]
    return wave_BN, np.array([len(chunk.wave_N)], np.int32), own_BT


def _window(frontend: fe.FrontEnd, chunk: Chunk):
    """As `_row`, of a chunk without its context: a window, which is processed by itself."""
    hop = frontend.hop_length
    stop = None if chunk.stop is None else chunk.stop * hop
    wave_N = chunk.wave_N[chunk.first * hop : stop]
    length = (frontend.window or 0) * hop
    return _row(frontend, Chunk(wave_N, length, first=0, stop=None))


@partial(jax.jit, static_argnums=0)
def _loudest(frontend, wave_BN, lengths_B, own_BT):
    return fe.loudest(fe.mel_db(wave_BN, lengths_B, frontend)[0], own_BT)
