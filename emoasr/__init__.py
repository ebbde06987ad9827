"""emoasr: a speech recognizer's hidden units as features for emotion research.

import emoasr
recognizer = emoasr.load_recognizer()
table = recognizer.features(["a.wav", "b.flac"])  # pandas: one row a file, 1920 columns
recognizer.transcribe("a.wav")
"""

from typing import Any

from emoasr import forks as forks  # a parent must have imported it before it forks

__version__ = "0.1.0"
__all__ = ["load_recognizer"]


def __getattr__(name: str) -> Any:
    # Lazy: openSMILE's worker processes import this package and have no use for JAX.
    if name == "load_recognizer":
        from emoasr.checkpoint import load_recognizer

        return load_recognizer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
