"""How many frames an audio file's header promises, where that is more or less than there are.

libsndfile opens WAV, RF64, W64, AIFF, AU, SVX and Ogg files that were cut short as if they were
complete; only its log shows the difference. (AVR, IRCAM, NIST, PAF and PVF files that were cut
short cannot be recognized; FLAC and MP3 files can, by decoding them.) Of files that hold more
than their header says it silently reads what is promised.
"""

import functools
import io
import mmap
import re
from pathlib import Path

import soundfile

from emoasr.audio import mp3, sources

# bytes of samples in WAV, AU, AIFF and SVX; of the whole file in W64
_SIZE = re.compile(r"^\s*(data|Data Size|SSND|BODY|riff) *: (\d+) \(should be (\d+)\)$", re.M)
_RF64_FRAMES = re.compile(r"does not match value from 'ds64' chunk of (\d+)")
_NO_END = re.compile(
    r"end-of-stream|Junk after the last page"  # Ogg
    r"|Seems to be a truncated file"  # VOC
    r"|Data length \d+ should be \d+",  # WVE
    re.IGNORECASE,
)
_STREAMED = 0x7FFF0000  # bytes; programs that write into a pipe claim this many or more

_FILE_BYTES = re.compile(r"^Length : (\d+)", re.M)
_AU_BYTES = re.compile(r"Data Offset : (\d+)\s+Data Size   : (\d+)")
_NO_CHUNK = re.compile(r"Exiting parser|Should be >= 0")  # WAV, RF64, AIFF, CAF: not a chunk's name
_REMEMBERED = 1024  # files
_HEADERS = 4096  # bytes that other chunks may take in a file whose parsing ends there
_LEFT = 0.1  # seconds of sound that may follow: padding
_WIDTHS = {  # bytes of a sample, of uncompressed subtypes
    "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8,
}  # fmt: skip
_BEGINNINGS = {"FLAC": b"fLaC\0\0\0\x22", "CAF": b"caff\0\1\0\0desc", "OGG": b"OggS\0\2"}
_OGG_PAGE = re.compile(rb"OggS\x00[\x00\x01\x04\x05]")  # no stream's first page; those come before


def promised_frames(file: soundfile.SoundFile) -> int | None:
    """Frames that an opened file's header promises; None: the file was cut at an unknown place."""
    log = file.extra_info
    if _NO_END.search(log):
        return None
    if match := _RF64_FRAMES.search(log):
        return max(file.frames, int(match[1]))
    if match := _SIZE.search(log):
        size, left = int(match[2]), int(match[3])
        if not 0 < left < size < _STREAMED or not file.frames:
            return file.frames
        whole_file = match[1] == "riff" and file.subtype in _WIDTHS  # header included
        frame = file.channels * _WIDTHS[file.subtype] if whole_file else left / file.frames
        return file.frames + round((size - left) / frame)
    return file.frames


def has_more(file: soundfile.SoundFile, path: sources.Place) -> bool:
    """Whether sound follows what a file's header promises, as far as that can be seen.

    It is seen in WAV, RF64, AIFF, AU and CAF files that were never finished, or were written on; in
    MP3 files whose header counts too few frames; and in MP3, FLAC, CAF and Ogg files that were put
    end to end. The last two are not looked for in a store, from where the whole file would have to
    be fetched. W64, NIST, VOC and other files without a length that were put end to end are read to
    the end by libsndfile, which takes the headers between for sound.
    """
    log = file.extra_info
    length = int(match[1]) if (match := _FILE_BYTES.search(log)) else 0
    second = file.samplerate * file.channels * _WIDTHS.get(file.subtype, 1)
    if match := _AU_BYTES.search(log):
        return length - int(match[1]) - int(match[2]) > _LEFT * second
    if _NO_CHUNK.search(log):
        samples = file.frames * second // file.samplerate
        return length - samples - _HEADERS > _LEFT * second
    if file.format not in _BEGINNINGS and file.format != "MP3":
        return False
    most = file.frames + mp3.SLACK + round(_LEFT * file.samplerate)
    if isinstance(path, Path):
        return _is_followed_on_disk(sources.state(path), file.format, most)
    source = file.name  # what was opened: of a zip's member, its content
    return isinstance(source, io.BytesIO) and _is_followed(source.getvalue(), file.format, most)


@functools.lru_cache(_REMEMBERED)
def _is_followed_on_disk(state: tuple[Path, int, int, int], kind: str, most: int) -> bool:
    with (
        state[0].open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        return _is_followed(data, kind, most)


def _is_followed(data: mmap.mmap | bytes, kind: str, most: int) -> bool:
    """Whether another file begins in a file; MP3: whether it has more than `most` frames."""
    if kind == "MP3":
        return mp3.n_frames(data) > most
    beginning = _BEGINNINGS[kind]
    page = _OGG_PAGE.search(data) if kind == "OGG" else None
    own = page.end() if page else data.find(beginning) + 1  # before it a tag may stand, such as ID3
    return data.find(beginning, own) > 0
