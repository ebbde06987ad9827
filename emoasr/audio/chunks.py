"""Long utterances in overlapping pieces, so that they need not be decoded whole.

Shape suffixes: N samples, C channels.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from emoasr.audio import reading


class Piece(NamedTuple):
    """A stretch of an utterance.

    Attributes:
        wave_N: mono float32 samples; fewer than `length` at the utterance's ends.
        length: samples that the longest piece of this utterance has.
        first: the core's first frame, counted within the piece.
        stop: the frame after the core; None: the core goes on to the utterance's end.
    """

    wave_N: np.ndarray
    length: int
    first: int
    stop: int | None


def of_file(
    segment: reading.Segment, core: int, halo: int, hop: int, wanted: int, antialias: bool = True
) -> Iterator[Piece]:
    """Cuts a segment of a file, decoding it as it goes.

    Args:
        segment: the file and the part of it.
        core: samples between the beginnings of two cores, about.
        halo: samples at either side of a core, at least.
        hop: cores begin at whole multiples of it, samples.
        wanted: sampling rate, Hz, of all these and of the result.
        antialias: see `audio.resample`.

    Raises:
        AudioError: as `audio.read` does.
    """
    with reading.opened(segment) as file:
        rate = file.samplerate
        # a piece that begins at a whole sample of both rates is resampled as the whole would be
        step = math.lcm(hop, wanted // math.gcd(rate, wanted))
        core, halo = max(core // step, 1) * step, -(-halo // step) * step
        native = core * rate // wanted, halo * rate // wanted
        for wave_NC, before, last in _windows(reading.blocks(file, segment), *native):
            wave_N = reading.resample(wave_NC, rate, wanted, antialias)
            first = before * wanted // rate // hop
            yield Piece(wave_N, core + 2 * halo, first, None if last else first + core // hop)


def of_array(wave_N: np.ndarray, core: int, halo: int, hop: int) -> Iterator[Piece]:
    """Cuts samples that are in memory; as `of_file` does."""
    core, halo = max(core // hop, 1) * hop, -(-halo // hop) * hop
    for window_N, before, last in _windows(iter([wave_N]), core, halo):
        first = before // hop
        yield Piece(window_N, core + 2 * halo, first, None if last else first + core // hop)


def _windows(blocks: Iterator[np.ndarray], core: int, halo: int):
    """Windows of a stream, how far their core is from their beginning, and whether it ends."""
    held, begin, position, ended = next(blocks, None), 0, 0, False  # begin: of what is held
    if held is None:
        raise reading.AudioError("no samples")
    while True:
        while not ended and begin + len(held) <= position + core + halo:
            block = next(blocks, None)
            ended = block is None
            held = held if block is None else np.concatenate([held, block])
        last = ended and begin + len(held) <= position + core
        yield held[: position + core + halo - begin], position - begin, last
        if last:
            return
        position += core
        held, begin = held[max(position - halo - begin, 0) :], max(position - halo, begin)
