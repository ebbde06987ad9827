"""Long utterances in overlapping pieces, so that they need not be decoded as a whole.

A piece is a chunk of the utterance and the context at both sides that results of the chunk need.

Shape suffixes: N samples, C channels.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from emoasr.audio import reading


class Piece(NamedTuple):
    """A chunk of an utterance with its context.

    Attributes:
        wave_N: mono float32 samples; fewer than `length` at the utterance's ends.
        length: samples of the longest piece of this utterance.
        first: the chunk's first frame, counted within the piece.
        stop: the frame after the chunk; None: the chunk reaches the utterance's end.
    """

    wave_N: np.ndarray
    length: int
    first: int
    stop: int | None


def of_file(
    segment: reading.Segment,
    chunk: int,
    context: int,
    hop: int,
    wanted: int,
    antialias: bool = True,
) -> Iterator[Piece]:
    """Cuts a segment of a file, decoding it as it goes.

    Args:
        segment: the file and the part of it.
        chunk: samples from the beginning of a chunk to that of the next, about.
        context: samples at each side of a chunk, at least.
        hop: chunks begin at whole multiples of it, samples.
        wanted: sampling rate, Hz, of all these and of the result.
        antialias: see `reading.resample`.

    Raises:
        AudioError: as `reading.read` does.
    """
    with reading.opened(segment) as file:
        rate = file.samplerate
        # a piece that begins at a whole sample of both rates is resampled as the whole would be
        step = math.lcm(hop, wanted // math.gcd(rate, wanted))
        chunk, context = max(chunk // step, 1) * step, -(-context // step) * step
        native = chunk * rate // wanted, context * rate // wanted
        for wave_NC, before, last in _windows(reading.blocks(file, segment), *native):
            wave_N = reading.resample(wave_NC, rate, wanted, antialias)
            first = before * wanted // rate // hop
            yield Piece(wave_N, chunk + 2 * context, first, None if last else first + chunk // hop)


def of_array(wave_N: np.ndarray, chunk: int, context: int, hop: int) -> Iterator[Piece]:
    """Cuts samples that are in memory; as `of_file` does."""
    chunk, context = max(chunk // hop, 1) * hop, -(-context // hop) * hop
    for window_N, before, last in _windows(iter([wave_N]), chunk, context):
        first = before // hop
        yield Piece(window_N, chunk + 2 * context, first, None if last else first + chunk // hop)


def _windows(blocks: Iterator[np.ndarray], chunk: int, context: int):
    """Windows of a stream, where the chunk begins in each, and whether it is the last."""
    held, begin, position, ended = next(blocks, None), 0, 0, False  # begin: position of `held`
    if held is None:
        raise reading.AudioError("no samples")
    while True:
        while not ended and begin + len(held) <= position + chunk + context:
            block = next(blocks, None)
            ended = block is None
            held = held if block is None else np.concatenate([held, block])
        last = ended and begin + len(held) <= position + chunk
        yield held[: position + chunk + context - begin], position - begin, last
        if last:
            return
        position += chunk
        held, begin = held[max(position - context - begin, 0) :], max(position - context, begin)
