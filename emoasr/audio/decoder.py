"""Decodes a file from any place on; one that cannot seek exactly, from its beginning only once.

After a seek MP3 and Opus give other samples than decoding from the beginning does, and some codecs
cannot seek at all. Their frames are decoded in order; those of a file of which only segments are
wanted are kept on disk, in a temporary file that vanishes with the process, so that many segments
take no longer than one pass over the file. Vorbis is sought in, but not close to its end.
"""

import collections
import functools
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from emoasr.audio import sources
from emoasr.errors import UserError

BLOCK = 960_000  # frames decoded at a time: a minute at 16 kHz

# frames: Vorbis's last page counts fewer frames than its packets have (at most 255 packets of 4096
# frames); after a seek into it, libsndfile gives frames that are up to 25 ms later
_LAST_PAGE = 255 * 4096
_MOST_FILES = 8  # kept at a time
_MOST_BYTES = 1 << 30  # that they take


class Decoder(soundfile.SoundFile):
    """An opened file, which is sought in only where that changes no sample."""

    def seekable(self) -> bool:
        """Whether frames after a seek are those of decoding from the beginning."""
        return self._seekable

    @functools.cached_property  # soundfile asks several times a block
    def _seekable(self) -> bool:
        inexact = self.format == "MP3" or self.subtype == "OPUS"  # by up to .19 and .002 of 1
        fails = self.subtype.startswith("DWVW")  # although libsndfile says that it can
        return not inexact and not fails and super().seekable()

    def block(self, n: int) -> np.ndarray:
        """The next frames, at most `n` and `BLOCK`, float32 `(N, channels)`; none at the end."""
        return self.read(min(n, BLOCK), dtype="float32", always_2d=True)


def frames(
    file: Decoder, path: sources.Place, first: int, stop: int, whole: bool
) -> Iterator[np.ndarray]:
    """Decodes frames `first` to `stop`, or to the file's end if that comes before.

    Args:
        file: just opened.
        path: of the file.
        first: the first frame wanted.
        stop: the one after the last.
        whole: whether no other frames of this file will be wanted.

    Yields:
        Blocks `(N, channels)`, float32, none of them empty.
    """
    if not file.seekable() and not whole and (kept := _kept(file, path)):
        yield from kept.frames(first, stop)
        return
    position = _sought(file, first)
    while position < stop and len(block := file.block(stop - position)):
        position += len(block)
        own = block[max(first - (position - len(block)), 0) :]
        if len(own):
            yield own


def _sought(file: Decoder, first: int) -> int:
    """Goes to a frame, or to one before it from where decoding is exact; gives its number."""
    if file.subtype == "VORBIS":
        first = min(first, file.frames - _LAST_PAGE)
    return file.seek(first) if first > 0 and file.seekable() else 0  # just opened: at 0


class _Kept:
    """The decoded frames of a file, from its beginning as far as any of its segments needed."""

    def __init__(self, path: Path):
        self._file = Decoder(sources.at_hand(path))
        self._store = tempfile.TemporaryFile()  # noqa: SIM115 (it is closed with its last reader)
        self._n_frames = 0
        self._fault: soundfile.SoundFileError | None = None
        self._lock = threading.Lock()
        self.n_bytes = _size(self._file)

    def frames(self, first: int, stop: int) -> Iterator[np.ndarray]:
        for begin in range(first, stop, BLOCK):
            with self._lock:
                self._decode(min(begin + BLOCK, stop))
                block = self._read(begin, min(begin + BLOCK, stop, self._n_frames))
            if not len(block):
                return
            yield block

    def _decode(self, stop: int) -> None:
        """Goes on decoding, from where it was left."""
        while self._n_frames < stop and not self._fault:
            try:
                block = self._file.block(stop - self._n_frames)
            except soundfile.SoundFileError as error:  # what follows a fault would be out of place
                self._fault = error
                break
            if not len(block):
                return
            self._write(block)
        if self._n_frames < stop and self._fault:
            raise self._fault

    def _write(self, block: np.ndarray) -> None:
        try:
            self._store.seek(self._n_frames * block.shape[1] * block.itemsize)
            self._store.write(block.tobytes())
        except OSError as error:
            raise UserError(
                f"{tempfile.gettempdir()}: cannot keep decoded audio ({error.strerror}); free "
                "space there, or set TMPDIR to a folder with more"
            ) from None
        self._n_frames += len(block)

    def _read(self, first: int, stop: int) -> np.ndarray:
        width = self._file.channels * np.dtype(np.float32).itemsize
        self._store.seek(first * width)
        data = self._store.read(max(stop - first, 0) * width)
        return np.frombuffer(data, np.float32).reshape(-1, self._file.channels)


_files: collections.OrderedDict[tuple, _Kept] = collections.OrderedDict()  # least lately used first
_files_lock = threading.Lock()


def _kept(file: Decoder, path: sources.Place) -> _Kept | None:
    """What is kept of a file; None: it is not on disk, or there is no room for its frames."""
    if not isinstance(path, Path) or _size(file) > _MOST_BYTES:
        return None
    key = sources.state(path)
    with _files_lock:
        if key not in _files:
            if shutil.disk_usage(tempfile.gettempdir()).free < 2 * _size(file):
                return None
            _files[key] = _Kept(path)
        _files.move_to_end(key)
        while len(_files) > _MOST_FILES or sum(k.n_bytes for k in _files.values()) > _MOST_BYTES:
            _files.popitem(last=False)
        return _files[key]


def _size(file: Decoder) -> int:
    """Bytes of all frames that a file's header promises."""
    return file.frames * file.channels * np.dtype(np.float32).itemsize
