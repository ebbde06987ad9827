"""Long utterances in chunks that overlap by their context, so that they need not be decoded whole.

Shape suffixes: N samples, C channels.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from emoasr.audio import reading


class Chunk(NamedTuple):
    """A stretch of an utterance, with the context that its frames need at either side.

    Attributes:
        wave_N: mono float32 samples, context included, of which there is less at the utterance's
            ends.
        length: samples that the longest chunk of this utterance has, context included.
        first: the chunk's own first frame, counted from the beginning of `wave_N`.
        stop: the frame after its own last; None: its own go on to the utterance's end.
    """

    wave_N: np.ndarray
    length: int
    first: int
    stop: int | None


def of_file(
    segment: reading.Segment, size: int, context: int, hop: int, wanted: int, antialias: bool = True
) -> Iterator[Chunk]:
    """Cuts a segment of a file, decoding it as it goes.

    Args:
        segment: the file and the part of it.
        size: samples of a chunk without its context, about.
        context: samples at either side of a chunk, at least.
        hop: chunks begin at whole multiples of it, samples.
        wanted: sampling rate, Hz, of all these and of the result.
        antialias: see `reading.resample`.

    Raises:
        AudioError: as `reading.read` does.
    """
    with reading.opened(segment) as file:
        rate = file.samplerate
        # a chunk that begins at a whole sample of both rates is resampled as the whole would be
        step = math.lcm(hop, wanted // math.gcd(rate, wanted))
        size, context = max(size // step, 1) * step, -(-context // step) * step
        native = size * rate // wanted, context * rate // wanted
        for wave_NC, before, last in _windows(reading.blocks(file, segment), *native):
            wave_N = reading.resample(wave_NC, rate, wanted, antialias)
            first = before * wanted // rate // hop
            yield Chunk(wave_N, size + 2 * context, first, None if last else first + size // hop)


def of_array(wave_N: np.ndarray, size: int, context: int, hop: int) -> Iterator[Chunk]:
    """Cuts samples that are in memory; as `of_file` does."""
    size, context = max(size // hop, 1) * hop, -(-context // hop) * hop
    for window_N, before, last in _windows(iter([wave_N]), size, context):
        first = before // hop
        yield Chunk(window_N, size + 2 * context, first, None if last else first + size // hop)


def _windows(blocks: Iterator[np.ndarray], size: int, context: int):
    """Chunks of a stream in their context, the context before each, and whether it is the last."""
    held, begin, position, ended = next(blocks, None), 0, 0, False  # begin: of what is held
    if held is None:
        raise reading.AudioError("no samples")
    while True:
        while not ended and begin + len(held) <= position + size + context:
            block = next(blocks, None)
            ended = block is None
            held = held if block is None else np.concatenate([held, block])
        last = ended and begin + len(held) <= position + size
        yield held[: position + size + context - begin], position - begin, last
        if last:
            return
        position += size
        held, begin = held[max(position - context - begin, 0) :], max(position - context, begin)
