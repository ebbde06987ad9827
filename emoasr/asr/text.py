"""Symbols of the recognizer: text to CTC classes, and error rates.

The vocabulary is the original's: CTC classes 0 (the space) and 1..26 (a..z), blank last, 27.
"""

import unicodedata
from collections.abc import Sequence

import jiwer
import numpy as np

SYMBOLS = " abcdefghijklmnopqrstuvwxyz"
BLANK = len(SYMBOLS)

_CLASS = {symbol: i for i, symbol in enumerate(SYMBOLS)}


def normalise(text: str) -> str:
    """Text as the recognizer writes it: lower-case a..z and single spaces.

    Accents are taken off, apostrophes deleted ("don't" is "dont"); any other
    character becomes a space. That includes digits, so training must leave such texts out.
    """
    plain = unicodedata.normalize("NFKD", text).lower()
    plain = "".join(c for c in plain if not unicodedata.combining(c) and c not in "'`\u2018\u2019")
    return " ".join("".join(c if c in _CLASS else " " for c in plain).split())


def has_digits(text: str) -> bool:
    """Whether a text has digits: how those were read ("twelve", "one two") is not known."""
    return any(c.isdigit() for c in text)


def encode(text: str) -> np.ndarray:
    """Normalised text as CTC classes, int32 (L,)."""
    return np.array([_CLASS[c] for c in normalise(text)], np.int32)


def frames_needed(classes: np.ndarray) -> int:
    """Frames that CTC needs at least: one a symbol, and a blank between equal neighbours."""
    return len(classes) + int(np.sum(classes[1:] == classes[:-1]))


def error_rates(references: Sequence[str], hypotheses: Sequence[str]) -> dict[str, float]:
    """Character and word error rates, pooled over all texts.

    Args:
        references: normalised true texts, none of them empty.
        hypotheses: what was recognized.

    Returns:
        `cer` and `wer`: edit distance over the references' length (jiwer).
    """
    true, found = list(references), list(hypotheses)
    return {"cer": float(jiwer.cer(true, found)), "wer": float(jiwer.wer(true, found))}
