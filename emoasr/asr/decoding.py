"""From symbol scores to text: greedy and beam-search CTC decoding."""

import numpy as np

from emoasr.asr.language_model import LanguageModel
from emoasr.asr.text import BLANK, SYMBOLS
from emoasr.settings.choices import LANGUAGE_WEIGHT
from emoasr.system import extras

WEIGHT = LANGUAGE_WEIGHT  # this and the next chosen on validation speakers

_BLANK_PENALTY = 0.75  # beside a language model, which makes texts too short: log-probability
_TOKENS = 10  # symbols by which a prefix may be continued at a frame, the likeliest
_THRESHOLD = 20.0  # log-probability below the best prefix's at which others are given up


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
