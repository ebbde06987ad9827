"""Counting the frames of an MP3 file (ISO/IEC 11172-3 and 13818-3, section 2.4.1), undecoded."""

import mmap
import re

SLACK = 4 * 1152  # frames that encoders put around the sound, their header's own among them

_BITRATES = (  # kbit/s of layer III: MPEG 2 and 2.5, MPEG 1
    (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
)
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_BEGINNING = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][^\xff]")


def n_frames(data: mmap.mmap | bytes) -> int:
    """Samples a channel that all MP3 frames of a file hold, encoders' padding included."""
    total, place = 0, 0
    while match := _BEGINNING.search(data, place):
        size, samples = _frame(data[match.start() : match.start() + 3])
        after = match.start() + size
        if size and (after >= len(data) - 1 or _BEGINNING.match(data, after)):
            total, place = total + samples, after
        else:  # by chance, in a tag
            place = match.start() + 1
    return total


def _frame(header: bytes) -> tuple[int, int]:
    """Bytes and samples of the frame that has a header; 0 bytes: it is none."""
    version, bitrate, rate = header[1] >> 3 & 3, header[2] >> 4, header[2] >> 2 & 3
    if bitrate in (0, 15) or rate == 3:
        return 0, 0
    is_1 = version == 3
    bits = _BITRATES[is_1][bitrate] * 1000
    return (144 if is_1 else 72) * bits // _RATES[version][rate] + (header[2] >> 1 & 1), (
        1152 if is_1 else 576
    )
