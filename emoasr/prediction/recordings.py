"""What the page that plays recordings shows of them: sound, waveform, courses, words, units.

Shape suffixes: N samples, T frames, K outputs, D features.
"""

import base64
import itertools
import math
import os
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emoasr.asr.frontend import FrontEnd
from emoasr.asr.transcripts import Transcript, doubt
from emoasr.audio import encoding
from emoasr.audio.chunks import Chunk
from emoasr.errors import AudioError, UserError, one_line
from emoasr.files import storage
from emoasr.inference import frames
from emoasr.inference.planning import Source
from emoasr.prediction.model import Model
from emoasr.prediction.saved import SavedPredictor
from emoasr.system.output import counted

MOST, MOST_DRAWN = 500, 20  # recordings of a page, of a picture
WITHIN = 120.0  # seconds of sound that lie within the page; a longer recording stays a file
WITHIN_ALL = 1800.0  # seconds, of all recordings together

_POINTS = 4096  # of a course, columns of a waveform: more than a screen has
_UNITS = 8  # listed
_LOUDEST = 127  # of a drawn waveform
_CHUNK = 1 << 20  # samples in memory


def check_number(n: int, what: str, most: int) -> None:
    """Raises a UserError where a page or picture would hold too many recordings."""
    if n > most:
        raise UserError(f"{n} recordings: a {what} holds {most} at most; give fewer")


def hears(frontend: FrontEnd, receptive_field: int, weighted: bool) -> str:
    """What a point of a course is, for a reader."""
    seconds = frontend.hop_length / frontend.sample_rate
    if receptive_field:
        span = receptive_field * seconds
        heard = f"{receptive_field} frames ({span:.1f} s) to either side of it, nearer ones more"
    else:
        heard = f"all of the {(frontend.window or 0) * seconds:.0f} s around it"
    return (
        f"A point of a track is what a frame of {1000 * seconds:.0f} ms contributes to the "
        f"prediction. It is no rating of that moment: the network has heard {heard}."
        + " Frames are weighted: one of weight zero is at the prediction for the mean "
        "training utterance." * weighted
    )


