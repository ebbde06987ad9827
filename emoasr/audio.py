"""Samples from files and arrays: mono, float32, at the wanted rate, checked."""

import contextlib
import dataclasses
import io
import math
import numbers
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

SAMPLE_RATE = 16000  # Hz, wanted unless another is given

_SLACK = 0.1  # seconds: rounded times in annotations, the last frame of a lossy file
_UNKNOWN_LENGTH = 2**40  # frames; libsndfile gives such counts where a header holds none
_BLOCK = 60 * SAMPLE_RATE  # frames decoded at once
_INEXACT_SEEK = ("OGG", "MP3")  # decoded from the beginning: seeking there shifts or alters samples


class AudioError(Exception):
    """Audio that cannot be used; the text is one line, with the path where there is one."""


@dataclasses.dataclass(frozen=True)
class Segment:
    """A file, or the part of it from `start` to `end` (seconds; None: the file's end)."""

    path: Path | zipfile.Path
    start: float = 0.0
    end: float | None = None


def read(segment: Segment, wanted: int = SAMPLE_RATE, antialias: bool = True) -> np.ndarray:
    """Reads a segment of any file that libsndfile reads, at any rate, with any channel count.

    Args:
        segment: the file and the part of it, which may end up to 0.1 s after the file does.
        wanted: sampling rate of the result, Hz.
        antialias: see `resample`.

    Returns:
        Mono samples, float32 `(N,)`; integer formats are scaled to -1..1.

    Raises:
        AudioError: the file is missing, not audio or cut short, the segment is empty or not in it,
            or samples are NaN or infinite.
    """
    with opened(segment) as file:
        return resample(_decode(file, segment), file.samplerate, wanted, antialias)


def read_native(segment: Segment) -> tuple[np.ndarray, int]:
    """Reads a segment as it is: float32 `(N, channels)`, and its rate in Hz; else as `read`."""
    with opened(segment) as file:
        return _decode(file, segment), file.samplerate


def duration(segment: Segment) -> float:
    """Length in seconds, from the file's header alone. Raises: AudioError, as `read` does."""
    with opened(segment) as file:
        first, stop = _span(file, segment)
        return (stop - first) / file.samplerate


