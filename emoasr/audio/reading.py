"""Samples from files and arrays: mono, float32, resampled, checked."""

import contextlib
import dataclasses
import math
import numbers
from collections.abc import Iterator
from typing import Any, NoReturn

import numpy as np
import soundfile
import soxr

from emoasr.audio import decoder, headers, sources
from emoasr.errors import AudioError
from emoasr.files import storage

SAMPLE_RATE = 16000  # Hz, of results unless another is given
LOUDEST = 100.0  # where full scale is 1; larger values are integers that were never scaled
RATES = (1000, 1_000_000)  # Hz; a damaged header's 1 Hz would make gigabytes of a small file

_SLACK = 0.1  # seconds: rounded times in annotations, the last frame of a lossy file
_UNKNOWN_LENGTH = 2**40  # frames; libsndfile gives such counts where a header holds none
_AHEAD = 1 << 16  # bytes fetched from a store for a second of a segment


@dataclasses.dataclass(frozen=True)
class Segment:
    """A file, or the part of it from `start` to `end` (seconds; None: the file's end)."""

    path: sources.Place
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
            or samples are NaN, infinite or no audio levels.
    """
    with opened(segment) as file:
        # mixed down here: `resample` takes a few frames of many channels for a transposed array
        mono = _mixed(_decode(file, segment))
        return resample(mono, file.samplerate, wanted, antialias)


def read_native(segment: Segment) -> tuple[np.ndarray, int]:
    """Reads a segment without mixing or resampling.

    Returns:
        Samples, float32 `(N, channels)`, and their rate in Hz.

    Raises:
        AudioError: as `read` does.
    """
    with opened(segment) as file:
        return _decode(file, segment), file.samplerate


def duration(segment: Segment) -> float:
    """Length in seconds, from the file's header alone. Raises: AudioError, as `read` does."""
    with opened(segment, header_only=True) as file:
        first, stop = span(file, segment)
        return (stop - first) / file.samplerate


