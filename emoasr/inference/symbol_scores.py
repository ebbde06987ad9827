"""Symbol scores of every frame, on the device: what transcripts are decoded from.

Shape suffixes: B utterances, N samples, T frames, D coefficients, V symbols.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from emoasr.asr import frontend as fe
from emoasr.asr.networks.gated import GatedConvNet
from emoasr.asr.text import BLANK
from emoasr.inference import compilation_cache
from emoasr.inference.long_recordings import ChunkInfo, Program, waves


class SymbolScorer:
    """From padded waveforms to symbol scores of every frame; a `DeviceFunction`.

    Attributes:
        frontend: of the network.
        receptive_field: frames at either side that a score depends on.
    """

    def __init__(self, network: GatedConvNet, frontend: fe.FrontEndConfig, posteriors: bool):
        """Fixes what is computed.

        Args:
            network: the recognizer's.
            frontend: its front end.
            posteriors: whether to give probabilities, for beam search.
        """
        self.frontend, self.receptive_field = frontend, network.config.receptive_field
        self._network, self._posteriors = nnx.split(network), posteriors

    def compiled(self, n_rows: int, n_samples: int) -> Program:
        """Gives the likeliest class of every frame, or the probabilities of all.

        The program's `scores` are classes (B, T) or probabilities (B, T, V) of waveforms with their
        lengths in samples; beyond an utterance's end, blank.
        """
        graph, state = self._network
        how = graph, self.frontend, self._posteriors
        program = _scores.lower(*how, state, *waves(n_rows, n_samples), None).compile()
        return lambda wave_BN, lengths_B: program(state, wave_BN, lengths_B, None)

    def clear(self) -> None:
        """Frees the compiled programs that nobody holds."""
        compilation_cache.clear(_scores)

    def chunk(
        self, wave_BN: fe.Array, lengths_B: fe.Array, info: ChunkInfo
    ) -> dict[str, jax.Array]:
        """Scores as of a program, of chunks of utterances."""
        graph, state = self._network
        top_B = info.top_B
        return _scores(graph, self.frontend, self._posteriors, state, wave_BN, lengths_B, top_B)

    def merge(self, parts: list[dict[str, Any]], frames: list[slice]) -> dict[str, np.ndarray]:
        """The scores of an utterance, of its chunks and their own frames."""
        scores = [part["scores"][0, own] for part, own in zip(parts, frames, strict=True)]
        return {"scores": np.concatenate(scores)}


@partial(jax.jit, static_argnums=(0, 1, 2))
def _scores(graph, frontend, posteriors, state, wave_BN, lengths_B, top_B):
    mfcc_BTD, frames_B = fe.mfcc(wave_BN, lengths_B, frontend, top_B)
    logits_BTV = nnx.merge(graph, state)(mfcc_BTD, frames_B).logits_BTV
    mask_BT = fe.frame_mask(frames_B, logits_BTV.shape[1])
    if posteriors:
        blank_V = jax.nn.one_hot(BLANK, logits_BTV.shape[-1])
        return {"scores": jnp.where(mask_BT[..., None], jax.nn.softmax(logits_BTV), blank_V)}
    return {"scores": jnp.where(mask_BT, jnp.argmax(logits_BTV, -1), BLANK)}
