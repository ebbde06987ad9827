"""Symbol scores of every frame: what transcripts are decoded from.

Shape suffixes: B utterances, T frames, V symbols.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from emoasr.asr.networks.base import Output
from emoasr.asr.vocabulary import OURS


@dataclasses.dataclass(frozen=True)
class SymbolScores:
    """Probabilities (B, T, V) of all symbols on every frame, the blank last; see `OfFrames`.

    Beyond an utterance's end the blank is certain.

    Attributes:
        classes: the network's, of each symbol and of the blank.
    """

    classes: tuple[int, ...] = OURS.classes

    def __call__(self, output: Output, mask_BT: jax.Array, arrays: Any = None) -> jax.Array:
        """Probabilities of logits."""
        logits_BTV = output.logits_BTV
        assert logits_BTV is not None  # `Recognizer.transcribe` has seen to it
        scores_BTV = jax.nn.softmax(logits_BTV)[..., jnp.array(self.classes)]
        blank_V = jax.nn.one_hot(len(self.classes) - 1, len(self.classes))
        return jnp.where(mask_BT[..., None], scores_BTV, blank_V)