def n_samples(segment: Segment, wanted: int = SAMPLE_RATE, antialias: bool = True) -> int:
    """Number of samples that `read` gives, from the file's header alone.

    Exact for whole files; an upper bound where a lossy file decodes to less than its header
    promises (`read` tolerates 0.1 s).

    Raises:
        AudioError: as `read` does, but for faults that only decoding shows.
    """
    with opened(segment, header_only=True) as file:
        first, stop = span(file, segment)
        rate = file.samplerate
        if step := _decimation(rate, wanted, antialias):
            return -(-(stop - first) // step)
        return _checked_length(int((stop - first) / (rate / wanted) + 0.5))  # as soxr rounds


def resample(
    x: np.ndarray, rate: float, wanted: int = SAMPLE_RATE, antialias: bool = True
) -> np.ndarray:
    """Mixes down (mean of the channels) and resamples (soxr HQ).

    Args:
        x: floating-point samples, `(N,)` or `(N, channels)`.
        rate: sampling rate of `x` in Hz.
        wanted: sampling rate of the result in Hz.
        antialias: False: where `rate` is a whole multiple of `wanted`, samples are picked without
            a filter, so that frequencies above `wanted` / 2 alias.

    Returns:
        float32 `(M,)`, M = N * wanted / rate rounded, or up where samples are picked.

    Raises:
        AudioError: wrong type or shape, no samples, a rate outside `RATES`, samples that are NaN,
            infinite or beyond `LOUDEST`.
    """
    x = np.asarray(x)
    if x.dtype.kind != "f":
        how = f" (x / {-int(np.iinfo(x.dtype).min)})" if x.dtype.kind == "i" else ""
        raise AudioError(f"samples are {x.dtype}; give floating point, full scale -1 to 1{how}")
    if x.ndim not in (1, 2) or (x.ndim == 2 and x.shape[0] < x.shape[1]):
        raise AudioError(f"samples have shape {x.shape}; give (N,) or (N, channels)")
    check_rate(rate)
    _checked_length(x.size)
    mono = _mixed(x.astype(np.float32, copy=False))
    peak = np.maximum(mono.max(), -mono.min())  # NaN if any is
    if not np.isfinite(peak):
        raise AudioError("samples are NaN or infinite")
    if peak > LOUDEST:
        raise AudioError(f"samples reach {peak:g} where full scale is 1; scale them")
    if step := _decimation(rate, wanted, antialias):
        return mono[::step].copy()
    if rate == wanted:
        return mono.copy()  # bit for bit what soxr gives
    y = soxr.resample(mono, rate, wanted)
    _checked_length(len(y))
    return y


def check_rate(rate: Any) -> None:
    """Raises an AudioError unless the rate is a number of Hz within `RATES`."""
    if not isinstance(rate, numbers.Real) or not RATES[0] <= float(rate) <= RATES[1]:
        raise AudioError(f"sampling rate is {rate!r}; must be {RATES[0]} to {RATES[1]} Hz")


def is_silent(x: np.ndarray) -> bool:
    """Whether every sample is exactly zero: valid audio, but probably not what the user meant."""
    return not np.any(x)


@contextlib.contextmanager
def opened(segment: Segment, header_only: bool = False) -> Iterator[decoder.Decoder]:
    """Opens the segment's file; any error inside the block becomes an AudioError with its path.

    Args:
        segment: the part that will be read.
        header_only: no samples will be read, so that little of a file in a store is fetched.
    """
    ahead = storage.LEAST_AHEAD if header_only else _ahead(segment)
    try:
        with sources.opened(segment.path, ahead) as source, decoder.Decoder(source) as file:
            yield file
    except AudioError as error:
        raise AudioError(f"{segment.path}: {error}") from None
    except (soundfile.SoundFileError, OSError, TypeError) as error:  # TypeError: .raw, by name
        why = str(getattr(error, "error_string", error)).strip().rstrip(".")
        raise AudioError(f"{segment.path}: not audio that libsndfile can decode ({why})") from None


def _ahead(segment: Segment) -> int:
    """Bytes to fetch from a store in one request."""
    seconds = math.inf if segment.end is None else segment.end - segment.start
    return int(min(storage.MOST_AHEAD, max(storage.LEAST_AHEAD, seconds * _AHEAD)))


def _decode(file: decoder.Decoder, segment: Segment) -> np.ndarray:
    """The segment's frames `(N, channels)`, float32, at the file's own rate."""
    parts = list(blocks(file, segment)) or [np.zeros((0, 1), np.float32)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def blocks(file: decoder.Decoder, segment: Segment) -> Iterator[np.ndarray]:
    """Decodes a segment of its opened file, block by block.

    Yields:
        Blocks `(N, channels)`, float32, at the file's own rate, of at most `decoder.BLOCK` frames.

    Raises:
        AudioError: as `read` does, where the file is cut short, or longer than it says.
    """
    if headers.has_more(file, segment.path):
        promised = file.frames / file.samplerate
        raise AudioError(
            f"more sound follows than the {promised:.2f} s that its header promises: it was never "
            "finished, or files were put end to end; re-encode it"
        )
    first, stop = span(file, segment)
    position, whole = first, segment.start == 0 and segment.end is None
    for block in decoder.frames(file, segment.path, first, stop, whole):
        position += len(block)
        yield block
    if stop - position > _SLACK * file.samplerate:
        _cut_short(file, first, stop, position)


def span(file: decoder.Decoder, segment: Segment) -> tuple[int, int]:
    """First frame of the segment, and the one after its last, at the file's own rate."""
    rate = file.samplerate
    check_rate(rate)
    if file.frames >= _UNKNOWN_LENGTH:
        raise AudioError("its header gives no length; re-encode it")
    _checked_length(file.frames)
    total = headers.promised_frames(file)
    if total is None:
        raise AudioError("cut short: its data end too early; copy it again, or re-encode it")
    end = total / rate if segment.end is None else segment.end
    what = f"segment from {segment.start:g} s to {end:g} s"
    if not 0 <= segment.start < math.inf or not end < math.inf:
        raise AudioError(f"{what}: not a valid time range")
    if segment.start * rate >= total or end > total / rate + _SLACK:
        raise AudioError(f"{what}: outside of the file, which is {total / rate:g} s long")
    first, stop = round(segment.start * rate), min(round(end * rate), total)
    if first >= stop:
        raise AudioError(f"{what}: empty")
    there = min(stop, file.frames)
    if there <= first or stop - there > _SLACK * rate:
        _cut_short(file, first, stop, there)
    return first, there


def _cut_short(file: decoder.Decoder, first: int, stop: int, found: int) -> NoReturn:
    """Raises an AudioError for a segment's frames that are not there."""
    promised, there = ((n - first) / file.samplerate for n in (stop, max(found, first)))
    raise AudioError(f"cut short: {there:.2f} s, but its header promises {promised:.2f} s")


def _decimation(rate: float, wanted: int, antialias: bool) -> int:
    """Picks one of this many samples; 0: resample."""
    return 0 if antialias or rate % wanted else int(rate // wanted)


def _mixed(x: np.ndarray) -> np.ndarray:
    """The mean of the channels of `(N,)` or `(N, channels)`."""
    return x.mean(axis=1) if x.ndim == 2 and x.shape[1] > 1 else x.reshape(-1)


def _checked_length(n: int) -> int:
    if n < 1:
        raise AudioError("no samples")
    return n
