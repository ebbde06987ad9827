"""Transcripts: words, when each is heard, and how sure the recognizer is of them.

Shape suffixes: T frames, V classes.
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from emoasr.asr import decoding
from emoasr.asr.text import SYMBOLS

# Below this confidence the shipped recognizer heard a quarter of EmoTale's Danish utterances, and 1
# to 2 % of English ones (docs/guides/recognizers.md).
DOUBT = 0.57

# Means of 20 utterances of EmoTale's Danish lie below this, those of English speech above .7 (the
# middle 96 % of 200 draws).
_MEAN_DOUBT, _MANY = 0.64, 20


class Word(NamedTuple):
    """A word of a transcript.

    Attributes:
        word: its letters.
        start: second at which its first letter begins.
        end: second at which its last letter ends.
        confidence: from 0 to 1, the geometric mean of its letters' probabilities, without the
            language model: a letter's is its highest on its frames. It orders words by how likely
            they are right; it is not the share that is right.
    """

    word: str
    start: float
    end: float
    confidence: float


class Transcript(NamedTuple):
    """What was heard of an utterance.

    Attributes:
        text: the recognizer's symbols; of ours a..z and single spaces.
        times: for each of its characters the second at which it begins.
        confidence: as a word's, of all characters of the greedy transcript, which depends on the
            sound alone; NaN: there are none.
        words: of the text.
    """

    text: str
    times: list[float]
    confidence: float
    words: list[Word]


def of(
    text: str,
    frames: list[int],
    scores_TV: np.ndarray,
    times_T: np.ndarray,
    symbols: Sequence[str] = SYMBOLS,
) -> Transcript:
    """A decoded text with its words.

    Args:
        text: the transcript.
        frames: for each of its characters the frame at which it begins.
        scores_TV: class probabilities of each frame.
        times_T: the second of each frame, and of the one after the last.
        symbols: as of `decoding.greedy`.

    Example:
        >>> scores_TV = np.eye(28)[[1, 1, 2, 27, 0, 1, 27]]
        >>> of("ab a", [0, 2, 4, 5], scores_TV, 0.5 * np.arange(8)).words[0]
        Word(word='ab', start=0.0, end=1.5, confidence=1.0)
    """
    seconds_T = [round(float(second), 3) for second in times_T]
    ends, logs = _spelt(text, frames, scores_TV, symbols)
    words, begin = [], 0
    for word in text.split(" "):
        stop = begin + len(word)
        if word:
            start, end = seconds_T[frames[begin]], seconds_T[ends[stop - 1]]
            words.append(Word(word, start, end, _mean(logs[begin:stop])))
        begin = stop + 1
    greedy = decoding.greedy(scores_TV.argmax(axis=1), symbols)
    _, by_ear = _spelt(*greedy, scores_TV, symbols)
    return Transcript(text, [seconds_T[t] for t in frames], _mean(by_ear), words)


def doubt(confidence: float) -> str | None:
    """Why a transcript is to be doubted, by its confidence; None: it is not."""
    if not confidence < DOUBT:
        return None
    return (
        f"confidence {confidence:.2f}, below {DOUBT:g}: this sounds unlike the recognizer's "
        "training speech (another language, music, noise?), so the transcript is probably wrong"
    )


def doubt_of_all(confidences: Iterable[float]) -> str | None:
    """Why many transcripts are to be doubted, by their mean confidence; None: they are not."""
    known = [c for c in confidences if not math.isnan(c)]
    mean = math.fsum(known) / max(len(known), 1)
    if len(known) < _MANY or mean >= _MEAN_DOUBT:
        return None
    return (
        f"mean confidence of {len(known)} transcripts {mean:.2f}, below {_MEAN_DOUBT:g}: together "
        "they sound unlike the recognizer's training speech (another language, music, noise?)"
    )


def _mean(logs: list[float]) -> float:
    return round(math.exp(sum(logs) / len(logs)), 3) if logs else math.nan


def _spelt(
    text: str, frames: list[int], scores_TV: np.ndarray, symbols: Sequence[str]
) -> tuple[list[int], list[float]]:
    """For each character the frame after its last, and the logarithm of its probability."""
    best_T = scores_TV.argmax(axis=1)
    ends, logs = [], []
    stops = [*frames[1:], len(scores_TV)][: len(frames)]
    for character, begin, stop in zip(text, frames, stops, strict=True):
        symbol, end = symbols.index(character), begin + 1
        while end < stop and best_T[end] == symbol:  # the character goes on while it is heard
            end += 1
        ends.append(end)
        logs.append(math.log(max(scores_TV[begin:end, symbol].max(), 1e-10)))
    return ends, logs