def waveform(chunks: Iterable[Chunk], hop: int, n_samples: int) -> tuple[list[list[int]], int]:
    """Least and greatest sample of each column of a drawing, and the number of samples.

    Args:
        chunks: without context, one in memory at a time.
        hop: samples of a chunk's frame.
        n_samples: that there will be, at most.
    """
    width = max(math.ceil(n_samples / _POINTS), 1)
    found: list[np.ndarray] = []
    rest_N, n = np.empty(0, np.float32), 0
    for chunk in chunks:
        own_N = chunk.wave_N[chunk.first * hop : None if chunk.stop is None else chunk.stop * hop]
        n += len(own_N)
        wave_N = np.concatenate([rest_N, own_N])
        full_NW = wave_N[: len(wave_N) // width * width].reshape(-1, width)
        found.append(np.stack([full_NW.min(axis=1), full_NW.max(axis=1)]))
        rest_N = wave_N[full_NW.size :]
    if len(rest_N):
        found.append(np.array([[rest_N.min()], [rest_N.max()]]))
    both = np.concatenate(found, axis=1)
    loudest = np.abs(both).max() or 1.0
    return np.rint(both / loudest * _LOUDEST).astype(int).tolist(), n


def course(values_TK: np.ndarray, frontend: FrontEnd) -> dict[str, Any]:
    """A track for drawing; a long one is thinned to means of several frames.

    Args:
        values_TK: contributions.
        frontend: of the recognizer.
    """
    times_T = frames.times(frontend, len(values_TK) + 1)
    seconds = times_T[-1] / len(values_TK)
    width = math.ceil(len(values_TK) / _POINTS)
    starts = np.arange(0, len(values_TK), width)
    counts = np.diff([*starts, len(values_TK)])[:, None]
    means_TK = np.add.reduceat(values_TK.astype(np.float64), starts) / counts
    thinned = f"A point is the mean of {width} frames: more cannot be seen." if width > 1 else ""
    return {
        "first": (width - 1) / 2 * seconds,
        "step": width * seconds,
        "courses": means_TK.T.round(4).tolist(),
        "levels": values_TK.mean(axis=0, dtype=np.float64).round(4).tolist(),
        "thinned": thinned,
    }


def smoothed(values_TK: np.ndarray, width: float) -> np.ndarray:
    """A track's moving mean over about `width` frames, fewer at its ends."""
    half = int(width / 2)
    sums_TK = np.concatenate([np.zeros((1, values_TK.shape[1])), np.cumsum(values_TK, 0, float)])
    at_T = np.arange(len(values_TK))
    first_T, stop_T = np.maximum(at_T - half, 0), np.minimum(at_T + half + 1, len(values_TK))
    return (sums_TK[stop_T] - sums_TK[first_T]) / (stop_T - first_T)[:, None]


def units(model: Model, x_D: np.ndarray, names: Sequence[str]) -> list[list[tuple[str, float]]]:
    """For each output the features that contribute most, compared with the fitted mean."""
    found = []
    for output in model.outputs:
        added_D = output.weights_D * (x_D - model.fitted.mean_D)
        most = np.argsort(-np.abs(added_D), kind="stable")[:_UNITS]
        found.append([(names[d], round(float(added_D[d]), 4)) for d in most if added_D[d]])
    return found


def lanes(model: Model, row: Mapping[str, Any], levels: Sequence[float]) -> list[dict[str, Any]]:
    """For each output where its lines are drawn: the mean of its course, and its interval.

    Args:
        model: that predicted.
        row: as of `Model.predict`.
        levels: means of the courses.
    """
    found = []
    for output, level in zip(model.outputs, levels, strict=True):
        ends = [float(row.get(f"{output.name}_{end}", math.nan)) for end in ("low", "high")]
        found.append({"level": level, "band": ends if np.isfinite(ends).all() else None})
    return found


class Sounds:
    """Waveforms of recordings and their sound, which lies within the page as far as it is short."""

    def __init__(self, source: Source, frontend: FrontEnd, page: Path):
        """Takes where samples come from, their rate and hop, and where the page will be."""
        self._source, self._page, self._room = source, page, WITHIN_ALL
        self._rate, self._hop = frontend.sample_rate, frontend.hop_length

    def __call__(self, i: int, file: str | None, start: float) -> dict[str, Any]:
        """Length, waveform and sound of one recording.

        Args:
            i: its number in the source.
            file: its path or URL; None: it is an array.
            start: second of the file at which it begins.

        Raises:
            UserError: it cannot be read any more.
        """
        source = self._source
        try:
            chunks = source.chunks(i, _CHUNK, 0, self._hop)
            peaks, n_samples = waveform(chunks, self._hop, source.n_samples(i))
            seconds = n_samples / self._rate
            if seconds <= min(WITHIN, self._room):
                self._room -= seconds
                sound = _within(source.samples(i), self._rate)
            else:
                sound = _beside(storage.path(file), self._page, start) if file else _none()
        except AudioError as error:
            raise UserError(str(error)) from None
        return {"start": start, "seconds": seconds, "peaks": peaks, "sound": sound}


def said(heard: Transcript | None, start: float) -> dict[str, Any]:
    """Words with their times in the file.

    Args:
        heard: None: the recognizer gives no transcripts.
        start: second of the file at which the recording begins.
    """
    if heard is None:
        return {"words": None, "doubt": ""}
    words = [
        (word.word, round(start + word.start, 3), round(start + word.end, 3), word.confidence)
        for word in heard.words
    ]
    return {"words": words, "doubt": doubt(heard.confidence) or ""}


def content(
    predictor: SavedPredictor,
    hears: str,
    warnings: Sequence[str],
    shown: Sequence[dict[str, Any]],
    version: str,
) -> dict[str, Any]:
    """All that a page says.

    Args:
        predictor: of the recordings.
        hears: what a point of a course is.
        warnings: what a reader must know, one line each.
        shown: of each recording what these functions give, and its `name`.
        version: of emoasr.
    """
    record = predictor.record
    return {
        "targets": record.targets,
        "lanes": [output.name for output in predictor.model.outputs],
        "scores": any(record.classes),
        "predictor": f"a predictor fitted on {record.said('corpus') or 'an unknown corpus'}, "
        f"{counted(len(record.speakers), 'speaker')} (digest {predictor.digest})",
        "limits": record.said("limits"),
        "version": version,
        "hears": hears,
        "warnings": warnings,
        "n_units": predictor.model.n_features,
        "recordings": shown,
    }


def without_folder(names: Sequence[str]) -> list[str]:
    """Names without the folder that all recordings are in, if that is not a whole disk or store.

    Example:
        >>> without_folder(["/a/b/c/x.wav", "/a/b/y.wav"])
        ['c/x.wav', 'y.wav']
        >>> without_folder(["/a/x.wav", "/b/y.wav"])
        ['/a/x.wav', '/b/y.wav']
    """
    parts = zip(*(name.split("/")[:-1] for name in names), strict=False)
    same = [one[0] for one in itertools.takewhile(lambda p: len(set(p)) == 1, parts)]
    folder = "".join(f"{part}/" for part in same)
    is_top = not folder.rstrip("/") or folder.endswith("://")
    return list(names) if is_top else [name.removeprefix(folder) for name in names]


def _within(wave_N: np.ndarray, rate: int) -> dict[str, Any]:
    data = base64.b64encode(encoding.flac(wave_N, rate)).decode()
    note = "The sound lies within this page: mono, as the recognizer hears it."
    return {"kind": "within", "data": data, "from": 0, "note": note}


def _beside(file: storage.Place, page: Path, start: float) -> dict[str, Any]:
    if not isinstance(file, Path):
        return _none()
    relative = os.path.relpath(file.resolve(), page.resolve().parent)
    note = (
        f"Played from the file {one_line(relative)}, as seen from this page; move them together. "
        f"Sound of up to {WITHIN:g} s, {WITHIN_ALL:g} s in all, lies within a page."
    )
    url = "./" + urllib.parse.quote(os.fsencode(relative))
    return {"kind": "beside", "url": url, "from": start, "note": note}


def _none() -> dict[str, Any]:
    note = f"Without sound: longer than {WITHIN:g} s, and no file on the disk of this page."
    return {"kind": "none", "note": note, "from": 0}
