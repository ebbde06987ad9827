"""From waveforms to text: symbol scores on the device, greedy and beam-search CTC decoding."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from emoasr.asr import frontend as fe
from emoasr.asr.language_model import LanguageModel
from emoasr.asr.networks.gated import GatedConvNet
from emoasr.asr.text import BLANK, SYMBOLS
from emoasr.inference import compilation
from emoasr.inference.long_recordings import Cut, Program, waves
from emoasr.settings.choices import LANGUAGE_WEIGHT
from emoasr.system import extras

WEIGHT = LANGUAGE_WEIGHT  # this and the next chosen on validation speakers

_BLANK_PENALTY = 0.75  # beside a language model, which makes texts too short: log-probability
_TOKENS = 10  # symbols by which a prefix may be continued at a frame, the likeliest
_THRESHOLD = 20.0  # log-probability below the best prefix's at which others are given up


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

    def compiled(self, n_rows: int, n_samples: int) -> Program:
        """Gives the likeliest class of every frame, or the probabilities of all.

        The program's `scores` are classes (B, T) or probabilities (B, T, V) of waveforms with their
        lengths in samples; beyond an utterance's end, blank.
        """
        graph, state = self._network
        how = graph, self.frontend, self._posteriors
        program = _scores.lower(*how, state, *waves(n_rows, n_samples), None).compile()
        return lambda wave_BN, lengths_B: program(state, wave_BN, lengths_B, None)

    def forget(self) -> None:
        """Lets go of the compiled programs that nobody holds."""
        compilation.forget(_scores)

    def piece(self, wave_BN: fe.Array, lengths_B: fe.Array, cut: Cut) -> dict[str, jax.Array]:
        """Scores as of a program, of pieces of utterances."""
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


class BeamSearch:
    """CTC prefix beam search (Graves et al. 2006, section 3.2) with a language model."""

    def __init__(self, beam_size: int, language: LanguageModel | None, weight: float = WEIGHT):
        """Sets up the search.

        Args:
            beam_size: prefixes kept from frame to frame.
            language: the language model; None: without one.
            weight: of its log-probabilities beside the recognizer's.

        Raises:
            UserError: `flashlight-text` is not installed.
        """
        extras.require("beam", "beam search")
        from flashlight.lib.text import decoder

        self._penalty = _BLANK_PENALTY if language else 0.0
        self._model = _as_flashlight(language) if language else decoder.ZeroLM()
        options = decoder.LexiconFreeDecoderOptions(
            beam_size, _TOKENS, _THRESHOLD, weight if language else 0.0, 0.0, True,
            decoder.CriterionType.CTC,
        )  # fmt: skip
        self._decoder = decoder.LexiconFreeDecoder(options, self._model, 0, BLANK, [])

    def __call__(self, posteriors_TV: np.ndarray) -> tuple[str, list[int]]:
        """Decodes class probabilities of each frame.

        Returns:
            The text, spaces at the ends stripped, and for each of its characters the frame where
            the search settled on it, which may lie a frame or two from where `greedy` puts it.
        """
        log_TV = np.log(np.maximum(posteriors_TV, 1e-10, dtype=np.float32, order="C"))
        log_TV[:, BLANK] -= self._penalty
        found = self._decoder.decode(log_TV.ctypes.data, *log_TV.shape)
        return greedy(np.array(found[0].tokens[1:-1]))


def _as_flashlight(language: LanguageModel):
    """The language model as flashlight's decoder asks it, state by state."""
    from flashlight.lib.text import decoder

    class Automaton(decoder.LM):
        def __init__(self):
            decoder.LM.__init__(self)
            self._rows, self._next = language.as_lists

        def start(self, start_with_nothing):
            first = decoder.LMState()
            self._places = {first: language.start}  # of this utterance's states alone
            return first

        def score(self, state, symbol):
            place, child = self._places[state], state.child(symbol)
            self._places[child] = self._next[place][symbol]
            return child, self._rows[place][symbol]

        def finish(self, state):
            return state, 0.0

    return Automaton()


def _stripped(text: str, frames: list[int]) -> tuple[str, list[int]]:
    first, stripped = len(text) - len(text.lstrip()), text.strip()
    return stripped, frames[first : first + len(stripped)]
