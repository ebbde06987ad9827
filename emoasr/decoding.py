"""From waveforms to text: symbol scores on the device, greedy and beam-search CTC decoding."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from emoasr import frontend as fe
from emoasr.errors import UserError
from emoasr.longform import Cut
from emoasr.model import GatedConvNet
from emoasr.text import BLANK, SYMBOLS


class Listener:
    """From padded waveforms to symbol scores of every frame; a `longform.DeviceFunction`.

    Attributes:
        frontend: of the network.
        reach: frames at either side that a score depends on.
    """

    def __init__(self, network: GatedConvNet, frontend: fe.FrontEndConfig, posteriors: bool):
        """Fixes what is computed.

        Args:
            network: the recognizer's.
            frontend: its front end.
            posteriors: whether to give probabilities, for beam search.
        """
        self.frontend, self.reach = frontend, network.config.reach
        self._network, self._posteriors = nnx.split(network), posteriors

    def __call__(self, wave_BN: fe.Array, lengths_B: fe.Array) -> dict[str, jax.Array]:
        """The likeliest class of every frame, or the probabilities of all.

        Args:
            wave_BN: float32 samples in [-1, 1], padded to whole hops.
            lengths_B: true lengths, samples.

        Returns:
            `scores`: classes (B, T) or probabilities (B, T, V). Beyond an utterance's end, blank.
        """
        graph, state = self._network
        return _scores(graph, self.frontend, self._posteriors, state, wave_BN, lengths_B, None)

    def piece(self, wave_BN: fe.Array, lengths_B: fe.Array, cut: Cut) -> dict[str, jax.Array]:
        """As a call does, of pieces of utterances."""
        graph, state = self._network
        top_B = cut.top_B
        return _scores(graph, self.frontend, self._posteriors, state, wave_BN, lengths_B, top_B)

    def merge(self, parts: list[dict[str, Any]], cores: list[slice]) -> dict[str, np.ndarray]:
        """The scores of an utterance, of its pieces and their core frames."""
        own = [part["scores"][0, core] for part, core in zip(parts, cores, strict=True)]
        return {"scores": np.concatenate(own)}


@partial(jax.jit, static_argnums=(0, 1, 2))
def _scores(graph, frontend, posteriors, state, wave_BN, lengths_B, top_B):
    mfcc_BTD, frames_B = fe.mfcc(wave_BN, lengths_B, frontend, top_B)
    logits_BTV = nnx.merge(graph, state)(mfcc_BTD, frames_B).logits_BTV
    mask_BT = fe.frame_mask(frames_B, logits_BTV.shape[1])
    if posteriors:
        blank_V = jax.nn.one_hot(BLANK, logits_BTV.shape[-1])
        return {"scores": jnp.where(mask_BT[..., None], jax.nn.softmax(logits_BTV), blank_V)}
    return {"scores": jnp.where(mask_BT, jnp.argmax(logits_BTV, -1), BLANK)}


def greedy(best_T: np.ndarray) -> tuple[str, list[int]]:
    """Greedy CTC decoding: repeats merged, blanks dropped, spaces at the ends stripped.

    Args:
        best_T: the best class of each frame.

    Returns:
        The text, and for each of its characters the frame where it begins.
    """
    begins = np.flatnonzero((np.diff(best_T, prepend=-1) != 0) & (best_T != BLANK))
    text = "".join(SYMBOLS[c] for c in best_T[begins])
    return _stripped(text, begins.tolist())


def beam_search(posteriors_TV: np.ndarray, beam_size: int) -> tuple[str, list[int]]:
    """CTC prefix beam search (Graves et al. 2006, section 3.2) without a language model.

    Args:
        posteriors_TV: class probabilities of each frame.
        beam_size: prefixes kept from frame to frame.

    Returns:
        The text, spaces at the ends stripped, and for each of its characters the frame where the
        search settled on it, which may lie a frame or two from where `greedy` puts it.

    Raises:
        ImportError: `fast-ctc-decode` is not installed.
    """
    import fast_ctc_decode

    blank_first = [BLANK, *(i for i in range(len(SYMBOLS) + 1) if i != BLANK)]
    ordered_TV = np.ascontiguousarray(posteriors_TV[:, blank_first], np.float32)
    text, frames = fast_ctc_decode.beam_search(ordered_TV, ["", *SYMBOLS], beam_size=beam_size)
    return _stripped(text, list(map(int, frames)))


def require_beam_search() -> None:
    """Raises: UserError, if the library that `beam_search` needs is not installed."""
    try:
        import fast_ctc_decode  # noqa: F401
    except ImportError:
        raise UserError("beam search needs fast-ctc-decode: pip install 'emoasr[beam]'") from None


def _stripped(text: str, frames: list[int]) -> tuple[str, list[int]]:
    first, stripped = len(text) - len(text.lstrip()), text.strip()
    return stripped, frames[first : first + len(stripped)]
