"""Transcripts as text, JSON, CSV, SRT (subtitles) and TextGrid (Praat)."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence

from emoasr.asr.transcripts import Transcript, Word

_PAUSE = 0.6  # seconds; after a longer one a new subtitle begins
_LONGEST = 6.0  # seconds of a subtitle
_WIDEST = 42  # characters of its line


class Writer:
    """Writes transcripts, one after the other, in one format."""

    def __init__(self, kind: str):
        """Takes the format: txt, json, csv, srt or textgrid."""
        self._kind, self._begun = kind, False

    def __call__(self, file: str, heard: Transcript, duration: float) -> str:
        """What is written of a file; a heading comes with the first."""
        if self._kind == "srt":
            return srt(heard.words)
        if self._kind == "textgrid":
            return textgrid(heard.words, duration)
        if self._kind == "csv":
            heading, self._begun = not self._begun, True
            return _csv(file, heard.words, heading)
        return _json(file, heard) if self._kind == "json" else f"{file}\t{heard.text}\n"


def srt(words: Sequence[Word]) -> str:
    """Subtitles in SubRip's format, one line each.

    Example:
        >>> print(srt([Word("hello", 0.5, 1.0, 0.9), Word("you", 3.0, 3.25, 0.8)]), end="")
        1
        00:00:00,500 --> 00:00:01,000
        hello
        <BLANKLINE>
        2
        00:00:03,000 --> 00:00:03,250
        you
    """
    return "".join(
        f"{i}\n{_clock(cue[0].start)} --> {_clock(cue[-1].end)}\n{_line(cue)}\n\n"
        for i, cue in enumerate(_cues(words), 1)
    ).removesuffix("\n")


def textgrid(words: Sequence[Word], duration: float) -> str:
    """A TextGrid (Praat's manual, "TextGrid file formats") with one tier of intervals, `words`.

    Args:
        words: of the recording.
        duration: of the recording, seconds.
    """
    intervals, at = [], 0.0
    end = max([round(duration, 3), *(word.end for word in words)])
    for word in words:
        intervals += [(at, word.start, "")] if word.start > at else []
        intervals.append((word.start, word.end, word.word))
        at = word.end
    intervals += [(at, end, "")] if end > at or not intervals else []
    lines = [
        'File type = "ooTextFile"', 'Object class = "TextGrid"', "",
        "xmin = 0", f"xmax = {end:.3f}", "tiers? <exists>", "size = 1", "item []:",
        "    item [1]:", '        class = "IntervalTier"', '        name = "words"',
        "        xmin = 0", f"        xmax = {end:.3f}",
        f"        intervals: size = {len(intervals)}",
    ]  # fmt: skip
    for i, (start, stop, text) in enumerate(intervals, 1):
        said = text.replace('"', '""')  # as Praat writes it
        lines += [
            f"        intervals [{i}]:", f"            xmin = {start:.3f}",
            f"            xmax = {stop:.3f}", f'            text = "{said}"',
        ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _csv(file: str, words: Sequence[Word], heading: bool) -> str:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    if heading:
        rows.writerow(["file", "start", "end", "word", "confidence"])
    rows.writerows([file, w.start, w.end, w.word, w.confidence] for w in words)
    return text.getvalue()


def _json(file: str, heard: Transcript) -> str:
    sure = None if math.isnan(heard.confidence) else heard.confidence
    words = [word._asdict() for word in heard.words]
    row = {"file": file} | heard._asdict() | {"confidence": sure, "words": words}
    return json.dumps(row) + "\n"


def _cues(words: Sequence[Word]) -> Iterator[list[Word]]:
    """The words of each subtitle."""
    cue: list[Word] = []
    for word in words:
        full = cue and (
            word.start - cue[-1].end > _PAUSE
            or word.end - cue[0].start > _LONGEST
            or len(_line([*cue, word])) > _WIDEST
        )
        if full:
            yield cue
            cue = []
        cue.append(word)
    if cue:
        yield cue


def _line(cue: Sequence[Word]) -> str:
    return " ".join(word.word for word in cue)


def _clock(seconds: float) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d},{milliseconds:03d}"