def n_samples(segment: Segment, wanted: int = SAMPLE_RATE, antialias: bool = True) -> int:
    """Number of samples that `read` gives, from the file's header alone.

    Exact for whole files; an upper bound where a lossy file decodes to less than its header
    promises (`read` tolerates 0.1 s).

    Raises:
        AudioError: as `read` does, but for faults that only decoding shows.
    """
    with opened(segment) as file:
        first, stop = _span(file, segment)
        rate = file.samplerate
        if step := _decimation(rate, wanted, antialias):
            return -(-(stop - first) // step)
        return _checked_length((2 * (stop - first) * wanted + rate) // (2 * rate))


def resample(
    x: np.ndarray, rate: float, wanted: int = SAMPLE_RATE, antialias: bool = True
) -> np.ndarray:
    """Mixes down (mean of the channels) and resamples (soxr HQ).

    Args:
        x: floating-point samples, `(N,)` or `(N, channels)`.
        rate: sampling rate of `x` in Hz.
        wanted: sampling rate of the result in Hz.
        antialias: False: where `rate` is a whole multiple of `wanted`, its samples are picked
            without a filter, so that what lies above `wanted` / 2 folds back.

    Returns:
        float32 `(M,)`, M = N * wanted / rate rounded half up, or up where samples are picked.

    Raises:
        AudioError: wrong type or shape, no samples, a rate that is none, NaN or infinite samples.
    """
    x = np.asarray(x)
    if x.dtype.kind != "f":
        raise AudioError(f"samples are {x.dtype}; give floating point, full scale -1 to 1")
    if x.ndim not in (1, 2) or (x.ndim == 2 and x.shape[0] < x.shape[1]):
        raise AudioError(f"samples have shape {x.shape}; give (N,) or (N, channels)")
    if not isinstance(rate, numbers.Real) or not 0 < rate < math.inf:
        raise AudioError(f"sampling rate is {rate!r}; give a positive number of Hz")
    _checked_length(x.size)
    x = x.astype(np.float32, copy=False)
    if not np.isfinite(x).all():
        raise AudioError("samples are NaN or infinite")
    mono = x.mean(axis=1) if x.ndim == 2 and x.shape[1] > 1 else x.reshape(-1)
    if step := _decimation(rate, wanted, antialias):
        return mono[::step].copy()
    y = soxr.resample(mono, rate, wanted)
    _checked_length(len(y))
    return y


def is_silent(x: np.ndarray) -> bool:
    """Whether every sample is exactly zero: valid audio, but hardly what its user meant."""
    return not np.any(x)


@contextlib.contextmanager
def opened(segment: Segment) -> Iterator[soundfile.SoundFile]:
    """Opens the segment's file; whatever goes wrong inside becomes an AudioError with its path."""
    path = segment.path
    if path.is_dir():
        raise AudioError(f"{path}: is a folder, not an audio file")
    if not path.exists():
        raise AudioError(f"{path}: no such file")
    try:
        # A zip's member is read whole: libsndfile seeks, and seeking there decompresses anew.
        source = path if isinstance(path, Path) else io.BytesIO(path.read_bytes())
        with soundfile.SoundFile(source) as file:
            yield file
    except AudioError as error:
        raise AudioError(f"{path}: {error}") from None
    except (soundfile.SoundFileError, OSError, TypeError) as error:  # TypeError: header-less .raw
        reason = getattr(error, "error_string", str(error)).strip().rstrip(".")
        raise AudioError(f"{path}: not audio that libsndfile can decode ({reason})") from None


def _decode(file: soundfile.SoundFile, segment: Segment) -> np.ndarray:
    """The segment's frames `(N, channels)`, float32, at the file's own rate."""
    parts = list(blocks(file, segment)) or [np.zeros((0, 1), np.float32)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def blocks(file: soundfile.SoundFile, segment: Segment) -> Iterator[np.ndarray]:
    """Decodes a segment of its opened file, bit by bit.

    Yields:
        Blocks `(N, channels)`, float32, at the file's own rate, of at most a minute at 16 kHz.

    Raises:
        AudioError: as `read` does, when what was promised does not come.
    """
    first, stop = _span(file, segment)
    position = 0 if file.format in _INEXACT_SEEK else file.seek(first)
    while position < stop:
        block = file.read(min(_BLOCK, stop - position), dtype="float32", always_2d=True)
        if not len(block):
            break
        position += len(block)
        wanted = block[max(first - (position - len(block)), 0) :]
        if len(wanted):
            yield wanted
    if stop - position > _SLACK * file.samplerate:
        promised, found = ((n / file.samplerate) for n in (stop - first, max(position - first, 0)))
        raise AudioError(f"cut short: {found:.2f} s where its header promises {promised:.2f} s")


def _span(file: soundfile.SoundFile, segment: Segment) -> tuple[int, int]:
    """First frame of the segment, and the one after its last, at the file's own rate."""
    total, rate = file.frames, file.samplerate
    if total >= _UNKNOWN_LENGTH:
        raise AudioError("its header gives no length; re-encode it")
    _checked_length(total)
    end = total / rate if segment.end is None else segment.end
    what = f"segment from {segment.start:g} s to {end:g} s"
    if not 0 <= segment.start < math.inf or not end < math.inf:
        raise AudioError(f"{what}: not a stretch of time")
    if segment.start * rate >= total or end > total / rate + _SLACK:
        raise AudioError(f"{what}: outside of the file, which has {total / rate:g} s")
    first, stop = round(segment.start * rate), min(round(end * rate), total)
    if first >= stop:
        raise AudioError(f"{what}: empty")
    return first, stop


def _decimation(rate: float, wanted: int, antialias: bool) -> int:
    """How many samples there are for one that is picked; 0: they are resampled."""
    return 0 if antialias or rate % wanted else int(rate // wanted)


def _checked_length(n: int) -> int:
    if n < 1:
        raise AudioError("no samples")
    return n
