"""Symbol scores of every frame: what transcripts are decoded from.

Shape suffixes: B utterances, T frames, V symbols.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from emoasr.asr.networks.base import Output
from emoasr.asr.text import BLANK


@dataclasses.dataclass(frozen=True)
class SymbolScores:
    """Probabilities (B, T, V) of all classes on every frame; see `frames.OfFrames`.

    Beyond an utterance's end the blank is certain.
    """

    def __call__(self, output: Output, mask_BT: jax.Array, arrays: Any = None) -> jax.Array:
        """Probabilities of logits."""
        logits_BTV = output.logits_BTV
        assert logits_BTV is not None  # `Recognizer.transcribe` has seen to it
        blank_V = jax.nn.one_hot(BLANK, logits_BTV.shape[-1])
        return jnp.where(mask_BT[..., None], jax.nn.softmax(logits_BTV), blank_V)
