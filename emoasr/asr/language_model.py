"""A character n-gram language model, which beam search combines with the recognizer's scores.

It is an automaton: a state is the longest known context, with the probabilities of all symbols
after it and the state that each leads to.

Shape suffixes: S states, V symbols.
"""

import functools
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import safetensors.numpy

from emoasr.asr.text import SYMBOLS, encode
from emoasr.errors import UserError
from emoasr.files import untrusted
from emoasr.files.tensors import read_tensors, tensor_shapes
from emoasr.files.writing import write_atomically

_V = len(SYMBOLS)
MOST_BYTES = 1 << 25  # of a file: 7 times the shipped one's; in use it takes 30 times that
_LONGEST = 6  # context that a file's 32-bit numbers can hold, symbols


class LanguageModel:
    """Probabilities of the next symbol (space, a..z) after the symbols before it.

    Attributes:
        log_prob_SV: natural logarithms; each state's probabilities add up to one.
        next_SV: the state after each symbol.
        start: the state at a text's beginning.
    """

    def __init__(self, contexts: list[np.ndarray], log_prob_SV: np.ndarray):
        """Makes an automaton.

        Args:
            contexts: for each length from 0 on the known contexts, ascending, as numbers of base
                27 whose last digit is the latest symbol; a known context must also be known
                without its first symbol.
            log_prob_SV: their rows, in that order.

        Raises:
            ValueError: the arguments are not as described.
        """
        self.contexts = [codes.astype(np.int64) for codes in contexts]
        self.log_prob_SV = log_prob_SV.astype(np.float32)
        self._begin = np.cumsum([0, *map(len, contexts)])
        if len(log_prob_SV) != self._begin[-1] or contexts[0].tolist() != [0]:
            raise ValueError("as many rows as contexts, the first of no symbols")
        for n, codes in enumerate(self.contexts):
            if (np.diff(codes, prepend=-1) <= 0).any() or (codes >= _V**n).any():
                raise ValueError(f"contexts of {n} symbols must be ascending, from 0 to 27^{n} - 1")
        if not (log_prob_SV <= 0).all():
            raise ValueError("logarithms of probabilities must not be above 0")
        self.next_SV = np.concatenate(
            [self._states(codes[:, None] * _V + np.arange(_V), n + 1)
             for n, codes in enumerate(self.contexts)]
        )  # fmt: skip
        self.start = int(self.next_SV[0, 0])  # as after a space

    def _states(self, codes: np.ndarray, length: int) -> np.ndarray:
        """The states of the longest known suffixes of contexts of `length` symbols."""
        found = np.full(codes.shape, -1)
        for n in range(min(length, len(self.contexts) - 1), -1, -1):
            ends = codes % _V**n
            place = np.minimum(np.searchsorted(self.contexts[n], ends), len(self.contexts[n]) - 1)
            known = self.contexts[n][place] == ends
            found = np.where((found < 0) & known, self._begin[n] + place, found)
        return found

    @functools.cached_property
    def as_lists(self) -> tuple[list[list[float]], list[list[int]]]:
        """`log_prob_SV` and `next_SV` as nested lists, made once: faster for single look-ups."""
        return self.log_prob_SV.tolist(), self.next_SV.tolist()

    def log_prob(self, text: str) -> float:
        """Natural logarithm of the probability of a normalised text's symbols and a last space."""
        state, total = self.start, 0.0
        for symbol in [*encode(text), 0]:
            total += float(self.log_prob_SV[state, symbol])
            state = self.next_SV[state, symbol]
        return total


def fit(texts: Iterable[str], order: int = 6, min_count: int = 3) -> LanguageModel:
    """Counts symbols after contexts; interpolated Witten-Bell smoothing (Chen & Goodman 1998).

    Args:
        texts: training texts; normalised here.
        order: symbols of the longest n-grams.
        min_count: contexts of two symbols or more are kept if they occur at least so often; where
            none does, there are no longer n-grams.

    Raises:
        UserError: there are no texts.
    """
    encoded = [np.concatenate([[0], encode(text), [0]]) for text in texts]
    if not encoded:
        raise UserError("a language model needs texts, and there are none")
    contexts = [np.zeros(1, np.int64)]
    rows = [np.full((1, _V), 1 / _V)]
    for n in range(order):
        grams = np.concatenate([_grams(text, n + 1) for text in encoded])
        before, symbol = grams // _V, grams % _V
        codes, total = np.unique(before, return_counts=True)
        codes = codes[total >= (min_count if n > 1 else 1)]
        if not len(codes):
            break
        place = np.minimum(np.searchsorted(codes, before), len(codes) - 1)
        known = codes[place] == before
        counts = np.zeros((len(codes), _V))
        np.add.at(counts, (place[known], symbol[known]), 1)
        shorter = rows[-1][np.searchsorted(contexts[-1], codes % _V ** max(n - 1, 0))]
        types, seen = np.count_nonzero(counts, axis=1), counts.sum(axis=1)
        row = (counts + types[:, None] * shorter) / (seen + types)[:, None]
        contexts, rows = ([*contexts, codes], [*rows, row]) if n else ([codes], [row])
    return LanguageModel(contexts, np.log(np.concatenate(rows)))


def _grams(symbols: np.ndarray, n: int) -> np.ndarray:
    """All n-grams of a text, as numbers of base 27."""
    padded = symbols if len(symbols) >= n else np.zeros(n, int)
    windows = np.lib.stride_tricks.sliding_window_view(padded, n)[: max(len(symbols) - n + 1, 0)]
    return windows.astype(np.int64) @ _V ** np.arange(n - 1, -1, -1)


def save(model: LanguageModel, path: Path) -> None:
    """Writes a model as safetensors, its logarithms as float16."""
    tensors = {f"contexts.{n}": codes.astype(np.int32) for n, codes in enumerate(model.contexts)}
    tensors["log_prob"] = model.log_prob_SV.astype(np.float16)
    write_atomically(path, safetensors.numpy.save(tensors))


def load(path: untrusted.Source) -> LanguageModel:
    """Reads a model.

    Raises:
        UserError: the file is not a language model, is too large, or its values are not valid.
    """
    shapes = tensor_shapes(path, ("F16", "F32", "I32"), MOST_BYTES)
    names = [f"contexts.{n}" for n in range(len(shapes) - 1)]
    if shapes.keys() != {"log_prob", *names} or not 0 < len(names) <= _LONGEST + 1:
        raise UserError(f"{path}: not a language model: it needs log_prob, contexts.0, ...")
    n_states = sum(math.prod(shapes[name]) for name in names)
    for name, wanted in {**{n: shapes[n][:1] for n in names}, "log_prob": (n_states, _V)}.items():
        if shapes[name] != wanted:
            raise UserError(f"{path}: {name} has shape {shapes[name]}, must have {wanted}")
    tensors = read_tensors(path)
    try:
        return LanguageModel([tensors[name] for name in names], tensors["log_prob"])
    except ValueError as error:
        raise UserError(f"{path}: not a language model ({error})") from None
