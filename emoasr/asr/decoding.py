"""From symbol scores to text: greedy and beam-search CTC decoding.

Shape suffixes: B utterances, T frames, V classes (the blank last), K prefixes, S states and U
symbols of a language model.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from emoasr.asr.language_model import LanguageModel
from emoasr.asr.text import SYMBOLS
from emoasr.settings.choices import LANGUAGE_WEIGHT

WEIGHT = LANGUAGE_WEIGHT  # this and the next chosen on validation speakers

_BLANK_FACTOR = np.exp(-0.75)  # a penalty: a language model favours short texts
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # multiplier of the prefixes' rolling hash; odd
_NONE, _DEAD = np.uint64(0), np.uint64(1)  # for a hash: before the empty prefix; score 0


class Greedy:
    """Greedy CTC decoding of class probabilities, with the interface of `BeamSearch`."""

    def __init__(self, symbols: Sequence[str] = SYMBOLS):
        """Decodes into these symbols."""
        self._symbols = symbols

    def __call__(self, scores_BTV: np.ndarray) -> list[tuple[str, list[int]]]:
        """For each utterance the text, and for each of its characters the frame where it begins."""
        best_BT = np.asarray(scores_BTV).argmax(axis=-1)
        return [greedy(best_T, self._symbols) for best_T in best_BT]


def greedy(best_T: np.ndarray, symbols: Sequence[str] = SYMBOLS) -> tuple[str, list[int]]:
    """Greedy CTC decoding: repeats merged, blanks dropped, spaces at the ends stripped.

    Args:
        best_T: the best class of each frame.
        symbols: of the classes but the blank, which is the last; "" is not written.

    Returns:
        The text, and for each of its characters the frame where it begins.
    """
    begins = np.flatnonzero((np.diff(best_T, prepend=-1) != 0) & (best_T != len(symbols)))
    return _text(best_T[begins], begins, symbols)


class BeamSearch:
    """CTC prefix beam search of a batch of utterances, optionally with a language model.

    A prefix's score is the probability of all paths that spell it (Graves et al. 2006, section 3.2;
    with the sums of Hannun et al. 2014, algorithm 1), times the language model's probability of it
    to the power `weight`. With as many prefixes as there are texts the best one is exact.

    Example:
        >>> search = BeamSearch(10, None)
        >>> scores_BTV = np.full((1, 2, 28), 0.0)
        >>> scores_BTV[..., 1], scores_BTV[..., -1] = 0.4, 0.6  # "a": .64 in all, of three paths
        >>> search(scores_BTV)
        [('a', [0])]
    """

    def __init__(
        self,
        beam_size: int,
        language: LanguageModel | None,
        weight: float = WEIGHT,
        symbols: Sequence[str] = SYMBOLS,
    ):
        """Sets up the search.

        Args:
            beam_size: prefixes kept from frame to frame.
            language: the language model; None: without one.
            weight: of its log-probabilities beside the recognizer's.
            symbols: as of `greedy`; those of the language model where there is one.
        """
        self._size, self._symbols = beam_size, symbols
        if language:
            self._factor_SU = np.exp(weight * language.log_prob_SV.astype(np.float64))
            self._next_SU, self._start = language.next_SV, language.start
        else:
            self._factor_SU = np.ones((1, len(symbols)))
            self._next_SU, self._start = np.zeros((1, len(symbols)), int), 0
        self._blank = _BLANK_FACTOR if language else 1.0

    def __call__(self, scores_BTV: np.ndarray) -> list[tuple[str, list[int]]]:
        """Decodes class probabilities; frames beyond an utterance's end must be all blank.

        Returns:
            For each utterance the text, spaces at the ends stripped, and for each of its characters
            the frame at which most of its probability came, which may lie a frame or two from where
            `greedy` puts it.
        """
        beam = self._begin(len(scores_BTV))
        steps = []
        for scores_BV in np.moveaxis(np.asarray(scores_BTV, np.float64), 1, 0):
            beam = self._step(beam, scores_BV)
            steps.append((beam.parent_BK.astype(np.int32), beam.added_BK.astype(np.int16)))
        best_B = np.argmax(beam.blank_BK + beam.symbol_BK, axis=1)
        return [_traced(steps, b, best, self._symbols) for b, best in enumerate(best_B)]

    def _begin(self, n: int) -> "_Beam":
        """The beams before the first frame: the empty prefix."""
        return _Beam(
            blank_BK=np.ones((n, 1)),
            symbol_BK=np.zeros((n, 1)),
            last_BK=np.full((n, 1), -1),
            state_BK=np.full((n, 1), self._start),
            hash_BK=np.full((n, 1), _FACTOR),
            before_BK=np.full((n, 1), _NONE),
            parent_BK=np.zeros((n, 1), int),
            added_BK=np.full((n, 1), -1),
        )

    def _step(self, beam: "_Beam", scores_BV: np.ndarray) -> "_Beam":
        """The beams after one more frame."""
        n, k = beam.last_BK.shape
        row_B1, total_BK = np.arange(n)[:, None], beam.blank_BK + beam.symbol_BK
        last_BK = np.maximum(beam.last_BK, 0)
        blank_BK = total_BK * scores_BV[:, -1:] * self._blank
        repeated_BK = beam.symbol_BK * scores_BV[row_B1, last_BK]
        factor_BKU = self._factor_SU[beam.state_BK] * scores_BV[:, None, :-1]
        longer_BKU = factor_BKU * total_BK[..., None]
        b, place = np.nonzero(beam.last_BK >= 0)
        again = b, place, beam.last_BK[b, place]  # "aa" needs a blank between
        longer_BKU[again] = factor_BKU[again] * beam.blank_BK[b, place]
        # a prefix that extends another in the beam by one symbol: both ways to it are added up
        b, child, parent = np.nonzero(beam.before_BK[:, :, None] == beam.hash_BK[:, None, :])
        came = longer_BKU[b, parent, last_BK[b, child]]
        longer_BKU[b, parent, last_BK[b, child]] = 0
        symbol_BK = repeated_BK.copy()
        symbol_BK[b, child] += came
        parent_BK, added_BK = np.tile(np.arange(k), (n, 1)), np.full((n, k), -1)
        most = came > (blank_BK + repeated_BK)[b, child]
        b, child, parent = b[most], child[most], parent[most]
        parent_BK[b, child], added_BK[b, child] = parent, beam.last_BK[b, child]
        same = beam._replace(
            blank_BK=blank_BK, symbol_BK=symbol_BK, parent_BK=parent_BK, added_BK=added_BK
        )
        return self._best(same, longer_BKU)

    def _best(self, same: "_Beam", longer_BKU: np.ndarray) -> "_Beam":
        """The prefixes with the highest scores.

        Args:
            same: the beams' prefixes after the frame.
            longer_BKU: scores of these prefixes with one symbol more.
        """
        n, k, n_symbols = longer_BKU.shape
        scores = np.concatenate(
            [same.blank_BK + same.symbol_BK, longer_BKU.reshape(n, k * n_symbols)], axis=1
        )
        place = _highest(scores, self._size)
        score = np.take_along_axis(scores, place, axis=1)
        parent, symbol = np.divmod(np.maximum(place - k, 0), n_symbols)
        grown = self._grown(same.at(parent), score, parent, symbol)
        stays = place < k
        kept = zip(same.at(np.minimum(place, k - 1)), grown, strict=True)
        best = _Beam(*(np.where(stays, old, new) for old, new in kept))
        scale = np.maximum(score.max(axis=1, keepdims=True), np.finfo(float).tiny)
        return best._replace(
            blank_BK=best.blank_BK / scale,
            symbol_BK=best.symbol_BK / scale,
            hash_BK=np.where(score > 0, best.hash_BK, _DEAD),
            before_BK=np.where(score > 0, best.before_BK, _NONE),
        )

    def _grown(self, parents: "_Beam", score, parent, symbol) -> "_Beam":
        """Extends the prefixes `parents`, at the beam places `parent`, by one symbol."""
        return _Beam(
            blank_BK=np.zeros_like(score),
            symbol_BK=score,
            last_BK=symbol,
            state_BK=self._next_SU[parents.state_BK, symbol],
            hash_BK=parents.hash_BK * _FACTOR + (symbol + 1).astype(np.uint64),
            before_BK=parents.hash_BK,
            parent_BK=parent,
            added_BK=symbol,
        )


class _Beam(NamedTuple):
    """The prefixes of each utterance after some frames.

    Attributes:
        blank_BK: score of the paths that end in a blank, relative to the best prefix's.
        symbol_BK: likewise of those that end in the prefix's last symbol.
        last_BK: that symbol; -1: the prefix is empty.
        state_BK: the language model's.
        hash_BK: of its symbols: equal for equal prefixes.
        before_BK: hash of the prefix without its last symbol.
        parent_BK: place, in the beam a frame before, of the prefix that gave most of its score.
        added_BK: the symbol by which it extends that prefix; -1: none.
    """

    blank_BK: np.ndarray
    symbol_BK: np.ndarray
    last_BK: np.ndarray
    state_BK: np.ndarray
    hash_BK: np.ndarray
    before_BK: np.ndarray
    parent_BK: np.ndarray
    added_BK: np.ndarray

    def at(self, place_BK: np.ndarray) -> "_Beam":
        """The prefixes at these places."""
        return _Beam(*(np.take_along_axis(values, place_BK, axis=1) for values in self))


def _highest(scores: np.ndarray, n: int) -> np.ndarray:
    """The places of each row's `n` highest scores, in no order; all where there are fewer."""
    if scores.shape[1] <= n:
        return np.tile(np.arange(scores.shape[1]), (len(scores), 1))
    return np.argpartition(scores, -n, axis=1)[:, -n:]


def _traced(steps: list[tuple[np.ndarray, np.ndarray]], b: int, place: int, symbols: Sequence[str]):
    """Backtracks from a place of the last beam: the prefix's text and frames."""
    found, frames = [], []
    for frame in range(len(steps) - 1, -1, -1):
        parent_BK, symbol_BK = steps[frame]
        if symbol_BK[b, place] >= 0:
            found.append(symbol_BK[b, place])
            frames.append(frame)
        place = parent_BK[b, place]
    return _text(found[::-1], frames[::-1], symbols)


def _text(found, frames, symbols: Sequence[str]) -> tuple[str, list[int]]:
    """Symbols as text, without spaces at its ends, and the frames that remain."""
    written = [(symbols[c], int(frame)) for c, frame in zip(found, frames, strict=True)]
    written = [(character, frame) for character, frame in written if character]
    text = "".join(character for character, _ in written)
    first, stripped = len(text) - len(text.lstrip(" ")), text.strip(" ")
    return stripped, [frame for _, frame in written[first : first + len(stripped)]]
