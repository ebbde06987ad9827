"""How many frames an audio file's header promises; libsndfile counts only those that are left.

libsndfile opens WAV, RF64, W64, AIFF, AU, SVX and Ogg files that were cut short as if they were
complete; only its log shows the difference. (AVR, IRCAM, NIST, PAF and PVF files that were cut
short cannot be recognized; FLAC and MP3 files can, by decoding them.)
"""

import re

import soundfile

# bytes of samples in WAV, AU, AIFF and SVX; of the whole file in W64
_SIZE = re.compile(r"^\s*(?:data|Data Size|SSND|BODY|riff) *: (\d+) \(should be (\d+)\)$", re.M)
_RF64_FRAMES = re.compile(r"does not match value from 'ds64' chunk of (\d+)")
_NO_END = re.compile(
    r"end-of-stream|Junk after the last page"  # Ogg
    r"|Seems to be a truncated file"  # VOC
    r"|Data length \d+ should be \d+",  # WVE
    re.IGNORECASE,
)
_STREAMED = 0x7FFF0000  # bytes; programs that write into a pipe claim this many or more


def promised_frames(file: soundfile.SoundFile) -> int | None:
    """Frames that an opened file's header promises; None: the file was cut at an unknown place."""
    log = file.extra_info
    if _NO_END.search(log):
        return None
    if match := _RF64_FRAMES.search(log):
        return max(file.frames, int(match[1]))
    if match := _SIZE.search(log):
        size, left = int(match[1]), int(match[2])
        return round(file.frames * size / left) if 0 < left < size < _STREAMED else file.frames
    return file.frames
