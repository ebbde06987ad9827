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

    def __init__(self, network: GatedConvNet, frontend: fe.FrontEndConfig):
        """Fixes what is computed.

        Args:
            network: the recognizer's.
            frontend: its front end.
        """
        self.frontend, self.receptive_field = frontend, network.config.receptive_field
        self._network = nnx.split(network)

    def compiled(self, n_rows: int, n_samples: int) -> Program:
        """Gives the probabilities of all classes on every frame.

        The program's `scores` are (B, T, V), of waveforms with their lengths in samples; beyond an
        utterance's end the blank is certain.
        """
        graph, state = self._network
        shapes = waves(n_rows, n_samples)
        program = _scores.lower(graph, self.frontend, state, *shapes, None).compile()
        return lambda wave_BN, lengths_B: program(state, wave_BN, lengths_B, None)

    def clear(self) -> None:
        """Frees the compiled programs that nobody holds."""
        compilation_cache.clear(_scores)

    def chunk(
        self, wave_BN: fe.Array, lengths_B: fe.Array, info: ChunkInfo
    ) -> dict[str, jax.Array]:
        """Scores as of a program, of chunks of utterances."""
        graph, state = self._network
        return _scores(graph, self.frontend, state, wave_BN, lengths_B, info.top_B)

    def merge(self, parts: list[dict[str, Any]], frames: list[slice]) -> dict[str, np.ndarray]:
        """The scores of an utterance, of its chunks and their own frames."""
        scores = [part["scores"][0, own] for part, own in zip(parts, frames, strict=True)]
        return {"scores": np.concatenate(scores)}


@partial(jax.jit, static_argnums=(0, 1))
def _scores(graph, frontend, state, wave_BN, lengths_B, top_B):
    mfcc_BTD, frames_B = fe.mfcc(wave_BN, lengths_B, frontend, top_B)
    logits_BTV = nnx.merge(graph, state)(mfcc_BTD, frames_B).logits_BTV
    mask_BT = fe.frame_mask(frames_B, logits_BTV.shape[1])
    blank_V = jax.nn.one_hot(BLANK, logits_BTV.shape[-1])
    return {"scores": jnp.where(mask_BT[..., None], jax.nn.softmax(logits_BTV), blank_V)}
