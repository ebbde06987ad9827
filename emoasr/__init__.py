"""emoasr: a speech recognizer's hidden units as features for emotion research.

import emoasr
recognizer = emoasr.load_recognizer()
table = recognizer.features(["a.wav", "b.flac"])  # pandas: one row a file, 1920 columns
recognizer.transcribe("a.wav")
emoasr.load_predictor().predict("a.wav")  # arousal, valence, dominance, with intervals
"""

import importlib
from typing import TYPE_CHECKING, Any

from emoasr.system import forks as forks  # a parent must have imported it before it forks

__version__ = "0.2.0"
__all__ = ["Predictor", "Recognizer", "__version__", "load_predictor", "load_recognizer"]

_HOMES = {
    "load_recognizer": "emoasr.recognizer",
    "Recognizer": "emoasr.recognizer",
    "load_predictor": "emoasr.predictor",
    "Predictor": "emoasr.predictor",
}

if TYPE_CHECKING:
    from emoasr.predictor import Predictor as Predictor
    from emoasr.predictor import load_predictor as load_predictor
    from emoasr.recognizer import Recognizer as Recognizer
    from emoasr.recognizer import load_recognizer as load_recognizer
else:

    def __getattr__(name: str) -> Any:
        # Lazy: commands answer, and openSMILE's processes work, without JAX.
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = value = getattr(importlib.import_module(_HOMES[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
